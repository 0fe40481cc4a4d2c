//! The e-mail address of the account (E11): ask for another, or for the proof of the present one; and the link that comes by mail.
//!
//! 1. The form for another address wants a fresh sign-in. Whether somebody else has the address is not told: the answer is the same.
//! 2. Each link is counted, for the account, for the address that it goes to, and for the address that the request comes from.
//! 3. The link's GET shows whose account it is about and uses nothing up; its POST acts, signed in or not. A browser that is signed in
//!    stays so, with another cookie.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other, to_login};
use curfew_http::body::RawForm;
use curfew_http::guess::Guess;
use curfew_http::mailed_link::presented;
use curfew_http::notice::{AddressMail, IdentityNotice};
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::visit::{
    Expired, Halt, Visitor, check_form, posted, query, retry_after, visit, with_cookie,
};
use curfew_http::{Edge, csrf, origin, session};
use curfew_policy::email;
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{Form, Lifetime, ParsedToken};

use super::identities::to_fresh_login;
use super::signed::{REPEATED, Signed, account_page, field, signed_form, signed_page};
use super::undo::taken;
use crate::holdings::{
    self, AddressAskRefusal, AddressProof, AddressRefusal, AddressSet, AddressWish,
};
use crate::pages::{
    EmailConfirmPage, EmailDonePage, EmailError, EmailInvalidPage, EmailNotice, EmailOutcome,
    EmailPage, TakenWhat,
};

const PATH: &str = "/account/email";

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let told = match query(own.at.request)?.get("told") {
            Some("sent") => Some(EmailNotice::Sent),
            Some("expired") => Some(EmailNotice::Expired),
            Some(_) | None => None,
        };
        page(own, "", (told, None)).await
    })
    .await
}

/// Another address is wanted.
pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    let shared = edge.clone();
    let stages = async move |own: &Signed<'_>, body: &RawForm| {
        let typed = field(&body.parse(REPEATED)?, "email").trim().to_owned();
        if !own.who.is_fresh(own.at.edge) {
            return Ok(to_fresh_login(own, PATH));
        }
        if email::canonical(&typed).is_none() {
            return page(own, &typed, (None, Some(EmailError::Invalid))).await;
        }
        ask(own, &shared, AddressWish::Change(typed)).await
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}

/// The proof of the account's own address is wanted.
pub(crate) async fn own(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    let shared = edge.clone();
    let stages =
        async move |own: &Signed<'_>, _: &RawForm| ask(own, &shared, AddressWish::Confirm).await;
    signed_form((&request, payload), &edge, PATH, stages).await
}

async fn ask(own: &Signed<'_>, edge: &Data<Edge>, wish: AddressWish) -> Result<HttpResponse, Halt> {
    let typed = match &wish {
        AddressWish::Change(typed) => typed.clone(),
        AddressWish::Confirm => String::new(),
    };
    let Some(mail) = AddressMail::of(edge, &own.at) else {
        return page(own, &typed, (None, None)).await;
    };
    if let Err(wait) = budget(own, &typed).take(edge).await? {
        let error = Some(EmailError::TooManyAttempts);
        return Ok(retry_after(page(own, &typed, (None, error)).await?, wait));
    }
    let (actor, rules) = (own.actor(), edge.lifetimes);
    let asked = edge
        .store
        .write(move |write| holdings::address_ask(write, (&actor, &rules), &wish, &mail))
        .await?;
    match asked {
        Ok(()) => Ok(own.redirect(&format!("{PATH}?told=sent"))),
        Err(AddressAskRefusal::SignedOut) => Ok(to_login(own.at.realm, PATH)),
        Err(AddressAskRefusal::Stale) => Ok(to_fresh_login(own, PATH)),
        Err(AddressAskRefusal::Unchanged) => {
            page(own, &typed, (None, Some(EmailError::Unchanged))).await
        }
        // The page says what to do first.
        Err(AddressAskRefusal::Quarantined | AddressAskRefusal::NoAddress) => {
            page(own, "", (None, None)).await
        }
    }
}

/// An account's own address goes by the account.
fn budget(own: &Signed<'_>, typed: &str) -> Guess {
    let rates = &own.at.edge.rates;
    let ip = origin::client_ip(own.at.request, own.at.edge).to_string();
    let user = own.who.user_id.to_string();
    let mut budgets = vec![
        (Bucket::new("address_links", &[&user]), rates.address_links),
        (
            Bucket::new("address_links_address", &[&ip]),
            rates.address_links_address,
        ),
    ];
    if let Some(key) = email::canonical(typed) {
        let bucket = Bucket::hidden("address_links_recipient", &key);
        budgets.push((bucket, rates.address_links));
    }
    Guess::new(budgets)
}

async fn page(
    own: &Signed<'_>,
    typed: &str,
    (told, error): (Option<EmailNotice>, Option<EmailError>),
) -> Result<HttpResponse, Halt> {
    let id = own.who.user_id;
    let Some(user) = own.read(move |read| read.user(id)).await? else {
        return Ok(to_login(own.at.realm, PATH));
    };
    let edge = own.at.edge;
    let minutes = minutes(edge.lifetimes.address_link);
    let model = EmailPage {
        shell: own.at.realm.shell(),
        csrf: own.csrf(),
        proved: user.email_origin == EmailOrigin::Mailbox && !user.quarantined,
        email: user.email,
        quarantined: user.quarantined,
        mail: edge.mailer.is_some(),
        typed: typed.to_owned(),
        minutes,
        told,
        error,
    };
    let status = match error {
        None => StatusCode::OK,
        Some(EmailError::TooManyAttempts) => StatusCode::TOO_MANY_REQUESTS,
        Some(EmailError::Invalid | EmailError::Unchanged) => StatusCode::BAD_REQUEST,
    };
    Ok(account_page(&own.at, status, "email.html", &model))
}

fn minutes(lifetime: Lifetime) -> u32 {
    u32::try_from((lifetime.seconds() / 60).max(1)).unwrap_or(u32::MAX)
}

pub(crate) async fn confirm_get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let query = query(at.request)?;
        show(&at, &query, false).await
    })
    .await
}

pub(crate) async fn confirm_post(
    request: HttpRequest,
    edge: Data<Edge>,
    payload: Payload,
) -> HttpResponse {
    let shared = edge.clone();
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
        set(&at, &shared, presented).await
    })
    .await
}

async fn set(
    at: &PageContext<'_>,
    edge: &Data<Edge>,
    presented: ParsedToken,
) -> Result<HttpResponse, Halt> {
    let visitor = Visitor::of(at).await?;
    let proof = AddressProof {
        tenant_id: at.realm.tenant_id,
        presented,
        session_id: visitor.signed_in.as_ref().map(|who| who.session_id),
        rules: edge.lifetimes,
        notice: IdentityNotice::of(edge, at),
        origin: origin::of(at.request, edge),
    };
    let done = edge
        .store
        .write(move |write| holdings::address_set(write, &proof))
        .await;
    match done {
        Ok(Ok(set)) => Ok(done_with(at, &set)),
        Ok(Err(AddressRefusal::LinkIsDead)) => Ok(invalid(at)),
        Ok(Err(AddressRefusal::Taken)) => Ok(taken(at, TakenWhat::Address)),
        // Somebody took it between the look and the change.
        Err(error) if error.is_unique_violation() => Ok(taken(at, TakenWhat::Address)),
        Err(error) => Err(error.into()),
    }
}

fn done_with(at: &PageContext<'_>, set: &AddressSet) -> HttpResponse {
    let outcome = match set {
        AddressSet { changed: true, .. } => "changed",
        AddressSet {
            quarantine_lifted: true,
            ..
        } => "lifted",
        AddressSet { .. } => "confirmed",
    };
    let path = format!("{PATH}/confirmed?outcome={outcome}");
    let cookie = set
        .renewed
        .as_ref()
        .map(|started| session::cookie(at.edge, at.realm, &started.secret));
    with_cookie(see_other(&at.realm.path(&path)), cookie)
}

/// What came of it. The word in the address decides what is shown and nothing else.
pub(crate) async fn confirmed(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let outcome = match query(at.request)?.get("outcome") {
            Some("changed") => EmailOutcome::Changed,
            Some("confirmed") => EmailOutcome::Confirmed,
            Some("lifted") => EmailOutcome::Lifted,
            Some(_) | None => return Err(Halt::NotFound),
        };
        let model = EmailDonePage {
            shell: at.realm.shell(),
            outcome,
        };
        Ok(answer::page(&at, StatusCode::OK, "email_done.html", &model))
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
        .read(move |read| holdings::address_look(read, tenant, &presented))
        .await?;
    let Some((user, email)) = found else {
        return Ok(invalid(at));
    };
    let (owner, cookie) = csrf::browser(at.edge, at.realm, at.request);
    let model = EmailConfirmPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        link,
        changes: !holdings::is_own_address(&user, &email),
        username: user.username,
        email,
        expired,
    };
    let status = if expired {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let page = answer::page(at, status, "email_confirm.html", &model);
    Ok(with_cookie(page, cookie))
}

fn invalid(at: &PageContext<'_>) -> HttpResponse {
    let model = EmailInvalidPage {
        shell: at.realm.shell(),
    };
    answer::page(at, StatusCode::BAD_REQUEST, "email_invalid.html", &model)
}
