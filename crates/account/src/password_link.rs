//! A mailed link: an invitation, or a password to be set anew.
//!
//! 1. A GET looks at the link and never uses it up: mail programs open links to preview them.
//! 2. A POST with two equal, long enough passwords uses it up. A mistake in the form leaves it alive.
//! 3. Setting the password moves the user's epoch: every session, token and other link of the account is dead (A24).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other};
use curfew_http::problem::PageContext;
use curfew_http::{Edge, csrf, origin};
use curfew_policy::password::{PasswordRefusal, check_new};
use curfew_protocol::{Form, ParsedToken, Redacted, TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::mailed_links::{LinkKind, MailedLink};
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use crate::guess::account_bucket;
use crate::notice::ChangeNotice;
use crate::pages::{
    LinkInvalidPage, LinkPurpose, MIN_LENGTH, PasswordError, PasswordPage, ProviderButton,
};
use crate::providers::{Wanted, buttons};
use crate::visit::{Expired, Halt, check_form, posted, query, visit, with_cookie};
use curfew_http::mailed_link::{good_link, presented};

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
    let Some(shown) = Shown::of(&at, &query).await? else {
        return Ok(invalid(&at));
    };
    page(&at, &shown, None).await
}

async fn submit(at: PageContext<'_>, payload: Payload) -> Result<HttpResponse, Halt> {
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let fresh = check_form(&at, &csrf::browser(at.edge, at.realm, at.request).0, &form)?;
    let Some(shown) = Shown::of(&at, &form).await? else {
        return Ok(invalid(&at));
    };
    if let Err(Expired) = fresh {
        return page(&at, &shown, Some(PasswordError::Expired)).await;
    }
    let password = match new_password(&form, &shown.user) {
        Ok(password) => password,
        Err(error) => return page(&at, &shown, Some(error)).await,
    };
    let password_hash = at.edge.passwords.hash(password, &at.edge.store).await?;
    let notice = match shown.purpose {
        LinkPurpose::Reset => ChangeNotice::of(&at, &shown.user.username),
        LinkPurpose::Invitation => None,
    };
    let setting = Setting {
        tenant_id: at.realm.tenant_id,
        user_id: shown.user.id,
        presented: shown.presented,
        password_hash,
        notice,
        origin: origin::of(at.request, at.edge),
    };
    match at.edge.store.write(move |write| setting.run(write)).await? {
        Ok(()) => Ok(see_other(&at.realm.path("/login?told=password_set"))),
        Err(LinkIsDead) => Ok(invalid(&at)),
    }
}

/// A good link, and whose it is.
struct Shown {
    text: String,
    presented: ParsedToken,
    purpose: LinkPurpose,
    user: User,
}

impl Shown {
    /// `None`: mangled, foreign, used, expired, or overtaken by events. The visitor is not told which.
    async fn of(at: &PageContext<'_>, form: &Form<'_>) -> Result<Option<Self>, StoreError> {
        let Some((text, presented)) = presented(form) else {
            return Ok(None);
        };
        let tenant = at.realm.tenant_id;
        let found = at.edge.store.read(move |read| {
            let good = good_password_link(read, tenant, &presented)?;
            Ok(good.map(|good| Self {
                text,
                presented,
                purpose: good.purpose,
                user: good.user,
            }))
        });
        found.await
    }
}

impl Shown {
    /// An invitation is accepted by an upstream identity as well.
    async fn providers(&self, at: &PageContext<'_>) -> Result<Vec<ProviderButton>, StoreError> {
        if self.purpose != LinkPurpose::Invitation {
            return Ok(Vec::new());
        }
        let wanted = Wanted {
            return_to: &at.realm.path("/account"),
            reauthenticate: false,
            invitation: true,
        };
        buttons(at, wanted).await
    }
}

/// A link by which a password may be set now.
struct GoodLink {
    link: MailedLink,
    user: User,
    purpose: LinkPurpose,
}

/// A link that is good at this moment, when it is one to set a password by.
fn good_password_link(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<GoodLink>, StoreError> {
    Ok(
        good_link(read, tenant, presented)?.and_then(|(link, user)| {
            let purpose = match link.kind {
                LinkKind::Invitation => LinkPurpose::Invitation,
                LinkKind::PasswordReset => LinkPurpose::Reset,
                LinkKind::Undo(_)
                | LinkKind::LinkProof(_)
                | LinkKind::Address(_)
                | LinkKind::UndoLinked(_)
                | LinkKind::UndoUnlinked(_)
                | LinkKind::UndoAddress(_) => return None,
            };
            Some(GoodLink {
                link,
                user,
                purpose,
            })
        }),
    )
}

fn new_password(form: &Form<'_>, user: &User) -> Result<Redacted<String>, PasswordError> {
    let (password, again) = (
        form.get("password").unwrap_or(""),
        form.get("password_again").unwrap_or(""),
    );
    let known = [user.username.as_str(), user.email.as_deref().unwrap_or("")];
    check_new(password, again, &known).map_err(|refusal| match refusal {
        PasswordRefusal::TooShort => PasswordError::TooShort,
        PasswordRefusal::TooLong => PasswordError::TooLong,
        PasswordRefusal::Obvious => PasswordError::Obvious,
        PasswordRefusal::Mismatch => PasswordError::Mismatch,
    })?;
    Ok(Redacted(password.to_owned()))
}

async fn page(
    at: &PageContext<'_>,
    shown: &Shown,
    error: Option<PasswordError>,
) -> Result<HttpResponse, Halt> {
    let (owner, cookie) = csrf::browser(at.edge, at.realm, at.request);
    let model = PasswordPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        link: shown.text.clone(),
        purpose: shown.purpose,
        username: shown.user.username.clone(),
        min_length: MIN_LENGTH,
        providers: shown.providers(at).await?,
        error,
    };
    let status = if error.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let page = answer::page(at, status, "password.html", &model);
    Ok(with_cookie(page, cookie))
}

fn invalid(at: &PageContext<'_>) -> HttpResponse {
    let model = LinkInvalidPage {
        shell: at.realm.shell(),
    };
    answer::page(at, StatusCode::BAD_REQUEST, "link_invalid.html", &model)
}

/// Somebody was faster, or the account changed.
struct LinkIsDead;

/// The transaction that uses the link up.
struct Setting {
    tenant_id: TenantId,
    user_id: UserId,
    presented: ParsedToken,
    password_hash: Redacted<String>,
    notice: Option<ChangeNotice>,
    origin: Origin,
}

impl Setting {
    fn run(&self, write: &mut Write<'_>) -> Result<Result<(), LinkIsDead>, StoreError> {
        // Held first: of two links made under one epoch, the second must see the epoch that the first moved.
        write.user_held(self.user_id)?;
        let Some(GoodLink {
            link,
            user,
            purpose,
        }) = good_password_link(write, self.tenant_id, &self.presented)?
        else {
            return Ok(Err(LinkIsDead));
        };
        if !write.mailed_link_consume(link.id)? {
            return Ok(Err(LinkIsDead));
        }
        write.user_set_password(user.id, &self.password_hash)?;
        // Whoever forgot the password has guessed a few times before; the mailbox proves more than the guesses disprove.
        write.rate_forget(account_bucket(user.id).as_str())?;
        if let Some(notice) = &self.notice {
            notice.queue(write, &user)?;
        }
        let purpose = match purpose {
            LinkPurpose::Invitation => "invitation",
            LinkPurpose::Reset => "password_reset",
        };
        write.audit(&AuditEntry {
            tenant_id: Some(self.tenant_id),
            user_id: Some(user.id),
            detail: Some(purpose.to_owned()),
            ..AuditEntry::new(
                AuditEvent::PasswordChanged,
                AuthenticatedBy::MailedLink(link.id),
                self.origin.clone(),
            )
        })?;
        Ok(Ok(()))
    }
}
