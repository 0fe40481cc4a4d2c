//! Tenants: issuers of their own, each with its users, clients and resource servers.

use curfew_policy::resource::is_slug;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{DEFAULT_TENANT, Lifetime};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::tenants::Tenant;

use crate::words::check_display;
use crate::{Admin, AdminError, check_step, taken, tenant};

/// What changes. `None` leaves a value as it is; `Some(None)` takes a maximum away.
#[derive(Clone, Debug, Default)]
pub struct TenantChange {
    pub name: Option<String>,
    pub access_token: Option<Option<Lifetime>>,
    pub refresh_family: Option<Option<Lifetime>>,
    pub session: Option<Option<Lifetime>>,
    pub approval: Option<Option<Lifetime>>,
    pub personal_access_token: Option<Option<Lifetime>>,
    pub device_flow: Option<bool>,
}

impl Admin {
    pub fn tenant_add(&self, slug: &str, name: &str) -> Result<Tenant, AdminError> {
        if !is_slug(slug) {
            return Err(AdminError::invalid(format!(
                "`{slug}` cannot be a tenant's slug; use 1 to 63 lower-case letters, digits and inner hyphens"
            )));
        }
        check_display("name", name)?;
        let (slug, name) = (slug.to_owned(), name.to_owned());
        let entry = self.entry(AuditEvent::TenantAdded);
        self.write(move |write| {
            let id = taken(write.tenant_insert(&slug, &name), "tenant", &slug)?;
            write.audit(&AuditEntry {
                tenant_id: Some(id),
                ..entry.clone()
            })?;
            tenant(write, &slug)
        })
    }

    pub fn tenant_list(&self) -> Result<Vec<Tenant>, AdminError> {
        self.read(|read| Ok(read.tenant_list()?))
    }

    pub fn tenant_show(&self, slug: &str) -> Result<Tenant, AdminError> {
        self.read(|read| tenant(read, slug))
    }

    pub fn tenant_change(&self, slug: &str, change: TenantChange) -> Result<Tenant, AdminError> {
        if let Some(name) = &change.name {
            check_display("name", name)?;
        }
        let slug = slug.to_owned();
        let entry = self.entry(AuditEvent::TenantChanged);
        self.write(move |write| {
            let old = tenant(write, &slug)?;
            if let Some(name) = &change.name {
                write.tenant_rename(old.id, name)?;
            }
            let mut limits = old.limits;
            limits.access_token = change.access_token.unwrap_or(limits.access_token);
            limits.refresh_family = change.refresh_family.unwrap_or(limits.refresh_family);
            limits.session = change.session.unwrap_or(limits.session);
            limits.approval = change.approval.unwrap_or(limits.approval);
            limits.personal_access_token = change
                .personal_access_token
                .unwrap_or(limits.personal_access_token);
            if let Some(on) = change.device_flow {
                write.tenant_set_device_flow(old.id, on)?;
            }
            if limits != old.limits {
                write.tenant_set_limits(&old, &limits)?;
            }
            write.audit(&AuditEntry {
                tenant_id: Some(old.id),
                ..entry.clone()
            })?;
            tenant(write, &slug)
        })
    }

    /// Disables, enables or deletes. Every step ends what was issued, so enabling again revives nothing.
    pub fn tenant_set_status(&self, slug: &str, next: OwnerStatus) -> Result<(), AdminError> {
        let slug = slug.to_owned();
        let entry = self.entry(AuditEvent::TenantStatusChanged);
        self.write(move |write| {
            let found = tenant(write, &slug)?;
            check_step("tenant", &slug, found.status, next)?;
            if found.id == DEFAULT_TENANT && next == OwnerStatus::Deleted {
                return Err(AdminError::invalid(
                    "the default tenant lives at the issuer's root and cannot be deleted; disable it instead",
                ));
            }
            write.tenant_set_status(found.id, next)?;
            write.audit(&AuditEntry {
                tenant_id: Some(found.id),
                detail: Some(next.to_string()),
                ..entry.clone()
            })?;
            Ok(())
        })
    }
}
