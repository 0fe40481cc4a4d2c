//! The authorization endpoint (RFC 6749 §4.1.1).
//!
//! 1. The address has a budget of requests.
//! 2. Client and redirect URI must belong together, or a page says so: nobody is ever redirected to an address that is not known good.
//! 3. Somebody must be signed in, or goes to sign in first; only then anything is told to the client by a redirect, `prompt=none`
//!    excepted (RFC 9700 §4.11.2).
//! 4. The request is validated, and must be of a client that is for this person. A refusal goes back to the client, and into the audit
//!    trail.
//!    An account in quarantine grants only the part of it that reads.
//! 5. `prompt=login` is obeyed.
//! 6. Without a consent that covers it, the request goes on to the consent page; with one, or for a client that needs none, approval and
//!    code are written at once.

pub(crate) mod issue;
pub(crate) mod parameters;
mod prompt;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod respond;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::session::{self, SignedIn};
use curfew_http::{Edge, PageProblem, Realm, answer, origin};
use curfew_protocol::{ClientKey, NodeId, UserId};
use curfew_store::StoreError;

use crate::catalogue::Catalogue;
use crate::consent::remembered;
use crate::pages::AuthorizationErrorPage;
use parameters::{Parameters, canonical};
use refusal::{AddressRefusal, AuthorizeRefusal};
use request::{Addressed, ReplyTo, ValidatedRequest};

/// A validated request and the person it is put before.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The request's own query, canonical: what every page and redirect on the way carries.
    pub(crate) query: String,
    pub(crate) request: ValidatedRequest,
    pub(crate) who: SignedIn,
}

/// Whose request it is: a client's, for the person of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) client: ClientKey,
    pub(crate) session_id: NodeId,
    pub(crate) user_id: UserId,
}

impl Asker {
    const fn of(client: ClientKey, who: &SignedIn) -> Self {
        Self {
            client,
            session_id: who.session_id,
            user_id: who.user_id,
        }
    }
}

impl Pending {
    pub(crate) const fn asker(&self) -> Asker {
        Asker::of(self.request.client.key, &self.who)
    }
}

/// `GET /authorize`
pub(crate) async fn get(edge: Data<Edge>, request: HttpRequest) -> HttpResponse {
    let query = request.query_string().to_owned();
    in_realm(&edge, &request, async |at| authorize(&at, &query).await).await
}

/// `POST /authorize`: the form is the query.
pub(crate) async fn post(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let form = RawForm::read(&request, payload).await;
    in_realm(&edge, &request, async |at| {
        match form.as_ref().ok().and_then(RawForm::as_query) {
            Some(query) => authorize(&at, query).await,
            None => Err(misaddressed(&at, AddressRefusal::Malformed, None)),
        }
    })
    .await
}

/// Finds the tenant and turns every outcome into a response.
pub(crate) async fn in_realm(
    edge: &Edge,
    request: &HttpRequest,
    answered: impl AsyncFnOnce(PageContext<'_>) -> Result<HttpResponse, PageProblem>,
) -> HttpResponse {
    let root = Realm::root();
    let nowhere = PageContext {
        edge,
        realm: &root,
        request,
    };
    let outcome = match Realm::for_page(request, edge).await {
        Ok(Some(realm)) => {
            answered(PageContext {
                edge,
                realm: &realm,
                request,
            })
            .await
        }
        Ok(None) => Err(PageProblem::new(ErrorKind::NotFound, None, &nowhere)),
        Err(error) => Err(PageProblem::unavailable(&error, &nowhere)),
    };
    outcome.unwrap_or_else(PageProblem::into_response)
}

async fn authorize(at: &PageContext<'_>, query: &str) -> Result<HttpResponse, PageProblem> {
    spend(at).await?;
    let pending = arrive(at, query, false).await?;
    let basis = remembered::basis(at, &pending).await;
    match basis.map_err(|error| PageProblem::unavailable(&error, at))? {
        Some(basis) => issue::approve(at, pending, basis).await,
        None if pending.request.prompt().none => {
            let refusal = AuthorizeRefusal::ConsentRequired;
            respond::refused_on_record(at, pending.asker(), pending.request.reply_to(), refusal)
                .await
        }
        None => {
            let path = at.realm.path("/consent");
            Ok(answer::see_other(&format!("{path}?{}", pending.query)))
        }
    }
}

/// Takes one request from the budget of the address it comes from.
async fn spend(at: &PageContext<'_>) -> Result<(), PageProblem> {
    let ip = origin::client_ip(at.request, at.edge).to_string();
    let bucket = Bucket::new("authorizations", &[&ip]);
    let rates = &at.edge.rates;
    let spent = rates.spend(&at.edge.store, bucket, rates.authorizations);
    match spent.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(wait)) => Err(PageProblem::too_many_attempts(wait, at)),
        Err(error) => Err(PageProblem::unavailable(&error, at)),
    }
}

/// Steps 2 to 5. `Err` is the answer already. `read_only`: the person was shown no more than what reads, and must not be taken to have
/// agreed to more, although the quarantine was lifted meanwhile.
pub(crate) async fn arrive(
    at: &PageContext<'_>,
    query: &str,
    read_only: bool,
) -> Result<Pending, PageProblem> {
    let unavailable = |error: StoreError| PageProblem::unavailable(&error, at);
    // Strictly first: spelling a query anew repairs what is broken in it.
    Parameters::parse(query).map_err(|refusal| misaddressed(at, refusal, None))?;
    let query = canonical(query);
    let parameters =
        Parameters::parse(&query).map_err(|refusal| misaddressed(at, refusal, None))?;
    let addressed = Addressed::find(at.edge, at.realm, &parameters)
        .await
        .map_err(unavailable)?
        .map_err(|(refusal, client)| misaddressed(at, refusal, client))?;
    let to = addressed.reply_to(&parameters);

    let signed_in = session::signed_in(at.edge, at.realm, at.request)
        .await
        .map_err(unavailable)?;
    let Some(who) = signed_in else {
        return Err(nobody(at, &query, &parameters, &to));
    };
    let tenant = at.realm.tenant_id;
    let catalogue = at
        .edge
        .store
        .read(move |read| Catalogue::read(read, tenant))
        .await;
    let catalogue = catalogue.map_err(unavailable)?;
    let asker = Asker::of(addressed.client_key(), &who);
    let request = ValidatedRequest::read(addressed, &parameters, &catalogue);
    let request = if who.quarantined || read_only {
        request.and_then(|request| request.cut_down(&catalogue))
    } else {
        request
    };
    let request = match request {
        Ok(request) => request,
        Err(refusal) => {
            let refused = respond::refused_on_record(at, asker, &to, refusal).await?;
            return Err(PageProblem::rendered(refused));
        }
    };
    if !is_admitted(at, &request, &who).await.map_err(unavailable)? {
        let refusal = AuthorizeRefusal::NotAdmitted;
        let refused = respond::refused_on_record(at, asker, &to, refusal).await?;
        return Err(PageProblem::rendered(refused));
    }
    if wants_login(at, &query, &request, &who) {
        return Err(PageProblem::rendered(to_login_again(
            at,
            &query,
            Some(&who),
        )));
    }
    Ok(Pending {
        request,
        who,
        query,
    })
}

/// Is the client for this person? Almost every client is for everybody.
async fn is_admitted(
    at: &PageContext<'_>,
    request: &ValidatedRequest,
    who: &SignedIn,
) -> Result<bool, StoreError> {
    if !request.client.registration.restricted {
        return Ok(true);
    }
    let (client, user) = (request.client.clone(), who.user_id);
    let read = at
        .edge
        .store
        .read(move |read| read.client_admits(&client, user));
    read.await
}

fn nobody(
    at: &PageContext<'_>,
    query: &str,
    parameters: &Parameters<'_>,
    to: &ReplyTo,
) -> PageProblem {
    let answer = match parameters.get("prompt") {
        Some("none") => respond::refused(at, to, AuthorizeRefusal::LoginRequired),
        // Whoever signs in now has a session that began after the request.
        Some(prompt) if prompt.split(' ').any(|word| word == "login") => {
            to_login_again(at, query, None)
        }
        _ => to_login(at, query),
    };
    PageProblem::rendered(answer)
}

fn wants_login(
    at: &PageContext<'_>,
    query: &str,
    request: &ValidatedRequest,
    who: &SignedIn,
) -> bool {
    let asked = request.prompt().login || prompt::has_ticket(query);
    asked && !prompt::is_satisfied(at.edge, &at.realm.base, query, who)
}

/// The request's own address.
fn own_path(at: &PageContext<'_>, query: &str) -> String {
    format!("{}?{query}", at.realm.path("/authorize"))
}

/// The login page's address, with the way back. `again`: although somebody is signed in.
pub(crate) fn login_path(at: &PageContext<'_>, query: &str, again: bool) -> String {
    let own = own_path(at, query);
    if again {
        at.realm.fresh_login_path(&own)
    } else {
        at.realm.login_path(&own)
    }
}

fn to_login(at: &PageContext<'_>, query: &str) -> HttpResponse {
    answer::see_other(&login_path(at, query, false))
}

fn to_login_again(at: &PageContext<'_>, query: &str, who: Option<&SignedIn>) -> HttpResponse {
    let now = at.edge.store.clock().now();
    let query = prompt::with_ticket(at.edge, &at.realm.base, query, who, now);
    answer::see_other(&login_path(at, &query, true))
}

fn to_authorize(at: &PageContext<'_>, query: &str) -> HttpResponse {
    answer::see_other(&own_path(at, query))
}

/// The request is answered here: it names no place that may be trusted with an answer.
pub(crate) fn misaddressed(
    at: &PageContext<'_>,
    refusal: AddressRefusal,
    client: Option<String>,
) -> PageProblem {
    let (reason, code, description) = refusal.told();
    let page = AuthorizationErrorPage {
        shell: at.realm.shell(),
        reason,
        client,
        code: code.as_str().to_owned(),
        description: description.to_owned(),
        correlation_id: origin::request_id(at.request, at.edge).to_string(),
    };
    let status = StatusCode::BAD_REQUEST;
    PageProblem::rendered(answer::page(at, status, "authorization_error.html", &page))
}
