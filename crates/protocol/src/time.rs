//! Whole seconds since 1970, and how they are told to those who need them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A point in time: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// `self + lifetime`, held at the end of time instead of wrapping.
    #[must_use]
    pub const fn after(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.0))
    }

    /// The one comparison that decides an expiry: dead at `now >= expires_at`.
    pub const fn has_reached(self, expires_at: Self) -> bool {
        self.0 >= expires_at.0
    }

    /// From `earlier` to `self`; zero when the clock went backwards.
    pub const fn since(self, earlier: Self) -> Lifetime {
        let difference = self.0.saturating_sub(earlier.0);
        Lifetime(if difference < 0 { 0 } else { difference })
    }
}

/// A length of time in whole seconds, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Lifetime(i64);

impl Lifetime {
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds as i64)
    }

    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// A requested lifetime as the wire says it: digits, and at least one second (C07). `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: u32 = text.parse().ok().filter(|seconds| *seconds > 0)?;
        digits.then_some(Self::from_seconds(seconds))
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// Where "now" comes from. A request reads it once and passes the value down.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Milliseconds since 1970, for the time-ordered half of identifiers only; never for a decision.
    fn now_millis(&self) -> u64 {
        u64::try_from(self.now().seconds())
            .unwrap_or(0)
            .saturating_mul(1000)
    }
}

/// A clock that moves when it is told to.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.seconds())))
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
