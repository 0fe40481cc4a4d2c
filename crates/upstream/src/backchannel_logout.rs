//! `POST /upstream/{provider}/backchannel-logout`: a provider says that somebody is signed out there (OpenID Connect Back-Channel
//! Logout 1.0).
//!
//! 1. The form has a logout token (§2.5).
//! 2. It is counted for the address, until it has proved to be good.
//! 3. The token is the provider's, for us, and new (§2.6); [`client`](crate::client) verifies it.
//! 4. One transaction: it was not obeyed before; the session it names ends with all that is bound to it, or, when it names a person
//!    only, every session born through their link does: one epoch is moved.
//!
//! Nobody whom it names may be known here. That is no error: they are signed out (§2.7).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::guess::Guess;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::{Edge, Problem, Realm, origin};
use curfew_policy::lifetime::{UPSTREAM_LEEWAY, UPSTREAM_LOGOUT_AGE};
use curfew_policy::status::{OwnerStatus, ProviderKind};
use curfew_protocol::upstream::claims::LogoutOf;
use curfew_protocol::{ErrorCode, LinkId, NodeId, OAuthError, Timestamp, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::links::{Link, Subject};
use curfew_store::nodes::NodeUser;
use curfew_store::providers::Provider;
use curfew_store::{Read, StoreError, Write};

use crate::client::UpstreamClient;
use crate::failure::UpstreamFailure;
use crate::gate;
use crate::openid::LogoutToken;
use crate::stop::log_failure;

pub(crate) async fn post(
    request: HttpRequest,
    edge: Data<Edge>,
    client: Data<UpstreamClient>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let realm = Realm::of(&request, &edge).await?;
    let realm = realm.ok_or_else(|| Problem::not_found("there is no such tenant"))?;
    let at = PageContext {
        edge: &edge,
        realm: &realm,
        request: &request,
    };
    let provider = gate::find(&at)
        .await?
        .filter(|provider| gate::is_active(provider) && provider.kind == ProviderKind::OpenId);
    let provider = provider.ok_or_else(|| Problem::not_found("there is no such provider"))?;
    let body = RawForm::read(&request, payload).await?;
    let form = body.parse(&[])?;
    let token = form.get("logout_token").ok_or_else(refused)?;
    let from = origin::of(&request, &edge);
    let guess = guess(&at, &from);
    if let Err(wait) = guess.take(&edge).await? {
        return Err(Problem::too_many_attempts(wait));
    }
    let token = verified(&at, &client, &provider, token).await?;
    let logout = Logout {
        provider,
        token,
        guess,
        origin: from,
    };
    obey(&edge, logout).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish())
}

/// The same words for every cause.
fn refused() -> Problem {
    OAuthError::new(ErrorCode::InvalidRequest, "the logout token is not valid").into()
}

fn guess(at: &PageContext<'_>, from: &Origin) -> Guess {
    let bucket = Bucket::new(
        "upstream_logout_failures",
        &[from.ip.as_deref().unwrap_or("")],
    );
    Guess::new(vec![(bucket, at.edge.rates.upstream_logout_failures)])
}

/// Step 3.
async fn verified(
    at: &PageContext<'_>,
    client: &UpstreamClient,
    provider: &Provider,
    token: &str,
) -> Result<LogoutToken, Problem> {
    let upstream = gate::opened(at, provider)?;
    let contact = gate::contact(at, &upstream);
    let token = client.verify_logout_token(contact, token).await;
    let token = token.map_err(|failure| {
        log_failure(provider, &failure);
        match failure {
            UpstreamFailure::Invalid(_) | UpstreamFailure::Denied(_) => refused(),
            UpstreamFailure::Unavailable(_) => Problem::unavailable(),
        }
    })?;
    // However long the provider lets it live: nobody sends it late, and for so long we remember it.
    if contact.now.has_reached(forgotten_at(&token)) {
        let slug = provider.slug.as_str();
        tracing::warn!(provider = slug, "a logout token came too late");
        return Err(refused());
    }
    Ok(token)
}

/// When a token is too old to be obeyed, so that it need not be remembered any more.
fn forgotten_at(token: &LogoutToken) -> Timestamp {
    token.iat.after(UPSTREAM_LOGOUT_AGE)
}

async fn obey(edge: &Edge, logout: Logout) -> Result<(), Problem> {
    let slug = logout.provider.slug.clone();
    let done = edge.store.write(move |write| logout.run(write)).await;
    let outcome = match &done {
        Ok(Ok(())) => "obeyed",
        Ok(Err(NotObeyed)) => "refused",
        // The same token at the same moment: the other one is obeyed.
        Err(error) if error.is_unique_violation() => "refused",
        Err(_) => "failed",
    };
    metrics::counter!("curfew_upstream_logouts_total", "provider" => slug, "outcome" => outcome)
        .increment(1);
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(NotObeyed)) => Err(refused()),
        Err(error) if error.is_unique_violation() => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

/// It was obeyed before, or the provider was disabled meanwhile.
struct NotObeyed;

/// The transaction.
struct Logout {
    provider: Provider,
    token: LogoutToken,
    guess: Guess,
    origin: Origin,
}

impl Logout {
    fn run(&self, write: &mut Write<'_>) -> Result<Result<(), NotObeyed>, StoreError> {
        let provider = write.provider(self.provider.id)?;
        let active = provider.is_some_and(|provider| provider.status == OwnerStatus::Active);
        // What our clock and theirs may differ by is added, so that none is forgotten before it is too old.
        let until = forgotten_at(&self.token).after(UPSTREAM_LEEWAY);
        if !active || !write.upstream_logout_insert(self.provider.id, &self.token.jti, until)? {
            return Ok(Err(NotObeyed));
        }
        self.guess.give_back(write)?;
        match &self.token.of {
            LogoutOf::Session(sid) => self.end_session(write, sid, None)?,
            LogoutOf::SessionOfSubject { sid, sub } => {
                let link = self.link_of(write, sub)?;
                self.end_session(write, sid, link.map(|link| link.id))?;
            }
            LogoutOf::Subject(subject) => self.end_of_subject(write, subject)?,
        }
        Ok(Ok(()))
    }

    /// The session, and those of the person that began without a name of their session upstream: any of them may be meant.
    fn end_session(
        &self,
        write: &mut Write<'_>,
        sid: &str,
        link: Option<LinkId>,
    ) -> Result<(), StoreError> {
        let ended = write.sessions_end_upstream(self.provider.id, sid, link)?;
        for session in &ended {
            let user = self.owner(write, *session)?;
            write.audit(&AuditEntry {
                node_id: Some(*session),
                ..self.entry(AuditEvent::SessionEnded, user, "logged_out_upstream")
            })?;
        }
        let told = format!("session {}", ended.len());
        write.audit(&self.entry(AuditEvent::UpstreamLogoutReceived, None, &told))
    }

    fn owner(&self, write: &mut Write<'_>, session: NodeId) -> Result<Option<UserId>, StoreError> {
        let chain = write.node_chain(session)?;
        let owner = chain.and_then(|chain| chain.user.as_ref().map(|user: &NodeUser| user.id));
        Ok(owner)
    }

    fn link_of(&self, read: &mut Read<'_>, subject: &str) -> Result<Option<Link>, StoreError> {
        let subject = Subject {
            issuer: self.provider.issuer.clone(),
            subject: subject.to_owned(),
        };
        read.link_by_subject(self.provider.id, &subject)
    }

    fn end_of_subject(&self, write: &mut Write<'_>, subject: &str) -> Result<(), StoreError> {
        let link = self.link_of(write, subject)?;
        if let Some(link) = &link {
            write.link_epoch_raise(link.id)?;
        }
        let user = link.map(|link| link.user_id);
        write.audit(&self.entry(AuditEvent::UpstreamLogoutReceived, user, "subject"))
    }

    fn entry(&self, event: AuditEvent, user: Option<UserId>, told: &str) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.provider.tenant_id),
            user_id: user,
            detail: Some(format!("{told} {}", self.provider.slug)),
            ..AuditEntry::new(event, AuthenticatedBy::Nobody, self.origin.clone())
        }
    }
}
