//! Oneself.

use actix_web::HttpResponse;
use curfew_http::{Problem, answer};

use super::answers::{Error, Me, OwnToken};
use super::{Call, done};
use crate::holdings;

/// Who the token speaks for.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "account",
    security(("bearer" = ["curfew:account:read"])),
    responses(
        (status = 200, description = "The profile, and the token that asks", body = Me),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn show(call: Call) -> Result<HttpResponse, Problem> {
    let id = call.caller.user_id();
    let Some(user) = call.read(move |read| read.user(id)).await? else {
        return Err(Problem::invalid_token());
    };
    let caller = &call.caller;
    Ok(answer::json(&Me {
        user_id: user.id.to_string(),
        username: user.username,
        name: user.name,
        email: user.email,
        administrator: user.administrator,
        quarantined: user.quarantined,
        token: OwnToken {
            id: caller.token_id().to_string(),
            client_id: caller.client_id().map(ToOwned::to_owned),
            scope: caller.scopes().to_string(),
            expires_at: caller.expires_at().seconds(),
        },
    }))
}

/// Ends all sessions and tokens of the person, this one too.
#[utoipa::path(
    post, path = "/api/v1/me/logout-everywhere", tag = "account",
    security(("bearer" = ["curfew:account:write"])),
    responses(
        (status = 204, description = "All sessions and tokens are dead, this one too"),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn logout_everywhere(call: Call) -> Result<HttpResponse, Problem> {
    call.write(holdings::everything_end).await?;
    Ok(done())
}
