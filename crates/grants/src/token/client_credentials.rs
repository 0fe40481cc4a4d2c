//! A client asks for itself (RFC 6749 §4.4): the hot write of the server.
//!
//! 1. Only a confidential client may, and it gets no refresh token.
//! 2. One read brings the tenant's scopes and resource servers; the request is validated against them.
//! 3. The store mints, in a group with others where it can. It judges the client once more: when its registration moved on
//!    meanwhile, the request is validated anew, once.

use std::sync::LazyLock;

use curfew_http::Edge;
use curfew_policy::lifetime::AccessTokenPlan;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::wire::TokenResponse;
use curfew_protocol::{Form, Lifetime, ScopeSet};
use curfew_store::StoreError;
use curfew_store::last_uses::{Use, Used};
use curfew_store::mint::ClientTokenMint;

use super::caller::Caller;
use super::refusal::TokenRefusal;
use super::{Granted, Outcome, refuse, requested_lifetime, resources};
use crate::catalogue::Catalogue;
use crate::{audience, engine, scopes};

static ISSUED: LazyLock<metrics::Counter> = LazyLock::new(
    || metrics::counter!("curfew_tokens_issued_total", "grant" => "client_credentials"),
);

/// What the request asks for.
pub(super) struct ClientGrant {
    scope: Option<String>,
    resources: Vec<String>,
    lifetime: Option<Lifetime>,
}

impl ClientGrant {
    pub(super) fn read(form: &Form<'_>, caller: &Caller) -> Result<Self, TokenRefusal> {
        if !caller.client.confidential {
            return Err(TokenRefusal::PublicClient);
        }
        let scope = form.get("scope").map(str::to_owned);
        Ok(Self {
            scope,
            resources: resources(form),
            lifetime: requested_lifetime(form)?,
        })
    }

    /// Validates and mints.
    pub(super) async fn issue(self, edge: &Edge, mut caller: Caller) -> Outcome {
        let mut outcome = self.issue_once(edge, &caller).await?;
        if matches!(outcome, Err(TokenRefusal::ClientChanged)) {
            let key = caller.client.key;
            let client = edge.store.read(move |read| read.client(key)).await?;
            if let Some(client) = client.filter(|client| client.status == OwnerStatus::Active) {
                caller.client = client;
                outcome = self.issue_once(edge, &caller).await?;
            }
        }
        if let Err(refusal) = outcome {
            refuse(edge, caller, refusal).await?;
            return Ok(Err(refusal));
        }
        ISSUED.increment(1);
        Ok(outcome)
    }

    async fn issue_once(&self, edge: &Edge, caller: &Caller) -> Outcome {
        let (scopes, mint) = match self.plan(edge, caller).await? {
            Ok(plan) => plan,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(match edge.store.mint_client_token(mint).await? {
            Ok(minted) => Ok(Granted {
                response: TokenResponse {
                    access_token: minted.token.reveal(),
                    token_type: "Bearer",
                    expires_in: minted.expires_at.since(minted.now),
                    refresh_token: None,
                    scope: scopes,
                    issued_token_type: None,
                },
                used: Use::by_holder(
                    Used::Node(minted.grant),
                    minted.now,
                    None,
                    caller.origin.ip.clone(),
                ),
            }),
            Err(refusal) => Err(refusal.into()),
        })
    }

    async fn plan(
        &self,
        edge: &Edge,
        caller: &Caller,
    ) -> Result<Result<(String, ClientTokenMint), TokenRefusal>, StoreError> {
        let tenant = caller.client.tenant_id;
        let catalogue = Catalogue::shared(&*edge.store.tenant_catalogue(tenant).await?);
        let client = &caller.client;
        let validated = self.validate(caller, &catalogue).and_then(|scopes| {
            let audiences = audience::choose(&self.resources, client, &scopes, &catalogue)?;
            Ok((scopes, audiences))
        });
        Ok(validated.map(|(scopes, audiences)| {
            let plan = AccessTokenPlan {
                rules: caller.rules,
                asked: self.lifetime,
                client: client.registration.access_token_lifetime,
                scopes: catalogue.max_lifetimes(&scopes),
            };
            let mint = ClientTokenMint {
                client: client.key,
                client_epoch: client.epoch,
                plan,
                audiences,
                origin: caller.origin.clone(),
                authenticated_by: caller.authenticated_by,
                scopes,
            };
            (mint.scopes.to_string(), mint)
        }))
    }

    fn validate(&self, caller: &Caller, catalogue: &Catalogue) -> Result<ScopeSet, TokenRefusal> {
        let client = &caller.client;
        let scope = self.scope.as_deref();
        // The machine answers a malformed scope with invalid_request; RFC 6749 §5.2 knows a better word.
        let scopes = scopes::grant(scope, client, catalogue)?;
        let request = engine::ClientRequest {
            client_id: &client.registration.client_id,
            scope,
        };
        engine::client_credentials(&request, || Ok(scopes))
    }
}
