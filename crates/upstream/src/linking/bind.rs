//! What signing in and proving share: a link is made or filled, a refusal is written down, a session is born through a link.

use curfew_http::session::{StartedSession, UpstreamBirth};
use curfew_http::sign_in::SignIn;
use curfew_policy::lifetime::LifetimeRules;
use curfew_protocol::{LinkId, NodeId, ProviderId, Timestamp, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::link_proofs::ProvedIdentity;
use curfew_store::links::{Link, NewLink};
use curfew_store::nodes::BornThrough;
use curfew_store::providers::Provider;
use curfew_store::sessions::UpstreamSession;
use curfew_store::tenants::Tenant;
use curfew_store::users::User;
use curfew_store::{MacPurpose, ServerKeys, StoreError, Write};

use super::{Done, Turned};
use crate::refusal::Refusal;

/// An identity, and the means by which it lets somebody in: it gets its place at an account, and a session is born through it.
#[derive(Clone, Copy)]
pub(crate) struct Entrance<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) provider: &'a Provider,
    pub(crate) identity: &'a ProvedIdentity,
    pub(crate) rules: &'a LifetimeRules,
    /// The session that this browser had until now.
    pub(crate) previous: Option<NodeId>,
    pub(crate) by: AuthenticatedBy,
    pub(crate) origin: &'a Origin,
}

impl Entrance<'_> {
    /// Fills the imported link of the user that waits for a subject, or makes one where none does. The user is held.
    pub(crate) fn bind(
        &self,
        write: &mut Write<'_>,
        user: UserId,
        waiting: Option<LinkId>,
    ) -> Done<Link> {
        match waiting {
            Some(waiting) => self.fill(write, user, waiting),
            None => Ok(Ok(self.make(write, user)?)),
        }
    }

    pub(crate) fn make(&self, write: &mut Write<'_>, user: UserId) -> Result<Link, StoreError> {
        let id = write.link_insert(&NewLink {
            provider_id: self.provider.id,
            user_id: user,
            subject: Some(self.identity.subject()),
            display: self.identity.display.clone(),
        })?;
        write.audit(&self.entry(AuditEvent::IdentityLinked, user))?;
        stored(write, user, id)
    }

    fn fill(&self, write: &mut Write<'_>, user: UserId, waiting: LinkId) -> Done<Link> {
        let (subject, display) = (self.identity.subject(), &self.identity.display);
        if write.link_backfill(waiting, &subject, display)? {
            write.audit(&self.entry(AuditEvent::IdentityBackfilled, user))?;
            return Ok(Ok(stored(write, user, waiting)?));
        }
        // Somebody was faster: it is this identity's link, or it is somebody else's (B15).
        let link = stored(write, user, waiting)?;
        Ok(if link.subject.as_ref() == Some(&subject) {
            Ok(link)
        } else {
            Err(super::NotDone::Refused(Turned {
                refusal: Refusal::IdentityAlreadyBound,
                victim: Some(user),
            }))
        })
    }

    fn entry(&self, event: AuditEvent, user: UserId) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.tenant.id),
            user_id: Some(user),
            detail: Some(self.provider.slug.clone()),
            ..AuditEntry::new(event, self.by, self.origin.clone())
        }
    }

    /// Asked before anything is written, so that a refusal leaves nothing behind.
    pub(crate) fn has_time(&self, write: &Write<'_>, administrator: bool) -> bool {
        let sign_in = self.sign_in(None);
        sign_in.has_time(write.now(), administrator)
    }

    /// Signs in through the link; `None` where no link of this identity let the person in. The account was found good, and there is
    /// time: anything else is undone.
    pub(crate) fn start(
        &self,
        write: &mut Write<'_>,
        user: User,
        link: Option<&Link>,
    ) -> Result<StartedSession, StoreError> {
        let started = self.sign_in(link).run(write, user)?;
        started.map_err(|refusal| {
            StoreError::Corrupt(format!("a sign-in that was decided: {refusal:?}"))
        })
    }

    fn sign_in(&self, link: Option<&Link>) -> SignIn<'_> {
        let slug = &self.provider.slug;
        let dangerous = || format!("dangerous_sign_in_by_email {slug}");
        SignIn {
            rules: self.rules,
            tenant: self.tenant,
            previous: self.previous,
            by: self.by,
            origin: self.origin,
            upstream: Some(birth(self.provider, self.identity, link)),
            detail: Some(link.map_or_else(dangerous, |_| slug.clone())),
        }
    }
}

fn stored(write: &mut Write<'_>, user: UserId, id: LinkId) -> Result<Link, StoreError> {
    let link = write.link(id)?.filter(|link| link.user_id == user);
    link.ok_or_else(|| StoreError::Corrupt("a link that was just written".to_owned()))
}

/// What a session is born through. `link` is `None` where no link of this identity let the person in.
fn birth(provider: &Provider, identity: &ProvedIdentity, link: Option<&Link>) -> UpstreamBirth {
    UpstreamBirth {
        through: link.map(|link| BornThrough {
            link: link.id,
            link_epoch: link.epoch,
            provider_epoch: provider.epoch,
        }),
        session: UpstreamSession {
            sid: identity.sid.clone(),
            bound: provider.settings.policy.bind_to_upstream,
        },
        ends_at: identity.ends_at.map(Timestamp::from_seconds),
        authenticated_at: identity.auth_time.map(Timestamp::from_seconds),
    }
}

/// Writes down that an identity was not let in (B03).
pub(crate) fn refused(
    write: &mut Write<'_>,
    (provider, identity): (ProviderId, &ProvedIdentity),
    turned: Turned,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let slug = write.provider(provider)?.map(|provider| provider.slug);
    let digest = subject_digest(write.keys(), identity);
    let (code, slug) = (turned.refusal.code(), slug.unwrap_or_default());
    let detail = format!("{code} {slug} sub={digest} iss={}", identity.issuer);
    write.audit(&entry.refused(&detail))
}

/// Says it to whoever watches the log: who was not let in, and at whose account (B03).
pub(crate) fn log_refusal(
    keys: &ServerKeys,
    provider: &Provider,
    identity: &ProvedIdentity,
    turned: Turned,
) {
    let digest = subject_digest(keys, identity);
    let victim = turned.victim.map(|user| user.to_string());
    tracing::warn!(
        code = turned.refusal.code(),
        provider = provider.slug,
        victim,
        issuer = identity.issuer,
        subject_digest = digest,
        "an upstream identity was refused"
    );
}

/// Tells one identity from another without naming it. Keyed, because subjects can be guessed.
fn subject_digest(keys: &ServerKeys, identity: &ProvedIdentity) -> String {
    let parts = [identity.issuer.as_bytes(), identity.subject.as_bytes()];
    let digest = keys.mac(MacPurpose::UpstreamSubject, &parts);
    let head = digest.as_bytes().iter().take(8);
    head.map(|byte| format!("{byte:02x}")).collect()
}
