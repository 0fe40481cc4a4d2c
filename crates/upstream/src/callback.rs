//! `GET /upstream/{provider}/callback`: somebody comes back from a provider.
//!
//! 1. The state parameter is one that we gave out; it is used up before anything else is thought, so that a second arrival with it finds
//!    nothing (B44). [`state`]
//! 2. It must be of this tenant, this provider, this browser and this moment (B40, SUP-02), and the provider must still be the one that the
//!    person was sent to (B43).
//! 3. An error of the provider ends here; its words go to the log, cleaned and cut (B53).
//! 4. The code is redeemed for an identity ([`client`](crate::client)). No transaction is open meanwhile.
//! 5. One transaction decides and acts ([`linking`](crate::linking)).
//! 6. The browser goes on: with a session, to the question for a proof, or not at all.

mod state;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::see_other;
use curfew_http::csrf::BrowserCookie;
use curfew_http::notice::IdentityNotice;
use curfew_http::problem::PageContext;
use curfew_http::visit::{query, with_cookie};
use curfew_http::{Edge, origin, session};
use curfew_protocol::Form;
use curfew_store::audit::AuthenticatedBy;
use curfew_store::providers::Provider;
use curfew_store::upstream_logins::UpstreamLogin;

use crate::client::{Callback, UpstreamClient};
use crate::failure::{InvalidAnswer, UpstreamFailure, for_log};
use crate::identity::UpstreamIdentity;
use crate::linking::{self, Arrived, How, Linking, Outcome, bind};
use crate::refusal::{Back, IDENTITIES, Refusal, count};
use crate::stop::{Stop, log_failure, pages};
use crate::{gate, proof};

pub(crate) async fn get(
    request: HttpRequest,
    edge: Data<Edge>,
    client: Data<UpstreamClient>,
) -> HttpResponse {
    pages(&request, &edge, async |at: PageContext<'_>| {
        let provider = gate::named(&at).await?;
        let arrival = Arrival {
            at,
            edge: &edge,
            client: &client,
            provider: &provider,
        };
        arrival.receive().await
    })
    .await
}

/// One arrival at a provider's own address.
struct Arrival<'a> {
    at: PageContext<'a>,
    edge: &'a Data<Edge>,
    client: &'a UpstreamClient,
    provider: &'a Provider,
}

impl Arrival<'_> {
    async fn receive(&self) -> Result<HttpResponse, Stop> {
        let query = query(self.at.request)
            .map_err(|_| self.refused(Refusal::StateInvalid, Back::SignIn))?;
        let login = self.login(&query).await?;
        let identity = self.identity(&query, &login).await?;
        self.settle(&login, &identity).await
    }

    fn refused(&self, refusal: Refusal, back: Back) -> Stop {
        Stop::page(refusal.page(&self.at, self.provider, back))
    }

    /// Steps 1 and 2.
    async fn login(&self, query: &Form<'_>) -> Result<UpstreamLogin, Stop> {
        let browser = BrowserCookie::Upstream.sent(self.at.edge, self.at.realm, self.at.request);
        let used = state::Arriving {
            tenant_id: self.at.realm.tenant_id,
            provider: (self.provider.id, self.provider.epoch),
            active: gate::is_active(self.provider),
            slug: self.provider.slug.clone(),
            browser,
            origin: origin::of(self.at.request, self.at.edge),
        };
        let used = used.use_up(&self.at.edge.store, query.get("state")).await?;
        used.map_err(|unfit| {
            tracing::warn!(
                provider = self.provider.slug,
                reason = unfit.as_str(),
                "somebody came back from a provider and was not expected"
            );
            self.refused(unfit.refusal(), Back::SignIn)
        })
    }

    /// Steps 3 and 4.
    async fn identity(
        &self,
        query: &Form<'_>,
        login: &UpstreamLogin,
    ) -> Result<UpstreamIdentity, Stop> {
        if let Some(error) = query.get("error") {
            let words = query.get("error_description").unwrap_or("");
            let (error, words) = (for_log(error), for_log(words));
            let provider = self.provider.slug.as_str();
            tracing::warn!(
                provider,
                error = error.as_str(),
                words,
                "a provider sent somebody back with an error"
            );
            let refusal = match error.as_str() {
                // RFC 6749 §4.1.2.1: the provider cannot at the moment.
                "server_error" | "temporarily_unavailable" => Refusal::Unavailable,
                _ => Refusal::Denied,
            };
            return Err(self.turned_away(login, refusal).await);
        }
        let Some(code) = query.get("code") else {
            return Err(self.failed(login, &InvalidAnswer::CodeMissing.into()).await);
        };
        let upstream = gate::opened(&self.at, self.provider)?;
        let secrets = login.secrets(self.at.edge.store.keys())?;
        let callback = Callback {
            code,
            iss: query.get("iss"),
            redirect_uri: &gate::redirect_uri(&self.at, self.provider),
            nonce: &secrets.nonce,
            code_verifier: &secrets.code_verifier,
            fresh_since: login.reauthenticate.then_some(login.created_at),
        };
        let contact = gate::contact(&self.at, &upstream);
        match self.client.identify(contact, callback).await {
            Ok(identity) => Ok(identity),
            Err(failure) => Err(self.failed(login, &failure).await),
        }
    }

    async fn failed(&self, login: &UpstreamLogin, failure: &UpstreamFailure) -> Stop {
        log_failure(self.provider, failure);
        self.turned_away(login, Refusal::from(failure)).await
    }

    /// Nobody is known yet: only that this login came to nothing is written down.
    async fn turned_away(&self, login: &UpstreamLogin, refusal: Refusal) -> Stop {
        let from = origin::of(self.at.request, self.at.edge);
        let entry = state::refused_entry(login, &self.provider.slug, refusal, from);
        let written = self
            .at
            .edge
            .store
            .write(move |write| write.audit(&entry).map(Ok::<_, ()>));
        match written.await {
            Ok(_) => self.refused(refusal, Back::of(login.purpose)),
            Err(error) => error.into(),
        }
    }

    /// Steps 5 and 6.
    async fn settle(
        &self,
        login: &UpstreamLogin,
        identity: &UpstreamIdentity,
    ) -> Result<HttpResponse, Stop> {
        let at = &self.at;
        let arrived = Arrived::of(self.provider, identity);
        let known = arrived.identity.clone();
        let previous = session::signed_in(at.edge, at.realm, at.request).await?;
        let browser = BrowserCookie::Upstream.sent(at.edge, at.realm, at.request);
        let linking = Linking {
            tenant_id: at.realm.tenant_id,
            provider: (login.provider_id, login.provider_epoch),
            purpose: login.purpose,
            arrived,
            return_to: login.return_to.clone(),
            browser: browser.unwrap_or_default(),
            previous: previous.map(|signed_in| signed_in.session_id),
            rules: at.edge.lifetimes,
            by: AuthenticatedBy::UpstreamLogin(login.id),
            origin: origin::of(at.request, at.edge),
            notice: IdentityNotice::of(self.edge, at),
        };
        match linking::link(self.edge, linking).await? {
            Some(Ok(outcome)) => self.go_on(login, outcome).await,
            Some(Err(turned)) => {
                bind::log_refusal(at.edge.store.keys(), self.provider, &known, turned);
                Err(self.refused(turned.refusal, Back::of(login.purpose)))
            }
            None => Err(Stop::overtaken(at, self.provider)),
        }
    }

    async fn go_on(&self, login: &UpstreamLogin, outcome: Outcome) -> Result<HttpResponse, Stop> {
        let at = &self.at;
        match outcome {
            Outcome::SignedIn(started, how) => {
                if how == How::Dangerous {
                    let slug = self.provider.slug.clone();
                    metrics::counter!("curfew_upstream_dangerous_sign_ins_total", "provider" => slug)
                        .increment(1);
                }
                count(self.provider, how.as_str());
                let cookie = session::cookie(at.edge, at.realm, &started.secret);
                Ok(with_cookie(see_other(&login.return_to), Some(cookie)))
            }
            Outcome::AskProof(proof) => {
                count(self.provider, "proof_asked");
                proof::asked(at, proof, StatusCode::FORBIDDEN).await
            }
            Outcome::Confirm(proof) => {
                count(self.provider, "confirmation_asked");
                Ok(see_other(&at.realm.path(&proof::path(proof))))
            }
            Outcome::AlreadyLinked => {
                count(self.provider, "already_linked");
                let told = format!("{IDENTITIES}?told=already_linked");
                Ok(see_other(&at.realm.path(&told)))
            }
        }
    }
}
