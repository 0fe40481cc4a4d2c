//! A forgotten password: a link is mailed, if there is such an account and it may sign in. The answer is the same, and takes as long,
//! whether or not there is one: both are counted for the address, both write one audit row in one transaction.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::mail_texts::{self, MailFacts, MailKind};
use curfew_http::pages::Language;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::{Edge, Realm, answer, csrf, origin};
use curfew_policy::lifetime::{Caps, Credential};
use curfew_policy::status::UserStatus;
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::mailed_links::LinkKind;
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use crate::login::find;
use crate::pages::{ForgotError, ForgotPage, LinkSentPage};
use crate::visit::{Expired, Halt, check_form, posted, retry_after, visit, with_cookie};
use curfew_http::guess::Guess;

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        Ok(page(&at, StatusCode::OK, "", None))
    })
    .await
}

pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    let shared = edge.clone();
    visit(&request, &edge, async |at: PageContext<'_>| {
        submit(at, shared, payload).await
    })
    .await
}

async fn submit(
    at: PageContext<'_>,
    edge: Data<Edge>,
    payload: Payload,
) -> Result<HttpResponse, Halt> {
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let typed = form.get("username").unwrap_or("").trim();
    let again = |error| page(&at, StatusCode::BAD_REQUEST, typed, Some(error));
    if let Err(Expired) = check_form(&at, &csrf::browser(at.edge, at.realm, at.request).0, &form)? {
        return Ok(again(ForgotError::Expired));
    }
    if edge.mailer.is_none() {
        return Ok(page(&at, StatusCode::OK, "", None));
    }
    if typed.is_empty() || typed.len() > 254 {
        return Ok(again(ForgotError::Empty));
    }
    let origin = origin::of(at.request, at.edge);
    if let Err(wait) = take_address_budget(at.edge, &origin).await? {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let response = page(&at, status, typed, Some(ForgotError::TooManyAttempts));
        return Ok(retry_after(response, wait));
    }
    let request = LinkRequest {
        realm: at.realm.clone(),
        typed: typed.to_owned(),
        language: at.language(),
        origin,
        edge,
    };
    let asked = at
        .edge
        .store
        .write(move |write| request.run(write).map(Ok::<_, ()>));
    let _ = asked.await?;
    let minutes = at.edge.lifetimes.password_reset.seconds() / 60;
    let minutes = u32::try_from(minutes.max(1)).unwrap_or(u32::MAX);
    let model = LinkSentPage {
        shell: at.realm.shell(),
        minutes,
    };
    Ok(answer::page(&at, StatusCode::OK, "link_sent.html", &model))
}

fn page(
    at: &PageContext<'_>,
    status: StatusCode,
    typed: &str,
    error: Option<ForgotError>,
) -> HttpResponse {
    let (owner, cookie) = csrf::browser(at.edge, at.realm, at.request);
    let model = ForgotPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        username: typed.to_owned(),
        mail: at.edge.mailer.is_some(),
        error,
    };
    with_cookie(answer::page(at, status, "forgot.html", &model), cookie)
}

async fn take_address_budget(
    edge: &Edge,
    origin: &Origin,
) -> Result<Result<(), curfew_protocol::Lifetime>, StoreError> {
    let ip = origin.ip.as_deref().unwrap_or("");
    let bucket = Bucket::new("password_links_address", &[ip]);
    Guess::new(vec![(bucket, edge.rates.password_links_address)])
        .take(edge)
        .await
}

/// The transaction behind the page.
struct LinkRequest {
    realm: Realm,
    typed: String,
    language: Language,
    origin: Origin,
    edge: Data<Edge>,
}

impl LinkRequest {
    fn run(&self, write: &mut Write<'_>) -> Result<(), StoreError> {
        let user = find(write, self.realm.tenant_id, &self.typed)?;
        let entry = AuditEntry {
            tenant_id: Some(self.realm.tenant_id),
            user_id: user.as_ref().map(|user| user.id),
            ..AuditEntry::new(
                AuditEvent::PasswordLinkSent,
                AuthenticatedBy::Nobody,
                self.origin.clone(),
            )
        };
        let refusal = match user {
            Some(user) => self.send(write, &user)?,
            None => Some("unknown_account"),
        };
        write.audit(&match refusal {
            Some(reason) => entry.refused(reason),
            None => entry,
        })
    }

    /// Makes the link and queues its mail, or says why not.
    fn send(&self, write: &mut Write<'_>, user: &User) -> Result<Option<&'static str>, StoreError> {
        if !matches!(user.status, UserStatus::Active | UserStatus::Dormant) {
            return Ok(Some("not_active"));
        }
        let Some(address) = &user.email else {
            return Ok(Some("no_address"));
        };
        let bucket = Bucket::new("password_links", &[&user.id.to_string()]);
        if write
            .rate_take(bucket.as_str(), self.edge.rates.password_links)?
            .is_err()
        {
            return Ok(Some("too_many_links"));
        }
        let rules = &self.edge.lifetimes;
        let until = rules.expires_at(Credential::PasswordReset, write.now(), Caps::default());
        let Ok(until) = until else {
            return Ok(Some("no_time"));
        };
        let link =
            write.mailed_link_insert(user.id, user.epoch, &LinkKind::PasswordReset, until)?;
        let issuer = self.realm.issuer(&self.edge);
        let facts = MailFacts {
            place: &self.realm.name,
            username: &user.username,
            link: &format!("{issuer}/login/password?link={}", link.reveal()),
            lasts: Some(rules.password_reset),
        };
        let kind = MailKind::PasswordReset;
        let text = mail_texts::write(&self.edge.pages, &self.language, kind, facts);
        write.mail_insert(address, &text.subject, &text.body, until)?;
        Ok(None)
    }
}
