//! How many calls are under way: a few for each origin, so that one that hangs leaves room for the others, and not many in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// Calls of one node.
pub(super) const IN_FLIGHT: usize = 32;
/// Calls of one node to one origin.
pub(super) const IN_FLIGHT_EACH: usize = 8;

#[derive(Debug)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    origins: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(IN_FLIGHT)),
            origins: Mutex::default(),
        }
    }
}

/// The right to make one call; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _origin: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// Waits for a slot. The origin's comes first, so that who waits for a slow origin takes no room from the others.
    pub(super) async fn take(&self, url: &Url) -> Slot {
        let origin = self.origin(&url.origin().ascii_serialization());
        // A permit is missing only if a semaphore were closed, which nobody does.
        Slot {
            _origin: origin.acquire_owned().await.ok(),
            _all: self.all.clone().acquire_owned().await.ok(),
        }
    }

    fn origin(&self, origin: &str) -> Arc<Semaphore> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever calls or waits holds the semaphore; one that only the map holds is not needed any more.
        origins.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        let semaphore = origins
            .entry(origin.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT_EACH)));
        semaphore.clone()
    }
}
