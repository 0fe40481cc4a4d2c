//! What the decision depends on, read in the transaction that carries it out.
//!
//! The account that it may be about is held until the commit, and what was found before is read again: whoever binds another identity
//! to it, suspends or deletes it at the same time has either done so or waits (A15, B14).

use curfew_http::mailed_link::still_good;
use curfew_http::session::signed_in_again;
use curfew_policy::linking::{self, AccountFacts, Decision, Facts, LinkFacts, LinkHere};
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{LinkId, MailedLinkId, NodeId, ProviderId, TenantId, UserId};
use curfew_store::links::Link;
use curfew_store::mailed_links::LinkKind;
use curfew_store::providers::Provider;
use curfew_store::tenants::Tenant;
use curfew_store::upstream_logins::Purpose;
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use super::{Arrived, Done, NotDone};
use crate::refusal::Refusal;

/// What facts are looked for by.
pub(crate) struct About<'a> {
    pub(crate) tenant_id: TenantId,
    /// The provider, and its epoch when the person left.
    pub(crate) provider: (ProviderId, i64),
    pub(crate) purpose: Purpose,
    pub(crate) arrived: &'a Arrived,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) tenant: Tenant,
    pub(crate) provider: Provider,
    pub(crate) purpose: linking::Purpose,
    /// The link with exactly this identity.
    pub(crate) link: Option<Link>,
    /// Held: the owner of the link, who asked or was invited, or the owner of the address; in this order.
    pub(crate) person: Option<User>,
    /// Every link of the person, those that are gone included.
    links: Vec<Link>,
    /// The address chose the person.
    by_address: bool,
}

pub(crate) fn find(write: &mut Write<'_>, about: &About<'_>) -> Done<Found> {
    let (tenant, provider) = match place(write, about)? {
        Ok(place) => place,
        Err(not_done) => return Ok(Err(not_done)),
    };
    let before = match purpose(write, about)? {
        Ok(purpose) => candidate(write, about, purpose)?,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let person = match before.user {
        Some(user) => write.user_held(user)?,
        None => None,
    };
    // Whoever was waited for may have moved the epoch that an invitation or a session hangs on.
    let purpose = match purpose(write, about)? {
        Ok(purpose) => purpose,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let candidate = candidate(write, about, purpose)?;
    if candidate.user != before.user {
        return Ok(Err(NotDone::Overtaken));
    }
    let links = match &person {
        Some(user) => write.links_of_user(user.id)?,
        None => Vec::new(),
    };
    Ok(Ok(Found {
        tenant,
        provider,
        purpose,
        link: candidate.link,
        person,
        links,
        by_address: candidate.by_address,
    }))
}

/// Tenant and provider, as long as the provider is the one that the person was sent to, and was neither disabled since nor set to another
/// issuer (B43).
fn place(read: &mut Read<'_>, about: &About<'_>) -> Done<(Tenant, Provider)> {
    let (id, epoch) = about.provider;
    let active = |status| status == OwnerStatus::Active;
    let issuer = &about.arrived.identity.issuer;
    let tenant = read.tenant(about.tenant_id)?.filter(|t| active(t.status));
    let provider = read.provider(id)?.filter(|p| {
        active(p.status)
            && p.epoch == epoch
            && p.tenant_id == about.tenant_id
            && p.issuer == *issuer
    });
    Ok(match (tenant, provider) {
        (Some(tenant), Some(provider)) => Ok((tenant, provider)),
        _ => Err(Refusal::ProviderDisabled.into()),
    })
}

fn purpose(
    read: &mut Read<'_>,
    about: &About<'_>,
) -> Result<Result<linking::Purpose, Refusal>, StoreError> {
    Ok(match about.purpose {
        Purpose::SignIn => Ok(linking::Purpose::SignIn),
        Purpose::Link(session) => owner_of_session(read, about.tenant_id, session)?
            .map(|by| linking::Purpose::Link { by })
            .ok_or(Refusal::SessionEnded),
        Purpose::Invitation(link) => invited(read, about.tenant_id, link)?
            .map(|user| linking::Purpose::Invitation { user })
            .ok_or(Refusal::InvitationInvalid),
    })
}

/// Whose session it is, if it lives (SUP-03).
pub(crate) fn owner_of_session(
    read: &mut Read<'_>,
    tenant: TenantId,
    session: NodeId,
) -> Result<Option<UserId>, StoreError> {
    let session = signed_in_again(read, session)?.filter(|own| own.node.tenant_id == tenant);
    Ok(session.and_then(|session| session.node.user.map(|user| user.id)))
}

/// Who was invited, if the invitation is still good. Its secret was presented when the person left.
fn invited(
    read: &mut Read<'_>,
    tenant: TenantId,
    id: MailedLinkId,
) -> Result<Option<UserId>, StoreError> {
    let Some(link) = read.mailed_link(id)? else {
        return Ok(None);
    };
    if link.kind != LinkKind::Invitation {
        return Ok(None);
    }
    Ok(still_good(read, tenant, &link)?.map(|user| user.id))
}

/// Whom it may be about.
struct Candidate {
    link: Option<Link>,
    user: Option<UserId>,
    by_address: bool,
}

fn candidate(
    read: &mut Read<'_>,
    about: &About<'_>,
    purpose: linking::Purpose,
) -> Result<Candidate, StoreError> {
    let subject = about.arrived.identity.subject();
    let link = read.link_by_subject(about.provider.0, &subject)?;
    let (user, by_address) = match (&link, purpose) {
        (Some(link), _) => (Some(link.user_id), false),
        (None, linking::Purpose::Link { by: user } | linking::Purpose::Invitation { user }) => {
            (Some(user), false)
        }
        (None, linking::Purpose::SignIn) => match about.arrived.email_key() {
            Some(key) => {
                let owner = read.user_by_email_key(about.tenant_id, key)?;
                (owner.map(|user| user.id), true)
            }
            None => (None, false),
        },
    };
    Ok(Candidate {
        link,
        user,
        by_address,
    })
}

impl Found {
    pub(crate) fn decide(&self, arrived: &Arrived) -> Decision {
        linking::decide(&Facts {
            purpose: self.purpose,
            link: self
                .link
                .as_ref()
                .zip(self.person.as_ref())
                .map(|(link, user)| LinkFacts {
                    user: user.id,
                    user_status: user.status,
                    link_status: link.status,
                }),
            email: arrived.email.clone(),
            account: self.account(),
            policy: &self.provider.settings.policy,
        })
    }

    /// The account that the verified address chose.
    fn account(&self) -> Option<AccountFacts> {
        let user = self.person.as_ref().filter(|_| self.by_address)?;
        Some(AccountFacts {
            user: user.id,
            status: user.status,
            here: self.here(),
            ever_linked: user.ever_linked,
            has_password: user.password_hash.is_some(),
            has_factor: false,
        })
    }

    /// What binds the person to the provider of this login, whatever binds them to others (B54).
    pub(crate) fn here(&self) -> LinkHere {
        let here = self.links.iter();
        let here: Vec<&Link> = here
            .filter(|link| link.provider_id == self.provider.id)
            .collect();
        let bound = |link: &&Link| link.status != OwnerStatus::Deleted && link.subject.is_some();
        if here.iter().copied().any(|link| bound(&link)) {
            return LinkHere::Bound;
        }
        match here.iter().copied().find(|link| link.is_waiting()) {
            Some(link) => LinkHere::Legacy(link.id),
            None if here.is_empty() => LinkHere::None,
            // An empty link that an administrator disabled is as good as gone.
            None => LinkHere::Removed,
        }
    }

    /// The imported link of the person that waits for a subject of this provider.
    pub(crate) fn empty_link(&self) -> Option<LinkId> {
        match self.here() {
            LinkHere::Legacy(link) => Some(link),
            LinkHere::None | LinkHere::Bound | LinkHere::Removed => None,
        }
    }

    /// Is this identity the only one that signs the person in?
    pub(crate) fn is_only_link(&self) -> bool {
        let living = self
            .links
            .iter()
            .filter(|link| link.status != OwnerStatus::Deleted);
        living.count() == 1
    }
}
