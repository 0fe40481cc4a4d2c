//! What an administrator can do, as operations: the command line calls them, later an API.
//!
//! Every operation checks its input, runs in one transaction together with its audit row, and answers with a value or with a
//! sentence that says what to do next. Nothing here prints, asks or hashes passwords.

mod audit;
mod backups;
mod bootstraps;
mod clients;
mod configured;
mod error;
mod filling;
mod health;
mod identities;
mod import;
mod invitations;
mod members;
mod providers;
mod resources;
mod scopes;
mod sessions;
mod subject;
mod tenants;
#[cfg(test)]
mod testing;
mod token_lists;
mod tokens;
mod users;
mod words;

use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::OwnerStatus;
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::tenants::Tenant;
use curfew_store::{Read, Store, StoreError, Write};

pub use audit::AuditSearch;
pub use curfew_policy::standing::{Kind, Standing};
pub use curfew_store::tree::Edge;

pub use clients::{AddedClient, ClientChange, NewClient};
pub use configured::{ConfiguredProvider, ProviderName, Reconciled};
pub use error::AdminError;
pub use filling::Filling;
pub use health::{EmptyLinks, Health};
pub use identities::{IdentityRequest, LinkChanged, ShownLink};
pub use import::{
    ImportFile, ImportFormat, ImportOutcome, ImportSummary, ImportedLink, ImportedRow, LinkOutcome,
};
pub use invitations::{Invitation, Invitations};
pub use providers::{ChangedProvider, Rebound, ShownProvider};
pub use resources::AddedResource;
pub use scopes::{NewScope, ScopeChange};
pub use tenants::TenantChange;
pub use token_lists::ListedToken;
pub use tokens::{Inspection, LineageRow, Revoked};
pub use users::{AddedUser, NewUserRequest, UserChange};

/// The operations, in the name of whoever is at the command line.
#[derive(Clone, Debug)]
pub struct Admin {
    store: Store,
    rules: LifetimeRules,
    by: AuthenticatedBy,
}

impl Admin {
    /// For the command line: whoever can read the keys may do everything.
    pub const fn for_command_line(store: Store, rules: LifetimeRules) -> Self {
        Self {
            store,
            rules,
            by: AuthenticatedBy::CommandLine,
        }
    }

    pub const fn store(&self) -> &Store {
        &self.store
    }

    fn entry(&self, event: AuditEvent) -> AuditEntry {
        AuditEntry::new(event, self.by, Origin::default())
    }

    /// One transaction. A refusal comes before the first write, so committing it leaves nothing behind.
    fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        self.store.write_blocking(move |write| settle(job(write)))?
    }

    /// The same, for what is to be taken back: it answers what would have been answered.
    fn rehearse<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        self.store
            .rehearse_blocking(move |write| settle(job(write)))?
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&mut Read<'_>) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        self.store.read_blocking(|read| settle(job(read)))?
    }
}

/// A failing store takes the transaction back; a refusal is an answer.
fn settle<T>(done: Result<T, AdminError>) -> Result<Result<T, AdminError>, StoreError> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(AdminError::Store(error)) => Err(error),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// The tenant of that slug, which must not be deleted.
fn tenant(read: &mut Read<'_>, slug: &str) -> Result<Tenant, AdminError> {
    read.tenant_by_slug(slug)?
        .ok_or_else(|| AdminError::not_found("tenant", slug))
}

/// Turns the schema's "somebody is there already" into a sentence.
fn taken<T>(
    result: Result<T, StoreError>,
    noun: &'static str,
    name: &str,
) -> Result<T, AdminError> {
    result.map_err(|error| {
        if error.is_unique_violation() {
            AdminError::Exists {
                noun,
                name: name.to_owned(),
                source: error,
            }
        } else {
            AdminError::Store(error)
        }
    })
}

/// Refuses a step between two states that is none.
fn check_step(
    noun: &'static str,
    name: &str,
    now: OwnerStatus,
    next: OwnerStatus,
) -> Result<(), AdminError> {
    if now == next {
        return Err(AdminError::Invalid(format!(
            "{noun} `{name}` is {now} already; there is nothing to do"
        )));
    }
    Ok(())
}
