//! Sending a browser off to a provider.
//!
//! 1. The provider is asked first what it takes to be sent to; one that does not answer leaves nothing behind.
//! 2. A row is stored with what must come back: the state parameter, the nonce, the PKCE verifier, and by which cookie the browser is
//!    known. Provider and tenant are in it as well (SUP-02).
//! 3. The authorization request carries the state and the digests of the rest (OpenID Connect Core 1.0 §3.1.2.1, RFC 7636).

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_http::csrf::{BrowserCookie, random_text};
use curfew_http::pages::OutsideLink;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::visit::with_cookie;
use curfew_http::{PageProblem, answer, origin};
use curfew_policy::lifetime::{Caps, Credential};
use curfew_policy::redirect::is_local_path;
use curfew_protocol::Form;
use curfew_store::audit::AuditEntry;
use curfew_store::providers::Provider;
use curfew_store::upstream_logins::{LoginSecrets, NewUpstreamLogin, Purpose};
use url::Url;

use crate::client::{AuthorizationRequest, UpstreamClient};
use crate::failure::{Unavailable, UpstreamFailure};
use crate::gate;
use crate::pages::ContinuePage;
use crate::refusal::Back;
use crate::stop::{Stop, lifetime};

/// Why and how somebody is sent off.
pub(crate) struct Departure<'a> {
    pub(crate) at: PageContext<'a>,
    pub(crate) client: &'a UpstreamClient,
    pub(crate) provider: &'a Provider,
    pub(crate) purpose: Purpose,
    pub(crate) reauthenticate: bool,
    /// A path of our own.
    pub(crate) return_to: String,
    /// Written with the row, when somebody signed in asked for it.
    pub(crate) audit: Option<AuditEntry>,
}

impl Departure<'_> {
    /// Where the browser goes, and the cookie that it gets when it has none.
    pub(crate) async fn begin(self) -> Result<Sent, Stop> {
        let upstream = gate::opened(&self.at, self.provider)?;
        let contact = gate::contact(&self.at, &upstream);
        let whence = (self.provider, Back::of(self.purpose));
        let failed = |failure: UpstreamFailure| Stop::failed(&self.at, whence, &failure);
        self.client.prepare(contact).await.map_err(failed)?;
        let secrets = LoginSecrets {
            nonce: random_text(self.at.edge),
            code_verifier: random_text(self.at.edge),
        };
        let (browser, cookie) =
            BrowserCookie::Upstream.sent_or_new(self.at.edge, self.at.realm, self.at.request);
        let state = self.store(&secrets, browser).await?;
        let request = AuthorizationRequest {
            state: &state,
            nonce: &secrets.nonce,
            code_challenge: &code_challenge(&secrets.code_verifier),
            redirect_uri: &gate::redirect_uri(&self.at, self.provider),
            reauthenticate: self.reauthenticate,
        };
        let url = self.client.authorization_url(contact, request).await;
        let url = url.map_err(failed)?;
        Ok(Sent { url, cookie })
    }

    /// Stores the row; the answer is the state parameter.
    async fn store(&self, secrets: &LoginSecrets, browser: String) -> Result<String, Stop> {
        let store = &self.at.edge.store;
        let now = store.clock().now();
        let rules = &self.at.edge.lifetimes;
        let credential = Credential::UpstreamLogin;
        let new = NewUpstreamLogin {
            tenant_id: self.at.realm.tenant_id,
            provider_id: self.provider.id,
            provider_epoch: self.provider.epoch,
            purpose: self.purpose,
            browser,
            secrets: secrets.clone(),
            reauthenticate: self.reauthenticate,
            return_to: self.return_to.clone(),
            expires_at: lifetime(rules.expires_at(credential, now, Caps::default()))?,
        };
        let audit = self.audit.clone();
        let stored = store.write(move |write| {
            let (_, state) = write.upstream_login_insert(&new)?;
            if let Some(entry) = &audit {
                write.audit(entry)?;
            }
            Ok(Ok::<_, ()>(state.reveal()))
        });
        Ok(stored.await?.unwrap_or_default())
    }
}

impl Departure<'_> {
    /// Like [`begin`](Self::begin), for an answer to a form: a page with a link, and no redirect. Chromium applies the `form-action` of
    /// the page that holds the form to every redirect after it, and that page cannot know where a provider's authorization endpoint is
    /// without asking the provider; a link is followed under no such rule, so that no page needs an exception in its policy.
    pub(crate) async fn begin_by_page(self) -> Result<HttpResponse, Stop> {
        let (at, provider, back) = (self.at, self.provider, Back::of(self.purpose));
        let sent = self.begin().await?;
        let Some(leave) = OutsideLink::new(&sent.url) else {
            let failure = UpstreamFailure::from(Unavailable::Misconfigured);
            return Err(Stop::failed(&at, (provider, back), &failure));
        };
        let model = ContinuePage {
            shell: at.realm.shell(),
            provider: provider.name.clone(),
            adds: back == Back::Account,
            leave,
        };
        let page = answer::page(&at, StatusCode::OK, "upstream_continue.html", &model);
        Ok(with_cookie(page, sent.cookie))
    }
}

/// Counts a start for the address that it comes from.
pub(crate) async fn spend(at: &PageContext<'_>) -> Result<(), Stop> {
    let ip = origin::client_ip(at.request, at.edge).to_string();
    let bucket = Bucket::new("upstream_starts", &[&ip]);
    let rates = &at.edge.rates;
    let spent = rates.spend(&at.edge.store, bucket, rates.upstream_starts);
    spent
        .await?
        .map_err(|wait| Stop::page(PageProblem::too_many_attempts(wait, at).into_response()))
}

/// The path asked for, if it is one of our own; otherwise `default` of this tenant (B48).
pub(crate) fn return_to(at: &PageContext<'_>, form: &Form<'_>, default: &str) -> String {
    let asked = form.get("return_to").filter(|path| is_local_path(path));
    asked.map_or_else(|| at.realm.path(default), ToOwned::to_owned)
}

/// The method S256 (RFC 7636 §4.2).
fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// Somebody about to leave.
pub(crate) struct Sent {
    pub(crate) url: Url,
    pub(crate) cookie: Option<Cookie<'static>>,
}

#[cfg(test)]
mod tests {
    use super::code_challenge;

    #[test]
    fn b41_the_challenge_is_the_one_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(code_challenge(verifier), challenge);
    }
}
