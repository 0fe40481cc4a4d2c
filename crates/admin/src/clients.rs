//! OAuth clients.

use curfew_policy::redirect::check_registration;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{GrantType, Lifetime, OpaqueToken, OwnScope, ScopeSet, TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::clients::{Client, ClientRegistration};
use curfew_store::{Read, Write};

use crate::resources::resource;
use crate::words::{OFFLINE_ACCESS, check_display, check_name, check_origin, check_scope};
use crate::{Admin, AdminError, check_step, taken, tenant};

#[derive(Clone, Debug)]
pub struct NewClient {
    pub registration: ClientRegistration,
    pub confidential: bool,
}

/// What changes. A list replaces the whole list; `Some(None)` takes a lifetime of its own away.
#[derive(Clone, Debug, Default)]
pub struct ClientChange {
    pub name: Option<String>,
    pub grant_types: Option<Vec<GrantType>>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub origins: Option<Vec<String>>,
    pub scopes: Option<ScopeSet>,
    pub resources: Option<Vec<String>>,
    pub serves: Option<Option<String>>,
    pub implicit_consent: Option<bool>,
    pub session_bound: Option<bool>,
    pub restricted: Option<bool>,
    pub access_token_lifetime: Option<Option<Lifetime>>,
    pub refresh_lifetime: Option<Option<Lifetime>>,
}

impl ClientChange {
    fn apply(&self, old: &ClientRegistration) -> ClientRegistration {
        let change = self.clone();
        ClientRegistration {
            client_id: old.client_id.clone(),
            name: change.name.unwrap_or_else(|| old.name.clone()),
            grant_types: change
                .grant_types
                .unwrap_or_else(|| old.grant_types.clone()),
            redirect_uris: change
                .redirect_uris
                .unwrap_or_else(|| old.redirect_uris.clone()),
            post_logout_redirect_uris: change
                .post_logout_redirect_uris
                .unwrap_or_else(|| old.post_logout_redirect_uris.clone()),
            origins: change.origins.unwrap_or_else(|| old.origins.clone()),
            scopes: change.scopes.unwrap_or_else(|| old.scopes.clone()),
            resources: change.resources.unwrap_or_else(|| old.resources.clone()),
            serves: change.serves.unwrap_or_else(|| old.serves.clone()),
            implicit_consent: change.implicit_consent.unwrap_or(old.implicit_consent),
            session_bound: change.session_bound.unwrap_or(old.session_bound),
            restricted: change.restricted.unwrap_or(old.restricted),
            access_token_lifetime: change
                .access_token_lifetime
                .unwrap_or(old.access_token_lifetime),
            refresh_lifetime: change.refresh_lifetime.unwrap_or(old.refresh_lifetime),
        }
    }
}

/// A client just registered; the secret is shown once.
#[derive(Debug)]
pub struct AddedClient {
    pub client: Client,
    pub secret: Option<OpaqueToken>,
}

/// The rules that need nothing but the registration itself.
fn check(registration: &ClientRegistration, confidential: bool) -> Result<(), AdminError> {
    check_name("client_id", &registration.client_id)?;
    if registration.client_id.parse::<UserId>().is_ok() {
        return Err(AdminError::invalid(format!(
            "`{}` reads like the id of a user, and a token's `sub` must not be taken for one; choose a client_id of another \
             length or with a hyphen",
            registration.client_id
        )));
    }
    check_display("name", &registration.name)?;
    for uri in registration
        .redirect_uris
        .iter()
        .chain(&registration.post_logout_redirect_uris)
    {
        check_registration(uri).map_err(|refusal| {
            AdminError::invalid(format!(
                "the redirect URI `{uri}` cannot be registered: {refusal}"
            ))
        })?;
    }
    for origin in &registration.origins {
        check_origin(origin)?;
    }
    for scope in registration.scopes.iter() {
        check_scope(scope)?;
    }
    check_grants(registration, confidential)?;
    if confidential && !registration.origins.is_empty() {
        return Err(AdminError::invalid(
            "web origins are for public clients: a secret does not belong into a browser. Register the client with --public",
        ));
    }
    Ok(())
}

fn check_grants(registration: &ClientRegistration, confidential: bool) -> Result<(), AdminError> {
    let has = |grant| registration.grant_types.contains(&grant);
    if registration.grant_types.is_empty() {
        return Err(AdminError::invalid(
            "the client could get no token; give it a --grant: authorization_code, refresh_token, client_credentials, device_code or \
             token_exchange",
        ));
    }
    if has(GrantType::ClientCredentials) && !confidential {
        return Err(AdminError::invalid(
            "client_credentials is for confidential clients only; a public client cannot prove who it is. \
             Leave out --public, or leave out the grant",
        ));
    }
    if has(GrantType::TokenExchange) && !confidential {
        return Err(AdminError::invalid(
            "token_exchange is for confidential clients only; a public client cannot prove who it is. \
             Leave out --public, or leave out the grant",
        ));
    }
    let asks_a_person = has(GrantType::AuthorizationCode) || has(GrantType::DeviceCode);
    if has(GrantType::RefreshToken) && !asks_a_person {
        return Err(AdminError::invalid(
            "refresh_token comes with authorization_code or device_code only; add one of them, or leave out refresh_token",
        ));
    }
    if has(GrantType::AuthorizationCode) && registration.redirect_uris.is_empty() {
        return Err(AdminError::invalid(
            "authorization_code needs somewhere to send the code; add --redirect-uri",
        ));
    }
    Ok(())
}

/// The rules that need to know what else is registered.
fn check_known(
    read: &mut Read<'_>,
    owner: TenantId,
    registration: &ClientRegistration,
) -> Result<(), AdminError> {
    for resource_id in registration.resources.iter().chain(&registration.serves) {
        resource(read, owner, resource_id)?;
    }
    let known = read.scope_list(owner)?;
    for scope in registration
        .scopes
        .iter()
        .filter(|scope| *scope != OFFLINE_ACCESS && OwnScope::parse(scope).is_none())
    {
        if !known.iter().any(|own| own.name == scope) {
            return Err(AdminError::invalid(format!(
                "there is no scope `{scope}` yet; add it first: curfew scope add {scope} --description \"…\""
            )));
        }
    }
    Ok(())
}

/// Does the change take something away that tokens may have been issued under?
fn narrows(old: &ClientRegistration, new: &ClientRegistration) -> bool {
    let lost = |old: &[String], new: &[String]| old.iter().any(|entry| !new.contains(entry));
    let shorter = |old: Option<Lifetime>, new: Option<Lifetime>| match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new < old,
    };
    old.grant_types
        .iter()
        .any(|grant| !new.grant_types.contains(grant))
        || lost(&old.redirect_uris, &new.redirect_uris)
        || lost(&old.origins, &new.origins)
        || lost(&old.resources, &new.resources)
        || !old.scopes.is_subset_of(&new.scopes)
        || (old.serves.is_some() && old.serves != new.serves)
        || (old.implicit_consent && !new.implicit_consent)
        || (!old.session_bound && new.session_bound)
        || (!old.restricted && new.restricted)
        || shorter(old.access_token_lifetime, new.access_token_lifetime)
        || shorter(old.refresh_lifetime, new.refresh_lifetime)
}

/// The client of that `client_id` in the tenant.
pub(crate) fn client(
    read: &mut Read<'_>,
    owner: TenantId,
    client_id: &str,
) -> Result<Client, AdminError> {
    read.client_by_client_id(client_id)?
        .filter(|client| client.tenant_id == owner)
        .ok_or_else(|| AdminError::not_found("client", client_id))
}

impl Admin {
    pub fn client_add(&self, tenant_slug: &str, new: NewClient) -> Result<AddedClient, AdminError> {
        check(&new.registration, new.confidential)?;
        let tenant_slug = tenant_slug.to_owned();
        let entry = self.entry(AuditEvent::ClientAdded);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            check_known(write, owner.id, &new.registration)?;
            let inserted = write.client_insert(owner.id, &new.registration, new.confidential);
            let (key, secret) = taken(inserted, "client", &new.registration.client_id)?;
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                client: Some(key),
                scopes: Some(new.registration.scopes.to_string()),
                ..entry.clone()
            })?;
            Ok(AddedClient {
                client: client(write, owner.id, &new.registration.client_id)?,
                secret,
            })
        })
    }

    pub fn client_list(&self, tenant_slug: &str) -> Result<Vec<Client>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            Ok(read.client_list(owner.id)?)
        })
    }

    pub fn client_show(&self, tenant_slug: &str, client_id: &str) -> Result<Client, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            client(read, owner.id, client_id)
        })
    }

    /// Finds one and works on it, with its audit row. The job answers what the audit row is to say.
    fn client_write<T: Send + 'static>(
        &self,
        (tenant_slug, client_id): (&str, &str),
        event: AuditEvent,
        job: impl Fn(&mut Write<'_>, &Client) -> Result<(T, Option<String>), AdminError>
        + Send
        + 'static,
    ) -> Result<T, AdminError> {
        let (tenant_slug, client_id) = (tenant_slug.to_owned(), client_id.to_owned());
        let entry = self.entry(event);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let found = client(write, owner.id, &client_id)?;
            let (done, detail) = job(write, &found)?;
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                client: Some(found.key),
                detail,
                ..entry.clone()
            })?;
            Ok(done)
        })
    }

    /// Changes a registration. Answers whether something was taken away, which ends all its tokens (A20).
    pub fn client_change(
        &self,
        at: (&str, &str),
        change: ClientChange,
    ) -> Result<bool, AdminError> {
        self.client_write(at, AuditEvent::ClientChanged, move |write, found| {
            let new = change.apply(&found.registration);
            check(&new, found.confidential)?;
            check_known(write, found.tenant_id, &new)?;
            let narrows = narrows(&found.registration, &new);
            write.client_update(found.key, &new, narrows)?;
            Ok((narrows, narrows.then(|| "narrowed".to_owned())))
        })
    }

    /// Disables, enables or deletes. Every step ends all tokens of the client, for good.
    pub fn client_set_status(&self, at: (&str, &str), next: OwnerStatus) -> Result<(), AdminError> {
        self.client_write(at, AuditEvent::ClientStatusChanged, move |write, found| {
            check_step("client", &found.registration.client_id, found.status, next)?;
            write.client_set_status(found.key, next)?;
            Ok(((), Some(next.to_string())))
        })
    }

    /// A new secret; the old one stays good for the configured overlap.
    pub fn client_rotate_secret(&self, at: (&str, &str)) -> Result<OpaqueToken, AdminError> {
        let overlap = self.rules.secret_overlap;
        self.client_write(at, AuditEvent::ClientSecretRotated, move |write, found| {
            if !found.confidential {
                return Err(AdminError::invalid(format!(
                    "client `{}` is public and has no secret to rotate",
                    found.registration.client_id
                )));
            }
            let overlap_ends_at = write.now().after(overlap);
            Ok((write.client_rotate_secret(found, overlap_ends_at)?, None))
        })
    }
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
