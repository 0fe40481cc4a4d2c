//! The first administrator, made with the secret that was printed at installation. Once, by one person (B46): the secret is used up
//! in the transaction that makes the account.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other};
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::{Edge, csrf, origin};
use curfew_policy::email;
use curfew_policy::password::{PasswordRefusal, check_new};
use curfew_policy::resource::is_name;
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{
    DEFAULT_TENANT, Form, ParsedToken, Redacted, SecretBytes, Timestamp, TokenKind,
};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::bootstraps::Bootstrap;
use curfew_store::users::NewUser;
use curfew_store::{Read, StoreError, Write};

use crate::pages::{BootstrapError, BootstrapPage, MIN_LENGTH};
use crate::visit::{Expired, Halt, check_form, posted, retry_after, visit, with_cookie};
use curfew_http::guess::Guess;

/// The longest username that can be chosen here, in characters.
const USERNAME: usize = 64;

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
    expect_open(&at).await?;
    Ok(page(&at, &Typed::default(), None))
}

async fn submit(at: PageContext<'_>, payload: Payload) -> Result<HttpResponse, Halt> {
    expect_open(&at).await?;
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let typed = Typed::read(&form);
    if let Err(Expired) = check_form(&at, &csrf::browser(at.edge, at.realm, at.request).0, &form)? {
        return Ok(page(&at, &typed, Some(BootstrapError::Expired)));
    }
    let secret = match prove_secret(&at, &form).await? {
        Ok(secret) => secret,
        Err(refusal) => return Ok(refusal),
    };
    let password = match typed.check(&form) {
        Ok(password) => password,
        Err(error) => return Ok(page(&at, &typed, Some(error))),
    };
    let first = FirstAdministrator {
        secret,
        user: typed.user(at.edge.passwords.hash(password, &at.edge.store).await?),
        origin: origin::of(at.request, at.edge),
    };
    let refused = match at.edge.store.write(move |write| first.run(write)).await {
        Ok(Ok(())) => return Ok(see_other(&at.realm.path("/login?told=bootstrapped"))),
        Ok(Err(refused)) => refused,
        // Somebody took the name between the look and the insert.
        Err(error) if error.is_unique_violation() => BootstrapError::Taken,
        Err(error) => return Err(error.into()),
    };
    Ok(page(&at, &typed, Some(refused)))
}

/// The page is there while the secret is, in the default tenant.
async fn expect_open(at: &PageContext<'_>) -> Result<(), Halt> {
    if at.realm.tenant_id != DEFAULT_TENANT {
        return Err(Halt::NotFound);
    }
    let open = at
        .edge
        .store
        .read(|read| Ok(open_bootstrap(read)?.is_some()))
        .await?;
    if open { Ok(()) } else { Err(Halt::NotFound) }
}

fn open_bootstrap(read: &mut Read<'_>) -> Result<Option<Bootstrap>, StoreError> {
    let now: Timestamp = read.now();
    Ok(read.bootstrap()?.filter(|bootstrap| {
        bootstrap.consumed_at.is_none() && !now.has_reached(bootstrap.expires_at)
    }))
}

/// The secret, if it is the right one. Each wrong one is counted, for all visitors together.
async fn prove_secret(
    at: &PageContext<'_>,
    form: &Form<'_>,
) -> Result<Result<SecretBytes, HttpResponse>, Halt> {
    let typed = Typed::read(form);
    let presented = form.get("secret").unwrap_or("").trim();
    let Ok(presented) = ParsedToken::parse(TokenKind::BootstrapSecret, presented) else {
        return Ok(Err(page(at, &typed, Some(BootstrapError::Secret))));
    };
    let bucket = Bucket::new("bootstrap_failures", &[]);
    let budget = vec![(bucket.clone(), at.edge.rates.bootstrap_failures)];
    if let Err(wait) = Guess::new(budget).take(at.edge).await? {
        let mut response = page(at, &typed, Some(BootstrapError::TooManyAttempts));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return Ok(Err(retry_after(response, wait)));
    }
    let secret = presented.secret.clone();
    let is_right = at.edge.store.write(move |write| {
        let right = open_bootstrap(write)?
            .is_some_and(|bootstrap| write.is_bootstrap_secret(&bootstrap, &secret));
        if right {
            write.rate_give_back(bucket.as_str())?;
        }
        Ok(Ok::<_, ()>(right))
    });
    Ok(match is_right.await? {
        Ok(true) => Ok(presented.secret),
        Ok(false) | Err(()) => Err(page(at, &typed, Some(BootstrapError::Secret))),
    })
}

/// What the page repeats.
#[derive(Default)]
struct Typed {
    username: String,
    email: String,
}

impl Typed {
    fn read(form: &Form<'_>) -> Self {
        let field = |name| form.get(name).unwrap_or("").trim().to_owned();
        Self {
            username: field("username"),
            email: field("email"),
        }
    }

    fn check(&self, form: &Form<'_>) -> Result<Redacted<String>, BootstrapError> {
        if !is_name(&self.username) || self.username.len() > USERNAME {
            return Err(BootstrapError::Username);
        }
        if !self.email.is_empty() && email::canonical(&self.email).is_none() {
            return Err(BootstrapError::Email);
        }
        let (password, again) = (
            form.get("password").unwrap_or(""),
            form.get("password_again").unwrap_or(""),
        );
        let known = [self.username.as_str(), self.email.as_str()];
        check_new(password, again, &known).map_err(|refusal| match refusal {
            PasswordRefusal::TooShort => BootstrapError::TooShort,
            PasswordRefusal::TooLong => BootstrapError::TooLong,
            PasswordRefusal::Obvious => BootstrapError::Obvious,
            PasswordRefusal::Mismatch => BootstrapError::Mismatch,
        })?;
        Ok(Redacted(password.to_owned()))
    }

    fn user(&self, password_hash: Redacted<String>) -> NewUser {
        let email = (!self.email.is_empty()).then(|| self.email.clone());
        NewUser {
            tenant_id: DEFAULT_TENANT,
            username: self.username.clone(),
            name: self.username.clone(),
            email_key: email.as_deref().and_then(email::canonical),
            email,
            email_origin: EmailOrigin::Stated,
            quarantined: false,
            administrator: true,
            password_hash: Some(password_hash),
        }
    }
}

fn page(at: &PageContext<'_>, typed: &Typed, error: Option<BootstrapError>) -> HttpResponse {
    let (owner, cookie) = csrf::browser(at.edge, at.realm, at.request);
    let model = BootstrapPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        username: typed.username.clone(),
        email: typed.email.clone(),
        min_length: MIN_LENGTH,
        error,
    };
    let status = if error.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    with_cookie(answer::page(at, status, "bootstrap.html", &model), cookie)
}

/// The transaction that makes the account.
struct FirstAdministrator {
    secret: SecretBytes,
    user: NewUser,
    origin: Origin,
}

impl FirstAdministrator {
    fn run(&self, write: &mut Write<'_>) -> Result<Result<(), BootstrapError>, StoreError> {
        let right = open_bootstrap(write)?
            .is_some_and(|bootstrap| write.is_bootstrap_secret(&bootstrap, &self.secret));
        if !right {
            return Ok(Err(BootstrapError::Secret));
        }
        // Before the secret is used up, because a refusal is kept.
        if self.is_taken(write)? {
            return Ok(Err(BootstrapError::Taken));
        }
        if !write.bootstrap_consume()? {
            return Ok(Err(BootstrapError::Secret));
        }
        let id = write.user_insert(&self.user)?;
        write.audit(&AuditEntry {
            tenant_id: Some(DEFAULT_TENANT),
            user_id: Some(id),
            ..AuditEntry::new(
                AuditEvent::AdministratorBootstrapped,
                AuthenticatedBy::Nobody,
                self.origin.clone(),
            )
        })?;
        Ok(Ok(()))
    }

    fn is_taken(&self, read: &mut Read<'_>) -> Result<bool, StoreError> {
        let by_name = read.user_by_username(DEFAULT_TENANT, &self.user.username)?;
        let by_email = match &self.user.email_key {
            Some(key) => read.user_by_email_key(DEFAULT_TENANT, key)?,
            None => None,
        };
        Ok(by_name.is_some() || by_email.is_some())
    }
}
