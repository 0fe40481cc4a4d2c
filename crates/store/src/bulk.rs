//! Many tokens at once, in the order of their keys: how a database is filled for measurements.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{
    Audiences, Digest, NodeId, OpaqueToken, ScopeSet, Timestamp, TokenId, TokenKind,
};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, SmallInt, Text};

use crate::AnyConnection;
use crate::context::Write;
use crate::db::Db;
use crate::error::StoreError;
use crate::schema::tokens;

/// Tokens that differ in nothing but id and secret.
#[derive(Clone, Debug)]
pub struct BulkTokens {
    pub node_id: NodeId,
    pub node_expires_at: Timestamp,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub expires_at: ExpiresAt,
    pub count: usize,
    /// How many of them are handed back, spread evenly.
    pub keep: usize,
}

struct Fresh {
    id: TokenId,
    digest: Digest,
    key_id: i16,
}

impl Write<'_> {
    /// Stores the tokens and returns some of them. The caller has judged the node in this transaction.
    pub fn tokens_insert_bulk(
        &mut self,
        bulk: &BulkTokens,
    ) -> Result<Vec<OpaqueToken>, StoreError> {
        let mut ids: Vec<TokenId> = (0..bulk.count)
            .map(|_| TokenId::ordered(self.millis(), self.entropy()))
            .collect();
        ids.sort_unstable();
        let every = (bulk.count / bulk.keep.max(1)).max(1);
        let mut kept = Vec::with_capacity(bulk.keep);
        let mut fresh = Vec::with_capacity(ids.len());
        for (position, id) in ids.into_iter().enumerate() {
            let secret = self.secret();
            let stored = self
                .keys()
                .digest(TokenKind::AccessToken, id.as_bytes(), &secret);
            fresh.push(Fresh {
                id,
                digest: stored.digest,
                key_id: stored.key_id,
            });
            if position % every == 0 && kept.len() < bulk.keep {
                kept.push(OpaqueToken::new(
                    TokenKind::AccessToken,
                    *id.as_bytes(),
                    secret,
                ));
            }
        }
        let now = self.now();
        match &mut *self.connection {
            AnyConnection::Sqlite(c) => insert_sqlite(c, bulk, &fresh, now)?,
            AnyConnection::Postgres(c) => insert_postgres(c, bulk, &fresh, now)?,
        }
        Ok(kept)
    }
}

fn insert_sqlite(
    connection: &mut SqliteConnection,
    bulk: &BulkTokens,
    fresh: &[Fresh],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (scopes, audiences) = (
        bulk.scopes.to_string(),
        serde_json::json!(bulk.audiences).to_string(),
    );
    let rows: Vec<_> = fresh
        .iter()
        .map(|token| {
            (
                tokens::id.eq(Db(token.id)),
                tokens::node_id.eq(Db(bulk.node_id)),
                tokens::node_expires_at.eq(Db(bulk.node_expires_at)),
                tokens::secret_digest.eq(Db(token.digest)),
                tokens::secret_key_id.eq(token.key_id),
                tokens::scopes.eq(&scopes),
                tokens::audiences.eq(&audiences),
                tokens::created_at.eq(Db(now)),
                tokens::expires_at.eq(Db(bulk.expires_at.timestamp())),
            )
        })
        .collect();
    diesel::insert_into(tokens::table)
        .values(rows)
        .execute(connection)?;
    Ok(())
}

fn insert_postgres(
    connection: &mut PgConnection,
    bulk: &BulkTokens,
    fresh: &[Fresh],
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO tokens (id, secret_digest, secret_key_id, node_id, node_expires_at, scopes, audiences, \
         created_at, expires_at) SELECT *, $4, $5, $6, $7, $8, $9 FROM unnest($1, $2, $3)",
    )
    .bind::<Array<Binary>, _>(fresh.iter().map(|token| Db(token.id)).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(fresh.iter().map(|token| Db(token.digest)).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(fresh.iter().map(|token| token.key_id).collect::<Vec<_>>())
    .bind::<Binary, _>(Db(bulk.node_id))
    .bind::<BigInt, _>(bulk.node_expires_at.seconds())
    .bind::<Text, _>(bulk.scopes.to_string())
    .bind::<Text, _>(serde_json::json!(bulk.audiences).to_string())
    .bind::<BigInt, _>(now.seconds())
    .bind::<BigInt, _>(bulk.expires_at.timestamp().seconds())
    .execute(connection)?;
    Ok(())
}
