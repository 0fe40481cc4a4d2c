//! A node as one look-up finds it, with everything that bears on its life: a fixed number of joins, however deep the chain is.

use curfew_policy::limits::{BoundSince, TenantLimits};
use curfew_policy::liveness::{Alive, DeadBecause, NodeFacts, OwnerFacts, judge_node};
use curfew_policy::status::{DeathCause, NodeKind, OwnerStatus, UserStatus};
use curfew_protocol::{ClientKey, Lifetime, LinkId, NodeId, TenantId, Timestamp, UserId};
use diesel::prelude::*;

use crate::AnyConnection;
use crate::context::Read;
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::nodes::BornThrough;
use crate::on;
use crate::schema::{
    clients, installation, limit_eras, links, nodes, providers, sessions, tenants, users,
};

/// A node with everything that bears on its life, as one look-up found it.
#[derive(Clone, Debug)]
pub struct NodeChain {
    pub id: NodeId,
    pub kind: NodeKind,
    pub tenant_id: TenantId,
    pub tenant_slug: String,
    pub user: Option<NodeUser>,
    pub client: Option<NodeClient>,
    /// The upstream link that the person signed in through, and the epochs that the node remembers.
    pub link: Option<BornThrough>,
    pub session_id: Option<NodeId>,
    pub era: i64,
    pub created_at: Timestamp,
    /// When the person last proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// Who acts for the user, as JSON: the act claim.
    pub actor: Option<String>,
    pub facts: NodeFacts,
}

#[derive(Clone, Debug)]
pub struct NodeUser {
    pub id: UserId,
    pub username: String,
    pub epoch: i64,
    /// No scope that writes, until a second proof.
    pub quarantined: bool,
}

impl NodeUser {
    /// Who, and under which epoch: what a last use remembers.
    pub const fn seen(&self) -> (UserId, i64) {
        (self.id, self.epoch)
    }
}

#[derive(Clone, Debug)]
pub struct NodeClient {
    pub key: ClientKey,
    pub client_id: String,
    pub epoch: i64,
}

/// Seconds of a column as a lifetime; the schema keeps them positive.
pub(crate) fn lifetime(seconds: Option<i64>) -> Option<Lifetime> {
    seconds.map(|value| Lifetime::from_seconds(u32::try_from(value).unwrap_or(u32::MAX)))
}

impl NodeChain {
    /// Is it alive?
    pub fn judge(&self, now: Timestamp) -> Result<Alive, DeadBecause> {
        judge_node(&self.facts, now)
    }

    pub fn user_id(&self) -> Option<UserId> {
        self.user.as_ref().map(|user| user.id)
    }
}

/// What decides whether a node lives, and whose it is.
#[derive(Clone, Debug)]
pub struct NodeLife {
    pub kind: NodeKind,
    pub tenant_id: TenantId,
    pub user: Option<NodeUser>,
    pub client: Option<NodeClient>,
    pub link: Option<BornThrough>,
    pub authenticated_at: Option<Timestamp>,
    pub actor: Option<String>,
    pub facts: NodeFacts,
}

/// The tenant's maxima in the order of [`TenantLimits`].
pub(crate) type LimitColumns = (
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// In the order of [`LimitColumns`].
macro_rules! limit_columns {
    () => {
        (
            limit_eras::access_token,
            limit_eras::refresh_family,
            limit_eras::session,
            limit_eras::approval,
            limit_eras::personal_access_token,
        )
    };
}

pub(crate) fn tenant_limits(columns: LimitColumns) -> TenantLimits {
    TenantLimits {
        access_token: lifetime(columns.0),
        refresh_family: lifetime(columns.1),
        session: lifetime(columns.2),
        approval: lifetime(columns.3),
        personal_access_token: lifetime(columns.4),
    }
}

type SinceColumns = (
    Option<Db<Timestamp>>,
    Option<Db<Timestamp>>,
    Option<Db<Timestamp>>,
    Option<Db<Timestamp>>,
    Option<Db<Timestamp>>,
);

#[derive(Queryable)]
pub(crate) struct LifeColumns {
    kind: Db<NodeKind>,
    tenant_id: Db<TenantId>,
    user_id: Option<Db<UserId>>,
    client_id: Option<Db<ClientKey>>,
    link: (Option<Db<LinkId>>, Option<i64>, Option<i64>),
    installation_epoch: i64,
    tenant_epoch: i64,
    user_epoch: Option<i64>,
    client_epoch: Option<i64>,
    bound_since: SinceColumns,
    authenticated_at: Option<Db<Timestamp>>,
    actor: Option<String>,
    expires_at: Db<Timestamp>,
    ended_cause: Option<Db<DeathCause>>,
    owners: OwnerColumns,
}

#[derive(Queryable)]
pub(crate) struct OwnerColumns {
    installation_epoch: i64,
    tenant: (Db<OwnerStatus>, i64),
    limits: LimitColumns,
    user: Option<(Db<UserStatus>, i64, String, bool)>,
    client: Option<(Db<OwnerStatus>, i64, String)>,
    link: Option<(Db<OwnerStatus>, i64)>,
    provider: Option<(Db<OwnerStatus>, i64)>,
    session_idle_at: Option<Db<Timestamp>>,
}

/// In the order of [`LifeColumns`].
macro_rules! life_columns {
    () => {
        (
            nodes::kind,
            nodes::tenant_id,
            nodes::user_id,
            nodes::client_id,
            (nodes::link_id, nodes::link_epoch, nodes::provider_epoch),
            nodes::installation_epoch,
            nodes::tenant_epoch,
            nodes::user_epoch,
            nodes::client_epoch,
            (
                nodes::access_token_since,
                nodes::refresh_family_since,
                nodes::session_since,
                nodes::approval_since,
                nodes::personal_access_token_since,
            ),
            nodes::authenticated_at,
            nodes::actor,
            nodes::expires_at,
            nodes::ended_cause,
            (
                installation::epoch,
                (tenants::status, tenants::epoch),
                limit_columns!(),
                (
                    users::status,
                    users::epoch,
                    users::username,
                    users::quarantined,
                )
                    .nullable(),
                (clients::status, clients::epoch, clients::client_id).nullable(),
                (links::status, links::epoch).nullable(),
                (providers::status, providers::epoch).nullable(),
                sessions::idle_at.nullable(),
            ),
        )
    };
}

/// What a chain tells besides.
#[derive(Queryable)]
pub(crate) struct PlaceColumns {
    id: Db<NodeId>,
    session_id: Option<Db<NodeId>>,
    era: i64,
    created_at: Db<Timestamp>,
    tenant_slug: String,
}

/// In the order of [`PlaceColumns`].
macro_rules! place_columns {
    () => {
        (
            nodes::id,
            nodes::session_id,
            nodes::era,
            nodes::created_at,
            tenants::slug,
        )
    };
}

/// Joins a source that has `nodes` to everything that binds a node, each by primary key.
macro_rules! with_owners {
    ($source:expr) => {
        $source
            .inner_join(tenants::table.on(tenants::id.eq(nodes::tenant_id)))
            .inner_join(
                limit_eras::table.on(limit_eras::tenant_id
                    .eq(nodes::tenant_id)
                    .and(limit_eras::era.eq(nodes::era))),
            )
            .inner_join(installation::table.on(installation::id.eq(1_i16)))
            .left_join(users::table.on(users::id.nullable().eq(nodes::user_id)))
            .left_join(clients::table.on(clients::id.nullable().eq(nodes::client_id)))
            .left_join(links::table.on(links::id.nullable().eq(nodes::link_id)))
            .left_join(
                providers::table.on(providers::id.nullable().eq(links::provider_id.nullable())),
            )
            .left_join(sessions::table.on(sessions::node_id.nullable().eq(nodes::session_id)))
    };
}

pub(crate) use {life_columns, limit_columns, place_columns, with_owners};

/// An owner that is only there when the person came through an upstream link.
fn through(
    link: Option<BornThrough>,
    now: Option<(Db<OwnerStatus>, i64)>,
    epoch_at_birth: impl Fn(BornThrough) -> i64,
) -> Option<OwnerFacts<OwnerStatus>> {
    link.zip(now).map(|(link, (status, epoch_now))| OwnerFacts {
        status: status.0,
        epoch_now,
        epoch_at_birth: epoch_at_birth(link),
    })
}

impl From<LifeColumns> for NodeLife {
    fn from(node: LifeColumns) -> Self {
        let owners = node.owners;
        let since = node.bound_since;
        let (tenant_status, tenant_epoch) = owners.tenant;
        let user = node.user_id.zip(owners.user);
        let client = node.client_id.zip(owners.client);
        let (link, link_epoch, provider_epoch) = node.link;
        let link = link.map(|link| BornThrough {
            link: link.0,
            link_epoch: link_epoch.unwrap_or(0),
            provider_epoch: provider_epoch.unwrap_or(0),
        });
        let facts = NodeFacts {
            expires_at: node.expires_at.0,
            ended: opt(node.ended_cause),
            limits: tenant_limits(owners.limits),
            bound_since: BoundSince {
                access_token: opt(since.0),
                refresh_family: opt(since.1),
                session: opt(since.2),
                approval: opt(since.3),
                personal_access_token: opt(since.4),
            },
            session_idle_at: opt(owners.session_idle_at),
            installation_epoch_now: owners.installation_epoch,
            installation_epoch_at_birth: node.installation_epoch,
            tenant: OwnerFacts {
                status: tenant_status.0,
                epoch_now: tenant_epoch,
                epoch_at_birth: node.tenant_epoch,
            },
            user: user.as_ref().map(|(_, (status, epoch, ..))| OwnerFacts {
                status: status.0,
                epoch_now: *epoch,
                epoch_at_birth: node.user_epoch.unwrap_or(0),
            }),
            client: client.as_ref().map(|(_, (status, epoch, _))| OwnerFacts {
                status: status.0,
                epoch_now: *epoch,
                epoch_at_birth: node.client_epoch.unwrap_or(0),
            }),
            link: through(link, owners.link, |link| link.link_epoch),
            provider: through(link, owners.provider, |link| link.provider_epoch),
        };
        Self {
            kind: node.kind.0,
            tenant_id: node.tenant_id.0,
            user: user.map(|(id, (_, epoch, username, quarantined))| NodeUser {
                id: id.0,
                username,
                epoch,
                quarantined,
            }),
            client: client.map(|(key, (_, epoch, client_id))| NodeClient {
                key: key.0,
                client_id,
                epoch,
            }),
            link,
            authenticated_at: opt(node.authenticated_at),
            actor: node.actor,
            facts,
        }
    }
}

impl NodeChain {
    pub(crate) fn from_columns(life: LifeColumns, place: PlaceColumns) -> Self {
        let life = NodeLife::from(life);
        Self {
            id: place.id.0,
            kind: life.kind,
            tenant_id: life.tenant_id,
            tenant_slug: place.tenant_slug,
            user: life.user,
            client: life.client,
            link: life.link,
            session_id: opt(place.session_id),
            era: place.era,
            created_at: place.created_at.0,
            authenticated_at: life.authenticated_at,
            actor: life.actor,
            facts: life.facts,
        }
    }
}

pub(crate) fn node_chain(
    connection: &mut AnyConnection,
    id: NodeId,
) -> Result<Option<NodeChain>, StoreError> {
    let row: Option<(LifeColumns, PlaceColumns)> = on!(connection, c => {
        with_owners!(nodes::table)
            .filter(nodes::id.eq(Db(id)))
            .select((life_columns!(), place_columns!()))
            .get_result(c)
            .optional()?
    });
    Ok(row.map(|(life, place)| NodeChain::from_columns(life, place)))
}

impl Read<'_> {
    /// A node with all that binds it.
    pub fn node_chain(&mut self, id: NodeId) -> Result<Option<NodeChain>, StoreError> {
        node_chain(self.connection, id)
    }

    /// A user's nodes of one kind, newest first, each with all that binds it; `before` goes on where the page before ended.
    pub fn node_chains_of_user(
        &mut self,
        user: UserId,
        kind: NodeKind,
        (before, limit): (Option<NodeId>, i64),
    ) -> Result<Vec<NodeChain>, StoreError> {
        let before = before.unwrap_or(NodeId::from_bytes([0xff; 16]));
        let rows: Vec<(LifeColumns, PlaceColumns)> = on!(&mut *self.connection, c => {
            with_owners!(nodes::table)
                .filter(nodes::user_id.eq(Db(user)).and(nodes::kind.eq(Db(kind))))
                .filter(nodes::id.lt(Db(before)))
                .order(nodes::id.desc())
                .limit(limit)
                .select((life_columns!(), place_columns!()))
                .load(c)?
        });
        Ok(rows
            .into_iter()
            .map(|(life, place)| NodeChain::from_columns(life, place))
            .collect())
    }
}
