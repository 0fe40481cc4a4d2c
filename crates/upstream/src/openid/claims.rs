//! Is a genuine token meant for us, for now, and for this login? OpenID Connect Core 1.0 §3.1.3.7, in its order.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_policy::lifetime::UPSTREAM_LEEWAY;
use curfew_protocol::upstream::{IdTokenClaims, LogoutTokenClaims};
use curfew_protocol::{SignatureAlgorithm, Timestamp};

use crate::client::Contact;
use crate::failure::ClaimProblem;

/// What an ID token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// The token that came beside it.
    pub(super) access_token: &'a str,
    /// What the ID token is signed with.
    pub(super) algorithm: SignatureAlgorithm,
    /// When a fresh sign-in was asked for, if one was.
    pub(super) fresh_since: Option<Timestamp>,
    pub(super) now: Timestamp,
}

pub(super) fn check(claims: &IdTokenClaims, expected: &Expected<'_>) -> Result<(), ClaimProblem> {
    if claims.iss != expected.issuer {
        return Err(ClaimProblem::Issuer);
    }
    check_audience(&claims.aud, expected.client_id)?;
    match claims.azp.as_deref() {
        Some(party) if party != expected.client_id => return Err(ClaimProblem::AuthorizedParty),
        None if claims.aud.len() > 1 => return Err(ClaimProblem::AuthorizedParty),
        _ => {}
    }
    let times = Times {
        exp: claims.exp,
        iat: claims.iat,
        nbf: claims.nbf,
    };
    times.check(expected.now)?;
    let nonce = claims.nonce.as_deref().unwrap_or("");
    verify_slices_are_equal(nonce.as_bytes(), expected.nonce.as_bytes())
        .map_err(|_| ClaimProblem::Nonce)?;
    if let Some(hash) = &claims.at_hash
        && *hash != access_token_hash(expected)
    {
        return Err(ClaimProblem::AccessTokenHash);
    }
    check_freshness(claims, expected)
}

fn check_audience(audience: &[String], client_id: &str) -> Result<(), ClaimProblem> {
    let named = audience.iter().any(|audience| audience == client_id);
    named.then_some(()).ok_or(ClaimProblem::Audience)
}

struct Times {
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
}

impl Times {
    fn check(&self, now: Timestamp) -> Result<(), ClaimProblem> {
        let at = Timestamp::from_seconds;
        let latest = now.after(UPSTREAM_LEEWAY);
        if now.has_reached(at(self.exp).after(UPSTREAM_LEEWAY)) {
            return Err(ClaimProblem::Expired);
        }
        if at(self.iat) > latest {
            return Err(ClaimProblem::IssuedInFuture);
        }
        if self.nbf.is_some_and(|nbf| at(nbf) > latest) {
            return Err(ClaimProblem::NotYetValid);
        }
        Ok(())
    }
}

/// The left half of the access token's digest (Core §3.1.3.6). The digest is that of the signature; for Ed25519 it is SHA-512.
fn access_token_hash(expected: &Expected<'_>) -> String {
    let algorithm: &Algorithm = match expected.algorithm {
        SignatureAlgorithm::Rs256 | SignatureAlgorithm::Ps256 | SignatureAlgorithm::Es256 => {
            &SHA256
        }
        SignatureAlgorithm::Rs384 | SignatureAlgorithm::Ps384 | SignatureAlgorithm::Es384 => {
            &SHA384
        }
        SignatureAlgorithm::Rs512
        | SignatureAlgorithm::Ps512
        | SignatureAlgorithm::EdDsa
        | SignatureAlgorithm::Ed25519 => &SHA512,
    };
    let digest = digest(algorithm, expected.access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..digest.as_ref().len() / 2])
}

/// A provider that does not say when the person signed in has not shown that it was just now (Core §2, `auth_time`).
fn check_freshness(claims: &IdTokenClaims, expected: &Expected<'_>) -> Result<(), ClaimProblem> {
    let Some(since) = expected.fresh_since else {
        return Ok(());
    };
    let shown = claims.auth_time.map(Timestamp::from_seconds);
    let fresh = shown.is_some_and(|time| {
        time.after(UPSTREAM_LEEWAY) >= since && time <= expected.now.after(UPSTREAM_LEEWAY)
    });
    fresh.then_some(()).ok_or(ClaimProblem::AuthTime)
}

/// OpenID Connect Back-Channel Logout 1.0 §2.6, steps 3 and 4 of which ask the same of a logout token.
pub(super) fn check_logout(
    claims: &LogoutTokenClaims,
    contact: Contact<'_>,
) -> Result<(), ClaimProblem> {
    if claims.iss != contact.provider.issuer {
        return Err(ClaimProblem::Issuer);
    }
    check_audience(&claims.aud, &contact.provider.client_id)?;
    let times = Times {
        exp: claims.exp,
        iat: claims.iat,
        nbf: claims.nbf,
    };
    times.check(contact.now)
}
