//! Rows and links exactly as they are stored: no code is taken for a word and no number cut to its type, because whoever wrote them
//! may not have been us.

use std::collections::HashMap;

use curfew_protocol::{AuditChainId, AuditId, Digest};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool};

use crate::audit::chain::last_link;
use crate::audit::link::{LinkPlace, RowFacts, RowIds, RowTexts};
use crate::context::Read;
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::{audit, audit_links};

#[derive(Debug)]
pub(super) struct StoredLink {
    pub(super) place: LinkPlace,
    pub(super) key_id: i64,
    pub(super) created_at: i64,
    pub(super) row_tags: Vec<u8>,
    pub(super) seen_links: Vec<u8>,
    pub(super) digest: Digest,
}

type LinkRow = (
    Db<AuditChainId>,
    i64,
    i64,
    i64,
    Vec<u8>,
    Vec<u8>,
    Db<Digest>,
);

type Bytes = Option<Vec<u8>>;
type Text = Option<String>;
type RowColumns = (
    (Db<AuditId>, Db<AuditChainId>, i64),
    (i64, i64, i64, i64, Option<i64>),
    (Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes),
    (Text, Text, Text, Text),
);

#[derive(Debug)]
pub(super) struct StoredRow {
    id: AuditId,
    pub(super) place: LinkPlace,
    numbers: (i64, i64, i64, i64, Option<i64>),
    ids: (Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes),
    texts: (Text, Text, Text, Text),
}

impl StoredRow {
    pub(super) fn facts(&self) -> RowFacts<'_> {
        let (at, event, outcome, authenticated_by, expires_at) = self.numbers;
        RowFacts {
            id: self.id.as_bytes(),
            place: self.place,
            at,
            event,
            outcome,
            authenticated_by,
            expires_at,
            ids: RowIds {
                tenant: self.ids.0.as_deref(),
                user: self.ids.1.as_deref(),
                client: self.ids.2.as_deref(),
                node: self.ids.3.as_deref(),
                token: self.ids.4.as_deref(),
                credential: self.ids.5.as_deref(),
                request: self.ids.6.as_deref(),
            },
            texts: RowTexts {
                scopes: self.texts.0.as_deref(),
                ip: self.texts.1.as_deref(),
                user_agent: self.texts.2.as_deref(),
                detail: self.texts.3.as_deref(),
            },
        }
    }
}

/// Where a row says it belongs, and the rows that the link there names.
#[derive(Debug)]
pub(super) struct RowPlace {
    pub(super) id: AuditId,
    pub(super) place: LinkPlace,
    pub(super) link: Option<Vec<u8>>,
}

const fn place(chain_id: AuditChainId, sequence: i64) -> LinkPlace {
    LinkPlace { chain_id, sequence }
}

impl Read<'_> {
    /// Links in the order of chains and, within each, of its links.
    pub(super) fn audit_links_after(
        &mut self,
        after: Option<LinkPlace>,
        limit: usize,
    ) -> Result<Vec<StoredLink>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = after.unwrap_or(place(AuditChainId::from_bytes([0; 16]), i64::MIN));
        let rows: Vec<LinkRow> = on!(&mut *self.connection, c => audit_links::table
            // One comparison of both columns: both databases go straight to the place.
            .filter(sql::<Bool>("(chain_id, sequence) > (")
                .bind::<Binary, _>(Db(after.chain_id))
                .sql(", ")
                .bind::<BigInt, _>(after.sequence)
                .sql(")"))
            .order((audit_links::chain_id, audit_links::sequence))
            .limit(limit)
            .select((
                audit_links::chain_id,
                audit_links::sequence,
                sql::<BigInt>("CAST(key_id AS BIGINT)"),
                audit_links::created_at,
                audit_links::row_tags,
                audit_links::seen_links,
                audit_links::digest,
            ))
            .load(c)?);
        let links = rows.into_iter().map(|row| StoredLink {
            place: place(row.0.0, row.1),
            key_id: row.2,
            created_at: row.3,
            row_tags: row.4,
            seen_links: row.5,
            digest: row.6.0,
        });
        Ok(links.collect())
    }

    /// The digest of a link.
    pub(super) fn audit_link(&mut self, link: LinkPlace) -> Result<Option<Digest>, StoreError> {
        let digest: Option<Db<Digest>> = on!(&mut *self.connection, c => audit_links::table
            .filter(audit_links::chain_id.eq(Db(link.chain_id))
                .and(audit_links::sequence.eq(link.sequence)))
            .select(audit_links::digest)
            .get_result(c)
            .optional()?);
        Ok(digest.map(|digest| digest.0))
    }

    /// Where a chain ends.
    pub(super) fn audit_last_link(
        &mut self,
        chain_id: AuditChainId,
    ) -> Result<Option<i64>, StoreError> {
        let last = last_link(self.connection, chain_id)?;
        Ok(last.map(|name| name.place.sequence))
    }

    pub(super) fn audit_rows_stored(
        &mut self,
        ids: &[AuditId],
    ) -> Result<HashMap<AuditId, StoredRow>, StoreError> {
        let ids: Vec<Db<AuditId>> = ids.iter().map(|id| Db(*id)).collect();
        let rows: Vec<RowColumns> = on!(&mut *self.connection, c => audit::table
            .filter(audit::id.eq_any(ids))
            .select((
                (audit::id, audit::chain_id, audit::sequence),
                (
                    audit::at,
                    sql::<BigInt>("CAST(event AS BIGINT)"),
                    sql::<BigInt>("CAST(outcome AS BIGINT)"),
                    sql::<BigInt>("CAST(authenticated_by AS BIGINT)"),
                    audit::expires_at,
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
            ))
            .load(c)?);
        let stored = rows.into_iter().map(|(own, numbers, ids, texts)| {
            let row = StoredRow {
                id: own.0.0,
                place: place(own.1.0, own.2),
                numbers,
                ids,
                texts,
            };
            (row.id, row)
        });
        Ok(stored.collect())
    }

    /// Rows in the order of their ids, each with the link that it names.
    pub(super) fn audit_places_after(
        &mut self,
        after: Option<AuditId>,
        limit: usize,
    ) -> Result<Vec<RowPlace>, StoreError> {
        type Columns = (Db<AuditId>, Db<AuditChainId>, i64, Option<Vec<u8>>);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = after.unwrap_or(AuditId::from_bytes([0; 16]));
        let rows: Vec<Columns> = on!(&mut *self.connection, c => audit::table
            .left_join(audit_links::table.on(audit_links::chain_id.eq(audit::chain_id)
                .and(audit_links::sequence.eq(audit::sequence))))
            .filter(audit::id.gt(Db(after)))
            .order(audit::id)
            .limit(limit)
            .select((
                audit::id,
                audit::chain_id,
                audit::sequence,
                audit_links::row_tags.nullable(),
            ))
            .load(c)?);
        let places = rows.into_iter().map(|row| RowPlace {
            id: row.0.0,
            place: place(row.1.0, row.2),
            link: row.3,
        });
        Ok(places.collect())
    }

    /// How many links and rows there are.
    pub(super) fn audit_size(&mut self) -> Result<u64, StoreError> {
        let (links, rows): (i64, i64) = self.connection.patiently(|connection| {
            on!(connection, c => Ok((
                audit_links::table.count().get_result(c)?,
                audit::table.count().get_result(c)?,
            )))
        })?;
        Ok(u64::try_from(links.saturating_add(rows)).unwrap_or(0))
    }
}
