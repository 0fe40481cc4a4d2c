//! The upstream identities that are bound to an account: which there are, and how one is taken away.
//!
//! Unlinking, in one transaction:
//!
//! 1. The session that asks is judged again, and its sign-in must be fresh: whoever finds an open browser must not shut its owner out.
//! 2. The link is the person's own and active. One that an administrator switched off stays, or it could be bound anew past them.
//! 3. Another way in remains: a password, or another link at an active provider.
//! 4. Its status changes and its epoch moves: every session born through it is over, this one possibly included. The account stays one
//!    that was linked, so that an address alone never binds to it again (B36).
//! 5. A mail tells of it, with a link that undoes it, and an audit row is written.

use curfew_http::notice::{IdentityChange, IdentityNotice};
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{LinkId, TenantId, Timestamp, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::links::Link;
use curfew_store::providers::Provider;
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use super::{Acting, Actor, Outcome};

/// A provider by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldProvider {
    pub slug: String,
    pub name: String,
}

impl From<&Provider> for HeldProvider {
    fn from(provider: &Provider) -> Self {
        Self {
            slug: provider.slug.clone(),
            name: provider.name.clone(),
        }
    }
}

/// An identity that is bound to the account.
#[derive(Clone, Debug)]
pub struct HeldIdentity {
    pub id: LinkId,
    pub provider: HeldProvider,
    /// What the person recognises it by.
    pub display: String,
    pub since: Timestamp,
    /// It signs in ([`Link::opens`]).
    pub usable: bool,
    /// It may be taken away: no administrator switched it off, and another way in remains.
    pub removable: bool,
}

/// The identities of a person, and the providers at which others may be linked.
#[derive(Clone, Debug)]
pub struct Identities {
    pub linked: Vec<HeldIdentity>,
    pub providers: Vec<HeldProvider>,
}

/// Why nothing was unlinked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnlinkRefusal {
    SignedOut,
    /// The sign-in is not fresh.
    Stale,
    NotFound,
    /// Nothing else would let the person in.
    LastWay,
}

/// An identity was unlinked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// The session that asked was born through it, and is over.
    pub signed_out: bool,
}

/// What there is to decide by.
struct Ways {
    has_password: bool,
    links: Vec<Link>,
    providers: Vec<Provider>,
}

impl Ways {
    fn of(read: &mut Read<'_>, user: &User) -> Result<Self, StoreError> {
        let mut links = read.links_of_user(user.id)?;
        links.retain(|link| link.status != OwnerStatus::Deleted);
        Ok(Self {
            has_password: user.password_hash.is_some(),
            links,
            providers: read.provider_list(user.tenant_id)?,
        })
    }

    fn provider(&self, link: &Link) -> Option<&Provider> {
        let mut providers = self.providers.iter();
        providers.find(|provider| provider.id == link.provider_id)
    }

    /// Does it sign in?
    fn is_usable(&self, link: &Link) -> bool {
        let provider = self.provider(link);
        provider.is_some_and(|provider| link.opens(provider))
    }

    /// Would the person still get in without that link?
    fn remain_without(&self, id: LinkId) -> bool {
        let mut others = self.links.iter().filter(|link| link.id != id);
        self.has_password || others.any(|link| self.is_usable(link))
    }

    fn held(&self, link: &Link) -> Option<HeldIdentity> {
        Some(HeldIdentity {
            id: link.id,
            provider: self.provider(link)?.into(),
            display: link.display.clone(),
            since: link.created_at,
            usable: self.is_usable(link),
            removable: link.status == OwnerStatus::Active && self.remain_without(link.id),
        })
    }
}

/// The identities of a person, oldest first.
pub fn identities(read: &mut Read<'_>, user: UserId) -> Result<Identities, StoreError> {
    let Some(user) = read.user(user)? else {
        return Ok(Identities {
            linked: Vec::new(),
            providers: Vec::new(),
        });
    };
    let ways = Ways::of(read, &user)?;
    let active = ways
        .providers
        .iter()
        .filter(|provider| provider.status == OwnerStatus::Active);
    Ok(Identities {
        linked: ways
            .links
            .iter()
            .filter_map(|link| ways.held(link))
            .collect(),
        providers: active.map(HeldProvider::from).collect(),
    })
}

/// The identity behind a link, taken away or not.
pub(super) fn identity(
    read: &mut Read<'_>,
    link: &Link,
) -> Result<Option<HeldIdentity>, StoreError> {
    let provider = read.provider(link.provider_id)?;
    Ok(provider.map(|provider| HeldIdentity {
        id: link.id,
        display: link.display.clone(),
        since: link.created_at,
        usable: link.opens(&provider),
        removable: false,
        provider: HeldProvider::from(&provider),
    }))
}

/// Takes an identity away, in the caller's transaction.
pub fn identity_unlink(
    write: &mut Write<'_>,
    (actor, rules): (&Actor, &LifetimeRules),
    id: LinkId,
    notice: Option<&IdentityNotice>,
) -> Outcome<Unlinked, UnlinkRefusal> {
    // Held first: of two who unlink at once, the second sees what the first has left.
    let user = write.user_held(actor.user_id)?;
    let (Some(user), Some(Acting::Session(session))) = (user, actor.acting(write)?) else {
        return Ok(Err(UnlinkRefusal::SignedOut));
    };
    if !rules.is_fresh(session.authenticated_at, write.now()) {
        return Ok(Err(UnlinkRefusal::Stale));
    }
    let ways = Ways::of(write, &user)?;
    let own = ways.links.iter().find(|link| link.id == id);
    let Some(link) = own.filter(|link| link.status == OwnerStatus::Active) else {
        return Ok(Err(UnlinkRefusal::NotFound));
    };
    if !ways.remain_without(id) {
        return Ok(Err(UnlinkRefusal::LastWay));
    }
    write.link_set_status(id, OwnerStatus::Deleted)?;
    if let Some(notice) = notice {
        notice.queue(write, IdentityChange::Unlinked(id))?;
    }
    write.audit(&AuditEntry {
        detail: ways.provider(link).map(|provider| provider.slug.clone()),
        ..actor.entry(AuditEvent::IdentityUnlinked)
    })?;
    let through = session.node.link.map(|through| through.link);
    Ok(Ok(Unlinked {
        signed_out: through == Some(id),
    }))
}

/// The slug of a link's provider, for the audit trail.
pub(super) fn slug_of(read: &mut Read<'_>, link: &Link) -> Result<String, StoreError> {
    let provider = read.provider(link.provider_id)?;
    Ok(provider.map_or_else(String::new, |provider| provider.slug))
}

/// Is the link of this tenant's person?
pub(super) fn is_own(link: &Link, (tenant, user): (TenantId, &User)) -> bool {
    link.user_id == user.id && user.tenant_id == tenant
}
