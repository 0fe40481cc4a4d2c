//! What belongs to the API, and is answered by a crate that this one does not see: only described here. That it exists as described is
//! tested from outside.

use utoipa::ToSchema;

use super::answers::Error;

/// A decision about a device that waits
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description, read by nobody but the document")]
pub(super) struct DeviceDecision {
    /// The code that the device shows
    user_code: String,
    /// `approve` or `deny`
    decision: String,
}

/// Approves or denies a device by a token that was made for it; what is approved hangs on that token.
#[utoipa::path(
    post, path = "/api/v1/device-decisions", tag = "devices",
    security(("bearer" = ["curfew:devices:approve"])),
    request_body = DeviceDecision,
    responses(
        (status = 204, description = "It is decided"),
        (status = 400, description = "The device cannot have what it asks for", body = Error),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
        (status = 404, description = "No device waits under this code", body = Error),
    ),
)]
#[expect(dead_code, reason = "a description, called by nobody")]
pub(super) fn device_decisions() {}
