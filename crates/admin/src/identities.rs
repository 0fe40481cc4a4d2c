//! Who people are upstream, as an administrator says it: links shown, made, disabled and taken away, quarantine lifted.
//!
//! An administrator may bind what no sign-in binds by itself, such as a person's second identity with the same address (B28). Nobody
//! moves a link to another account: it is taken away there and made here, with an audit row for each (B37).

use curfew_policy::status::{OwnerStatus, ProviderKind, UserStatus};
use curfew_protocol::upstream::claims::is_subject;
use curfew_protocol::{LinkId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::links::{Link, NewLink, Subject};
use curfew_store::providers::Provider;
use curfew_store::users::User;
use curfew_store::{Read, Write};

use crate::providers::provider;
use crate::users::{held_user, user};
use crate::{Admin, AdminError, check_step, tenant};

/// A link with the name of its provider.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ShownLink {
    pub provider: String,
    #[serde(flatten)]
    pub link: Link,
}

/// An identity to bind.
#[derive(Clone, Debug)]
pub struct IdentityRequest {
    pub provider: String,
    /// The provider's own when left out, and nothing else.
    pub issuer: Option<String>,
    pub subject: String,
}

/// How things are after a link was taken away, disabled or enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkChanged {
    /// Neither a password nor a link that opens the account: only an invitation lets the person in again.
    pub no_way_in: bool,
}

/// Does the issuer belong to the provider? Byte for byte (B18).
pub(crate) fn check_issuer(provider: &Provider, issuer: &str) -> Result<(), AdminError> {
    if provider.issuer == issuer {
        return Ok(());
    }
    Err(AdminError::Invalid(format!(
        "the issuer `{}` is not that of `{}`, which is {}; issuers are compared byte for byte, also a slash at the end",
        issuer.escape_debug(),
        provider.slug,
        provider.issuer
    )))
}

/// Could the provider name somebody like this?
pub(crate) fn check_subject(kind: ProviderKind, subject: &str) -> Result<(), AdminError> {
    let problem = match kind {
        ProviderKind::OpenId if is_subject(subject) => return Ok(()),
        ProviderKind::GitHub if is_account_number(subject) => return Ok(()),
        ProviderKind::OpenId => {
            "it is empty, longer than 255 bytes, or has control characters in it; write the `sub` that the provider gives"
        }
        ProviderKind::GitHub => {
            "at GitHub it is the account's number and never its name, which may become somebody else's; ask \
             https://api.github.com/users/NAME for the `id`"
        }
    };
    Err(AdminError::Invalid(format!(
        "the subject `{}` cannot be one: {problem}",
        subject.escape_debug()
    )))
}

/// From 1 to 2^53, written as GitHub writes it (B24).
fn is_account_number(text: &str) -> bool {
    let number = text.parse::<u64>().ok();
    number.is_some_and(|number| (1..=1 << 53).contains(&number) && number.to_string() == text)
}

/// What stands against binding the identity to the account; `Ok(Some(_))`: it is bound to it already.
pub(crate) fn find_bound(
    read: &mut Read<'_>,
    provider: &Provider,
    subject: &Subject,
    user: Option<UserId>,
) -> Result<Option<Link>, AdminError> {
    let Some(link) = read.link_by_subject(provider.id, subject)? else {
        return Ok(None);
    };
    if Some(link.user_id) == user {
        return Ok(Some(link));
    }
    let owner = read.user(link.user_id)?;
    let named = match owner {
        Some(owner) if owner.status != UserStatus::Deleted => format!("user `{}`", owner.username),
        _ => format!("the deleted user {}", link.user_id),
    };
    Err(AdminError::Invalid(format!(
        "this identity is bound to {named}, and a link never changes its owner; take it away there first: curfew user unlink {} {}",
        link.user_id, link.id
    )))
}

/// The account's imported link at the provider that still waits for its subject.
pub(crate) fn empty_link(
    read: &mut Read<'_>,
    provider: &Provider,
    user: UserId,
) -> Result<Option<Link>, AdminError> {
    let links = read.links_of_user(user)?;
    let mut here = links
        .into_iter()
        .filter(|link| link.provider_id == provider.id);
    Ok(here.find(Link::is_waiting))
}

/// What became of an identity that was to be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// There is a new link.
    Linked,
    /// An imported link that waited has it.
    Filled,
    /// An imported link that waited had it a moment earlier: its person came.
    Already,
}

/// Binds the identity: an imported link that waits gets it, or a new link is made. Answers the link and what happened. `user` is held,
/// so that nobody who signs in fills the same link meanwhile (B14).
pub(crate) fn bind(
    write: &mut Write<'_>,
    provider: &Provider,
    user: UserId,
    subject: Subject,
) -> Result<(LinkId, Bound), AdminError> {
    if let Some(waiting) = empty_link(write, provider, user)? {
        return Ok((waiting.id, fill(write, waiting.id, &subject)?));
    }
    let display = subject.subject.clone();
    let id = write.link_insert(&NewLink {
        provider_id: provider.id,
        user_id: user,
        subject: Some(subject),
        display,
    })?;
    Ok((id, Bound::Linked))
}

/// Gives the link its identity, or compares the one that it has got by now (B15).
fn fill(write: &mut Write<'_>, waiting: LinkId, subject: &Subject) -> Result<Bound, AdminError> {
    if write.link_backfill(waiting, subject, &subject.subject)? {
        return Ok(Bound::Filled);
    }
    let stored = write.link(waiting)?;
    if stored.is_some_and(|link| link.subject.as_ref() == Some(subject)) {
        return Ok(Bound::Already);
    }
    Err(AdminError::invalid(
        "the imported link that waited was filled or taken away at this moment; look at `curfew user show`, and do it again if it is still right",
    ))
}

impl Admin {
    /// All links of a user, those that were taken away included.
    pub fn user_links(&self, tenant_slug: &str, name: &str) -> Result<Vec<ShownLink>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let found = user(read, owner.id, name)?;
            let links = read.links_of_user(found.id)?;
            links
                .into_iter()
                .map(|link| {
                    let provider = provider_slug(read, &link)?;
                    Ok(ShownLink { provider, link })
                })
                .collect()
        })
    }

    /// Binds an identity to an account. Nothing but the administrator's word stands behind it.
    pub fn user_link(
        &self,
        (tenant_slug, name): (&str, &str),
        identity: IdentityRequest,
    ) -> Result<ShownLink, AdminError> {
        let (tenant_slug, name) = (tenant_slug.to_owned(), name.to_owned());
        let entry = self.entry(AuditEvent::IdentityLinked);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let found = held_user(write, owner.id, &name)?;
            if found.status == UserStatus::Deleted {
                return Err(AdminError::invalid(
                    "a deleted user gets no identity; restore the user first",
                ));
            }
            let provider = provider(write, owner.id, &identity.provider)?;
            let issuer = identity.issuer.as_deref().unwrap_or(&provider.issuer);
            check_issuer(&provider, issuer)?;
            check_subject(provider.kind, &identity.subject)?;
            let subject = Subject {
                issuer: issuer.to_owned(),
                subject: identity.subject.clone(),
            };
            let already = || {
                AdminError::Invalid(format!(
                    "this identity is bound to `{}` already; there is nothing to do",
                    found.username
                ))
            };
            if find_bound(write, &provider, &subject, Some(found.id))?.is_some() {
                return Err(already());
            }
            let (id, bound) = bind(write, &provider, found.id, subject)?;
            let event = match bound {
                Bound::Linked => AuditEvent::IdentityLinked,
                Bound::Filled => AuditEvent::IdentityBackfilled,
                Bound::Already => return Err(already()),
            };
            write.audit(&AuditEntry {
                event,
                tenant_id: Some(owner.id),
                user_id: Some(found.id),
                detail: Some(format!("{} {id}", provider.slug)),
                ..entry.clone()
            })?;
            let link = write.link(id)?;
            let link = link.ok_or_else(|| AdminError::not_found("user", &name))?;
            let provider = provider.slug;
            Ok(ShownLink { provider, link })
        })
    }

    /// Takes a link away: what was born through it is dead, and nobody gets in through it.
    pub fn user_unlink(&self, at: (&str, &str), link: &str) -> Result<LinkChanged, AdminError> {
        self.user_set_link_status(at, link, OwnerStatus::Deleted)
    }

    /// Disables a link, enables it again, or takes it away. Every step ends the sessions that were born through it, so enabling again
    /// revives nothing. While it is disabled, its identity stays its person's, who is refused and cannot take it away.
    pub fn user_set_link_status(
        &self,
        at: (&str, &str),
        link: &str,
        next: OwnerStatus,
    ) -> Result<LinkChanged, AdminError> {
        let Ok(id) = link.parse::<LinkId>() else {
            return Err(AdminError::invalid(
                "this is no id of a link; it is 22 letters and digits, and `curfew user show` lists those of a user",
            ));
        };
        let (event, told) = match next {
            OwnerStatus::Deleted => (AuditEvent::IdentityUnlinked, String::new()),
            OwnerStatus::Active | OwnerStatus::Disabled => {
                (AuditEvent::IdentityStatusChanged, format!(": {next}"))
            }
        };
        self.user_write(at, event, move |write, found| {
            let links = write.links_of_user(found.id)?;
            let alive = |link: &&Link| link.status != OwnerStatus::Deleted;
            let Some(own) = links.iter().filter(alive).find(|link| link.id == id) else {
                return Err(AdminError::Invalid(format!(
                    "user `{0}` has no such link; `curfew user show {0}` lists those that there are",
                    found.username
                )));
            };
            check_step("link", &id.to_string(), own.status, next)?;
            write.link_set_status(id, next)?;
            let changed = LinkChanged {
                no_way_in: !has_way_in(write, found)?,
            };
            let slug = provider_slug(write, own)?;
            Ok((changed, Some(format!("{slug} {id}{told}"))))
        })
    }

    /// Lifts the quarantine of an account that was made by signing in upstream.
    pub fn user_lift_quarantine(&self, at: (&str, &str)) -> Result<(), AdminError> {
        self.user_write(at, AuditEvent::QuarantineLifted, |write, found| {
            if !write.user_lift_quarantine(found.id)? {
                return Err(AdminError::Invalid(format!(
                    "user `{}` is in no quarantine; there is nothing to do",
                    found.username
                )));
            }
            Ok(((), None))
        })
    }
}

/// Does anything open the account: a password, or a link through which its person can come?
fn has_way_in(read: &mut Read<'_>, user: &User) -> Result<bool, AdminError> {
    if user.password_hash.is_some() {
        return Ok(true);
    }
    let providers = read.provider_list(user.tenant_id)?;
    let links = read.links_of_user(user.id)?;
    let opening = |link: &Link| providers.iter().any(|provider| link.opens(provider));
    Ok(links.iter().any(opening))
}

fn provider_slug(read: &mut Read<'_>, link: &Link) -> Result<String, AdminError> {
    let provider = read.provider(link.provider_id)?;
    Ok(provider.map(|provider| provider.slug).unwrap_or_default())
}

#[cfg(test)]
#[path = "identities_tests.rs"]
mod tests;
