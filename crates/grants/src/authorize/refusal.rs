//! Why an authorization request is refused, and what is told of it.

use curfew_protocol::{ErrorCode, OAuthError};

use crate::audience::InvalidTarget;
use crate::engine::MachineRefusal;
use crate::pages::AuthorizationErrorReason;
use crate::quarantine::NothingLeft;
use crate::scopes::ScopeRefusal;

/// A request that names no client and redirect URI that belong together. It is answered by a page, never by a redirect
/// (RFC 6749 §4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressRefusal {
    /// Broken encoding, too many parameters, too long.
    Malformed,
    /// `client_id` or `redirect_uri` is sent more than once.
    Repeated,
    ClientMissing,
    ClientUnknown,
    RedirectUriMissing,
    RedirectUriForeign,
}

impl AddressRefusal {
    /// What the page says: to the person, and to the client's developer.
    pub(crate) const fn told(self) -> (AuthorizationErrorReason, ErrorCode, &'static str) {
        use AuthorizationErrorReason::{RedirectUri, Request, UnknownClient};
        let code = ErrorCode::InvalidRequest;
        match self {
            Self::Malformed => (Request, code, "the request is malformed or too long"),
            Self::Repeated => (
                Request,
                code,
                "client_id or redirect_uri is sent more than once",
            ),
            Self::ClientMissing => (UnknownClient, code, "client_id is missing"),
            Self::ClientUnknown => (
                UnknownClient,
                ErrorCode::UnauthorizedClient,
                "there is no such client",
            ),
            Self::RedirectUriMissing => (
                RedirectUri,
                code,
                "redirect_uri is missing, and the client has not exactly one to choose from",
            ),
            Self::RedirectUriForeign => (
                RedirectUri,
                code,
                "redirect_uri is not registered for this client",
            ),
        }
    }
}

/// A refusal that goes back to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthorizeRefusal {
    Repeated,
    StateTooLong,
    ResponseTypeMissing,
    ResponseTypeUnsupported,
    ResponseModeUnsupported,
    /// A form cannot be posted to a private-use scheme.
    FormPostNeedsWeb,
    /// `request` or `request_uri` (RFC 9101): what is signed must not be overlooked.
    RequestObject,
    PromptUnsupported,
    Challenge,
    /// Somebody else's request came with the same challenge (RFC 9700 §2.1.1).
    ChallengeReused,
    Scope,
    Target,
    GrantNotAllowed,
    LoginRequired,
    ConsentRequired,
    Denied,
    /// The client is not for this person (C30).
    NotAdmitted,
    NoLifetime,
    /// The account is in quarantine, and nothing of what was asked for only reads (E10).
    Quarantined,
    EngineFailed,
}

impl AuthorizeRefusal {
    const fn told(self) -> (ErrorCode, &'static str) {
        match self {
            Self::Repeated => (
                ErrorCode::InvalidRequest,
                "a parameter is sent more than once",
            ),
            Self::StateTooLong => (
                ErrorCode::InvalidRequest,
                "state is longer than 2000 characters",
            ),
            Self::ResponseTypeMissing => (
                ErrorCode::InvalidRequest,
                "response_type is missing; it must be code",
            ),
            Self::ResponseTypeUnsupported => (
                ErrorCode::UnsupportedResponseType,
                "response_type must be code",
            ),
            Self::ResponseModeUnsupported => (
                ErrorCode::InvalidRequest,
                "response_mode must be query or form_post",
            ),
            Self::FormPostNeedsWeb => (
                ErrorCode::InvalidRequest,
                "response_mode form_post needs an http or https redirect_uri",
            ),
            Self::RequestObject => (
                ErrorCode::InvalidRequest,
                "request and request_uri are not supported",
            ),
            Self::PromptUnsupported => (
                ErrorCode::InvalidRequest,
                "prompt must be none, or made of login and consent",
            ),
            Self::Challenge => (
                ErrorCode::InvalidRequest,
                "a code_challenge with code_challenge_method S256 is required",
            ),
            Self::ChallengeReused => (
                ErrorCode::InvalidRequest,
                "the code_challenge was used before; every request needs its own",
            ),
            Self::Scope => (
                ErrorCode::InvalidScope,
                "the scope is malformed, unknown or not registered for the client",
            ),
            Self::Target => (
                ErrorCode::InvalidTarget,
                "resource is unknown or not one the client may ask for",
            ),
            Self::GrantNotAllowed => (
                ErrorCode::UnauthorizedClient,
                "the client is not registered for the authorization code grant",
            ),
            Self::LoginRequired => (ErrorCode::LoginRequired, "the user has to sign in"),
            Self::ConsentRequired => (ErrorCode::ConsentRequired, "the user has to consent"),
            Self::Denied => (ErrorCode::AccessDenied, "the user refused"),
            Self::NotAdmitted => (ErrorCode::AccessDenied, "the user may not use this client"),
            Self::NoLifetime => (
                ErrorCode::AccessDenied,
                "no lifetime is left for what would be granted",
            ),
            Self::Quarantined => (
                ErrorCode::AccessDenied,
                "the account may only read until its e-mail address is confirmed, and nothing that was asked for only reads",
            ),
            Self::EngineFailed => (ErrorCode::ServerError, "the server failed"),
        }
    }
}

impl From<AuthorizeRefusal> for OAuthError {
    fn from(refusal: AuthorizeRefusal) -> Self {
        let (code, description) = refusal.told();
        Self::new(code, description)
    }
}

impl From<MachineRefusal> for AuthorizeRefusal {
    fn from(refusal: MachineRefusal) -> Self {
        match refusal {
            MachineRefusal::UnsupportedResponseType => Self::ResponseTypeUnsupported,
            MachineRefusal::InvalidScope => Self::Scope,
            MachineRefusal::Pkce => Self::Challenge,
            // What the machine needs is there when it starts, and the rest are words of the token endpoint.
            MachineRefusal::InvalidRequest
            | MachineRefusal::InvalidGrant
            | MachineRefusal::UnsupportedGrantType
            | MachineRefusal::Broken => Self::EngineFailed,
        }
    }
}

impl From<ScopeRefusal> for AuthorizeRefusal {
    fn from(refusal: ScopeRefusal) -> Self {
        match refusal {
            ScopeRefusal::Syntax | ScopeRefusal::NotRegistered => Self::Scope,
        }
    }
}

impl From<NothingLeft> for AuthorizeRefusal {
    fn from(NothingLeft: NothingLeft) -> Self {
        Self::Quarantined
    }
}

impl From<InvalidTarget> for AuthorizeRefusal {
    fn from(InvalidTarget: InvalidTarget) -> Self {
        Self::Target
    }
}
