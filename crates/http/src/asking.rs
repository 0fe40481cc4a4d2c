//! Which client somebody is on the way to: read from the authorization request that the browser is to return to.

use curfew_policy::redirect;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::Form;
use curfew_store::StoreError;
use curfew_store::clients::Client;

use crate::answer::PagePolicy;
use crate::problem::PageContext;

/// What a page on the way may say and allow on behalf of a client.
#[derive(Debug, Default)]
pub struct Asking {
    pub name: Option<String>,
    /// Where the redirects after the form may end: only an address that is registered.
    pub form_targets: Vec<String>,
}

impl Asking {
    /// Nothing that is read here decides anything: the authorization endpoint judges the request when the browser returns.
    pub async fn of(at: &PageContext<'_>, return_to: &str) -> Result<Self, StoreError> {
        let Some(request) = authorization_request(at, return_to) else {
            return Ok(Self::default());
        };
        let Ok(request) = Form::parse(request.as_bytes(), &["resource"]) else {
            return Ok(Self::default());
        };
        let Some(client_id) = request.get("client_id").map(ToOwned::to_owned) else {
            return Ok(Self::default());
        };
        let found = at
            .edge
            .store
            .read(move |read| read.client_by_client_id(&client_id))
            .await?;
        let usable = found.filter(|client| {
            client.tenant_id == at.realm.tenant_id && client.status == OwnerStatus::Active
        });
        Ok(usable.map_or_else(Self::default, |client| Self {
            form_targets: form_target(&client, request.get("redirect_uri"))
                .into_iter()
                .collect(),
            name: Some(client.registration.name),
        }))
    }

    /// The policy of a page whose form may lead back to the client in the end.
    pub fn policy(self) -> PagePolicy {
        PagePolicy {
            form_targets: self.form_targets,
            script: None,
        }
    }
}

fn authorization_request<'r>(at: &PageContext<'_>, return_to: &'r str) -> Option<&'r str> {
    let (path, query) = return_to.split_once('?')?;
    ["/authorize", "/consent"]
        .iter()
        .any(|own| at.realm.path(own) == path)
        .then_some(query)
}

fn form_target(client: &Client, presented: Option<&str>) -> Option<String> {
    let registered = &client.registration.redirect_uris;
    match presented {
        Some(uri) => {
            let known = registered.iter().any(|own| redirect::matches(own, uri));
            known.then(|| redirect::origin(uri)).flatten()
        }
        None if registered.len() == 1 => redirect::origin(&registered[0]),
        None => None,
    }
}
