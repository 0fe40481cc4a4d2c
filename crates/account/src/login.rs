//! Signing in with a local password.
//!
//! 1. The form is ours and fresh.
//! 2. Who is meant: a username, or the canonical form of an e-mail address.
//! 3. The guess is counted, for the account and for the address.
//! 4. The password is verified; a name that nobody has takes as long.
//! 5. One transaction: user and tenant as they are now, the old session of this browser ended, a new one started.
//!
//! Unknown name, wrong password, no password, suspended: one answer for all, and no status changes but from dormant to active.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other};
use curfew_http::asking::Asking;
use curfew_http::guess::Guess;
use curfew_http::problem::PageContext;
use curfew_http::{Edge, csrf, origin, session};
use curfew_policy::password::MAX_BYTES;
use curfew_policy::{email, redirect};
use curfew_protocol::{Form, Lifetime, Redacted, TenantId};
use curfew_store::audit::Origin;
use curfew_store::users::User;
use curfew_store::{Read, StoreError};

use crate::guess;
use crate::pages::{LoginError, LoginNotice, LoginPage};
use crate::providers::{Wanted, buttons};
use crate::sign_in::{start_session, verify};
use crate::visit::{
    Expired, Halt, Visitor, check_form, posted, query, retry_after, visit, with_cookie,
};

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, show).await
}

pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        submit(at, payload).await
    })
    .await
}

async fn show(at: PageContext<'_>) -> Result<HttpResponse, Halt> {
    let query = query(at.request)?;
    let visitor = Visitor::of(&at).await?;
    let return_to = return_to(&at, &query);
    if visitor.signed_in.is_some() && query.get("reauth") != Some("1") {
        return Ok(see_other(&return_to));
    }
    let shown = Shown {
        return_to,
        reauthenticate: query.get("reauth") == Some("1"),
        told: query.get("told").and_then(told),
        ..Shown::default()
    };
    Ok(visitor.tidied(&at, page(&at, StatusCode::OK, shown).await?))
}

async fn submit(at: PageContext<'_>, payload: Payload) -> Result<HttpResponse, Halt> {
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let mut shown = Shown::of(&at, &form);
    if let Err(Expired) = check_form(&at, &csrf::browser(at.edge, at.realm, at.request).0, &form)? {
        shown.told = Some(LoginNotice::FormExpired);
        return page(&at, StatusCode::BAD_REQUEST, shown).await;
    }
    let Some(typed) = Typed::read(&form) else {
        return refused(&at, shown).await;
    };
    let origin = origin::of(at.request, at.edge);
    let user = look_up(&at, typed.name.clone()).await?;
    let guess = guess_at(&at, user.as_ref(), &typed, &origin);
    if let Err(wait) = guess.take(at.edge).await? {
        return too_many_attempts(&at, shown, wait).await;
    }
    let verified = match verify(&at, user, typed.password).await? {
        Ok(verified) => verified,
        Err(refusal) => {
            refusal.record(&at, &origin).await?;
            return refused(&at, shown).await;
        }
    };
    match start_session(&at, verified, guess, origin).await? {
        Some(started) => {
            let cookie = session::cookie(at.edge, at.realm, &started.secret);
            Ok(with_cookie(see_other(&shown.return_to), Some(cookie)))
        }
        None => refused(&at, shown).await,
    }
}

/// What the page repeats and tells.
#[derive(Debug, Default)]
struct Shown {
    return_to: String,
    /// Somebody who is signed in is to prove anew who they are.
    reauthenticate: bool,
    username: String,
    told: Option<LoginNotice>,
    error: Option<LoginError>,
}

impl Shown {
    fn of(at: &PageContext<'_>, form: &Form<'_>) -> Self {
        let username = form.get("username").unwrap_or("").to_owned();
        Self {
            return_to: return_to(at, form),
            reauthenticate: form.get("reauth") == Some("1"),
            username,
            ..Self::default()
        }
    }
}

/// Where to go afterwards: a path of our own, or the account page (B48).
fn return_to(at: &PageContext<'_>, form: &Form<'_>) -> String {
    let asked = form
        .get("return_to")
        .filter(|path| redirect::is_local_path(path));
    asked.map_or_else(|| at.realm.path("/account"), ToOwned::to_owned)
}

fn told(word: &str) -> Option<LoginNotice> {
    match word {
        "password_changed" => Some(LoginNotice::PasswordChanged),
        "password_set" => Some(LoginNotice::PasswordSet),
        "bootstrapped" => Some(LoginNotice::Bootstrapped),
        "session_ended" => Some(LoginNotice::SessionEnded),
        "identity_unlinked" => Some(LoginNotice::IdentityUnlinked),
        "logged_out_everywhere" => Some(LoginNotice::LoggedOutEverywhere),
        _ => None,
    }
}

async fn page(
    at: &PageContext<'_>,
    status: StatusCode,
    shown: Shown,
) -> Result<HttpResponse, Halt> {
    let asking = Asking::of(at, &shown.return_to).await?;
    let wanted = Wanted {
        return_to: &shown.return_to,
        reauthenticate: shown.reauthenticate,
        invitation: false,
    };
    let providers = buttons(at, wanted).await?;
    let (owner, cookie) = csrf::browser(at.edge, at.realm, at.request);
    let model = LoginPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        return_to: shown.return_to,
        reauthenticate: shown.reauthenticate,
        username: shown.username,
        client: asking.name.clone(),
        providers,
        told: shown.told,
        error: shown.error,
    };
    let page = answer::page_with(at, status, ("login.html", &model), &asking.policy());
    Ok(with_cookie(page, cookie))
}

async fn refused(at: &PageContext<'_>, shown: Shown) -> Result<HttpResponse, Halt> {
    metrics::counter!("curfew_logins_total", "outcome" => "refused").increment(1);
    let shown = Shown {
        error: Some(LoginError::Credentials),
        ..shown
    };
    page(at, StatusCode::FORBIDDEN, shown).await
}

async fn too_many_attempts(
    at: &PageContext<'_>,
    shown: Shown,
    wait: Lifetime,
) -> Result<HttpResponse, Halt> {
    metrics::counter!("curfew_logins_total", "outcome" => "too_many_attempts").increment(1);
    let shown = Shown {
        error: Some(LoginError::TooManyAttempts),
        ..shown
    };
    Ok(retry_after(
        page(at, StatusCode::TOO_MANY_REQUESTS, shown).await?,
        wait,
    ))
}

/// A name and a password that are worth looking up.
struct Typed {
    name: String,
    password: Redacted<String>,
}

impl Typed {
    fn read(form: &Form<'_>) -> Option<Self> {
        let name = form.get("username")?.trim();
        let password = form.get("password")?;
        let plausible = (1..=254).contains(&name.len()) && password.len() <= MAX_BYTES;
        plausible.then(|| Self {
            name: name.to_owned(),
            password: Redacted(password.to_owned()),
        })
    }
}

/// Finds the account that a visitor means.
pub(crate) fn find(
    read: &mut Read<'_>,
    tenant: TenantId,
    name: &str,
) -> Result<Option<User>, StoreError> {
    if let Some(user) = read.user_by_username(tenant, name)? {
        return Ok(Some(user));
    }
    match email::canonical(name) {
        Some(key) => read.user_by_email_key(tenant, &key),
        None => Ok(None),
    }
}

async fn look_up(at: &PageContext<'_>, name: String) -> Result<Option<User>, StoreError> {
    let tenant = at.realm.tenant_id;
    at.edge
        .store
        .read(move |read| find(read, tenant, &name))
        .await
}

fn guess_at(at: &PageContext<'_>, user: Option<&User>, typed: &Typed, origin: &Origin) -> Guess {
    match user {
        Some(user) => guess::at_user(at.edge, user.id, origin),
        None => guess::at_nobody(at.edge, at.realm.tenant_id, &typed.name, origin),
    }
}
