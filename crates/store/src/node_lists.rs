//! Nodes as lists and trees show them.

use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::{ClientKey, NodeId, Timestamp, UserId};
use diesel::prelude::*;

use crate::context::Read;
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::on;
use crate::schema::nodes;

/// A node as lists show it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NodeListing {
    pub id: NodeId,
    pub kind: NodeKind,
    pub user_id: Option<UserId>,
    pub client: Option<ClientKey>,
    pub parent_id: Option<NodeId>,
    pub recorded_parent_id: Option<NodeId>,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub expires_at: Timestamp,
    pub ended: Option<DeathCause>,
}

pub(crate) fn seconds<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(at.seconds())
}

pub(crate) fn optional_seconds<S: serde::Serializer>(
    at: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.serialize_i64(at.seconds()),
        None => to.serialize_none(),
    }
}

type ListingRow = (
    Db<NodeId>,
    Db<NodeKind>,
    Option<Db<UserId>>,
    Option<Db<ClientKey>>,
    Option<Db<NodeId>>,
    Option<Db<NodeId>>,
    Db<Timestamp>,
    Db<Timestamp>,
    Option<Db<DeathCause>>,
);

fn listing(row: ListingRow) -> NodeListing {
    NodeListing {
        id: row.0.0,
        kind: row.1.0,
        user_id: opt(row.2),
        client: opt(row.3),
        parent_id: opt(row.4),
        recorded_parent_id: opt(row.5),
        created_at: row.6.0,
        expires_at: row.7.0,
        ended: opt(row.8),
    }
}

macro_rules! listing_columns {
    () => {
        (
            nodes::id,
            nodes::kind,
            nodes::user_id,
            nodes::client_id,
            nodes::parent_id,
            nodes::recorded_parent_id,
            nodes::created_at,
            nodes::expires_at,
            nodes::ended_cause,
        )
    };
}

impl Read<'_> {
    /// The nodes of a user, newest first.
    pub fn node_list_by_user(&mut self, user: UserId) -> Result<Vec<NodeListing>, StoreError> {
        let rows: Vec<ListingRow> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::user_id.eq(Db(user)))
            .order(nodes::id.desc())
            .select(listing_columns!())
            .load(c)?);
        Ok(rows.into_iter().map(listing).collect())
    }

    /// The nodes of a client, newest first.
    pub fn node_list_by_client(
        &mut self,
        client: ClientKey,
    ) -> Result<Vec<NodeListing>, StoreError> {
        let rows: Vec<ListingRow> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::client_id.eq(Db(client)))
            .order(nodes::id.desc())
            .select(listing_columns!())
            .load(c)?);
        Ok(rows.into_iter().map(listing).collect())
    }

    /// The standing grants of a client, newest first.
    pub fn client_grant_ids(&mut self, client: ClientKey) -> Result<Vec<NodeId>, StoreError> {
        let rows: Vec<Db<NodeId>> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::client_id.eq(Db(client)).and(nodes::kind.eq(Db(NodeKind::ClientGrant))))
            .order(nodes::id.desc())
            .select(nodes::id)
            .load(c)?);
        Ok(rows.into_iter().map(|id| id.0).collect())
    }
}
