//! A person's tokens: see them with what they hang on, end one, end all.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::Edge;
use curfew_http::body::RawForm;
use curfew_policy::standing::Kind;
use curfew_protocol::NodeId;

use super::rows::{token_row, told, tree_rows};
use super::signed::{REPEATED, Signed, ask, field, signed_form, signed_page};
use crate::holdings;
use crate::pages::{ConfirmAct, TokenPage, TokensPage};
use crate::visit::Halt;

const PATH: &str = "/account/tokens";
const END_ALL: &str = "/account/tokens/end-all";

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let user = own.who.user_id;
        let held = own.read(move |read| holdings::tokens(read, user)).await?;
        let (mut personal, mut devices, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for token in held.items {
            match token.kind {
                Kind::PersonalAccessToken => personal.push(token_row(token)),
                Kind::Approval => devices.push(token_row(token)),
                Kind::AccessToken
                | Kind::RefreshFamily
                | Kind::Session
                | Kind::ClientGrant
                | Kind::Exchange => others.push(token_row(token)),
            }
        }
        let model = TokensPage {
            shell: own.at.realm.shell(),
            csrf: own.csrf(),
            told: told(own.at.request)?,
            personal,
            devices,
            others,
            more: held.more,
        };
        Ok(own.page("tokens.html", &model))
    })
    .await
}

/// The tree around one token. Someone else's is not found, like one that never was.
pub(crate) async fn one(
    request: HttpRequest,
    edge: Data<Edge>,
    path: Path<TokenPath>,
) -> HttpResponse {
    let id = path.into_inner().id;
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let user = own.who.user_id;
        let wanted = id.clone();
        let tree = own
            .read(move |read| holdings::tree(read, user, &wanted))
            .await?
            .ok_or(Halt::NotFound)?;
        let asked = tree.rows.iter().find(|row| row.asked);
        let may_end = asked.is_some_and(|row| row.standing.alive && row.kind != Kind::Session);
        let id = asked.map_or_else(|| id.clone(), |row| row.id.clone());
        let (rows, open) = tree_rows(tree.rows);
        let model = TokenPage {
            shell: own.at.realm.shell(),
            csrf: own.csrf(),
            id,
            may_end,
            rows,
            open,
            cut: tree.cut,
        };
        Ok(own.page("token.html", &model))
    })
    .await
}

/// The path of one token; the tenant's segment, where there is one, is read elsewhere.
#[derive(serde::Deserialize)]
pub(crate) struct TokenPath {
    id: String,
}

pub(crate) async fn end(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    let stages = async |own: &Signed<'_>, body: &RawForm| {
        let id = field(&body.parse(REPEATED)?, "id");
        own.act((PATH, "token_ended"), move |write, actor| {
            holdings::token_end(write, actor, &id)
        })
        .await
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}

pub(crate) async fn ask_end_all(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    ask(&request, &edge, END_ALL, ConfirmAct::TokensRevokeAll).await
}

pub(crate) async fn end_all(
    request: HttpRequest,
    edge: Data<Edge>,
    payload: Payload,
) -> HttpResponse {
    let stages = async |own: &Signed<'_>, _: &RawForm| {
        own.act((PATH, "tokens_ended"), |write, actor| {
            Ok(holdings::tokens_end(write, actor)?.map(|_| ()))
        })
        .await
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}

/// "This was not me", of an approval on the account page.
pub(crate) async fn disown(
    request: HttpRequest,
    edge: Data<Edge>,
    payload: Payload,
) -> HttpResponse {
    let stages = async |own: &Signed<'_>, body: &RawForm| {
        let Ok(id) = field(&body.parse(REPEATED)?, "id").parse::<NodeId>() else {
            return Ok(own.redirect("/account?told=gone"));
        };
        own.act(("/account", "device_disowned"), move |write, actor| {
            holdings::approval_disown(write, actor, id)
        })
        .await
    };
    signed_form((&request, payload), &edge, "/account", stages).await
}
