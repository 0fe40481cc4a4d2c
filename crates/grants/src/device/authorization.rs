//! The device authorization endpoint (RFC 8628 §3.1 and §3.2).
//!
//! 1. The address has a budget, and the client is authenticated as at the token endpoint.
//! 2. Scopes, resources, the requested lifetime and the optional PKCE challenge are judged now, so that a device that asks for too much
//!    hears it before anybody is bothered.
//! 3. One transaction looks at the switches, counts what is outstanding, and makes both codes.
//! 4. The links in the answer come from the configured issuer, never from a header (C33).

use actix_web::http::header::ORIGIN;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use curfew_http::body::RawForm;
use curfew_http::rates::Bucket;
use curfew_http::{Edge, Problem, Realm, answer, cors, origin};
use curfew_policy::device::user_code_length;
use curfew_policy::lifetime::{AccessTokenPlan, Caps, Credential};
use curfew_policy::pkce;
use curfew_protocol::wire::DeviceAuthorizationResponse;
use curfew_protocol::{Form, GrantType, Lifetime, OAuthError, Timestamp};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::clients::Client;
use curfew_store::device_codes::{DeviceRequest, MintedDeviceCode, NewDeviceCode};
use curfew_store::{StoreError, Write};
use url::form_urlencoded;

use crate::catalogue::Catalogue;
use crate::token::caller::Caller;
use crate::token::refusal::TokenRefusal;
use crate::token::{refuse, requested_lifetime, resources};
use crate::{audience, scopes};

/// `POST /device_authorization`
pub(crate) async fn post(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let mut client = None;
    let answered = answered(&edge, &request, payload, &mut client).await;
    let mut response = answered.unwrap_or_else(|problem| problem.error_response());
    if let Some(client) = &client {
        cors::allow(&request, client, &mut response);
    }
    response
}

async fn answered(
    edge: &Edge,
    request: &HttpRequest,
    payload: Payload,
    client: &mut Option<Client>,
) -> Result<HttpResponse, Problem> {
    spend(edge, request).await?;
    let form = RawForm::read(request, payload).await?;
    let form = form.parse(&["resource"])?;
    let caller = Caller::authenticated(edge, request, &form).await?;
    if request.headers().contains_key(ORIGIN) {
        *client = Some(caller.client.clone());
    }
    let Some(realm) = Realm::of(request, edge).await? else {
        return Err(Problem::invalid_client(false));
    };
    let asked = match Asked::read(edge, &form, &caller).await? {
        Ok(asked) => asked,
        Err(refusal) => {
            refuse(edge, caller, refusal).await?;
            return Err(OAuthError::from(refusal).into());
        }
    };
    let interval = edge.lifetimes.device_poll_interval;
    let outstanding = edge.rates.device_codes_outstanding.limit;
    let asking = Asking {
        asked,
        caller,
        limit: outstanding,
    };
    let made = edge.store.write(move |write| asking.run(write)).await?;
    match made {
        Ok((minted, expires_in)) => Ok(answer::json(&response(
            &realm.issuer(edge),
            &minted,
            (expires_in, interval),
        ))),
        Err(TokenRefusal::TooManyDevices) => Err(Problem::too_many_attempts(
            edge.rates.device_codes_outstanding.window,
        )),
        Err(refusal) => Err(OAuthError::from(refusal).into()),
    }
}

async fn spend(edge: &Edge, request: &HttpRequest) -> Result<(), Problem> {
    let ip = origin::client_ip(request, edge).to_string();
    let bucket = Bucket::new("device_authorizations", &[&ip]);
    let rate = edge.rates.device_authorizations;
    match edge.rates.spend(&edge.store, bucket, rate).await? {
        Ok(()) => Ok(()),
        Err(wait) => Err(Problem::too_many_attempts(wait)),
    }
}

fn response(
    issuer: &str,
    minted: &MintedDeviceCode,
    (expires_in, interval): (Lifetime, Lifetime),
) -> DeviceAuthorizationResponse {
    let user_code = minted.user_code.to_string();
    let verification_uri = format!("{issuer}/device");
    DeviceAuthorizationResponse {
        device_code: minted.device_code.reveal(),
        verification_uri_complete: complete_link(&verification_uri, &user_code),
        verification_uri,
        user_code,
        expires_in,
        interval,
    }
}

/// The link with the code filled in.
pub(super) fn complete_link(verification_uri: &str, user_code: &str) -> String {
    let code: String = form_urlencoded::byte_serialize(user_code.as_bytes()).collect();
    format!("{verification_uri}?user_code={code}")
}

/// What a device asks for, judged.
#[derive(Clone, Debug)]
struct Asked {
    request: DeviceRequest,
    code_challenge: Option<String>,
}

impl Asked {
    async fn read(
        edge: &Edge,
        form: &Form<'_>,
        caller: &Caller,
    ) -> Result<Result<Self, TokenRefusal>, StoreError> {
        let tenant_id = caller.client.tenant_id;
        let facts = edge.store.read(move |read| {
            let limits = read.tenant(tenant_id)?.map(|tenant| tenant.limits);
            Ok((Catalogue::read(read, tenant_id)?, limits, read.now()))
        });
        let (catalogue, limits, now) = facts.await?;
        let access_token = limits.and_then(|limits| limits.access_token);
        Ok(Self::judge(form, caller, &catalogue, (access_token, now)))
    }

    fn judge(
        form: &Form<'_>,
        caller: &Caller,
        catalogue: &Catalogue,
        (tenant, now): (Option<Lifetime>, Timestamp),
    ) -> Result<Self, TokenRefusal> {
        let client = &caller.client;
        if !client.may_use(GrantType::DeviceCode) {
            return Err(TokenRefusal::GrantNotAllowed);
        }
        let scopes = scopes::grant(form.get("scope"), client, catalogue)?;
        let audiences = audience::choose(&resources(form), client, &scopes, catalogue)?;
        let requested_lifetime = requested_lifetime(form)?;
        let plan = AccessTokenPlan {
            rules: caller.rules,
            asked: requested_lifetime,
            client: client.registration.access_token_lifetime,
            scopes: catalogue.max_lifetimes(&scopes),
        };
        plan.expires_at(now, tenant, Timestamp::from_seconds(i64::MAX))?;
        Ok(Self {
            request: DeviceRequest::from_origin(
                &caller.origin,
                scopes,
                audiences,
                requested_lifetime,
            ),
            code_challenge: challenge(form)?,
        })
    }
}

/// The device may bind its code to a verifier that never leaves it (RFC 7636, S256 only).
fn challenge(form: &Form<'_>) -> Result<Option<String>, TokenRefusal> {
    match (
        form.get("code_challenge"),
        form.get("code_challenge_method"),
    ) {
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) if pkce::is_s256_challenge(challenge) => {
            Ok(Some(challenge.to_owned()))
        }
        _ => Err(TokenRefusal::Challenge),
    }
}

/// The transaction.
struct Asking {
    asked: Asked,
    caller: Caller,
    /// Codes of the client that may be outstanding.
    limit: u32,
}

impl Asking {
    fn run(
        &self,
        write: &mut Write<'_>,
    ) -> Result<Result<(MintedDeviceCode, Lifetime), TokenRefusal>, StoreError> {
        let client = &self.caller.client;
        if !super::is_switched_on(write, client.tenant_id)? {
            return Ok(Err(TokenRefusal::DeviceFlowOff));
        }
        let limit = i64::from(self.limit);
        let outstanding = write.device_codes_outstanding_of(client.key, limit)?;
        if outstanding >= usize::try_from(limit).unwrap_or(usize::MAX) {
            metrics::counter!("curfew_budget_exhausted_total").increment(1);
            return Ok(Err(TokenRefusal::TooManyDevices));
        }
        let rules = &self.caller.rules;
        let end = rules.expires_at(Credential::DeviceCode, write.now(), Caps::default());
        let expires_at = match end {
            Ok(end) => end,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let waiting = write.device_requests_outstanding(curfew_policy::device::COUNT_UP_TO)?;
        let minted = write.device_code_insert(&NewDeviceCode {
            tenant_id: client.tenant_id,
            client: client.key,
            client_epoch: client.epoch,
            request: self.asked.request.clone(),
            code_challenge: self.asked.code_challenge.clone(),
            poll_interval: rules.device_poll_interval,
            expires_at,
            user_code_length: user_code_length(waiting),
        })?;
        // Every draw collided: the answer is 503, and another try may be luckier (C25).
        let minted = minted.ok_or(StoreError::Overloaded)?;
        let by = self.caller.authenticated_by;
        write.audit(&AuditEntry {
            scopes: Some(self.asked.request.scopes.to_string()),
            expires_at: Some(expires_at.timestamp()),
            detail: Some(minted.id.to_string()),
            ..self.caller.entry(AuditEvent::DeviceCodeIssued, by)
        })?;
        Ok(Ok((minted, expires_at.timestamp().since(write.now()))))
    }
}
