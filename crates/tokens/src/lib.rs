//! Introspection (RFC 7662) and revocation (RFC 7009): is it alive, and now it is not.

mod introspect;
mod revoke;

use actix_web::web::{self, ServiceConfig};
use curfew_http::problem::method_not_allowed;

/// Registers both endpoints, relative to the tenant.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/introspect")
                .route(web::post().to(introspect::introspect))
                .default_service(web::to(|| async { method_not_allowed("POST") })),
        )
        .service(
            web::resource("/revoke")
                .route(web::post().to(revoke::revoke))
                .route(web::method(actix_web::http::Method::OPTIONS).to(revoke::preflight))
                .default_service(web::to(|| async { method_not_allowed("POST, OPTIONS") })),
        );
}
