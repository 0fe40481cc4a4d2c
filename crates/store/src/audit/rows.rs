//! Finding audit rows again: by whom, of what, when, from where. Users and clients are named as they are called today, deleted or not.

use curfew_policy::status::UserStatus;
use curfew_protocol::{
    AuditChainId, AuditId, ClientKey, NodeId, RequestId, TenantId, Timestamp, TokenId, UserId,
};
use diesel::prelude::*;
use serde::Serializer;

use crate::audit::{AuditEvent, AuthenticatedBy, REFUSED, SUCCEEDED};
use crate::context::Read;
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::on;
use crate::schema::{audit, clients, tenants, users};

/// A row as it is shown: every column, codes as words.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AuditRow {
    pub id: AuditId,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub at: Timestamp,
    pub event: String,
    #[serde(rename = "outcome", serialize_with = "outcome")]
    pub succeeded: bool,
    /// Which kind of credential stood behind it: a token's own deed is told from a session's.
    pub authenticated_by: &'static str,
    pub credential_id: Option<AuditId>,
    pub tenant_id: Option<TenantId>,
    pub tenant: Option<String>,
    pub user_id: Option<UserId>,
    pub username: Option<String>,
    #[serde(rename = "client_key")]
    pub client: Option<ClientKey>,
    pub client_id: Option<String>,
    pub node_id: Option<NodeId>,
    pub token_id: Option<TokenId>,
    #[serde(serialize_with = "seconds")]
    pub expires_at: Option<Timestamp>,
    pub scopes: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<RequestId>,
    pub detail: Option<String>,
    pub chain_id: AuditChainId,
    pub sequence: i64,
}

impl AuditRow {
    pub const fn outcome(&self) -> &'static str {
        outcome_word(self.succeeded)
    }
}

const fn outcome_word(succeeded: bool) -> &'static str {
    if succeeded { "succeeded" } else { "refused" }
}

fn outcome<S: Serializer>(succeeded: &bool, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome_word(*succeeded))
}

fn seconds<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.serialize_some(&at.seconds()),
        None => to.serialize_none(),
    }
}

/// Which rows; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    pub user: Option<UserId>,
    /// Rows about people who are deleted today.
    pub deleted_users: bool,
    pub client: Option<ClientKey>,
    /// One of these; all when empty.
    pub events: Vec<AuditEvent>,
    /// The id of a token or of a node.
    pub subject: Option<TokenId>,
    pub credential: Option<AuditId>,
    pub since: Option<Timestamp>,
    /// Not including it.
    pub until: Option<Timestamp>,
    pub ip: Option<String>,
    pub succeeded: Option<bool>,
}

/// In which order, and how many.
#[derive(Clone, Copy, Debug)]
enum Page {
    NewestFirst,
    OldestFirst { after: Option<AuditId> },
}

type OwnColumns = (Db<AuditId>, Db<Timestamp>, i16, i16, i16);
type Names = (Option<String>, Option<String>, Option<String>);
type Ids = (
    Option<Db<TenantId>>,
    Option<Db<UserId>>,
    Option<Db<ClientKey>>,
    Option<Db<NodeId>>,
    Option<Db<TokenId>>,
    Option<Db<AuditId>>,
    Option<Db<RequestId>>,
);
type Texts = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);
type Place = (Option<Db<Timestamp>>, Db<AuditChainId>, i64);
type Row = (OwnColumns, Names, Ids, Texts, Place);

fn audit_row((own, names, ids, texts, place): Row) -> AuditRow {
    AuditRow {
        id: own.0.0,
        at: own.1.0,
        event: AuditEvent::from_code(own.2)
            .map_or("unknown", AuditEvent::as_str)
            .to_owned(),
        succeeded: own.3 == SUCCEEDED,
        authenticated_by: AuthenticatedBy::word(own.4),
        credential_id: opt(ids.5),
        tenant_id: opt(ids.0),
        tenant: names.0,
        user_id: opt(ids.1),
        username: names.1,
        client: opt(ids.2),
        client_id: names.2,
        node_id: opt(ids.3),
        token_id: opt(ids.4),
        expires_at: opt(place.0),
        scopes: texts.0,
        ip: texts.1,
        user_agent: texts.2,
        request_id: opt(ids.6),
        detail: texts.3,
        chain_id: place.1.0,
        sequence: place.2,
    }
}

/// The first or the last id that a row of that second can have. Ids are ordered by the clock that also gives the time, which is
/// read a moment apart; so a second is added on either side, and the time itself decides.
fn id_at(second: i64, filler: u8) -> AuditId {
    let millis = u64::try_from(second.saturating_mul(1000)).unwrap_or(0);
    let mut bytes = [filler; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    AuditId::from_bytes(bytes)
}

macro_rules! rows_query {
    ($query:expr, $page:expr) => {{
        let query: &AuditQuery = $query;
        let mut rows = audit::table
            .left_join(tenants::table.on(tenants::id.nullable().eq(audit::tenant_id)))
            .left_join(users::table.on(users::id.nullable().eq(audit::user_id)))
            .left_join(clients::table.on(clients::id.nullable().eq(audit::client_id)))
            .select((
                (
                    audit::id,
                    audit::at,
                    audit::event,
                    audit::outcome,
                    audit::authenticated_by,
                ),
                (
                    tenants::slug.nullable(),
                    users::username.nullable(),
                    clients::client_id.nullable(),
                ),
                (
                    audit::tenant_id,
                    audit::user_id,
                    audit::client_id,
                    audit::node_id,
                    audit::token_id,
                    audit::credential_id,
                    audit::request_id,
                ),
                (audit::scopes, audit::ip, audit::user_agent, audit::detail),
                (audit::expires_at, audit::chain_id, audit::sequence),
            ))
            .into_boxed();
        if let Some(user) = query.user {
            rows = rows.filter(audit::user_id.eq(Db(user)));
        }
        if query.deleted_users {
            rows = rows.filter(users::status.eq(Db(UserStatus::Deleted)));
        }
        if let Some(client) = query.client {
            rows = rows.filter(audit::client_id.eq(Db(client)));
        }
        if !query.events.is_empty() {
            let codes: Vec<i16> = query.events.iter().map(|event| event.code()).collect();
            rows = rows.filter(audit::event.eq_any(codes));
        }
        if let Some(id) = query.subject {
            let node = NodeId::from_bytes(*id.as_bytes());
            rows = rows.filter(audit::token_id.eq(Db(id)).or(audit::node_id.eq(Db(node))));
        }
        if let Some(credential) = query.credential {
            rows = rows.filter(audit::credential_id.eq(Db(credential)));
        }
        if let Some(since) = query.since {
            rows = rows
                .filter(audit::at.ge(Db(since)))
                .filter(audit::id.ge(Db(id_at(since.seconds().saturating_sub(1), 0))));
        }
        if let Some(until) = query.until {
            rows = rows
                .filter(audit::at.lt(Db(until)))
                .filter(audit::id.le(Db(id_at(until.seconds().saturating_add(1), u8::MAX))));
        }
        if let Some(ip) = &query.ip {
            rows = rows.filter(audit::ip.eq(ip));
        }
        if let Some(succeeded) = query.succeeded {
            rows = rows.filter(audit::outcome.eq(if succeeded { SUCCEEDED } else { REFUSED }));
        }
        match $page {
            Page::NewestFirst => rows.order(audit::id.desc()),
            Page::OldestFirst { after: None } => rows.order(audit::id),
            Page::OldestFirst { after: Some(after) } => {
                rows.filter(audit::id.gt(Db(after))).order(audit::id)
            }
        }
    }};
}

impl Read<'_> {
    /// The latest rows, newest first.
    pub fn audit_latest(&mut self, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        self.audit_search(&AuditQuery::default(), limit)
    }

    /// The latest rows that the query asks for, newest first. It may read the whole trail.
    pub fn audit_search(
        &mut self,
        query: &AuditQuery,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.audit_page(query, Page::NewestFirst, limit)
    }

    /// The rows after one, oldest first.
    pub fn audit_after(
        &mut self,
        query: &AuditQuery,
        after: Option<AuditId>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.audit_page(query, Page::OldestFirst { after }, limit)
    }

    fn audit_page(
        &mut self,
        query: &AuditQuery,
        page: Page,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let rows: Vec<Row> = self.connection.patiently(|connection| {
            Ok(on!(connection, c => rows_query!(query, page).limit(limit).load(c)?))
        })?;
        Ok(rows.into_iter().map(audit_row).collect())
    }
}
