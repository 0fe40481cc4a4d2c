//! What the API answers, in types from which its description is made. Times are seconds since 1970, scopes are separated by spaces,
//! both as in introspection (RFC 7662 §2.2).

use serde::Serialize;
use utoipa::ToSchema;

/// An error (RFC 6749 §5.2, RFC 6750 §3.1)
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Error {
    /// A code of `docs/reference/errors.md`
    pub(super) error: String,
    /// A sentence for developers
    pub(super) error_description: String,
}

/// Who the token speaks for
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    pub(super) user_id: String,
    pub(super) username: String,
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) administrator: bool,
    /// Until the e-mail address is confirmed, tokens get only scopes that read
    pub(super) quarantined: bool,
    pub(super) token: OwnToken,
}

/// The token that asks
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnToken {
    pub(super) id: String,
    /// The client it was issued to; none for a personal access token
    pub(super) client_id: Option<String>,
    /// What it may do here
    pub(super) scope: String,
    pub(super) expires_at: i64,
}

/// A browser session
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) authenticated_at: i64,
    /// When it ends unless it is used
    pub(super) idle_at: i64,
    pub(super) expires_at: i64,
    pub(super) last_used_at: Option<i64>,
    pub(super) ip: String,
    pub(super) user_agent: String,
    /// The linked identity that was signed in with; none for a local password
    pub(super) identity: Option<String>,
    /// Its provider
    pub(super) provider: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    pub(super) sessions: Vec<Session>,
    /// The value of `before` for the next page; none on the last
    pub(super) next: Option<String>,
}

/// An upstream identity that is linked to the account
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Identity {
    pub(super) id: String,
    /// The name of the provider in addresses
    pub(super) provider: String,
    /// Its name for people
    pub(super) provider_name: String,
    /// What the person is known as there; may be empty
    pub(super) display: String,
    pub(super) created_at: i64,
    /// It signs in at the moment
    pub(super) usable: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Identities {
    pub(super) identities: Vec<Identity>,
}

/// A client that may do something in the person's name
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Application {
    pub(super) client_id: String,
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) since: i64,
    pub(super) expires_at: i64,
    /// Until when the person is not asked again
    pub(super) remembered_until: Option<i64>,
    /// How many living approvals it has
    pub(super) approval_count: usize,
    /// The newest of them, ten at most
    pub(super) approvals: Vec<Approval>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applications {
    pub(super) applications: Vec<Application>,
    /// False: there are more approvals than could be looked at
    pub(super) complete: bool,
}

/// What a person allowed once
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Approval {
    pub(super) id: String,
    pub(super) scope: String,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    #[serde(flatten)]
    pub(super) approved: Approved,
}

/// How something came to be allowed
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Approved {
    /// `asked`, `remembered`, `implicit` or `device`; none where nobody is asked for an approval
    pub(super) approved_how: Option<&'static str>,
    /// The browser session behind it
    pub(super) approved_by_session: Option<String>,
    /// The token behind it
    pub(super) approved_by_token: Option<String>,
}

/// A living token, refresh family, personal access token, or approval given to a device
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    pub(super) id: String,
    /// `access_token`, `refresh_family`, `personal_access_token`, `approval` or `exchange`
    #[schema(value_type = String)]
    pub(super) kind: curfew_policy::standing::Kind,
    /// What its owner calls a personal access token
    pub(super) name: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) scope: String,
    /// The resource servers that it is for
    pub(super) audience: Vec<String>,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    /// When a refresh family ends unless it is used
    pub(super) idle_at: Option<i64>,
    pub(super) last_used_at: Option<i64>,
    #[serde(flatten)]
    pub(super) approved: Approved,
    /// What it hangs on
    pub(super) parent: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tokens {
    pub(super) tokens: Vec<Token>,
    /// The value of `before` for the next page; none on the last
    pub(super) next: Option<String>,
    /// False: there is more than could be looked at
    pub(super) complete: bool,
}

/// A token just made
#[derive(Serialize, ToSchema)]
pub(super) struct MadeToken {
    pub(super) id: String,
    /// Its value, which is told only now
    pub(super) token: String,
    pub(super) token_type: &'static str,
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) audience: Vec<String>,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
}

/// A credential of one's own with what it hangs on and what hangs on it
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tree {
    pub(super) id: String,
    /// From the topmost down, each right under what it hangs on
    pub(super) tree: Vec<TreeRow>,
    /// False: there is more than is shown
    pub(super) complete: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TreeRow {
    pub(super) depth: usize,
    /// How it hangs on the one above: `root`, `binding`, `recorded` or `minted`
    #[schema(value_type = String)]
    pub(super) edge: curfew_store::tree::Edge,
    #[schema(value_type = String)]
    pub(super) kind: curfew_policy::standing::Kind,
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) client_id: Option<String>,
    /// Of a session: the provider of the identity that was signed in with
    pub(super) provider: Option<String>,
    pub(super) alive: bool,
    /// A word for why it is dead
    pub(super) dead_because: Option<&'static str>,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    /// The one that was asked about
    pub(super) asked: bool,
}
