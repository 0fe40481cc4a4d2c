//! An upstream identity provider to sign in through: a small one, on a listener and an origin of its own. It is served by the demo only.
//!
//! Its people show what the linker is for. Alice has an account here with a password, so her identity is bound only after she signed in to
//! it; Bob has none and gets one; and Mallory's address is Alice's, also by the word of the provider.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use curfew_admin::Admin;
use curfew_policy::status::ProviderKind;
use curfew_policy::upstream::SignUps;
use curfew_policy::upstream_draft::ProviderDraft;
use curfew_protocol::{Entropy as _, Redacted};
use curfew_store::SystemEntropy;
use demo_provider::{Client, Config, Person, Provider};

use super::seed::{TENANT, USER_EMAIL};
use crate::failure::Failure;

/// How Curfew calls it.
pub(super) const SLUG: &str = "demo";
pub(super) const NAME: &str = "Demo provider";
const CLIENT_ID: &str = "curfew-demo";

/// Makes it, and tells Curfew of it.
pub(super) fn register(
    admin: &Admin,
    issuer: &str,
    address: SocketAddr,
) -> Result<Provider, Failure> {
    let secret = secret();
    let callback = format!("{issuer}/upstream/{SLUG}/callback");
    let client = Client {
        backchannel_logout_uri: Some(format!("{issuer}/upstream/{SLUG}/backchannel-logout")),
        ..Client::new(CLIENT_ID, &secret, &callback)
    };
    let origin = format!("http://{address}");
    let mut draft = ProviderDraft {
        kind: Some(ProviderKind::OpenId),
        client_id: Some(CLIENT_ID.to_owned()),
        name: Some(NAME.to_owned()),
        sign_ups: Some(SignUps::On),
        ..ProviderDraft::default()
    };
    draft.issuer.issuer = Some(origin.clone());
    admin.provider_add((TENANT, SLUG), draft, Some(Redacted(secret)))?;
    Provider::honest(Config::new(NAME, people(), vec![client]), &origin)
        .map_err(|broken| Failure::told(broken.to_string()))
}

/// Binds its listener.
pub(super) fn listener(provider: Provider, address: SocketAddr) -> Result<Server, Failure> {
    TcpListener::bind(address)
        .and_then(|listener| Arc::new(provider).serve(listener))
        .map_err(|source| {
            Failure::io(
                format!("{address} cannot be listened on; choose another with --provider-listen"),
                source,
            )
        })
}

fn people() -> Vec<Person> {
    vec![
        Person::new("alice-1", "Alice Demo", USER_EMAIL),
        Person::new("bob-2", "Bob Demo", "bob@example.com"),
        Person::new("mallory-3", "Mallory, with Alice's address", USER_EMAIL),
    ]
}

fn secret() -> String {
    let mut random = [0u8; 32];
    SystemEntropy.fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}
