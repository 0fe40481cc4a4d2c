//! The frame of the pages for those who are signed in.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CROSS_ORIGIN_OPENER_POLICY, HeaderValue};
use actix_web::web::{Data, Payload};
use curfew_http::answer::{self, see_other, to_login};
use curfew_http::body::RawForm;
use curfew_http::problem::PageContext;
use curfew_http::session::SignedIn;
use curfew_http::{Edge, origin};
use curfew_protocol::Form;
use curfew_store::audit::AuthenticatedBy;
use curfew_store::{Read, StoreError, Write};
use serde::Serialize;

use crate::holdings::{Actor, HoldingRefusal, Outcome};
use crate::pages::{ConfirmAct, ConfirmPage};
use crate::visit::{Expired, Halt, Visitor, check_form, posted, visit};

/// A page, and the person before it.
pub(crate) struct Signed<'a> {
    pub(crate) at: PageContext<'a>,
    pub(crate) who: SignedIn,
}

/// Shows a page to whoever is signed in; everybody else signs in first and comes back.
pub(crate) async fn signed_page<F>(
    request: &HttpRequest,
    edge: &Data<Edge>,
    path: &str,
    stages: F,
) -> HttpResponse
where
    F: AsyncFnOnce(&Signed<'_>) -> Result<HttpResponse, Halt>,
{
    visit(request, edge, async |at: PageContext<'_>| {
        let visitor = Visitor::of(&at).await?;
        match &visitor.signed_in {
            None => Ok(visitor.tidied(&at, to_login(at.realm, path))),
            Some(who) => {
                let who = who.clone();
                stages(&Signed { at, who }).await
            }
        }
    })
    .await
}

/// Takes a form from whoever is signed in. A form that lay open too long leads back to `path`, which says so.
pub(crate) async fn signed_form<F>(
    (request, payload): (&HttpRequest, Payload),
    edge: &Data<Edge>,
    path: &str,
    stages: F,
) -> HttpResponse
where
    F: AsyncFnOnce(&Signed<'_>, &RawForm) -> Result<HttpResponse, Halt>,
{
    visit(request, edge, async |at: PageContext<'_>| {
        let body = posted(&at, payload).await?;
        let visitor = Visitor::of(&at).await?;
        let Some(who) = visitor.signed_in.clone() else {
            return Ok(visitor.tidied(&at, to_login(at.realm, path)));
        };
        let form = body.parse(REPEATED)?;
        if let Err(Expired) = check_form(&at, &who.form_owner(), &form)? {
            return Ok(see_other(&at.realm.path(&format!("{path}?told=expired"))));
        }
        drop(form);
        stages(&Signed { at, who }, &body).await
    })
    .await
}

/// Fields that come more than once: the check boxes.
pub(crate) const REPEATED: &[&str] = &["scope"];

/// Asks before an act that ends much.
pub(crate) async fn ask(
    request: &HttpRequest,
    edge: &Data<Edge>,
    path: &str,
    act: ConfirmAct,
) -> HttpResponse {
    signed_page(request, edge, path, async |own: &Signed<'_>| {
        let model = ConfirmPage {
            shell: own.at.realm.shell(),
            csrf: own.csrf(),
            act,
        };
        Ok(own.page("confirm.html", &model))
    })
    .await
}

/// A page of the account. No window that it opens, or that opened it, gets hold of it.
pub(crate) fn account_page<T: Serialize>(
    at: &PageContext<'_>,
    status: StatusCode,
    template: &str,
    model: &T,
) -> HttpResponse {
    let mut response = answer::page(at, status, template, model);
    response.headers_mut().insert(
        CROSS_ORIGIN_OPENER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    response
}

impl Signed<'_> {
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            tenant_id: self.at.realm.tenant_id,
            user_id: self.who.user_id,
            by: AuthenticatedBy::Session(self.who.session_id),
            origin: origin::of(self.at.request, self.at.edge),
        }
    }

    pub(crate) fn csrf(&self) -> String {
        let now = self.at.edge.store.clock().now();
        self.who.form_owner().token(self.at.edge, now)
    }

    pub(crate) fn page<T: Serialize>(&self, template: &str, model: &T) -> HttpResponse {
        account_page(&self.at, StatusCode::OK, template, model)
    }

    pub(crate) fn redirect(&self, path: &str) -> HttpResponse {
        see_other(&self.at.realm.path(path))
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.at.edge.store.read(job).await
    }

    /// Runs a transition and goes on to `path`, which tells `told`, or that there was nothing to end.
    pub(crate) async fn act(
        &self,
        (path, told): (&str, &str),
        job: impl Fn(&mut Write<'_>, &Actor) -> Outcome<()> + Send + 'static,
    ) -> Result<HttpResponse, Halt> {
        let actor = self.actor();
        let done = self
            .at
            .edge
            .store
            .write(move |write| job(write, &actor))
            .await?;
        Ok(match done {
            Ok(()) => self.redirect(&format!("{path}?told={told}")),
            Err(HoldingRefusal::NotFound) => self.redirect(&format!("{path}?told=gone")),
            Err(HoldingRefusal::SignedOut) => to_login(self.at.realm, path),
        })
    }
}

/// The value of a field, or nothing.
pub(crate) fn field(form: &Form<'_>, name: &str) -> String {
    form.get(name).unwrap_or("").to_owned()
}
