//! Nodes of the chain of life: how they are born and ended.
//!
//! A node remembers the epochs of all its owners at its birth, so that one look-up (`node_chain.rs`) can judge a chain of any depth.
//! Ending a node is pushed down to its children at once, level by level: whoever begets a child holds its
//! binding parent, so none slips past.

use curfew_policy::lifetime::ExpiresAt;
use curfew_policy::limits::{BoundSince, LimitKind};
use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::{ClientKey, LinkId, NodeId, TenantId, Timestamp, TokenId, UserId};
use diesel::prelude::*;

use crate::AnyConnection;
use crate::context::Write;
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::{clients, nodes, tokens};
use crate::tokens::TokenChain;

pub use crate::node_chain::{NodeChain, NodeClient, NodeLife, NodeUser};
pub use curfew_policy::limits::TenantLimits;

/// The owners of a new node with the epochs that it will remember, and what it inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    pub tenant_id: TenantId,
    pub installation_epoch: i64,
    pub tenant_epoch: i64,
    pub era: i64,
    pub user: Option<(UserId, i64)>,
    pub client: Option<(ClientKey, i64)>,
    /// The upstream link that the person signed in through.
    pub link: Option<BornThrough>,
    /// Since when the tenant's maxima bind what binds it.
    pub bound_since: BoundSince,
    /// When the person last proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// The client of what binds it, when that may be another one.
    pub parent_client: Option<ClientKey>,
}

/// An upstream link, with its own epoch and its provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BornThrough {
    pub link: LinkId,
    pub link_epoch: i64,
    pub provider_epoch: i64,
}

impl Birth {
    /// Below a node that binds: under the epochs and the era that the node remembers, so that whatever killed it meanwhile kills the
    /// child as well.
    pub fn below(parent: &NodeChain) -> Self {
        let facts = &parent.facts;
        let user = parent.user.as_ref().zip(facts.user.as_ref());
        let client = parent.client.as_ref().zip(facts.client.as_ref());
        Self {
            tenant_id: parent.tenant_id,
            installation_epoch: facts.installation_epoch_at_birth,
            tenant_epoch: facts.tenant.epoch_at_birth,
            era: parent.era,
            user: user.map(|(user, facts)| (user.id, facts.epoch_at_birth)),
            client: client.map(|(client, facts)| (client.key, facts.epoch_at_birth)),
            link: parent.link,
            bound_since: facts.bound_since,
            authenticated_at: parent.authenticated_at,
            parent_client: client.map(|(client, _)| client.key),
        }
    }

    /// Below a token, which binds what it begets.
    pub fn below_token(token: &TokenChain) -> Self {
        let born = (Some(token.facts.limit), token.facts.created_at);
        let below = Self::below(&token.node);
        Self {
            bound_since: below.bound_since.and(born.0, born.1),
            ..below
        }
    }

    /// Below a node of which only the provenance is kept: its owners and their epochs, but none of its limits. `era` is the tenant's
    /// present one.
    pub fn recorded_below(parent: &NodeChain, era: i64) -> Self {
        Self {
            era,
            bound_since: BoundSince::default(),
            parent_client: None,
            ..Self::below(parent)
        }
    }

    /// For another client than the parent's, or for none.
    #[must_use]
    pub const fn for_client(self, client: Option<(ClientKey, i64)>) -> Self {
        Self { client, ..self }
    }
}

/// What a node hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestor {
    /// Nothing but its owners: sessions and client grants.
    None,
    /// Its life is capped by the parent's, and ends with it.
    Binding { id: NodeId, expires_at: Timestamp },
    /// Provenance only.
    Recorded(NodeId),
}

/// A node to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewNode<'a> {
    pub kind: NodeKind,
    pub birth: Birth,
    pub ancestor: Ancestor,
    pub parent_token: Option<TokenId>,
    /// The browser session whose idle end binds it; a session binds itself.
    pub session_id: Option<NodeId>,
    pub expires_at: ExpiresAt,
    /// Who acts for the user, as JSON: the act claim.
    pub actor: Option<&'a str>,
}

impl Write<'_> {
    /// Stores a node. The caller has judged its ancestor in this transaction, and judges what binds it once more afterwards: on
    /// PostgreSQL the binding parent, the token that made the node and the parent's client are held from here until the commit, so
    /// that a kill running at the same time either sees the child or waits for it.
    pub fn node_insert(&mut self, new: &NewNode<'_>) -> Result<NodeId, StoreError> {
        let id = NodeId::ordered(self.millis(), self.entropy());
        let (parent, recorded) = match new.ancestor {
            Ancestor::None => (None, None),
            Ancestor::Binding { id, expires_at } => (Some((id, expires_at)), None),
            Ancestor::Recorded(id) => (None, Some(id)),
        };
        let birth = new.birth;
        let parent_client = birth
            .parent_client
            .filter(|key| parent.is_some() && birth.client.map(|(own, _)| own) != Some(*key));
        if let (Some((parent, _)), AnyConnection::Postgres(c)) = (parent, &mut *self.connection) {
            nodes::table
                .filter(nodes::id.eq(Db(parent)))
                .select(nodes::id)
                .for_share()
                .execute(c)?;
            if let Some(token) = new.parent_token {
                tokens::table
                    .filter(tokens::id.eq(Db(token)))
                    .select(tokens::id)
                    .for_share()
                    .execute(c)?;
            }
            if let Some(key) = parent_client {
                clients::table
                    .filter(clients::id.eq(Db(key)))
                    .select(clients::id)
                    .for_share()
                    .execute(c)?;
            }
        }
        let session_id = match new.kind {
            NodeKind::Session => Some(id),
            _ => new.session_id,
        };
        let since = birth
            .bound_since
            .and(LimitKind::of_node(new.kind), self.now());
        let values = (
            (
                nodes::id.eq(Db(id)),
                nodes::kind.eq(Db(new.kind)),
                nodes::tenant_id.eq(Db(birth.tenant_id)),
                nodes::user_id.eq(birth.user.map(|(id, _)| Db(id))),
                nodes::client_id.eq(birth.client.map(|(key, _)| Db(key))),
                nodes::parent_id.eq(parent.map(|(id, _)| Db(id))),
                nodes::parent_expires_at.eq(parent.map(|(_, end)| Db(end))),
                nodes::recorded_parent_id.eq(recorded.map(Db)),
                nodes::parent_token_id.eq(new.parent_token.map(Db)),
                nodes::parent_client_id.eq(parent_client.map(Db)),
                nodes::session_id.eq(session_id.map(Db)),
            ),
            (
                nodes::installation_epoch.eq(birth.installation_epoch),
                nodes::tenant_epoch.eq(birth.tenant_epoch),
                nodes::user_epoch.eq(birth.user.map(|(_, epoch)| epoch)),
                nodes::client_epoch.eq(birth.client.map(|(_, epoch)| epoch)),
                nodes::link_id.eq(birth.link.map(|through| Db(through.link))),
                nodes::link_epoch.eq(birth.link.map(|through| through.link_epoch)),
                nodes::provider_epoch.eq(birth.link.map(|through| through.provider_epoch)),
                nodes::era.eq(birth.era),
                nodes::created_at.eq(Db(self.now())),
                nodes::expires_at.eq(Db(new.expires_at.timestamp())),
                nodes::authenticated_at.eq(birth.authenticated_at.map(Db)),
                nodes::actor.eq(new.actor),
            ),
            (
                nodes::access_token_since.eq(since.access_token.map(Db)),
                nodes::refresh_family_since.eq(since.refresh_family.map(Db)),
                nodes::session_since.eq(since.session.map(Db)),
                nodes::approval_since.eq(since.approval.map(Db)),
                nodes::personal_access_token_since.eq(since.personal_access_token.map(Db)),
            ),
        );
        on!(&mut *self.connection, c => diesel::insert_into(nodes::table).values(values).execute(c)?);
        Ok(id)
    }

    /// Ends a node and everything below it. Returns how many nodes were ended; none when it was over already.
    pub fn node_end(&mut self, id: NodeId, cause: DeathCause) -> Result<usize, StoreError> {
        let now = self.now();
        let ended = on!(&mut *self.connection, c => diesel::update(
            nodes::table.filter(nodes::id.eq(Db(id)).and(nodes::ended_at.is_null())),
        )
        .set((nodes::ended_at.eq(Db(now)), nodes::ended_cause.eq(Db(cause))))
        .execute(c)?);
        Ok(if ended == 0 {
            0
        } else {
            ended + self.node_end_below(vec![id])?
        })
    }

    /// One UPDATE a level, until a level has no living children. A single recursive query would not see children
    /// that were committed while it ran.
    fn node_end_below(&mut self, mut level: Vec<NodeId>) -> Result<usize, StoreError> {
        let now = self.now();
        let mut total = 0;
        while !level.is_empty() {
            let parents: Vec<Db<NodeId>> = level.drain(..).map(Db).collect();
            let children: Vec<Db<NodeId>> = on!(&mut *self.connection, c => diesel::update(
                nodes::table.filter(nodes::parent_id.eq_any(parents).and(nodes::ended_at.is_null())),
            )
            .set((
                nodes::ended_at.eq(Db(now)),
                nodes::ended_cause.eq(Db(DeathCause::AncestorDied)),
            ))
            .returning(nodes::id)
            .get_results(c)?);
            total += children.len();
            level = children.into_iter().map(|id| id.0).collect();
        }
        Ok(total)
    }

    /// Pushes the death of a client down to what hangs on its nodes in the name of other clients. The client's row was changed in this
    /// transaction already, so whoever begets such a node meanwhile waits, and then finds the client dead.
    pub(crate) fn node_end_below_client(&mut self, client: ClientKey) -> Result<usize, StoreError> {
        let now = self.now();
        let ended: Vec<Db<NodeId>> = on!(&mut *self.connection, c => diesel::update(
            nodes::table.filter(
                nodes::parent_client_id.eq(Db(client)).and(nodes::ended_at.is_null()),
            ),
        )
        .set((
            nodes::ended_at.eq(Db(now)),
            nodes::ended_cause.eq(Db(DeathCause::AncestorDied)),
        ))
        .returning(nodes::id)
        .get_results(c)?);
        let count = ended.len();
        Ok(count + self.node_end_below(ended.into_iter().map(|id| id.0).collect())?)
    }

    /// Ends every living approval that a user has with a client, and what the client got in exchange for other clients' tokens: the
    /// consent is withdrawn.
    pub fn node_end_of_user_and_client(
        &mut self,
        user: UserId,
        client: ClientKey,
        cause: DeathCause,
    ) -> Result<usize, StoreError> {
        let now = self.now();
        let ended: Vec<Db<NodeId>> = on!(&mut *self.connection, c => diesel::update(
            nodes::table.filter(
                nodes::user_id.eq(Db(user))
                    .and(nodes::client_id.eq(Db(client)))
                    .and(nodes::kind.eq_any([NodeKind::Approval, NodeKind::Exchange].map(Db)))
                    .and(nodes::ended_at.is_null()),
            ),
        )
        .set((nodes::ended_at.eq(Db(now)), nodes::ended_cause.eq(Db(cause))))
        .returning(nodes::id)
        .get_results(c)?);
        let count = ended.len();
        Ok(count + self.node_end_below(ended.into_iter().map(|id| id.0).collect())?)
    }

    /// Ends every living approval and personal access token of a user; the sessions stay.
    pub fn node_end_grants_of_user(
        &mut self,
        user: UserId,
        cause: DeathCause,
    ) -> Result<usize, StoreError> {
        let now = self.now();
        let grants = [NodeKind::Approval, NodeKind::PersonalAccessToken].map(Db);
        let ended: Vec<Db<NodeId>> = on!(&mut *self.connection, c => diesel::update(
            nodes::table.filter(
                nodes::user_id.eq(Db(user))
                    .and(nodes::kind.eq_any(grants))
                    .and(nodes::ended_at.is_null()),
            ),
        )
        .set((nodes::ended_at.eq(Db(now)), nodes::ended_cause.eq(Db(cause))))
        .returning(nodes::id)
        .get_results(c)?);
        let count = ended.len();
        Ok(count + self.node_end_below(ended.into_iter().map(|id| id.0).collect())?)
    }
}
