//! The one place where an error becomes HTTP.
//!
//! Protocol endpoints answer a [`Problem`]: JSON after RFC 6749 §5.2. Pages answer a [`PageProblem`]: HTML with a correlation id.
//! A failing dependency is 503 with `Retry-After` on both, never a wrong answer. What an operator needs goes to the log.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use curfew_protocol::wire::ErrorResponse;
use curfew_protocol::{ErrorCode, Lifetime, OAuthError};
use curfew_store::StoreError;

use crate::answer;
use crate::edge::Edge;
use crate::origin::request_id;
use crate::pages::{ErrorKind, ErrorPage};
use crate::realm::Realm;

/// Seconds after which a caller may try again when a dependency failed.
const RETRY_SECONDS: i64 = 1;

/// An error of a protocol endpoint.
#[derive(Debug)]
pub struct Problem {
    error: OAuthError,
    /// Client authentication was tried by the `Authorization` header (RFC 6749 §5.2).
    basic_challenge: bool,
    retry_after: Option<i64>,
}

impl Problem {
    pub const fn oauth(error: OAuthError) -> Self {
        Self {
            error,
            basic_challenge: false,
            retry_after: None,
        }
    }

    /// Failed client authentication. The same words for every cause.
    pub fn invalid_client(used_basic: bool) -> Self {
        let error = OAuthError::new(ErrorCode::InvalidClient, "client authentication failed");
        Self {
            error,
            basic_challenge: used_basic,
            retry_after: None,
        }
    }

    pub fn too_many_attempts(wait: Lifetime) -> Self {
        let error = OAuthError::new(
            ErrorCode::TooManyRequests,
            "too many attempts; try again later",
        );
        Self {
            error,
            basic_challenge: false,
            retry_after: Some(wait.seconds().max(1)),
        }
    }

    pub const fn code(&self) -> ErrorCode {
        self.error.code()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl From<OAuthError> for Problem {
    fn from(error: OAuthError) -> Self {
        Self::oauth(error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        log_store_error(&error);
        let told = OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "the server cannot answer right now; try again",
        );
        Self {
            error: told,
            basic_challenge: false,
            retry_after: Some(RETRY_SECONDS),
        }
    }
}

fn log_store_error(error: &StoreError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "the store failed");
    metrics::counter!("curfew_store_errors_total").increment(1);
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code().status()).unwrap_or(StatusCode::BAD_REQUEST)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((PRAGMA, "no-cache"));
        if self.error.code() == ErrorCode::InvalidClient && self.basic_challenge {
            response.insert_header((
                WWW_AUTHENTICATE,
                "Basic realm=\"curfew\", charset=\"UTF-8\"",
            ));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.json(ErrorResponse {
            error: self.error.code().as_str(),
            error_description: self.error.description(),
        })
    }
}

/// An error of a page, rendered when it is made.
pub struct PageProblem(HttpResponse);

impl fmt::Debug for PageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageProblem({})", self.0.status())
    }
}

impl fmt::Display for PageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a page answered {}", self.0.status())
    }
}

impl PageProblem {
    /// The general error page.
    pub fn new(kind: ErrorKind, code: Option<&str>, at: &PageContext<'_>) -> Self {
        Self::waiting(kind, code, None, at)
    }

    /// 429, with the time to wait.
    pub fn too_many_attempts(wait: Lifetime, at: &PageContext<'_>) -> Self {
        Self::waiting(ErrorKind::TooManyRequests, None, Some(wait), at)
    }

    /// 503: a dependency failed.
    pub fn unavailable(error: &StoreError, at: &PageContext<'_>) -> Self {
        log_store_error(error);
        Self::new(ErrorKind::Unavailable, None, at)
    }

    fn waiting(
        kind: ErrorKind,
        code: Option<&str>,
        wait: Option<Lifetime>,
        at: &PageContext<'_>,
    ) -> Self {
        let seconds = match kind {
            ErrorKind::Unavailable => Some(RETRY_SECONDS),
            _ => wait.map(|wait| wait.seconds().max(1)),
        };
        let minutes = wait.map(|wait| u32::try_from(wait.seconds() / 60 + 1).unwrap_or(u32::MAX));
        let page = ErrorPage {
            shell: at.realm.shell(),
            kind,
            code: code.map(ToOwned::to_owned),
            retry_minutes: minutes,
            correlation_id: request_id(at.request, at.edge).to_string(),
        };
        let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = answer::page(at, status, "error.html", &page);
        if let Some(seconds) = seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        Self(response)
    }

    /// A page that a capability rendered itself.
    pub const fn rendered(response: HttpResponse) -> Self {
        Self(response)
    }

    pub fn into_response(self) -> HttpResponse {
        self.0
    }
}

/// What a page is rendered for.
#[derive(Clone, Copy)]
pub struct PageContext<'a> {
    pub edge: &'a Edge,
    pub realm: &'a Realm,
    pub request: &'a HttpRequest,
}

/// 405 for a path that exists, with the methods it has.
pub fn method_not_allowed(methods: &'static str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, methods))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(ErrorResponse {
            error: ErrorCode::InvalidRequest.as_str(),
            error_description: "this endpoint does not answer that method",
        })
}
