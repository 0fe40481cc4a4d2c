//! The page of the decision: who asks, for what, and from where.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::session::SignedIn;
use curfew_http::{PageProblem, answer, origin};
use curfew_policy::lifetime::{AccessTokenPlan, Caps, Credential};
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{GrantType, ScopeSet, Timestamp};
use curfew_store::clients::Client;
use curfew_store::device_codes::{DeviceCode, DeviceRequest};
use curfew_store::tenants::Tenant;
use curfew_store::{Read, StoreError};

use super::ticket::Ticket;
use crate::catalogue::Catalogue;
use crate::consent;
use crate::pages::{
    DeviceConfirmPage, DeviceDonePage, DeviceOutcome, DevicePlace, Lasts, Provenance,
};
use crate::quarantine::{self, NothingLeft};
use crate::scopes::OFFLINE_ACCESS;

/// What the page tells of.
struct Shown {
    code: DeviceCode,
    request: DeviceRequest,
    client: Client,
    tenant: Tenant,
    catalogue: Catalogue,
    withheld: ScopeSet,
    now: Timestamp,
}

pub(super) async fn show(
    at: &PageContext<'_>,
    who: &SignedIn,
    (ticket, sealed): (&Ticket, &str),
) -> Result<HttpResponse, PageProblem> {
    let device = ticket.device;
    let found = at.edge.store.read(move |read| {
        let Some((code, request)) = read.device_request(device)? else {
            return Ok(None);
        };
        find(read, code, request)
    });
    let found = found
        .await
        .map_err(|error| PageProblem::unavailable(&error, at))?;
    let Some(mut shown) = found.filter(|shown| shown.code.tenant_id == at.realm.tenant_id) else {
        return Ok(told(at, DeviceOutcome::Gone));
    };
    if who.quarantined
        && let Err(NothingLeft) = shown.cut_down()
    {
        return Ok(told(at, DeviceOutcome::Quarantined));
    }
    let model = model(at, who, (ticket, sealed), &shown)
        .ok_or_else(|| PageProblem::new(ErrorKind::Forbidden, Some("device_flow_off"), at))?;
    Ok(answer::page(
        at,
        StatusCode::OK,
        "device_confirm.html",
        &model,
    ))
}

fn find(
    read: &mut Read<'_>,
    code: DeviceCode,
    request: DeviceRequest,
) -> Result<Option<Shown>, StoreError> {
    let now = read.now();
    if now.has_reached(code.expires_at) {
        return Ok(None);
    }
    let client = read
        .client(code.client)?
        .filter(|client| client.status == OwnerStatus::Active);
    let tenant = read.tenant(code.tenant_id)?;
    let catalogue = Catalogue::read(read, code.tenant_id)?;
    Ok(client.zip(tenant).map(|(client, tenant)| Shown {
        code,
        request,
        client,
        tenant,
        catalogue,
        withheld: ScopeSet::default(),
        now,
    }))
}

impl Shown {
    /// What an account in quarantine may give of it (E10).
    fn cut_down(&mut self) -> Result<(), NothingLeft> {
        let (scopes, audiences) = (&self.request.scopes, &self.request.audiences);
        let cut = quarantine::cut(scopes, audiences, &self.catalogue)?;
        self.request.scopes = cut.scopes;
        self.request.audiences = cut.audiences;
        self.withheld = cut.withheld;
        Ok(())
    }
}

/// Why there is nothing to decide: it was decided, expired or deleted meanwhile, or the account may give nothing of it. The device goes on
/// waiting.
fn told(at: &PageContext<'_>, outcome: DeviceOutcome) -> HttpResponse {
    let model = DeviceDonePage {
        shell: at.realm.shell(),
        outcome,
    };
    answer::page(at, outcome.status(), "device_done.html", &model)
}

/// `None`: there is nothing that could be approved for any time at all.
fn model(
    at: &PageContext<'_>,
    who: &SignedIn,
    (ticket, sealed): (&Ticket, &str),
    shown: &Shown,
) -> Option<DeviceConfirmPage> {
    let (request, registration) = (&shown.request, &shown.client.registration);
    let places = &at.edge.places;
    let asked_from = request.ip.clone().unwrap_or_default();
    let here = origin::client_ip(at.request, at.edge).to_string();
    let minutes = shown.now.since(shown.code.created_at).seconds() / 60;
    Some(DeviceConfirmPage {
        shell: at.realm.shell(),
        csrf: who.form_owner().token(at.edge, shown.now),
        request: sealed.to_owned(),
        client: registration.name.clone(),
        client_id: registration.client_id.clone(),
        provenance: if registration.implicit_consent {
            Provenance::FirstParty
        } else {
            Provenance::Administrator
        },
        user_code: ticket.user_code.to_string(),
        scopes: consent::page::scope_words(&request.scopes, &shown.catalogue),
        withheld: consent::page::scope_words(&shown.withheld, &shown.catalogue),
        resources: consent::page::resource_words(&request.audiences, &shown.catalogue),
        lasts: lasts(at, who, shown)?,
        while_away: may_refresh(shown) && !is_bound(who, shown),
        username: who.username.clone(),
        differs: asked_from != here,
        device: DevicePlace {
            place: places.of(&asked_from),
            address: asked_from,
            agent: request.user_agent.clone().filter(|agent| !agent.is_empty()),
        },
        here: DevicePlace {
            place: places.of(&here),
            address: here,
            agent: None,
        },
        minutes: u64::try_from(minutes).unwrap_or(0),
    })
}

/// Does the session bind what it approves?
const fn is_bound(who: &SignedIn, shown: &Shown) -> bool {
    who.upstream_bound || shown.client.registration.session_bound
}

fn may_refresh(shown: &Shown) -> bool {
    shown.client.may_use(GrantType::RefreshToken) && shown.request.scopes.contains(OFFLINE_ACCESS)
}

/// How long the device can go on at the longest: to the end of its refresh family, or of its one access token.
fn lasts(at: &PageContext<'_>, who: &SignedIn, shown: &Shown) -> Option<Lasts> {
    let (rules, now) = (&at.edge.lifetimes, shown.now);
    let (registration, limits) = (&shown.client.registration, &shown.tenant.limits);
    let session = [who.expires_at];
    let approval = Caps {
        tenant: limits.approval,
        ancestors: if is_bound(who, shown) { &session } else { &[] },
        ..Caps::default()
    };
    let approval = rules.expires_at(Credential::DeviceApproval, now, approval);
    let ancestors = [approval.ok()?.timestamp()];
    let end = if may_refresh(shown) {
        let caps = Caps {
            client: registration.refresh_lifetime,
            tenant: limits.refresh_family,
            ancestors: &ancestors,
            ..Caps::default()
        };
        rules.expires_at(Credential::RefreshFamily, now, caps)
    } else {
        let plan = AccessTokenPlan {
            rules: *rules,
            // What is too long is refused at the decision; here it is told how long it would be at most.
            asked: None,
            client: shown
                .request
                .requested_lifetime
                .or(registration.access_token_lifetime),
            scopes: shown.catalogue.max_lifetimes(&shown.request.scopes),
        };
        plan.expires_at(now, limits.access_token, ancestors[0])
    };
    let seconds = end.ok()?.timestamp().since(now).seconds();
    Some(Lasts::from_seconds(u64::try_from(seconds).unwrap_or(0)))
}
