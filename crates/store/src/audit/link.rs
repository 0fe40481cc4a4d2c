//! What rows and links prove, as bytes. Nothing here knows the database.
//!
//! Both are authenticated under one server key made for this alone. A row's tag covers every column; a link's digest covers its own
//! columns and the digest before it. Every part carries its length, so no two rows have one encoding.

use std::fmt;

use curfew_protocol::{AuditChainId, Digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::keys::{KeyId, MacPurpose, ServerKeys};

/// The id of a row, and half of a keyed digest over it, as a link holds them.
const ID: usize = 16;
pub(crate) const ROW: usize = 32;
/// Chain, sequence and digest, as one link names another.
pub(crate) const NAME: usize = 56;

pub(crate) type Tag = [u8; ROW - ID];

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkPlace {
    pub chain_id: AuditChainId,
    /// The first link of a chain has 1.
    pub sequence: i64,
}

impl LinkPlace {
    pub(crate) const fn first(chain_id: AuditChainId) -> Self {
        Self {
            chain_id,
            sequence: 1,
        }
    }

    pub(crate) const fn next(self) -> Self {
        Self {
            sequence: self.sequence.saturating_add(1),
            ..self
        }
    }
}

impl fmt::Display for LinkPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of chain {}", self.sequence, self.chain_id)
    }
}

/// A link and its digest, which vouches for all that it was made over.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LinkName {
    #[serde(flatten)]
    pub place: LinkPlace,
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub digest: Digest,
}

impl LinkName {
    pub(crate) fn to_bytes(self) -> [u8; NAME] {
        let mut bytes = [0u8; NAME];
        bytes[..16].copy_from_slice(self.place.chain_id.as_bytes());
        bytes[16..24].copy_from_slice(&self.place.sequence.to_be_bytes());
        bytes[24..].copy_from_slice(self.digest.as_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; NAME]) -> Self {
        let (mut chain_id, mut sequence, mut digest) = ([0u8; 16], [0u8; 8], [0u8; 32]);
        chain_id.copy_from_slice(&bytes[..16]);
        sequence.copy_from_slice(&bytes[16..24]);
        digest.copy_from_slice(&bytes[24..]);
        Self {
            place: LinkPlace {
                chain_id: AuditChainId::from_bytes(chain_id),
                sequence: i64::from_be_bytes(sequence),
            },
            digest: Digest::from_bytes(digest),
        }
    }
}

fn to_hex<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(digest.as_bytes()))
}

/// Hexadecimal digits, two a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(from)?;
    let mut bytes = [0u8; 32];
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (position, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * position..2 * position + 2).unwrap_or_default();
        match u8::from_str_radix(digits, 16) {
            Ok(value) if is_hex => *byte = value,
            _ => {
                return Err(serde::de::Error::custom(
                    "a digest is 64 hexadecimal digits",
                ));
            }
        }
    }
    Ok(Digest::from_bytes(bytes))
}

/// A link without its digest.
#[derive(Debug)]
pub(crate) struct LinkFacts<'a> {
    pub(crate) place: LinkPlace,
    pub(crate) created_at: i64,
    pub(crate) row_tags: &'a [u8],
    pub(crate) seen_links: &'a [u8],
}

impl LinkFacts<'_> {
    /// The digest under that key, continuing `before`. `None` when the key is not at hand.
    pub(crate) fn digest(
        &self,
        keys: &ServerKeys,
        key_id: KeyId,
        before: Option<&Digest>,
    ) -> Option<Digest> {
        let before = before.map_or(&[][..], |digest| digest.as_bytes());
        keys.mac_under(
            key_id,
            MacPurpose::AuditTrail,
            &[
                b"link",
                before,
                self.place.chain_id.as_bytes(),
                &self.place.sequence.to_be_bytes(),
                &key_id.to_be_bytes(),
                &self.created_at.to_be_bytes(),
                self.row_tags,
                self.seen_links,
            ],
        )
    }
}

/// A row of the audit trail: every column that the table has.
#[derive(Debug)]
pub(crate) struct RowFacts<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) place: LinkPlace,
    pub(crate) at: i64,
    pub(crate) event: i64,
    pub(crate) outcome: i64,
    pub(crate) authenticated_by: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) ids: RowIds<'a>,
    pub(crate) texts: RowTexts<'a>,
}

#[derive(Debug)]
pub(crate) struct RowIds<'a> {
    pub(crate) tenant: Option<&'a [u8]>,
    pub(crate) user: Option<&'a [u8]>,
    pub(crate) client: Option<&'a [u8]>,
    pub(crate) node: Option<&'a [u8]>,
    pub(crate) token: Option<&'a [u8]>,
    pub(crate) credential: Option<&'a [u8]>,
    pub(crate) request: Option<&'a [u8]>,
}

#[derive(Debug)]
pub(crate) struct RowTexts<'a> {
    pub(crate) scopes: Option<&'a str>,
    pub(crate) ip: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) detail: Option<&'a str>,
}

impl RowFacts<'_> {
    /// The tag under that key. `None` when the key is not at hand.
    pub(crate) fn tag(&self, keys: &ServerKeys, key_id: KeyId) -> Option<Tag> {
        let digest = keys.mac_under(key_id, MacPurpose::AuditTrail, &[b"row", &self.encode()])?;
        let mut tag = Tag::default();
        tag.copy_from_slice(&digest.as_bytes()[..ROW - ID]);
        Some(tag)
    }

    /// Columns by number, what is null left out: a column that is added some day does not change the tags of older rows.
    fn encode(&self) -> Vec<u8> {
        let mut columns = Columns(Vec::with_capacity(384));
        columns.bytes(1, Some(self.id));
        columns.bytes(2, Some(self.place.chain_id.as_bytes()));
        columns.number(3, Some(self.place.sequence));
        columns.number(4, Some(self.at));
        columns.number(5, Some(self.event));
        columns.number(6, Some(self.outcome));
        columns.number(7, Some(self.authenticated_by));
        columns.number(8, self.expires_at);
        columns.bytes(9, self.ids.tenant);
        columns.bytes(10, self.ids.user);
        columns.bytes(11, self.ids.client);
        columns.bytes(12, self.ids.node);
        columns.bytes(13, self.ids.token);
        columns.bytes(14, self.ids.credential);
        columns.bytes(15, self.ids.request);
        columns.bytes(16, self.texts.scopes.map(str::as_bytes));
        columns.bytes(17, self.texts.ip.map(str::as_bytes));
        columns.bytes(18, self.texts.user_agent.map(str::as_bytes));
        columns.bytes(19, self.texts.detail.map(str::as_bytes));
        columns.0
    }
}

struct Columns(Vec<u8>);

impl Columns {
    fn bytes(&mut self, column: u8, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.0.push(column);
            // Longer than four bytes can say is longer than a column can be.
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            self.0.extend_from_slice(&length.to_be_bytes());
            self.0.extend_from_slice(value);
        }
    }

    fn number(&mut self, column: u8, value: Option<i64>) {
        let bytes = value.map(i64::to_be_bytes);
        self.bytes(column, bytes.as_ref().map(<[u8; 8]>::as_slice));
    }
}
