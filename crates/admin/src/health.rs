//! Is the installation in order?

use curfew_policy::lifetime::CLOCK_TOLERANCE;
use curfew_store::{Finding, Invariant};

use crate::{Admin, AdminError};

/// What a look at the running database found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Health {
    pub backend: &'static str,
    pub installation_epoch: i64,
    /// Seconds by which this machine's clock is ahead of the database's.
    pub clock_difference: i64,
    pub clock_in_order: bool,
}

impl Admin {
    pub fn health(&self) -> Result<Health, AdminError> {
        self.read(|read| {
            let clock_difference = read.now().seconds() - read.database_clock()?;
            Ok(Health {
                backend: self.store.backend_name(),
                installation_epoch: read.installation_epoch()?,
                clock_difference,
                clock_in_order: clock_difference.abs() <= CLOCK_TOLERANCE.seconds(),
            })
        })
    }

    /// Counts the violations of one invariant; on a large database this reads every token.
    pub fn invariant_check(&self, invariant: &Invariant) -> Result<Finding, AdminError> {
        self.read(|read| Ok(read.invariant_check(invariant)?))
    }
}
