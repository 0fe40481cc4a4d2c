//! The provider that an address names.

use curfew_http::problem::PageContext;
use curfew_http::visit::Halt;
use curfew_policy::resource::is_slug;
use curfew_policy::status::OwnerStatus;
use curfew_store::StoreError;
use curfew_store::providers::Provider;

use crate::client::Contact;
use crate::provider::UpstreamProvider;

/// The provider of this tenant with the slug in the path, disabled or not. There is no other: 404.
pub(crate) async fn named(at: &PageContext<'_>) -> Result<Provider, Halt> {
    find(at).await?.ok_or(Halt::NotFound)
}

pub(crate) async fn find(at: &PageContext<'_>) -> Result<Option<Provider>, StoreError> {
    let slug = at.request.match_info().get("provider").unwrap_or("");
    if !is_slug(slug) {
        return Ok(None);
    }
    let (tenant, slug) = (at.realm.tenant_id, slug.to_owned());
    at.edge
        .store
        .read(move |read| read.provider_by_slug(tenant, &slug))
        .await
}

pub(crate) fn is_active(provider: &Provider) -> bool {
    provider.status == OwnerStatus::Active
}

/// A provider with its opened secret.
pub(crate) fn opened(
    at: &PageContext<'_>,
    provider: &Provider,
) -> Result<UpstreamProvider, StoreError> {
    UpstreamProvider::of(provider, at.edge.store.keys())
}

/// By what means it is spoken to.
pub(crate) fn contact<'a>(at: &PageContext<'a>, provider: &'a UpstreamProvider) -> Contact<'a> {
    Contact {
        outbound: &at.edge.outbound,
        provider,
        now: at.edge.store.clock().now(),
    }
}

/// Where the provider sends people back to: an address of its own for each provider, so that no other one's answer arrives there
/// (SUP-02).
pub(crate) fn redirect_uri(at: &PageContext<'_>, provider: &Provider) -> String {
    let issuer = at.realm.issuer(at.edge);
    format!("{issuer}/upstream/{}/callback", provider.slug)
}
