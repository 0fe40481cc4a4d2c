//! `/upstream/proof`: an identity was proved upstream and waits for the proof that an account is its person's.
//!
//! Whoever came back from a provider with the verified address of an account that their subject is not bound to is asked for one of two
//! things; whoever began on their account page has given the second already and only says yes:
//!
//! * **The mailbox.** A link is mailed to the address of the account. It is opened in the browser that came back from the provider, and
//!   in no other: the mail alone, forwarded or looked at by a mail program, binds nothing. [`mail`]
//! * **A live session of the account**, begun lately, in the same browser. The page says which identity is to be linked to which
//!   account, and the person says yes.
//!
//! A GET shows and changes nothing. A POST acts in one transaction, which judges everything again. [`proving`]
//!
//! Nothing is told about the account but the address that the person has proved upstream.

mod mail;
mod page;
mod proving;
mod waiting;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::see_other;
use curfew_http::csrf::{BrowserCookie, FormOwner};
use curfew_http::problem::PageContext;
use curfew_http::session::SignedIn;
use curfew_http::visit::{Expired, Visitor, check_form, posted, query, with_cookie};
use curfew_http::{Edge, session};
use curfew_protocol::{ErrorCode, Form, LinkProofId, OAuthError, ParsedToken, TokenKind};

use crate::linking::bind;
use crate::pages::ProofNote;
use crate::refusal::{Back, Refusal, count};
use crate::stop::{Stop, pages};

use page::Question;
use proving::{Proved, ProvedBy, Proving};
use waiting::Waiting;

/// Where the question about a waiting identity is asked.
pub(crate) fn path(proof: LinkProofId) -> String {
    format!("/upstream/proof?request={proof}")
}

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    pages(&request, &edge, async |at: PageContext<'_>| {
        let query = query(at.request)?;
        match query.get("token") {
            Some(text) => {
                let mailed = Mailed::of(&at, text).await?;
                Ok(page::prove(&at, &mailed.here, text, None).await?)
            }
            None => show(&at, request_of(&query), None).await,
        }
    })
    .await
}

pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    pages(&request, &edge, async |at: PageContext<'_>| {
        let body = posted(&at, payload).await?;
        let form = body.parse(&[])?;
        match form.get("act") {
            Some("mail") => send(&at, &edge, &form).await,
            Some("confirm") => confirm(&at, &edge, &form).await,
            Some("prove") => prove(&at, &edge, &form).await,
            _ => Err(OAuthError::new(ErrorCode::InvalidRequest, "no such act").into()),
        }
    })
    .await
}

/// The answer to somebody who has just come back from a provider: the question, as a refusal with a way on (B38).
pub(crate) async fn asked(
    at: &PageContext<'_>,
    proof: LinkProofId,
    status: StatusCode,
) -> Result<HttpResponse, Stop> {
    let here = Here::of(at, Some(proof)).await?;
    if here.may_confirm(at).is_some() {
        return Ok(see_other(&at.realm.path(&path(proof))));
    }
    Ok(page::ask(at, &here, Question { note: None, status }))
}

/// Shows a waiting identity to whoever it may be shown to.
async fn show(
    at: &PageContext<'_>,
    proof: Option<LinkProofId>,
    note: Option<ProofNote>,
) -> Result<HttpResponse, Stop> {
    let here = Here::of(at, proof).await?;
    if let Some(who) = here.may_confirm(at) {
        return Ok(page::confirm(at, &here, who, note).await?);
    }
    if here.waiting.proof.session_id.is_some() {
        // Only the session that began it may end it (SUP-03).
        return Err(invalid(at, Back::Account));
    }
    let status = note.map_or(StatusCode::OK, ProofNote::status);
    Ok(page::ask(at, &here, Question { note, status }))
}

fn request_of(form: &Form<'_>) -> Option<LinkProofId> {
    form.get("request").and_then(|text| text.parse().ok())
}

fn invalid(at: &PageContext<'_>, back: Back) -> Stop {
    Stop::page(Refusal::ProofInvalid.page(at, None, back))
}

/// A waiting identity in the browser that it waits in.
struct Here {
    waiting: Waiting,
    /// The value of the cookie.
    browser: String,
    visitor: Visitor,
}

impl Here {
    async fn of(at: &PageContext<'_>, proof: Option<LinkProofId>) -> Result<Self, Stop> {
        let Some(proof) = proof else {
            return Err(invalid(at, Back::SignIn));
        };
        let tenant = at.realm.tenant_id;
        let found = at
            .edge
            .store
            .read(move |read| Waiting::load(read, tenant, proof));
        let Some(waiting) = found.await? else {
            return Err(invalid(at, Back::SignIn));
        };
        let browser = BrowserCookie::Upstream.sent(at.edge, at.realm, at.request);
        let keys = at.edge.store.keys();
        let Some(browser) = browser.filter(|own| waiting.proof.is_of_browser(keys, own)) else {
            let page = Refusal::ProofElsewhere.page(at, &waiting.provider, Back::SignIn);
            return Err(Stop::page(page));
        };
        Ok(Self {
            waiting,
            browser,
            visitor: Visitor::of(at).await?,
        })
    }

    /// The forms of the question, and those behind the mailed link, are made for this browser.
    fn form_owner(&self) -> FormOwner {
        FormOwner::Browser(self.browser.clone())
    }

    /// Who is signed in to the account, and may say yes.
    fn may_confirm(&self, at: &PageContext<'_>) -> Option<&SignedIn> {
        let proof = &self.waiting.proof;
        self.visitor.signed_in.as_ref().filter(|who| {
            who.user_id == proof.user_id
                && match proof.session_id {
                    Some(begun_in) => who.session_id == begun_in,
                    None => who.is_fresh(at.edge),
                }
        })
    }

    const fn back(&self) -> Back {
        match self.waiting.proof.session_id {
            Some(_) => Back::Account,
            None => Back::SignIn,
        }
    }
}

/// What a mailed link leads to.
struct Mailed {
    here: Here,
    presented: ParsedToken,
}

impl Mailed {
    async fn of(at: &PageContext<'_>, text: &str) -> Result<Self, Stop> {
        let Ok(presented) = ParsedToken::parse(TokenKind::MailedLink, text) else {
            return Err(invalid(at, Back::SignIn));
        };
        let (tenant, store) = (at.realm.tenant_id, &at.edge.store);
        let looked_up = store.read(move |read| {
            let found = waiting::mailed_proof(read, tenant, &presented)?;
            Ok((found, presented))
        });
        let (found, presented) = looked_up.await?;
        let here = Here::of(at, found.map(|(_, proof)| proof)).await?;
        Ok(Self { here, presented })
    }
}

/// "Send a mail."
async fn send(
    at: &PageContext<'_>,
    edge: &Data<Edge>,
    form: &Form<'_>,
) -> Result<HttpResponse, Stop> {
    let here = Here::of(at, request_of(form)).await?;
    if here.waiting.proof.session_id.is_some() {
        return Err(invalid(at, Back::Account));
    }
    if let Err(Expired) = check_form(at, &here.form_owner(), form)? {
        let asked = Question::again(ProofNote::Expired);
        return Ok(page::ask(at, &here, asked));
    }
    mail::send(at, edge, &here).await
}

/// "Yes, link it to my account."
async fn confirm(
    at: &PageContext<'_>,
    edge: &Data<Edge>,
    form: &Form<'_>,
) -> Result<HttpResponse, Stop> {
    let proof = request_of(form);
    let here = Here::of(at, proof).await?;
    let Some(who) = here.may_confirm(at) else {
        return show(at, proof, None).await;
    };
    if let Err(Expired) = check_form(at, &who.form_owner(), form)? {
        return show(at, proof, Some(ProofNote::Expired)).await;
    }
    let by = ProvedBy::Session(who.session_id);
    act(at, edge, &here, by).await
}

/// "This is my mailbox."
async fn prove(
    at: &PageContext<'_>,
    edge: &Data<Edge>,
    form: &Form<'_>,
) -> Result<HttpResponse, Stop> {
    let text = form.get("token").unwrap_or("");
    let Mailed { here, presented } = Mailed::of(at, text).await?;
    if let Err(Expired) = check_form(at, &here.form_owner(), form)? {
        let note = Some(ProofNote::Expired);
        return Ok(page::prove(at, &here, text, note).await?);
    }
    let by = ProvedBy::Mailbox(presented);
    act(at, edge, &here, by).await
}

async fn act(
    at: &PageContext<'_>,
    edge: &Data<Edge>,
    here: &Here,
    by: ProvedBy,
) -> Result<HttpResponse, Stop> {
    let waiting = &here.waiting;
    let proving = Proving::of(at, edge, here, by);
    let proved = proving.settle(edge).await?;
    match proved {
        Some(Ok(Proved::SignedIn(started))) => {
            count(&waiting.provider, "proved");
            let cookie = session::cookie(at.edge, at.realm, &started.secret);
            Ok(with_cookie(
                see_other(&waiting.proof.return_to),
                Some(cookie),
            ))
        }
        Some(Ok(Proved::Linked)) => {
            count(&waiting.provider, "confirmed");
            Ok(see_other(&waiting.proof.return_to))
        }
        Some(Err(turned)) => {
            let keys = at.edge.store.keys();
            bind::log_refusal(keys, &waiting.provider, &waiting.identity, turned);
            let page = turned.refusal.page(at, &waiting.provider, here.back());
            Err(Stop::page(page))
        }
        None => Err(Stop::overtaken(at, &waiting.provider)),
    }
}
