//! What the tests of this crate share: a server that answers by a script, and keys that sign.

pub(crate) mod keys;
pub(crate) mod server;

use curfew_http::outbound::{Outbound, OutboundRules};
use curfew_policy::addresses::AddressRange;
use curfew_policy::status::ProviderKind;
use curfew_protocol::{Lifetime, ProviderId, Redacted, Timestamp};

use crate::client::{AuthorizationRequest, Callback};
use crate::provider::{GithubRules, UpstreamProvider};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const REDIRECT: &str = "https://id.example.com/upstream/idp/callback";

pub(crate) fn outbound() -> Outbound {
    Outbound::new(&OutboundRules {
        allowed: vec![AddressRange::parse("127.0.0.1").unwrap()],
        timeout: Lifetime::from_seconds(2),
        ..OutboundRules::default()
    })
    .unwrap()
}

pub(crate) fn provider(kind: ProviderKind, issuer: &str) -> UpstreamProvider {
    UpstreamProvider {
        id: ProviderId::from_bytes([7; 16]),
        slug: "idp".to_owned(),
        kind,
        issuer: issuer.to_owned(),
        client_id: "curfew".to_owned(),
        client_secret: Some(Redacted("s3cret".to_owned())),
        scopes: Vec::new(),
        github: GithubRules::default(),
    }
}

pub(crate) const REQUEST: AuthorizationRequest<'static> = AuthorizationRequest {
    state: "st",
    nonce: "n-1",
    code_challenge: "ch",
    redirect_uri: REDIRECT,
    reauthenticate: false,
};

pub(crate) const CALLBACK: Callback<'static> = Callback {
    code: "c0de",
    iss: None,
    redirect_uri: REDIRECT,
    nonce: "n-1",
    code_verifier: "verifier-verifier-verifier-verifier-verifier",
    fresh_since: None,
};
