//! The description of the API (OpenAPI 3.1), made from the handlers.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::{Edge, Problem, Realm, answer};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Server};
use utoipa::{Modify, OpenApi};

use super::{applications, elsewhere, identities, me, sessions, tokens, users};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Curfew: the API of one's own account",
        description = "Every operation takes a bearer token (RFC 6750) in the Authorization header, made for this API and carrying \
                       the scope that stands with the operation. Each tenant has the API under its own issuer.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        me::show, me::logout_everywhere, sessions::list, sessions::end, identities::list, applications::list, applications::withdraw,
        tokens::list, tokens::make, tokens::end_all, tokens::show, tokens::end, users::logout_everywhere, elsewhere::device_decisions,
    ),
    modifiers(&Bearer),
    tags(
        (name = "account", description = "Profile, sessions and applications"),
        (name = "tokens", description = "Tokens"),
        (name = "devices", description = "Devices that wait for an approval (RFC 8628)"),
        (name = "users", description = "For administrators of the tenant"),
    ),
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The description, without a server: the issuer of the tenant is one.
pub fn document() -> Document {
    Api::openapi()
}

/// `GET /api/v1/openapi.json`: public, as it says nothing that is not in the reference.
pub(super) async fn get(edge: Data<Edge>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(realm) = Realm::of(&request, &edge).await? else {
        return Err(Problem::not_found("there is nothing at this address"));
    };
    let mut document = document();
    document.servers = Some(vec![Server::new(realm.issuer(&edge))]);
    Ok(answer::json(&document))
}
