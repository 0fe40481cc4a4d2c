//! Invitations: a link with which somebody chooses a password. It is mailed where mail is sent and there is an address, and handed over
//! by the administrator otherwise.

use curfew_http::edge::Issuer;
use curfew_http::mail_texts::{self, MailFacts, MailKind};
use curfew_http::pages::{Language, Pages};
use curfew_http::realm::base_of;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_protocol::Redacted;
use curfew_store::Write;
use curfew_store::mailed_links::LinkKind;
use curfew_store::tenants::Tenant;
use curfew_store::users::User;

use crate::AdminError;

/// How people are invited.
pub struct Invitations {
    issuer: Issuer,
    /// What mails are written with; without it none is sent.
    pages: Option<Pages>,
}

impl std::fmt::Debug for Invitations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitations")
            .field("by_mail", &self.pages.is_some())
            .finish_non_exhaustive()
    }
}

/// An invitation that was made.
#[derive(Clone, Debug)]
pub enum Invitation {
    /// It is on its way to this address.
    Mailed(String),
    /// A URL to hand over. It is as good as a password.
    Link(Redacted<String>),
}

impl Invitations {
    pub const fn by_mail(issuer: Issuer, pages: Pages) -> Self {
        Self {
            issuer,
            pages: Some(pages),
        }
    }

    pub const fn by_hand(issuer: Issuer) -> Self {
        Self {
            issuer,
            pages: None,
        }
    }

    pub(crate) fn invite(
        &self,
        write: &mut Write<'_>,
        rules: &LifetimeRules,
        (tenant, user): (&Tenant, &User),
    ) -> Result<Invitation, AdminError> {
        let expires_at = rules
            .expires_at(Credential::Invitation, write.now(), Caps::default())
            .map_err(|refusal| AdminError::invalid(refusal.to_string()))?;
        let link =
            write.mailed_link_insert(user.id, user.epoch, &LinkKind::Invitation, expires_at)?;
        let base = self.issuer.of(&base_of(&tenant.slug));
        let url = format!("{base}/login/password?link={}", link.reveal());
        let (Some(address), Some(pages)) = (&user.email, &self.pages) else {
            return Ok(Invitation::Link(Redacted(url)));
        };
        let facts = MailFacts {
            place: &tenant.name,
            username: &user.username,
            link: &url,
            lasts: Some(expires_at.timestamp().since(write.now())),
        };
        let text = mail_texts::write(pages, &Language::english(), MailKind::Invitation, facts);
        write.mail_insert(address, &text.subject, &text.body, expires_at)?;
        Ok(Invitation::Mailed(address.clone()))
    }
}
