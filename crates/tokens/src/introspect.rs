//! The introspection endpoint (RFC 7662).
//!
//! 1. The form is read; what is no well-formed access token, a client's or a person's own, never reaches the database.
//! 2. One look-up brings the caller and the token with everything that binds it.
//! 3. The caller must be an active resource server with a live secret; a client is told of no token at all.
//! 4. The token must be alive, of the caller's tenant, and meant for the caller as it is now.
//! 5. The use is noted in memory (`uses.rs`); the answer waits for nothing.
//! 6. Everything else is exactly `{"active":false}`, with the same bytes for every cause (§2.2).

use std::sync::LazyLock;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::client_auth::{PresentedClient, authenticate, secret_matches};
use curfew_http::rates::Bucket;
use curfew_http::{Edge, Problem, Realm, answer, origin};
use curfew_policy::liveness::Alive;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::wire::{ActiveToken, INACTIVE};
use curfew_protocol::{ErrorCode, Form, OAuthError, ParsedToken, Timestamp, TokenId, TokenKind};
use curfew_store::last_uses::{Use, Used};
use curfew_store::nodes::NodeUser;
use curfew_store::{Caller, IntrospectedToken, IntrospectionFacts};

static ACTIVE: LazyLock<metrics::Counter> =
    LazyLock::new(|| metrics::counter!("curfew_introspections_total", "active" => "true"));
static INACTIVES: LazyLock<metrics::Counter> =
    LazyLock::new(|| metrics::counter!("curfew_introspections_total", "active" => "false"));

/// The endpoint.
pub(crate) async fn introspect(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let form = RawForm::read(&request, payload).await?;
    let form = form.parse(&[])?;
    let presented = PresentedClient::read(request.headers(), &form)?;
    let token = presented_token(&form)?;
    let realm = realm(&edge, &request, &presented).await?;
    refuse_when_blocked(&edge, &request, &presented)?;

    let selector = token
        .as_ref()
        .map(|(_, token)| TokenId::from_bytes(token.selector));
    let facts = edge
        .store
        .introspection_facts(&presented.client_id, selector)
        .await?;
    let Some(caller) = authentic_caller(&edge, &realm, &presented, &facts) else {
        return not_a_resource_server(&edge, &realm, &presented, &request).await;
    };
    let answer = facts
        .token
        .as_ref()
        .zip(token.as_ref())
        .filter(|(token, presented)| is_the_token(&edge, token, presented))
        .and_then(|(token, _)| Some((describe(&edge, &realm, caller, token, &facts)?, token)));
    Ok(match answer {
        Some((body, token)) => {
            ACTIVE.increment(1);
            edge.uses.record(Use {
                used: Used::Token(token.id),
                used_at: facts.now,
                user: token.node.user.as_ref().map(NodeUser::seen),
                ip: None,
                resource_server: Some(caller.key),
            });
            answer::json_text(body)
        }
        None => inactive(&presented),
    })
}

/// `None`: well-formed as a request, but no access token of ours.
fn presented_token(form: &Form<'_>) -> Result<Option<(TokenKind, ParsedToken)>, Problem> {
    let Some(text) = form.get("token") else {
        return Err(OAuthError::new(ErrorCode::InvalidRequest, "token is missing").into());
    };
    let kind = match TokenKind::of(text) {
        Some(kind @ (TokenKind::AccessToken | TokenKind::PersonalAccessToken)) => kind,
        Some(_) | None => return Ok(None),
    };
    let parsed = ParsedToken::parse(kind, text);
    Ok(parsed.ok().map(|parsed| (kind, parsed)))
}

async fn realm(
    edge: &Edge,
    request: &HttpRequest,
    presented: &PresentedClient,
) -> Result<Realm, Problem> {
    Realm::of(request, edge)
        .await?
        .ok_or_else(|| Problem::invalid_client(presented.used_basic()))
}

fn refuse_when_blocked(
    edge: &Edge,
    request: &HttpRequest,
    presented: &PresentedClient,
) -> Result<(), Problem> {
    if !edge.rates.any_blocked() {
        return Ok(());
    }
    let buckets = Bucket::client_failures(&presented.client_id, &origin::of(request, edge));
    match edge.rates.blocked(&buckets, edge.store.clock().now()) {
        Some(wait) => Err(Problem::too_many_attempts(wait)),
        None => Ok(()),
    }
}

fn authentic_caller<'f>(
    edge: &Edge,
    realm: &Realm,
    presented: &PresentedClient,
    facts: &'f IntrospectionFacts,
) -> Option<&'f Caller> {
    let caller = facts.caller.as_ref()?;
    let secret = presented.secret.as_ref()?;
    let authentic = caller.tenant_id == realm.tenant_id
        && caller.status == OwnerStatus::Active
        && secret_matches(
            edge.store.keys(),
            caller.key.as_bytes(),
            &caller.secrets,
            &secret.0,
            facts.now,
        );
    authentic.then_some(caller)
}

/// An authenticated client may ask, and learns nothing; anybody else is refused, counted and written down.
async fn not_a_resource_server(
    edge: &Edge,
    realm: &Realm,
    presented: &PresentedClient,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let origin = origin::of(request, edge);
    let client = authenticate(edge, realm, presented, &origin).await?;
    // Naming a public client proves nothing, so it is no authentication for this endpoint (RFC 7662 §2.1).
    if !client.client().confidential {
        return Err(Problem::invalid_client(presented.used_basic()));
    }
    INACTIVES.increment(1);
    Ok(answer::json_text(INACTIVE))
}

fn is_the_token(
    edge: &Edge,
    token: &IntrospectedToken,
    (kind, presented): &(TokenKind, ParsedToken),
) -> bool {
    edge.store
        .keys()
        .verify(*kind, token.id.as_bytes(), &presented.secret, token.digest)
}

/// The active answer, as far as it is the caller's business.
fn describe(
    edge: &Edge,
    realm: &Realm,
    caller: &Caller,
    token: &IntrospectedToken,
    facts: &IntrospectionFacts,
) -> Option<String> {
    let alive: Alive = token.judge(facts.now).ok()?;
    let audience = token.audiences.find(caller.key)?;
    if audience.epoch != caller.epoch || token.node.tenant_id != caller.tenant_id {
        return None;
    }
    let node = &token.node;
    let client_id = node.client.as_ref().map(|client| client.client_id.as_str());
    let user_id = node.user.as_ref().map(|user| user.id.to_string());
    let act = match &node.actor {
        None => None,
        Some(actor) => Some(serde_json::from_str(actor).ok()?),
    };
    let body = ActiveToken {
        active: true,
        scope: &audience.scopes.to_string(),
        client_id,
        username: node.user.as_ref().map(|user| user.username.as_str()),
        token_type: "Bearer",
        exp: alive.expires_at().seconds(),
        iat: token.facts.created_at.seconds(),
        sub: user_id.as_deref().or(client_id)?,
        aud: &audience.identifier,
        iss: &realm.issuer(edge),
        jti: token.id,
        auth_time: node.authenticated_at.map(Timestamp::seconds),
        act,
    };
    serde_json::to_string(&body).ok()
}

/// Misses are counted for each caller, so that scanning is noticed; a good question is never refused for them.
fn inactive(caller: &PresentedClient) -> HttpResponse {
    INACTIVES.increment(1);
    metrics::counter!("curfew_introspection_misses_total", "caller" => caller.client_id.clone())
        .increment(1);
    answer::json_text(INACTIVE)
}
