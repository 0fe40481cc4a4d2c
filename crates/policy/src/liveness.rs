//! Is it alive, and if not, why? The one place that says so.
//!
//! Introspection, refresh, code redemption and the session cookie all bring their facts here. A credential
//! is alive when nothing that binds it is dead:
//!
//! 1. neither it nor its node was ended, and neither has expired;
//! 2. every owner (installation, tenant, user, client, upstream link and its provider) is in order and still in the epoch the node was
//!    born in;
//! 3. the browser session that binds it, if one does, is not idle for too long;
//! 4. the tenant's limits, as they stand today for the era of its birth, are not exceeded.

use curfew_protocol::Timestamp;

use crate::limits::{BoundSince, LimitKind, TenantLimits};
use crate::status::{DeathCause, OwnerStatus, UserStatus};

/// An owner as it is now, and the epoch that the node remembers of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerFacts<S> {
    pub status: S,
    pub epoch_now: i64,
    pub epoch_at_birth: i64,
}

/// A token on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended: Option<DeathCause>,
    /// Which of the tenant's maxima it is held to.
    pub limit: LimitKind,
}

/// A node and everything that binds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    pub expires_at: Timestamp,
    pub ended: Option<DeathCause>,
    /// The tenant's maxima, for the era of the node's birth.
    pub limits: TenantLimits,
    /// Since when they bind the node, through itself or through an ancestor.
    pub bound_since: BoundSince,
    /// When the binding browser session goes idle.
    pub session_idle_at: Option<Timestamp>,
    pub installation_epoch_now: i64,
    pub installation_epoch_at_birth: i64,
    pub tenant: OwnerFacts<OwnerStatus>,
    pub user: Option<OwnerFacts<UserStatus>>,
    pub client: Option<OwnerFacts<OwnerStatus>>,
    /// The upstream link that the person signed in through, and its provider.
    pub link: Option<OwnerFacts<OwnerStatus>>,
    pub provider: Option<OwnerFacts<OwnerStatus>>,
}

/// Proof that a credential was alive at the moment of the look-up. Only this module makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    expires_at: Timestamp,
}

impl Alive {
    /// When it will die at the latest: the smallest of all ends that bind it.
    pub const fn expires_at(self) -> Timestamp {
        self.expires_at
    }
}

/// Which owner failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Installation,
    Tenant,
    User,
    Client,
    Link,
    Provider,
}

/// Why a credential is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadBecause {
    TokenEnded(DeathCause),
    NodeEnded(DeathCause),
    TokenExpired,
    NodeExpired,
    SessionIdle,
    OverTenantLimit,
    OwnerNotActive(Owner),
    OwnerEpochMoved(Owner),
}

impl DeadBecause {
    /// A stable word for logs and the audit trail; never for a client.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenEnded(_) => "token_ended",
            Self::NodeEnded(DeathCause::Replayed) => "replayed",
            Self::NodeEnded(_) => "node_ended",
            Self::TokenExpired => "token_expired",
            Self::NodeExpired => "node_expired",
            Self::SessionIdle => "session_idle",
            Self::OverTenantLimit => "over_tenant_limit",
            Self::OwnerNotActive(Owner::Installation)
            | Self::OwnerEpochMoved(Owner::Installation) => "installation_epoch_moved",
            Self::OwnerNotActive(Owner::Tenant) => "tenant_not_active",
            Self::OwnerNotActive(Owner::User) => "user_not_active",
            Self::OwnerNotActive(Owner::Client) => "client_not_active",
            Self::OwnerNotActive(Owner::Link) => "link_not_active",
            Self::OwnerNotActive(Owner::Provider) => "provider_not_active",
            Self::OwnerEpochMoved(Owner::Tenant) => "tenant_epoch_moved",
            Self::OwnerEpochMoved(Owner::User) => "user_epoch_moved",
            Self::OwnerEpochMoved(Owner::Client) => "client_epoch_moved",
            Self::OwnerEpochMoved(Owner::Link) => "link_epoch_moved",
            Self::OwnerEpochMoved(Owner::Provider) => "provider_epoch_moved",
        }
    }
}

/// Judges a token on its node.
pub fn judge_token(
    token: &TokenFacts,
    node: &NodeFacts,
    now: Timestamp,
) -> Result<Alive, DeadBecause> {
    if let Some(cause) = token.ended {
        return Err(DeadBecause::TokenEnded(cause));
    }
    let alive = judge_node(node, now)?;
    if now.has_reached(token.expires_at) {
        return Err(DeadBecause::TokenExpired);
    }
    let limit_end = within_limits(&own_limit(token), &node.limits, now)?;
    let expires_at = token.expires_at.min(limit_end).min(alive.expires_at);
    Ok(Alive { expires_at })
}

/// Judges a node: a session, an approval, a family or a client grant.
pub fn judge_node(node: &NodeFacts, now: Timestamp) -> Result<Alive, DeadBecause> {
    if let Some(cause) = node.ended {
        return Err(DeadBecause::NodeEnded(cause));
    }
    judge_owners(node)?;
    if now.has_reached(node.expires_at) {
        return Err(DeadBecause::NodeExpired);
    }
    if node
        .session_idle_at
        .is_some_and(|idle_at| now.has_reached(idle_at))
    {
        return Err(DeadBecause::SessionIdle);
    }
    let limit_end = within_limits(&node.bound_since, &node.limits, now)?;
    Ok(Alive {
        expires_at: node.expires_at.min(limit_end),
    })
}

fn judge_owners(node: &NodeFacts) -> Result<(), DeadBecause> {
    if node.installation_epoch_now != node.installation_epoch_at_birth {
        return Err(DeadBecause::OwnerEpochMoved(Owner::Installation));
    }
    judge_owner(Owner::Tenant, &node.tenant, OwnerStatus::Active)?;
    if let Some(user) = &node.user {
        judge_owner(Owner::User, user, UserStatus::Active)?;
    }
    for (owner, facts) in [
        (Owner::Client, &node.client),
        (Owner::Provider, &node.provider),
        (Owner::Link, &node.link),
    ] {
        if let Some(facts) = facts {
            judge_owner(owner, facts, OwnerStatus::Active)?;
        }
    }
    Ok(())
}

fn judge_owner<S: PartialEq>(
    owner: Owner,
    facts: &OwnerFacts<S>,
    active: S,
) -> Result<(), DeadBecause> {
    if facts.status != active {
        return Err(DeadBecause::OwnerNotActive(owner));
    }
    if facts.epoch_now != facts.epoch_at_birth {
        return Err(DeadBecause::OwnerEpochMoved(owner));
    }
    Ok(())
}

fn own_limit(token: &TokenFacts) -> BoundSince {
    BoundSince::default().and(Some(token.limit), token.created_at)
}

fn within_limits(
    since: &BoundSince,
    limits: &TenantLimits,
    now: Timestamp,
) -> Result<Timestamp, DeadBecause> {
    let end = since.end(limits);
    if now.has_reached(end) {
        Err(DeadBecause::OverTenantLimit)
    } else {
        Ok(end)
    }
}

#[cfg(test)]
#[path = "liveness_tests.rs"]
mod tests;
