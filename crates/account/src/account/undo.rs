//! The link in the mail that tells of something done in a person's name: "this was not me".
//!
//! 1. A GET shows what was done and uses nothing up; it works signed in or not.
//! 2. The POST, from a form of ours in the same browser, uses the link up and undoes it (`holdings/undoing.rs`).
//! 3. The page after it says what to do next.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other};
use curfew_http::mailed_link::presented;
use curfew_http::notice::IdentityNotice;
use curfew_http::problem::PageContext;
use curfew_http::{Edge, csrf, origin};
use curfew_protocol::{Form, ParsedToken, TokenKind};
use curfew_store::StoreError;

use crate::holdings::{self, HeldApproval, HeldIdentity, Undo, UndoRefusal, Undoable};
use crate::pages::{
    TakenPage, TakenWhat, UndoFacts, UndoInvalidPage, UndoPage, UndoWhat, UndonePage,
};
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
        let text = form.get("link").unwrap_or("");
        let notice = IdentityNotice::of(&edge, &at);
        let mut done = act(&at, notice.clone(), text).await;
        // Somebody took it between the look and the change. Now the look finds it taken.
        if done.as_ref().is_err_and(StoreError::is_unique_violation) {
            done = act(&at, notice, text).await;
        }
        Ok(match done? {
            Ok(undo) => {
                let path = format!("/account/undone?what={}", word(what(&undo.what)));
                see_other(&at.realm.path(&path))
            }
            Err(UndoRefusal::LinkIsDead) => invalid(&at),
            Err(UndoRefusal::IdentityTaken) => taken(&at, TakenWhat::Identity),
            Err(UndoRefusal::AddressTaken) => taken(&at, TakenWhat::Address),
        })
    })
    .await
}

async fn act(
    at: &PageContext<'_>,
    notice: Option<IdentityNotice>,
    link: &str,
) -> Result<Result<Undo, UndoRefusal>, StoreError> {
    let Ok(presented) = ParsedToken::parse(TokenKind::MailedLink, link) else {
        return Ok(Err(UndoRefusal::LinkIsDead));
    };
    let (tenant, from) = (at.realm.tenant_id, origin::of(at.request, at.edge));
    let store = &at.edge.store;
    store
        .write(move |write| holdings::undo(write, (tenant, notice.as_ref()), &presented, &from))
        .await
}

pub(crate) async fn done(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let wanted = query(at.request)?;
        let what = UndoWhat::ALL
            .iter()
            .find(|what| wanted.get("what") == Some(word(**what)));
        let model = UndonePage {
            shell: at.realm.shell(),
            what: *what.ok_or(Halt::NotFound)?,
        };
        Ok(answer::page(&at, StatusCode::OK, "undone.html", &model))
    })
    .await
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
    let model = UndoPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        link,
        username: undo.username,
        what: what(&undo.what),
        facts: facts(undo.what),
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

const fn what(undoable: &Undoable) -> UndoWhat {
    match undoable {
        Undoable::Approval(_) => UndoWhat::Device,
        Undoable::Linked(_) => UndoWhat::Linked,
        Undoable::Unlinked(_) => UndoWhat::Unlinked,
        Undoable::Address(_) => UndoWhat::Address,
    }
}

/// The word in the address of the page after it, which decides what is shown and nothing else.
const fn word(what: UndoWhat) -> &'static str {
    match what {
        UndoWhat::Device => "device",
        UndoWhat::Linked => "linked",
        UndoWhat::Unlinked => "unlinked",
        UndoWhat::Address => "address",
    }
}

fn facts(undoable: Undoable) -> UndoFacts {
    match undoable {
        Undoable::Approval(approval) => approval_facts(approval),
        Undoable::Linked(identity) | Undoable::Unlinked(identity) => identity_facts(identity),
        Undoable::Address(old) => UndoFacts {
            email: Some(old),
            ..UndoFacts::default()
        },
    }
}

fn approval_facts(approval: HeldApproval) -> UndoFacts {
    let device = approval.approved.device;
    let (ip, user_agent) = device.map_or((None, None), |device| (device.ip, device.user_agent));
    UndoFacts {
        client: approval.client.map(|client| client.name),
        at: Some(approval.created_at.seconds()),
        ip,
        user_agent,
        ..UndoFacts::default()
    }
}

fn identity_facts(identity: HeldIdentity) -> UndoFacts {
    UndoFacts {
        provider: Some(identity.provider.name),
        identity: Some(identity.display).filter(|name| !name.is_empty()),
        ..UndoFacts::default()
    }
}

/// A good link that cannot do what it is for.
pub(super) fn taken(at: &PageContext<'_>, what: TakenWhat) -> HttpResponse {
    let model = TakenPage {
        shell: at.realm.shell(),
        what,
    };
    answer::page(at, StatusCode::CONFLICT, "taken.html", &model)
}

fn invalid(at: &PageContext<'_>) -> HttpResponse {
    let model = UndoInvalidPage {
        shell: at.realm.shell(),
    };
    answer::page(at, StatusCode::BAD_REQUEST, "undo_invalid.html", &model)
}
