//! The two halves of a sign-in that decide: the password, off the workers, and the transaction, on what is true by then.

use curfew_http::guess::Guess;
use curfew_http::password;
use curfew_http::problem::PageContext;
use curfew_http::session::{self, StartedSession};
use curfew_http::sign_in::{self, SignInRefusal};
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::{OwnerStatus, UserStatus};
use curfew_protocol::{NodeId, Redacted, TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use crate::visit::Halt;

/// A user whose password was right a moment ago.
pub(crate) struct Verified {
    user_id: UserId,
    password_hash: Redacted<String>,
    /// The same password under today's parameters, when the stored one is older.
    rehashed: Option<Redacted<String>>,
}

pub(crate) async fn verify(
    at: &PageContext<'_>,
    user: Option<User>,
    password: Redacted<String>,
) -> Result<Result<Verified, LoginRefusal>, Halt> {
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = at
        .edge
        .passwords
        .verify(password.clone(), stored.clone())
        .await?;
    let Some(user) = user else {
        return Ok(Err(LoginRefusal::UnknownAccount));
    };
    let Some(stored) = stored else {
        return Ok(Err(LoginRefusal::NoPassword(user.id)));
    };
    if !right {
        return Ok(Err(LoginRefusal::WrongPassword(user.id)));
    }
    if !may_sign_in(user.status) {
        return Ok(Err(LoginRefusal::Status(user.id, user.status)));
    }
    let rehashed = match password::is_outdated(&stored) {
        true => Some(at.edge.passwords.hash(password, &at.edge.store).await?),
        false => None,
    };
    Ok(Ok(Verified {
        user_id: user.id,
        password_hash: stored,
        rehashed,
    }))
}

const fn may_sign_in(status: UserStatus) -> bool {
    match status {
        UserStatus::Active | UserStatus::Dormant => true,
        UserStatus::Suspended | UserStatus::Deleted => false,
    }
}

/// Why nobody is signed in. The visitor is told the same in every case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LoginRefusal {
    UnknownAccount,
    NoPassword(UserId),
    WrongPassword(UserId),
    /// The password was right.
    Status(UserId, UserStatus),
    /// Password or tenant changed while the password was being verified.
    Changed(UserId),
}

impl LoginRefusal {
    fn entry(self, tenant: TenantId, origin: &Origin) -> AuditEntry {
        let (event, user, reason) = match self {
            Self::UnknownAccount => (AuditEvent::LoginFailed, None, "unknown_account"),
            Self::NoPassword(user) => (AuditEvent::LoginFailed, Some(user), "no_password"),
            Self::WrongPassword(user) => (AuditEvent::LoginFailed, Some(user), "wrong_password"),
            Self::Status(user, UserStatus::Deleted) => {
                (AuditEvent::LoginRefused, Some(user), "deleted")
            }
            Self::Status(user, _) => (AuditEvent::LoginRefused, Some(user), "suspended"),
            Self::Changed(user) => (AuditEvent::LoginRefused, Some(user), "changed_meanwhile"),
        };
        AuditEntry {
            tenant_id: Some(tenant),
            user_id: user,
            ..AuditEntry::new(event, AuthenticatedBy::Nobody, origin.clone()).refused(reason)
        }
    }

    /// Writes it down; for an unknown name too, so that both take the same time.
    pub(crate) async fn record(
        self,
        at: &PageContext<'_>,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let entry = self.entry(at.realm.tenant_id, origin);
        let written = at
            .edge
            .store
            .write(move |write| write.audit(&entry).map(Ok::<_, ()>));
        written.await.map(|_| ())
    }
}

pub(crate) async fn start_session(
    at: &PageContext<'_>,
    verified: Verified,
    guess: Guess,
    origin: Origin,
) -> Result<Option<StartedSession>, Halt> {
    let previous = session::signed_in(at.edge, at.realm, at.request).await?;
    let sign_in = SignIn {
        tenant_id: at.realm.tenant_id,
        verified,
        previous: previous.map(|signed_in| signed_in.session_id),
        guess,
        rules: at.edge.lifetimes,
        origin,
    };
    let started = at.edge.store.write(move |write| sign_in.run(write)).await?;
    if started.is_ok() {
        metrics::counter!("curfew_logins_total", "outcome" => "signed_in").increment(1);
    }
    Ok(started.ok())
}

/// The transaction of a sign-in.
struct SignIn {
    tenant_id: TenantId,
    verified: Verified,
    /// The session that this browser had until now.
    previous: Option<NodeId>,
    guess: Guess,
    rules: LifetimeRules,
    origin: Origin,
}

impl SignIn {
    fn run(&self, write: &mut Write<'_>) -> Result<Result<StartedSession, ()>, StoreError> {
        let tenant = write
            .tenant(self.tenant_id)?
            .filter(|t| t.status == OwnerStatus::Active);
        let user = write.user_held(self.verified.user_id)?;
        let (Some(tenant), Some(user)) = (tenant, user) else {
            return self.refuse(write, LoginRefusal::Changed(self.verified.user_id));
        };
        if user.password_hash.as_ref() != Some(&self.verified.password_hash) {
            return self.refuse(write, LoginRefusal::Changed(user.id));
        }
        let (by, user_id) = (AuthenticatedBy::Nobody, user.id);
        let sign_in = sign_in::SignIn {
            previous: self.previous,
            ..sign_in::SignIn::here(&self.rules, &tenant, by, &self.origin)
        };
        let started = match sign_in.run(write, user)? {
            Ok(started) => started,
            Err(SignInRefusal::Status(status)) => {
                return self.refuse(write, LoginRefusal::Status(user_id, status));
            }
            Err(SignInRefusal::NoLifetime) => {
                return self.refuse(write, LoginRefusal::Changed(user_id));
            }
        };
        self.guess.give_back(write)?;
        if let Some(rehashed) = &self.verified.rehashed {
            write.user_rehash_password(user_id, rehashed)?;
        }
        Ok(Ok(started))
    }

    fn refuse(
        &self,
        write: &mut Write<'_>,
        refusal: LoginRefusal,
    ) -> Result<Result<StartedSession, ()>, StoreError> {
        write.audit(&refusal.entry(self.tenant_id, &self.origin))?;
        Ok(Err(()))
    }
}
