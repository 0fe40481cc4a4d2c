//! Why the token endpoint refuses, and what the client is told of it.

use std::borrow::Cow;

use curfew_policy::lifetime::LifetimeRefusal;
use curfew_policy::liveness::DeadBecause;
use curfew_protocol::{ErrorCode, Lifetime, OAuthError};
use curfew_store::mint::MintRefusal;

use crate::audience::InvalidTarget;
use crate::engine::MachineRefusal;
use crate::scopes::ScopeRefusal;

/// A reason. The client learns the code and sentence of [`TokenRefusal::told`], the audit trail the word of
/// [`TokenRefusal::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    GrantTypeMissing,
    GrantTypeUnsupported,
    GrantNotAllowed,
    CodeMissing,
    CodeUnknown,
    CodeOfAnotherClient,
    CodeExpired,
    CodeReplayed,
    RedirectUri,
    Pkce,
    RefreshTokenMissing,
    RefreshTokenUnknown,
    RefreshTokenOfAnotherClient,
    RefreshReplayed,
    RefreshIdle,
    DeviceCodeMissing,
    DeviceCodeUnknown,
    DeviceCodeOfAnotherClient,
    DeviceCodeExpired,
    DeviceCodeReplayed,
    DevicePending,
    DeviceTooFast,
    DeviceDenied,
    /// The approval of the device is dead.
    DeviceDead(DeadBecause),
    /// The kill switch is thrown.
    DeviceFlowOff,
    TooManyDevices,
    SubjectTokenMissing,
    SubjectToken,
    ActorToken,
    TokenTypeUnsupported,
    /// The approval or family is dead.
    Dead(DeadBecause),
    /// Nothing of what was approved is still allowed.
    NothingLeft,
    Scope,
    Target,
    PublicClient,
    NoLifetime,
    /// `requested_token_lifetime` is no number of seconds.
    LifetimeSyntax,
    /// `requested_token_lifetime` is longer than allowed.
    LifetimeTooLong(Lifetime),
    ClientChanged,
    /// A code challenge that is no S256 one.
    Challenge,
    RequestInvalid,
    EngineFailed,
}

impl TokenRefusal {
    /// A stable word for the audit trail.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GrantTypeMissing => "grant_type_missing",
            Self::GrantTypeUnsupported => "grant_type_unsupported",
            Self::GrantNotAllowed => "grant_not_allowed",
            Self::CodeMissing => "code_missing",
            Self::CodeUnknown => "code_unknown",
            Self::CodeOfAnotherClient => "code_of_another_client",
            Self::CodeExpired => "code_expired",
            Self::CodeReplayed => "code_replayed",
            Self::RedirectUri => "redirect_uri",
            Self::Pkce => "pkce",
            Self::RefreshTokenMissing => "refresh_token_missing",
            Self::RefreshTokenUnknown => "refresh_token_unknown",
            Self::RefreshTokenOfAnotherClient => "refresh_token_of_another_client",
            Self::RefreshReplayed => "refresh_replayed",
            Self::RefreshIdle => "refresh_idle",
            Self::DeviceCodeMissing => "device_code_missing",
            Self::DeviceCodeUnknown => "device_code_unknown",
            Self::DeviceCodeOfAnotherClient => "device_code_of_another_client",
            Self::DeviceCodeExpired => "device_code_expired",
            Self::DeviceCodeReplayed => "device_code_replayed",
            Self::DevicePending => "device_pending",
            Self::DeviceTooFast => "device_too_fast",
            Self::DeviceDenied => "device_denied",
            Self::DeviceFlowOff => "device_flow_off",
            Self::TooManyDevices => "too_many_devices",
            Self::SubjectTokenMissing => "subject_token_missing",
            Self::SubjectToken => "subject_token",
            Self::ActorToken => "actor_token",
            Self::TokenTypeUnsupported => "token_type_unsupported",
            Self::DeviceDead(because) | Self::Dead(because) => because.as_str(),
            Self::NothingLeft => "nothing_left",
            Self::Scope => "scope",
            Self::Target => "target",
            Self::PublicClient => "public_client",
            Self::NoLifetime => "no_lifetime",
            Self::LifetimeSyntax => "lifetime_syntax",
            Self::LifetimeTooLong(_) => "lifetime_too_long",
            Self::ClientChanged => "client_changed",
            Self::Challenge => "challenge",
            Self::RequestInvalid => "request_invalid",
            Self::EngineFailed => "engine_failed",
        }
    }

    /// What the client is told. Every cause for which a code or refresh token is no good sounds the same, so that nothing can
    /// be learnt by trying.
    fn told(self) -> (ErrorCode, Cow<'static, str>) {
        if let Self::LifetimeTooLong(longest) = self {
            let longest = longest.seconds();
            let text =
                format!("requested_token_lifetime is longer than the {longest} s allowed here");
            return (ErrorCode::InvalidRequest, text.into());
        }
        let (code, text) = self.fixed();
        (code, text.into())
    }

    /// All but what says a number.
    const fn fixed(self) -> (ErrorCode, &'static str) {
        const NO_GOOD: (ErrorCode, &str) = (
            ErrorCode::InvalidGrant,
            "the code or refresh token is invalid, expired, revoked, used up or not this client's",
        );
        match self {
            Self::GrantTypeMissing => (ErrorCode::InvalidRequest, "grant_type is missing"),
            Self::GrantTypeUnsupported => (
                ErrorCode::UnsupportedGrantType,
                "grant_type is not supported",
            ),
            Self::GrantNotAllowed => (
                ErrorCode::UnauthorizedClient,
                "the client is not registered for this grant type",
            ),
            Self::PublicClient => (
                ErrorCode::UnauthorizedClient,
                "a public client cannot act for itself",
            ),
            Self::CodeMissing => (ErrorCode::InvalidRequest, "code is missing"),
            Self::RefreshTokenMissing => (ErrorCode::InvalidRequest, "refresh_token is missing"),
            Self::Challenge => (
                ErrorCode::InvalidRequest,
                "code_challenge must be an S256 challenge, with code_challenge_method=S256",
            ),
            Self::RequestInvalid => (ErrorCode::InvalidRequest, "the request is malformed"),
            Self::CodeUnknown
            | Self::CodeOfAnotherClient
            | Self::CodeExpired
            | Self::CodeReplayed
            | Self::RefreshTokenUnknown
            | Self::RefreshTokenOfAnotherClient
            | Self::RefreshReplayed
            | Self::RefreshIdle
            | Self::Dead(_)
            | Self::NothingLeft
            | Self::NoLifetime => NO_GOOD,
            Self::DeviceCodeMissing => (ErrorCode::InvalidRequest, "device_code is missing"),
            Self::DeviceCodeUnknown
            | Self::DeviceCodeOfAnotherClient
            | Self::DeviceCodeReplayed => (
                ErrorCode::InvalidGrant,
                "the device code is invalid, used up or not this client's",
            ),
            Self::DeviceCodeExpired => (
                ErrorCode::ExpiredToken,
                "the device code has expired; start again",
            ),
            Self::DevicePending => (
                ErrorCode::AuthorizationPending,
                "nobody has approved the device yet; ask again after the interval",
            ),
            Self::DeviceTooFast => (
                ErrorCode::SlowDown,
                "the device asks too often; the interval has grown by 5 s",
            ),
            Self::DeviceDenied | Self::DeviceDead(_) => (
                ErrorCode::AccessDenied,
                "the device was not approved, or its approval has ended",
            ),
            Self::DeviceFlowOff => (
                ErrorCode::UnauthorizedClient,
                "devices cannot be approved here at the moment",
            ),
            Self::TooManyDevices => (
                ErrorCode::TooManyRequests,
                "too many devices of this client are waiting; try again later",
            ),
            Self::SubjectTokenMissing => (ErrorCode::InvalidRequest, "subject_token is missing"),
            Self::SubjectToken => (
                ErrorCode::InvalidRequest,
                "the subject token is invalid, or not one that this client may exchange",
            ),
            Self::ActorToken => (
                ErrorCode::InvalidRequest,
                "the actor token is invalid, or not this client's own",
            ),
            Self::TokenTypeUnsupported => (
                ErrorCode::InvalidRequest,
                "only access tokens are exchanged, and only for access tokens",
            ),
            Self::RedirectUri => (
                ErrorCode::InvalidGrant,
                "redirect_uri is not the one of the authorization request",
            ),
            Self::Pkce => (
                ErrorCode::InvalidGrant,
                "code_verifier does not belong to the code_challenge",
            ),
            Self::Scope => (
                ErrorCode::InvalidScope,
                "the scope is malformed, unknown, not registered for the client or wider than granted",
            ),
            Self::Target => (
                ErrorCode::InvalidTarget,
                "resource is unknown or not one the client may ask for",
            ),
            Self::LifetimeSyntax | Self::LifetimeTooLong(_) => (
                ErrorCode::InvalidRequest,
                "requested_token_lifetime is not a whole number of seconds from 1 to 4294967295",
            ),
            Self::ClientChanged => (
                ErrorCode::TemporarilyUnavailable,
                "the client was changed meanwhile; try again",
            ),
            Self::EngineFailed => (ErrorCode::ServerError, "the server failed"),
        }
    }
}

impl From<TokenRefusal> for OAuthError {
    fn from(refusal: TokenRefusal) -> Self {
        let (code, description) = refusal.told();
        Self::new(code, description)
    }
}

impl From<MachineRefusal> for TokenRefusal {
    fn from(refusal: MachineRefusal) -> Self {
        match refusal {
            MachineRefusal::InvalidRequest | MachineRefusal::UnsupportedResponseType => {
                Self::RequestInvalid
            }
            MachineRefusal::UnsupportedGrantType => Self::GrantTypeUnsupported,
            MachineRefusal::InvalidScope => Self::Scope,
            // The client was compared before, so what is left is the redirect URI.
            MachineRefusal::InvalidGrant => Self::RedirectUri,
            MachineRefusal::Pkce => Self::Pkce,
            MachineRefusal::Broken => Self::EngineFailed,
        }
    }
}

impl From<ScopeRefusal> for TokenRefusal {
    fn from(refusal: ScopeRefusal) -> Self {
        match refusal {
            ScopeRefusal::Syntax | ScopeRefusal::NotRegistered => Self::Scope,
        }
    }
}

impl From<InvalidTarget> for TokenRefusal {
    fn from(InvalidTarget: InvalidTarget) -> Self {
        Self::Target
    }
}

impl From<LifetimeRefusal> for TokenRefusal {
    fn from(refusal: LifetimeRefusal) -> Self {
        match refusal {
            LifetimeRefusal::TooLong { longest } => Self::LifetimeTooLong(longest),
            LifetimeRefusal::Zero => Self::LifetimeSyntax,
            LifetimeRefusal::AncestorEnded => Self::NoLifetime,
        }
    }
}

impl From<MintRefusal> for TokenRefusal {
    fn from(refusal: MintRefusal) -> Self {
        match refusal {
            MintRefusal::Dead(because) => Self::Dead(because),
            MintRefusal::ClientChanged => Self::ClientChanged,
            MintRefusal::Lifetime(refusal) => refusal.into(),
        }
    }
}
