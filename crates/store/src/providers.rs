//! Upstream identity providers. What they are asked with is sealed, because it must be sent again.

use curfew_policy::status::{OwnerStatus, ProviderKind};
use curfew_policy::upstream::ProviderSettings;
use curfew_protocol::{ProviderId, Redacted, TenantId};
use diesel::dsl::case_when;
use diesel::prelude::*;

use crate::ServerKeys;
use crate::context::{Read, Write};
use crate::db::{Db, Deleted, Json};
use crate::error::StoreError;
use crate::on;
use crate::schema::providers;

#[derive(Clone, Debug, serde::Serialize)]
pub struct Provider {
    pub id: ProviderId,
    pub tenant_id: TenantId,
    /// Its name in addresses and on the command line.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    pub kind: ProviderKind,
    /// The issuer identifier, compared byte for byte; for GitHub the address of the site.
    pub issuer: String,
    pub client_id: String,
    pub settings: ProviderSettings,
    /// It is described in the configuration, which is where it is changed.
    pub configured: bool,
    pub status: OwnerStatus,
    pub epoch: i64,
    #[serde(skip)]
    sealed_client_secret: Option<Vec<u8>>,
}

/// A provider to be stored.
#[derive(Clone, Debug)]
pub struct NewProvider {
    pub tenant_id: TenantId,
    pub slug: String,
    pub kind: ProviderKind,
    pub configured: bool,
    pub description: ProviderDescription,
}

/// What may be changed about a provider later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderDescription {
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub settings: ProviderSettings,
}

type Row = (
    (Db<ProviderId>, Db<TenantId>, String, String),
    (Db<ProviderKind>, String, String, Option<Vec<u8>>),
    (Json<ProviderSettings>, bool, Db<OwnerStatus>, i64),
);

fn provider((own, upstream, set): Row) -> Provider {
    Provider {
        id: own.0.0,
        tenant_id: own.1.0,
        slug: own.2,
        name: own.3,
        kind: upstream.0.0,
        issuer: upstream.1,
        client_id: upstream.2,
        settings: set.0.0,
        configured: set.1,
        status: set.2.0,
        epoch: set.3,
        sealed_client_secret: upstream.3,
    }
}

macro_rules! provider_query {
    () => {
        providers::table.select((
            (
                providers::id,
                providers::tenant_id,
                providers::slug,
                providers::name,
            ),
            (
                providers::kind,
                providers::issuer,
                providers::client_id,
                providers::sealed_client_secret,
            ),
            (
                providers::settings,
                providers::configured,
                providers::status,
                providers::epoch,
            ),
        ))
    };
}

/// What the sealed secret is bound to: the secret of one provider opens in no other's row.
fn seal_context(id: ProviderId) -> Vec<u8> {
    [b"provider client secret".as_slice(), id.as_bytes()].concat()
}

impl Provider {
    pub const fn has_client_secret(&self) -> bool {
        self.sealed_client_secret.is_some()
    }

    /// The secret that we are known by at the provider. `None`: we are a public client there.
    pub fn client_secret(&self, keys: &ServerKeys) -> Result<Option<Redacted<String>>, StoreError> {
        let Some(sealed) = &self.sealed_client_secret else {
            return Ok(None);
        };
        let opened = keys.open(&seal_context(self.id), sealed)?;
        let secret = String::from_utf8(opened)
            .map_err(|_| StoreError::Corrupt("a provider's client secret".to_owned()))?;
        Ok(Some(Redacted(secret)))
    }

    pub fn description(&self) -> ProviderDescription {
        ProviderDescription {
            name: self.name.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            settings: self.settings.clone(),
        }
    }
}

impl Read<'_> {
    pub fn provider(&mut self, id: ProviderId) -> Result<Option<Provider>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => provider_query!()
            .filter(providers::id.eq(Db(id))).get_result(c).optional()?);
        Ok(row.map(provider))
    }

    /// The provider of that slug that is not deleted.
    pub fn provider_by_slug(
        &mut self,
        tenant: TenantId,
        slug: &str,
    ) -> Result<Option<Provider>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => provider_query!()
            .filter(providers::tenant_id.eq(Db(tenant))
                .and(providers::slug.eq(slug))
                .and(providers::status.ne(Deleted)))
            .get_result(c).optional()?);
        Ok(row.map(provider))
    }

    /// All providers of a tenant, tombstones included.
    pub fn provider_list(&mut self, tenant: TenantId) -> Result<Vec<Provider>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => provider_query!()
            .filter(providers::tenant_id.eq(Db(tenant)))
            .order(providers::slug)
            .load(c)?);
        Ok(rows.into_iter().map(provider).collect())
    }
}

impl Write<'_> {
    pub fn provider_insert(
        &mut self,
        new: &NewProvider,
        client_secret: Option<&Redacted<String>>,
    ) -> Result<ProviderId, StoreError> {
        let id = ProviderId::random(self.entropy());
        let sealed = self.sealed_client_secret(id, client_secret)?;
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(providers::table).values((
            providers::id.eq(Db(id)),
            providers::tenant_id.eq(Db(new.tenant_id)),
            providers::slug.eq(&new.slug),
            providers::name.eq(&new.description.name),
            providers::kind.eq(Db(new.kind)),
            providers::issuer.eq(&new.description.issuer),
            providers::client_id.eq(&new.description.client_id),
            providers::sealed_client_secret.eq(sealed),
            providers::settings.eq(Json(new.description.settings.clone())),
            providers::configured.eq(new.configured),
            providers::status.eq(Db(OwnerStatus::Active)),
            providers::epoch.eq(1_i64),
            providers::created_at.eq(Db(now)),
        )).execute(c)?);
        Ok(id)
    }

    fn sealed_client_secret(
        &self,
        id: ProviderId,
        secret: Option<&Redacted<String>>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let seal =
            |secret: &Redacted<String>| self.keys().seal(&seal_context(id), secret.0.as_bytes());
        secret.map(seal).transpose()
    }

    /// Changes what is set about it. Links stay under the issuer that they were made with. With another issuer or client id it is another
    /// provider, and the epoch moves: every session born through the one that it was is dead, with what it approved.
    pub fn provider_update(
        &mut self,
        id: ProviderId,
        description: &ProviderDescription,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(
            providers::table.filter(providers::id.eq(Db(id))),
        ).set((
            providers::name.eq(&description.name),
            providers::issuer.eq(&description.issuer),
            providers::client_id.eq(&description.client_id),
            providers::settings.eq(Json(description.settings.clone())),
            providers::epoch.eq(case_when(
                providers::issuer.ne(&description.issuer).or(providers::client_id.ne(&description.client_id)),
                providers::epoch + 1,
            ).otherwise(providers::epoch)),
        )).execute(c)?);
        Ok(())
    }

    /// Is it described in the configuration from now on, or no more?
    pub fn provider_set_configured(
        &mut self,
        id: ProviderId,
        configured: bool,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(
            providers::table.filter(providers::id.eq(Db(id))),
        ).set(providers::configured.eq(configured)).execute(c)?);
        Ok(())
    }

    pub fn provider_set_client_secret(
        &mut self,
        id: ProviderId,
        secret: Option<&Redacted<String>>,
    ) -> Result<(), StoreError> {
        let sealed = self.sealed_client_secret(id, secret)?;
        on!(&mut *self.connection, c => diesel::update(
            providers::table.filter(providers::id.eq(Db(id))),
        ).set(providers::sealed_client_secret.eq(sealed)).execute(c)?);
        Ok(())
    }

    /// Sets the status and moves the epoch: every session born through it is dead, with what it approved.
    pub fn provider_set_status(
        &mut self,
        id: ProviderId,
        status: OwnerStatus,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(
            providers::table.filter(providers::id.eq(Db(id))),
        )
        .set((
            providers::status.eq(Db(status)),
            providers::epoch.eq(providers::epoch + 1),
        ))
        .execute(c)?);
        Ok(())
    }
}
