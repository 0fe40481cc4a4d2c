//! The chain that makes the audit trail provable.
//!
//! Every connection that writes has a chain of its own, so that no writer waits for another, and adds one link to it in each commit
//! that wrote audit rows. A link's digest is made under a server key, which is not in the database.
//!
//! 1. The first audit row of a transaction gives the transaction its place: the next link of the connection's chain, or the first
//!    link of a new one. When the chain is new, and about once a minute after that, the newest links of other chains are looked up.
//! 2. Each row gets a keyed tag over all its columns, its place among them.
//! 3. With the commit one link is inserted. Its digest covers the link before it, the ids and tags of the rows, and the links of other
//!    chains that were seen: those just looked up, and the one that this process committed last.
//! 4. After the commit the link is what the next one continues. Where the outcome is not known, connection and chain are given up.
//!
//! So a link vouches for everything that came before it, in its own chain and in others, and whoever wants to take something away
//! must take away all that was written later, too (`proof.rs`).

use curfew_protocol::{AuditChainId, AuditId, Digest, Timestamp};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use crate::AnyConnection;
use crate::audit::link::{LinkFacts, LinkName, LinkPlace, RowFacts, hex};
use crate::context::Shared;
use crate::db::Db;
use crate::error::StoreError;
use crate::keys::{KeyId, ServerKeys};
use crate::on;
use crate::schema::{audit, audit_links};

/// Seconds after which the links of other chains are looked up again.
const LOOK_AGAIN: i64 = 60;
/// How many of the youngest chains are looked up; the chain of the newest row comes on top.
const YOUNGEST: usize = 8;

/// A connection that writes, and its chain.
pub(crate) struct Writing {
    pub(crate) connection: AnyConnection,
    pub(crate) trail: Trail,
}

impl Writing {
    pub(crate) fn new(connection: AnyConnection) -> Self {
        Self {
            connection,
            trail: Trail::default(),
        }
    }

    /// Begins a transaction by that statement. What an earlier one left open in the trail never happened.
    pub(crate) fn begin(&mut self, statement: &str) -> Result<(), StoreError> {
        self.trail.batch = None;
        Ok(self.connection.batch(statement)?)
    }

    /// Seals the audit rows of the transaction and commits. After an error the connection must not be used again.
    pub(crate) fn commit(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let link = self.trail.seal(shared);
        // A link that cannot be written refuses the transaction, and one that was planted in our place is no unique rule of a caller.
        commit(&mut self.connection, link.as_ref()).map_err(StoreError::Commit)?;
        self.trail.committed(shared);
        Ok(())
    }
}

/// Where a connection's chain stands, and what the open transaction adds to it.
#[derive(Default)]
pub(crate) struct Trail {
    chain: Option<Chain>,
    batch: Option<Batch>,
}

/// As far as it is committed.
struct Chain {
    newest: LinkName,
    looked_at: Timestamp,
    /// What was found then; it need not be named twice.
    found: Vec<LinkName>,
}

struct Batch {
    place: LinkPlace,
    row_tags: Vec<u8>,
    /// What was found when the transaction looked for other chains.
    looked: Option<(Timestamp, Vec<LinkName>)>,
    sealed: Option<LinkName>,
}

/// A link to insert.
struct SealedLink {
    name: LinkName,
    key_id: KeyId,
    created_at: Timestamp,
    row_tags: Vec<u8>,
    seen_links: Vec<u8>,
}

/// Inserts the link and commits.
fn commit(
    connection: &mut AnyConnection,
    link: Option<&SealedLink>,
) -> Result<(), diesel::result::Error> {
    match (connection, link) {
        (connection, None) => connection.batch("COMMIT"),
        (AnyConnection::Sqlite(c), Some(link)) => {
            let LinkPlace { chain_id, sequence } = link.name.place;
            diesel::insert_into(audit_links::table)
                .values((
                    audit_links::chain_id.eq(Db(chain_id)),
                    audit_links::sequence.eq(sequence),
                    audit_links::key_id.eq(link.key_id),
                    audit_links::created_at.eq(Db(link.created_at)),
                    audit_links::row_tags.eq(&link.row_tags),
                    audit_links::seen_links.eq(&link.seen_links),
                    audit_links::digest.eq(Db(link.name.digest)),
                ))
                .execute(c)?;
            c.batch_execute("COMMIT")
        }
        // One trip to the database for both. Everything in the text is a number or hexadecimal digits of ours; where the first
        // statement fails, the second is not run.
        (AnyConnection::Postgres(c), Some(link)) => {
            let LinkPlace { chain_id, sequence } = link.name.place;
            c.batch_execute(&format!(
                "INSERT INTO audit_links (chain_id, sequence, key_id, created_at, row_tags, seen_links, digest) \
                 VALUES ('\\x{}', {sequence}, {}, {}, '\\x{}', '\\x{}', '\\x{}'); COMMIT",
                hex(chain_id.as_bytes()),
                link.key_id,
                link.created_at.seconds(),
                hex(&link.row_tags),
                hex(&link.seen_links),
                hex(link.name.digest.as_bytes()),
            ))
        }
    }
}

/// Stands for the rows written so far in a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Trail {
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.batch.as_ref().map_or(0, |batch| batch.row_tags.len()))
    }

    /// Forgets the rows that a savepoint took back.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        if let Some(batch) = &mut self.batch {
            batch.row_tags.truncate(mark.0);
        }
    }

    /// The link that the rows of this transaction belong to. The first call may look for other chains.
    pub(crate) fn place(
        &mut self,
        connection: &mut AnyConnection,
        shared: &Shared,
        (now, millis): (Timestamp, u64),
    ) -> Result<LinkPlace, StoreError> {
        if let Some(batch) = &self.batch {
            return Ok(batch.place);
        }
        let (place, due) = match &self.chain {
            Some(chain) => (
                chain.newest.place.next(),
                now.since(chain.looked_at).seconds() >= LOOK_AGAIN,
            ),
            None => {
                let chain_id = AuditChainId::ordered(millis, shared.entropy.as_ref());
                (LinkPlace::first(chain_id), true)
            }
        };
        let looked = if due {
            Some((now, newest_links(connection)?))
        } else {
            None
        };
        self.batch = Some(Batch {
            place,
            row_tags: Vec::new(),
            looked,
            sealed: None,
        });
        Ok(place)
    }

    /// A row that was inserted.
    pub(crate) fn add(&mut self, keys: &ServerKeys, row: &RowFacts<'_>) {
        let tag = row.tag(keys, keys.current()).unwrap_or_default();
        if let Some(batch) = &mut self.batch {
            batch.row_tags.extend_from_slice(row.id);
            batch.row_tags.extend_from_slice(&tag);
        }
    }

    /// The link over the rows of the transaction, if it wrote any.
    fn seal(&mut self, shared: &Shared) -> Option<SealedLink> {
        let batch = self.batch.as_mut()?;
        if batch.row_tags.is_empty() {
            return None;
        }
        let seen_links = seen(batch, self.chain.as_ref(), shared);
        let key_id = shared.keys.current();
        let created_at = shared.clock.now();
        let facts = LinkFacts {
            place: batch.place,
            created_at: created_at.seconds(),
            row_tags: &batch.row_tags,
            seen_links: &seen_links,
        };
        let before = self.chain.as_ref().map(|chain| chain.newest.digest);
        let name = LinkName {
            place: batch.place,
            digest: facts.digest(&shared.keys, key_id, before.as_ref())?,
        };
        batch.sealed = Some(name);
        Some(SealedLink {
            name,
            key_id,
            created_at,
            row_tags: std::mem::take(&mut batch.row_tags),
            seen_links,
        })
    }

    fn committed(&mut self, shared: &Shared) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let Some(newest) = batch.sealed else { return };
        let before = self
            .chain
            .take()
            .map(|chain| (chain.looked_at, chain.found));
        let looked = batch.looked.or(before);
        let (looked_at, found) =
            looked.unwrap_or_else(|| (Timestamp::from_seconds(i64::MIN), Vec::new()));
        self.chain = Some(Chain {
            newest,
            looked_at,
            found,
        });
        if let Ok(mut shared) = shared.newest_link.lock() {
            *shared = Some(newest);
        }
    }
}

/// The names of the links of other chains that a link is to vouch for.
fn seen(batch: &Batch, chain: Option<&Chain>, shared: &Shared) -> Vec<u8> {
    let before = chain.map_or(&[][..], |chain| &chain.found);
    let found = batch.looked.iter().flat_map(|(_, found)| found);
    let mut names: Vec<LinkName> = found
        .filter(|name| !before.iter().any(|old| old.place == name.place))
        .copied()
        .collect();
    let newest = shared.newest_link.lock().ok().and_then(|newest| *newest);
    names.extend(newest.filter(|newest| names.iter().all(|name| name.place != newest.place)));
    names.retain(|name| name.place.chain_id != batch.place.chain_id);
    names.into_iter().flat_map(LinkName::to_bytes).collect()
}

/// The last links of the youngest chains, and of the chain that the newest row belongs to. Whatever a transaction sees of other
/// chains is committed.
fn newest_links(connection: &mut AnyConnection) -> Result<Vec<LinkName>, StoreError> {
    const END: [u8; 16] = [u8::MAX; 16];
    let mut found: Vec<LinkName> = Vec::with_capacity(YOUNGEST + 1);
    let mut below = AuditChainId::from_bytes(END);
    while found.len() < YOUNGEST
        && let Some(name) = last_link_below(connection, below)?
    {
        below = name.place.chain_id;
        found.push(name);
    }
    let newest: Option<Db<AuditChainId>> = on!(&mut *connection, c => audit::table
        .filter(audit::id.le(Db(AuditId::from_bytes(END))))
        .order(audit::id.desc())
        .select(audit::chain_id)
        .first(c)
        .optional()?);
    if let Some(Db(chain_id)) = newest
        && found.iter().all(|name| name.place.chain_id != chain_id)
    {
        found.extend(last_link(connection, chain_id)?);
    }
    Ok(found)
}

pub(super) type NameRow = (Db<AuditChainId>, i64, Db<Digest>);

pub(super) fn link_name((chain_id, sequence, digest): NameRow) -> LinkName {
    LinkName {
        place: LinkPlace {
            chain_id: chain_id.0,
            sequence,
        },
        digest: digest.0,
    }
}

/// The last link of the youngest chain that is older than `below`.
fn last_link_below(
    connection: &mut AnyConnection,
    below: AuditChainId,
) -> Result<Option<LinkName>, StoreError> {
    let row: Option<NameRow> = on!(connection, c => audit_links::table
        .filter(audit_links::chain_id.lt(Db(below)))
        .order((audit_links::chain_id.desc(), audit_links::sequence.desc()))
        .select((audit_links::chain_id, audit_links::sequence, audit_links::digest))
        .first(c)
        .optional()?);
    Ok(row.map(link_name))
}

/// The last link of a chain.
pub(super) fn last_link(
    connection: &mut AnyConnection,
    chain_id: AuditChainId,
) -> Result<Option<LinkName>, StoreError> {
    let row: Option<NameRow> = on!(connection, c => audit_links::table
        .filter(audit_links::chain_id.eq(Db(chain_id)))
        .order(audit_links::sequence.desc())
        .select((audit_links::chain_id, audit_links::sequence, audit_links::digest))
        .first(c)
        .optional()?);
    Ok(row.map(link_name))
}
