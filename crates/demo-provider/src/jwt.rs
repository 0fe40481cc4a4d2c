//! JWTs in compact form (RFC 7515 §7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::hooks::JwtDraft;
use crate::keys::Key;
use crate::provider::Broken;

/// Writes and signs a JWT.
pub fn compact(draft: &JwtDraft) -> Result<String, Broken> {
    let part = |text: &Option<String>, value: &Value| {
        URL_SAFE_NO_PAD.encode(text.clone().unwrap_or_else(|| value.to_string()))
    };
    let header = part(&draft.header_text, &draft.header);
    let claims = part(&draft.claims_text, &draft.claims);
    let input = format!("{header}.{claims}");
    let signature = (draft.signer)(input.as_bytes())?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The claims of a JWT that one of these keys signed.
pub(crate) fn verified_claims(token: &str, keys: &[&Key]) -> Option<Value> {
    let (input, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let (header, claims) = input.split_once('.')?;
    let decode = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let header = decode(header)?;
    let key = keys
        .iter()
        .find(|key| header["kid"] == key.id() && header["alg"] == key.algorithm().name())?;
    key.verifies(input.as_bytes(), &signature)
        .then(|| decode(claims))?
}
