//! A device without a browser of its own is approved in somebody else's (RFC 8628).
//!
//! * [`authorization`]: the device asks, and gets a code for itself and one for the person.
//! * [`entry`]: the signed-in person types that code. Guesses are counted before they are answered.
//! * [`confirm`]: the page names the client, the code, what it asks for, and where both sides are; [`decide`] and [`decision`] write the decision.
//! * The device polls at the token endpoint (`token/device_code.rs`), which looks at everything once more.
//! * [`api`]: the same decision by a token that was made for it.
//! * [`qr`]: the complete link as a picture, for devices that show one.
//!
//! Whoever approves a device does so on a page of their own browser, never by following a link: a complete link fills the code in and
//! decides nothing (§5.4).

pub(crate) mod api;
pub(crate) mod authorization;
pub(crate) mod confirm;
mod decide;
mod decision;
pub(crate) mod entry;
mod page;
pub(crate) mod qr;
mod standing;
mod ticket;

use curfew_http::PageProblem;
use curfew_http::answer;
use curfew_http::problem::PageContext;
use curfew_http::session::{self, SignedIn};
use curfew_policy::status::OwnerStatus;
use curfew_protocol::TenantId;
use curfew_store::{Read, StoreError};

/// Is the device flow on, for the installation and for the tenant? Asked in every transaction, so that a switch acts at once (C35).
pub(crate) fn is_switched_on(read: &mut Read<'_>, tenant: TenantId) -> Result<bool, StoreError> {
    let tenant = read.tenant(tenant)?;
    let open =
        tenant.is_some_and(|tenant| tenant.status == OwnerStatus::Active && tenant.device_flow);
    Ok(open && read.installation_device_flow()?)
}

/// Who is signed in; `Err` sends everybody else to sign in first, and back to `path` with its query.
async fn signed_in(at: &PageContext<'_>, path: &str) -> Result<SignedIn, PageProblem> {
    let found = session::signed_in(at.edge, at.realm, at.request).await;
    match found.map_err(|error| PageProblem::unavailable(&error, at))? {
        Some(who) => Ok(who),
        None => Err(PageProblem::rendered(answer::to_login(at.realm, path))),
    }
}
