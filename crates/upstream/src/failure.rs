//! Why somebody does not come back from a provider with an identity: the answer was wrong, the person is not wanted, or nobody
//! answered. The three become 400, 403 and 503.
//!
//! Messages are for the operator's log. What a provider wrote is cleaned and cut there, and shown to nobody else (B53).

use curfew_http::outbound::OutboundError;
use curfew_protocol::upstream::AnswerError;
use curfew_protocol::upstream::token_answer::TokenRefusal;

/// How much of a stranger's text goes into a log line, in characters.
const LOGGED_CHARS: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum UpstreamFailure {
    /// What came from the provider or with the browser cannot be believed: 400.
    #[error(transparent)]
    Invalid(#[from] InvalidAnswer),
    /// The provider answered, and the person may not come in: 403.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no answer to judge: 503.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl UpstreamFailure {
    /// The stable word for logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.as_str(),
            Self::Denied(denial) => denial.as_str(),
            Self::Unavailable(unavailable) => unavailable.as_str(),
        }
    }
}

/// What a provider was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Metadata,
    Keys,
    Tokens,
    IdToken,
    UserInfo,
    LogoutToken,
    GithubUser,
    GithubEmails,
    GithubMembership,
}

impl Asked {
    /// Does the provider publish it for everybody? Then a bad one is the provider's failure, and nobody's who comes or is signed out.
    const fn is_published(self) -> bool {
        matches!(self, Self::Metadata | Self::Keys)
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Metadata => "discovery document",
            Self::Keys => "key set",
            Self::Tokens => "token answer",
            Self::IdToken => "ID token",
            Self::UserInfo => "userinfo answer",
            Self::LogoutToken => "logout token",
            Self::GithubUser => "user",
            Self::GithubEmails => "list of e-mail addresses",
            Self::GithubMembership => "membership",
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidAnswer {
    #[error("{asked}: {error}")]
    Unreadable {
        asked: Asked,
        #[source]
        error: AnswerError,
    },
    #[error("{asked}: {error}")]
    NotTaken {
        asked: Asked,
        #[source]
        error: OutboundError,
    },
    #[error("the provider refused the code: {0}")]
    Refused(TokenRefusalText),
    #[error("the discovery document is of another issuer: {0}")]
    OtherIssuer(String),
    #[error("the authorization response has no code")]
    CodeMissing,
    #[error("the token answer has no ID token")]
    NoIdToken,
    #[error("this kind of provider sends no logout tokens")]
    NoLogoutTokens,
    #[error(
        "the authorization response has no issuer (RFC 9207), although the provider announces it"
    )]
    ResponseIssuerMissing,
    #[error("the authorization response is of another issuer (RFC 9207)")]
    ResponseIssuerOther,
    #[error("{asked}: {problem}")]
    Signature {
        asked: Asked,
        problem: SignatureProblem,
    },
    #[error("{asked}: {problem}")]
    Claims { asked: Asked, problem: ClaimProblem },
}

impl InvalidAnswer {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unreadable { error, .. } => error.code(),
            Self::NotTaken { error, .. } => error.as_str(),
            Self::Refused(_) => "code_refused",
            Self::OtherIssuer(_) => "issuer_of_metadata",
            Self::CodeMissing => "code_missing",
            Self::NoIdToken => "id_token_missing",
            Self::NoLogoutTokens => "logout_token_unsupported",
            Self::ResponseIssuerMissing => "response_issuer_missing",
            Self::ResponseIssuerOther => "response_issuer",
            Self::Signature { problem, .. } => problem.as_str(),
            Self::Claims { problem, .. } => problem.as_str(),
        }
    }
}

/// Why a token is not by the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    #[error("it is signed with an algorithm that the provider does not announce")]
    Algorithm,
    #[error("it is a token of another kind")]
    Type,
    #[error("no key of the provider fits")]
    Key,
    #[error("the signature is wrong")]
    Signature,
}

impl SignatureProblem {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "token_algorithm",
            Self::Type => "token_type",
            Self::Key => "token_key",
            Self::Signature => "token_signature",
        }
    }
}

/// Why a genuine token is not for us, not now, or not about this login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimProblem {
    #[error("`iss` is another issuer")]
    Issuer,
    #[error("`aud` does not name us")]
    Audience,
    #[error("`azp` does not name us")]
    AuthorizedParty,
    #[error("it has expired")]
    Expired,
    #[error("`iat` lies in the future")]
    IssuedInFuture,
    #[error("`nbf` lies in the future")]
    NotYetValid,
    #[error("`nonce` is not the one of this login")]
    Nonce,
    #[error("`at_hash` belongs to another access token")]
    AccessTokenHash,
    #[error("a fresh sign-in was asked for, and `auth_time` does not show one")]
    AuthTime,
    #[error("`sub` of the userinfo answer is another subject")]
    UserInfoSubject,
}

impl ClaimProblem {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "claim_iss",
            Self::Audience => "claim_aud",
            Self::AuthorizedParty => "claim_azp",
            Self::Expired => "claim_exp",
            Self::IssuedInFuture => "claim_iat",
            Self::NotYetValid => "claim_nbf",
            Self::Nonce => "claim_nonce",
            Self::AccessTokenHash => "claim_at_hash",
            Self::AuthTime => "claim_auth_time",
            Self::UserInfoSubject => "userinfo_sub",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("the person is in none of the organisations and teams of which one is required")]
    OrganizationRequired,
    #[error("this kind of provider cannot be asked for a fresh sign-in")]
    NoFreshSignIn,
}

impl Denial {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationRequired => "organization_required",
            Self::NoFreshSignIn => "fresh_sign_in_unsupported",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("{asked}: {error}")]
    NotReached {
        asked: Asked,
        #[source]
        error: OutboundError,
    },
    /// What the provider publishes for everybody; it says nothing about whoever is on the way.
    #[error("{asked}: {error}")]
    Unreadable {
        asked: Asked,
        #[source]
        error: AnswerError,
    },
    #[error("{asked}: the provider answered {status}")]
    Status { asked: Asked, status: u16 },
    #[error("the provider refused us: {0}")]
    Refused(TokenRefusalText),
    #[error("{asked}: somebody else was waiting for it as well, and it did not come in time")]
    Waiting { asked: Asked },
    #[error("the provider is set up with an address that is none")]
    Misconfigured,
}

impl Unavailable {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotReached { error, .. } => error.as_str(),
            Self::Unreadable { error, .. } => error.code(),
            Self::Status { .. } => "provider_status",
            Self::Refused(_) => "client_refused",
            Self::Waiting { .. } => "provider_waiting",
            Self::Misconfigured => "provider_misconfigured",
        }
    }
}

/// What a token endpoint says when it gives no token (RFC 6749 §5.2), fit for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRefusalText(String);

impl std::fmt::Display for TokenRefusalText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TokenRefusalText {
    fn of(refusal: &TokenRefusal) -> Self {
        let description = refusal.description.as_deref().unwrap_or("");
        Self(for_log(&format!("{} {description}", refusal.error)))
    }
}

/// A stranger's text as it may stand in a log line: one line, short.
pub(crate) fn for_log(text: &str) -> String {
    let shown = text.chars().filter(|c| !is_unprintable(*c));
    let cut: String = shown.take(LOGGED_CHARS).collect();
    cut.trim_end().to_owned()
}

/// Control characters, and those that turn the direction of writing or take no room.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl UpstreamFailure {
    pub(crate) const fn unreadable(asked: Asked, error: AnswerError) -> Self {
        if asked.is_published() {
            Self::Unavailable(Unavailable::Unreadable { asked, error })
        } else {
            Self::Invalid(InvalidAnswer::Unreadable { asked, error })
        }
    }

    /// A call that failed. What the provider did wrong is an invalid answer; that nothing came, or that we did not go there, is none.
    pub(crate) fn not_taken(asked: Asked, error: OutboundError) -> Self {
        let status = match error {
            OutboundError::WrongType { status } => status,
            _ => 0,
        };
        match error {
            // A gateway's page says only that the provider behind it is away.
            OutboundError::WrongType { .. } if status != 200 => {
                Unavailable::Status { asked, status }.into()
            }
            error if asked.is_published() => Unavailable::NotReached { asked, error }.into(),
            OutboundError::Redirected { .. }
            | OutboundError::TooLarge { .. }
            | OutboundError::Encoded
            | OutboundError::InsecureUrl
            | OutboundError::Unsendable
            | OutboundError::WrongType { .. } => InvalidAnswer::NotTaken { asked, error }.into(),
            OutboundError::RefusedAddress { .. }
            | OutboundError::TooSlow
            | OutboundError::Unreachable { .. }
            | OutboundError::Busy => Unavailable::NotReached { asked, error }.into(),
        }
    }

    /// A refusal of the token endpoint. A code that is not good is the browser's affair; anything else is between provider and us.
    pub(crate) fn refused(refusal: &TokenRefusal) -> Self {
        match refusal.error.as_str() {
            "invalid_grant" | "bad_verification_code" => {
                InvalidAnswer::Refused(TokenRefusalText::of(refusal)).into()
            }
            _ => Unavailable::Refused(TokenRefusalText::of(refusal)).into(),
        }
    }

    pub(crate) const fn signature(asked: Asked, problem: SignatureProblem) -> Self {
        Self::Invalid(InvalidAnswer::Signature { asked, problem })
    }

    pub(crate) const fn claims(asked: Asked, problem: ClaimProblem) -> Self {
        Self::Invalid(InvalidAnswer::Claims { asked, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b53_what_a_provider_wrote_is_logged_as_one_short_line() {
        let refusal = TokenRefusal {
            error: "invalid_grant".to_owned(),
            description: Some(format!("a\r\nb\u{202e}c\u{0}{}", "x".repeat(500))),
        };
        let text = UpstreamFailure::refused(&refusal).to_string();
        assert!(text.contains("invalid_grant abcx"), "{text}");
        assert!(text.chars().count() < LOGGED_CHARS + 40, "{text}");
        assert_eq!(for_log("a\u{200b} b\n"), "a b");
    }

    #[test]
    fn a_bad_code_is_the_browsers_affair_and_a_bad_client_is_ours() {
        for (error, invalid) in [
            ("invalid_grant", true),
            ("bad_verification_code", true),
            ("invalid_client", false),
            ("incorrect_client_credentials", false),
            ("temporarily_unavailable", false),
        ] {
            let failure = UpstreamFailure::refused(&TokenRefusal {
                error: error.to_owned(),
                description: None,
            });
            let found = matches!(failure, UpstreamFailure::Invalid(_));
            assert_eq!(found, invalid, "{error}");
        }
    }
}
