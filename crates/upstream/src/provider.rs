//! A provider as those who speak to it need it.

use curfew_policy::status::ProviderKind;
use curfew_policy::upstream::OrganizationRule;
use curfew_protocol::{ProviderId, Redacted};
use curfew_store::providers::Provider;
use curfew_store::{ServerKeys, StoreError};

#[derive(Clone, Debug)]
pub struct UpstreamProvider {
    pub id: ProviderId,
    pub slug: String,
    pub kind: ProviderKind,
    /// Compared byte for byte; for GitHub the address of the site.
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client, which has PKCE alone.
    pub client_secret: Option<Redacted<String>>,
    /// Empty: what the kind needs.
    pub scopes: Vec<String>,
    pub github: GithubRules,
}

#[derive(Clone, Debug, Default)]
pub struct GithubRules {
    /// Membership in any one of them is enough; empty: everybody.
    pub organizations: Vec<OrganizationRule>,
    /// Where the REST interface is, when not where it is usually.
    pub api_url: Option<String>,
}

impl UpstreamProvider {
    /// Opens the sealed secret.
    pub fn of(provider: &Provider, keys: &ServerKeys) -> Result<Self, StoreError> {
        Ok(Self {
            id: provider.id,
            slug: provider.slug.clone(),
            kind: provider.kind,
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            client_secret: provider.client_secret(keys)?,
            scopes: provider.settings.scopes.clone(),
            github: GithubRules {
                organizations: provider.settings.organizations.clone(),
                api_url: provider.settings.api_url.clone(),
            },
        })
    }
}
