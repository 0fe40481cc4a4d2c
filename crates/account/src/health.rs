//! Is the process alive, and can it serve? The first asks nobody, the second asks the database.

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::Edge;
use curfew_http::answer;
use serde::Serialize;

/// What else must hold before this node is ready, such as a clock that agrees with the database's. The server hands it over as
/// `Data<Readiness>`; the check must be quick, for it runs on a worker. Its error is a stable word.
pub struct Readiness(Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>);

impl Readiness {
    pub fn new(check: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static) -> Self {
        Self(Box::new(check))
    }
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

pub(crate) async fn health() -> HttpResponse {
    answer::json(&Status {
        status: "ok",
        reason: None,
    })
}

pub(crate) async fn ready(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    if let Err(error) = edge.store.ping().await {
        tracing::warn!(%error, "not ready: the database does not answer");
        return not_ready("database");
    }
    let check = request.app_data::<Data<Readiness>>();
    match check.map_or(Ok(()), |check| (check.0)()) {
        Ok(()) => answer::json(&Status {
            status: "ready",
            reason: None,
        }),
        Err(reason) => not_ready(reason),
    }
}

fn not_ready(reason: &'static str) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((RETRY_AFTER, "1"))
        .json(Status {
            status: "not_ready",
            reason: Some(reason),
        })
}
