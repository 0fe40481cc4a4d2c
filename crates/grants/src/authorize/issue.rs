//! Approval and code, in one transaction with what they rest on.
//!
//! 1. Session, client and tenant are read again and judged: what died since the page was shown gives nothing. An account that was put into
//!    quarantine since gives nothing that writes.
//! 2. So is whether the client is for this person, and a remembered consent.
//! 3. The approval hangs on the session: bound, when the client is session-bound or the session bound upstream, recorded otherwise. It remembers the epochs that the
//!    session was born under, so that whatever kills the session's owners kills it as well.
//! 4. A challenge that another session's code still remembers is refused: the client makes no fresh ones (RFC 9700 §2.1.1).
//! 5. The code lives for a minute, below the approval. A consent that was asked for is remembered.

use actix_web::HttpResponse;
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::session::signed_in_again;
use curfew_http::{PageProblem, origin};
use curfew_policy::lifetime::{Caps, Credential, ExpiresAt, LifetimeRules};
use curfew_policy::status::{DeathCause, OwnerStatus};
use curfew_protocol::{Lifetime, NodeId, OpaqueToken, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::clients::Client;
use curfew_store::codes::{ApprovalBasis, NewApproval, NewCode};
use curfew_store::consents::NewConsent;
use curfew_store::nodes::{Ancestor, Birth};
use curfew_store::rate_limits::Rate;
use curfew_store::sessions::Session;
use curfew_store::tenants::Tenant;
use curfew_store::{StoreError, Write};

use super::Pending;
use super::refusal::AuthorizeRefusal;
use super::request::ValidatedRequest;
use super::respond;
use crate::catalogue::Catalogue;
use crate::consent::remembered::is_remembered;

/// Why nothing was approved after all.
enum IssueRefusal {
    /// The session died meanwhile: sign in again.
    SignedOut,
    /// The client changed, or the remembered consent is gone: begin again.
    Stale,
    TooMany(Lifetime),
    NotAdmitted,
    NoLifetime,
    ChallengeReused,
}

impl IssueRefusal {
    /// What the client is told, when it is to be told.
    const fn told(&self) -> Option<AuthorizeRefusal> {
        match self {
            Self::NotAdmitted => Some(AuthorizeRefusal::NotAdmitted),
            Self::NoLifetime => Some(AuthorizeRefusal::NoLifetime),
            Self::ChallengeReused => Some(AuthorizeRefusal::ChallengeReused),
            Self::SignedOut | Self::Stale | Self::TooMany(_) => None,
        }
    }
}

/// Approves the request and answers with a code.
pub(crate) async fn approve(
    at: &PageContext<'_>,
    pending: Pending,
    basis: ApprovalBasis,
) -> Result<HttpResponse, PageProblem> {
    let approving = Approving::new(at, &pending, basis);
    let issued = at.edge.store.write(move |write| approving.run(write)).await;
    let to = pending.request.reply_to();
    match issued.map_err(|error| PageProblem::unavailable(&error, at))? {
        Ok(code) => Ok(respond::code(at, to, &code)),
        Err(refusal) => match refusal.told() {
            Some(told) => respond::refused_on_record(at, pending.asker(), to, told).await,
            None => Err(begin_again(at, &pending, &refusal)),
        },
    }
}

/// Writes the denial down and tells the client.
pub(crate) async fn deny(
    at: &PageContext<'_>,
    pending: Pending,
) -> Result<HttpResponse, PageProblem> {
    let denying = Approving::new(at, &pending, ApprovalBasis::Asked);
    let written = at
        .edge
        .store
        .write(move |write| denying.write_denial(write))
        .await;
    match written.map_err(|error| PageProblem::unavailable(&error, at))? {
        Ok(()) => Ok(respond::refused(
            at,
            pending.request.reply_to(),
            AuthorizeRefusal::Denied,
        )),
        Err(refusal) => Err(begin_again(at, &pending, &refusal)),
    }
}

fn begin_again(at: &PageContext<'_>, pending: &Pending, refusal: &IssueRefusal) -> PageProblem {
    match refusal {
        IssueRefusal::TooMany(wait) => PageProblem::too_many_attempts(*wait, at),
        IssueRefusal::SignedOut => PageProblem::rendered(super::to_login(at, &pending.query)),
        IssueRefusal::Stale => PageProblem::rendered(super::to_authorize(at, &pending.query)),
        IssueRefusal::NotAdmitted | IssueRefusal::NoLifetime | IssueRefusal::ChallengeReused => {
            PageProblem::new(ErrorKind::Forbidden, None, at)
        }
    }
}

/// Everything the transaction needs.
struct Approving {
    request: ValidatedRequest,
    session_id: NodeId,
    basis: ApprovalBasis,
    rules: LifetimeRules,
    rate: Rate,
    origin: Origin,
}

impl Approving {
    fn new(at: &PageContext<'_>, pending: &Pending, basis: ApprovalBasis) -> Self {
        Self {
            request: pending.request.clone(),
            session_id: pending.who.session_id,
            basis,
            rules: at.edge.lifetimes,
            rate: at.edge.rates.consents,
            origin: origin::of(at.request, at.edge),
        }
    }

    fn run(&self, write: &mut Write<'_>) -> Result<Result<OpaqueToken, IssueRefusal>, StoreError> {
        let facts = match self.facts(write)? {
            Ok(facts) => facts,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if !write.client_admits_held(&facts.client, facts.user.0)? {
            return Ok(Err(IssueRefusal::NotAdmitted));
        }
        if facts.quarantined && !self.only_reads(write)? {
            return Ok(Err(IssueRefusal::Stale));
        }
        if self.basis == ApprovalBasis::Remembered
            && !is_remembered(write, facts.user, &facts.client, &self.request)?
        {
            return Ok(Err(IssueRefusal::Stale));
        }
        let challenge = &self.request.code_challenge;
        if write.code_challenge_is_of_another_session(challenge, self.session_id)? {
            return Ok(Err(IssueRefusal::ChallengeReused));
        }
        let Some((approval_end, code_end)) = self.ends(write, &facts) else {
            return Ok(Err(IssueRefusal::NoLifetime));
        };
        let approval = write.approval_insert(&self.approval(&facts, approval_end))?;
        // The insert holds a session that binds. Only now is it certain that nobody ended it since it was read.
        if facts.is_bound() && signed_in_again(write, self.session_id)?.is_none() {
            write.node_end(approval, DeathCause::AncestorDied)?;
            return Ok(Err(IssueRefusal::SignedOut));
        }
        let (_, code) = write.code_insert(
            approval,
            approval_end,
            &NewCode {
                expires_at: code_end,
                redirect_uri: self.request.reply_to.redirect_uri.clone(),
                redirect_uri_sent: self.request.redirect_uri_sent,
                code_challenge: self.request.code_challenge.clone(),
            },
        )?;
        if self.basis == ApprovalBasis::Asked {
            self.remember(write, &facts)?;
            self.audit(
                write,
                &facts,
                AuditEvent::ConsentGiven,
                (approval, approval_end),
            )?;
        }
        self.audit(write, &facts, AuditEvent::CodeIssued, (approval, code_end))?;
        Ok(Ok(code))
    }

    /// Was the request cut down to what an account in quarantine may give (E10)?
    fn only_reads(&self, write: &mut Write<'_>) -> Result<bool, StoreError> {
        let catalogue = Catalogue::read(write, self.request.client.tenant_id)?;
        let mut scopes = self.request.scopes.iter();
        Ok(scopes.all(|name| catalogue.is_read_only(name)))
    }

    /// Who and what there is now. What is counted is counted first.
    fn facts(&self, write: &mut Write<'_>) -> Result<Result<Facts, IssueRefusal>, StoreError> {
        let Some(session) = signed_in_again(write, self.session_id)? else {
            return Ok(Err(IssueRefusal::SignedOut));
        };
        let user = session
            .node
            .user
            .as_ref()
            .zip(session.node.facts.user.as_ref());
        let Some((user, facts)) = user else {
            return Ok(Err(IssueRefusal::SignedOut));
        };
        let (user, quarantined) = ((user.id, facts.epoch_at_birth), user.quarantined);
        if self.basis == ApprovalBasis::Asked {
            let bucket = Bucket::new("consents", &[&user.0.to_string()]);
            if let Err(spent) = write.rate_take(bucket.as_str(), self.rate)? {
                return Ok(Err(IssueRefusal::TooMany(spent.until.since(write.now()))));
            }
        }
        let validated = &self.request.client;
        let client = write.client(validated.key)?.filter(|client| {
            client.status == OwnerStatus::Active && client.epoch == validated.epoch
        });
        let tenant = write
            .tenant(session.node.tenant_id)?
            .filter(|tenant| tenant.status == OwnerStatus::Active);
        Ok(match client.zip(tenant) {
            Some((client, tenant)) => Ok(Facts {
                session,
                user,
                quarantined,
                client,
                tenant,
            }),
            None => Err(IssueRefusal::Stale),
        })
    }

    /// The ends of approval and code.
    fn ends(&self, write: &Write<'_>, facts: &Facts) -> Option<(ExpiresAt, ExpiresAt)> {
        let now = write.now();
        let session_end = facts.session.node.judge(now).ok()?.expires_at();
        let binding = [session_end];
        let approval = Caps {
            tenant: facts.tenant.limits.approval,
            ancestors: if facts.is_bound() { &binding } else { &[] },
            ..Caps::default()
        };
        let approval_end = self
            .rules
            .expires_at(Credential::Approval, now, approval)
            .ok()?;
        let ancestors = [approval_end.timestamp()];
        let code = Caps {
            ancestors: &ancestors,
            ..Caps::default()
        };
        let code_end = self
            .rules
            .expires_at(Credential::AuthorizationCode, now, code)
            .ok()?;
        Some((approval_end, code_end))
    }

    fn approval(&self, facts: &Facts, expires_at: ExpiresAt) -> NewApproval {
        let session = &facts.session.node;
        let client = Some((facts.client.key, facts.client.epoch));
        let (birth, ancestor, session_id) = if facts.is_bound() {
            let ancestor = Ancestor::Binding {
                id: session.id,
                expires_at: session.facts.expires_at,
            };
            (Birth::below(session), ancestor, Some(session.id))
        } else {
            let birth = Birth::recorded_below(session, facts.tenant.era);
            (birth, Ancestor::Recorded(session.id), None)
        };
        NewApproval {
            birth: birth.for_client(client),
            ancestor,
            parent_token: None,
            session_id,
            expires_at,
            scopes: self.request.scopes.clone(),
            audiences: self.request.audiences.clone(),
            basis: self.basis,
            device: None,
        }
    }

    /// With a lifetime of zero configured, nothing is remembered.
    fn remember(&self, write: &mut Write<'_>, facts: &Facts) -> Result<(), StoreError> {
        let end = self
            .rules
            .expires_at(Credential::Consent, write.now(), Caps::default());
        let Ok(expires_at) = end else { return Ok(()) };
        write.consent_put(
            facts.user.0,
            facts.client.key,
            &NewConsent {
                scopes: self.request.scopes.clone(),
                audiences: self.request.audiences.clone(),
                user_epoch: facts.user.1,
                client_epoch: facts.client.epoch,
                expires_at,
            },
        )
    }

    fn write_denial(&self, write: &mut Write<'_>) -> Result<Result<(), IssueRefusal>, StoreError> {
        let facts = match self.facts(write)? {
            Ok(facts) => facts,
            Err(refusal) => return Ok(Err(refusal)),
        };
        write.audit(
            &self
                .entry(&facts, AuditEvent::ConsentDenied)
                .refused("denied_by_user"),
        )?;
        Ok(Ok(()))
    }

    fn entry(&self, facts: &Facts, event: AuditEvent) -> AuditEntry {
        let by = AuthenticatedBy::Session(self.session_id);
        AuditEntry {
            tenant_id: Some(facts.client.tenant_id),
            user_id: Some(facts.user.0),
            client: Some(facts.client.key),
            scopes: Some(self.request.scopes.to_string()),
            ..AuditEntry::new(event, by, self.origin.clone())
        }
    }

    fn audit(
        &self,
        write: &mut Write<'_>,
        facts: &Facts,
        event: AuditEvent,
        (node_id, expires_at): (NodeId, ExpiresAt),
    ) -> Result<(), StoreError> {
        write.audit(&AuditEntry {
            node_id: Some(node_id),
            expires_at: Some(expires_at.timestamp()),
            ..self.entry(facts, event)
        })
    }
}

/// What was read again inside the transaction.
struct Facts {
    session: Session,
    /// The user, and the epoch that the session remembers of it.
    user: (UserId, i64),
    quarantined: bool,
    client: Client,
    tenant: Tenant,
}

impl Facts {
    const fn is_bound(&self) -> bool {
        self.session.binds(&self.client)
    }
}
