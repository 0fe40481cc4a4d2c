//! What introspection has to know: the caller, and the token with everything that binds it. This is the hottest statement of all, so
//! it is one where one suffices, and brings no column that is not looked at.

use std::collections::{HashMap, HashSet};

use curfew_policy::limits::LimitKind;
use curfew_policy::liveness::{Alive, DeadBecause, TokenFacts, judge_token};
use curfew_policy::status::{DeathCause, OwnerStatus};
use curfew_protocol::{Audiences, Digest, ResourceServerKey, TenantId, Timestamp, TokenId};
use diesel::prelude::*;

use crate::AnyConnection;
use crate::clients::{SecretColumns, Secrets, secrets};
use crate::db::{Db, Deleted, Json, opt};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::node_chain::{LifeColumns, NodeLife, life_columns, limit_columns, with_owners};
use crate::on;
use crate::resource_servers::secret_columns;
use crate::schema::{
    clients, installation, limit_eras, links, nodes, providers, resource_servers, sessions,
    tenants, tokens, users,
};

/// What introspection has to know.
#[derive(Clone, Debug)]
pub struct IntrospectionFacts {
    /// `None`: no resource server of that id.
    pub caller: Option<Caller>,
    /// `None`: no such token.
    pub token: Option<IntrospectedToken>,
    pub now: Timestamp,
}

/// The resource server that asks.
#[derive(Clone, Debug)]
pub struct Caller {
    pub key: ResourceServerKey,
    pub tenant_id: TenantId,
    pub status: OwnerStatus,
    pub epoch: i64,
    pub secrets: Secrets,
}

/// The token that it asks about.
#[derive(Clone, Debug)]
pub struct IntrospectedToken {
    pub id: TokenId,
    pub digest: KeyedDigest,
    pub audiences: Audiences,
    pub facts: TokenFacts,
    pub node: NodeLife,
}

impl IntrospectedToken {
    /// Is it alive?
    pub fn judge(&self, now: Timestamp) -> Result<Alive, DeadBecause> {
        judge_token(&self.facts, &self.node.facts, now)
    }
}

/// What is asked for: the caller, and the token when there is a well-formed one.
pub(crate) type Asked = (String, Option<TokenId>);
pub(crate) type Found = (Option<Caller>, Option<IntrospectedToken>);

type CallerRow = (
    Db<ResourceServerKey>,
    Db<TenantId>,
    Db<OwnerStatus>,
    i64,
    SecretColumns,
);

macro_rules! caller_columns {
    () => {
        (
            resource_servers::id,
            resource_servers::tenant_id,
            resource_servers::status,
            resource_servers::epoch,
            secret_columns!(),
        )
    };
}

fn caller((key, tenant_id, status, epoch, columns): CallerRow) -> Result<Caller, StoreError> {
    Ok(Caller {
        key: key.0,
        tenant_id: tenant_id.0,
        status: status.0,
        epoch,
        secrets: secrets(columns)
            .ok_or_else(|| StoreError::Corrupt("a resource server without secret".to_owned()))?,
    })
}

#[derive(Queryable)]
struct TokenRow {
    id: Db<TokenId>,
    secret_digest: Db<Digest>,
    secret_key_id: i16,
    audiences: Json<Audiences>,
    created_at: Db<Timestamp>,
    expires_at: Db<Timestamp>,
    ended_cause: Option<Db<DeathCause>>,
    life: LifeColumns,
}

macro_rules! token_columns {
    () => {
        (
            tokens::id,
            tokens::secret_digest,
            tokens::secret_key_id,
            tokens::audiences,
            tokens::created_at,
            tokens::expires_at,
            tokens::ended_cause,
            life_columns!(),
        )
    };
}

macro_rules! tokens_with_owners {
    () => {
        with_owners!(tokens::table.inner_join(nodes::table.on(nodes::id.eq(tokens::node_id))))
    };
}

fn token(row: TokenRow) -> IntrospectedToken {
    let node = NodeLife::from(row.life);
    IntrospectedToken {
        id: row.id.0,
        digest: KeyedDigest {
            key_id: row.secret_key_id,
            digest: row.secret_digest.0,
        },
        audiences: row.audiences.0,
        facts: TokenFacts {
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            ended: opt(row.ended_cause),
            limit: LimitKind::of_token_on(node.kind),
        },
        node,
    }
}

/// On SQLite: one statement when both exist, which is what nearly always happens.
pub(crate) fn introspect(
    connection: &mut AnyConnection,
    resource_id: &str,
    token_id: Option<TokenId>,
) -> Result<Found, StoreError> {
    if let Some(id) = token_id {
        let both: Option<(CallerRow, TokenRow)> = on!(connection, c => tokens_with_owners!()
            .inner_join(resource_servers::table.on(resource_servers::resource_id
                .eq(resource_id)
                .and(resource_servers::status.ne(Deleted))))
            .filter(tokens::id.eq(Db(id)))
            .select((caller_columns!(), token_columns!()))
            .get_result(c)
            .optional()?);
        if let Some((caller_row, token_row)) = both {
            return Ok((Some(caller(caller_row)?), Some(token(token_row))));
        }
    }
    let caller_row: Option<CallerRow> = on!(connection, c => resource_servers::table
        .filter(resource_servers::resource_id.eq(resource_id)
            .and(resource_servers::status.ne(Deleted)))
        .select(caller_columns!())
        .get_result(c)
        .optional()?);
    // Either there is no such token, or the caller came into being between the two statements; then it has no token yet.
    Ok((caller_row.map(caller).transpose()?, None))
}

/// On PostgreSQL: all that wait together.
pub(crate) fn introspect_all(
    connection: &mut PgConnection,
    asked: &[Asked],
) -> Result<HashMap<Asked, Found>, StoreError> {
    let resource_ids: HashSet<&str> = asked.iter().map(|(caller, _)| caller.as_str()).collect();
    let callers: Vec<(String, CallerRow)> = resource_servers::table
        .filter(
            resource_servers::resource_id
                .eq_any(resource_ids)
                .and(resource_servers::status.ne(Deleted)),
        )
        .select((resource_servers::resource_id, caller_columns!()))
        .load(connection)?;
    let callers = callers
        .into_iter()
        .map(|(resource_id, row)| Ok((resource_id, caller(row)?)))
        .collect::<Result<HashMap<String, Caller>, StoreError>>()?;
    let ids: Vec<Db<TokenId>> = asked.iter().filter_map(|(_, id)| id.map(Db)).collect();
    let mut tokens = HashMap::new();
    if !ids.is_empty() {
        let rows: Vec<TokenRow> = tokens_with_owners!()
            .filter(tokens::id.eq_any(ids))
            .select(token_columns!())
            .load(connection)?;
        tokens.extend(rows.into_iter().map(token).map(|token| (token.id, token)));
    }
    let found = |(caller, token): &Asked| {
        let token = token.and_then(|id| tokens.get(&id).cloned());
        (callers.get(caller).cloned(), token)
    };
    Ok(asked
        .iter()
        .map(|asked| (asked.clone(), found(asked)))
        .collect())
}
