//! The token endpoint (RFC 6749 §3.2).
//!
//! 1. The form is read; parameters in the query are never looked at (OAuth 2.1 §3.2).
//! 2. The client is authenticated, and only then anything is said about its request.
//! 3. The grant is read and checked as far as that needs no transaction; garbage ends here.
//! 4. One transaction looks the credential up, judges it, consumes it, mints, and writes the audit row. A refusal commits what it
//!    must leave behind: the end of a replayed family or approval, and its own audit row.
//! 5. The answer leaves after the commit; that the credential was used is noted in memory.

mod authorization_code;
pub(crate) mod caller;
mod client_credentials;
mod device_code;
mod family;
mod plan;
mod refresh_token;
pub(crate) mod refusal;
mod token_exchange;

use actix_web::http::header::ORIGIN;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use curfew_http::body::RawForm;
use curfew_http::{Edge, Problem, Realm, answer, cors};
use curfew_protocol::wire::TokenResponse;
use curfew_protocol::{Form, GrantType, Lifetime, OAuthError};
use curfew_store::StoreError;
use curfew_store::clients::Client;
use curfew_store::last_uses::Use;

use authorization_code::CodeGrant;
use caller::Caller;
use client_credentials::ClientGrant;
use device_code::DeviceGrant;
use refresh_token::RefreshGrant;
use refusal::TokenRefusal;
use token_exchange::ExchangeGrant;

/// What comes of a grant: a refusal is a value, a failing store an error.
type Outcome = Result<Result<Granted, TokenRefusal>, StoreError>;

/// The answer, and the use of what it was granted for.
#[derive(Debug)]
struct Granted {
    response: TokenResponse,
    used: Use,
}

/// `POST /token`
pub(crate) async fn post(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let mut client = None;
    let answered = answered(&edge, &request, payload, &mut client).await;
    let mut response = answered.unwrap_or_else(|problem| problem.error_response());
    if let Some(client) = &client {
        cors::allow(&request, client, &mut response);
    }
    response
}

/// A browser asks first.
pub(crate) async fn preflight(
    edge: Data<Edge>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    match Realm::of(&request, &edge).await? {
        Some(realm) => Ok(cors::preflight(&edge, &realm, &request).await?),
        None => Ok(HttpResponse::NoContent().finish()),
    }
}

async fn answered(
    edge: &Edge,
    request: &HttpRequest,
    payload: Payload,
    client: &mut Option<Client>,
) -> Result<HttpResponse, Problem> {
    let form = RawForm::read(request, payload).await?;
    let form = form.parse(&["resource", "audience"])?;
    let caller = Caller::authenticated(edge, request, &form).await?;
    // Only the page of another origin needs to be told that it may read the answer.
    if request.headers().contains_key(ORIGIN) {
        *client = Some(caller.client.clone());
    }
    let outcome = match ValidatedGrant::read(&form, &caller) {
        Ok(ValidatedGrant::Code(grant)) => grant.redeem(edge, caller).await?,
        Ok(ValidatedGrant::Refresh(grant)) => grant.redeem(edge, caller).await?,
        Ok(ValidatedGrant::Client(grant)) => grant.issue(edge, caller).await?,
        Ok(ValidatedGrant::Device(grant)) => grant.redeem(edge, caller).await?,
        Ok(ValidatedGrant::Exchange(grant)) => grant.redeem(edge, caller).await?,
        Err(refusal) => {
            refuse(edge, caller, refusal).await?;
            Err(refusal)
        }
    };
    match outcome {
        Ok(granted) => {
            edge.uses.record(granted.used);
            Ok(answer::json(&granted.response))
        }
        Err(refusal) => Err(OAuthError::from(refusal).into()),
    }
}

/// A grant that is complete, well-formed and allowed to the client.
enum ValidatedGrant {
    Code(CodeGrant),
    Refresh(RefreshGrant),
    Client(ClientGrant),
    Device(DeviceGrant),
    Exchange(ExchangeGrant),
}

impl ValidatedGrant {
    fn read(form: &Form<'_>, caller: &Caller) -> Result<Self, TokenRefusal> {
        let name = form
            .get("grant_type")
            .ok_or(TokenRefusal::GrantTypeMissing)?;
        let grant_type = GrantType::parse(name).ok_or(TokenRefusal::GrantTypeUnsupported)?;
        if !caller.client.may_use(grant_type) {
            return Err(TokenRefusal::GrantNotAllowed);
        }
        match grant_type {
            GrantType::AuthorizationCode => CodeGrant::read(form).map(Self::Code),
            GrantType::RefreshToken => RefreshGrant::read(form).map(Self::Refresh),
            GrantType::ClientCredentials => ClientGrant::read(form, caller).map(Self::Client),
            GrantType::DeviceCode => DeviceGrant::read(form).map(Self::Device),
            GrantType::TokenExchange => ExchangeGrant::read(form).map(Self::Exchange),
        }
    }
}

fn count_issued(grant: GrantType) {
    metrics::counter!("curfew_tokens_issued_total", "grant" => grant.as_str()).increment(1);
}

/// The values of `resource`.
pub(crate) fn resources(form: &Form<'_>) -> Vec<String> {
    form.all("resource").map(str::to_owned).collect()
}

/// The lifetime that is asked for the token: `requested_token_lifetime`, in seconds. It is granted as it is or refused.
pub(crate) fn requested_lifetime(form: &Form<'_>) -> Result<Option<Lifetime>, TokenRefusal> {
    match form.get("requested_token_lifetime").map(Lifetime::parse) {
        None => Ok(None),
        Some(Some(lifetime)) => Ok(Some(lifetime)),
        Some(None) => Err(TokenRefusal::LifetimeSyntax),
    }
}

/// Writes down a refusal that needed no transaction, when it is worth a row.
pub(crate) async fn refuse(
    edge: &Edge,
    caller: Caller,
    refusal: TokenRefusal,
) -> Result<(), StoreError> {
    if !caller.client.confidential {
        return Ok(());
    }
    let written = edge.store.write(move |write| {
        caller
            .record_own_refusal(write, refusal)
            .map(Ok::<_, TokenRefusal>)
    });
    let _ = written.await?;
    Ok(())
}
