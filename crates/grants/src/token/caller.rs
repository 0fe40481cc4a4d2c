//! The authenticated client of one token request, and the audit rows that speak of it.

use actix_web::HttpRequest;
use curfew_http::client_auth::{PresentedClient, authenticate};
use curfew_http::{Edge, Problem, Realm, origin};
use curfew_policy::lifetime::LifetimeRules;
use curfew_protocol::wire::TokenResponse;
use curfew_protocol::{Form, NodeId, RefreshToken, Timestamp, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::clients::Client;
use curfew_store::last_uses::{Use, Used};
use curfew_store::nodes::{NodeChain, NodeUser};
use curfew_store::tokens::TokenChain;
use curfew_store::{StoreError, Write};

use super::Granted;
use super::plan::{IssuePlan, Minted};
use super::refusal::TokenRefusal;

/// Who asks, from where, and under which rules.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) origin: Origin,
    pub(crate) authenticated_by: AuthenticatedBy,
    pub(crate) rules: LifetimeRules,
}

/// A token just minted, what it was minted on and from, and what leaves with it.
pub(super) struct Mint<'a> {
    pub(super) minted: Minted,
    pub(super) node: &'a NodeChain,
    pub(super) plan: &'a IssuePlan,
    pub(super) refresh_token: Option<&'a RefreshToken>,
    pub(super) issued_token_type: Option<&'static str>,
}

impl Caller {
    /// Authenticates the client of a request (RFC 6749 §2.3).
    pub(crate) async fn authenticated(
        edge: &Edge,
        request: &HttpRequest,
        form: &Form<'_>,
    ) -> Result<Self, Problem> {
        let presented = PresentedClient::read(request.headers(), form)?;
        let Some(realm) = Realm::of(request, edge).await? else {
            return Err(Problem::invalid_client(presented.used_basic()));
        };
        let origin = origin::of(request, edge);
        let authenticated = authenticate(edge, &realm, &presented, &origin).await?;
        Ok(Self {
            authenticated_by: authenticated.authenticated_by(),
            client: authenticated.client().clone(),
            origin,
            rules: edge.lifetimes,
        })
    }

    pub(crate) fn entry(&self, event: AuditEvent, by: AuthenticatedBy) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.client.tenant_id),
            client: Some(self.client.key),
            ..AuditEntry::new(event, by, self.origin.clone())
        }
    }

    /// This request's use of a node that was found alive at `now`.
    pub(super) fn use_of(&self, node: &NodeChain, now: Timestamp) -> Use {
        let user = node.user.as_ref().map(NodeUser::seen);
        Use::by_holder(Used::Node(node.id), now, user, self.origin.ip.clone())
    }

    /// This request's use of a token that was found alive at `now`.
    pub(super) fn use_of_token(&self, token: &TokenChain, now: Timestamp) -> Use {
        let user = token.node.user.as_ref().map(NodeUser::seen);
        Use::by_holder(Used::Token(token.id), now, user, self.origin.ip.clone())
    }

    /// Records a mint on the strength of `by` (F01), and makes the answer of it.
    pub(super) fn granted(
        &self,
        write: &mut Write<'_>,
        by: AuthenticatedBy,
        mint: &Mint<'_>,
        used: Use,
    ) -> Result<Granted, StoreError> {
        let scope = mint.plan.scopes().to_string();
        write.audit(&AuditEntry {
            user_id: mint.node.user_id(),
            node_id: Some(mint.node.id),
            token_id: Some(mint.minted.id),
            expires_at: Some(mint.minted.expires_at),
            scopes: Some(scope.clone()),
            ..self.entry(AuditEvent::TokenMinted, by)
        })?;
        let response = TokenResponse {
            access_token: mint.minted.token.reveal(),
            token_type: "Bearer",
            expires_in: mint.minted.expires_at.since(write.now()),
            refresh_token: mint.refresh_token.map(RefreshToken::reveal),
            scope,
            issued_token_type: mint.issued_token_type,
        };
        Ok(Granted { response, used })
    }

    /// Records something that happened to a node, on the strength of `by`.
    pub(crate) fn record_node(
        &self,
        write: &mut Write<'_>,
        event: AuditEvent,
        by: AuthenticatedBy,
        (node_id, user_id): (NodeId, Option<UserId>),
    ) -> Result<(), StoreError> {
        let entry = AuditEntry {
            node_id: Some(node_id),
            user_id,
            ..self.entry(event, by)
        };
        write.audit(&entry)
    }

    /// Records a refusal of a credential that is ours.
    pub(crate) fn record_refusal(
        &self,
        write: &mut Write<'_>,
        by: AuthenticatedBy,
        (node_id, user_id): (NodeId, Option<UserId>),
        refusal: TokenRefusal,
    ) -> Result<(), StoreError> {
        let event = match refusal {
            TokenRefusal::CodeReplayed => AuditEvent::CodeReplayed,
            TokenRefusal::RefreshReplayed => AuditEvent::RefreshReplayed,
            TokenRefusal::DeviceCodeReplayed => AuditEvent::DeviceCodeReplayed,
            _ => AuditEvent::TokenRefused,
        };
        let entry = AuditEntry {
            node_id: Some(node_id),
            user_id,
            ..self.entry(event, by)
        };
        write.audit(&entry.refused(refusal.as_str()))
    }

    /// Records a refusal that concerns no credential but the client's own. A public client proves nothing, so anybody could fill
    /// the audit trail in its name: of such nothing is written.
    pub(crate) fn record_own_refusal(
        &self,
        write: &mut Write<'_>,
        refusal: TokenRefusal,
    ) -> Result<(), StoreError> {
        if !self.client.confidential {
            return Ok(());
        }
        let entry = self.entry(AuditEvent::TokenRefused, self.authenticated_by);
        write.audit(&entry.refused(refusal.as_str()))
    }
}
