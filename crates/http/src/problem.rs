//! The one place where an error becomes HTTP.
//!
//! Protocol endpoints answer a [`Problem`]: JSON after RFC 6749 §5.2. Pages answer a [`PageProblem`]: HTML with a correlation id.
//! A failing dependency is 503 with `Retry-After` on both, never a wrong answer. What an operator needs goes to the log.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use curfew_protocol::wire::ErrorResponse;
use curfew_protocol::{ErrorCode, Lifetime, OAuthError, OwnScope};
use curfew_store::StoreError;

use crate::answer;
use crate::edge::Edge;
use crate::origin::request_id;
use crate::pages::{ErrorKind, ErrorPage, Language};
use crate::realm::Realm;

/// Seconds after which a caller may try again when a dependency failed.
const RETRY_SECONDS: i64 = 1;

/// How the `WWW-Authenticate` header asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    None,
    /// Client authentication was tried by the `Authorization` header (RFC 6749 §5.2).
    Basic,
    /// No token came: nothing is said but that one is needed, not even in the body (RFC 6750 §3.1).
    BareBearer,
    /// A token came, and the error tells what is wrong with it; the scope is the one that it lacks.
    Bearer(Option<OwnScope>),
}

/// An error of a protocol endpoint.
#[derive(Debug)]
pub struct Problem {
    error: OAuthError,
    /// Where the endpoint's status is not the code's own.
    status: Option<StatusCode>,
    challenge: Challenge,
    retry_after: Option<i64>,
}

impl Problem {
    pub const fn oauth(error: OAuthError) -> Self {
        Self {
            error,
            status: None,
            challenge: Challenge::None,
            retry_after: None,
        }
    }

    fn challenging(code: ErrorCode, description: &'static str, challenge: Challenge) -> Self {
        Self {
            challenge,
            ..Self::oauth(OAuthError::new(code, description))
        }
    }

    /// Failed client authentication. The same words for every cause.
    pub fn invalid_client(used_basic: bool) -> Self {
        let challenge = if used_basic {
            Challenge::Basic
        } else {
            Challenge::None
        };
        Self::challenging(
            ErrorCode::InvalidClient,
            "client authentication failed",
            challenge,
        )
    }

    /// No bearer token was presented.
    pub(crate) fn bearer_missing() -> Self {
        let told = "an access token is needed";
        Self::challenging(ErrorCode::InvalidToken, told, Challenge::BareBearer)
    }

    /// A bearer token was presented in two ways, or twice.
    pub(crate) fn bearer_several_methods() -> Self {
        let told =
            "the access token is taken from the Authorization header, once, and from nowhere else";
        Self::challenging(ErrorCode::InvalidRequest, told, Challenge::Bearer(None))
    }

    /// The bearer token is not good here. The same words for every cause.
    pub fn invalid_token() -> Self {
        let told = "the access token is not valid";
        Self::challenging(ErrorCode::InvalidToken, told, Challenge::Bearer(None))
    }

    /// The bearer token may not do this.
    pub fn insufficient_scope(scope: OwnScope) -> Self {
        let told = "the access token may not do this";
        let challenge = Challenge::Bearer(Some(scope));
        Self::challenging(ErrorCode::InsufficientScope, told, challenge)
    }

    /// 403: whoever asks may not do this, whatever their token says.
    pub fn forbidden(description: &'static str) -> Self {
        Self {
            status: Some(StatusCode::FORBIDDEN),
            ..Self::oauth(OAuthError::new(ErrorCode::AccessDenied, description))
        }
    }

    /// 404: there is nothing of that name, or it is somebody else's.
    pub fn not_found(description: &'static str) -> Self {
        Self {
            status: Some(StatusCode::NOT_FOUND),
            ..Self::oauth(OAuthError::new(ErrorCode::InvalidRequest, description))
        }
    }

    /// 503: what the answer depends on failed.
    pub fn unavailable() -> Self {
        let told = OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "the server cannot answer right now; try again",
        );
        Self {
            retry_after: Some(RETRY_SECONDS),
            ..Self::oauth(told)
        }
    }

    pub fn too_many_attempts(wait: Lifetime) -> Self {
        let error = OAuthError::new(
            ErrorCode::TooManyRequests,
            "too many attempts; try again later",
        );
        Self {
            retry_after: Some(wait.seconds().max(1)),
            ..Self::oauth(error)
        }
    }

    pub const fn code(&self) -> ErrorCode {
        self.error.code()
    }
}

impl Problem {
    /// The challenge (RFC 6750 §3, RFC 7617 §2). Codes and descriptions are made of characters that need no quoting.
    fn challenge(&self) -> Option<String> {
        let scope = match self.challenge {
            Challenge::None => return None,
            Challenge::Basic => {
                return Some("Basic realm=\"curfew\", charset=\"UTF-8\"".to_owned());
            }
            Challenge::BareBearer => return Some("Bearer realm=\"curfew\"".to_owned()),
            Challenge::Bearer(scope) => scope,
        };
        let (error, description) = (self.error.code().as_str(), self.error.description());
        let scope = scope.map(|scope| format!(", scope=\"{scope}\""));
        Some(format!(
            "Bearer realm=\"curfew\", error=\"{error}\", error_description=\"{description}\"{}",
            scope.unwrap_or_default()
        ))
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
        Self::unavailable()
    }
}

fn log_store_error(error: &StoreError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "the store failed");
    metrics::counter!("curfew_store_errors_total").increment(1);
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        let own = || StatusCode::from_u16(self.error.code().status());
        self.status
            .unwrap_or_else(|| own().unwrap_or(StatusCode::BAD_REQUEST))
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((PRAGMA, "no-cache"));
        if let Some(challenge) = self.challenge() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.challenge == Challenge::BareBearer {
            return response.finish();
        }
        response.json(ErrorResponse {
            error: self.error.code().as_str(),
            error_description: self.error.description(),
        })
    }
}

/// An error of a page, rendered when it is made.
pub struct PageProblem(Box<HttpResponse>);

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
        Self(Box::new(response))
    }

    /// A page that a capability rendered itself.
    pub fn rendered(response: HttpResponse) -> Self {
        Self(Box::new(response))
    }

    pub fn into_response(self) -> HttpResponse {
        *self.0
    }
}

/// What a page is rendered for.
#[derive(Clone, Copy)]
pub struct PageContext<'a> {
    pub edge: &'a Edge,
    pub realm: &'a Realm,
    pub request: &'a HttpRequest,
}

impl PageContext<'_> {
    /// The language of the visitor.
    pub fn language(&self) -> Language {
        let accepted = self
            .request
            .headers()
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        self.edge.pages.language(accepted)
    }
}

/// 405 for a path that exists, with the methods it has.
pub fn method_not_allowed(methods: &str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, methods))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(ErrorResponse {
            error: ErrorCode::InvalidRequest.as_str(),
            error_description: "this endpoint does not answer that method",
        })
}
