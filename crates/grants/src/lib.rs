//! Grants: how a client comes by its tokens (RFC 6749, RFC 7636, RFC 8707, RFC 9207, OAuth 2.1).
//!
//! * [`authorize`] brings a person and a client together, [`consent`] asks the person, [`token`] hands out what was agreed.
//! * [`device`] does the same for a device without a browser (RFC 8628).
//! * `engine` drives the state machines of oxide-auth; nothing else here knows of that crate.
//! * `scopes` and `audience` say which scopes and which resource servers a request gets.

mod audience;
mod authorize;
mod consent;
mod device;
mod engine;
mod forms;
mod metadata;
pub mod pages;
mod quarantine;
mod scopes;
#[cfg(test)]
mod testing;
mod token;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use curfew_http::catalogue;
use curfew_http::problem::method_not_allowed;

/// Registers the authorization, consent, device and token endpoints, relative to the tenant.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/authorize")
                .route(web::get().to(authorize::get))
                .route(web::post().to(authorize::post))
                .default_service(web::to(|| async { method_not_allowed("GET, POST") })),
        )
        .service(
            web::resource("/consent")
                .route(web::get().to(consent::get))
                .route(web::post().to(consent::post))
                .default_service(web::to(|| async { method_not_allowed("GET, POST") })),
        )
        .service(
            web::resource("/device_authorization")
                .route(web::post().to(device::authorization::post))
                .route(web::method(Method::OPTIONS).to(token::preflight))
                .default_service(web::to(|| async { method_not_allowed("POST, OPTIONS") })),
        )
        .service(
            web::resource("/device")
                .route(web::get().to(device::entry::get))
                .route(web::post().to(device::entry::post))
                .default_service(web::to(|| async { method_not_allowed("GET, POST") })),
        )
        .service(
            web::resource("/device/confirm")
                .route(web::get().to(device::confirm::get))
                .route(web::post().to(device::confirm::post))
                .default_service(web::to(|| async { method_not_allowed("GET, POST") })),
        )
        .service(
            web::resource("/api/v1/device-decisions")
                .route(web::post().to(device::api::post))
                .default_service(web::to(|| async { method_not_allowed("POST") })),
        )
        .service(
            web::resource("/device/done")
                .route(web::get().to(device::confirm::done))
                .default_service(web::to(|| async { method_not_allowed("GET") })),
        )
        .service(
            web::resource("/device/qr.svg")
                .route(web::get().to(device::qr::get))
                .default_service(web::to(|| async { method_not_allowed("GET") })),
        )
        .service(
            web::resource("/token")
                .route(web::post().to(token::post))
                .route(web::method(Method::OPTIONS).to(token::preflight))
                .default_service(web::to(|| async { method_not_allowed("POST, OPTIONS") })),
        );
}

/// Registers the metadata documents, at the issuer's root: the well-known part comes before the tenant's path (RFC 8414 §3.1).
pub fn metadata_routes(config: &mut ServiceConfig) {
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/t/{tenant}",
    ] {
        config.service(
            web::resource(path)
                .route(web::get().to(metadata::get))
                .default_service(web::to(|| async { method_not_allowed("GET") })),
        );
    }
}
