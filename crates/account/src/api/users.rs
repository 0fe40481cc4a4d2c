//! Other people of the tenant: for its administrators only (C38).

use actix_web::HttpResponse;
use curfew_http::{Problem, bearer};
use curfew_protocol::{TokenId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use super::answers::Error;
use super::{Call, done};
use crate::holdings::{Actor, Outcome};

/// Ends all sessions and tokens of a person.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/logout-everywhere", tag = "users",
    security(("bearer" = ["curfew:users:end"])),
    params(("user" = String, Path, description = "The person's id, or name")),
    responses(
        (status = 204, description = "All sessions and tokens of the person are dead"),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope, or its owner is no administrator of the tenant", body = Error),
        (status = 404, description = "There is no such person in the tenant", body = Error),
    ),
)]
pub(super) async fn logout_everywhere(call: Call) -> Result<HttpResponse, Problem> {
    if !call.caller.is_administrator() {
        return Err(Refusal::NoAdministrator.into());
    }
    let (user, token) = (call.part("user"), call.caller.token_id());
    call.write(move |write, actor| end(write, actor, token, &user))
        .await?;
    Ok(done())
}

enum Refusal {
    SignedOut,
    NoAdministrator,
    NotFound,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SignedOut => Self::invalid_token(),
            Refusal::NoAdministrator => {
                Self::forbidden("only an administrator of the tenant may do this")
            }
            Refusal::NotFound => Self::not_found("there is no such person"),
        }
    }
}

/// Token and role are judged again here, so that a demoted administrator ends nobody.
fn end(write: &mut Write<'_>, actor: &Actor, token: TokenId, user: &str) -> Outcome<(), Refusal> {
    let target = person(write, actor, user)?;
    if let Some(target) = &target {
        write.user_held(target.id)?;
    }
    if bearer::alive_again(write, token)?.is_none() {
        return Ok(Err(Refusal::SignedOut));
    }
    let caller = write.user(actor.user_id)?;
    if !caller.is_some_and(|caller| caller.administrator) {
        return Ok(Err(Refusal::NoAdministrator));
    }
    let Some(target) = target else {
        return Ok(Err(Refusal::NotFound));
    };
    write.user_end_by_administrator(target.id)?;
    write.audit(&AuditEntry {
        tenant_id: Some(actor.tenant_id),
        user_id: Some(target.id),
        ..AuditEntry::new(
            AuditEvent::UserLoggedOutEverywhere,
            actor.by,
            actor.origin.clone(),
        )
    })?;
    Ok(Ok(()))
}

/// Somebody of the tenant, by id or by name.
fn person(read: &mut Read<'_>, actor: &Actor, text: &str) -> Result<Option<User>, StoreError> {
    let by_id = match text.parse::<UserId>() {
        Ok(id) => read.user(id)?,
        Err(_) => None,
    };
    let own = by_id.filter(|user| user.tenant_id == actor.tenant_id);
    match own {
        Some(user) => Ok(Some(user)),
        None => read.user_by_username(actor.tenant_id, text),
    }
}
