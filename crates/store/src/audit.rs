//! The audit trail: written in the transaction that makes it true, or that transaction does not happen.

use curfew_protocol::{
    AuditId, ClientKey, DeviceCodeId, MailedLinkId, NodeId, RequestId, TenantId, Timestamp,
    TokenId, UserId,
};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::on;
use crate::schema::audit;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// What happened. The codes are kept for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AuditEvent { $($(#[$doc])* $name,)* }

        impl AuditEvent {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub const fn code(self) -> i16 {
                match self { $(Self::$name => $code,)* }
            }

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

events! {
    TokenMinted = 1 "token.minted",
    TokenRefused = 2 "token.refused",
    TokenRevoked = 3 "token.revoked",
    RefreshRotated = 4 "refresh.rotated",
    RefreshReplayed = 5 "refresh.replayed",
    CodeIssued = 6 "code.issued",
    CodeReplayed = 7 "code.replayed",
    ConsentGiven = 8 "consent.given",
    ConsentDenied = 9 "consent.denied",
    ConsentWithdrawn = 10 "consent.withdrawn",
    ClientRefused = 11 "client.refused",
    RevocationRefused = 12 "revocation.refused",
    AuthorizationRefused = 13 "authorization.refused",
    DeviceCodeIssued = 14 "device_code.issued",
    DeviceCodeReplayed = 15 "device_code.replayed",
    DeviceApproved = 16 "device.approved",
    DeviceDenied = 17 "device.denied",
    DeviceRefused = 18 "device.refused",
    PersonalAccessTokenMade = 19 "personal_access_token.made",
    SessionStarted = 20 "session.started",
    SessionEnded = 21 "session.ended",
    LoginFailed = 22 "login.failed",
    LoginRefused = 23 "login.refused",
    PasswordChanged = 24 "password.changed",
    PasswordLinkSent = 25 "password.link_sent",
    InvitationMade = 26 "invitation.made",
    AdministratorBootstrapped = 27 "administrator.bootstrapped",
    /// A person said that an approval in their name was none of theirs.
    IncidentReported = 30 "incident.reported",
    /// A token was used at our own API.
    ApiCalled = 31 "api.called",
    UserAdded = 40 "user.added",
    UserChanged = 41 "user.changed",
    UserStatusChanged = 42 "user.status_changed",
    UserLoggedOutEverywhere = 43 "user.logged_out_everywhere",
    ClientAdded = 50 "client.added",
    ClientChanged = 51 "client.changed",
    ClientStatusChanged = 52 "client.status_changed",
    ClientSecretRotated = 53 "client.secret_rotated",
    ResourceAdded = 60 "resource.added",
    ResourceChanged = 61 "resource.changed",
    ResourceStatusChanged = 62 "resource.status_changed",
    ResourceSecretRotated = 63 "resource.secret_rotated",
    ScopeAdded = 70 "scope.added",
    ScopeChanged = 71 "scope.changed",
    ScopeDeleted = 72 "scope.deleted",
    TenantAdded = 80 "tenant.added",
    TenantChanged = 81 "tenant.changed",
    TenantStatusChanged = 82 "tenant.status_changed",
    InstallationEpochRaised = 90 "installation.epoch_raised",
    BackupMade = 91 "backup.made",
    Restored = 92 "restored",
    DeviceFlowSwitched = 93 "device_flow.switched",
}

/// Which credential stood behind what happened (the schema ties the kind to the presence of its id, F03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticatedBy {
    Nobody,
    CommandLine,
    Session(NodeId),
    ClientSecret(ClientKey),
    BearerToken(TokenId),
    Code(curfew_protocol::CodeId),
    RefreshToken(NodeId),
    MailedLink(MailedLinkId),
    DeviceCode(DeviceCodeId),
}

impl AuthenticatedBy {
    const fn code(self) -> i16 {
        match self {
            Self::Nobody => 0,
            Self::CommandLine => 1,
            Self::Session(_) => 2,
            Self::ClientSecret(_) => 3,
            Self::BearerToken(_) => 4,
            Self::Code(_) => 5,
            Self::RefreshToken(_) => 6,
            Self::MailedLink(_) => 7,
            Self::DeviceCode(_) => 8,
        }
    }

    const fn credential(self) -> Option<AuditId> {
        match self {
            Self::Nobody | Self::CommandLine => None,
            Self::Session(id) | Self::RefreshToken(id) => Some(AuditId::from_bytes(*id.as_bytes())),
            Self::ClientSecret(id) => Some(AuditId::from_bytes(*id.as_bytes())),
            Self::BearerToken(id) => Some(AuditId::from_bytes(*id.as_bytes())),
            Self::Code(id) => Some(AuditId::from_bytes(*id.as_bytes())),
            Self::MailedLink(id) => Some(AuditId::from_bytes(*id.as_bytes())),
            Self::DeviceCode(id) => Some(AuditId::from_bytes(*id.as_bytes())),
        }
    }
}

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub request_id: Option<RequestId>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// One row to write. Start with [`AuditEntry::new`] and set what is known.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub event: AuditEvent,
    /// A refusal is recorded as well as a success.
    pub succeeded: bool,
    pub authenticated_by: AuthenticatedBy,
    pub origin: Origin,
    pub tenant_id: Option<TenantId>,
    pub user_id: Option<UserId>,
    pub client: Option<ClientKey>,
    pub node_id: Option<NodeId>,
    pub token_id: Option<TokenId>,
    pub expires_at: Option<Timestamp>,
    pub scopes: Option<String>,
    /// A stable word or two; never a secret, never text from outside that was not cut and cleaned.
    pub detail: Option<String>,
}

impl AuditEntry {
    pub const fn new(event: AuditEvent, authenticated_by: AuthenticatedBy, origin: Origin) -> Self {
        Self {
            event,
            succeeded: true,
            authenticated_by,
            origin,
            tenant_id: None,
            user_id: None,
            client: None,
            node_id: None,
            token_id: None,
            expires_at: None,
            scopes: None,
            detail: None,
        }
    }

    /// The same as a refusal, with its reason.
    #[must_use]
    pub fn refused(mut self, reason: &str) -> Self {
        self.succeeded = false;
        self.detail = Some(reason.to_owned());
        self
    }

    pub(crate) const fn outcome(&self) -> i16 {
        if self.succeeded { 1 } else { 2 }
    }

    pub(crate) const fn authenticated_by_code(&self) -> i16 {
        self.authenticated_by.code()
    }

    pub(crate) const fn credential_id(&self) -> Option<AuditId> {
        self.authenticated_by.credential()
    }
}

/// A row as it is shown.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AuditRow {
    pub id: AuditId,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub at: Timestamp,
    pub event: String,
    pub succeeded: bool,
    pub user_id: Option<UserId>,
    pub client: Option<ClientKey>,
    pub node_id: Option<NodeId>,
    pub token_id: Option<TokenId>,
    pub scopes: Option<String>,
    pub ip: Option<String>,
    pub detail: Option<String>,
}

type Row = (
    (Db<AuditId>, Db<Timestamp>, i16, i16),
    (
        Option<Db<UserId>>,
        Option<Db<ClientKey>>,
        Option<Db<NodeId>>,
        Option<Db<TokenId>>,
    ),
    (Option<String>, Option<String>, Option<String>),
);

fn audit_row((own, whom, what): Row) -> AuditRow {
    AuditRow {
        id: own.0.0,
        at: own.1.0,
        event: AuditEvent::from_code(own.2)
            .map_or("unknown", AuditEvent::as_str)
            .to_owned(),
        succeeded: own.3 == 1,
        user_id: opt(whom.0),
        client: opt(whom.1),
        node_id: opt(whom.2),
        token_id: opt(whom.3),
        scopes: what.0,
        ip: what.1,
        detail: what.2,
    }
}

impl Read<'_> {
    /// The latest rows, newest first.
    pub fn audit_latest(&mut self, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => audit::table
            .order(audit::id.desc())
            .limit(limit)
            .select((
                (audit::id, audit::at, audit::event, audit::outcome),
                (audit::user_id, audit::client_id, audit::node_id, audit::token_id),
                (audit::scopes, audit::ip, audit::detail),
            ))
            .load(c)?);
        Ok(rows.into_iter().map(audit_row).collect())
    }
}

impl Write<'_> {
    pub fn audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let id = AuditId::ordered(self.millis(), self.entropy());
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(audit::table).values((
            (
                audit::id.eq(Db(id)),
                audit::at.eq(Db(now)),
                audit::event.eq(entry.event.code()),
                audit::outcome.eq(entry.outcome()),
                audit::tenant_id.eq(entry.tenant_id.map(Db)),
                audit::user_id.eq(entry.user_id.map(Db)),
                audit::client_id.eq(entry.client.map(Db)),
                audit::node_id.eq(entry.node_id.map(Db)),
                audit::token_id.eq(entry.token_id.map(Db)),
            ),
            (
                audit::authenticated_by.eq(entry.authenticated_by.code()),
                audit::credential_id.eq(entry.authenticated_by.credential().map(Db)),
                audit::request_id.eq(entry.origin.request_id.map(Db)),
                audit::expires_at.eq(entry.expires_at.map(Db)),
                audit::scopes.eq(entry.scopes.as_ref()),
                audit::ip.eq(entry.origin.ip.as_ref()),
                audit::user_agent.eq(entry.origin.user_agent.as_ref()),
                audit::detail.eq(entry.detail.as_ref()),
            ),
        )).execute(c)?);
        Ok(())
    }
}
