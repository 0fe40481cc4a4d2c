//! What can be wrong with the audit trail, and how it is told.

use std::fmt;

use curfew_protocol::{AuditChainId, AuditId};
use serde::Serialize;

use crate::audit::link::LinkPlace;
use crate::keys::KeyId;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum TrailFinding {
    /// A column of the row is not what was written.
    AlteredRow { row: AuditId, link: LinkPlace },
    /// A link names a row that is not there.
    MissingRow { row: AuditId, link: LinkPlace },
    /// No link names the row.
    ForeignRow { row: AuditId, link: LinkPlace },
    /// The link was altered, or was not made by us.
    BrokenLink { link: LinkPlace },
    /// The link was made under a key that is not at hand, so nothing can be said of it.
    UnknownKey { link: LinkPlace, key_id: KeyId },
    /// Links in the middle or at the beginning of a chain are not there.
    MissingLinks { first: LinkPlace, last: i64 },
    /// A chain ends before a link that another one has seen.
    CutChain {
        chain_id: AuditChainId,
        last: i64,
        seen: i64,
        by: Option<LinkPlace>,
    },
    /// Nothing is there of a chain that another one has seen.
    MissingChain {
        chain_id: AuditChainId,
        by: Option<LinkPlace>,
    },
    /// The link is another than the one that was seen.
    ReplacedLink {
        link: LinkPlace,
        by: Option<LinkPlace>,
    },
}

impl fmt::Display for TrailFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seer = |by: &Option<LinkPlace>| {
            by.map_or_else(
                || "the heads kept earlier".to_owned(),
                |by| format!("link {by}"),
            )
        };
        match self {
            Self::AlteredRow { row, link } => {
                write!(
                    f,
                    "altered row: {row} is not what link {link} was made over"
                )
            }
            Self::MissingRow { row, link } => {
                write!(f, "missing row: {row}, which link {link} names")
            }
            Self::ForeignRow { row, link } => write!(
                f,
                "foreign row: {row} says it belongs to link {link}, which does not name it"
            ),
            Self::BrokenLink { link } => write!(
                f,
                "broken link: {link} was altered, or was not made with these keys"
            ),
            Self::UnknownKey { link, key_id } => write!(
                f,
                "broken link: {link} says it was made with key {key_id}, which is not at hand; put that key back to prove it"
            ),
            Self::MissingLinks { first, last } if first.sequence == *last => {
                write!(f, "missing link: {first}")
            }
            Self::MissingLinks { first, last } => {
                write!(
                    f,
                    "missing links: {} to {last} of chain {}",
                    first.sequence, first.chain_id
                )
            }
            Self::CutChain {
                chain_id,
                last,
                seen,
                by,
            } => write!(
                f,
                "missing links: chain {chain_id} ends at link {last}, but {} saw its link {seen}",
                seer(by)
            ),
            Self::MissingChain { chain_id, by } => {
                write!(f, "missing chain: {chain_id}, which {} saw", seer(by))
            }
            Self::ReplacedLink { link, by } => {
                write!(
                    f,
                    "broken link: {link} is not the one that {} saw",
                    seer(by)
                )
            }
        }
    }
}
