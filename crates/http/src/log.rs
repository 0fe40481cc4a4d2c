//! One line for each request, when it is answered: id, method, path without query, status, time. Never a secret: neither query nor
//! body nor header is written.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::edge::Edge;
use crate::origin::request_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Endpoints whose lines are written at `debug`: resource servers call them for every request of theirs.
const HOT: [&str; 3] = ["/introspect", "/health", "/ready"];

/// The middleware.
pub async fn requests<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let Some(edge) = response.request().app_data::<Data<Edge>>().cloned() else {
        return Ok(response);
    };
    let id = request_id(response.request(), &edge).to_string();
    let (request, status) = (response.request(), response.status().as_u16());
    let (method, path) = (request.method().as_str(), request.path());
    if HOT.iter().any(|hot| path.ends_with(hot)) {
        tracing::debug!(request = id, method, path, status, "answered");
    } else {
        tracing::info!(request = id, method, path, status, "answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}
