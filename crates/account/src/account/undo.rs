//! The link in the mail that tells of an approved device: "this was not me".
//!
//! 1. A GET shows what was approved and uses nothing up; it works signed in or not.
//! 2. The POST, from a form of ours in the same browser, uses the link up and ends the approval with all that came from it.
//! 3. The page after it says what to do next.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other};
use curfew_http::problem::PageContext;
use curfew_http::{Edge, csrf, origin};
use curfew_protocol::{Form, ParsedToken, TokenKind};

use crate::holdings::{self, LinkIsDead, Undo};
use crate::pages::{UndoInvalidPage, UndoPage, UndonePage};
use crate::visit::{Expired, Halt, check_form, posted, query, visit, with_cookie};

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let query = query(at.request)?;
        show(&at, &query, false).await
    })
    .await
}

pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let body = posted(&at, payload).await?;
        let form = body.parse(&[])?;
        let owner = csrf::browser(at.edge, at.realm, at.request).0;
        if let Err(Expired) = check_form(&at, &owner, &form)? {
            return show(&at, &form, true).await;
        }
        let Some((_, presented)) = presented(&form) else {
            return Ok(invalid(&at));
        };
        let (tenant, from) = (at.realm.tenant_id, origin::of(at.request, at.edge));
        let done = at
            .edge
            .store
            .write(move |write| holdings::undo(write, tenant, &presented, &from))
            .await?;
        Ok(match done {
            Ok(_) => see_other(&at.realm.path("/account/undone")),
            Err(LinkIsDead) => invalid(&at),
        })
    })
    .await
}

pub(crate) async fn done(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let model = UndonePage {
            shell: at.realm.shell(),
        };
        Ok(answer::page(&at, StatusCode::OK, "undone.html", &model))
    })
    .await
}

fn presented(form: &Form<'_>) -> Option<(String, ParsedToken)> {
    let text = form.get("link")?;
    let parsed = ParsedToken::parse(TokenKind::MailedLink, text).ok()?;
    Some((text.to_owned(), parsed))
}

async fn show(at: &PageContext<'_>, form: &Form<'_>, expired: bool) -> Result<HttpResponse, Halt> {
    let Some((link, presented)) = presented(form) else {
        return Ok(invalid(at));
    };
    let tenant = at.realm.tenant_id;
    let found = at
        .edge
        .store
        .read(move |read| holdings::undo_look(read, tenant, &presented))
        .await?;
    Ok(match found {
        Some(undo) => page(at, link, undo, expired),
        None => invalid(at),
    })
}

fn page(at: &PageContext<'_>, link: String, undo: Undo, expired: bool) -> HttpResponse {
    let (owner, cookie) = csrf::browser(at.edge, at.realm, at.request);
    let device = undo.approval.approved.device;
    let (ip, user_agent) = device.map_or((None, None), |device| (device.ip, device.user_agent));
    let model = UndoPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        link,
        username: undo.username,
        client: undo.approval.client.map(|client| client.name),
        at: undo.approval.created_at.seconds(),
        ip,
        user_agent,
        over: undo.over,
        expired,
    };
    let status = if expired {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    with_cookie(answer::page(at, status, "undo.html", &model), cookie)
}

fn invalid(at: &PageContext<'_>) -> HttpResponse {
    let model = UndoInvalidPage {
        shell: at.realm.shell(),
    };
    answer::page(at, StatusCode::BAD_REQUEST, "undo_invalid.html", &model)
}
