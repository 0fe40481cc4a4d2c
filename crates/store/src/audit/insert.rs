//! Writing audit rows: each gets its id, its place in the trail and its tag.

use curfew_protocol::{AuditId, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, SmallInt, Text};

use crate::AnyConnection;
use crate::audit::AuditEntry;
use crate::audit::link::{LinkPlace, RowFacts, RowIds, RowTexts};
use crate::context::Write;
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::audit;

impl Write<'_> {
    /// Writes one row. What is not written here did not happen: the caller hands the error on.
    pub fn audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let id = AuditId::ordered(self.millis(), self.entropy());
        let place = self.audit_place()?;
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(audit::table).values((
            (
                audit::id.eq(Db(id)),
                audit::at.eq(Db(now)),
                audit::event.eq(entry.event.code()),
                audit::outcome.eq(entry.outcome()),
                audit::tenant_id.eq(entry.tenant_id.map(Db)),
                audit::user_id.eq(entry.user_id.map(Db)),
                audit::client_id.eq(entry.client.map(Db)),
                audit::node_id.eq(entry.node_id.map(Db)),
                audit::token_id.eq(entry.token_id.map(Db)),
            ),
            (
                audit::authenticated_by.eq(entry.authenticated_by.code()),
                audit::credential_id.eq(entry.authenticated_by.credential().map(Db)),
                audit::request_id.eq(entry.origin.request_id.map(Db)),
                audit::expires_at.eq(entry.expires_at.map(Db)),
                audit::scopes.eq(entry.scopes.as_ref()),
                audit::ip.eq(entry.origin.ip.as_ref()),
                audit::user_agent.eq(entry.origin.user_agent.as_ref()),
                audit::detail.eq(entry.detail.as_ref()),
                audit::chain_id.eq(Db(place.chain_id)),
                audit::sequence.eq(place.sequence),
            ),
        )).execute(c)?);
        self.audit_added(entry, id, place);
        Ok(())
    }

    /// Writes many rows; on PostgreSQL by one statement.
    pub(crate) fn audit_all(&mut self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        if matches!(&*self.connection, AnyConnection::Sqlite(_)) {
            return entries.iter().try_for_each(|entry| self.audit(entry));
        }
        let place = self.audit_place()?;
        let rows: Vec<(AuditId, &AuditEntry)> = entries
            .iter()
            .map(|entry| (AuditId::ordered(self.millis(), self.entropy()), entry))
            .collect();
        let now = self.now();
        if let AnyConnection::Postgres(connection) = &mut *self.connection {
            insert_many(connection, (now, place), &rows)?;
        }
        for (id, entry) in rows {
            self.audit_added(entry, id, place);
        }
        Ok(())
    }

    fn audit_place(&mut self) -> Result<LinkPlace, StoreError> {
        let at = (self.now(), self.millis());
        let (read, trail) = self.parts();
        trail.place(read.connection, read.shared, at)
    }

    fn audit_added(&mut self, entry: &AuditEntry, id: AuditId, place: LinkPlace) {
        let now = self.now();
        let credential = entry.authenticated_by.credential();
        let facts = RowFacts {
            id: id.as_bytes(),
            place,
            at: now.seconds(),
            event: entry.event.code().into(),
            outcome: entry.outcome().into(),
            authenticated_by: entry.authenticated_by.code().into(),
            expires_at: entry.expires_at.map(Timestamp::seconds),
            ids: RowIds {
                tenant: bytes(entry.tenant_id.as_ref().map(|id| id.as_bytes())),
                user: bytes(entry.user_id.as_ref().map(|id| id.as_bytes())),
                client: bytes(entry.client.as_ref().map(|id| id.as_bytes())),
                node: bytes(entry.node_id.as_ref().map(|id| id.as_bytes())),
                token: bytes(entry.token_id.as_ref().map(|id| id.as_bytes())),
                credential: bytes(credential.as_ref().map(|id| id.as_bytes())),
                request: bytes(entry.origin.request_id.as_ref().map(|id| id.as_bytes())),
            },
            texts: RowTexts {
                scopes: entry.scopes.as_deref(),
                ip: entry.origin.ip.as_deref(),
                user_agent: entry.origin.user_agent.as_deref(),
                detail: entry.detail.as_deref(),
            },
        };
        let (read, trail) = self.parts();
        trail.add(&read.shared.keys, &facts);
    }
}

fn bytes(id: Option<&[u8; 16]>) -> Option<&[u8]> {
    id.map(<[u8; 16]>::as_slice)
}

fn insert_many(
    connection: &mut PgConnection,
    (now, place): (Timestamp, LinkPlace),
    rows: &[(AuditId, &AuditEntry)],
) -> Result<(), StoreError> {
    macro_rules! column {
        ($entry:ident => $value:expr) => {
            rows.iter().map(|(_, $entry)| $value).collect::<Vec<_>>()
        };
    }
    diesel::sql_query(
        "INSERT INTO audit (id, event, outcome, tenant_id, user_id, client_id, node_id, token_id, authenticated_by, \
         credential_id, request_id, expires_at, scopes, ip, user_agent, detail, at, chain_id, sequence) \
         SELECT *, $17, $18, $19 \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind::<Array<Binary>, _>(rows.iter().map(|(id, _)| Db(*id)).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(column!(e => e.event.code()))
    .bind::<Array<SmallInt>, _>(column!(e => e.outcome()))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.tenant_id.map(Db)))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.user_id.map(Db)))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.client.map(Db)))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.node_id.map(Db)))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.token_id.map(Db)))
    .bind::<Array<SmallInt>, _>(column!(e => e.authenticated_by.code()))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.authenticated_by.credential().map(Db)))
    .bind::<Array<Nullable<Binary>>, _>(column!(e => e.origin.request_id.map(Db)))
    .bind::<Array<Nullable<BigInt>>, _>(column!(e => e.expires_at.map(Timestamp::seconds)))
    .bind::<Array<Nullable<Text>>, _>(column!(e => e.scopes.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(column!(e => e.origin.ip.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(column!(e => e.origin.user_agent.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(column!(e => e.detail.as_deref()))
    .bind::<BigInt, _>(now.seconds())
    .bind::<Binary, _>(Db(place.chain_id))
    .bind::<BigInt, _>(place.sequence)
    .execute(connection)?;
    Ok(())
}
