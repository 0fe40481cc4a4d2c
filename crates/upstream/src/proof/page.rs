//! The pages about a waiting identity.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use curfew_http::answer;
use curfew_http::asking::Asking;
use curfew_http::pages::LocalPath;
use curfew_http::problem::PageContext;
use curfew_http::session::SignedIn;
use curfew_store::StoreError;

use super::{Here, path};
use crate::pages::{ProofAct, ProofConfirmPage, ProofNote, ProofPage};

/// How the question is asked.
pub(super) struct Question {
    pub(super) note: Option<ProofNote>,
    pub(super) status: StatusCode,
}

impl Question {
    pub(super) const fn again(note: ProofNote) -> Self {
        Self {
            note: Some(note),
            status: note.status(),
        }
    }
}

/// Asks for the mailbox or a session.
pub(super) fn ask(at: &PageContext<'_>, here: &Here, asked: Question) -> HttpResponse {
    let waiting = &here.waiting;
    let proof = path(waiting.proof.id);
    let proof_path = at.realm.path(&proof);
    let sign_in = match here.visitor.signed_in {
        None => at.realm.login_path(&proof_path),
        // As somebody else, or too long ago.
        Some(_) => at.realm.fresh_login_path(&proof_path),
    };
    let model = ProofPage {
        shell: at.realm.shell(),
        csrf: here
            .form_owner()
            .token(at.edge, at.edge.store.clock().now()),
        request: waiting.proof.id.to_string(),
        provider: waiting.provider.name.clone(),
        identity: waiting.identity.display.clone(),
        email: waiting.identity.verified_email.clone(),
        mail: at.edge.mailer.is_some() && waiting.user.email.is_some(),
        sign_in: LocalPath::new(&sign_in),
        back: back(at, here),
        note: asked.note,
    };
    answer::page(at, asked.status, "upstream_proof.html", &model)
}

/// Asks somebody who is signed in to the account to say yes.
pub(super) async fn confirm(
    at: &PageContext<'_>,
    here: &Here,
    who: &SignedIn,
    note: Option<ProofNote>,
) -> Result<HttpResponse, StoreError> {
    let now = at.edge.store.clock().now();
    let model = ProofConfirmPage {
        shell: at.realm.shell(),
        csrf: who.form_owner().token(at.edge, now),
        act: ProofAct::Confirm,
        request: Some(here.waiting.proof.id.to_string()),
        token: None,
        provider: here.waiting.provider.name.clone(),
        identity: here.waiting.identity.display.clone(),
        account: who.username.clone(),
        back: back(at, here),
        note,
    };
    say_yes(at, here, &model).await
}

/// Asks whoever opened the mailed link to say yes. They hold the mailbox, which is the address that was proved upstream.
pub(super) async fn prove(
    at: &PageContext<'_>,
    here: &Here,
    token: &str,
    note: Option<ProofNote>,
) -> Result<HttpResponse, StoreError> {
    let waiting = &here.waiting;
    let model = ProofConfirmPage {
        shell: at.realm.shell(),
        csrf: here
            .form_owner()
            .token(at.edge, at.edge.store.clock().now()),
        act: ProofAct::Prove,
        request: None,
        token: Some(token.to_owned()),
        provider: waiting.provider.name.clone(),
        identity: waiting.identity.display.clone(),
        account: waiting.identity.verified_email.clone().unwrap_or_default(),
        back: back(at, here),
        note,
    };
    say_yes(at, here, &model).await
}

/// The yes leads to where the person was going, which may be a client in the end.
async fn say_yes(
    at: &PageContext<'_>,
    here: &Here,
    model: &ProofConfirmPage,
) -> Result<HttpResponse, StoreError> {
    let asking = Asking::of(at, &here.waiting.proof.return_to).await?;
    let status = model.note.map_or(StatusCode::OK, ProofNote::status);
    let page = ("upstream_proof_confirm.html", model);
    Ok(answer::page_with(at, status, page, &asking.policy()))
}

fn back(at: &PageContext<'_>, here: &Here) -> Option<LocalPath> {
    LocalPath::new(&at.realm.path(here.back().path()))
}
