//! `POST /upstream/{provider}/link`: somebody signed in wants to add an identity to their account.
//!
//! 1. The form is one of ours, made for this session.
//! 2. The sign-in is fresh: whoever finds an open browser must not add a way in of their own.
//! 3. The start is counted; the provider is active.
//! 4. The browser leaves as for a sign-in ([`departure`](crate::departure)), with the session as its purpose (SUP-03).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{self, see_other};
use curfew_http::problem::PageContext;
use curfew_http::visit::{Expired, Visitor, check_form, posted};
use curfew_http::{Edge, origin};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy};
use curfew_store::upstream_logins::Purpose;

use crate::client::UpstreamClient;
use crate::departure::{Departure, return_to, spend};
use crate::gate;
use crate::refusal::{Back, IDENTITIES, Refusal};
use crate::stop::{Stop, pages};

/// Where the person is told that it is done.
const LINKED: &str = "/account/identities?told=linked";

pub(crate) async fn post(
    request: HttpRequest,
    edge: Data<Edge>,
    client: Data<UpstreamClient>,
    payload: Payload,
) -> HttpResponse {
    pages(&request, &edge, async |at: PageContext<'_>| {
        leave(at, &client, payload).await
    })
    .await
}

async fn leave(
    at: PageContext<'_>,
    client: &UpstreamClient,
    payload: Payload,
) -> Result<HttpResponse, Stop> {
    let provider = gate::named(&at).await?;
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let visitor = Visitor::of(&at).await?;
    let Some(who) = &visitor.signed_in else {
        let login = answer::to_login(at.realm, IDENTITIES);
        return Ok(visitor.tidied(&at, login));
    };
    if let Err(Expired) = check_form(&at, &who.form_owner(), &form)? {
        let again = format!("{IDENTITIES}?told=expired");
        return Ok(see_other(&at.realm.path(&again)));
    }
    if !who.is_fresh(at.edge) {
        let login = at.realm.fresh_login_path(&at.realm.path(IDENTITIES));
        return Ok(see_other(&login));
    }
    spend(&at).await?;
    if !gate::is_active(&provider) {
        let page = Refusal::ProviderDisabled.page(&at, &provider, Back::Account);
        return Err(Stop::page(page));
    }
    let by = AuthenticatedBy::Session(who.session_id);
    let from = origin::of(at.request, at.edge);
    let departure = Departure {
        at,
        client,
        provider: &provider,
        purpose: Purpose::Link(who.session_id),
        reauthenticate: false,
        return_to: return_to(&at, &form, LINKED),
        audit: Some(AuditEntry {
            tenant_id: Some(at.realm.tenant_id),
            user_id: Some(who.user_id),
            detail: Some(provider.slug.clone()),
            ..AuditEntry::new(AuditEvent::IdentityLinkBegun, by, from)
        }),
    };
    departure.begin_by_page().await
}
