//! The upstream identities that are linked to one's account. Unlinking wants a fresh sign-in, which no token is: it is done on the account page.

use actix_web::HttpResponse;
use curfew_http::{Problem, answer};

use super::Call;
use super::answers::{Error, Identities, Identity};
use crate::holdings::{self, HeldIdentity};

/// The linked identities, oldest first.
#[utoipa::path(
    get, path = "/api/v1/me/identities", tag = "account",
    security(("bearer" = ["curfew:account:read"])),
    responses(
        (status = 200, description = "The identities", body = Identities),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let id = call.caller.user_id();
    let held = call
        .read(move |read| holdings::identities(read, id))
        .await?;
    Ok(answer::json(&Identities {
        identities: held.linked.into_iter().map(Identity::from).collect(),
    }))
}

impl From<HeldIdentity> for Identity {
    fn from(held: HeldIdentity) -> Self {
        Self {
            id: held.id.to_string(),
            provider: held.provider.slug,
            provider_name: held.provider.name,
            display: held.display,
            created_at: held.since.seconds(),
            usable: held.usable,
        }
    }
}
