//! The consent page: a person says what a client may do.
//!
//! 1. The page carries the authorization request's own query and nothing that was derived from it: request, client and session are judged
//!    from scratch when it is shown and once more when the answer comes. Only that no more than what reads was shown is carried along.
//! 2. The form is one of ours, made for this session, and not too old.
//! 3. Yes: approval, code and the memory of it, in one transaction. No: `access_denied`. Both leave an audit row.

pub(crate) mod page;
pub(crate) mod remembered;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::pages::{ErrorKind, LocalPath};
use curfew_http::problem::PageContext;
use curfew_http::{Edge, PageProblem, answer};
use curfew_protocol::Form;
use curfew_store::codes::ApprovalBasis;

use crate::authorize::refusal::{AddressRefusal, AuthorizeRefusal};
use crate::authorize::{Pending, arrive, in_realm, issue, misaddressed, respond};
use crate::forms::{Decision, is_fresh};
use crate::pages::ExpiredPage;

/// `GET /consent`
pub(crate) async fn get(edge: Data<Edge>, request: HttpRequest) -> HttpResponse {
    let query = request.query_string().to_owned();
    in_realm(&edge, &request, async |at| {
        let pending = arrive(&at, &query, false).await?;
        if pending.request.prompt().none {
            let to = pending.request.reply_to();
            let refusal = AuthorizeRefusal::ConsentRequired;
            return respond::refused_on_record(&at, pending.asker(), to, refusal).await;
        }
        page::show(&at, &pending).await
    })
    .await
}

/// `POST /consent`
pub(crate) async fn post(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let form = RawForm::read(&request, payload).await;
    in_realm(&edge, &request, async |at| {
        let malformed = || misaddressed(&at, AddressRefusal::Malformed, None);
        let form = form.as_ref().map_err(|_| malformed())?;
        let form = form.parse(&[]).map_err(|_| malformed())?;
        decide(&at, &form).await
    })
    .await
}

async fn decide(at: &PageContext<'_>, form: &Form<'_>) -> Result<HttpResponse, PageProblem> {
    let read_only = form.get("read_only").is_some();
    let pending = arrive(at, form.get("request").unwrap_or(""), read_only).await?;
    if !is_fresh(at, &pending.who, form)? {
        return Err(expired(at, &pending));
    }
    match Decision::read(form) {
        Some(Decision::Approve) => issue::approve(at, pending, ApprovalBasis::Asked).await,
        Some(Decision::Deny) => issue::deny(at, pending).await,
        None => Err(PageProblem::new(ErrorKind::BadRequest, None, at)),
    }
}

fn expired(at: &PageContext<'_>, pending: &Pending) -> PageProblem {
    let restart = format!("{}?{}", at.realm.path("/authorize"), pending.query);
    let page = ExpiredPage {
        shell: at.realm.shell(),
        restart: LocalPath::new(&restart),
    };
    PageProblem::rendered(answer::page(
        at,
        StatusCode::BAD_REQUEST,
        "expired.html",
        &page,
    ))
}
