//! `POST /upstream/{provider}/invitation`: somebody accepts an invitation with an identity instead of a password.
//!
//! 1. The form is one of ours, made for this browser: no other site sends a person's identity to an account that is somebody else's.
//! 2. The start is counted for the address; the provider is active.
//! 3. The invitation is good at this moment; when the person is back it is judged again.
//! 4. The browser leaves as for a sign-in ([`departure`](crate::departure)), with the invitation as its purpose.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::see_other;
use curfew_http::mailed_link::{good_invitation, presented};
use curfew_http::problem::PageContext;
use curfew_http::visit::{Expired, check_form, posted};
use curfew_http::{Edge, csrf, origin};
use curfew_protocol::{MailedLinkId, ParsedToken, UserId};
use curfew_store::StoreError;
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy};
use curfew_store::upstream_logins::Purpose;

use crate::client::UpstreamClient;
use crate::departure::{Departure, spend};
use crate::gate;
use crate::refusal::{Back, Refusal};
use crate::stop::{Stop, pages};

pub(crate) async fn post(
    request: HttpRequest,
    edge: Data<Edge>,
    client: Data<UpstreamClient>,
    payload: Payload,
) -> HttpResponse {
    pages(&request, &edge, async |at: PageContext<'_>| {
        accept(at, &client, payload).await
    })
    .await
}

async fn accept(
    at: PageContext<'_>,
    client: &UpstreamClient,
    payload: Payload,
) -> Result<HttpResponse, Stop> {
    let provider = gate::named(&at).await?;
    let body = posted(&at, payload).await?;
    let form = body.parse(&[])?;
    let refused = |refusal: Refusal| Stop::page(refusal.page(&at, &provider, Back::SignIn));
    let fresh = check_form(&at, &csrf::browser(at.edge, at.realm, at.request).0, &form)?;
    let Some((link, presented)) = presented(&form) else {
        return Err(refused(Refusal::InvitationInvalid));
    };
    if let Err(Expired) = fresh {
        let again = format!("/login/password?link={link}");
        return Ok(see_other(&at.realm.path(&again)));
    }
    spend(&at).await?;
    if !gate::is_active(&provider) {
        return Err(refused(Refusal::ProviderDisabled));
    }
    let Some((invitation, invited)) = good(&at, presented).await? else {
        return Err(refused(Refusal::InvitationInvalid));
    };
    let by = AuthenticatedBy::MailedLink(invitation);
    let from = origin::of(at.request, at.edge);
    let departure = Departure {
        at,
        client,
        provider: &provider,
        purpose: Purpose::Invitation(invitation),
        reauthenticate: false,
        return_to: at.realm.path("/account"),
        audit: Some(AuditEntry {
            tenant_id: Some(at.realm.tenant_id),
            user_id: Some(invited),
            detail: Some(provider.slug.clone()),
            ..AuditEntry::new(AuditEvent::IdentityLinkBegun, by, from)
        }),
    };
    departure.begin_by_page().await
}

async fn good(
    at: &PageContext<'_>,
    presented: ParsedToken,
) -> Result<Option<(MailedLinkId, UserId)>, StoreError> {
    let (tenant, store) = (at.realm.tenant_id, &at.edge.store);
    let found = store.read(move |read| good_invitation(read, tenant, &presented));
    Ok(found.await?.map(|(link, user)| (link.id, user.id)))
}
