//! Refresh families: one row each, however often the token rotates.

use curfew_policy::lifetime::ExpiresAt;
use curfew_policy::refresh::{FamilyState, Presented};
use curfew_policy::status::NodeKind;
use curfew_protocol::{
    Audiences, Digest, NodeId, ParsedRefresh, RefreshToken, ScopeSet, Timestamp, TokenKind,
};
use diesel::prelude::*;

use crate::codes::{Approval, stored_scopes};
use crate::context::{Read, Write};
use crate::db::{Db, Json, opt};
use crate::error::StoreError;
use crate::keys::{KeyedDigest, ServerKeys};
use crate::node_chain::node_chain;
use crate::nodes::{Ancestor, Birth, NewNode, NodeChain};
use crate::on;
use crate::schema::families;

/// A refresh family with everything that binds it.
#[derive(Clone, Debug)]
pub struct Family {
    pub node: NodeChain,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub state: FamilyState,
    pub idle_at: Timestamp,
    current: KeyedDigest,
    previous: Option<KeyedDigest>,
}

impl Family {
    /// Compares what was presented with what is stored.
    pub fn compare(&self, keys: &ServerKeys, presented: &ParsedRefresh) -> Presented {
        let is = |stored: KeyedDigest| {
            let handle = presented.family.as_bytes();
            keys.verify(TokenKind::RefreshToken, handle, &presented.secret, stored)
        };
        Presented {
            generation: presented.generation,
            tag_is_ours: keys.is_refresh_tag(presented.family, presented.generation, presented.tag),
            is_current_secret: is(self.current),
            is_previous_secret: self.previous.is_some_and(is),
        }
    }
}

fn generation(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Corrupt("a generation below zero".to_owned()))
}

fn column(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

impl Read<'_> {
    pub fn family(&mut self, id: NodeId) -> Result<Option<Family>, StoreError> {
        type Row = (
            (String, Json<Audiences>, i64, Db<Digest>, i16),
            (
                Option<i64>,
                Option<Db<Digest>>,
                Option<i16>,
                Db<Timestamp>,
                bool,
                Db<Timestamp>,
            ),
        );
        let row: Option<Row> = on!(&mut *self.connection, c => families::table
            .filter(families::node_id.eq(Db(id)))
            .select((
                (
                    families::scopes, families::audiences, families::generation,
                    families::secret_digest, families::secret_key_id,
                ),
                (
                    families::previous_generation, families::previous_digest,
                    families::previous_key_id, families::rotated_at, families::grace_used,
                    families::idle_at,
                ),
            ))
            .get_result(c)
            .optional()?);
        let Some((own, before)) = row else {
            return Ok(None);
        };
        let Some(node) = node_chain(self.connection, id)? else {
            return Ok(None);
        };
        Ok(Some(Family {
            node,
            scopes: stored_scopes(&own.0)?,
            audiences: own.1.0,
            state: FamilyState {
                generation: generation(own.2)?,
                previous_generation: before.0.map(generation).transpose()?,
                rotated_at: before.3.0,
                grace_used: before.4,
            },
            idle_at: before.5.0,
            current: KeyedDigest {
                digest: own.3.0,
                key_id: own.4,
            },
            previous: opt(before.1)
                .zip(before.2)
                .map(|(digest, key_id)| KeyedDigest { digest, key_id }),
        }))
    }
}

impl Write<'_> {
    /// Founds a family below an approval that was judged in this transaction.
    pub fn family_insert(
        &mut self,
        approval: &Approval,
        expires_at: ExpiresAt,
        idle_at: Timestamp,
    ) -> Result<(NodeId, RefreshToken), StoreError> {
        let parent = &approval.node;
        let id = self.node_insert(&NewNode {
            kind: NodeKind::Family,
            birth: Birth::below(parent),
            ancestor: Ancestor::Binding {
                id: parent.id,
                expires_at: parent.facts.expires_at,
            },
            parent_token: None,
            session_id: parent.session_id,
            expires_at,
            actor: None,
        })?;
        let (token, stored) = self.refresh_secret(id, 0);
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(families::table).values((
            families::node_id.eq(Db(id)),
            families::scopes.eq(approval.scopes.to_string()),
            families::audiences.eq(Json(&approval.audiences)),
            families::generation.eq(0_i64),
            families::secret_digest.eq(Db(stored.digest)),
            families::secret_key_id.eq(stored.key_id),
            families::rotated_at.eq(Db(now)),
            families::grace_used.eq(false),
            families::idle_at.eq(Db(idle_at)),
        )).execute(c)?);
        Ok((id, token))
    }

    /// The next generation. `None` when somebody else was faster.
    pub fn family_rotate(
        &mut self,
        family: &Family,
        idle_at: Timestamp,
    ) -> Result<Option<RefreshToken>, StoreError> {
        let (id, current) = (family.node.id, family.state.generation);
        let (token, stored) = self.refresh_secret(id, current + 1);
        let now = self.now();
        let rotated = on!(&mut *self.connection, c => diesel::update(families::table.filter(
            families::node_id.eq(Db(id)).and(families::generation.eq(column(current))),
        ))
        .set((
            families::generation.eq(column(current + 1)),
            families::secret_digest.eq(Db(stored.digest)),
            families::secret_key_id.eq(stored.key_id),
            families::previous_generation.eq(column(current)),
            families::previous_digest.eq(Db(family.current.digest)),
            families::previous_key_id.eq(family.current.key_id),
            families::rotated_at.eq(Db(now)),
            families::grace_used.eq(false),
            families::idle_at.eq(Db(idle_at)),
        ))
        .execute(c)?);
        Ok((rotated == 1).then_some(token))
    }

    /// Replaces the unused successor once, for a client whose answer was lost. `None` when somebody else was faster.
    pub fn family_replace_successor(
        &mut self,
        family: &Family,
    ) -> Result<Option<RefreshToken>, StoreError> {
        let (id, current) = (family.node.id, family.state.generation);
        let (token, stored) = self.refresh_secret(id, current + 1);
        let replaced = on!(&mut *self.connection, c => diesel::update(families::table.filter(
            families::node_id.eq(Db(id))
                .and(families::generation.eq(column(current)))
                .and(families::grace_used.eq(false)),
        ))
        .set((
            families::generation.eq(column(current + 1)),
            families::secret_digest.eq(Db(stored.digest)),
            families::secret_key_id.eq(stored.key_id),
            families::grace_used.eq(true),
        ))
        .execute(c)?);
        Ok((replaced == 1).then_some(token))
    }

    fn refresh_secret(&self, family: NodeId, generation: u64) -> (RefreshToken, KeyedDigest) {
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::RefreshToken, family.as_bytes(), &secret);
        (
            self.keys().refresh_token(family, generation, secret),
            stored,
        )
    }
}
