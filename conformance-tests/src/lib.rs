//! The harness of the black-box tests: it starts the real binary, speaks HTTP to it byte by byte, and knows nothing of its inside.
//!
//! 1. [`Setup`] prepares a folder, a database and keys, and starts one or more nodes; [`Curfew`] is what runs, and ends with its owner.
//! 2. [`World`] is a running server with the clients, the resource server and the user that most tests need.
//! 3. [`Browser`] walks the pages as a person's browser would, with cookies but without scripts.
//! 4. [`wire`] is the HTTP client: requests are sent as written, answers are told as they came.
//! 5. [`upstream`] has the other side: OpenID providers and a GitHub, honest and hostile, and the way there and back.
//! 6. [`linking`] looks at what becomes of people who come from there: whom they are, what is stored, and that a refusal leaves nothing.
//! 7. [`hostile`] has what hostile providers and people have in common.
//! 8. [`history`] judges a recorded history of operations: was every revocation linearizable?
//!
//! Every test runs on both databases: see [`on_both_backends`].

pub mod github;
pub mod history;
pub mod hostile;
pub mod html;
pub mod linking;
pub mod load;
pub mod oidc_provider;
pub mod pkce;
pub mod script;
pub mod stub;
pub mod upstream;
pub mod wire;

mod account;
mod browser;
mod cluster;
mod device;
mod family;
mod server;
mod smtp;
mod world;

pub use browser::{AuthorizationRequest, Browser};
pub use cluster::Cluster;
pub use device::{DEVICE_GRANT, Device};
pub use family::{Family, OWN_TOKEN};
pub use server::{Backend, Curfew, Setup, binary, repository};
pub use smtp::{Mail, MailServer};
pub use wire::{Connection, Http, Request, Response};
pub use world::{Client, Code, PASSWORD, ResourceServer, Tokens, World};

/// Writes each test once and runs it as `sqlite::name` and as `postgres::name`.
#[macro_export]
macro_rules! on_both_backends {
    ($($(#[$meta:meta])* fn $name:ident($backend:ident) $body:block)*) => {
        $($(#[$meta])* fn $name($backend: $crate::Backend) $body)*

        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::Backend::Sqlite) })*
        }

        mod postgres {
            $(#[test] fn $name() { super::$name($crate::Backend::Postgres) })*
        }
    };
}
