//! The wall clock: the only place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use curfew_protocol::{Clock, Timestamp};

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "everybody else is handed the time that is read here"
    )]
    fn read() -> std::time::Duration {
        // Before 1970 nothing is alive, which is the safe answer of a broken clock.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(i64::try_from(Self::read().as_secs()).unwrap_or(i64::MAX))
    }

    fn now_millis(&self) -> u64 {
        u64::try_from(Self::read().as_millis()).unwrap_or(u64::MAX)
    }
}
