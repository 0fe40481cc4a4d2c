//! The store on both backends, one binary, a database for each test.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod audit;
mod audit_proof;
mod chain_of_life;
mod device_codes;
mod holdings;
mod last_uses;
mod model;
mod plans;
mod portability;
mod rebinding;
mod support;
mod transactions;
mod upstream;
mod users;
