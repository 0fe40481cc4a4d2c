//! The two requests of the authorization code flow (OpenID Connect Core 1.0 §3.1). The only file that knows the crate `openidconnect`,
//! which builds them. What it would make of an answer is not asked: the answer is taken away from it and read strictly.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use curfew_http::outbound::{Answer, Call, Outbound, OutboundError};
use curfew_protocol::upstream::ProviderMetadata;
use curfew_protocol::upstream::strict::MAX_BYTES;
use curfew_protocol::upstream::token_answer::GrantedTokens;
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient};
use openidconnect::http::header::AUTHORIZATION;
use openidconnect::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet, Nonce,
    PkceCodeVerifier, RedirectUrl, Scope, TokenUrl,
};
use url::Url;

use crate::client::{AuthorizationRequest, Callback, Contact, address};
use crate::failure::{Asked, Unavailable, UpstreamFailure};
use crate::provider::UpstreamProvider;
use crate::tokens::granted;

/// Asked for when the provider's settings name no scopes. `openid` is always asked for.
const SCOPES: &[&str] = &["email", "profile"];

/// So long ago may the sign-in be that nobody is asked for another: a year. Longer ones overflow where providers add 32-bit numbers.
const ANY_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

fn client(
    provider: &UpstreamProvider,
    metadata: &ProviderMetadata,
    redirect_uri: &str,
) -> Result<Client, UpstreamFailure> {
    let no_address = |_| UpstreamFailure::from(Unavailable::Misconfigured);
    let issuer = IssuerUrl::new(metadata.issuer.clone()).map_err(no_address)?;
    let authorization =
        AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(no_address)?;
    let token = TokenUrl::new(metadata.token_endpoint.clone()).map_err(no_address)?;
    let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(no_address)?;
    let id = ClientId::new(provider.client_id.clone());
    // The keys are not the library's business.
    let client = CoreClient::new(id, issuer, JsonWebKeySet::default())
        .set_auth_uri(authorization)
        .set_token_uri(token)
        .set_redirect_uri(redirect)
        .set_auth_type(authentication(metadata));
    Ok(match &provider.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.0.clone())),
        None => client,
    })
}

/// By header, unless the provider announces only the form (RFC 8414 §2, RFC 6749 §2.3.1).
fn authentication(metadata: &ProviderMetadata) -> AuthType {
    let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
    let announced = |method: &str| {
        methods.is_some_and(|methods| methods.iter().any(|announced| announced == method))
    };
    if announced("client_secret_post") && !announced("client_secret_basic") {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

pub(super) fn authorization_url(
    provider: &UpstreamProvider,
    metadata: &ProviderMetadata,
    request: AuthorizationRequest<'_>,
) -> Result<Url, UpstreamFailure> {
    let client = client(provider, metadata, request.redirect_uri)?;
    let (state, nonce) = (request.state.to_owned(), request.nonce.to_owned());
    let mut built = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(state),
            || Nonce::new(nonce),
        )
        .add_scopes(scopes(provider).map(|scope| Scope::new(scope.to_owned())))
        .add_extra_param("code_challenge", request.code_challenge)
        .add_extra_param("code_challenge_method", "S256");
    // `max_age` makes `auth_time` a must (Core §3.1.2.1), by which we know whether the sign-in there is fresh.
    built = if request.reauthenticate {
        // `prompt` is understood by more providers.
        built
            .set_max_age(Duration::ZERO)
            .add_prompt(CoreAuthPrompt::Login)
    } else {
        built.set_max_age(ANY_AGE)
    };
    Ok(built.url().0)
}

/// Besides `openid`, which the library adds.
fn scopes(provider: &UpstreamProvider) -> impl Iterator<Item = &str> {
    let set = provider.scopes.iter().map(String::as_str);
    let standard = provider.scopes.is_empty().then_some(SCOPES);
    set.chain(standard.into_iter().flatten().copied())
        .filter(|scope| *scope != "openid")
}

/// Redeems the code (Core §3.1.3.1).
pub(super) async fn redeem(
    contact: Contact<'_>,
    metadata: &ProviderMetadata,
    callback: Callback<'_>,
) -> Result<GrantedTokens, UpstreamFailure> {
    let client = client(contact.provider, metadata, callback.redirect_uri)?;
    let url = address(&metadata.token_endpoint)?;
    let taker = Taker {
        outbound: contact.outbound,
        url: &url,
        taken: Mutex::new(None),
    };
    let request = client
        .exchange_code(AuthorizationCode::new(callback.code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(callback.code_verifier.to_owned()));
    // An error in any case: the answer lies in the taker.
    let _ = request.request_async(&taker).await;
    let taken = taker
        .taken
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    // Without an answer the request was not even made: the credentials cannot be put into a header.
    let taken = taken.unwrap_or(Err(OutboundError::Unsendable));
    granted(&taken.map_err(|error| UpstreamFailure::not_taken(Asked::Tokens, error))?)
}

/// Makes the library's request by the guarded client, and keeps the answer to itself.
struct Taker<'a> {
    outbound: &'a Outbound,
    url: &'a Url,
    taken: Mutex<Option<Result<Answer, OutboundError>>>,
}

/// What the library is told instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is read elsewhere")]
struct Taken;

impl Taker<'_> {
    async fn make(&self, request: HttpRequest) -> Result<Answer, OutboundError> {
        let mut call = Call::new(self.url).limit(MAX_BYTES);
        if let Some(value) = request.headers().get(AUTHORIZATION) {
            let value = value.to_str().map_err(|_| OutboundError::Unsendable)?;
            call = call.authorization(value.to_owned());
        }
        self.outbound
            .post_encoded_form(call, request.into_body())
            .await
    }
}

impl<'c> AsyncHttpClient<'c> for Taker<'c> {
    type Error = Taken;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Taken>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.make(request).await;
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            Err(Taken)
        })
    }
}
