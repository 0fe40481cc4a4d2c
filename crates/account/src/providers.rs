//! The ways to sign in elsewhere, as buttons: one for each upstream provider that can do what is wanted.

use curfew_http::pages::LocalPath;
use curfew_http::problem::PageContext;
use curfew_policy::status::{OwnerStatus, ProviderKind};
use curfew_policy::upstream::SignUps;
use curfew_store::StoreError;
use curfew_store::providers::Provider;
use url::form_urlencoded::Serializer;

use crate::pages::ProviderButton;

/// What somebody would be sent to a provider for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) return_to: &'a str,
    /// A sign-in of this moment; GitHub cannot be asked for one.
    pub(crate) reauthenticate: bool,
    /// An invitation is to be accepted so, by a form that carries it.
    pub(crate) invitation: bool,
}

impl Wanted<'_> {
    fn is_done_by(&self, provider: &Provider) -> bool {
        let invites = provider.settings.policy.sign_ups != SignUps::Off;
        provider.status == OwnerStatus::Active
            && (!self.reauthenticate || provider.kind == ProviderKind::OpenId)
            && (!self.invitation || invites)
    }

    fn path(&self, at: &PageContext<'_>, provider: &Provider) -> String {
        if self.invitation {
            return at
                .realm
                .path(&format!("/upstream/{}/invitation", provider.slug));
        }
        let mut query = Serializer::new(String::new());
        query.append_pair("return_to", self.return_to);
        if self.reauthenticate {
            query.append_pair("reauth", "1");
        }
        let path = format!("/upstream/{}/start?{}", provider.slug, query.finish());
        at.realm.path(&path)
    }
}

pub(crate) async fn buttons(
    at: &PageContext<'_>,
    wanted: Wanted<'_>,
) -> Result<Vec<ProviderButton>, StoreError> {
    let tenant = at.realm.tenant_id;
    let store = &at.edge.store;
    let providers = store.read(move |read| read.provider_list(tenant)).await?;
    let usable = providers.into_iter().filter(|own| wanted.is_done_by(own));
    let buttons = usable.filter_map(|provider| {
        let href = LocalPath::new(&wanted.path(at, &provider))?;
        Some(ProviderButton {
            name: provider.name,
            href,
        })
    });
    Ok(buttons.collect())
}
