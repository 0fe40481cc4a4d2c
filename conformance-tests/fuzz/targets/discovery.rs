//! A discovery document that is taken sends nobody anywhere but to an `https` URL or to this machine.
#![no_main]

use curfew_protocol::upstream::ProviderMetadata;
use url::{Host, Url};

fn check(endpoint: &str) {
    let url = Url::parse(endpoint).expect("an endpoint is a URL");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    let here = match url.host().expect("an endpoint has a host") {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    assert!(url.scheme() == "https" || (url.scheme() == "http" && here));
    assert!(!endpoint.contains(char::is_whitespace) && !endpoint.contains(char::is_control));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(metadata) = ProviderMetadata::parse(data) else {
        return;
    };
    check(&metadata.issuer);
    check(&metadata.authorization_endpoint);
    check(&metadata.token_endpoint);
    check(&metadata.jwks_uri);
    metadata.userinfo_endpoint.iter().for_each(|url| check(url));
    metadata
        .end_session_endpoint
        .iter()
        .for_each(|url| check(url));
    let changed = format!("{}/", metadata.issuer);
    assert!(metadata.matches_issuer(&metadata.issuer) && !metadata.matches_issuer(&changed));
    assert!(metadata.algorithms().len() <= metadata.id_token_signing_alg_values_supported.len());
});
