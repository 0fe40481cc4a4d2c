//! `curfew upstream test` for OpenID providers.

use curfew_http::outbound::{Answer, Call};
use curfew_protocol::upstream::{KeySet, ProviderMetadata};

use super::documents::{fetch_keys, metadata_url};
use crate::check::{CheckLine, clock, told};
use crate::client::Contact;
use crate::failure::{Asked, UpstreamFailure, for_log};

pub(crate) async fn check(contact: Contact<'_>) -> Vec<CheckLine> {
    const WHAT: &str = "discovery";
    let answer = match discovery(contact).await {
        Ok(answer) => answer,
        Err(failure) => return vec![CheckLine::bad(WHAT, told(&failure))],
    };
    let time = clock(answer.date, contact.now);
    let metadata = match ProviderMetadata::parse(&answer.body) {
        Ok(metadata) => metadata,
        Err(error) => {
            let failure = UpstreamFailure::unreadable(Asked::Metadata, error);
            return vec![CheckLine::bad(WHAT, told(&failure)), time];
        }
    };
    let mut lines = vec![
        CheckLine::good(WHAT, "the discovery document is readable"),
        time,
        issuer(&metadata, &contact.provider.issuer),
        // The document would not have been readable otherwise.
        CheckLine::good("endpoints", "all of them are https, or on this machine"),
        pkce(&metadata),
        authentication(contact, &metadata),
    ];
    lines.extend(keys(contact, &metadata).await);
    lines
}

async fn discovery(contact: Contact<'_>) -> Result<Answer, UpstreamFailure> {
    let url = metadata_url(&contact.provider.issuer)?;
    contact.fetch(Asked::Metadata, Call::new(&url)).await
}

fn issuer(metadata: &ProviderMetadata, configured: &str) -> CheckLine {
    const WHAT: &str = "issuer";
    if metadata.matches_issuer(configured) {
        return CheckLine::good(WHAT, "it is the configured one, byte for byte");
    }
    let other = InvalidIssuer(&metadata.issuer).failure();
    CheckLine::bad(
        WHAT,
        format!("{configured} is configured; {}", told(&other)),
    )
}

struct InvalidIssuer<'a>(&'a str);

impl InvalidIssuer<'_> {
    fn failure(&self) -> UpstreamFailure {
        crate::failure::InvalidAnswer::OtherIssuer(for_log(self.0)).into()
    }
}

fn pkce(metadata: &ProviderMetadata) -> CheckLine {
    const WHAT: &str = "PKCE";
    let methods = metadata.code_challenge_methods_supported.as_deref();
    match methods {
        Some(methods) if methods.iter().any(|method| method == "S256") => {
            CheckLine::good(WHAT, "S256 is announced")
        }
        _ => CheckLine::warning(
            WHAT,
            "the provider does not announce S256; it is sent all the same, but a stolen code may not be stopped by it",
        ),
    }
}

fn authentication(contact: Contact<'_>, metadata: &ProviderMetadata) -> CheckLine {
    const WHAT: &str = "client authentication";
    let Some(methods) = &metadata.token_endpoint_auth_methods_supported else {
        return CheckLine::good(WHAT, "client_secret_basic, as nothing else is announced");
    };
    let ours: &[&str] = match contact.provider.client_secret {
        Some(_) => &["client_secret_basic", "client_secret_post"],
        None => &["none"],
    };
    match ours.iter().find(|our| methods.iter().any(|m| m == *our)) {
        Some(method) => CheckLine::good(WHAT, *method),
        None => CheckLine::warning(
            WHAT,
            format!(
                "the provider announces none of {}; register Curfew there as a client that authenticates so",
                ours.join(", ")
            ),
        ),
    }
}

async fn keys(contact: Contact<'_>, metadata: &ProviderMetadata) -> Vec<CheckLine> {
    const WHAT: &str = "keys";
    let keys = match fetch_keys(contact, metadata).await {
        Ok(keys) => keys,
        Err(failure) => return vec![CheckLine::bad(WHAT, told(&failure))],
    };
    let (usable, left_out) = (keys.keys.len(), keys.left_out);
    let words = format!("{usable} can be used, {left_out} cannot");
    let count = match usable {
        0 => CheckLine::bad(
            WHAT,
            format!("{words}; the provider must publish a public RSA, P-256, P-384 or Ed25519 key"),
        ),
        _ => CheckLine::good(WHAT, words),
    };
    vec![count, algorithms(metadata, &keys)]
}

fn algorithms(metadata: &ProviderMetadata, keys: &KeySet) -> CheckLine {
    const WHAT: &str = "algorithms";
    let announced = metadata.algorithms();
    let usable: Vec<&str> = announced
        .iter()
        .filter(|algorithm| keys.keys.iter().any(|key| key.fits(**algorithm)))
        .map(|algorithm| algorithm.as_str())
        .collect();
    if !usable.is_empty() {
        return CheckLine::good(WHAT, usable.join(", "));
    }
    let names = for_log(&metadata.id_token_signing_alg_values_supported.join(", "));
    CheckLine::bad(
        WHAT,
        format!(
            "the provider announces {names}, and none of them can be verified with a key that it publishes; set it to sign ID tokens with RS256 or ES256"
        ),
    )
}
