//! Nodes of the chain of life: how they are born and ended.
//!
//! A node remembers the epochs of all its owners at its birth, so that one look-up (`node_chain.rs`) can judge a chain of any depth.
//! Ending a node is pushed down to its children at once, level by level: whoever begets a child holds its
//! binding parent, so none slips past.

use curfew_policy::lifetime::ExpiresAt;
use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::{ClientKey, NodeId, TenantId, Timestamp, TokenId, UserId};
use diesel::prelude::*;

use crate::AnyConnection;
use crate::context::Write;
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::nodes;

pub use crate::node_chain::{NodeChain, NodeClient, NodeLife, NodeUser, TenantLimits};

/// The owners of a new node, with the epochs that it will remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    pub tenant_id: TenantId,
    pub installation_epoch: i64,
    pub tenant_epoch: i64,
    pub era: i64,
    pub user: Option<(UserId, i64)>,
    pub client: Option<(ClientKey, i64)>,
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
pub struct NewNode {
    pub kind: NodeKind,
    pub birth: Birth,
    pub ancestor: Ancestor,
    pub parent_token: Option<TokenId>,
    /// The browser session whose idle end binds it; a session binds itself.
    pub session_id: Option<NodeId>,
    pub expires_at: ExpiresAt,
}

impl Write<'_> {
    /// Stores a node. The caller has judged its ancestor in this transaction; on PostgreSQL the binding parent is held
    /// until the commit, so that a kill running at the same time either sees the child or waits for it.
    pub fn node_insert(&mut self, new: &NewNode) -> Result<NodeId, StoreError> {
        let id = NodeId::ordered(self.millis(), self.entropy());
        let (parent, recorded) = match new.ancestor {
            Ancestor::None => (None, None),
            Ancestor::Binding { id, expires_at } => (Some((id, expires_at)), None),
            Ancestor::Recorded(id) => (None, Some(id)),
        };
        if let (Some((parent, _)), AnyConnection::Postgres(c)) = (parent, &mut *self.connection) {
            nodes::table
                .filter(nodes::id.eq(Db(parent)))
                .select(nodes::id)
                .for_share()
                .execute(c)?;
        }
        let session_id = match new.kind {
            NodeKind::Session => Some(id),
            _ => new.session_id,
        };
        let birth = new.birth;
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
                nodes::session_id.eq(session_id.map(Db)),
            ),
            (
                nodes::installation_epoch.eq(birth.installation_epoch),
                nodes::tenant_epoch.eq(birth.tenant_epoch),
                nodes::user_epoch.eq(birth.user.map(|(_, epoch)| epoch)),
                nodes::client_epoch.eq(birth.client.map(|(_, epoch)| epoch)),
                nodes::era.eq(birth.era),
                nodes::created_at.eq(Db(self.now())),
                nodes::expires_at.eq(Db(new.expires_at.timestamp())),
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

    /// Ends every living node of `kind` that a user has with a client: the consent is withdrawn.
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
                    .and(nodes::kind.eq(Db(NodeKind::Approval)))
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
