//! Cross-origin requests from browser clients: the exact origins that a public client registered, without credentials.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use curfew_store::StoreError;
use curfew_store::clients::Client;

use crate::edge::Edge;
use crate::realm::Realm;

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: &str = "600";

fn origin(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(ORIGIN)?.to_str().ok()?;
    // Sandboxed documents of anybody send this one.
    (value != "null").then_some(value)
}

/// Answers a preflight (Fetch §3.2.2): allowed when an active public client of the tenant registered the origin.
pub async fn preflight(
    edge: &Edge,
    realm: &Realm,
    request: &HttpRequest,
) -> Result<HttpResponse, StoreError> {
    let mut response = HttpResponse::NoContent().finish();
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Origin"));
    let Some(wanted) = origin(request).map(ToOwned::to_owned) else {
        return Ok(response);
    };
    let (tenant, asked) = (realm.tenant_id, wanted.clone());
    if edge
        .store
        .read(move |read| read.client_origin_is_registered(tenant, &asked))
        .await?
    {
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&wanted) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
        }
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("POST"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type"),
        );
        headers.insert(
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static(PREFLIGHT_SECONDS),
        );
    }
    Ok(response)
}

/// Lets the page of a public client read the answer.
pub fn allow(request: &HttpRequest, client: &Client, response: &mut HttpResponse) {
    let Some(origin) = origin(request) else {
        return;
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if !client.confidential
        && client
            .registration
            .origins
            .iter()
            .any(|registered| registered == origin)
        && let Ok(value) = HeaderValue::from_str(origin)
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
}
