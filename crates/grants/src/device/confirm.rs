//! The page on which a device is approved or not.
//!
//! 1. Only whoever typed the code in this session gets here: the request is sealed for it.
//! 2. The page is always shown, whatever was consented before (C32), and says which client asks, for what, for how long, and from where.
//! 3. The decision is a form of ours, made for this session. Yes and no weigh the same.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::pages::{ErrorKind, LocalPath};
use curfew_http::problem::PageContext;
use curfew_http::session::SignedIn;
use curfew_http::{Edge, PageProblem, answer};
use curfew_protocol::Form;

use super::decide::{self, Approver, Decided};
use super::page;
use super::signed_in;
use super::ticket::Ticket;
use crate::authorize::in_realm;
use crate::forms::{Decision, is_fresh};
use crate::pages::{DeviceDonePage, DeviceOutcome, ExpiredPage};

/// `GET /device/confirm`
pub(crate) async fn get(edge: Data<Edge>, request: HttpRequest) -> HttpResponse {
    in_realm(&edge, &request, async |at| {
        let query = Form::parse(at.request.query_string().as_bytes(), &[]);
        let query = query.map_err(|_| PageProblem::new(ErrorKind::BadRequest, None, &at))?;
        let who = signed_in(&at, "/device").await?;
        let sealed = query.get("request").unwrap_or("");
        let Some(ticket) = open(&at, &who, sealed) else {
            return Ok(start_over(&at));
        };
        page::show(&at, &who, (&ticket, sealed)).await
    })
    .await
}

/// `POST /device/confirm`
pub(crate) async fn post(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let form = RawForm::read(&request, payload).await;
    in_realm(&edge, &request, async |at| {
        let malformed = || PageProblem::new(ErrorKind::BadRequest, None, &at);
        let form = form.as_ref().map_err(|_| malformed())?;
        let form = form.parse(&[]).map_err(|_| malformed())?;
        submit(&at, &form).await
    })
    .await
}

async fn submit(at: &PageContext<'_>, form: &Form<'_>) -> Result<HttpResponse, PageProblem> {
    let who = signed_in(at, "/device").await?;
    if !is_fresh(at, &who, form)? {
        return Ok(start_over(at));
    }
    let Some(ticket) = open(at, &who, form.get("request").unwrap_or("")) else {
        return Ok(start_over(at));
    };
    let Some(decision) = Decision::read(form) else {
        return Err(PageProblem::new(ErrorKind::BadRequest, None, at));
    };
    let by = Approver::Session(who.session_id);
    let decided = match decision {
        Decision::Approve => {
            let read_only = form.get("read_only").is_some();
            decide::approve(at, (by, &who.username), ticket.device, read_only).await
        }
        Decision::Deny => decide::deny(at, by, ticket.device).await,
    };
    let outcome = match decided.map_err(|error| PageProblem::unavailable(&error, at))? {
        Decided::Approved => DeviceOutcome::Approved,
        Decided::Denied => DeviceOutcome::Denied,
        Decided::Refused(refusal) => refusal.outcome(),
        Decided::SignedOut => return Ok(answer::to_login(at.realm, "/device")),
    };
    let path = at.realm.path("/device/done");
    Ok(answer::see_other(&format!(
        "{path}?outcome={}",
        outcome.as_str()
    )))
}

/// `GET /device/done`: what came of it. The word in the address decides what is shown and nothing else.
pub(crate) async fn done(edge: Data<Edge>, request: HttpRequest) -> HttpResponse {
    in_realm(&edge, &request, async |at| {
        let query = Form::parse(at.request.query_string().as_bytes(), &[]);
        let query = query.map_err(|_| PageProblem::new(ErrorKind::BadRequest, None, &at))?;
        let outcome = query.get("outcome").and_then(DeviceOutcome::parse);
        let Some(outcome) = outcome else {
            return Err(PageProblem::new(ErrorKind::NotFound, None, &at));
        };
        let model = DeviceDonePage {
            shell: at.realm.shell(),
            outcome,
        };
        let status = outcome.status();
        Ok(answer::page(&at, status, "device_done.html", &model))
    })
    .await
}

fn open(at: &PageContext<'_>, who: &SignedIn, sealed: &str) -> Option<Ticket> {
    Ticket::open(sealed, at.edge, who, at.edge.store.clock().now())
}

/// Altered, another session's, or lain open too long: nothing was changed, and the code may be typed again.
fn start_over(at: &PageContext<'_>) -> HttpResponse {
    let model = ExpiredPage {
        shell: at.realm.shell(),
        restart: LocalPath::new(&at.realm.path("/device")),
    };
    answer::page(at, StatusCode::BAD_REQUEST, "expired.html", &model)
}
