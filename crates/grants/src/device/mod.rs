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
mod ticket;

use actix_web::HttpResponse;
use curfew_http::PageProblem;
use curfew_http::answer;
use curfew_http::csrf::FormRefusal;
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::session::{self, SignedIn};
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{Form, TenantId};
use curfew_store::{Read, StoreError};
use url::form_urlencoded;

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
        None => Err(PageProblem::rendered(to_login(at, path))),
    }
}

fn to_login(at: &PageContext<'_>, path: &str) -> HttpResponse {
    let path = at.realm.path(path);
    let back: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    answer::see_other(&format!("{}?return_to={back}", at.realm.path("/login")))
}

/// Is the form one that was made for this session? `Ok(false)`: it was, and lay open too long.
fn is_fresh(at: &PageContext<'_>, who: &SignedIn, form: &Form<'_>) -> Result<bool, PageProblem> {
    match who
        .form_owner()
        .check(at.edge, at.request, form.get("csrf"))
    {
        Ok(()) => Ok(true),
        Err(FormRefusal::Expired) => Ok(false),
        Err(FormRefusal::Foreign) => {
            let code = Some("foreign_form");
            Err(PageProblem::new(ErrorKind::Forbidden, code, at))
        }
    }
}
