//! Is a token signed by the provider? `jsonwebtoken` does the arithmetic; which key and which algorithm is decided here and in the types
//! of `curfew_protocol::upstream`, and never by the token alone (RFC 8725 §3.1).

use curfew_protocol::SignatureAlgorithm;
use curfew_protocol::upstream::{CompactJws, KeyMaterial, KeySet};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::failure::SignatureProblem;

/// Verifies with the keys that the header may mean.
pub(super) fn verify(jws: &CompactJws<'_>, keys: &KeySet) -> Result<(), SignatureProblem> {
    let header = &jws.header;
    let candidates = keys.candidates(header.kid.as_deref(), header.algorithm);
    if candidates.is_empty() {
        return Err(SignatureProblem::Key);
    }
    let algorithm = algorithm(header.algorithm);
    let good = candidates
        .iter()
        .filter_map(|key| decoding_key(&key.material))
        .any(|key| {
            let message = jws.signed.as_bytes();
            jsonwebtoken::crypto::verify(jws.signature, message, &key, algorithm).unwrap_or(false)
        });
    good.then_some(()).ok_or(SignatureProblem::Signature)
}

const fn algorithm(algorithm: SignatureAlgorithm) -> Algorithm {
    match algorithm {
        SignatureAlgorithm::Rs256 => Algorithm::RS256,
        SignatureAlgorithm::Rs384 => Algorithm::RS384,
        SignatureAlgorithm::Rs512 => Algorithm::RS512,
        SignatureAlgorithm::Ps256 => Algorithm::PS256,
        SignatureAlgorithm::Ps384 => Algorithm::PS384,
        SignatureAlgorithm::Ps512 => Algorithm::PS512,
        SignatureAlgorithm::Es256 => Algorithm::ES256,
        SignatureAlgorithm::Es384 => Algorithm::ES384,
        SignatureAlgorithm::EdDsa | SignatureAlgorithm::Ed25519 => Algorithm::EdDSA,
    }
}

fn decoding_key(material: &KeyMaterial) -> Option<DecodingKey> {
    match material {
        KeyMaterial::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        KeyMaterial::P256 { x, y } | KeyMaterial::P384 { x, y } => {
            DecodingKey::from_ec_components(x, y)
        }
        KeyMaterial::Ed25519 { x } => DecodingKey::from_ed_components(x),
    }
    .ok()
}
