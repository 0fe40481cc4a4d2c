//! The errors that a client may be told. A closed list: each code with the section that defines it.

use std::borrow::Cow;

/// An error code of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749 §4.1.2.1 and §5.2
    InvalidRequest,
    /// RFC 6749 §5.2
    InvalidClient,
    /// RFC 6749 §5.2
    InvalidGrant,
    /// RFC 6749 §4.1.2.1 and §5.2
    UnauthorizedClient,
    /// RFC 6749 §5.2
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1 and §5.2
    InvalidScope,
    /// RFC 6749 §4.1.2.1
    AccessDenied,
    /// RFC 6749 §4.1.2.1
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1, and ours for every dependency that fails: status 503
    TemporarilyUnavailable,
    /// RFC 6749 §4.1.2.1, for a defect of ours: status 500
    ServerError,
    /// RFC 8707 §2
    InvalidTarget,
    /// RFC 6750 §3.1
    InvalidToken,
    /// OpenID Connect Core §3.1.2.6
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6
    ConsentRequired,
    /// Too many attempts, status 429 (RFC 6585 §4)
    TooManyRequests,
    /// RFC 6750 §3.1
    InsufficientScope,
    /// RFC 8628 §3.5
    AuthorizationPending,
    /// RFC 8628 §3.5
    SlowDown,
    /// RFC 8628 §3.5
    ExpiredToken,
}

impl ErrorCode {
    pub const ALL: &'static [Self] = &[
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::AccessDenied,
        Self::UnsupportedResponseType,
        Self::TemporarilyUnavailable,
        Self::ServerError,
        Self::InvalidTarget,
        Self::InvalidToken,
        Self::LoginRequired,
        Self::ConsentRequired,
        Self::TooManyRequests,
        Self::InsufficientScope,
        Self::AuthorizationPending,
        Self::SlowDown,
        Self::ExpiredToken,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            // A client that polls for a device must understand it as what it is (RFC 8628 §3.5).
            Self::TooManyRequests | Self::SlowDown => "slow_down",
            Self::InsufficientScope => "insufficient_scope",
            Self::AuthorizationPending => "authorization_pending",
            Self::ExpiredToken => "expired_token",
        }
    }

    /// Where the code is defined.
    pub const fn source(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::UnauthorizedClient | Self::InvalidScope => {
                "RFC 6749 §4.1.2.1, §5.2"
            }
            Self::InvalidClient | Self::InvalidGrant | Self::UnsupportedGrantType => {
                "RFC 6749 §5.2"
            }
            Self::AccessDenied
            | Self::UnsupportedResponseType
            | Self::TemporarilyUnavailable
            | Self::ServerError => "RFC 6749 §4.1.2.1",
            Self::InvalidTarget => "RFC 8707 §2",
            Self::InvalidToken | Self::InsufficientScope => "RFC 6750 §3.1",
            Self::LoginRequired | Self::ConsentRequired => "OpenID Connect Core 1.0 §3.1.2.6",
            Self::TooManyRequests => "RFC 6585 §4",
            Self::AuthorizationPending | Self::SlowDown | Self::ExpiredToken => "RFC 8628 §3.5",
        }
    }

    /// The status that the token, introspection and revocation endpoints answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::TemporarilyUnavailable => 503,
            Self::ServerError => 500,
            Self::TooManyRequests => 429,
            Self::InsufficientScope => 403,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::AccessDenied
            | Self::UnsupportedResponseType
            | Self::InvalidTarget
            | Self::LoginRequired
            | Self::ConsentRequired
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::ExpiredToken => 400,
        }
    }
}

/// A code and a fixed sentence for the developer who reads it; never anything from a dependency or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
}

impl OAuthError {
    /// `description` is cleaned to the characters that RFC 6749 §5.2 allows: printable ASCII without `"` and `\`.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        let description = if description.chars().all(allowed) {
            description
        } else {
            description
                .chars()
                .map(|c| if allowed(c) { c } else { '?' })
                .collect::<String>()
                .into()
        };
        Self { code, description }
    }

    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn description(&self) -> &str {
        &self.description
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s21_09_descriptions_keep_to_the_allowed_characters() {
        let error = OAuthError::new(ErrorCode::InvalidRequest, "a\"b\\c\nd\u{e4}".to_owned());
        assert_eq!(error.description(), "a?b?c?d?");
    }

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|code| (code.as_str(), code.status()))
            .collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
    }
}
