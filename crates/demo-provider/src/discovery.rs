//! What a client reads before anything else: the metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2) and the keys (RFC 7517 §5).

use serde_json::json;

use crate::hooks::apply;
use crate::keys::Algorithm;
use crate::provider::Provider;
use crate::wire::Answer;

/// The scopes that mean something here.
pub(crate) const SCOPES: [&str; 3] = ["openid", "email", "profile"];

pub(crate) fn metadata(provider: &Provider) -> Answer {
    let at = |path: &str| format!("{}{path}", provider.issuer());
    let mut told = json!({
        "issuer": provider.issuer(),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "end_session_endpoint": at("/end_session"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [Algorithm::Es256.name(), Algorithm::Rs256.name()],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": SCOPES,
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "sid", "at_hash", "email", "email_verified", "name"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    apply(&provider.hooks().discovery, &mut told);
    Answer::json(200, &told)
}

pub(crate) fn keys(provider: &Provider) -> Answer {
    let public =
        [Algorithm::Es256, Algorithm::Rs256].map(|algorithm| provider.key(algorithm).jwk());
    let mut told = json!({ "keys": public });
    apply(&provider.hooks().jwks, &mut told);
    Answer::json(200, &told)
}
