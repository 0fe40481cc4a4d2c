//! Speaking to a provider, whatever its kind: where to send a person, and who it is that comes back.

use curfew_http::outbound::{Answer, Call, Outbound};
use curfew_policy::status::ProviderKind;
use curfew_protocol::Timestamp;
use curfew_protocol::upstream::strict::MAX_BYTES;
use url::Url;

use crate::check::CheckLine;
use crate::failure::{Asked, InvalidAnswer, Unavailable, UpstreamFailure};
use crate::identity::UpstreamIdentity;
use crate::openid::{Documents, LogoutToken};
use crate::provider::UpstreamProvider;
use crate::{github, openid};

/// Speaks to providers. There is one for the whole node: it remembers what they published about themselves, and how lately they were
/// asked.
#[derive(Debug, Default)]
pub struct UpstreamClient {
    documents: Documents,
}

/// Whom we speak to, by what means, and when.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    pub outbound: &'a Outbound,
    pub provider: &'a UpstreamProvider,
    pub now: Timestamp,
}

/// What a person is sent off with.
#[derive(Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    pub state: &'a str,
    pub nonce: &'a str,
    /// The SHA-256 of the code verifier in base64url (RFC 7636 §4.2, method S256).
    pub code_challenge: &'a str,
    pub redirect_uri: &'a str,
    /// The person must prove anew who they are.
    pub reauthenticate: bool,
}

/// What a person came back with, and what we kept meanwhile.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    pub code: &'a str,
    /// The issuer of the authorization response (RFC 9207).
    pub iss: Option<&'a str>,
    /// The same as in the request.
    pub redirect_uri: &'a str,
    pub nonce: &'a str,
    pub code_verifier: &'a str,
    /// When the person was sent off, if they had to prove anew who they are.
    pub fresh_since: Option<Timestamp>,
}

impl UpstreamClient {
    /// Asks for what sending somebody off needs, so that nothing is begun with a provider that does not answer.
    pub async fn prepare(&self, contact: Contact<'_>) -> Result<(), UpstreamFailure> {
        match contact.provider.kind {
            ProviderKind::OpenId => self.documents.metadata(contact).await.map(|_| ()),
            ProviderKind::GitHub => Ok(()),
        }
    }

    /// Where to send the browser.
    pub async fn authorization_url(
        &self,
        contact: Contact<'_>,
        request: AuthorizationRequest<'_>,
    ) -> Result<Url, UpstreamFailure> {
        match contact.provider.kind {
            ProviderKind::OpenId => {
                openid::authorization_url(&self.documents, contact, request).await
            }
            ProviderKind::GitHub => github::authorization_url(contact.provider, request),
        }
    }

    /// Redeems the code for an identity.
    pub async fn identify(
        &self,
        contact: Contact<'_>,
        callback: Callback<'_>,
    ) -> Result<UpstreamIdentity, UpstreamFailure> {
        match contact.provider.kind {
            ProviderKind::OpenId => openid::identify(&self.documents, contact, callback).await,
            ProviderKind::GitHub => github::identify(contact, callback).await,
        }
    }

    /// Whom a logout token of the provider ends (OpenID Connect Back-Channel Logout 1.0). That it comes once only is for the caller to
    /// see to, by its `jti`.
    pub async fn verify_logout_token(
        &self,
        contact: Contact<'_>,
        token: &str,
    ) -> Result<LogoutToken, UpstreamFailure> {
        match contact.provider.kind {
            ProviderKind::OpenId => {
                openid::verify_logout_token(&self.documents, contact, token).await
            }
            ProviderKind::GitHub => Err(InvalidAnswer::NoLogoutTokens.into()),
        }
    }
}

/// Asks a provider for everything that a sign-in needs of it, and tells what is wrong. Nothing that is remembered is used.
pub async fn check(contact: Contact<'_>) -> Vec<CheckLine> {
    match contact.provider.kind {
        ProviderKind::OpenId => openid::check(contact).await,
        ProviderKind::GitHub => github::check(contact).await,
    }
}

impl Contact<'_> {
    /// A document of the provider, which comes with the status 200 or not at all.
    pub(crate) async fn fetch(
        &self,
        asked: Asked,
        call: Call<'_>,
    ) -> Result<Answer, UpstreamFailure> {
        let answer = self.outbound.get(call.limit(MAX_BYTES)).await;
        match answer.map_err(|error| UpstreamFailure::not_taken(asked, error))? {
            answer if answer.status == 200 => Ok(answer),
            Answer { status, .. } => Err(Unavailable::Status { asked, status }.into()),
        }
    }
}

/// An address out of the configuration or a document of the provider.
pub(crate) fn address(text: &str) -> Result<Url, UpstreamFailure> {
    Url::parse(text).map_err(|_| Unavailable::Misconfigured.into())
}
