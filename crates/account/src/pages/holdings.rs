//! The pages on which people see what they hold, and end it.

use curfew_http::pages::{Lasts, OwnWords, Shell};
use curfew_policy::standing::Kind;
use curfew_policy::status::DeathCause;
use curfew_store::tree::Edge;
use serde::Serialize;

words! {
    /// What just happened to what a person holds.
    HoldingNotice {
        SessionEnded,
        ApplicationWithdrawn,
        TokenEnded,
        TokensEnded,
        DeviceDisowned,
        /// It was over already, or never was.
        Gone,
        Expired,
    }
}

words! {
    /// What an approval rests on.
    BasisWord {
        Asked,
        Remembered,
        Implicit,
        Device,
    }
}

words! {
    /// What a person is asked to confirm.
    ConfirmAct {
        LogoutEverywhere,
        TokensRevokeAll,
    }
}

/// A scope, with a sentence for people where there is one.
#[derive(Clone, Serialize)]
pub struct ScopeLine {
    pub name: String,
    pub description: Option<String>,
    /// A scope of our own API, whose sentence is in the message catalogue.
    pub own: Option<OwnWords>,
}

/// How something came to be allowed.
#[derive(Clone, Serialize)]
pub struct ApprovalWords {
    pub basis: Option<BasisWord>,
    /// The session or token behind it, by its id.
    pub session: Option<String>,
    pub token: Option<String>,
    /// Of the device that it was given to.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// `sessions.html`
#[derive(Serialize)]
pub struct SessionsPage {
    pub shell: Shell,
    pub csrf: String,
    pub told: Option<HoldingNotice>,
    pub sessions: Vec<SessionRow>,
}

/// Times are seconds since 1970, here as in all rows.
#[derive(Serialize)]
pub struct SessionRow {
    pub id: String,
    /// The one that looks at the page.
    pub this: bool,
    pub ip: String,
    pub user_agent: String,
    pub signed_in_at: i64,
    /// The upstream identity that was signed in with.
    pub through: Option<ThroughWords>,
    pub last_used_at: Option<i64>,
    pub idle_at: i64,
    pub expires_at: i64,
}

/// An upstream identity, in words.
#[derive(Clone, Serialize)]
pub struct ThroughWords {
    pub provider: String,
    /// What the person recognises it by; may be empty.
    pub identity: String,
}

/// `applications.html`
#[derive(Serialize)]
pub struct ApplicationsPage {
    pub shell: Shell,
    pub csrf: String,
    pub told: Option<HoldingNotice>,
    pub applications: Vec<ApplicationRow>,
    pub more: bool,
}

#[derive(Serialize)]
pub struct ApplicationRow {
    pub client_id: String,
    pub name: String,
    pub scopes: Vec<ScopeLine>,
    pub since: i64,
    pub expires_at: i64,
    pub remembered_until: Option<i64>,
    pub approvals: Vec<ApprovalRow>,
    /// How many more there are than are shown.
    pub hidden: usize,
}

#[derive(Clone, Serialize)]
pub struct ApprovalRow {
    pub id: String,
    pub client: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub approved: ApprovalWords,
}

/// `tokens.html`
#[derive(Serialize)]
pub struct TokensPage {
    pub shell: Shell,
    pub csrf: String,
    pub told: Option<HoldingNotice>,
    pub personal: Vec<TokenRow>,
    pub devices: Vec<TokenRow>,
    pub others: Vec<TokenRow>,
    pub more: bool,
}

#[derive(Clone, Serialize)]
pub struct TokenRow {
    pub id: String,
    pub kind: Kind,
    pub name: Option<String>,
    pub client: Option<String>,
    pub scopes: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub idle_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub approved: ApprovalWords,
}

/// `token_new.html`
#[derive(Serialize)]
pub struct NewTokenPage {
    pub shell: Shell,
    pub csrf: String,
    pub name: String,
    pub scopes: Vec<ScopeChoice>,
    pub lifetimes: Vec<LifetimeChoice>,
    pub error: Option<NewTokenError>,
    /// The longest that is allowed, where that is the error.
    pub longest: Option<Lasts>,
    /// The account is quarantined: only what reads is offered.
    pub quarantined: bool,
}

#[derive(Serialize)]
pub struct ScopeChoice {
    pub scope: ScopeLine,
    pub resource: Option<String>,
    /// No token with this scope lives longer.
    pub at_most: Option<Lasts>,
    pub chosen: bool,
}

#[derive(Serialize)]
pub struct LifetimeChoice {
    pub seconds: i64,
    pub lasts: Lasts,
    pub chosen: bool,
}

words! {
    /// Why no token was made.
    NewTokenError {
        Name,
        NoScope,
        Scope,
        /// It writes, and the account is quarantined.
        Withheld,
        NoAudience,
        TooLong,
        Lifetime,
        Expired,
    }
}

/// `token_made.html`: the one time that the token is shown.
#[derive(Serialize)]
pub struct MadeTokenPage {
    pub shell: Shell,
    pub token: String,
    pub id: String,
    pub name: String,
    pub expires_at: i64,
}

/// `token.html`: the tree around a token.
#[derive(Serialize)]
pub struct TokenPage {
    pub shell: Shell,
    pub csrf: String,
    pub id: String,
    /// The token lives, and is of a kind that is ended here.
    pub may_end: bool,
    pub rows: Vec<TreeRowModel>,
    /// Lists that are open after the last row.
    pub open: usize,
    pub cut: bool,
}

#[derive(Serialize)]
pub struct TreeRowModel {
    /// Lists to be closed before this row, and whether one is opened for it.
    pub closes: usize,
    pub opens: bool,
    pub edge: Edge,
    pub kind: Kind,
    pub id: String,
    pub name: Option<String>,
    pub client: Option<String>,
    /// Of a session: the upstream identity that was signed in with.
    pub through: Option<ThroughWords>,
    pub alive: bool,
    pub cause: Option<DeathCause>,
    pub created_at: i64,
    pub expires_at: i64,
    pub asked: bool,
}

/// `confirm.html`: the question before something that cannot be taken back.
#[derive(Serialize)]
pub struct ConfirmPage {
    pub shell: Shell,
    pub csrf: String,
    pub act: ConfirmAct,
}
