//! The mail that proves a mailbox. It goes to the address of the account, never to one that the request names.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use curfew_http::guess::Guess;
use curfew_http::mail_texts::{self, IdentityFacts, MailFacts, MailKind};
use curfew_http::pages::Language;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::{Edge, Realm, answer, origin};
use curfew_policy::lifetime::{Caps, Credential};
use curfew_protocol::{Lifetime, LinkProofId, OpaqueToken};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::mailed_links::LinkKind;
use curfew_store::{StoreError, Write};

use super::Here;
use super::page::{Question, ask};
use super::waiting::Waiting;
use crate::pages::{ProofNote, ProofSentPage};
use crate::refusal::{Back, Refusal};
use crate::stop::{Stop, lifetime};

pub(super) async fn send(
    at: &PageContext<'_>,
    edge: &Data<Edge>,
    here: &Here,
) -> Result<HttpResponse, Stop> {
    if at.edge.mailer.is_none() || here.waiting.user.email.is_none() {
        return Ok(ask(at, here, Question::again(ProofNote::NoMail)));
    }
    let from = origin::of(at.request, at.edge);
    let ip = from.ip.clone().unwrap_or_default();
    let bucket = Bucket::new("password_links_address", &[&ip]);
    let budget = Guess::new(vec![(bucket, at.edge.rates.password_links_address)]);
    let too_many = |wait| {
        let mut page = ask(at, here, Question::again(ProofNote::TooManyMails));
        answer::retry_after(&mut page, wait);
        page
    };
    if let Err(wait) = budget.take(at.edge).await? {
        return Ok(too_many(wait));
    }
    let mailing = Mailing {
        edge: edge.clone(),
        realm: at.realm.clone(),
        language: at.language(),
        proof: here.waiting.proof.id,
        origin: from,
    };
    match at.edge.store.write(move |write| mailing.run(write)).await? {
        Ok(()) => {
            let minutes = at.edge.lifetimes.link_proof.seconds() / 60;
            let model = ProofSentPage {
                shell: at.realm.shell(),
                minutes: u32::try_from(minutes.max(1)).unwrap_or(u32::MAX),
            };
            let page = answer::page(at, StatusCode::OK, "upstream_proof_sent.html", &model);
            Ok(page)
        }
        Err(NotSent::TooMany(wait)) => Ok(too_many(wait)),
        Err(NotSent::Gone) => {
            let page = Refusal::ProofInvalid.page(at, None, Back::SignIn);
            Err(Stop::page(page))
        }
    }
}

/// Why no mail is sent.
enum NotSent {
    /// For so long.
    TooMany(Lifetime),
    Gone,
}

/// The transaction that makes the link and queues its mail.
struct Mailing {
    edge: Data<Edge>,
    realm: Realm,
    language: Language,
    proof: LinkProofId,
    origin: Origin,
}

impl Mailing {
    fn run(&self, write: &mut Write<'_>) -> Result<Result<(), NotSent>, StoreError> {
        let Some(waiting) = Waiting::load(write, self.realm.tenant_id, self.proof)? else {
            return Ok(Err(NotSent::Gone));
        };
        let (user, rules) = (&waiting.user, &self.edge.lifetimes);
        let Some(address) = &user.email else {
            return Ok(Err(NotSent::Gone));
        };
        let bucket = Bucket::new("password_links", &[&user.id.to_string()]);
        let rate = self.edge.rates.password_links;
        if let Err(spent) = write.rate_take(bucket.as_str(), rate)? {
            return Ok(Err(NotSent::TooMany(spent.until.since(write.now()))));
        }
        let ancestors = [waiting.proof.expires_at];
        let caps = Caps {
            ancestors: &ancestors,
            ..Caps::default()
        };
        let until = lifetime(rules.expires_at(Credential::LinkProof, write.now(), caps))?;
        let kind = LinkKind::LinkProof(self.proof);
        let link = write.mailed_link_insert(user.id, user.epoch, &kind, until)?;
        let text = self.text(&waiting, &link, until.timestamp().since(write.now()));
        write.mail_insert(address, &text.subject, &text.body, until)?;
        let by = AuthenticatedBy::Nobody;
        write.audit(&AuditEntry {
            tenant_id: Some(self.realm.tenant_id),
            user_id: Some(user.id),
            detail: Some(format!("mailed {}", waiting.provider.slug)),
            ..AuditEntry::new(AuditEvent::IdentityProofAsked, by, self.origin.clone())
        })?;
        Ok(Ok(()))
    }

    fn text(&self, waiting: &Waiting, link: &OpaqueToken, lasts: Lifetime) -> mail_texts::MailText {
        let issuer = self.realm.issuer(&self.edge);
        let facts = MailFacts {
            place: &self.realm.name,
            username: &waiting.user.username,
            link: &format!("{issuer}/upstream/proof?token={}", link.reveal()),
            lasts: Some(lasts),
        };
        let identity = IdentityFacts {
            provider: &waiting.provider.name,
            identity: &waiting.identity.display,
            at: self.edge.store.clock().now(),
            ip: self.origin.ip.as_deref(),
            user_agent: self.origin.user_agent.as_deref(),
        };
        let kind = (MailKind::IdentityProof, facts);
        mail_texts::identity_changed(&self.edge.pages, &self.language, kind, identity)
    }
}
