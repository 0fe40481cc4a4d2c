//! Does this machine agree with the database about the time? Measured now and then, asked by the readiness probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use curfew_account::Readiness;
use curfew_policy::lifetime::CLOCK_TOLERANCE;
use curfew_store::{Store, StoreError};

/// The last measurement: seconds by which this machine is ahead.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockCheck(Arc<AtomicI64>);

impl ClockCheck {
    /// Compares the two clocks.
    pub(crate) async fn measure(&self, store: &Store) -> Result<(), StoreError> {
        let difference = store
            .read(|read| Ok(read.now().seconds() - read.database_clock()?))
            .await?;
        self.0.store(difference, Ordering::Relaxed);
        if !self.agrees() {
            tracing::error!(
                seconds = difference,
                "this machine's clock differs from the database's; not ready"
            );
        }
        Ok(())
    }

    fn agrees(&self) -> bool {
        self.0.load(Ordering::Relaxed).abs() <= CLOCK_TOLERANCE.seconds()
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let check = self.clone();
        Readiness::new(move || if check.agrees() { Ok(()) } else { Err("clock") })
    }
}
