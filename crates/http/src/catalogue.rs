//! What a tenant knows of scopes and resource servers, read anew for each request: nothing that decides about a token is cached.
//!
//! It stands here because clients' tokens and people's own tokens are made by different capabilities, and mean the same by a scope.

use curfew_policy::status::OwnerStatus;
use curfew_protocol::own_api::{OWN_API, OWN_API_EPOCH, OWN_API_IDENTIFIER};
use curfew_protocol::{Audience, Lifetime, OwnScope, ResourceServerKey, ScopeSet, TenantId};
use curfew_store::resource_servers::ResourceServer;
use curfew_store::scopes::Scope;
use curfew_store::{Read, StoreError, TenantCatalogue};

/// The client may go on while the user is away. The word is the protocol's (OpenID Connect Core §11), so it needs no row in a
/// tenant's scope table.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// A tenant's scopes and its active resource servers, our own API among them.
#[derive(Debug)]
pub struct Catalogue {
    scopes: Vec<Scope>,
    resource_servers: Vec<KnownServer>,
}

/// A resource server that tokens may be for.
#[derive(Clone, Debug)]
pub struct KnownServer {
    pub key: ResourceServerKey,
    /// What clients are registered for; our own API has none, it comes with its scopes.
    pub resource_id: Option<String>,
    pub identifier: String,
    pub name: String,
    pub epoch: i64,
}

impl KnownServer {
    fn own_api() -> Self {
        Self {
            key: OWN_API,
            resource_id: None,
            identifier: OWN_API_IDENTIFIER.to_owned(),
            name: "Curfew".to_owned(),
            epoch: OWN_API_EPOCH,
        }
    }
}

impl From<ResourceServer> for KnownServer {
    fn from(server: ResourceServer) -> Self {
        Self {
            key: server.key,
            resource_id: Some(server.resource_id),
            identifier: server.identifier,
            name: server.name,
            epoch: server.epoch,
        }
    }
}

impl Catalogue {
    pub fn read(read: &mut Read<'_>, tenant: TenantId) -> Result<Self, StoreError> {
        let (scopes, servers) = (read.scope_list(tenant)?, read.resource_server_list(tenant)?);
        Ok(Self::new(scopes, servers))
    }

    /// From what concurrent requests of one node may have asked for together.
    pub fn shared(catalogue: &TenantCatalogue) -> Self {
        Self::new(catalogue.scopes.clone(), catalogue.resource_servers.clone())
    }

    pub fn new(scopes: Vec<Scope>, resource_servers: Vec<ResourceServer>) -> Self {
        let active = resource_servers
            .into_iter()
            .filter(|server| server.status == OwnerStatus::Active);
        Self {
            scopes,
            resource_servers: active
                .map(KnownServer::from)
                .chain([KnownServer::own_api()])
                .collect(),
        }
    }

    /// Does the tenant know the word, or do we?
    pub fn knows(&self, name: &str) -> bool {
        OwnScope::parse(name).is_some() || self.scope(name).is_some()
    }

    /// Whose scope it is: a resource server's, or nobody's own.
    pub fn owner_of(&self, name: &str) -> Option<ResourceServerKey> {
        match OwnScope::parse(name) {
            Some(_) => Some(OWN_API),
            None => self.scope(name)?.resource_server,
        }
    }

    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.name == name)
    }

    /// Does whoever has the scope change nothing (E10)? What the tenant marked so does, our own that reads, and `offline_access`, which
    /// gives time and nothing else. A word that nobody knows may mean anything.
    pub fn is_read_only(&self, name: &str) -> bool {
        match OwnScope::parse(name) {
            Some(own) => own.is_read_only(),
            None => name == OFFLINE_ACCESS || self.scope(name).is_some_and(|scope| scope.read_only),
        }
    }

    /// Those of `scopes` that an account in quarantine may give.
    pub fn read_only(&self, scopes: &ScopeSet) -> ScopeSet {
        let reads = |name: &&str| self.is_read_only(name);
        scopes.iter().filter(reads).map(str::to_owned).collect()
    }

    /// The tenant's own scopes.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The active resource servers.
    pub fn resource_servers(&self) -> &[KnownServer] {
        &self.resource_servers
    }

    pub fn resource_server(&self, key: ResourceServerKey) -> Option<&KnownServer> {
        self.resource_servers
            .iter()
            .find(|server| server.key == key)
    }

    /// The maxima of those of `scopes` that have one (E04).
    pub fn max_lifetimes(&self, scopes: &ScopeSet) -> Vec<Lifetime> {
        scopes
            .iter()
            .filter_map(|name| self.scope(name)?.max_lifetime)
            .collect()
    }

    /// Those of `scopes` that mean something to the resource server `key`: its own, and those that are nobody's own.
    pub fn scopes_of(&self, key: ResourceServerKey, scopes: &ScopeSet) -> ScopeSet {
        let means_something = |name: &&str| self.owner_of(name).is_none_or(|own| own == key);
        scopes
            .iter()
            .filter(means_something)
            .map(str::to_owned)
            .collect()
    }

    /// `server` as the audience of a credential with these scopes.
    pub fn audience(&self, server: &KnownServer, scopes: &ScopeSet) -> Audience {
        Audience {
            key: server.key,
            epoch: server.epoch,
            identifier: server.identifier.clone(),
            scopes: self.scopes_of(server.key, scopes),
        }
    }
}
