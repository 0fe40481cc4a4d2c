//! How a credential stands, in the words of lists and trees.

use crate::liveness::DeadBecause;
use crate::status::{DeathCause, NodeKind};

/// The kinds of credential that people and operators see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    AccessToken,
    RefreshFamily,
    Session,
    Approval,
    ClientGrant,
    PersonalAccessToken,
    Exchange,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access token",
            Self::RefreshFamily => "refresh family",
            Self::Session => "session",
            Self::Approval => "approval",
            Self::ClientGrant => "client grant",
            Self::PersonalAccessToken => "personal access token",
            Self::Exchange => "exchange",
        }
    }

    pub const fn of_node(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Session => Self::Session,
            NodeKind::Approval => Self::Approval,
            NodeKind::Family => Self::RefreshFamily,
            NodeKind::ClientGrant => Self::ClientGrant,
            NodeKind::PersonalAccessToken => Self::PersonalAccessToken,
            NodeKind::Exchange => Self::Exchange,
        }
    }
}

/// Alive, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    pub alive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_because: Option<&'static str>,
    /// How it was ended, when somebody ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<DeathCause>,
}

impl Standing {
    pub fn of<T>(verdict: Result<T, DeadBecause>) -> Self {
        let Err(because) = verdict else {
            return Self {
                alive: true,
                dead_because: None,
                cause: None,
            };
        };
        let cause = match because {
            DeadBecause::TokenEnded(cause) | DeadBecause::NodeEnded(cause) => Some(cause),
            DeadBecause::TokenExpired
            | DeadBecause::NodeExpired
            | DeadBecause::SessionIdle
            | DeadBecause::OverTenantLimit
            | DeadBecause::OwnerNotActive(_)
            | DeadBecause::OwnerEpochMoved(_) => None,
        };
        Self {
            alive: false,
            dead_because: Some(because.as_str()),
            cause,
        }
    }

    /// Dead for a reason that only its own kind knows.
    pub const fn dead(because: &'static str) -> Self {
        Self {
            alive: false,
            dead_because: Some(because),
            cause: None,
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.dead_because, self.cause) {
            (None, _) => f.write_str("alive"),
            (Some(because), None) => write!(f, "dead: {because}"),
            (Some(because), Some(cause)) => write!(f, "dead: {because} ({cause})"),
        }
    }
}
