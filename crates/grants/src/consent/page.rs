//! The page itself: what is asked for, in words.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use curfew_http::answer::{self, PagePolicy};
use curfew_http::pages::{ErrorKind, LocalPath};
use curfew_http::problem::PageContext;
use curfew_http::{Edge, PageProblem};
use curfew_policy::lifetime::{Caps, Credential};
use curfew_policy::redirect;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{Audiences, GrantType, OwnScope, ScopeSet, Timestamp};
use curfew_store::nodes::TenantLimits;
use url::Url;

use crate::authorize::request::ValidatedRequest;
use crate::authorize::{Pending, login_path};
use crate::catalogue::Catalogue;
use crate::pages::{
    ConsentClient, ConsentPage, ConsentResource, ConsentScope, Lasts, OwnWords, Provenance,
};
use crate::scopes::OFFLINE_ACCESS;

/// Shows the page. Its form may lead to the client's own origin in the end, and nowhere else.
pub(super) async fn show(
    at: &PageContext<'_>,
    pending: &Pending,
) -> Result<HttpResponse, PageProblem> {
    let id = at.realm.tenant_id;
    let read = at.edge.store.read(move |read| {
        let tenant = read
            .tenant(id)?
            .filter(|tenant| tenant.status == OwnerStatus::Active);
        Ok((Catalogue::read(read, id)?, tenant))
    });
    let (catalogue, tenant) = read
        .await
        .map_err(|error| PageProblem::unavailable(&error, at))?;
    let Some(tenant) = tenant else {
        return Err(PageProblem::new(ErrorKind::NotFound, None, at));
    };
    let Some(page) = model(at, pending, &catalogue, &tenant.limits) else {
        return Err(PageProblem::new(ErrorKind::BadRequest, None, at));
    };
    let target = redirect::origin(&pending.request.reply_to().redirect_uri);
    let policy = PagePolicy {
        form_targets: target.into_iter().collect(),
        script: None,
    };
    Ok(answer::page_with(
        at,
        StatusCode::OK,
        ("consent.html", &page),
        &policy,
    ))
}

fn model(
    at: &PageContext<'_>,
    pending: &Pending,
    catalogue: &Catalogue,
    limits: &TenantLimits,
) -> Option<ConsentPage> {
    let (request, who) = (&pending.request, &pending.who);
    let now = at.edge.store.clock().now();
    let registration = &request.client().registration;
    let may_refresh = registration.grant_types.contains(&GrantType::RefreshToken);
    let bound = who.upstream_bound || registration.session_bound;
    Some(ConsentPage {
        shell: at.realm.shell(),
        csrf: who.form_owner().token(at.edge, now),
        request: pending.query.clone(),
        client: ConsentClient {
            name: registration.name.clone(),
            // A client that belongs to the house is registered for implicit consent and never gets here.
            provenance: Provenance::Administrator,
            redirect_host: redirect_host(&request.reply_to().redirect_uri),
        },
        scopes: scope_words(request.scopes(), catalogue),
        withheld: scope_words(request.withheld(), catalogue),
        resources: resource_words(request.audiences(), catalogue),
        lasts: lasts(
            at.edge,
            request,
            limits,
            (now, bound.then_some(who.expires_at)),
        ),
        ends_with_session: bound,
        while_away: may_refresh && !bound,
        username: who.username.clone(),
        switch: LocalPath::new(&login_path(at, &pending.query, true))?,
    })
}

/// Scopes in words, without the one that says something about time.
pub(crate) fn scope_words(scopes: &ScopeSet, catalogue: &Catalogue) -> Vec<ConsentScope> {
    let shown = scopes.iter().filter(|name| *name != OFFLINE_ACCESS);
    shown
        .map(|name| ConsentScope {
            name: name.to_owned(),
            own: OwnScope::parse(name).map(OwnWords::of),
            description: catalogue
                .scope(name)
                .map(|scope| scope.description.clone())
                .filter(|text| !text.is_empty()),
        })
        .collect()
}

/// Resource servers in words.
pub(crate) fn resource_words(audiences: &Audiences, catalogue: &Catalogue) -> Vec<ConsentResource> {
    let servers = audiences
        .0
        .iter()
        .filter_map(|own| catalogue.resource_server(own.key));
    servers
        .map(|server| ConsentResource {
            name: server.name.clone(),
            identifier: server.identifier.clone(),
        })
        .collect()
}

/// How long the client can go on at the longest: to the end of its refresh family, or of its one access token; no longer than what binds it.
fn lasts(
    edge: &Edge,
    request: &ValidatedRequest,
    limits: &TenantLimits,
    (now, bound_to): (Timestamp, Option<Timestamp>),
) -> Lasts {
    let registration = &request.client().registration;
    let approval = Caps {
        tenant: limits.approval,
        ancestors: bound_to.as_slice(),
        ..Caps::default()
    };
    let end = |kind, caps| {
        edge.lifetimes
            .expires_at(kind, now, caps)
            .map_or(now, |end| end.timestamp())
    };
    let approval_end = [end(Credential::Approval, approval)];
    let (kind, client, tenant) = if registration.grant_types.contains(&GrantType::RefreshToken) {
        (
            Credential::RefreshFamily,
            registration.refresh_lifetime,
            limits.refresh_family,
        )
    } else {
        (
            Credential::AccessToken,
            registration.access_token_lifetime,
            limits.access_token,
        )
    };
    let caps = Caps {
        client,
        tenant,
        ancestors: &approval_end,
        ..Caps::default()
    };
    let seconds = end(kind, caps).since(now).seconds();
    Lasts::from_seconds(u64::try_from(seconds).unwrap_or(0))
}

/// Where the answer goes, in a word that says something to a person.
fn redirect_host(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    match (url.scheme(), url.host_str()) {
        ("http", Some("127.0.0.1" | "[::1]")) => Some("localhost".to_owned()),
        ("http" | "https", host) => host.map(str::to_owned),
        (scheme, _) => Some(scheme.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_one_a_person_can_read() {
        for (uri, host) in [
            ("https://orchard.example/cb", "orchard.example"),
            ("http://127.0.0.1:5000/cb", "localhost"),
            ("http://[::1]/cb", "localhost"),
            ("com.example.app:/cb", "com.example.app"),
        ] {
            assert_eq!(redirect_host(uri).as_deref(), Some(host), "{uri}");
        }
    }
}
