//! The frame around every page: which tenant, who is there, and what happens when a stage cannot go on.

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, COOKIE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_protocol::{ErrorCode, Form, Lifetime, OAuthError};
use curfew_store::StoreError;

use crate::answer;
use crate::body::{RawForm, refused};
use crate::csrf::{self, FormOwner, FormRefusal};
use crate::pages::ErrorKind;
use crate::password::HashFailure;
use crate::problem::{PageContext, PageProblem, Problem};
use crate::session::{self, SignedIn};
use crate::{Edge, Realm};

/// Why a stage ends a request before its time.
#[derive(Debug)]
pub enum Halt {
    /// 503: neither signed in nor signed out, but not known (D19).
    Store(StoreError),
    /// 503: no password can be hashed.
    Hashing(HashFailure),
    /// 400: not a form that can be read.
    Unreadable(OAuthError),
    /// 403: the form was not made for this browser.
    Foreign,
    /// 404
    NotFound,
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<HashFailure> for Halt {
    fn from(error: HashFailure) -> Self {
        Self::Hashing(error)
    }
}

impl From<OAuthError> for Halt {
    fn from(error: OAuthError) -> Self {
        Self::Unreadable(error)
    }
}

impl Halt {
    fn into_response(self, at: &PageContext<'_>) -> HttpResponse {
        let problem = match self {
            Self::Store(error) => PageProblem::unavailable(&error, at),
            Self::Hashing(error) => {
                tracing::error!(%error, "a password could not be processed");
                PageProblem::new(ErrorKind::Unavailable, None, at)
            }
            Self::Unreadable(error) => {
                PageProblem::new(ErrorKind::BadRequest, Some(error.code().as_str()), at)
            }
            Self::Foreign => PageProblem::new(ErrorKind::Forbidden, Some("foreign_form"), at),
            Self::NotFound => PageProblem::new(ErrorKind::NotFound, None, at),
        };
        problem.into_response()
    }
}

/// Runs the stages of a page in the tenant that the path names.
pub async fn visit<F>(request: &HttpRequest, edge: &Data<Edge>, stages: F) -> HttpResponse
where
    F: AsyncFnOnce(PageContext<'_>) -> Result<HttpResponse, Halt>,
{
    let (realm, found) = match Realm::for_page(request, edge).await {
        Ok(Some(realm)) => (realm, Ok(())),
        Ok(None) => (Realm::root(), Err(Halt::NotFound)),
        Err(error) => (Realm::root(), Err(Halt::Store(error))),
    };
    let at = PageContext {
        edge,
        realm: &realm,
        request,
    };
    let answer = match found {
        Ok(()) => stages(at).await,
        Err(halt) => Err(halt),
    };
    answer.unwrap_or_else(|halt| halt.into_response(&at))
}

/// The default service: a page for people, JSON for programs.
pub async fn not_found(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    let accepted = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return visit(&request, &edge, async |_: PageContext<'_>| {
            Err(Halt::NotFound)
        })
        .await;
    }
    let error = OAuthError::new(
        ErrorCode::InvalidRequest,
        "there is nothing at this address",
    );
    let mut response = actix_web::ResponseError::error_response(&Problem::from(error));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Who stands before a page.
pub struct Visitor {
    pub signed_in: Option<SignedIn>,
    /// The browser sent a session cookie that is worth nothing.
    stale_cookie: bool,
}

impl Visitor {
    pub async fn of(at: &PageContext<'_>) -> Result<Self, StoreError> {
        let signed_in = session::signed_in(at.edge, at.realm, at.request).await?;
        let stale_cookie = signed_in.is_none() && sends_session_cookie(at);
        Ok(Self {
            signed_in,
            stale_cookie,
        })
    }

    /// Who the form of this visitor is made for, and a cookie to set where there is no session to bind it to.
    pub fn form_owner(&self, at: &PageContext<'_>) -> (FormOwner, Option<Cookie<'static>>) {
        match &self.signed_in {
            Some(signed_in) => (signed_in.form_owner(), None),
            None => csrf::browser(at.edge, at.realm, at.request),
        }
    }

    /// Takes a worthless session cookie away (D15).
    pub fn tidied(&self, at: &PageContext<'_>, response: HttpResponse) -> HttpResponse {
        let removal = self
            .stale_cookie
            .then(|| session::cookie_removal(at.edge, at.realm));
        with_cookie(response, removal)
    }
}

/// Looks at the bytes, because a header that cannot be parsed must be noticed too.
fn sends_session_cookie(at: &PageContext<'_>) -> bool {
    let name = format!("{}=", at.edge.issuer.cookie_name("session", &at.realm.base));
    at.request.headers().get_all(COOKIE).any(|header| {
        header
            .as_bytes()
            .windows(name.len())
            .any(|window| window == name.as_bytes())
    })
}

pub fn with_cookie(mut response: HttpResponse, cookie: Option<Cookie<'static>>) -> HttpResponse {
    if let Some(cookie) = cookie
        && let Err(error) = response.add_cookie(&cookie)
    {
        tracing::error!(%error, "a cookie could not be set");
    }
    response
}

/// `Retry-After`, on a page with its own words for it.
pub fn retry_after(mut response: HttpResponse, wait: Lifetime) -> HttpResponse {
    answer::retry_after(&mut response, wait);
    response
}

/// The query of the request.
pub fn query(request: &HttpRequest) -> Result<Form<'_>, Halt> {
    Form::parse(request.query_string().as_bytes(), &[]).map_err(|error| refused(error).into())
}

/// The posted form.
pub async fn posted(at: &PageContext<'_>, payload: Payload) -> Result<RawForm, Halt> {
    Ok(RawForm::read(at.request, payload).await?)
}

/// A form that lay open too long. What was typed is shown again, with a fresh token.
pub struct Expired;

/// Is the form one that we made for `owner`?
pub fn check_form(
    at: &PageContext<'_>,
    owner: &FormOwner,
    form: &Form<'_>,
) -> Result<Result<(), Expired>, Halt> {
    match owner.check(at.edge, at.request, form.get("csrf")) {
        Ok(()) => Ok(Ok(())),
        Err(FormRefusal::Expired) => Ok(Err(Expired)),
        Err(FormRefusal::Foreign) => Err(Halt::Foreign),
    }
}
