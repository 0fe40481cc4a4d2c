//! Scopes: what a token may be used for, in a word for programs and a sentence for people.

use curfew_protocol::{Lifetime, OwnScope};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::scopes::Scope;

use crate::resources::resource;
use crate::words::{check_display, check_scope};
use crate::{Admin, AdminError, taken, tenant};

#[derive(Clone, Debug)]
pub struct NewScope {
    pub name: String,
    pub description: String,
    /// The resource server it belongs to.
    pub resource_id: Option<String>,
    pub max_lifetime: Option<Lifetime>,
    /// May people put it into their personal access tokens?
    pub personal: bool,
    /// Does whoever has it change nothing?
    pub read_only: bool,
}

/// What changes; `Some(None)` takes the maximum away.
#[derive(Clone, Debug, Default)]
pub struct ScopeChange {
    pub description: Option<String>,
    pub max_lifetime: Option<Option<Lifetime>>,
    pub personal: Option<bool>,
    pub read_only: Option<bool>,
}

impl Admin {
    pub fn scope_add(&self, tenant_slug: &str, new: NewScope) -> Result<Scope, AdminError> {
        check_scope(&new.name)?;
        if OwnScope::parse(&new.name).is_some() {
            return Err(AdminError::invalid(format!(
                "`{}` is a scope of Curfew's own API and need not be added",
                new.name
            )));
        }
        check_display("description", &new.description)?;
        let tenant_slug = tenant_slug.to_owned();
        let entry = self.entry(AuditEvent::ScopeAdded);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let resource_server = match &new.resource_id {
                Some(resource_id) => Some(resource(write, owner.id, resource_id)?.key),
                None => None,
            };
            let scope = Scope {
                name: new.name.clone(),
                description: new.description.clone(),
                resource_server,
                max_lifetime: new.max_lifetime,
                personal: new.personal,
                read_only: new.read_only,
            };
            taken(write.scope_insert(owner.id, &scope), "scope", &scope.name)?;
            let scopes = Some(scope.name.clone());
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                scopes,
                ..entry.clone()
            })?;
            Ok(scope)
        })
    }

    pub fn scope_list(&self, tenant_slug: &str) -> Result<Vec<Scope>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            Ok(read.scope_list(owner.id)?)
        })
    }

    pub fn scope_show(&self, tenant_slug: &str, name: &str) -> Result<Scope, AdminError> {
        let found = self
            .scope_list(tenant_slug)?
            .into_iter()
            .find(|scope| scope.name == name);
        found.ok_or_else(|| AdminError::not_found("scope", name))
    }

    pub fn scope_change(
        &self,
        tenant_slug: &str,
        name: &str,
        change: ScopeChange,
    ) -> Result<Scope, AdminError> {
        if let Some(description) = &change.description {
            check_display("description", description)?;
        }
        let (tenant_slug, name) = (tenant_slug.to_owned(), name.to_owned());
        let entry = self.entry(AuditEvent::ScopeChanged);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let old = write
                .scope_list(owner.id)?
                .into_iter()
                .find(|scope| scope.name == name);
            let mut scope = old.ok_or_else(|| AdminError::not_found("scope", &name))?;
            scope.description = change.description.clone().unwrap_or(scope.description);
            scope.max_lifetime = change.max_lifetime.unwrap_or(scope.max_lifetime);
            scope.personal = change.personal.unwrap_or(scope.personal);
            scope.read_only = change.read_only.unwrap_or(scope.read_only);
            write.scope_update(owner.id, &scope)?;
            let scopes = Some(scope.name.clone());
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                scopes,
                ..entry.clone()
            })?;
            Ok(scope)
        })
    }

    pub fn scope_delete(&self, tenant_slug: &str, name: &str) -> Result<(), AdminError> {
        let (tenant_slug, name) = (tenant_slug.to_owned(), name.to_owned());
        let entry = self.entry(AuditEvent::ScopeDeleted);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            if !write.scope_delete(owner.id, &name)? {
                return Err(AdminError::not_found("scope", &name));
            }
            let scopes = Some(name.clone());
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                scopes,
                ..entry.clone()
            })?;
            Ok(())
        })
    }
}
