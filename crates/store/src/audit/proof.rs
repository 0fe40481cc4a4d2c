//! Proves the audit trail: that no row and no link was altered, put in, or taken away.
//!
//! 1. All links, chain by chain: each continues the one before it, each is made under our key, and every link that it names exists with
//!    the digest that it had then. Each row that it names is there, with the tag that it had then.
//! 2. All rows, in their order: each is named by the link that it says it belongs to.
//!
//! Both go page by page and need no rest from the writers: what is committed meanwhile only adds to it. What cannot be seen from
//! the database alone is that its end was cut off, in all chains at once; for that, compare with heads that were kept elsewhere.

use std::collections::{HashMap, HashSet};

use curfew_protocol::{AuditChainId, AuditId, Digest};
use serde::Serialize;

use crate::Store;
use crate::audit::link::{LinkFacts, LinkName, LinkPlace, NAME, ROW};
use crate::audit::stored::{RowPlace, StoredLink};
use crate::error::StoreError;
use crate::keys::{KeyId, ServerKeys};

pub use crate::audit::finding::TrailFinding;

/// Links and rows of one page.
const PAGE: usize = 500;

/// What is heard while a trail is proved.
#[derive(Clone, Copy, Debug)]
pub enum TrailEvent<'a> {
    Finding(&'a TrailFinding),
    /// So many links and rows were looked at since the last time.
    Progress(u64),
}

/// What was proved.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TrailProof {
    pub chains: u64,
    pub links: u64,
    pub rows: u64,
    #[serde(rename = "finding_count")]
    pub findings: u64,
    /// The last links of the chains whose end no other chain has seen. They vouch for everything else: kept elsewhere, they show
    /// later whether the end of the trail was cut off.
    pub heads: Vec<LinkName>,
}

impl Store {
    /// Proves the whole trail, and that it still holds `expected`.
    pub fn audit_prove(
        &self,
        expected: &[LinkName],
        watch: &mut dyn FnMut(TrailEvent<'_>),
    ) -> Result<TrailProof, StoreError> {
        let mut prover = Prover {
            store: self,
            watch,
            proof: TrailProof::default(),
            walk: None,
            heads: HashMap::new(),
            seen_ahead: HashMap::new(),
            missed: HashSet::new(),
        };
        prover.links()?;
        for name in expected {
            prover.named(name, None)?;
        }
        prover.rows()?;
        let mut heads: Vec<LinkName> = prover.heads.into_values().collect();
        heads.sort_unstable_by_key(|name| *name.place.chain_id.as_bytes());
        Ok(TrailProof {
            heads,
            ..prover.proof
        })
    }

    /// How many links and rows there are to look at.
    pub fn audit_size(&self) -> Result<u64, StoreError> {
        self.read_blocking(|read| read.audit_size())
    }
}

/// The chain that is being walked.
struct Walk {
    last: LinkName,
    /// Set when the last link was altered: the digest that it should have. The link after it may continue that one.
    should_be: Option<Digest>,
}

struct Prover<'s> {
    store: &'s Store,
    watch: &'s mut dyn FnMut(TrailEvent<'_>),
    proof: TrailProof,
    walk: Option<Walk>,
    /// The ends of the chains walked so far that no other chain has seen.
    heads: HashMap<AuditChainId, LinkName>,
    /// How far the chains that are not walked yet were seen.
    seen_ahead: HashMap<AuditChainId, i64>,
    /// Chains of which it was told already that their end is missing.
    missed: HashSet<AuditChainId>,
}

impl Prover<'_> {
    fn found(&mut self, finding: TrailFinding) {
        self.proof.findings += 1;
        (self.watch)(TrailEvent::Finding(&finding));
    }

    fn keys(&self) -> &ServerKeys {
        self.store.keys()
    }

    fn links(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self
                .store
                .read_blocking(|read| read.audit_links_after(after, PAGE))?;
            for link in &page {
                self.link(link)?;
            }
            self.rows_of(&page)?;
            (self.watch)(TrailEvent::Progress(page.len() as u64));
            after = page.last().map(|link| link.place);
            if page.len() < PAGE {
                break;
            }
        }
        self.chain_ended();
        Ok(())
    }

    fn chain_ended(&mut self) {
        if let Some(walk) = self.walk.take() {
            self.proof.chains += 1;
            let LinkPlace { chain_id, sequence } = walk.last.place;
            if self
                .seen_ahead
                .remove(&chain_id)
                .is_none_or(|seen| seen < sequence)
            {
                self.heads.insert(chain_id, walk.last);
            }
        }
    }

    fn link(&mut self, link: &StoredLink) -> Result<(), StoreError> {
        self.proof.links += 1;
        let same_chain = self
            .walk
            .as_ref()
            .is_some_and(|walk| walk.last.place.chain_id == link.place.chain_id);
        if !same_chain {
            self.chain_ended();
        }
        let due = match &self.walk {
            Some(walk) => walk.last.place.next(),
            None => LinkPlace::first(link.place.chain_id),
        };
        let should_be = if link.place == due {
            self.continues(link)
        } else {
            self.found(TrailFinding::MissingLinks {
                first: due,
                last: link.place.sequence.saturating_sub(1),
            });
            None
        };
        self.walk = Some(Walk {
            last: LinkName {
                place: link.place,
                digest: link.digest,
            },
            should_be,
        });
        for name in link.seen_links.chunks_exact(NAME) {
            if let Ok(name) = name.try_into() {
                self.named(&LinkName::from_bytes(name), Some(link.place))?;
            }
        }
        Ok(())
    }

    /// Checks a link against the one before it. Answers the right digest when the link has another.
    fn continues(&mut self, link: &StoredLink) -> Option<Digest> {
        let facts = LinkFacts {
            place: link.place,
            created_at: link.created_at,
            row_tags: &link.row_tags,
            seen_links: &link.seen_links,
        };
        let key_id = KeyId::try_from(link.key_id).unwrap_or(KeyId::MIN);
        let before = match &self.walk {
            None => [None, None],
            Some(walk) => [Some(walk.last.digest), walk.should_be],
        };
        let right = facts.digest(self.keys(), key_id, before[0].as_ref());
        let Some(right) = right else {
            self.found(TrailFinding::UnknownKey {
                link: link.place,
                key_id,
            });
            return None;
        };
        if right.matches(&link.digest) {
            return None;
        }
        let continues_what_should_be = before[1].is_some_and(|before| {
            facts
                .digest(self.keys(), key_id, Some(&before))
                .is_some_and(|digest| digest.matches(&link.digest))
        });
        if continues_what_should_be {
            return None;
        }
        self.found(TrailFinding::BrokenLink { link: link.place });
        Some(right)
    }

    /// A link that another one, or somebody who kept it, has seen.
    fn named(&mut self, name: &LinkName, by: Option<LinkPlace>) -> Result<(), StoreError> {
        let LinkPlace { chain_id, sequence } = name.place;
        let (there, last) = self.store.read_blocking(|read| {
            let there = read.audit_link(name.place)?;
            let last = match there {
                Some(_) => None,
                None => read.audit_last_link(chain_id)?,
            };
            Ok((there, last))
        })?;
        match (there, last) {
            (Some(digest), _) if digest.matches(&name.digest) => {
                self.is_seen(name.place, by);
            }
            (Some(_), _) => self.found(TrailFinding::ReplacedLink {
                link: name.place,
                by,
            }),
            (None, None) => {
                if self.missed.insert(chain_id) {
                    self.found(TrailFinding::MissingChain { chain_id, by });
                }
            }
            (None, Some(last)) => {
                // A hole before the end is told when the chain itself is walked.
                if last < sequence && self.missed.insert(chain_id) {
                    self.found(TrailFinding::CutChain {
                        chain_id,
                        last,
                        seen: sequence,
                        by,
                    });
                }
            }
        }
        Ok(())
    }

    /// A chain whose end is seen by another is no head.
    fn is_seen(&mut self, seen: LinkPlace, by: Option<LinkPlace>) {
        let LinkPlace { chain_id, sequence } = seen;
        let Some(by) = by else { return };
        if chain_id > by.chain_id {
            let known = self.seen_ahead.entry(chain_id).or_insert(sequence);
            *known = sequence.max(*known);
        } else if self
            .heads
            .get(&chain_id)
            .is_some_and(|head| head.place == seen)
        {
            self.heads.remove(&chain_id);
        }
    }

    /// The rows that the links of a page name.
    fn rows_of(&mut self, page: &[StoredLink]) -> Result<(), StoreError> {
        let named: Vec<(AuditId, &[u8], &StoredLink)> = page
            .iter()
            .flat_map(|link| {
                let rows = link.row_tags.chunks_exact(ROW);
                rows.map(move |row| (id_of(row), &row[16..], link))
            })
            .collect();
        for some in named.chunks(PAGE) {
            let ids: Vec<AuditId> = some.iter().map(|(id, ..)| *id).collect();
            let rows = self
                .store
                .read_blocking(|read| read.audit_rows_stored(&ids))?;
            for (id, tag, link) in some {
                let (row, link_place) = (*id, link.place);
                let Some(stored) = rows.get(id) else {
                    self.found(TrailFinding::MissingRow {
                        row,
                        link: link_place,
                    });
                    continue;
                };
                let key_id = KeyId::try_from(link.key_id).unwrap_or(KeyId::MIN);
                let right = stored.facts().tag(self.keys(), key_id);
                // Of a key that is not at hand the link has told already.
                let as_written = right.is_none_or(|right| right.as_slice() == *tag);
                if !as_written || stored.place != link_place {
                    self.found(TrailFinding::AlteredRow {
                        row,
                        link: link_place,
                    });
                }
            }
        }
        Ok(())
    }

    /// Every row is named by its link.
    fn rows(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self
                .store
                .read_blocking(|read| read.audit_places_after(after, PAGE))?;
            for RowPlace { id, place, link } in &page {
                let named = link
                    .as_ref()
                    .is_some_and(|tags| tags.chunks_exact(ROW).any(|row| id_of(row) == *id));
                if !named {
                    self.found(TrailFinding::ForeignRow {
                        row: *id,
                        link: *place,
                    });
                }
            }
            self.proof.rows += page.len() as u64;
            (self.watch)(TrailEvent::Progress(page.len() as u64));
            after = page.last().map(|row| row.id);
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

fn id_of(row: &[u8]) -> AuditId {
    let mut id = [0u8; 16];
    id.copy_from_slice(&row[..16]);
    AuditId::from_bytes(id)
}
