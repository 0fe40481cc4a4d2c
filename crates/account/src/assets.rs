//! Style and logo. Their links carry the version of their content, so browsers may keep them for long.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, EntityTag, Header as _, IfNoneMatch,
};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::Edge;

use crate::visit::not_found;

pub(crate) async fn style(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    asset(
        &request,
        &edge,
        "text/css; charset=utf-8",
        edge.pages.style(),
    )
}

/// Under the name that the theme gave it; under the other there is nothing.
pub(crate) async fn logo(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    if !request.path().ends_with(edge.pages.logo_file()) {
        return not_found(request, edge).await;
    }
    let (mime, bytes) = edge.pages.logo();
    asset(&request, &edge, mime, bytes)
}

fn asset(request: &HttpRequest, edge: &Edge, mime: &str, bytes: &[u8]) -> HttpResponse {
    let version = edge.pages.asset_version();
    let tag = EntityTag::new_strong(version.to_owned());
    // A link of an older or newer node of this server must not pin its content for long.
    let current = request.query_string() == format!("v={version}");
    let caching = if current {
        "public, max-age=31536000, immutable"
    } else {
        "public, no-cache"
    };
    let unchanged = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = match unchanged {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    response
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((ETAG, tag))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        // A drawing opened by itself is a document: it gets no script either.
        .insert_header(("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"));
    if unchanged {
        return response.finish();
    }
    response
        .insert_header((CONTENT_TYPE, mime))
        .body(bytes.to_vec())
}
