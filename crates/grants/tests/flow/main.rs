//! The endpoints end to end, over a database of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod authorize;
mod bound;
mod quarantine;
mod support;
mod token;
