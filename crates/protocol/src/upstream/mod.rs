//! What an upstream identity provider says, read strictly.
//!
//! A provider is a stranger: it may be compromised, misconfigured, or played by somebody else. So every answer of one goes the
//! same way, in this order:
//!
//! 1. [`strict`] reads the bytes: UTF-8, one JSON value, at most [`strict::MAX_BYTES`], at most [`strict::MAX_DEPTH`] deep, and no
//!    member twice at any depth, because two readers of a repeated member may each take another one (RFC 8259 §4).
//! 2. The type of the answer picks the members that it knows and checks the exact JSON type of each. A member of the wrong type
//!    refuses the whole answer: it is never read as absent. `null` is a wrong type too. Unknown members are ignored.
//! 3. What comes out holds bounded text without control characters, and nothing that this file's neighbours did not check.
//!
//! Two kinds of member are no reason to refuse: those that are only shown (`name`), and those about the e-mail address, which are
//! worth nothing unless they are exactly right ([`email`]).
//!
//! Nothing here does I/O, reads a clock or verifies a signature: whether a token is genuine, meant for us and still valid is asked
//! by whoever calls, about facts that have the right type.

pub mod claims;
pub mod email;
pub mod github;
pub mod jwks;
pub mod jws;
mod members;
pub mod metadata;
pub mod strict;
pub mod token_answer;

pub use claims::{IdTokenClaims, LogoutTokenClaims, UserInfo};
pub use email::{EmailClaims, EmailVerified};
pub use github::{GithubEmail, GithubEmails, GithubMembership, GithubUser};
pub use jwks::{KeyMaterial, KeySet, PublicKey};
pub use jws::{CompactJws, JwsHeader};
pub use metadata::ProviderMetadata;
pub use strict::StrictError;
pub use token_answer::TokenAnswer;

/// Why an answer of a provider is not taken. It names members of the specifications and nothing that the provider wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] StrictError),
    #[error("the answer is no JSON object")]
    NotAnObject,
    #[error("the answer is no JSON array")]
    NotAnArray,
    #[error("the token is not three parts in base64url")]
    NotAToken,
    #[error("the member '{0}' is missing")]
    Missing(&'static str),
    #[error("the member '{0}' has the wrong JSON type")]
    WrongType(&'static str),
    #[error("the value of the member '{0}' is not acceptable")]
    BadValue(&'static str),
    #[error("the member '{0}' must not be there")]
    Forbidden(&'static str),
    #[error("the member '{0}' has too many entries")]
    TooMany(&'static str),
}

impl AnswerError {
    /// The stable word for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable(error) => error.code(),
            Self::NotAnObject => "not_an_object",
            Self::NotAnArray => "not_an_array",
            Self::NotAToken => "not_a_token",
            Self::Missing(_) => "member_missing",
            Self::WrongType(_) => "member_of_wrong_type",
            Self::BadValue(_) => "member_not_acceptable",
            Self::Forbidden(_) => "member_forbidden",
            Self::TooMany(_) => "too_many_entries",
        }
    }

    /// The member that the error is about.
    pub const fn member(self) -> Option<&'static str> {
        match self {
            Self::Missing(name)
            | Self::WrongType(name)
            | Self::BadValue(name)
            | Self::Forbidden(name)
            | Self::TooMany(name) => Some(name),
            Self::Unreadable(_) | Self::NotAnObject | Self::NotAnArray | Self::NotAToken => None,
        }
    }
}
