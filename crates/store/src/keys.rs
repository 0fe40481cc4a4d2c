//! The server keys, and everything that is computed with them.
//!
//! One master key lives outside the database. From it comes one key for each kind of secret; the database holds only
//! HMAC-SHA-256 digests under those keys, so that somebody who can merely write the database cannot plant a credential.
//! What must be recovered is sealed (AES-256-GCM). Several master keys may be present; the one with the highest id is used
//! for new digests, and a row says which one it was made with.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use curfew_protocol::{Digest, Entropy, NodeId, RefreshToken, SecretBytes, TokenKind};
use zeroize::Zeroizing;

use crate::error::StoreError;

/// Names a master key in rows.
pub type KeyId = i16;

/// A digest and the key it was made with, as a row holds them.
#[derive(Clone, Copy, Debug)]
pub struct KeyedDigest {
    pub key_id: KeyId,
    pub digest: Digest,
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // The operating system's generator does not fail once the system is up; going on without it would be worse than stopping.
        #[expect(
            clippy::expect_used,
            reason = "there is no safe answer without random numbers"
        )]
        getrandom::fill(bytes).expect("the operating system gives random numbers");
    }
}

/// What a message authentication code is for. A code made for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacPurpose {
    /// The synchroniser token of a form.
    Csrf,
    /// The tag of a refresh token.
    RefreshTag,
    /// Proves that a database belongs to these keys.
    KeyCheck,
    /// Binds a login to the authorization request that asked for it.
    Reauthentication,
    /// The digest of a user code, by which it is found.
    UserCode,
    /// Proves rows and links of the audit trail.
    AuditTrail,
    /// Knows a browser again that went to an upstream provider.
    UpstreamBrowser,
    /// Knows a logout token of an upstream provider again.
    UpstreamLogout,
    /// Tells one upstream identity from another without naming it.
    UpstreamSubject,
}

impl MacPurpose {
    const ALL: [Self; 9] = [
        Self::Csrf,
        Self::RefreshTag,
        Self::KeyCheck,
        Self::Reauthentication,
        Self::UserCode,
        Self::AuditTrail,
        Self::UpstreamBrowser,
        Self::UpstreamLogout,
        Self::UpstreamSubject,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Csrf => "csrf",
            Self::RefreshTag => "refresh tag",
            Self::KeyCheck => "key check",
            Self::Reauthentication => "reauthentication",
            Self::UserCode => "user code",
            Self::AuditTrail => "audit trail",
            Self::UpstreamBrowser => "upstream browser",
            Self::UpstreamLogout => "upstream logout",
            Self::UpstreamSubject => "upstream subject",
        }
    }
}

struct Derived {
    digests: Vec<(TokenKind, hmac::Key)>,
    macs: Vec<(MacPurpose, hmac::Key)>,
    seal: RandomizedNonceKey,
}

impl Derived {
    fn from_master(master: &[u8; 32]) -> Result<Self, StoreError> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master);
        let derive = |label: String| hmac::sign(&master, label.as_bytes());
        let key = |label: String| hmac::Key::new(hmac::HMAC_SHA256, derive(label).as_ref());
        Ok(Self {
            digests: TokenKind::ALL
                .map(|kind| (kind, key(format!("curfew digest {}", kind.prefix()))))
                .into(),
            macs: MacPurpose::ALL
                .map(|purpose| (purpose, key(format!("curfew mac {}", purpose.label()))))
                .into(),
            seal: RandomizedNonceKey::new(&AES_256_GCM, derive("curfew seal".to_owned()).as_ref())
                .map_err(|_| StoreError::Sealed)?,
        })
    }

    fn digest(&self, kind: TokenKind, handle: &[u8; 16], secret: &SecretBytes) -> Digest {
        let key = self
            .digests
            .iter()
            .find(|(own, _)| *own == kind)
            .map(|(_, key)| key);
        finish(key.map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(handle);
            context.update(secret.expose());
            context.sign()
        }))
    }

    fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> Digest {
        let key = self
            .macs
            .iter()
            .find(|(own, _)| *own == purpose)
            .map(|(_, key)| key);
        finish(key.map(|key| {
            let mut context = hmac::Context::with_key(key);
            for part in parts {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
            context.sign()
        }))
    }
}

fn finish(tag: Option<hmac::Tag>) -> Digest {
    let mut bytes = [0u8; 32];
    if let Some(tag) = tag {
        bytes.copy_from_slice(tag.as_ref());
    }
    Digest::from_bytes(bytes)
}

/// All server keys.
pub struct ServerKeys {
    current: KeyId,
    derived: BTreeMap<KeyId, Derived>,
}

impl std::fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKeys")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl ServerKeys {
    /// From master keys by id. `None` when there is not one.
    pub fn new(masters: &BTreeMap<KeyId, Zeroizing<[u8; 32]>>) -> Result<Option<Self>, StoreError> {
        let Some(current) = masters.keys().next_back().copied() else {
            return Ok(None);
        };
        let derived = masters
            .iter()
            .map(|(id, master)| Ok((*id, Derived::from_master(master)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Some(Self { current, derived }))
    }

    pub const fn current(&self) -> KeyId {
        self.current
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.derived.keys().copied()
    }

    /// The digest to store for a fresh secret. `handle` is the identifier it belongs to, so that a digest
    /// copied to another row proves nothing there.
    pub fn digest(&self, kind: TokenKind, handle: &[u8; 16], secret: &SecretBytes) -> KeyedDigest {
        KeyedDigest {
            key_id: self.current,
            digest: self.derived[&self.current].digest(kind, handle, secret),
        }
    }

    /// Does `secret` belong to the `stored` digest?
    pub fn verify(
        &self,
        kind: TokenKind,
        handle: &[u8; 16],
        secret: &SecretBytes,
        stored: KeyedDigest,
    ) -> bool {
        self.derived
            .get(&stored.key_id)
            .is_some_and(|keys| keys.digest(kind, handle, secret).matches(&stored.digest))
    }

    /// A message authentication code under the current key.
    pub fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> Digest {
        self.derived[&self.current].mac(purpose, parts)
    }

    /// The same, with the key that a row must name.
    pub(crate) fn keyed_mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> KeyedDigest {
        KeyedDigest {
            key_id: self.current,
            digest: self.mac(purpose, parts),
        }
    }

    /// Under every key at hand, for what is found by its code.
    pub(crate) fn macs(&self, purpose: MacPurpose, parts: &[&[u8]]) -> Vec<KeyedDigest> {
        let macs = self.derived.iter().map(|(key_id, keys)| KeyedDigest {
            key_id: *key_id,
            digest: keys.mac(purpose, parts),
        });
        macs.collect()
    }

    /// The same under the key of that id. `None` when it is not at hand.
    pub(crate) fn mac_under(
        &self,
        key_id: KeyId,
        purpose: MacPurpose,
        parts: &[&[u8]],
    ) -> Option<Digest> {
        self.derived
            .get(&key_id)
            .map(|keys| keys.mac(purpose, parts))
    }

    /// Is `mac` one that we made, under any key at hand?
    pub fn verify_mac(&self, purpose: MacPurpose, parts: &[&[u8]], mac: &Digest) -> bool {
        self.derived
            .values()
            .any(|keys| keys.mac(purpose, parts).matches(mac))
    }

    pub(crate) fn key_check(&self, id: KeyId) -> Option<Digest> {
        self.derived
            .get(&id)
            .map(|keys| keys.mac(MacPurpose::KeyCheck, &[]))
    }

    /// A refresh token of `generation`, with its tag.
    pub fn refresh_token(
        &self,
        family: NodeId,
        generation: u64,
        secret: SecretBytes,
    ) -> RefreshToken {
        let digest = self.mac(
            MacPurpose::RefreshTag,
            &[family.as_bytes(), &generation.to_be_bytes()],
        );
        RefreshToken {
            family,
            generation,
            secret,
            tag: short(&digest),
        }
    }

    /// Was this generation of this family really issued by us?
    pub fn is_refresh_tag(&self, family: NodeId, generation: u64, tag: [u8; 8]) -> bool {
        self.derived.values().any(|keys| {
            let parts: [&[u8]; 2] = [family.as_bytes(), &generation.to_be_bytes()];
            let expected = short(&keys.mac(MacPurpose::RefreshTag, &parts));
            subtle::ConstantTimeEq::ct_eq(&expected[..], &tag[..]).into()
        })
    }

    /// Seals what must be read again. `context` is bound to it.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = plaintext.to_vec();
        let nonce = self.derived[&self.current]
            .seal
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| StoreError::Sealed)?;
        let mut out = self.current.to_be_bytes().to_vec();
        out.extend_from_slice(nonce.as_ref());
        out.append(&mut sealed);
        Ok(out)
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (key_id, rest) = sealed.split_first_chunk::<2>().ok_or(StoreError::Sealed)?;
        let (nonce, body) = rest.split_first_chunk::<12>().ok_or(StoreError::Sealed)?;
        let keys = self
            .derived
            .get(&KeyId::from_be_bytes(*key_id))
            .ok_or(StoreError::Sealed)?;
        let mut body = body.to_vec();
        let plain = keys
            .seal
            .open_in_place(Nonce::from(nonce), Aad::from(context), &mut body)
            .map_err(|_| StoreError::Sealed)?;
        Ok(plain.to_vec())
    }
}

fn short(digest: &Digest) -> [u8; 8] {
    let mut out = [0u8; 8];
    out.copy_from_slice(&digest.as_bytes()[..8]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(ids: &[KeyId]) -> ServerKeys {
        let masters = ids
            .iter()
            .map(|id| (*id, Zeroizing::new([*id as u8; 32])))
            .collect();
        ServerKeys::new(&masters).unwrap().unwrap()
    }

    #[test]
    fn a_digest_holds_for_its_own_kind_and_row_only() {
        let keys = keys(&[1]);
        let secret = SecretBytes::from_bytes([9; 32]);
        let stored = keys.digest(TokenKind::AccessToken, &[1; 16], &secret);
        assert!(keys.verify(TokenKind::AccessToken, &[1; 16], &secret, stored));
        assert!(!keys.verify(TokenKind::Session, &[1; 16], &secret, stored));
        assert!(!keys.verify(TokenKind::AccessToken, &[2; 16], &secret, stored));
    }

    #[test]
    fn d14_a_rotated_key_still_verifies_until_it_is_removed() {
        let secret = SecretBytes::from_bytes([9; 32]);
        let stored = keys(&[1]).digest(TokenKind::Session, &[1; 16], &secret);
        assert!(keys(&[1, 2]).verify(TokenKind::Session, &[1; 16], &secret, stored));
        assert!(!keys(&[2]).verify(TokenKind::Session, &[1; 16], &secret, stored));
    }

    #[test]
    fn what_is_sealed_opens_with_its_context_only() {
        let keys = keys(&[1]);
        let sealed = keys.seal(b"mail", b"a link").unwrap();
        assert_eq!(keys.open(b"mail", &sealed).unwrap(), b"a link");
        assert!(keys.open(b"other", &sealed).is_err());
        assert!(keys.open(b"mail", &sealed[..sealed.len() - 1]).is_err());
    }
}
