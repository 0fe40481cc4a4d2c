//! Tenants and their maximum lifetimes.

use curfew_policy::limits::TenantLimits;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{Lifetime, TenantId};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, Deleted};
use crate::error::StoreError;
use crate::node_chain::{LimitColumns, limit_columns, tenant_limits};
use crate::on;
use crate::schema::{limit_eras, tenants};

#[derive(Clone, Debug, serde::Serialize)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub status: OwnerStatus,
    pub epoch: i64,
    pub era: i64,
    /// May devices be approved here?
    pub device_flow: bool,
    pub limits: TenantLimits,
}

type Row = (
    (
        Db<TenantId>,
        String,
        String,
        Db<OwnerStatus>,
        i64,
        i64,
        bool,
    ),
    LimitColumns,
);

fn tenant((own, limits): Row) -> Tenant {
    Tenant {
        id: own.0.0,
        slug: own.1,
        name: own.2,
        status: own.3.0,
        epoch: own.4,
        era: own.5,
        device_flow: own.6,
        limits: tenant_limits(limits),
    }
}

macro_rules! tenant_query {
    () => {
        tenants::table
            .inner_join(
                limit_eras::table.on(limit_eras::tenant_id
                    .eq(tenants::id)
                    .and(limit_eras::era.eq(tenants::era))),
            )
            .select((
                (
                    tenants::id,
                    tenants::slug,
                    tenants::name,
                    tenants::status,
                    tenants::epoch,
                    tenants::era,
                    tenants::device_flow,
                ),
                limit_columns!(),
            ))
    };
}

impl Read<'_> {
    pub fn tenant(&mut self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => tenant_query!()
            .filter(tenants::id.eq(Db(id))).get_result(c).optional()?);
        Ok(row.map(tenant))
    }

    /// A tenant that is not deleted.
    pub fn tenant_by_slug(&mut self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => tenant_query!()
            .filter(tenants::slug.eq(slug).and(tenants::status.ne(Deleted)))
            .get_result(c).optional()?);
        Ok(row.map(tenant))
    }

    pub fn tenant_list(&mut self) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<Row> =
            on!(&mut *self.connection, c => tenant_query!().order(tenants::slug).load(c)?);
        Ok(rows.into_iter().map(tenant).collect())
    }
}

impl Write<'_> {
    pub fn tenant_insert(&mut self, slug: &str, name: &str) -> Result<TenantId, StoreError> {
        let id = TenantId::random(self.entropy());
        let now = self.now();
        on!(&mut *self.connection, c => {
            diesel::insert_into(tenants::table).values((
                tenants::id.eq(Db(id)),
                tenants::slug.eq(slug),
                tenants::name.eq(name),
                tenants::status.eq(Db(OwnerStatus::Active)),
                tenants::epoch.eq(1_i64),
                tenants::era.eq(1_i64),
                tenants::device_flow.eq(true),
                tenants::created_at.eq(Db(now)),
            )).execute(c)?;
            diesel::insert_into(limit_eras::table)
                .values((limit_eras::tenant_id.eq(Db(id)), limit_eras::era.eq(1_i64)))
                .execute(c)?;
        });
        Ok(id)
    }

    pub fn tenant_rename(&mut self, id: TenantId, name: &str) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(tenants::table.filter(tenants::id.eq(Db(id))))
            .set(tenants::name.eq(name)).execute(c)?);
        Ok(())
    }

    /// Throws the tenant's switch of the device flow.
    pub fn tenant_set_device_flow(&mut self, id: TenantId, on: bool) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(tenants::table.filter(tenants::id.eq(Db(id))))
            .set(tenants::device_flow.eq(on)).execute(c)?);
        Ok(())
    }

    /// Sets the status and moves the epoch: everything issued under the tenant is dead, for good.
    pub fn tenant_set_status(
        &mut self,
        id: TenantId,
        status: OwnerStatus,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(tenants::table.filter(tenants::id.eq(Db(id))))
            .set((tenants::status.eq(Db(status)), tenants::epoch.eq(tenants::epoch + 1)))
            .execute(c)?);
        Ok(())
    }

    /// Sets the tenant's maxima. What is lowered is lowered in every era, so that it acts on what exists; what is raised opens a
    /// new era, so that nothing that exists grows longer.
    pub fn tenant_set_limits(
        &mut self,
        tenant: &Tenant,
        new: &TenantLimits,
    ) -> Result<(), StoreError> {
        let era = tenant.era + 1;
        let columns = |limits: &TenantLimits| {
            let seconds = |value: Option<Lifetime>| value.map(Lifetime::seconds);
            (
                limit_eras::access_token.eq(seconds(limits.access_token)),
                limit_eras::refresh_family.eq(seconds(limits.refresh_family)),
                limit_eras::session.eq(seconds(limits.session)),
                limit_eras::approval.eq(seconds(limits.approval)),
                limit_eras::personal_access_token.eq(seconds(limits.personal_access_token)),
            )
        };
        for (old_era, old) in self.limit_eras(tenant.id)? {
            let cut = old.smaller(new);
            if cut != old {
                on!(&mut *self.connection, c => diesel::update(limit_eras::table.filter(
                    limit_eras::tenant_id.eq(Db(tenant.id)).and(limit_eras::era.eq(old_era)),
                )).set(columns(&cut)).execute(c)?);
            }
        }
        on!(&mut *self.connection, c => {
            diesel::insert_into(limit_eras::table)
                .values((
                    limit_eras::tenant_id.eq(Db(tenant.id)), limit_eras::era.eq(era), columns(new),
                ))
                .execute(c)?;
            diesel::update(tenants::table.filter(tenants::id.eq(Db(tenant.id))))
                .set(tenants::era.eq(era))
                .execute(c)?;
        });
        Ok(())
    }

    fn limit_eras(&mut self, tenant: TenantId) -> Result<Vec<(i64, TenantLimits)>, StoreError> {
        type EraRow = (i64, LimitColumns);
        let rows: Vec<EraRow> = on!(&mut *self.connection, c => limit_eras::table
            .filter(limit_eras::tenant_id.eq(Db(tenant)))
            .select((limit_eras::era, limit_columns!()))
            .load(c)?);
        Ok(rows
            .into_iter()
            .map(|(era, limits)| (era, tenant_limits(limits)))
            .collect())
    }
}

impl Write<'_> {
    /// Holds the tenant's row until the commit, so that two who change what hangs on it take turns.
    pub(crate) fn tenant_lock(&mut self, id: TenantId) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(tenants::table.filter(tenants::id.eq(Db(id))))
            .set(tenants::era.eq(tenants::era))
            .execute(c)?);
        Ok(())
    }
}
