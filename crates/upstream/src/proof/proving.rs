//! The transaction that binds a waiting identity: on everything that is true by then.
//!
//! 1. The facts are read and the account is held, as at a callback; the waiting identity is read again under the hold.
//! 2. The proof is good: an unused mailed link that was made for it, or a live session of the account.
//! 3. The decision is asked once more. A mailbox is a proof where the decision asks for one; a session may do what the account page
//!    may. If another identity was bound meanwhile, or the rules were changed, its answer is another one now.
//! 4. Proof and mailed link are used up, the link is made or filled, the owner is told by mail.
//! 5. Whoever proved the mailbox is signed in, through the new link. Whoever had a session keeps it: the identity did not let them in.

use actix_web::web::Data;
use curfew_http::Edge;
use curfew_http::notice::{IdentityChange, IdentityNotice};
use curfew_http::origin;
use curfew_http::problem::PageContext;
use curfew_http::session::StartedSession;
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::linking::{Decision, FoundBy};
use curfew_protocol::{LinkId, LinkProofId, MailedLinkId, NodeId, ParsedToken, TenantId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::links::Link;
use curfew_store::upstream_logins::Purpose;
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use super::Here;
use super::waiting::{Waiting, mailed_proof};
use crate::linking::bind::{self, Entrance};
use crate::linking::facts::{self, About, Found};
use crate::linking::{Done, NotDone, Turned, settle};
use crate::refusal::Refusal;

/// What proves that the account is the person's.
pub(super) enum ProvedBy {
    Mailbox(ParsedToken),
    Session(NodeId),
}

/// What came of it.
pub(super) enum Proved {
    SignedIn(StartedSession),
    Linked,
}

pub(super) struct Proving {
    tenant_id: TenantId,
    proof: LinkProofId,
    browser: String,
    by: ProvedBy,
    /// The session that this browser had until now.
    previous: Option<NodeId>,
    rules: LifetimeRules,
    origin: Origin,
    /// `None`: this server sends no mail.
    notice: Option<IdentityNotice>,
}

/// What is left to be done.
enum Bind {
    New(Option<LinkId>),
    /// The identity was bound to this very account meanwhile.
    Bound(Link),
}

/// A proof that is good.
#[derive(Clone, Copy)]
enum Good {
    Mailbox(MailedLinkId),
    Session(NodeId),
}

impl Proving {
    pub(super) fn of(at: &PageContext<'_>, edge: &Data<Edge>, here: &Here, by: ProvedBy) -> Self {
        let signed_in = here.visitor.signed_in.as_ref();
        Self {
            tenant_id: at.realm.tenant_id,
            proof: here.waiting.proof.id,
            browser: here.browser.clone(),
            by,
            previous: signed_in.map(|who| who.session_id),
            rules: at.edge.lifetimes,
            origin: origin::of(at.request, at.edge),
            notice: IdentityNotice::of(edge, at),
        }
    }

    pub(super) async fn settle(
        self,
        edge: &Data<Edge>,
    ) -> Result<Option<Result<Proved, Turned>>, StoreError> {
        settle(edge, move |write| self.run(write)).await
    }

    fn run(&self, write: &mut Write<'_>) -> Done<Proved> {
        let Some(before) = Waiting::load(write, self.tenant_id, self.proof)? else {
            return Ok(Err(Refusal::ProofInvalid.into()));
        };
        let arrived = before.arrived();
        let about = About {
            tenant_id: self.tenant_id,
            provider: (before.provider.id, before.proof.provider_epoch),
            purpose: match self.by {
                ProvedBy::Mailbox(_) => Purpose::SignIn,
                ProvedBy::Session(session) => Purpose::Link(session),
            },
            arrived: &arrived,
        };
        let done = match facts::find(write, &about)? {
            Ok(found) => self.prove(write, &found)?,
            Err(not_done) => Err(not_done),
        };
        if let Err(NotDone::Refused(turned)) = done {
            let entry = self.entry(AuditEvent::IdentityRefused, AuthenticatedBy::Nobody);
            let entry = AuditEntry {
                user_id: Some(before.user.id),
                ..entry
            };
            bind::refused(write, (before.provider.id, &before.identity), turned, entry)?;
        }
        Ok(done)
    }

    fn prove(&self, write: &mut Write<'_>, found: &Found) -> Done<Proved> {
        let waiting = Waiting::load(write, self.tenant_id, self.proof)?;
        let person = found.person.clone();
        let (Some(waiting), Some(user)) = (waiting, person) else {
            return Ok(Err(Refusal::ProofInvalid.into()));
        };
        let good = self.good(write, &waiting)?;
        let (Some(good), true) = (good, waiting.user.id == user.id) else {
            return Ok(Err(Refusal::ProofInvalid.into()));
        };
        let victim = Some(user.id);
        let turned = |refusal| NotDone::Refused(Turned { refusal, victim });
        let bind = match still(good, found, &waiting) {
            Ok(bind) => bind,
            Err(refusal) => return Ok(Err(turned(refusal))),
        };
        let way = Way {
            own: self,
            found,
            waiting: &waiting,
            good,
        };
        if matches!(good, Good::Mailbox(_)) && !way.entrance().has_time(write, user.administrator) {
            return Ok(Err(turned(Refusal::UpstreamSessionEnded)));
        }
        if !way.use_up(write)? {
            return Ok(Err(Refusal::ProofInvalid.into()));
        }
        way.go(write, user, bind)
    }

    /// Is the proof good for what waits, in this browser?
    fn good(&self, write: &mut Write<'_>, waiting: &Waiting) -> Result<Option<Good>, StoreError> {
        if !waiting.proof.is_of_browser(write.keys(), &self.browser) {
            return Ok(None);
        }
        let begun_in = waiting.proof.session_id;
        Ok(match &self.by {
            ProvedBy::Mailbox(presented) => mailed_proof(write, self.tenant_id, presented)?
                .filter(|(_, proof)| *proof == self.proof && begun_in.is_none())
                .map(|(link, _)| Good::Mailbox(link)),
            ProvedBy::Session(session) => begun_in
                .is_none_or(|begun_in| begun_in == *session)
                .then_some(Good::Session(*session)),
        })
    }

    fn entry(&self, event: AuditEvent, by: AuthenticatedBy) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.tenant_id),
            ..AuditEntry::new(event, by, self.origin.clone())
        }
    }
}

/// May the identity still be bound, and how?
fn still(good: Good, found: &Found, waiting: &Waiting) -> Result<Bind, Refusal> {
    match (good, found.decide(&waiting.arrived())) {
        (_, Decision::Refuse(refusal)) => Err(refusal.into()),
        (
            Good::Mailbox(_),
            Decision::AskProof { legacy, .. } | Decision::BindAndSignIn { legacy, .. },
        ) => Ok(Bind::New(legacy)),
        (Good::Session(_), Decision::ConfirmLink { .. }) => Ok(Bind::New(found.empty_link())),
        (
            _,
            Decision::AlreadyLinked { .. }
            | Decision::SignIn {
                by: FoundBy::Subject,
                ..
            },
        ) => {
            let link = found.link.clone().map(Bind::Bound);
            link.ok_or(Refusal::ProofInvalid)
        }
        // The rules were changed meanwhile, and ask for no proof any more.
        (
            _,
            Decision::SignIn {
                by: FoundBy::DangerousEmail,
                ..
            }
            | Decision::Create
            | Decision::AskProof { .. }
            | Decision::BindAndSignIn { .. }
            | Decision::ConfirmLink { .. },
        ) => Err(Refusal::ProofInvalid),
    }
}

/// A good proof on its way.
struct Way<'a> {
    own: &'a Proving,
    found: &'a Found,
    waiting: &'a Waiting,
    good: Good,
}

impl Way<'_> {
    const fn by(&self) -> AuthenticatedBy {
        match self.good {
            Good::Mailbox(link) => AuthenticatedBy::MailedLink(link),
            Good::Session(session) => AuthenticatedBy::Session(session),
        }
    }

    fn use_up(&self, write: &mut Write<'_>) -> Result<bool, StoreError> {
        let proof = write.link_proof_consume(self.own.proof)?;
        match self.good {
            Good::Mailbox(link) => Ok(proof && write.mailed_link_consume(link)?),
            Good::Session(_) => Ok(proof),
        }
    }

    fn go(&self, write: &mut Write<'_>, user: User, bind: Bind) -> Done<Proved> {
        let (user_id, quarantined) = (user.id, user.quarantined);
        let (link, is_new) = match bind {
            Bind::Bound(link) => (link, false),
            Bind::New(legacy) => match self.entrance().bind(write, user_id, legacy)? {
                Ok(link) => (link, true),
                Err(refused) => return Ok(Err(refused)),
            },
        };
        let proved = match self.good {
            Good::Session(_) => Proved::Linked,
            Good::Mailbox(_) => {
                if quarantined {
                    self.lift_quarantine(write, &user)?;
                }
                Proved::SignedIn(self.entrance().start(write, user, Some(&link))?)
            }
        };
        // Last, because waking an account moves its epoch, and the link in the mail is good under the present one.
        if let (Some(notice), true) = (&self.own.notice, is_new) {
            notice.queue(write, IdentityChange::Linked(link.id))?;
        }
        Ok(Ok(proved))
    }

    /// The mailbox is the second proof that the account waited for.
    fn lift_quarantine(&self, write: &mut Write<'_>, user: &User) -> Result<(), StoreError> {
        if !write.user_lift_quarantine(user.id)? {
            return Ok(());
        }
        write.audit(&AuditEntry {
            user_id: Some(user.id),
            detail: Some("mailbox".to_owned()),
            ..self.own.entry(AuditEvent::QuarantineLifted, self.by())
        })
    }

    /// By what this identity lets somebody in.
    fn entrance(&self) -> Entrance<'_> {
        Entrance {
            tenant: &self.found.tenant,
            provider: &self.found.provider,
            identity: &self.waiting.identity,
            rules: &self.own.rules,
            previous: self.own.previous,
            by: self.by(),
            origin: &self.own.origin,
        }
    }
}
