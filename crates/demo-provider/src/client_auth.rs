//! Who is the client at the token endpoint (RFC 6749 §2.3.1): Basic, or two fields of the form, but not both.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::form_urlencoded;

use crate::config::Client;
use crate::provider::Provider;
use crate::wire::{Answer, Parameters, Received};

/// The client that the request proves to come from, or the answer that refuses it.
pub(crate) fn authenticate(
    provider: &Provider,
    received: &Received,
    form: &Parameters,
) -> Result<Client, Answer> {
    let header = received.header("authorization");
    let secret = form.get("client_secret");
    if header.is_some() && secret.is_some() {
        let told = json!({"error": "invalid_request", "error_description": "one way to authenticate is enough"});
        return Err(Answer::json(400, &told));
    }
    let named = match header {
        Some(header) => basic(header),
        None => form
            .get("client_id")
            .zip(secret)
            .map(|(id, secret)| (id.to_owned(), secret.to_owned())),
    };
    named
        .and_then(|(id, secret)| {
            let client = provider.client(&id)?;
            verify_slices_are_equal(secret.as_bytes(), client.secret.as_bytes()).ok()?;
            Some(client)
        })
        .ok_or_else(|| {
            Answer::json(401, &json!({"error": "invalid_client"}))
                .header("WWW-Authenticate", "Basic realm=\"demo provider\"")
        })
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

/// Both halves were form-encoded before they were put together.
fn decoded(part: &str) -> Option<String> {
    if part.contains(['&', '=']) {
        return None;
    }
    let pair = format!("part={part}");
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned())
}
