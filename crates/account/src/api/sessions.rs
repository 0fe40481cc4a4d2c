//! One's browser sessions.

use actix_web::HttpResponse;
use curfew_http::{Problem, answer};

use super::answers::{Error, Session, Sessions};
use super::paging::Page;
use super::{Call, done};
use crate::holdings::{self, HeldSession, HoldingRefusal};

/// The living browser sessions, newest first.
#[utoipa::path(
    get, path = "/api/v1/me/sessions", tag = "account",
    security(("bearer" = ["curfew:account:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "At most so many, 100 unless told, 500 at most"),
        ("before" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "The sessions", body = Sessions),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let page = Page::of(&call)?;
    let id = call.caller.user_id();
    let sessions = call.read(move |read| holdings::sessions(read, id)).await?;
    let (sessions, next) = page.cut(sessions, |held| held.session.id.to_string());
    Ok(answer::json(&Sessions {
        sessions: sessions.into_iter().map(Session::from).collect(),
        next,
    }))
}

impl From<HeldSession> for Session {
    fn from(held: HeldSession) -> Self {
        let session = held.session;
        Self {
            id: session.id.to_string(),
            authenticated_at: session.authenticated_at.seconds(),
            idle_at: session.idle_at.seconds(),
            expires_at: session.expires_at.seconds(),
            last_used_at: session.last_used_at.map(|at| at.seconds()),
            ip: session.ip,
            user_agent: session.user_agent,
            identity: session.link.map(|link| link.to_string()),
            provider: held.through.map(|identity| identity.provider.slug),
        }
    }
}

/// Ends one session, with everything bound to it.
#[utoipa::path(
    delete, path = "/api/v1/me/sessions/{id}", tag = "account",
    security(("bearer" = ["curfew:account:write"])),
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 204, description = "It is over"),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
        (status = 404, description = "There is no such living session of the person", body = Error),
    ),
)]
pub(super) async fn end(call: Call) -> Result<HttpResponse, Problem> {
    let Ok(id) = call.part("id").parse() else {
        return Err(HoldingRefusal::NotFound.into());
    };
    call.write(move |write, actor| holdings::session_end(write, actor, id))
        .await?;
    Ok(done())
}
