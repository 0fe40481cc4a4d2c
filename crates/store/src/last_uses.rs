//! When each credential was last used.
//!
//! 1. A node of the cluster collects the uses that it sees in memory and hands them over once a minute.
//! 2. A token's use counts for its node too, and for the approval above that; never for a session, which its cookie alone uses.
//! 3. Whatever belongs to a person counts for the person, under the person's own id.
//! 4. Several nodes hand over in any order: time and epoch only ever move forward.
//!
//! The rows stand beside what they speak of. What clean-up has removed meanwhile gets no row any more, and nothing else is
//! written, so recording can revive nothing.

use std::collections::{BTreeMap, HashMap};

use curfew_policy::status::NodeKind;
use curfew_protocol::{NodeId, ResourceServerKey, Timestamp, TokenId, UserId};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::AnyConnection;
use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::on;
use crate::schema::{last_uses, nodes, tokens};

/// Ids in one question, and rows in one statement.
const BATCH: usize = 2_000;

/// What was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Used {
    Token(TokenId),
    Node(NodeId),
    /// A person, by whatever credential.
    User(UserId),
}

impl Used {
    pub const fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Token(id) => id.as_bytes(),
            Self::Node(id) => id.as_bytes(),
            Self::User(id) => id.as_bytes(),
        }
    }
}

/// One use of a credential that was found alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub used: Used,
    pub used_at: Timestamp,
    /// Whose it is, and the epoch that this user had when the use was allowed.
    pub user: Option<(UserId, i64)>,
    /// Where the credential's holder was. Unknown when a resource server asks.
    pub ip: Option<String>,
    /// Where an access token was presented.
    pub resource_server: Option<ResourceServerKey>,
}

impl Use {
    /// A use by the holder, at `ip`.
    pub const fn by_holder(
        used: Used,
        used_at: Timestamp,
        user: Option<(UserId, i64)>,
        ip: Option<String>,
    ) -> Self {
        Self {
            used,
            used_at,
            user,
            ip,
            resource_server: None,
        }
    }

    /// Takes in another use of the same thing: the later one tells when and where; the newer epoch stays.
    pub fn merge(&mut self, other: &Self) {
        let epochs = self.user.zip(other.user);
        if other.used_at > self.used_at {
            self.clone_from(other);
        }
        if let Some(((user, one), (_, two))) = epochs {
            self.user = Some((user, one.max(two)));
        }
    }
}

/// The last use of something, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LastUse {
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub used_at: Timestamp,
    pub user_epoch: Option<i64>,
    pub ip: Option<String>,
    pub resource_server: Option<ResourceServerKey>,
}

impl Read<'_> {
    /// When each of `asked` was last used; what never was is missing from the answer.
    pub fn last_uses(&mut self, asked: &[Used]) -> Result<HashMap<Used, LastUse>, StoreError> {
        type Row = (
            Vec<u8>,
            Db<Timestamp>,
            Option<i64>,
            Option<String>,
            Option<Db<ResourceServerKey>>,
        );
        let named: HashMap<&[u8], Used> = asked
            .iter()
            .map(|used| (used.as_bytes().as_slice(), *used))
            .collect();
        let mut found = HashMap::new();
        for batch in asked.chunks(BATCH) {
            let ids: Vec<&[u8]> = batch
                .iter()
                .map(|used| used.as_bytes().as_slice())
                .collect();
            let rows: Vec<Row> = on!(&mut *self.connection, c => last_uses::table
                .filter(last_uses::credential_id.eq_any(ids))
                .select((
                    last_uses::credential_id, last_uses::used_at, last_uses::user_epoch, last_uses::ip,
                    last_uses::resource_server_id,
                ))
                .load(c)?);
            for (id, used_at, user_epoch, ip, resource_server) in rows {
                let last = LastUse {
                    used_at: used_at.0,
                    user_epoch,
                    ip,
                    resource_server: opt(resource_server),
                };
                found.extend(named.get(id.as_slice()).map(|used| (*used, last)));
            }
        }
        Ok(found)
    }

    /// The node of each token that is still there.
    fn homes(&mut self, uses: &[Use]) -> Result<HashMap<TokenId, NodeId>, StoreError> {
        let ids: Vec<Db<TokenId>> = uses
            .iter()
            .filter_map(|of| match of.used {
                Used::Token(id) => Some(Db(id)),
                Used::Node(_) | Used::User(_) => None,
            })
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(Db<TokenId>, Db<NodeId>)> = on!(&mut *self.connection, c => tokens::table
            .filter(tokens::id.eq_any(ids))
            .select((tokens::id, tokens::node_id))
            .load(c)?);
        Ok(rows.into_iter().map(|(id, node)| (id.0, node.0)).collect())
    }
}

/// The latest use of each thing, in the order of the ids, so that two nodes that write the same rows never wait for each other in
/// a circle.
#[derive(Default)]
struct Latest(BTreeMap<[u8; 16], Use>);

impl Latest {
    fn add(&mut self, id: &[u8; 16], of: &Use) {
        self.0
            .entry(*id)
            .and_modify(|latest| latest.merge(of))
            .or_insert_with(|| of.clone());
    }
}

impl Write<'_> {
    /// Stores uses of things that are still there. `uses` is a modest batch: each brings up to four rows.
    pub fn last_uses_record(&mut self, uses: &[Use]) -> Result<(), StoreError> {
        let homes = self.homes(uses)?;
        let (mut latest, mut of_nodes) = (Latest::default(), Latest::default());
        for of in uses {
            match of.used {
                Used::Token(id) => {
                    if let Some(home) = homes.get(&id) {
                        latest.add(id.as_bytes(), of);
                        of_nodes.add(home.as_bytes(), of);
                    }
                }
                Used::Node(id) => of_nodes.add(id.as_bytes(), of),
                Used::User(_) => {}
            }
            if let Some((user, _)) = of.user {
                latest.add(user.as_bytes(), of);
            }
        }
        self.add_nodes(of_nodes, &mut latest)?;
        self.last_uses_upsert(&latest)
    }

    /// Adds the nodes that are still there, with what they are bound below, but not the sessions above.
    fn add_nodes(&mut self, used: Latest, latest: &mut Latest) -> Result<(), StoreError> {
        type Row = (Db<NodeId>, Db<NodeKind>, Option<Db<NodeId>>);
        let (mut level, mut sessions_count) = (used, true);
        while !level.0.is_empty() {
            let ids: Vec<&[u8]> = level.0.keys().map(<[u8; 16]>::as_slice).collect();
            let rows: Vec<Row> = on!(&mut *self.connection, c => nodes::table
                .filter(nodes::id.eq_any(ids))
                .select((nodes::id, nodes::kind, nodes::parent_id))
                .load(c)?);
            let mut above = Latest::default();
            for (id, kind, parent) in rows {
                let Some(of) = level.0.get(id.0.as_bytes()) else {
                    continue;
                };
                if kind.0 != NodeKind::Session || sessions_count {
                    latest.add(id.0.as_bytes(), of);
                }
                if let Some(parent) = opt(parent) {
                    above.add(parent.as_bytes(), of);
                }
            }
            (level, sessions_count) = (above, false);
        }
        Ok(())
    }

    fn last_uses_upsert(&mut self, latest: &Latest) -> Result<(), StoreError> {
        macro_rules! upsert {
            ($values:expr) => {
                diesel::insert_into(last_uses::table)
                    .values($values)
                    .on_conflict(last_uses::credential_id)
                    .do_update()
                    .set((
                        last_uses::used_at.eq(later!(last_uses::used_at)),
                        last_uses::ip.eq(later!(last_uses::ip)),
                        last_uses::resource_server_id.eq(later!(last_uses::resource_server_id)),
                        last_uses::user_epoch.eq(case_when(
                            excluded(last_uses::user_epoch).gt(last_uses::user_epoch),
                            excluded(last_uses::user_epoch),
                        )
                        .otherwise(last_uses::user_epoch)),
                    ))
            };
        }
        // What stands there stays, unless the new use came after it.
        macro_rules! later {
            ($column:expr) => {
                case_when(
                    excluded(last_uses::used_at).gt(last_uses::used_at),
                    excluded($column),
                )
                .otherwise($column)
            };
        }
        macro_rules! values {
            ($id:expr, $of:expr) => {
                (
                    last_uses::credential_id.eq($id.as_slice()),
                    last_uses::used_at.eq(Db($of.used_at)),
                    last_uses::user_id.eq($of.user.map(|(id, _)| Db(id))),
                    last_uses::user_epoch.eq($of.user.map(|(_, epoch)| epoch)),
                    last_uses::ip.eq($of.ip.as_deref()),
                    last_uses::resource_server_id.eq($of.resource_server.map(Db)),
                )
            };
        }
        match &mut *self.connection {
            // One statement, prepared once; a round trip costs nothing here.
            AnyConnection::Sqlite(c) => {
                for (id, of) in &latest.0 {
                    upsert!(values!(id, of)).execute(c)?;
                }
            }
            AnyConnection::Postgres(c) => {
                let rows: Vec<_> = latest.0.iter().map(|(id, of)| values!(id, of)).collect();
                for batch in rows.chunks(BATCH) {
                    upsert!(batch.to_vec()).execute(c)?;
                }
            }
        }
        Ok(())
    }
}
