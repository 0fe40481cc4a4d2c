//! Sending a browser off to a provider.
//!
//! 1. The provider is asked first what it takes to be sent to; one that does not answer leaves nothing behind.
//! 2. A row is stored with what must come back: the state parameter, the nonce, the PKCE verifier, and by which cookie the browser is
//!    known. Provider and tenant are in it as well (SUP-02).
//! 3. The authorization request carries the state and the digests of the rest (OpenID Connect Core 1.0 §3.1.2.1, RFC 7636).

use actix_web::cookie::Cookie;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_http::csrf::{BrowserCookie, random_text};
use curfew_http::problem::PageContext;
use curfew_policy::lifetime::{Caps, Credential};
use curfew_store::audit::AuditEntry;
use curfew_store::providers::Provider;
use curfew_store::upstream_logins::{LoginSecrets, NewUpstreamLogin, Purpose};
use url::Url;

use crate::client::{AuthorizationRequest, UpstreamClient};
use crate::failure::UpstreamFailure;
use crate::gate;
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
        let failed = |failure: UpstreamFailure| Stop::failed(&self.at, self.provider, &failure);
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
