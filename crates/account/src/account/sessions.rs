//! A person's browser sessions: see them, end one, end everything.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::to_login;
use curfew_http::{Edge, session};
use curfew_protocol::{NodeId, Timestamp};

use super::rows::{through, told};
use super::signed::{REPEATED, Signed, ask, field, signed_form, signed_page};
use crate::holdings::{self, HeldSession, HoldingRefusal};
use crate::pages::{ConfirmAct, SessionRow, SessionsPage};
use crate::visit::with_cookie;

const PATH: &str = "/account/sessions";
const END_ALL: &str = "/account/sessions/end-all";

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let user = own.who.user_id;
        let sessions = own.read(move |read| holdings::sessions(read, user)).await?;
        let rows = sessions.into_iter().map(|session| row(own, session));
        let model = SessionsPage {
            shell: own.at.realm.shell(),
            csrf: own.csrf(),
            told: told(own.at.request)?,
            sessions: rows.collect(),
        };
        Ok(own.page("sessions.html", &model))
    })
    .await
}

fn row(own: &Signed<'_>, held: HeldSession) -> SessionRow {
    let session = held.session;
    SessionRow {
        id: session.id.to_string(),
        this: session.id == own.who.session_id,
        ip: session.ip,
        user_agent: session.user_agent,
        signed_in_at: session.authenticated_at.seconds(),
        through: held.through.map(through),
        last_used_at: session.last_used_at.map(Timestamp::seconds),
        idle_at: session.idle_at.seconds(),
        expires_at: session.expires_at.seconds(),
    }
}

/// Ends one session. Whoever ends the one that they are in is signed out.
pub(crate) async fn end(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    let stages = async |own: &Signed<'_>, body: &curfew_http::body::RawForm| {
        let form = body.parse(REPEATED)?;
        let Ok(id) = field(&form, "id").parse::<NodeId>() else {
            return Ok(own.redirect("/account/sessions?told=gone"));
        };
        let done = own
            .act((PATH, "session_ended"), move |write, actor| {
                holdings::session_end(write, actor, id)
            })
            .await?;
        if id != own.who.session_id {
            return Ok(done);
        }
        let removal = session::cookie_removal(own.at.edge, own.at.realm);
        Ok(with_cookie(own.redirect("/signed-out"), Some(removal)))
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}

/// Asks before everything ends.
pub(crate) async fn ask_end_all(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    ask(&request, &edge, END_ALL, ConfirmAct::LogoutEverywhere).await
}

/// Ends everything, this session included; the person signs in again.
pub(crate) async fn end_all(
    request: HttpRequest,
    edge: Data<Edge>,
    payload: Payload,
) -> HttpResponse {
    let stages = async |own: &Signed<'_>, _: &curfew_http::body::RawForm| {
        let actor = own.actor();
        let store = &own.at.edge.store;
        let done = store
            .write(move |write| holdings::everything_end(write, &actor))
            .await?;
        let removal = session::cookie_removal(own.at.edge, own.at.realm);
        let response = match done {
            Ok(()) => own.redirect("/login?told=logged_out_everywhere"),
            Err(HoldingRefusal::SignedOut | HoldingRefusal::NotFound) => {
                to_login(own.at.realm, PATH)
            }
        };
        Ok(with_cookie(response, Some(removal)))
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}
