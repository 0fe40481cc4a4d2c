//! Is the installation in order?

use curfew_policy::lifetime::CLOCK_TOLERANCE;
use curfew_store::{Finding, Invariant, Read};

use crate::{Admin, AdminError, ProviderName};

/// What a look at the running database found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Health {
    pub backend: &'static str,
    pub installation_epoch: i64,
    /// Seconds by which this machine's clock is ahead of the database's.
    pub clock_difference: i64,
    pub clock_in_order: bool,
    /// Imported links that still wait for their person (B16).
    pub empty_links: Vec<EmptyLinks>,
    /// Active providers that sign people in by their address alone (B51).
    pub dangerous_providers: Vec<ProviderName>,
}

/// How many links of a provider have no subject yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EmptyLinks {
    pub tenant: String,
    pub provider: String,
    pub links: i64,
}

impl Admin {
    pub fn health(&self) -> Result<Health, AdminError> {
        let dangerous_providers = self.providers_dangerous()?;
        self.read(|read| {
            let clock_difference = read.now().seconds() - read.database_clock()?;
            Ok(Health {
                backend: self.store.backend_name(),
                installation_epoch: read.installation_epoch()?,
                clock_difference,
                clock_in_order: clock_difference.abs() <= CLOCK_TOLERANCE.seconds(),
                empty_links: empty_links(read)?,
                dangerous_providers,
            })
        })
    }

    /// Counts the violations of one invariant; on a large database this reads every token.
    pub fn invariant_check(&self, invariant: &Invariant) -> Result<Finding, AdminError> {
        self.read(|read| Ok(read.invariant_check(invariant)?))
    }
}

fn empty_links(read: &mut Read<'_>) -> Result<Vec<EmptyLinks>, AdminError> {
    let mut found = Vec::new();
    for owner in read.tenant_list()? {
        let waiting = read.links_empty(owner.id)?;
        found.extend(waiting.into_iter().map(|(provider, links)| EmptyLinks {
            tenant: owner.slug.clone(),
            provider,
            links,
        }));
    }
    Ok(found)
}
