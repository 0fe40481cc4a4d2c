//! What a tenant knows of scopes and resource servers, read anew for each request: nothing that decides about a token is cached.

use curfew_policy::status::OwnerStatus;
use curfew_protocol::{Lifetime, ResourceServerKey, ScopeSet, TenantId};
use curfew_store::resource_servers::ResourceServer;
use curfew_store::scopes::Scope;
use curfew_store::{Read, StoreError, TenantCatalogue};

/// A tenant's scopes and its active resource servers.
#[derive(Debug)]
pub(crate) struct Catalogue {
    scopes: Vec<Scope>,
    resource_servers: Vec<ResourceServer>,
}

impl Catalogue {
    pub(crate) fn read(read: &mut Read<'_>, tenant: TenantId) -> Result<Self, StoreError> {
        let (scopes, servers) = (read.scope_list(tenant)?, read.resource_server_list(tenant)?);
        Ok(Self::new(scopes, servers))
    }

    /// From what concurrent requests of one node may have asked for together.
    pub(crate) fn shared(catalogue: &TenantCatalogue) -> Self {
        Self::new(catalogue.scopes.clone(), catalogue.resource_servers.clone())
    }

    pub(crate) fn new(scopes: Vec<Scope>, mut resource_servers: Vec<ResourceServer>) -> Self {
        resource_servers.retain(|server| server.status == OwnerStatus::Active);
        Self {
            scopes,
            resource_servers,
        }
    }

    pub(crate) fn scope(&self, name: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.name == name)
    }

    /// The active resource servers.
    pub(crate) fn resource_servers(&self) -> &[ResourceServer] {
        &self.resource_servers
    }

    pub(crate) fn resource_server(&self, key: ResourceServerKey) -> Option<&ResourceServer> {
        self.resource_servers
            .iter()
            .find(|server| server.key == key)
    }

    /// The maxima of those of `scopes` that have one (E04).
    pub(crate) fn max_lifetimes(&self, scopes: &ScopeSet) -> Vec<Lifetime> {
        scopes
            .iter()
            .filter_map(|name| self.scope(name)?.max_lifetime)
            .collect()
    }

    /// Those of `scopes` that mean something to the resource server `key`: its own, and those that are nobody's own.
    pub(crate) fn scopes_of(&self, key: ResourceServerKey, scopes: &ScopeSet) -> ScopeSet {
        let means_something = |name: &&str| {
            self.scope(name)
                .is_none_or(|scope| scope.resource_server.is_none_or(|own| own == key))
        };
        scopes
            .iter()
            .filter(means_something)
            .map(str::to_owned)
            .collect()
    }
}
