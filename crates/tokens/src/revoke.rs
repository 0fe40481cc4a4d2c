//! The revocation endpoint (RFC 7009).
//!
//! 1. The client authenticates as at the token endpoint.
//! 2. The token is found by what it is, whatever `token_type_hint` says.
//! 3. One transaction ends it, with its audit row: a refresh token takes its family along, an access token what it minted.
//! 4. The answer is 200 for everything that is dead afterwards, and also for what is not the client's, which stays as it was: whose
//!    token it is must not be learnt here.
//!
//! A personal access token is no client's, so no client ends one here: it gets the answer of 4, and the refusal is written down. Its owner
//! ends it on the account page or through the API, an operator with `curfew token revoke`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::client_auth::{AuthenticatedClient, PresentedClient, authenticate};
use curfew_http::rates::Bucket;
use curfew_http::{Edge, Problem, Realm, answer, cors, origin};
use curfew_policy::status::DeathCause;
use curfew_protocol::{
    ClientKey, ErrorCode, Form, NodeId, OAuthError, ParsedRefresh, ParsedToken, TokenId, TokenKind,
};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::{StoreError, Write};

/// What is to be revoked.
enum Target {
    /// A client's, or a person's own.
    AccessToken(TokenKind, ParsedToken),
    RefreshToken(ParsedRefresh),
}

impl Target {
    fn read(form: &Form<'_>) -> Result<Option<Self>, Problem> {
        let Some(text) = form.get("token") else {
            return Err(OAuthError::new(ErrorCode::InvalidRequest, "token is missing").into());
        };
        Ok(match TokenKind::of(text) {
            Some(kind @ (TokenKind::AccessToken | TokenKind::PersonalAccessToken)) => {
                let parsed = ParsedToken::parse(kind, text).ok();
                parsed.map(|token| Self::AccessToken(kind, token))
            }
            Some(TokenKind::RefreshToken) => {
                ParsedRefresh::parse(text).map(Self::RefreshToken).ok()
            }
            Some(_) | None => None,
        })
    }
}

/// The endpoint.
pub(crate) async fn revoke(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let form = RawForm::read(&request, payload).await?;
    let form = form.parse(&[])?;
    let presented = PresentedClient::read(request.headers(), &form)?;
    let target = Target::read(&form)?;
    let Some(realm) = Realm::of(&request, &edge).await? else {
        return Err(Problem::invalid_client(presented.used_basic()));
    };
    let origin = origin::of(&request, &edge);
    let client = authenticate(&edge, &realm, &presented, &origin).await?;
    spend(&edge, &client, &origin).await?;
    if let Some(target) = target {
        end(&edge, &client, target, origin).await?;
    }
    let mut response = answer::json_text("");
    cors::allow(&request, client.client(), &mut response);
    Ok(response)
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

/// Guessing at tokens here is bounded, whether or not the guesses hit (RFC 7009 §5).
async fn spend(edge: &Edge, client: &AuthenticatedClient, origin: &Origin) -> Result<(), Problem> {
    let ip = origin.ip.as_deref().unwrap_or("");
    let bucket = Bucket::new(
        "revocations",
        &[&client.client().registration.client_id, ip],
    );
    let spent = edge
        .rates
        .spend(&edge.store, bucket, edge.rates.revocations)
        .await?;
    spent.map_err(Problem::too_many_attempts)
}

async fn end(
    edge: &Edge,
    client: &AuthenticatedClient,
    target: Target,
    origin: Origin,
) -> Result<(), StoreError> {
    let revoker = Revoker {
        client: client.client().key,
        authenticated_by: client.authenticated_by(),
        origin,
    };
    let done = edge
        .store
        .write(move |write| {
            match &target {
                Target::AccessToken(kind, token) => {
                    revoker.end_access_token(write, *kind, token)?;
                }
                Target::RefreshToken(token) => revoker.end_family(write, token)?,
            }
            Ok(Ok::<_, ()>(()))
        })
        .await?;
    metrics::counter!("curfew_revocations_total").increment(u64::from(done.is_ok()));
    Ok(())
}

/// Who revokes.
struct Revoker {
    client: ClientKey,
    authenticated_by: AuthenticatedBy,
    origin: Origin,
}

impl Revoker {
    fn end_access_token(
        &self,
        write: &mut Write<'_>,
        kind: TokenKind,
        token: &ParsedToken,
    ) -> Result<(), StoreError> {
        let id = TokenId::from_bytes(token.selector);
        let Some(chain) = write.token_chain(id)? else {
            return Ok(());
        };
        let is_it = write
            .keys()
            .verify(kind, id.as_bytes(), &token.secret, chain.digest);
        if !is_it {
            return Ok(());
        }
        let owner = chain.node.client.as_ref().map(|client| client.key);
        let entry = AuditEntry {
            tenant_id: Some(chain.node.tenant_id),
            user_id: chain.node.user_id(),
            node_id: Some(chain.node.id),
            token_id: Some(id),
            ..self.entry(owner)
        };
        if owner == Some(self.client) && !write.token_end(id, DeathCause::Revoked)? {
            return Ok(());
        }
        write.audit(&entry)
    }

    fn end_family(&self, write: &mut Write<'_>, token: &ParsedRefresh) -> Result<(), StoreError> {
        // The tag shows that this generation was issued, whether or not it is the current one.
        if !write
            .keys()
            .is_refresh_tag(token.family, token.generation, token.tag)
        {
            return Ok(());
        }
        let id: NodeId = token.family;
        let Some(chain) = write.node_chain(id)? else {
            return Ok(());
        };
        let owner = chain.client.as_ref().map(|client| client.key);
        let entry = AuditEntry {
            tenant_id: Some(chain.tenant_id),
            user_id: chain.user.as_ref().map(|user| user.id),
            node_id: Some(id),
            ..self.entry(owner)
        };
        if owner == Some(self.client) && write.node_end(id, DeathCause::Revoked)? == 0 {
            return Ok(());
        }
        write.audit(&entry)
    }

    /// A success when the token is the client's own, a refusal otherwise.
    fn entry(&self, owner: Option<ClientKey>) -> AuditEntry {
        let entry = |event| AuditEntry {
            client: Some(self.client),
            ..AuditEntry::new(event, self.authenticated_by, self.origin.clone())
        };
        if owner == Some(self.client) {
            entry(AuditEvent::TokenRevoked)
        } else {
            entry(AuditEvent::RevocationRefused).refused("not_the_clients_token")
        }
    }
}
