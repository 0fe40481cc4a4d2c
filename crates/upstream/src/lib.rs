//! Signing in through an upstream identity provider.

pub mod check;
pub mod client;
pub mod failure;
mod github;
pub mod identity;
mod openid;
pub mod provider;
#[cfg(test)]
mod testing;
mod tokens;

pub use client::{AuthorizationRequest, Callback, Contact, UpstreamClient};
pub use failure::UpstreamFailure;
pub use identity::UpstreamIdentity;
pub use openid::LogoutToken;
pub use provider::{GithubRules, UpstreamProvider};
