//! The token endpoint (OpenID Connect Core 1.0 §3.1.3).
//!
//! 1. The client proves who it is.
//! 2. The code is taken away: it is good for one try, the first.
//! 3. It was given to this client for this redirect URI, and the verifier belongs to its challenge (RFC 7636 §4.6).
//! 4. An access token for `userinfo`, and, where `openid` was asked for, an ID token.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client_auth::authenticate;
use crate::config::{Client, Person};
use crate::hooks::{JwtDraft, apply};
use crate::jwt;
use crate::provider::{Broken, Provider};
use crate::state::{self, AccessToken, Code};
use crate::wire::{Answer, Parameters, Received};

/// Seconds in which an ID token is good.
const ID_TOKEN: i64 = 300;

/// `POST /token`
pub(crate) fn exchange(provider: &Provider, received: &Received) -> Result<Answer, Broken> {
    let form = received.form();
    if form.repeated().is_some() {
        return Ok(refusal(
            "invalid_request",
            "a parameter comes more than once",
        ));
    }
    let client = match authenticate(provider, received, &form) {
        Ok(client) => client,
        Err(answer) => return Ok(answer),
    };
    if form.get("grant_type") != Some("authorization_code") {
        return Ok(refusal(
            "unsupported_grant_type",
            "only authorization_code is",
        ));
    }
    let code = form.get("code").unwrap_or("");
    let code = provider.state().codes.take(code, provider.now());
    let code = code.filter(|code| is_good(code, &client, &form));
    let redeemed = code.and_then(|code| {
        let person = provider.person(&code.subject)?;
        Some((code, person))
    });
    match redeemed {
        Some((code, person)) => give(provider, &client, &code, &person),
        None => Ok(refusal(
            "invalid_grant",
            "this code is not good, or not any more",
        )),
    }
}

fn is_good(code: &Code, client: &Client, form: &Parameters) -> bool {
    let verifier = form.get("code_verifier").unwrap_or("");
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    code.asked.client_id == client.id
        && form.get("redirect_uri") == Some(code.asked.redirect_uri.as_str())
        && (43..=128).contains(&verifier.len())
        && challenge == code.asked.challenge
}

fn refusal(error: &str, description: &str) -> Answer {
    let told = json!({"error": error, "error_description": description});
    Answer::json(400, &told)
}

fn give(
    provider: &Provider,
    client: &Client,
    code: &Code,
    person: &Person,
) -> Result<Answer, Broken> {
    let access = state::random()?;
    let now = provider.now();
    let mut told = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": state::ACCESS_TOKEN,
        "scope": code.asked.scope.join(" "),
    });
    if code.asked.scope.iter().any(|scope| scope == "openid") {
        let claims = id_token_claims(provider, code, person, &access);
        let mut draft = JwtDraft::new("JWT", claims, provider.key(client.algorithm));
        apply(&provider.hooks().id_token, &mut draft);
        told["id_token"] = jwt::compact(&draft)?.into();
    }
    let kept = AccessToken {
        subject: code.subject.clone(),
        scope: code.asked.scope.clone(),
    };
    let until = now + state::ACCESS_TOKEN;
    provider
        .state()
        .access_tokens
        .put(&access, kept, until, now);
    apply(&provider.hooks().token, &mut told);
    Ok(Answer::json(200, &told))
}

/// OpenID Connect Core 1.0 §2, and what the scopes ask for (§5.4).
fn id_token_claims(provider: &Provider, code: &Code, person: &Person, access: &str) -> Value {
    let now = provider.now();
    let hash = digest(&SHA256, access.as_bytes());
    let mut claims = claims_about(person, &code.asked.scope);
    claims["iss"] = provider.issuer().into();
    claims["aud"] = code.asked.client_id.clone().into();
    claims["iat"] = now.into();
    claims["exp"] = (now + ID_TOKEN).into();
    claims["auth_time"] = code.auth_time.into();
    claims["sid"] = code.sid.clone().into();
    // §3.1.3.6: the left half of the hash.
    claims["at_hash"] = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]).into();
    if let Some(nonce) = &code.asked.nonce {
        claims["nonce"] = nonce.clone().into();
    }
    claims
}

/// The subject, and what these scopes tell about it.
pub(crate) fn claims_about(person: &Person, scope: &[String]) -> Value {
    let asked = |name: &str| scope.iter().any(|scope| scope == name);
    let mut claims = json!({"sub": person.subject});
    if asked("profile") {
        claims["name"] = person.name.clone().into();
    }
    if asked("email") {
        claims["email"] = person.email.clone().into();
        claims["email_verified"] = person.email_verified.clone();
    }
    claims
}
