//! The scopes of a tenant: what they mean, whose they are, and how long a token with them may live.

use curfew_protocol::{Lifetime, ResourceServerKey, TenantId};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::node_chain::lifetime;
use crate::on;
use crate::schema::scopes;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Scope {
    pub name: String,
    /// What a person reads on the consent page.
    pub description: String,
    /// The resource server it belongs to; `None` when it is the tenant's own.
    pub resource_server: Option<ResourceServerKey>,
    /// No token that carries the scope lives longer.
    pub max_lifetime: Option<Lifetime>,
    /// May people put it into their personal access tokens?
    pub personal: bool,
    /// Does whoever has it change nothing? All others are withheld from accounts in quarantine.
    pub read_only: bool,
}

type Row = (
    String,
    String,
    Option<Db<ResourceServerKey>>,
    Option<i64>,
    bool,
    bool,
);

fn scope(row: Row) -> Scope {
    Scope {
        name: row.0,
        description: row.1,
        resource_server: opt(row.2),
        max_lifetime: lifetime(row.3),
        personal: row.4,
        read_only: row.5,
    }
}

macro_rules! scope_query {
    ($tenant:expr) => {
        scopes::table
            .filter(scopes::tenant_id.eq(Db($tenant)))
            .order(scopes::name)
            .select((
                scopes::name,
                scopes::description,
                scopes::resource_server_id,
                scopes::max_lifetime,
                scopes::personal,
                scopes::read_only,
            ))
    };
}

/// A tenant's scopes, for the shared look-ups on PostgreSQL.
pub(crate) fn scopes_of(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> Result<Vec<Scope>, StoreError> {
    let rows: Vec<Row> = scope_query!(tenant).load(connection)?;
    Ok(rows.into_iter().map(scope).collect())
}

impl Read<'_> {
    pub fn scope_list(&mut self, tenant: TenantId) -> Result<Vec<Scope>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => scope_query!(tenant).load(c)?);
        Ok(rows.into_iter().map(scope).collect())
    }
}

impl Write<'_> {
    pub fn scope_insert(&mut self, tenant: TenantId, scope: &Scope) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::insert_into(scopes::table).values((
            scopes::tenant_id.eq(Db(tenant)),
            scopes::name.eq(&scope.name),
            scopes::description.eq(&scope.description),
            scopes::resource_server_id.eq(scope.resource_server.map(Db)),
            scopes::max_lifetime.eq(scope.max_lifetime.map(Lifetime::seconds)),
            scopes::personal.eq(scope.personal),
            scopes::read_only.eq(scope.read_only),
        )).execute(c)?);
        Ok(())
    }

    /// False when there is no such scope.
    pub fn scope_update(&mut self, tenant: TenantId, scope: &Scope) -> Result<bool, StoreError> {
        let changed = on!(&mut *self.connection, c => diesel::update(scopes::table.filter(
            scopes::tenant_id.eq(Db(tenant)).and(scopes::name.eq(&scope.name)),
        ))
        .set((
            scopes::description.eq(&scope.description),
            scopes::max_lifetime.eq(scope.max_lifetime.map(Lifetime::seconds)),
            scopes::personal.eq(scope.personal),
            scopes::read_only.eq(scope.read_only),
        ))
        .execute(c)?);
        Ok(changed == 1)
    }

    /// False when there is no such scope. Tokens that carry it keep the word, which then means nothing to anybody.
    pub fn scope_delete(&mut self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        let deleted = on!(&mut *self.connection, c => diesel::delete(scopes::table.filter(
            scopes::tenant_id.eq(Db(tenant)).and(scopes::name.eq(name)),
        )).execute(c)?);
        Ok(deleted == 1)
    }
}
