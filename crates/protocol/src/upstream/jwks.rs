//! The public keys of a provider (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! A key that cannot verify a signature of ours is left out, not an error: sets hold encryption keys and kinds that came later. Left
//! out is every symmetric key, and every key with a private part, which is burnt the moment it is published. A set with a repeated
//! member at any depth, or with more than 100 keys, is refused as a whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::AnswerError;
use super::members::{MAX_ENTRIES, Members, from_bytes, required};
use crate::words::SignatureAlgorithm;

const MAX_TEXT: usize = 255;
/// RSA moduli, in bits. Shorter ones are broken, longer ones only cost time.
const MIN_MODULUS: usize = 2_048;
const MAX_MODULUS: usize = 8_192;
/// The longest spelling of a part that is decoded at all.
const MAX_PART: usize = 2_000;

/// Members that only private or symmetric keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The numbers of a public key in base64url, of the right length, without leading zeros where RFC 7518 wants none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterial {
    Rsa { n: String, e: String },
    P256 { x: String, y: String },
    P384 { x: String, y: String },
    Ed25519 { x: String },
}

/// A key that may verify signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: Option<String>,
    /// The only algorithm that the key is for, when the provider says so.
    pub algorithm: Option<SignatureAlgorithm>,
    pub material: KeyMaterial,
}

impl PublicKey {
    /// May a signature made with `algorithm` be verified with this key?
    pub fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        self.material.fits(algorithm) && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// `None` for a key that is left out.
    fn of(value: &Value) -> Option<Self> {
        let members = Members::of(value).ok()?;
        if PRIVATE.iter().any(|name| members.get(name).is_some()) || !is_for_signatures(members) {
            return None;
        }
        let material = KeyMaterial::of(members)?;
        let algorithm = match members.text("alg", MAX_TEXT).ok()? {
            Some(name) => Some(SignatureAlgorithm::parse(&name)?),
            None => None,
        };
        if algorithm.is_some_and(|algorithm| !material.fits(algorithm)) {
            return None;
        }
        Some(Self {
            kid: members.text("kid", MAX_TEXT).ok()?,
            algorithm,
            material,
        })
    }
}

/// `use` and `key_ops` (RFC 7517 §4.2 and §4.3) do not forbid it.
fn is_for_signatures(members: Members<'_>) -> bool {
    let usage = match members.get("use") {
        None => true,
        Some(usage) => usage == "sig",
    };
    let operations = match members.texts("key_ops", MAX_TEXT) {
        Ok(None) => true,
        Ok(Some(operations)) => operations.iter().any(|operation| operation == "verify"),
        Err(_) => false,
    };
    usage && operations
}

impl KeyMaterial {
    fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm::*;
        match algorithm {
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => matches!(self, Self::Rsa { .. }),
            Es256 => matches!(self, Self::P256 { .. }),
            Es384 => matches!(self, Self::P384 { .. }),
            EdDsa | Ed25519 => matches!(self, Self::Ed25519 { .. }),
        }
    }

    fn of(members: Members<'_>) -> Option<Self> {
        let curve = members.text("crv", MAX_TEXT).ok()?;
        match (members.get("kty")?.as_str()?, curve.as_deref()) {
            ("RSA", _) => rsa(members),
            ("EC", Some("P-256")) => Some(Self::P256 {
                x: exact(members, "x", 32)?,
                y: exact(members, "y", 32)?,
            }),
            ("EC", Some("P-384")) => Some(Self::P384 {
                x: exact(members, "x", 48)?,
                y: exact(members, "y", 48)?,
            }),
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519 {
                x: exact(members, "x", 32)?,
            }),
            _ => None,
        }
    }
}

/// A modulus of whole bytes between 2048 and 8192 bits, and an odd exponent from 3 that fits into 33 bits.
fn rsa(members: Members<'_>) -> Option<KeyMaterial> {
    let (n, e) = (number(members, "n")?, number(members, "e")?);
    let bits = n.len().checked_mul(8)?;
    // After the leading zeros a modulus of whole bytes begins with a one.
    let whole = n.first()? & 0x80 != 0 && n.last()? & 1 == 1;
    if !whole || !(MIN_MODULUS..=MAX_MODULUS).contains(&bits) || e.len() > 5 {
        return None;
    }
    let exponent = e
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    if exponent < 3 || exponent.is_multiple_of(2) || exponent >= 1 << 33 {
        return None;
    }
    Some(KeyMaterial::Rsa {
        n: URL_SAFE_NO_PAD.encode(n),
        e: URL_SAFE_NO_PAD.encode(e),
    })
}

/// A big-endian number, without the zeros that some providers put in front.
fn number(members: Members<'_>, name: &'static str) -> Option<Vec<u8>> {
    let bytes = bytes(members, name)?.1;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

/// A part of exactly `length` bytes.
fn exact(members: Members<'_>, name: &'static str, length: usize) -> Option<String> {
    let (text, bytes) = bytes(members, name)?;
    (bytes.len() == length).then_some(text)
}

fn bytes(members: Members<'_>, name: &'static str) -> Option<(String, Vec<u8>)> {
    let text = members.text(name, MAX_PART).ok()??;
    let bytes = URL_SAFE_NO_PAD.decode(&text).ok()?;
    Some((text, bytes))
}

/// The keys of a provider that may verify signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    pub keys: Vec<PublicKey>,
    /// How many keys were left out.
    pub left_out: usize,
}

impl KeySet {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let list = required("keys", Members::of(value)?.get("keys"))?;
        let list = list.as_array().ok_or(AnswerError::WrongType("keys"))?;
        if list.len() > MAX_ENTRIES {
            return Err(AnswerError::TooMany("keys"));
        }
        let keys: Vec<_> = list.iter().filter_map(PublicKey::of).collect();
        Ok(Self {
            left_out: list.len() - keys.len(),
            keys,
        })
    }

    /// The keys that a token with this header may have been signed with. A token that names no key is verified only when the set
    /// leaves no choice (OpenID Connect Core 1.0 §10.1).
    pub fn candidates(&self, kid: Option<&str>, algorithm: SignatureAlgorithm) -> Vec<&PublicKey> {
        let fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        match kid {
            Some(kid) => fitting
                .filter(|key| key.kid.as_deref() == Some(kid))
                .collect(),
            None => {
                let all: Vec<_> = fitting.collect();
                if all.len() == 1 { all } else { Vec::new() }
            }
        }
    }
}

#[cfg(test)]
#[path = "jwks_tests.rs"]
mod tests;
