//! `GET /upstream/{provider}/start`: sends somebody to a provider to sign in, or to accept an invitation.
//!
//! 1. The provider is one of this tenant, and active.
//! 2. The start is counted for the address.
//! 3. Where the person wants to go afterwards is a path of our own, or the account page (B48).
//! 4. An invitation that comes along is good at this moment; when the person is back it is judged again.
//! 5. The browser leaves ([`departure`](crate::departure)).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::see_other;
use curfew_http::mailed_link::good_invitation;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::visit::{query, with_cookie};
use curfew_http::{Edge, PageProblem, origin};
use curfew_policy::redirect::is_local_path;
use curfew_protocol::{Form, ParsedToken, TokenKind};
use curfew_store::providers::Provider;
use curfew_store::upstream_logins::Purpose;

use crate::client::UpstreamClient;
use crate::departure::Departure;
use crate::gate;
use crate::refusal::{Back, Refusal};
use crate::stop::{Stop, pages};

pub(crate) async fn get(
    request: HttpRequest,
    edge: Data<Edge>,
    client: Data<UpstreamClient>,
) -> HttpResponse {
    pages(&request, &edge, async |at: PageContext<'_>| {
        start(at, &client).await
    })
    .await
}

async fn start(at: PageContext<'_>, client: &UpstreamClient) -> Result<HttpResponse, Stop> {
    let provider = gate::named(&at).await?;
    spend(&at).await?;
    let query = query(at.request)?;
    if !gate::is_active(&provider) {
        let page = Refusal::ProviderDisabled.page(&at, &provider, Back::SignIn);
        return Err(Stop::page(page));
    }
    let sent = Departure {
        at,
        client,
        provider: &provider,
        purpose: purpose(&at, &provider, &query).await?,
        reauthenticate: query.get("reauth") == Some("1"),
        return_to: return_to(&at, &query, "/account"),
        audit: None,
    };
    let sent = sent.begin().await?;
    Ok(with_cookie(see_other(sent.url.as_str()), sent.cookie))
}

/// Counts a start for the address that it comes from.
pub(crate) async fn spend(at: &PageContext<'_>) -> Result<(), Stop> {
    let ip = origin::client_ip(at.request, at.edge).to_string();
    let bucket = Bucket::new("upstream_starts", &[&ip]);
    let rates = &at.edge.rates;
    let spent = rates.spend(&at.edge.store, bucket, rates.upstream_starts);
    spent
        .await?
        .map_err(|wait| Stop::page(PageProblem::too_many_attempts(wait, at).into_response()))
}

/// The path asked for, if it is one of our own; otherwise `default` of this tenant (B48).
pub(crate) fn return_to(at: &PageContext<'_>, form: &Form<'_>, default: &str) -> String {
    let asked = form.get("return_to").filter(|path| is_local_path(path));
    asked.map_or_else(|| at.realm.path(default), ToOwned::to_owned)
}

async fn purpose(
    at: &PageContext<'_>,
    provider: &Provider,
    query: &Form<'_>,
) -> Result<Purpose, Stop> {
    let Some(text) = query.get("invitation") else {
        return Ok(Purpose::SignIn);
    };
    let tenant = at.realm.tenant_id;
    let good = match ParsedToken::parse(TokenKind::MailedLink, text) {
        Ok(presented) => {
            let store = &at.edge.store;
            let found = store.read(move |read| good_invitation(read, tenant, &presented));
            found.await?
        }
        Err(_) => None,
    };
    good.map(|(link, _)| Purpose::Invitation(link.id))
        .ok_or_else(|| Stop::page(Refusal::InvitationInvalid.page(at, provider, Back::SignIn)))
}
