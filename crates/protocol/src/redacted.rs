//! A value that must not be printed.

use std::fmt;

/// Wraps text that may hold a secret: it can be used, but neither `Debug` nor a log line shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
