//! Signing in through an upstream identity provider.
//!
//! Speaking to a provider:
//! * [`client`] sends a browser off and finds out who comes back, whatever the kind: `openid` (OpenID Connect) or `github`. What comes of
//!   it is a checked [`identity`] or a [`failure`].
//! * [`check`] tells an administrator what is wrong with a provider.
//!
//! What becomes of people, each endpoint a file that reads as its stages in order:
//! * `start` sends somebody off to sign in, `link` somebody signed in to add an identity, `invitation` somebody who was invited;
//!   `departure` is what the three share.
//! * `callback` takes them back: the state parameter, the answer, the identity.
//! * `linking` decides and acts, in one transaction.
//! * `proof` asks whose an account is, where the decision wants to know.
//! * `backchannel_logout` obeys a provider that says somebody is signed out there.
//! * `refusal` is the one list of why somebody is not let in.

mod backchannel_logout;
mod callback;
mod check;
mod client;
mod departure;
mod failure;
mod gate;
mod github;
mod identity;
mod invitation;
mod link;
mod linking;
mod openid;
mod pages;
mod proof;
mod provider;
mod refusal;
mod start;
mod stop;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tokens;

use actix_web::web::{self, ServiceConfig};
use curfew_http::problem::method_not_allowed;

pub use check::{CheckLine, Verdict};
pub use client::{Contact, UpstreamClient, check};
pub use pages::TEMPLATES;
pub use provider::UpstreamProvider;

/// Registers the endpoints of this crate, relative to the tenant. The application has an [`UpstreamClient`] in its data.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/upstream/proof")
                .route(web::get().to(proof::get))
                .route(web::post().to(proof::post))
                .default_service(web::to(|| async { method_not_allowed("GET, POST") })),
        )
        .service(
            web::resource("/upstream/{provider}/start")
                .route(web::get().to(start::get))
                .default_service(web::to(|| async { method_not_allowed("GET") })),
        )
        .service(
            web::resource("/upstream/{provider}/callback")
                .route(web::get().to(callback::get))
                .default_service(web::to(|| async { method_not_allowed("GET") })),
        )
        .service(
            web::resource("/upstream/{provider}/link")
                .route(web::post().to(link::post))
                .default_service(web::to(|| async { method_not_allowed("POST") })),
        )
        .service(
            web::resource("/upstream/{provider}/invitation")
                .route(web::post().to(invitation::post))
                .default_service(web::to(|| async { method_not_allowed("POST") })),
        )
        .service(
            web::resource("/upstream/{provider}/backchannel-logout")
                .route(web::post().to(backchannel_logout::post))
                .default_service(web::to(|| async { method_not_allowed("POST") })),
        );
}
