//! The account page: who am I, what was lately allowed in my name, and a new password. Beside it stand the pages on which people see what they
//! hold and end it.
//!
//! A change of password wants the present one, under the same limits as a sign-in. One transaction then moves the epoch, which ends every
//! session and token of the account, and starts a fresh session for this browser (A24).

pub(crate) mod applications;
pub(crate) mod email;
pub(crate) mod identities;
pub(crate) mod new_token;
mod rows;
pub(crate) mod sessions;
mod signed;
pub(crate) mod tokens;
pub(crate) mod undo;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{see_other, to_login};
use curfew_http::guess::Guess;
use curfew_http::problem::PageContext;
use curfew_http::session::{self, SignedIn, StartedSession};
use curfew_http::sign_in::SignIn;
use curfew_http::{Edge, origin};
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::password::{MAX_BYTES, PasswordRefusal, check_new};
use curfew_policy::status::{DeathCause, OwnerStatus};
use curfew_protocol::{Form, NodeId, Redacted, TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use self::signed::account_page;
use crate::guess;
use crate::holdings;
use crate::notice::ChangeNotice;
use crate::pages::{AccountError, AccountNotice, AccountPage, MIN_LENGTH};
use crate::visit::{
    Expired, Halt, Visitor, check_form, posted, query, retry_after, visit, with_cookie,
};

/// The tenant's root leads to where a person can do something.
pub(crate) async fn home(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let visitor = Visitor::of(&at).await?;
        let path = if visitor.signed_in.is_some() {
            "/account"
        } else {
            "/login"
        };
        Ok(visitor.tidied(&at, see_other(&at.realm.path(path))))
    })
    .await
}

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
    let Some((signed_in, user)) = with_user(&at, &visitor).await? else {
        return Ok(visitor.tidied(&at, to_login(at.realm, "/account")));
    };
    let told = match query.get("told") {
        Some("password_changed") => Some(AccountNotice::PasswordChanged),
        Some("device_disowned") => Some(AccountNotice::DeviceDisowned),
        Some("gone") => Some(AccountNotice::Gone),
        Some("expired") => Some(AccountNotice::Expired),
        _ => None,
    };
    page(&at, &signed_in, user, (told, None)).await
}

async fn submit(at: PageContext<'_>, payload: Payload) -> Result<HttpResponse, Halt> {
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let visitor = Visitor::of(&at).await?;
    let Some((signed_in, user)) = with_user(&at, &visitor).await? else {
        return Ok(visitor.tidied(&at, to_login(at.realm, "/account")));
    };
    if let Err(Expired) = check_form(&at, &signed_in.form_owner(), &form)? {
        return page(&at, &signed_in, user, (None, Some(AccountError::Expired))).await;
    }
    let entered = match Entered::read(&form, &user) {
        Ok(entered) => entered,
        Err(error) => return page(&at, &signed_in, user, (None, Some(error))).await,
    };
    let origin = origin::of(at.request, at.edge);
    let guess = guess::at_user(at.edge, user.id, &origin);
    if let Err(wait) = guess.take(at.edge).await? {
        let refused = page(
            &at,
            &signed_in,
            user,
            (None, Some(AccountError::TooManyAttempts)),
        )
        .await?;
        return Ok(retry_after(refused, wait));
    }
    let stored = user.password_hash.clone();
    if !at
        .edge
        .passwords
        .verify(entered.current, stored.clone())
        .await?
    {
        record_refusal(&at, &signed_in, &origin).await?;
        return page(&at, &signed_in, user, (None, Some(AccountError::Current))).await;
    }
    let change = Change {
        tenant_id: at.realm.tenant_id,
        session_id: signed_in.session_id,
        user_id: user.id,
        seen: stored,
        password_hash: at
            .edge
            .passwords
            .hash(entered.password, &at.edge.store)
            .await?,
        guess,
        notice: ChangeNotice::of(&at, &user.username),
        rules: at.edge.lifetimes,
        origin,
    };
    match at.edge.store.write(move |write| change.run(write)).await? {
        Ok(started) => {
            let cookie = session::cookie(at.edge, at.realm, &started.secret);
            let response = see_other(&at.realm.path("/account?told=password_changed"));
            Ok(with_cookie(response, Some(cookie)))
        }
        Err(Overtaken) => Ok(to_login(at.realm, "/account")),
    }
}

async fn with_user(
    at: &PageContext<'_>,
    visitor: &Visitor,
) -> Result<Option<(SignedIn, User)>, StoreError> {
    let Some(signed_in) = visitor.signed_in.clone() else {
        return Ok(None);
    };
    let id = signed_in.user_id;
    let user = at.edge.store.read(move |read| read.user(id)).await?;
    Ok(user.map(|user| (signed_in, user)))
}

async fn page(
    at: &PageContext<'_>,
    signed_in: &SignedIn,
    user: User,
    (told, error): (Option<AccountNotice>, Option<AccountError>),
) -> Result<HttpResponse, Halt> {
    let id = user.id;
    let devices = at.edge.store.read(move |read| holdings::devices(read, id));
    let model = AccountPage {
        shell: at.realm.shell(),
        csrf: signed_in
            .form_owner()
            .token(at.edge, at.edge.store.clock().now()),
        name: Some(user.name).filter(|name| *name != user.username),
        username: user.username,
        email: user.email,
        quarantined: user.quarantined,
        mail: at.edge.mailer.is_some(),
        has_password: user.password_hash.is_some(),
        min_length: MIN_LENGTH,
        told,
        error,
        devices: devices.await?.into_iter().map(rows::approval_row).collect(),
    };
    let status = match error {
        None => StatusCode::OK,
        Some(AccountError::TooManyAttempts) => StatusCode::TOO_MANY_REQUESTS,
        Some(AccountError::Current) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::BAD_REQUEST,
    };
    Ok(account_page(at, status, "account.html", &model))
}

/// The form's passwords, as far as they can be judged without a guess.
struct Entered {
    current: Redacted<String>,
    password: Redacted<String>,
}

impl Entered {
    fn read(form: &Form<'_>, user: &User) -> Result<Self, AccountError> {
        let field = |name| form.get(name).unwrap_or("");
        let (current, password) = (field("current_password"), field("password"));
        let known = [user.username.as_str(), user.email.as_deref().unwrap_or("")];
        check_new(password, field("password_again"), &known).map_err(|refusal| match refusal {
            PasswordRefusal::TooShort => AccountError::TooShort,
            PasswordRefusal::TooLong => AccountError::TooLong,
            PasswordRefusal::Obvious => AccountError::Obvious,
            PasswordRefusal::Mismatch => AccountError::Mismatch,
        })?;
        if current.is_empty() || current.len() > MAX_BYTES {
            return Err(AccountError::Current);
        }
        if current == password {
            return Err(AccountError::Unchanged);
        }
        Ok(Self {
            current: Redacted(current.to_owned()),
            password: Redacted(password.to_owned()),
        })
    }
}

async fn record_refusal(
    at: &PageContext<'_>,
    signed_in: &SignedIn,
    origin: &Origin,
) -> Result<(), StoreError> {
    let by = AuthenticatedBy::Session(signed_in.session_id);
    let entry = AuditEntry {
        tenant_id: Some(at.realm.tenant_id),
        user_id: Some(signed_in.user_id),
        ..AuditEntry::new(AuditEvent::PasswordChanged, by, origin.clone()).refused("wrong_password")
    };
    let written = at
        .edge
        .store
        .write(move |write| write.audit(&entry).map(Ok::<_, ()>));
    written.await.map(|_| ())
}

/// The session ended, or the password changed, while this one was being verified.
struct Overtaken;

/// The transaction of a change.
struct Change {
    tenant_id: TenantId,
    session_id: NodeId,
    user_id: UserId,
    seen: Option<Redacted<String>>,
    password_hash: Redacted<String>,
    guess: Guess,
    notice: Option<ChangeNotice>,
    rules: LifetimeRules,
    origin: Origin,
}

impl Change {
    fn run(&self, write: &mut Write<'_>) -> Result<Result<StartedSession, Overtaken>, StoreError> {
        let user = write.user_held(self.user_id)?;
        let tenant = write
            .tenant(self.tenant_id)?
            .filter(|t| t.status == OwnerStatus::Active);
        let alive = session::signed_in_again(write, self.session_id)?.is_some();
        let (Some(user), Some(tenant), true) = (user, tenant, alive) else {
            return Ok(Err(Overtaken));
        };
        if user.password_hash != self.seen {
            return Ok(Err(Overtaken));
        }
        let epoch = write.user_set_password(user.id, &self.password_hash)?;
        // The epoch ended it already; this writes down why.
        write.node_end(self.session_id, DeathCause::Rotated)?;
        self.guess.give_back(write)?;
        if let Some(notice) = &self.notice {
            notice.queue(write, &user)?;
        }
        let by = AuthenticatedBy::Session(self.session_id);
        write.audit(&AuditEntry {
            tenant_id: Some(self.tenant_id),
            user_id: Some(user.id),
            ..AuditEntry::new(AuditEvent::PasswordChanged, by, self.origin.clone())
        })?;
        let user = User { epoch, ..user };
        let sign_in = SignIn::here(&self.rules, &tenant, by, &self.origin);
        let started = session::start(write, &user, &sign_in)?;
        Ok(started.ok_or(Overtaken))
    }
}
