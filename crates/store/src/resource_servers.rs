//! Resource servers: who may ask about tokens, and for whom tokens are meant.

use curfew_policy::status::OwnerStatus;
use curfew_protocol::{OpaqueToken, ResourceServerKey, TenantId, Timestamp};
use diesel::prelude::*;

use crate::clients::{SecretColumns, Secrets, secrets};
use crate::context::{Read, Write};
use crate::db::{Db, Deleted};
use crate::error::StoreError;
use crate::on;
use crate::schema::resource_servers;

#[derive(Clone, Debug, serde::Serialize)]
pub struct ResourceServer {
    pub key: ResourceServerKey,
    pub tenant_id: TenantId,
    pub resource_id: String,
    /// The resource indicator (RFC 8707): what `resource` and `aud` say.
    pub identifier: String,
    pub name: String,
    pub status: OwnerStatus,
    pub epoch: i64,
    #[serde(skip)]
    pub secrets: Secrets,
}

type Row = (
    (
        Db<ResourceServerKey>,
        Db<TenantId>,
        String,
        String,
        String,
        Db<OwnerStatus>,
        i64,
    ),
    SecretColumns,
);

fn resource_server((own, secret_columns): Row) -> Result<ResourceServer, StoreError> {
    Ok(ResourceServer {
        key: own.0.0,
        tenant_id: own.1.0,
        resource_id: own.2,
        identifier: own.3,
        name: own.4,
        status: own.5.0,
        epoch: own.6,
        secrets: secrets(secret_columns)
            .ok_or_else(|| StoreError::Corrupt("a resource server without secret".to_owned()))?,
    })
}

/// In the order of [`SecretColumns`].
macro_rules! secret_columns {
    () => {
        (
            resource_servers::secret_digest.nullable(),
            resource_servers::secret_key_id.nullable(),
            resource_servers::old_secret_digest,
            resource_servers::old_secret_key_id,
            resource_servers::old_secret_expires_at,
        )
    };
}

pub(crate) use secret_columns;

macro_rules! resource_server_query {
    () => {
        resource_servers::table.select((
            (
                resource_servers::id,
                resource_servers::tenant_id,
                resource_servers::resource_id,
                resource_servers::identifier,
                resource_servers::name,
                resource_servers::status,
                resource_servers::epoch,
            ),
            secret_columns!(),
        ))
    };
}

/// All of a tenant, for the shared look-ups on PostgreSQL.
pub(crate) fn resource_servers_of(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> Result<Vec<ResourceServer>, StoreError> {
    let rows: Vec<Row> = resource_server_query!()
        .filter(resource_servers::tenant_id.eq(Db(tenant)))
        .order(resource_servers::resource_id)
        .load(connection)?;
    rows.into_iter().map(resource_server).collect()
}

impl Read<'_> {
    /// The resource server of that id that is not deleted.
    pub fn resource_server_by_resource_id(
        &mut self,
        resource_id: &str,
    ) -> Result<Option<ResourceServer>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => resource_server_query!()
            .filter(resource_servers::resource_id.eq(resource_id)
                .and(resource_servers::status.ne(Deleted)))
            .get_result(c).optional()?);
        row.map(resource_server).transpose()
    }

    /// All resource servers of a tenant, tombstones included.
    pub fn resource_server_list(
        &mut self,
        tenant: TenantId,
    ) -> Result<Vec<ResourceServer>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => resource_server_query!()
            .filter(resource_servers::tenant_id.eq(Db(tenant)))
            .order(resource_servers::resource_id)
            .load(c)?);
        rows.into_iter().map(resource_server).collect()
    }
}

impl Write<'_> {
    pub fn resource_server_insert(
        &mut self,
        tenant: TenantId,
        resource_id: &str,
        identifier: &str,
        name: &str,
    ) -> Result<(ResourceServerKey, OpaqueToken), StoreError> {
        let key = ResourceServerKey::random(self.entropy());
        let (secret, digest) = self.owner_secret(key.as_bytes());
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(resource_servers::table).values((
            resource_servers::id.eq(Db(key)),
            resource_servers::tenant_id.eq(Db(tenant)),
            resource_servers::resource_id.eq(resource_id),
            resource_servers::identifier.eq(identifier),
            resource_servers::name.eq(name),
            resource_servers::status.eq(Db(OwnerStatus::Active)),
            resource_servers::epoch.eq(1_i64),
            resource_servers::secret_digest.eq(Db(digest.digest)),
            resource_servers::secret_key_id.eq(digest.key_id),
            resource_servers::created_at.eq(Db(now)),
        )).execute(c)?);
        Ok((key, secret))
    }

    pub fn resource_server_rename(
        &mut self,
        key: ResourceServerKey,
        name: &str,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(
            resource_servers::table.filter(resource_servers::id.eq(Db(key))),
        ).set(resource_servers::name.eq(name)).execute(c)?);
        Ok(())
    }

    /// Sets the status and moves the epoch: no token born before is meant for it any more.
    pub fn resource_server_set_status(
        &mut self,
        key: ResourceServerKey,
        status: OwnerStatus,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(
            resource_servers::table.filter(resource_servers::id.eq(Db(key))),
        )
        .set((
            resource_servers::status.eq(Db(status)),
            resource_servers::epoch.eq(resource_servers::epoch + 1),
        ))
        .execute(c)?);
        Ok(())
    }

    /// A new secret; the old one stays good until `overlap_ends_at`.
    pub fn resource_server_rotate_secret(
        &mut self,
        server: &ResourceServer,
        overlap_ends_at: Timestamp,
    ) -> Result<OpaqueToken, StoreError> {
        let (secret, digest) = self.owner_secret(server.key.as_bytes());
        let old = server.secrets.current;
        on!(&mut *self.connection, c => diesel::update(
            resource_servers::table.filter(resource_servers::id.eq(Db(server.key))),
        )
        .set((
            resource_servers::secret_digest.eq(Db(digest.digest)),
            resource_servers::secret_key_id.eq(digest.key_id),
            resource_servers::old_secret_digest.eq(Db(old.digest)),
            resource_servers::old_secret_key_id.eq(old.key_id),
            resource_servers::old_secret_expires_at.eq(Db(overlap_ends_at)),
        ))
        .execute(c)?);
        Ok(secret)
    }
}
