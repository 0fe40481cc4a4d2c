//! `GET /upstream/{provider}/start`: sends somebody to a provider to sign in.
//!
//! 1. The start is counted for the address.
//! 2. The provider is one of this tenant, and active.
//! 3. Where the person wants to go afterwards is a path of our own, or the account page (B48).
//! 4. The browser leaves ([`departure`](crate::departure)).
//!
//! Any site may send a browser here, so that nothing but a sign-in comes of it: the other purposes begin with a form of ours.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::Edge;
use curfew_http::answer::see_other;
use curfew_http::problem::PageContext;
use curfew_http::visit::{query, with_cookie};
use curfew_store::upstream_logins::Purpose;

use crate::client::UpstreamClient;
use crate::departure::{Departure, return_to, spend};
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
        purpose: Purpose::SignIn,
        reauthenticate: query.get("reauth") == Some("1"),
        return_to: return_to(&at, &query, "/account"),
        audit: None,
    };
    let sent = sent.begin().await?;
    Ok(with_cookie(see_other(sent.url.as_str()), sent.cookie))
}
