//! Signing out. A GET only asks (D17); the POST ends the session and everything bound to it.
//!
//! A client may send people here with its `client_id` and a registered `post_logout_redirect_uri`, to which they return.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, PagePolicy, see_other};
use curfew_http::problem::PageContext;
use curfew_http::session::{self, SignedIn};
use curfew_http::{Edge, origin};
use curfew_policy::redirect;
use curfew_policy::status::{DeathCause, OwnerStatus};
use curfew_protocol::Form;
use curfew_store::StoreError;
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy};
use curfew_store::clients::Client;

use crate::pages::{LogoutErrorPage, LogoutErrorReason, LogoutPage, SignedOutPage};
use crate::visit::{Expired, Halt, Visitor, check_form, posted, visit, with_cookie};

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, show).await
}

pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        submit(at, payload).await
    })
    .await
}

pub(crate) async fn signed_out(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    visit(&request, &edge, async |at: PageContext<'_>| {
        let model = SignedOutPage {
            shell: at.realm.shell(),
        };
        Ok(answer::page(&at, StatusCode::OK, "signed_out.html", &model))
    })
    .await
}

async fn show(at: PageContext<'_>) -> Result<HttpResponse, Halt> {
    let Ok(query) = Form::parse(at.request.query_string().as_bytes(), &[]) else {
        return Ok(error_page(&at, LogoutErrorReason::Request));
    };
    let asked = match Asked::read(&at, &query).await? {
        Ok(asked) => asked,
        Err(reason) => return Ok(error_page(&at, reason)),
    };
    let visitor = Visitor::of(&at).await?;
    Ok(visitor.tidied(&at, question(&at, &visitor, &asked)))
}

async fn submit(at: PageContext<'_>, payload: Payload) -> Result<HttpResponse, Halt> {
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let asked = match Asked::read(&at, &form).await? {
        Ok(asked) => asked,
        Err(reason) => return Ok(error_page(&at, reason)),
    };
    let visitor = Visitor::of(&at).await?;
    let Some(signed_in) = &visitor.signed_in else {
        return Ok(visitor.tidied(&at, see_other(&asked.destination(&at))));
    };
    if let Err(Expired) = check_form(&at, &signed_in.form_owner(), &form)? {
        return Ok(question(&at, &visitor, &asked));
    }
    end_session(&at, signed_in).await?;
    let removal = session::cookie_removal(at.edge, at.realm);
    Ok(with_cookie(
        see_other(&asked.destination(&at)),
        Some(removal),
    ))
}

/// What a client asks for, checked.
struct Asked {
    client: Option<Client>,
    /// Registered for the client.
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

impl Asked {
    async fn read(
        at: &PageContext<'_>,
        form: &Form<'_>,
    ) -> Result<Result<Self, LogoutErrorReason>, StoreError> {
        let uri = form.get("post_logout_redirect_uri").map(ToOwned::to_owned);
        let state = form.get("state").map(ToOwned::to_owned);
        let Some(client_id) = form.get("client_id").map(ToOwned::to_owned) else {
            // Without a client there is nobody for whom the address could be registered.
            return Ok(match uri {
                Some(_) => Err(LogoutErrorReason::Request),
                None => Ok(Self {
                    client: None,
                    post_logout_redirect_uri: None,
                    state,
                }),
            });
        };
        let found = at
            .edge
            .store
            .read(move |read| read.client_by_client_id(&client_id))
            .await?;
        let usable = found.filter(|client| {
            client.tenant_id == at.realm.tenant_id && client.status == OwnerStatus::Active
        });
        let Some(client) = usable else {
            return Ok(Err(LogoutErrorReason::UnknownClient));
        };
        let registered = &client.registration.post_logout_redirect_uris;
        if uri.as_ref().is_some_and(|uri| !registered.contains(uri)) {
            return Ok(Err(LogoutErrorReason::RedirectUri));
        }
        Ok(Ok(Self {
            client: Some(client),
            post_logout_redirect_uri: uri,
            state,
        }))
    }

    /// Where the browser goes in the end.
    fn destination(&self, at: &PageContext<'_>) -> String {
        let Some(uri) = &self.post_logout_redirect_uri else {
            return at.realm.path("/signed-out");
        };
        let Some(state) = &self.state else {
            return uri.clone();
        };
        let separator = if uri.contains('?') { '&' } else { '?' };
        let state: String = url::form_urlencoded::byte_serialize(state.as_bytes()).collect();
        format!("{uri}{separator}state={state}")
    }
}

fn question(at: &PageContext<'_>, visitor: &Visitor, asked: &Asked) -> HttpResponse {
    let (owner, cookie) = visitor.form_owner(at);
    let model = LogoutPage {
        shell: at.realm.shell(),
        csrf: owner.token(at.edge, at.edge.store.clock().now()),
        client: asked
            .client
            .as_ref()
            .map(|client| client.registration.name.clone()),
        username: visitor
            .signed_in
            .as_ref()
            .map(|signed_in| signed_in.username.clone()),
        client_id: asked
            .client
            .as_ref()
            .map(|client| client.registration.client_id.clone()),
        post_logout_redirect_uri: asked.post_logout_redirect_uri.clone(),
        state: asked.state.clone(),
    };
    let target = asked
        .post_logout_redirect_uri
        .as_deref()
        .and_then(redirect::origin);
    let policy = PagePolicy {
        form_targets: target.into_iter().collect(),
        script: None,
    };
    with_cookie(
        answer::page_with(at, StatusCode::OK, ("logout.html", &model), &policy),
        cookie,
    )
}

fn error_page(at: &PageContext<'_>, reason: LogoutErrorReason) -> HttpResponse {
    let correlation_id = origin::request_id(at.request, at.edge).to_string();
    let model = LogoutErrorPage {
        shell: at.realm.shell(),
        reason,
        correlation_id,
    };
    answer::page(at, StatusCode::BAD_REQUEST, "logout_error.html", &model)
}

async fn end_session(at: &PageContext<'_>, signed_in: &SignedIn) -> Result<(), StoreError> {
    let (id, user_id, tenant_id) = (signed_in.session_id, signed_in.user_id, at.realm.tenant_id);
    let origin = origin::of(at.request, at.edge);
    let ended = at.edge.store.write(move |write| {
        if write.node_end(id, DeathCause::LoggedOut)? > 0 {
            let by = AuthenticatedBy::Session(id);
            write.audit(&AuditEntry {
                tenant_id: Some(tenant_id),
                user_id: Some(user_id),
                node_id: Some(id),
                ..AuditEntry::new(AuditEvent::SessionEnded, by, origin.clone())
            })?;
        }
        Ok(Ok::<_, ()>(()))
    });
    ended.await.map(|_| ())
}
