//! The provider's keys: one for ES256 and one for RS256, made at its start.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::provider::Broken;

/// What a token is signed with (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Rs256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// A key pair with its id.
#[derive(Debug)]
pub struct Key {
    id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Key {
    /// Makes a key that nobody has.
    pub fn generate(id: &str, algorithm: Algorithm) -> Result<Self, Broken> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            Algorithm::Rs256 => Pair::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048)?)),
        };
        Ok(Self {
            id: id.to_owned(),
            pair,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The public half as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (id, algorithm) = (&self.id, self.algorithm().name());
        match &self.pair {
            Pair::Es256(pair) => {
                // An uncompressed point (SEC 1 §2.3.3): 0x04, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                json!({"kty": "EC", "use": "sig", "alg": algorithm, "kid": id, "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Pair::Rs256(pair) => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero();
                let e = public.exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "use": "sig", "alg": algorithm, "kid": id, "n": text(n), "e": text(e)})
            }
        }
    }

    /// The public half as bytes: the point, or the DER of an `RSAPublicKey` (RFC 8017 §A.1.1).
    pub fn public_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Es256(pair) => pair.public_key().as_ref(),
            Pair::Rs256(pair) => pair.public_key().as_ref(),
        }
    }

    /// A signature as a JWS carries it.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Broken> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = self.public_bytes();
        let verified = match self.pair {
            Pair::Es256(_) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(message, signature)
            }
            Pair::Rs256(_) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
                .verify(message, signature),
        };
        verified.is_ok()
    }
}
