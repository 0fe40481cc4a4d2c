//! The audit trail: written in the transaction that makes it true, or that transaction does not happen.
//!
//! * Here are the words: what happened, and by which credential.
//! * `insert.rs` writes rows, [`rows`] finds them again.
//! * `link.rs` and `chain.rs` make them provable, [`proof`] proves them.

pub(crate) mod chain;
mod finding;
mod insert;
mod link;
pub mod proof;
pub mod rows;
mod stored;

use curfew_protocol::{
    AuditId, ClientKey, DeviceCodeId, MailedLinkId, NodeId, RequestId, TenantId, Timestamp,
    TokenId, UpstreamLoginId, UserId,
};

pub use link::{LinkName, LinkPlace};
pub use rows::{AuditQuery, AuditRow};

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
    ProviderAdded = 100 "provider.added",
    ProviderChanged = 101 "provider.changed",
    ProviderStatusChanged = 102 "provider.status_changed",
    /// The provider's issuer changed, and the links moved along.
    ProviderRebound = 103 "provider.rebound",
    IdentityLinked = 110 "identity.linked",
    IdentityUnlinked = 111 "identity.unlinked",
    /// An imported link got its subject.
    IdentityBackfilled = 112 "identity.backfilled",
    /// An identity was not let in, or not bound.
    IdentityRefused = 113 "identity.refused",
    /// The proof that an account is its person's was asked for.
    IdentityProofAsked = 114 "identity.proof_asked",
    /// A change of how somebody signs in was taken back by its owner.
    IdentityChangeUndone = 115 "identity.change_undone",
    /// A provider said that a session or a person is signed out there.
    UpstreamLogoutReceived = 116 "upstream.logout_received",
    /// An administrator disabled a link, or enabled it again.
    IdentityStatusChanged = 117 "identity.status_changed",
    /// Somebody left for a provider to have an identity bound: to their account, or to the one that they were invited to.
    IdentityLinkBegun = 118 "identity.link_begun",
    AddressLinkSent = 120 "address.link_sent",
    AddressChanged = 121 "address.changed",
    QuarantineLifted = 122 "quarantine.lifted",
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
    UpstreamLogin(UpstreamLoginId),
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
            Self::UpstreamLogin(_) => 9,
        }
    }

    /// The word for a code of the column.
    const fn word(code: i16) -> &'static str {
        match code {
            0 => "nobody",
            1 => "command_line",
            2 => "session",
            3 => "client_secret",
            4 => "access_token",
            5 => "authorization_code",
            6 => "refresh_token",
            7 => "mailed_link",
            8 => "device_code",
            9 => "upstream_login",
            _ => "unknown",
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
            Self::UpstreamLogin(id) => Some(AuditId::from_bytes(*id.as_bytes())),
        }
    }
}

/// The codes of `outcome`.
const SUCCEEDED: i16 = 1;
const REFUSED: i16 = 2;

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

    const fn outcome(&self) -> i16 {
        if self.succeeded { SUCCEEDED } else { REFUSED }
    }
}
