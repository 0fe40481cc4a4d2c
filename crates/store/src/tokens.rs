//! Access tokens: many, each on one node.

use curfew_policy::lifetime::ExpiresAt;
use curfew_policy::limits::LimitKind;
use curfew_policy::liveness::{Alive, DeadBecause, TokenFacts, judge_token};
use curfew_policy::status::DeathCause;
use curfew_protocol::{
    Audiences, Digest, NodeId, OpaqueToken, ScopeSet, Timestamp, TokenId, TokenKind,
};
use diesel::prelude::*;

use crate::AnyConnection;
use crate::context::{Read, Write};
use crate::db::{Db, Json, opt};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::node_chain::{
    LifeColumns, NodeChain, PlaceColumns, life_columns, limit_columns, place_columns, with_owners,
};
use crate::on;
use crate::schema::{
    clients, installation, limit_eras, links, nodes, providers, sessions, tenants, tokens, users,
};

/// An access token with everything that bears on its life.
#[derive(Clone, Debug)]
pub struct TokenChain {
    pub id: TokenId,
    pub digest: KeyedDigest,
    pub scopes: String,
    pub audiences: Audiences,
    pub facts: TokenFacts,
    pub node: NodeChain,
}

impl TokenChain {
    /// Is it alive?
    pub fn judge(&self, now: Timestamp) -> Result<Alive, DeadBecause> {
        judge_token(&self.facts, &self.node.facts, now)
    }
}

#[derive(Queryable)]
struct TokenColumns {
    id: Db<TokenId>,
    secret_digest: Db<Digest>,
    secret_key_id: i16,
    scopes: String,
    audiences: Json<Audiences>,
    created_at: Db<Timestamp>,
    expires_at: Db<Timestamp>,
    ended_cause: Option<Db<DeathCause>>,
}

macro_rules! token_columns {
    () => {
        (
            tokens::id,
            tokens::secret_digest,
            tokens::secret_key_id,
            tokens::scopes,
            tokens::audiences,
            tokens::created_at,
            tokens::expires_at,
            tokens::ended_cause,
        )
    };
}

type ChainRow = (TokenColumns, LifeColumns, PlaceColumns);

fn chain(token: TokenColumns, node: NodeChain) -> TokenChain {
    TokenChain {
        id: token.id.0,
        digest: KeyedDigest {
            key_id: token.secret_key_id,
            digest: token.secret_digest.0,
        },
        scopes: token.scopes,
        audiences: token.audiences.0,
        facts: TokenFacts {
            created_at: token.created_at.0,
            expires_at: token.expires_at.0,
            ended: opt(token.ended_cause),
            limit: LimitKind::of_token_on(node.kind),
        },
        node,
    }
}

pub(crate) fn token_chain(
    connection: &mut AnyConnection,
    id: TokenId,
) -> Result<Option<TokenChain>, StoreError> {
    let row: Option<ChainRow> = on!(connection, c => {
        with_owners!(tokens::table.inner_join(nodes::table.on(nodes::id.eq(tokens::node_id))))
            .filter(tokens::id.eq(Db(id)))
            .select((token_columns!(), life_columns!(), place_columns!()))
            .get_result(c)
            .optional()?
    });
    Ok(row.map(|(token, life, place)| chain(token, NodeChain::from_columns(life, place))))
}

/// An access token to be stored.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub node_id: NodeId,
    pub node_expires_at: Timestamp,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub expires_at: ExpiresAt,
}

impl Read<'_> {
    /// A token with all that binds it.
    pub fn token_chain(&mut self, id: TokenId) -> Result<Option<TokenChain>, StoreError> {
        token_chain(self.connection, id)
    }

    /// The newest tokens of a node, newest first; a node may hold millions.
    pub fn tokens_latest(
        &mut self,
        node: &NodeChain,
        limit: i64,
    ) -> Result<Vec<TokenChain>, StoreError> {
        let rows: Vec<TokenColumns> = on!(&mut *self.connection, c => tokens::table
            .filter(tokens::node_id.eq(Db(node.id)))
            .order(tokens::id.desc())
            .limit(limit)
            .select(token_columns!())
            .load(c)?);
        Ok(rows
            .into_iter()
            .map(|row| chain(row, node.clone()))
            .collect())
    }
}

impl Write<'_> {
    /// Mints and stores a token. The caller has judged the node in this transaction.
    pub fn token_insert(&mut self, new: &NewToken) -> Result<(TokenId, OpaqueToken), StoreError> {
        self.token_insert_as(TokenKind::AccessToken, new)
    }

    pub(crate) fn token_insert_as(
        &mut self,
        kind: TokenKind,
        new: &NewToken,
    ) -> Result<(TokenId, OpaqueToken), StoreError> {
        let id = TokenId::ordered(self.millis(), self.entropy());
        let secret = self.secret();
        let stored = self.keys().digest(kind, id.as_bytes(), &secret);
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(tokens::table)
            .values((
                tokens::id.eq(Db(id)),
                tokens::node_id.eq(Db(new.node_id)),
                tokens::node_expires_at.eq(Db(new.node_expires_at)),
                tokens::secret_digest.eq(Db(stored.digest)),
                tokens::secret_key_id.eq(stored.key_id),
                tokens::scopes.eq(new.scopes.to_string()),
                tokens::audiences.eq(Json(&new.audiences)),
                tokens::created_at.eq(Db(now)),
                tokens::expires_at.eq(Db(new.expires_at.timestamp())),
            ))
            .execute(c)?);
        Ok((id, OpaqueToken::new(kind, *id.as_bytes(), secret)))
    }

    /// Holds a token and its node until the commit: whoever ends one of them meanwhile waits, and then finds what the token was used for.
    /// (SQLite has one writer, so there everybody takes turns anyway.)
    pub fn token_hold(&mut self, id: TokenId) -> Result<(), StoreError> {
        let AnyConnection::Postgres(c) = &mut *self.connection else {
            return Ok(());
        };
        let node: Option<Db<NodeId>> = tokens::table
            .filter(tokens::id.eq(Db(id)))
            .select(tokens::node_id)
            .for_share()
            .get_result(c)
            .optional()?;
        if let Some(node) = node {
            nodes::table
                .filter(nodes::id.eq(node))
                .select(nodes::id)
                .for_share()
                .execute(c)?;
        }
        Ok(())
    }

    /// Ends one token. False when it was over already.
    pub fn token_end(&mut self, id: TokenId, cause: DeathCause) -> Result<bool, StoreError> {
        let now = self.now();
        let ended = on!(&mut *self.connection, c => diesel::update(
            tokens::table.filter(tokens::id.eq(Db(id)).and(tokens::ended_at.is_null())),
        )
        .set((tokens::ended_at.eq(Db(now)), tokens::ended_cause.eq(Db(cause))))
        .execute(c)?);
        if ended == 0 {
            return Ok(false);
        }
        for child in self.node_ids_by_parent_token(id)? {
            self.node_end(child, DeathCause::AncestorDied)?;
        }
        Ok(true)
    }

    /// Nodes that this token minted.
    fn node_ids_by_parent_token(&mut self, token: TokenId) -> Result<Vec<NodeId>, StoreError> {
        let rows: Vec<Db<NodeId>> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::parent_token_id.eq(Db(token)))
            .select(nodes::id)
            .load(c)?);
        Ok(rows.into_iter().map(|id| id.0).collect())
    }
}
