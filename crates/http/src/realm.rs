//! Which tenant a request is for: the path says it.

use actix_web::HttpRequest;
use curfew_policy::resource::is_slug;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{DEFAULT_TENANT, TenantId};
use curfew_store::StoreError;
use url::form_urlencoded;

use crate::edge::Edge;
use crate::pages::Shell;

/// The tenant of a request.
#[derive(Clone, Debug)]
pub struct Realm {
    pub tenant_id: TenantId,
    /// The path prefix of the tenant: empty, or `/t/{slug}`.
    pub base: String,
    /// What people know the place by.
    pub name: String,
}

impl Realm {
    /// The tenant at the issuer's root. Needs no look-up, because the hot endpoints only compare its id.
    pub fn root() -> Self {
        Self {
            tenant_id: DEFAULT_TENANT,
            base: String::new(),
            name: "Curfew".to_owned(),
        }
    }

    /// The tenant in the path, or the default one. `None`: there is no such tenant, or it is not active.
    pub async fn of(request: &HttpRequest, edge: &Edge) -> Result<Option<Self>, StoreError> {
        match request.match_info().get("tenant") {
            None => Ok(Some(Self::root())),
            Some(slug) => Self::by_slug(slug.to_owned(), edge).await,
        }
    }

    /// The same, with the display name, for pages.
    pub async fn for_page(request: &HttpRequest, edge: &Edge) -> Result<Option<Self>, StoreError> {
        let slug = request
            .match_info()
            .get("tenant")
            .unwrap_or(DEFAULT_SLUG)
            .to_owned();
        Self::by_slug(slug, edge).await
    }

    /// Where somebody signs in, and comes back to `path` afterwards: a whole local path, with the tenant's part.
    pub fn login_path(&self, path: &str) -> String {
        let back: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
        format!("{}?return_to={back}", self.path("/login"))
    }

    /// The same for somebody who is signed in already and is to prove once more who they are.
    pub fn fresh_login_path(&self, path: &str) -> String {
        format!("{}&reauth=1", self.login_path(path))
    }

    async fn by_slug(slug: String, edge: &Edge) -> Result<Option<Self>, StoreError> {
        if !is_slug(&slug) {
            return Ok(None);
        }
        let found = edge
            .store
            .read(move |read| read.tenant_by_slug(&slug))
            .await?;
        let active = found.filter(|tenant| tenant.status == OwnerStatus::Active);
        Ok(active.map(|tenant| Self {
            tenant_id: tenant.id,
            base: base_of(&tenant.slug),
            name: tenant.name,
        }))
    }

    /// The issuer identifier.
    pub fn issuer(&self, edge: &Edge) -> String {
        edge.issuer.of(&self.base)
    }

    pub fn shell(&self) -> Shell {
        Shell {
            base: self.base.clone(),
            name: self.name.clone(),
        }
    }

    /// A path of this tenant, such as `/login`.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

const DEFAULT_SLUG: &str = "default";

/// The path prefix of the tenant with that slug.
pub fn base_of(slug: &str) -> String {
    if slug == DEFAULT_SLUG {
        String::new()
    } else {
        format!("/t/{slug}")
    }
}
