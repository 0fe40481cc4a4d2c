//! The mail that tells a person of a changed password, so that a thief's change does not stay unseen.

use curfew_http::mail_texts::{self, MailFacts, MailKind, MailText};
use curfew_http::problem::PageContext;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

/// Written before the transaction, queued in it.
pub(crate) struct ChangeNotice {
    text: MailText,
    rules: LifetimeRules,
}

impl ChangeNotice {
    /// `None`: this server sends no mail.
    pub(crate) fn of(at: &PageContext<'_>, username: &str) -> Option<Self> {
        at.edge.mailer.as_ref()?;
        let link = format!("{}/login/forgot", at.realm.issuer(at.edge));
        let facts = MailFacts {
            place: &at.realm.name,
            username,
            link: &link,
            lasts: None,
        };
        let kind = MailKind::PasswordChanged;
        let text = mail_texts::write(&at.edge.pages, &at.language(), kind, facts);
        Some(Self {
            text,
            rules: at.edge.lifetimes,
        })
    }

    /// To the address that the account has at this moment. It may wait for the mail server as long as an invitation may.
    pub(crate) fn queue(&self, write: &mut Write<'_>, user: &User) -> Result<(), StoreError> {
        let until = self
            .rules
            .expires_at(Credential::Invitation, write.now(), Caps::default());
        if let (Some(address), Ok(until)) = (&user.email, until) {
            write.mail_insert(address, &self.text.subject, &self.text.body, until)?;
        }
        Ok(())
    }
}
