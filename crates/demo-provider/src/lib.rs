//! A small OpenID provider for `curfew demo` and for the tests: honest by itself, and as hostile as a test makes it.
//!
//! It knows a handful of people who sign in without a password, so it listens on loopback addresses only. It holds everything in memory and
//! knows nothing of Curfew: it is the other side.
//!
//! 1. [`Config`] says who the people and the clients are; [`Provider`] answers for them; [`Running`] is one in a thread of its own.
//! 2. A client reads `discovery` (OpenID Connect Discovery 1.0 §3) and the keys (RFC 7517), and sends a browser to `authorize`
//!    (RFC 6749 §4.1.1 with the proof key of RFC 7636). The person chooses who they are, or refuses; the browser goes back with a code and
//!    with `iss` (RFC 9207).
//! 3. `token` takes the code once, against the client's secret and the proof key, and gives an access token and an ID token
//!    (OpenID Connect Core 1.0 §3.1.3). `userinfo` tells what the access token's scopes allow (§5.3).
//! 4. At `end_session` the person signs out (RP-Initiated Logout 1.0); every client that took part is told (Back-Channel Logout 1.0).
//! 5. Before an answer leaves, [`Hooks`] may change it: its claims, its signature, or its very bytes. What is hostile lives in the tests.

mod authorize;
mod back_channel;
mod client_auth;
mod config;
mod discovery;
mod end_session;
mod hooks;
mod jwt;
mod keys;
mod page;
mod provider;
mod running;
mod state;
mod token;
mod transport;
mod userinfo;
mod wire;

#[cfg(test)]
mod tests;

pub use config::{Client, Clock, Config, Person};
pub use hooks::{Hooks, JwtDraft, Signer};
pub use jwt::compact;
pub use keys::{Algorithm, Key};
pub use provider::{Broken, Provider, Told};
pub use running::Running;
pub use wire::{Answer, Received};
