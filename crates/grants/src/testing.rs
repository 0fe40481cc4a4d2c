//! Facts for the tables: a tenant with two resource servers, one that is disabled and one that no client knows.

use curfew_policy::status::OwnerStatus;
use curfew_protocol::{
    Audiences, ClientKey, DEFAULT_TENANT, Digest, GrantType, Lifetime, ResourceServerKey, ScopeSet,
};
use curfew_store::KeyedDigest;
use curfew_store::clients::{Client, ClientRegistration, Secrets};
use curfew_store::resource_servers::ResourceServer;
use curfew_store::scopes::Scope;

use crate::catalogue::Catalogue;

fn key(byte: u8) -> ResourceServerKey {
    ResourceServerKey::from_bytes([byte; 16])
}

fn server(byte: u8, id: &str, status: OwnerStatus) -> ResourceServer {
    let digest = KeyedDigest {
        key_id: 1,
        digest: Digest::from_bytes([0; 32]),
    };
    ResourceServer {
        key: key(byte),
        tenant_id: DEFAULT_TENANT,
        resource_id: id.to_owned(),
        identifier: format!("https://{id}.example"),
        name: id.to_owned(),
        status,
        epoch: 5,
        secrets: Secrets {
            current: digest,
            previous: None,
        },
    }
}

fn scope(name: &str, owner: Option<u8>, max_lifetime: Option<u32>) -> Scope {
    Scope {
        name: name.to_owned(),
        description: String::new(),
        resource_server: owner.map(key),
        max_lifetime: max_lifetime.map(Lifetime::from_seconds),
        personal: false,
        read_only: false,
    }
}

pub(crate) fn catalogue() -> Catalogue {
    let scopes = vec![
        scope("mine:read", Some(1), None),
        scope("mine:pay", Some(1), Some(60)),
        scope("other:read", Some(2), None),
        scope("common", None, None),
    ];
    let servers = vec![
        server(1, "mine", OwnerStatus::Active),
        server(2, "other", OwnerStatus::Active),
        server(3, "disabled", OwnerStatus::Disabled),
        server(4, "stranger", OwnerStatus::Active),
    ];
    Catalogue::new(scopes, servers)
}

/// A public client with these scopes and resource servers.
pub(crate) fn client(scopes: &str, resources: &[&str]) -> Client {
    let mut resources = owned(resources);
    resources.push("disabled".to_owned());
    Client {
        key: ClientKey::from_bytes([9; 16]),
        tenant_id: DEFAULT_TENANT,
        status: OwnerStatus::Active,
        epoch: 1,
        secrets: None,
        confidential: false,
        registration: ClientRegistration {
            client_id: "app".to_owned(),
            name: "App".to_owned(),
            grant_types: vec![GrantType::AuthorizationCode],
            redirect_uris: vec!["https://app.example/cb".to_owned()],
            scopes: ScopeSet::parse(scopes).unwrap(),
            resources,
            ..ClientRegistration::default()
        },
    }
}

pub(crate) fn identifiers(audiences: &Audiences) -> Vec<String> {
    audiences
        .0
        .iter()
        .map(|audience| audience.identifier.clone())
        .collect()
}

pub(crate) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
