//! A device is approved or denied by a token instead of a person at a browser: only by one with the scope that is made for it, and what
//! is approved hangs on that token, never wider nor longer (C01, C14, C15).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::guess::Guess;
use curfew_http::problem::PageContext;
use curfew_http::{Edge, Problem, Realm, bearer, body};
use curfew_protocol::{ErrorCode, OAuthError, OwnScope, UserCode};
use serde::Deserialize;

use super::decide::{self, Approver, Decided, DecisionRefusal};
use super::entry;

/// What is decided.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    user_code: String,
    decision: Word,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Approve,
    Deny,
}

const MEMBERS: &str = "the body is an object of user_code (text) and decision (approve or deny), each once, and nothing else";

/// `POST /api/v1/device-decisions`
pub(crate) async fn post(
    edge: Data<Edge>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let Some(realm) = Realm::of(&request, &edge).await? else {
        return Err(Problem::not_found("there is nothing at this address"));
    };
    let caller = bearer::authenticate(&edge, &realm, &request, OwnScope::ApproveDevices).await?;
    let wanted: Decision = body::json(&request, payload, MEMBERS).await?;
    let at = PageContext {
        edge: &edge,
        realm: &realm,
        request: &request,
    };
    let device = find(&at, &caller, &wanted.user_code).await?;
    let by = Approver::Token(caller.token_id());
    let decided = match wanted.decision {
        Word::Approve => decide::approve(&at, (by, caller.username()), device, false).await?,
        Word::Deny => decide::deny(&at, by, device).await?,
    };
    answer(decided)
}

/// The device that waits under the code; a guess like any other.
async fn find(
    at: &PageContext<'_>,
    caller: &bearer::BearerUser,
    typed: &str,
) -> Result<curfew_protocol::DeviceCodeId, Problem> {
    let unknown = || Problem::not_found("no device waits under this code");
    let user_code = UserCode::parse(typed).ok_or_else(unknown)?;
    let guess: Guess = entry::guess(at, caller.user_id());
    if let Err(wait) = guess.take(at.edge).await? {
        return Err(Problem::too_many_attempts(wait));
    }
    let found = entry::look_up(at, user_code, guess).await?;
    found.ok_or_else(unknown)
}

fn answer(decided: Decided) -> Result<HttpResponse, Problem> {
    let (code, told) = match decided {
        Decided::Approved | Decided::Denied => {
            return Ok(HttpResponse::NoContent()
                .insert_header((CACHE_CONTROL, "no-store"))
                .finish());
        }
        Decided::SignedOut => return Err(Problem::invalid_token()),
        Decided::Refused(refusal) => match refusal {
            DecisionRefusal::Gone => {
                return Err(Problem::not_found("no device waits under this code"));
            }
            DecisionRefusal::Off => (
                ErrorCode::UnauthorizedClient,
                "devices of this client cannot be approved at the moment",
            ),
            DecisionRefusal::NotAdmitted => {
                (ErrorCode::AccessDenied, "the client is not for this person")
            }
            DecisionRefusal::Changed => (
                ErrorCode::InvalidScope,
                "what the device asked for is not to be had any more",
            ),
            DecisionRefusal::Quarantined => (
                ErrorCode::AccessDenied,
                "the account may only read until its e-mail address is confirmed",
            ),
            DecisionRefusal::OtherAddress => (
                ErrorCode::AccessDenied,
                "the device asked from another address",
            ),
            DecisionRefusal::TooLong => (
                ErrorCode::InvalidRequest,
                "the device asked for a longer lifetime than this token may give",
            ),
            DecisionRefusal::BeyondToken => (
                ErrorCode::InvalidScope,
                "the device asked for more than this token has",
            ),
        },
    };
    Err(OAuthError::new(code, told).into())
}
