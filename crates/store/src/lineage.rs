//! What hangs on what, for the incident tools: bounded look-ups upwards and downwards, binding and recorded edges alike.

use curfew_protocol::{NodeId, TokenId, UserId};
use diesel::prelude::*;

use crate::context::Read;
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::on;
use crate::schema::{nodes, tokens};

/// What a node hangs on: one node at the most, bound or recorded, and the token that minted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEdges {
    pub parent_id: Option<NodeId>,
    pub recorded_parent_id: Option<NodeId>,
    pub parent_token_id: Option<TokenId>,
}

impl Read<'_> {
    /// What a node hangs on.
    pub fn node_edges(&mut self, id: NodeId) -> Result<Option<NodeEdges>, StoreError> {
        type Row = (Option<Db<NodeId>>, Option<Db<NodeId>>, Option<Db<TokenId>>);
        let row: Option<Row> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::id.eq(Db(id)))
            .select((nodes::parent_id, nodes::recorded_parent_id, nodes::parent_token_id))
            .get_result(c)
            .optional()?);
        Ok(row.map(|row| NodeEdges {
            parent_id: opt(row.0),
            recorded_parent_id: opt(row.1),
            parent_token_id: opt(row.2),
        }))
    }

    /// Nodes that hang on a node, bound or only recorded, oldest first. What is recorded below a session belongs to its user.
    pub fn node_ids_below(
        &mut self,
        id: NodeId,
        user: Option<UserId>,
    ) -> Result<Vec<NodeId>, StoreError> {
        let bound: Vec<Db<NodeId>> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::parent_id.eq(Db(id)))
            .select(nodes::id)
            .load(c)?);
        let recorded: Vec<Db<NodeId>> = match user {
            None => Vec::new(),
            Some(user) => on!(&mut *self.connection, c => nodes::table
                .filter(nodes::user_id.eq(Db(user)).and(nodes::recorded_parent_id.eq(Db(id))))
                .select(nodes::id)
                .load(c)?),
        };
        let mut ids: Vec<NodeId> = bound.into_iter().chain(recorded).map(|id| id.0).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Nodes that a token minted, oldest first.
    pub fn node_ids_minted_by(&mut self, token: TokenId) -> Result<Vec<NodeId>, StoreError> {
        let rows: Vec<Db<NodeId>> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::parent_token_id.eq(Db(token)))
            .order(nodes::id)
            .select(nodes::id)
            .load(c)?);
        Ok(rows.into_iter().map(|id| id.0).collect())
    }

    /// The newest tokens of a node; a node may hold millions.
    pub fn token_ids_latest(
        &mut self,
        node: NodeId,
        limit: i64,
    ) -> Result<Vec<TokenId>, StoreError> {
        let rows: Vec<Db<TokenId>> = on!(&mut *self.connection, c => tokens::table
            .filter(tokens::node_id.eq(Db(node)))
            .order(tokens::id.desc())
            .limit(limit)
            .select(tokens::id)
            .load(c)?);
        Ok(rows.into_iter().map(|id| id.0).collect())
    }
}
