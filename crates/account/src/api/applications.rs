//! The applications that may do something in one's name.

use actix_web::HttpResponse;
use curfew_http::{Problem, answer};
use curfew_store::codes::ApprovalBasis;

use super::answers::{Application, Applications, Approval, Approved, Error};
use super::{Call, done};
use crate::holdings::{self, ApprovedBy, HeldApproval};

/// Approvals of one application that are told of.
const APPROVALS: usize = 10;

/// The applications that may do something in the person's name, the most recent first.
#[utoipa::path(
    get, path = "/api/v1/me/applications", tag = "account",
    security(("bearer" = ["curfew:account:read"])),
    responses(
        (status = 200, description = "The applications", body = Applications),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let id = call.caller.user_id();
    let held = call
        .read(move |read| holdings::applications(read, id))
        .await?;
    Ok(answer::json(&Applications {
        applications: held.items.into_iter().map(Application::from).collect(),
        complete: !held.more,
    }))
}

impl From<holdings::Application> for Application {
    fn from(own: holdings::Application) -> Self {
        Self {
            client_id: own.client.client_id,
            name: own.client.name,
            scope: own.scopes.to_string(),
            since: own.since.seconds(),
            expires_at: own.expires_at.seconds(),
            remembered_until: own.remembered_until.map(|until| until.seconds()),
            approval_count: own.approvals.len(),
            approvals: own
                .approvals
                .into_iter()
                .take(APPROVALS)
                .map(Approval::from)
                .collect(),
        }
    }
}

impl From<HeldApproval> for Approval {
    fn from(own: HeldApproval) -> Self {
        Self {
            id: own.id.to_string(),
            scope: own.scopes.to_string(),
            created_at: own.created_at.seconds(),
            expires_at: own.expires_at.seconds(),
            approved: own.approved.into(),
        }
    }
}

impl From<holdings::Approved> for Approved {
    fn from(own: holdings::Approved) -> Self {
        let (approved_by_session, approved_by_token) = match own.by {
            Some(ApprovedBy::Session(id)) => (Some(id.to_string()), None),
            Some(ApprovedBy::Token(id)) => (None, Some(id.to_string())),
            None => (None, None),
        };
        Self {
            approved_how: own.basis.map(|basis| match basis {
                ApprovalBasis::Asked => "asked",
                ApprovalBasis::Remembered => "remembered",
                ApprovalBasis::Implicit => "implicit",
                ApprovalBasis::Device => "device",
            }),
            approved_by_session,
            approved_by_token,
        }
    }
}

/// Withdraws all that an application may do in the person's name.
#[utoipa::path(
    delete, path = "/api/v1/me/applications/{client_id}", tag = "account",
    security(("bearer" = ["curfew:account:write"])),
    params(("client_id" = String, Path, description = "The application's client_id")),
    responses(
        (status = 204, description = "All its tokens are dead, and it will have to ask again"),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
        (status = 404, description = "It may do nothing in the person's name", body = Error),
    ),
)]
pub(super) async fn withdraw(call: Call) -> Result<HttpResponse, Problem> {
    let client_id = call.part("client_id");
    call.write(move |write, actor| holdings::application_withdraw(write, actor, &client_id))
        .await?;
    Ok(done())
}
