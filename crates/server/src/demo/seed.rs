//! What the demo is filled with.

use std::sync::Arc;

use curfew_admin::{Admin, Invitations, NewClient, NewScope, NewUserRequest};
use curfew_protocol::{Entropy as _, GrantType, OwnScope, ScopeSet};
use curfew_store::SystemEntropy;
use curfew_store::clients::ClientRegistration;

use crate::failure::Failure;

pub(super) const USER: &str = "alice";
pub(super) const USER_EMAIL: &str = "alice@example.com";
pub(super) const SERVICE: &str = "demo-service";
pub(super) const APP: &str = "demo-app";
pub(super) const API: &str = "demo-api";
pub(super) const DEVICE: &str = "demo-device";
/// The client that `curfew login` is, unless it is told otherwise.
const CLI: &str = "curfew-cli";
pub(super) const IDENTIFIER: &str = "urn:curfew:demo-api";
pub(super) const SCOPES: &str = "notes:read notes:write";

pub(super) const TENANT: &str = "default";

/// What is printed once.
pub(super) struct Seeded {
    pub(super) password: String,
    pub(super) service_secret: String,
    pub(super) api_secret: String,
}

pub(super) fn plant(
    admin: &Admin,
    client_origin: &str,
    invitations: &Arc<Invitations>,
) -> Result<Seeded, Failure> {
    let api = admin.resource_add(TENANT, API, IDENTIFIER, Some("Demo notes"))?;
    for (name, description, read_only) in [
        ("notes:read", "Read your notes", true),
        ("notes:write", "Write and delete your notes", false),
    ] {
        admin.scope_add(
            TENANT,
            NewScope {
                name: name.to_owned(),
                description: description.to_owned(),
                resource_id: Some(API.to_owned()),
                max_lifetime: None,
                personal: true,
                read_only,
            },
        )?;
    }
    let scopes = ScopeSet::parse(SCOPES).map_err(|error| Failure::told(error.to_string()))?;
    let service = admin.client_add(
        TENANT,
        NewClient {
            registration: ClientRegistration {
                client_id: SERVICE.to_owned(),
                name: "Demo service".to_owned(),
                grant_types: vec![GrantType::ClientCredentials],
                scopes: scopes.clone(),
                resources: vec![API.to_owned()],
                ..ClientRegistration::default()
            },
            confidential: true,
        },
    )?;
    admin.client_add(
        TENANT,
        NewClient {
            registration: ClientRegistration {
                client_id: APP.to_owned(),
                name: "Demo client".to_owned(),
                grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
                redirect_uris: vec![format!("{client_origin}/")],
                origins: vec![client_origin.to_owned()],
                scopes,
                resources: vec![API.to_owned()],
                ..ClientRegistration::default()
            },
            confidential: false,
        },
    )?;
    for (client_id, name, grants, scopes) in [
        (
            DEVICE,
            "Demo device",
            vec![GrantType::DeviceCode],
            SCOPES.to_owned(),
        ),
        (
            CLI,
            "Curfew command line",
            vec![GrantType::DeviceCode, GrantType::RefreshToken],
            cli_scopes(),
        ),
    ] {
        let scopes = ScopeSet::parse(&scopes).map_err(|error| Failure::told(error.to_string()))?;
        admin.client_add(
            TENANT,
            NewClient {
                registration: ClientRegistration {
                    client_id: client_id.to_owned(),
                    name: name.to_owned(),
                    grant_types: grants,
                    scopes,
                    ..ClientRegistration::default()
                },
                confidential: false,
            },
        )?;
    }
    let password = password();
    let hash = curfew_http::password::hash(&password, &SystemEntropy)
        .map_err(|failure| Failure::told(failure.to_string()))?;
    admin.user_add(
        TENANT,
        NewUserRequest {
            username: USER.to_owned(),
            name: Some("Alice Demo".to_owned()),
            email: Some(USER_EMAIL.to_owned()),
            administrator: false,
            password_hash: Some(hash),
        },
        invitations,
    )?;
    let revealed = service.secret.map(|secret| secret.reveal());
    Ok(Seeded {
        password,
        service_secret: revealed.unwrap_or_default(),
        api_secret: api.secret.reveal(),
    })
}

/// Everything that one may do to one's own account, and going on while away.
fn cli_scopes() -> String {
    let own = OwnScope::ALL.iter().map(|scope| scope.as_str());
    own.chain(["offline_access"]).collect::<Vec<_>>().join(" ")
}

/// Four groups of four letters that are not mistaken for each other: 80 bits.
fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0u8; 16];
    SystemEntropy.fill(&mut random);
    let groups = random.chunks(4).map(|group| {
        group
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect::<String>()
    });
    groups.collect::<Vec<_>>().join("-")
}
