//! Resource servers: who may ask about tokens.

use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::resource::is_indicator;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{OpaqueToken, TenantId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::resource_servers::ResourceServer;
use curfew_store::{Read, Write};

use crate::words::{check_display, check_name};
use crate::{Admin, AdminError, check_step, taken, tenant};

/// A resource server just registered; the secret is shown once.
#[derive(Debug)]
pub struct AddedResource {
    pub server: ResourceServer,
    pub secret: OpaqueToken,
}

/// The resource server of that id in the tenant.
pub(crate) fn resource(
    read: &mut Read<'_>,
    owner: TenantId,
    resource_id: &str,
) -> Result<ResourceServer, AdminError> {
    read.resource_server_by_resource_id(resource_id)?
        .filter(|server| server.tenant_id == owner)
        .ok_or_else(|| AdminError::not_found("resource", resource_id))
}

impl Admin {
    pub fn resource_add(
        &self,
        tenant_slug: &str,
        resource_id: &str,
        identifier: &str,
        name: Option<&str>,
    ) -> Result<AddedResource, AdminError> {
        check_name("resource server's id", resource_id)?;
        let name = name.unwrap_or(resource_id);
        check_display("name", name)?;
        if !is_indicator(identifier) {
            return Err(AdminError::invalid(format!(
                "`{identifier}` cannot be a resource's identifier; it is an absolute URI without a fragment, such as \
                 https://api.example.com/ (RFC 8707)"
            )));
        }
        let texts = [tenant_slug, resource_id, identifier, name].map(str::to_owned);
        let entry = self.entry(AuditEvent::ResourceAdded);
        self.write(move |write| {
            let [tenant_slug, resource_id, identifier, name] = &texts;
            let owner = tenant(write, tenant_slug)?;
            let inserted = write.resource_server_insert(owner.id, resource_id, identifier, name);
            let (_, secret) = taken(inserted, "resource", resource_id)?;
            let detail = Some(resource_id.clone());
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                detail,
                ..entry.clone()
            })?;
            Ok(AddedResource {
                server: resource(write, owner.id, resource_id)?,
                secret,
            })
        })
    }

    pub fn resource_list(&self, tenant_slug: &str) -> Result<Vec<ResourceServer>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            Ok(read.resource_server_list(owner.id)?)
        })
    }

    pub fn resource_show(
        &self,
        tenant_slug: &str,
        resource_id: &str,
    ) -> Result<ResourceServer, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            resource(read, owner.id, resource_id)
        })
    }

    /// Finds one and works on it, with its audit row.
    fn resource_write<T: Send + 'static>(
        &self,
        (tenant_slug, resource_id): (&str, &str),
        event: AuditEvent,
        job: impl Fn(&mut Write<'_>, &ResourceServer) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        let (tenant_slug, resource_id) = (tenant_slug.to_owned(), resource_id.to_owned());
        let entry = self.entry(event);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let server = resource(write, owner.id, &resource_id)?;
            let done = job(write, &server)?;
            let detail = Some(resource_id.clone());
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                detail,
                ..entry.clone()
            })?;
            Ok(done)
        })
    }

    /// Its name; the identifier is what tokens say, and stays.
    pub fn resource_rename(&self, at: (&str, &str), name: &str) -> Result<(), AdminError> {
        check_display("name", name)?;
        let name = name.to_owned();
        self.resource_write(at, AuditEvent::ResourceChanged, move |write, server| {
            Ok(write.resource_server_rename(server.key, &name)?)
        })
    }

    /// Disables, enables or deletes. Every step ends what was meant for it.
    pub fn resource_set_status(
        &self,
        at: (&str, &str),
        next: OwnerStatus,
    ) -> Result<(), AdminError> {
        self.resource_write(
            at,
            AuditEvent::ResourceStatusChanged,
            move |write, server| {
                check_step("resource", &server.resource_id, server.status, next)?;
                Ok(write.resource_server_set_status(server.key, next)?)
            },
        )
    }

    /// A new secret; the old one stays good for the configured overlap.
    pub fn resource_rotate_secret(&self, at: (&str, &str)) -> Result<OpaqueToken, AdminError> {
        let LifetimeRules { secret_overlap, .. } = self.rules;
        self.resource_write(
            at,
            AuditEvent::ResourceSecretRotated,
            move |write, server| {
                let overlap_ends_at = write.now().after(secret_overlap);
                Ok(write.resource_server_rotate_secret(server, overlap_ends_at)?)
            },
        )
    }
}
