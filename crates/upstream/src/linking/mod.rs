//! What becomes of somebody who came back with an identity: one transaction.
//!
//! 1. Everything that the decision depends on is read in it, the account that it may be about being held until the commit. [`facts`]
//! 2. The pure decision is asked (`curfew_policy::linking`).
//! 3. What it says is done: a session, a link with a session, an account with both, or a proof that waits. [`act`]
//!
//! A refusal leaves an audit row, and no user, link, session or cookie. Two who are faster than one another meet a unique rule of the
//! schema; the slower one decides anew on what is true by then, and gives up after three times.

mod act;
pub(crate) mod bind;
pub(crate) mod facts;
mod username;

use std::sync::Arc;

use actix_web::web::Data;
use curfew_http::Edge;
use curfew_http::notice::IdentityNotice;
use curfew_http::session::StartedSession;
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::linking::EmailFact;
use curfew_policy::status::ProviderKind;
use curfew_protocol::{LinkProofId, NodeId, ProviderId, TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::link_proofs::ProvedIdentity;
use curfew_store::providers::Provider;
use curfew_store::upstream_logins::Purpose;
use curfew_store::{StoreError, Write};

use crate::identity::UpstreamIdentity;
use crate::refusal::Refusal;

/// How often somebody may be overtaken before they are told to come again.
const TRIES: usize = 3;

/// What came back from a provider, in the words of the decision.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) identity: ProvedIdentity,
    pub(crate) email: EmailFact,
    /// What a username may be made of, the best first.
    pub(crate) known_as: Vec<String>,
}

impl Arrived {
    /// Reads an identity by the rules of the provider. An address that it does not vouch for is left behind here.
    pub(crate) fn of(provider: &Provider, identity: &UpstreamIdentity) -> Self {
        let email = EmailFact::of(identity.email_claims(), &provider.settings.policy);
        let verified = match &email {
            EmailFact::Verified { .. } => identity.email().map(str::to_owned),
            EmailFact::None | EmailFact::Unstated | EmailFact::Denied => None,
        };
        let address = identity.email().map(str::to_owned);
        let display = Some(identity.display().to_owned());
        let known_as = match provider.kind {
            ProviderKind::OpenId => [address, display],
            ProviderKind::GitHub => [display, address],
        };
        Self {
            identity: ProvedIdentity {
                issuer: identity.issuer().to_owned(),
                subject: identity.subject().to_owned(),
                display: identity.display().to_owned(),
                name: identity.name().map(str::to_owned),
                verified_email: verified,
                sid: identity.sid().map(str::to_owned),
                ends_at: identity.ends_at().map(|end| end.seconds()),
                auth_time: identity.auth_time().map(|at| at.seconds()),
            },
            email,
            known_as: known_as.into_iter().flatten().collect(),
        }
    }

    /// The canonical form of an address that the provider vouches for.
    pub(crate) fn email_key(&self) -> Option<&str> {
        match &self.email {
            EmailFact::Verified { key } => Some(key),
            EmailFact::None | EmailFact::Unstated | EmailFact::Denied => None,
        }
    }
}

/// The transaction behind a callback.
#[derive(Clone)]
pub(crate) struct Linking {
    pub(crate) tenant_id: TenantId,
    /// The provider, and its epoch when the person left.
    pub(crate) provider: (ProviderId, i64),
    pub(crate) purpose: Purpose,
    pub(crate) arrived: Arrived,
    pub(crate) return_to: String,
    /// The value of the cookie that the browser is known by.
    pub(crate) browser: String,
    /// The session that this browser had until now.
    pub(crate) previous: Option<NodeId>,
    pub(crate) rules: LifetimeRules,
    /// The login that brought the person here.
    pub(crate) by: AuthenticatedBy,
    pub(crate) origin: Origin,
    /// `None`: this server sends no mail.
    pub(crate) notice: Option<IdentityNotice>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    SignedIn(StartedSession, How),
    /// The mailbox or a live session of the account is wanted.
    AskProof(LinkProofId),
    /// The person who is signed in is wanted to say yes.
    Confirm(LinkProofId),
    AlreadyLinked,
}

/// How somebody came to be signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By the subject.
    Known,
    Linked,
    Created,
    /// By `dangerous_sign_in_by_email`.
    Dangerous,
}

impl How {
    /// The word in the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "signed_in",
            Self::Linked => "linked",
            Self::Created => "created",
            Self::Dangerous => "dangerous_signed_in",
        }
    }
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    Refused(Turned),
    /// Somebody was faster: what was decided is not true any more.
    Overtaken,
}

/// Somebody who was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) refusal: Refusal,
    /// Whose account it was about.
    pub(crate) victim: Option<UserId>,
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        let victim = None;
        Self::Refused(Turned { refusal, victim })
    }
}

/// The transaction's own answer: a refusal is a value.
pub(crate) type Done<T> = Result<Result<T, NotDone>, StoreError>;

impl Linking {
    fn run(&self, write: &mut Write<'_>) -> Done<Outcome> {
        let found = match facts::find(write, &self.about())? {
            Ok(found) => found,
            Err(NotDone::Refused(turned)) => return self.refuse(write, turned),
            Err(NotDone::Overtaken) => return Ok(Err(NotDone::Overtaken)),
        };
        let decision = found.decide(&self.arrived);
        act::act(write, self, &found, decision)
    }

    /// What the facts are looked for by.
    fn about(&self) -> facts::About<'_> {
        facts::About {
            tenant_id: self.tenant_id,
            provider: self.provider,
            purpose: self.purpose,
            arrived: &self.arrived,
        }
    }

    /// An audit row of this login.
    pub(crate) fn entry(&self, event: AuditEvent, user: Option<UserId>) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.tenant_id),
            user_id: user,
            ..AuditEntry::new(event, self.by, self.origin.clone())
        }
    }

    /// Writes a refusal down.
    pub(crate) fn refuse<T>(&self, write: &mut Write<'_>, turned: Turned) -> Done<T> {
        let entry = self.entry(AuditEvent::IdentityRefused, turned.victim);
        let provider = self.provider.0;
        bind::refused(write, (provider, &self.arrived.identity), turned, entry)?;
        Ok(Err(NotDone::Refused(turned)))
    }
}

/// Runs a transaction until nobody is faster. `None`: somebody was, every time.
pub(crate) async fn settle<T: Send + 'static>(
    edge: &Data<Edge>,
    job: impl Fn(&mut Write<'_>) -> Done<T> + Send + Sync + 'static,
) -> Result<Option<Result<T, Turned>>, StoreError> {
    let job = Arc::new(job);
    for _ in 0..TRIES {
        let run = Arc::clone(&job);
        match edge.store.write(move |write| run(write)).await {
            Ok(Ok(done)) => return Ok(Some(Ok(done))),
            Ok(Err(NotDone::Refused(turned))) => return Ok(Some(Err(turned))),
            Ok(Err(NotDone::Overtaken)) => {}
            Err(error) if error.is_unique_violation() => {}
            Err(error) => return Err(error),
        }
    }
    tracing::warn!("a sign-in was overtaken again and again");
    Ok(None)
}

/// The whole of it.
pub(crate) async fn link(
    edge: &Data<Edge>,
    linking: Linking,
) -> Result<Option<Result<Outcome, Turned>>, StoreError> {
    settle(edge, move |write| linking.run(write)).await
}
