//! The end of every sign-in, whatever proved who somebody is: a password, or an identity upstream.
//!
//! It runs in the caller's transaction, on tenant and user as they were read there:
//!
//! 1. Only an active account is signed in to; a dormant one is woken (A06). Suspended and deleted accounts stay what they are (A05).
//! 2. The session that this browser had until now ends (D16).
//! 3. A new one starts.

use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::{DeathCause, UserStatus};
use curfew_protocol::{NodeId, Timestamp};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::tenants::Tenant;
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use crate::session::{self, StartedSession, UpstreamBirth};

/// Somebody who has proved who they are.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    pub rules: &'a LifetimeRules,
    /// As read in this transaction; active.
    pub tenant: &'a Tenant,
    /// The session that this browser had until now.
    pub previous: Option<NodeId>,
    pub by: AuthenticatedBy,
    pub origin: &'a Origin,
    /// `None`: a local password was the proof.
    pub upstream: Option<UpstreamBirth>,
    /// What the audit trail says beside the event.
    pub detail: Option<String>,
}

/// Why nobody is signed in after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInRefusal {
    Status(UserStatus),
    /// There is no second left to live.
    NoLifetime,
}

impl<'a> SignIn<'a> {
    /// With a local password, in a browser that had no session.
    pub const fn here(
        rules: &'a LifetimeRules,
        tenant: &'a Tenant,
        by: AuthenticatedBy,
        origin: &'a Origin,
    ) -> Self {
        Self {
            rules,
            tenant,
            previous: None,
            by,
            origin,
            upstream: None,
            detail: None,
        }
    }

    /// Would there be a second to live? For whoever must know before anything else is written.
    pub fn has_time(&self, now: Timestamp, administrator: bool) -> bool {
        session::end(now, administrator, self).is_some()
    }

    /// `user` is held by the caller ([`Write::user_held`]), or was made in this transaction.
    pub fn run(
        &self,
        write: &mut Write<'_>,
        user: User,
    ) -> Result<Result<StartedSession, SignInRefusal>, StoreError> {
        let user = match user.status {
            UserStatus::Active => user,
            UserStatus::Dormant => self.wake(write, user)?,
            status @ (UserStatus::Suspended | UserStatus::Deleted) => {
                return Ok(Err(SignInRefusal::Status(status)));
            }
        };
        self.end_previous(write)?;
        let started = session::start(write, &user, self)?;
        Ok(started.ok_or(SignInRefusal::NoLifetime))
    }

    /// The epoch moves, so nothing from before sleeps on.
    fn wake(&self, write: &mut Write<'_>, user: User) -> Result<User, StoreError> {
        write.user_set_status(user.id, UserStatus::Active)?;
        write.audit(&AuditEntry {
            tenant_id: Some(self.tenant.id),
            user_id: Some(user.id),
            detail: Some("woken_by_sign_in".to_owned()),
            ..AuditEntry::new(AuditEvent::UserStatusChanged, self.by, self.origin.clone())
        })?;
        Ok(User {
            status: UserStatus::Active,
            epoch: user.epoch + 1,
            ..user
        })
    }

    fn end_previous(&self, write: &mut Write<'_>) -> Result<(), StoreError> {
        let Some(previous) = self.previous else {
            return Ok(());
        };
        if write.node_end(previous, DeathCause::Rotated)? > 0 {
            let by = AuthenticatedBy::Session(previous);
            write.audit(&AuditEntry {
                tenant_id: Some(self.tenant.id),
                node_id: Some(previous),
                detail: Some("signed_in_anew".to_owned()),
                ..AuditEntry::new(AuditEvent::SessionEnded, by, self.origin.clone())
            })?;
        }
        Ok(())
    }
}
