//! Secrets: the plaintext exists only between its making and its delivery, everything kept is a keyed digest.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A source of random bytes fit for keys. In production the operating system's.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// 256 secret bits. Neither shown, compared nor serialised; wiped when dropped.
#[derive(Clone)]
pub struct SecretBytes([u8; 32]);

impl SecretBytes {
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves, for the keyed digest and for the wire.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The keyed digest of a secret: all that a database holds of it.
#[derive(Clone, Copy, Debug)]
pub struct Digest([u8; 32]);

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The one comparison of digests, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
