//! What GitHub's REST API says: `GET /user`, `GET /user/emails`, and the memberships of organisations and teams.

use serde_json::Value;

use super::AnswerError;
use super::email::{EmailClaims, EmailVerified};
use super::members::{MAX_ENTRIES, Members, from_bytes, required};

/// The largest integer that every JSON reader keeps exactly (RFC 8259 §6).
const MAX_ID: u64 = 1 << 53;
const MAX_LOGIN: usize = 255;
const MAX_ADDRESS: usize = 254;

/// `GET /user`. The number is the person; a login is given up and taken by others (B21, B22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubUser {
    /// From 1 to 2^53.
    pub id: u64,
    /// Only shown, and part of the addresses of the API.
    pub login: String,
    /// Only shown.
    pub name: Option<String>,
}

impl GithubUser {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        let login = members.required_text("login", MAX_LOGIN)?;
        // Letters, digits and hyphens; an underscore stands before the short code of a managed user, brackets make a bot.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !login.bytes().all(allowed) {
            return Err(AnswerError::BadValue("login"));
        }
        Ok(Self {
            id: id(members)?,
            login,
            name: members.shown("name"),
        })
    }

    /// The number as the subject of an identity.
    pub fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// B24: a number that is missing, zero or inexact would be shared by many people.
fn id(members: Members<'_>) -> Result<u64, AnswerError> {
    const NAME: &str = "id";
    let value = required(NAME, members.get(NAME))?;
    if !value.is_number() {
        return Err(AnswerError::WrongType(NAME));
    }
    let id = value.as_u64().filter(|id| (1..=MAX_ID).contains(id));
    id.ok_or(AnswerError::BadValue(NAME))
}

/// One entry of `GET /user/emails`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubEmail {
    pub email: String,
    pub primary: bool,
    pub verified: bool,
}

impl GithubEmail {
    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        let flag = |name| required(name, members.flag(name)?);
        Ok(Self {
            email: members.required_text("email", MAX_ADDRESS)?,
            primary: flag("primary")?,
            verified: flag("verified")?,
        })
    }

    /// An address that GitHub made up to hide the real one; nobody reads what is sent there.
    fn is_noreply(&self) -> bool {
        let domain = self.email.rsplit_once('@').map_or("", |(_, domain)| domain);
        let domain = domain.to_ascii_lowercase();
        domain.starts_with("users.noreply.") || domain.starts_with("noreply.")
    }
}

/// The answer of `GET /user/emails`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GithubEmails(pub Vec<GithubEmail>);

impl GithubEmails {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let list = value.as_array().ok_or(AnswerError::NotAnArray)?;
        if list.len() > MAX_ENTRIES {
            return Err(AnswerError::TooMany("email"));
        }
        let entries: Result<Vec<_>, _> = list.iter().map(GithubEmail::of).collect();
        entries.map(Self)
    }

    /// The same as the claims of an OpenID provider: a verified address, or none and nothing said about it.
    pub fn claims(&self) -> EmailClaims {
        let email = self.primary_verified().map(str::to_owned);
        let verified = match email {
            Some(_) => EmailVerified::Yes,
            None => EmailVerified::Absent,
        };
        EmailClaims { email, verified }
    }

    /// The one address that counts: primary and verified, and a mailbox. None when GitHub names two of them (B25).
    pub fn primary_verified(&self) -> Option<&str> {
        let mut primary = self.0.iter().filter(|entry| entry.primary);
        match (primary.next(), primary.next()) {
            (Some(entry), None) if entry.verified && !entry.is_noreply() => Some(&entry.email),
            _ => None,
        }
    }
}

/// A membership of an organisation or a team: `GET /user/memberships/orgs/{org}`,
/// `GET /orgs/{org}/teams/{team}/memberships/{login}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GithubMembership {
    Active,
    /// Invited, and has not agreed yet: no member (B26).
    Pending,
    /// A state that we do not know: no member either.
    Other,
}

impl GithubMembership {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let state = Members::of(value)?.required_text("state", MAX_LOGIN)?;
        Ok(match state.as_str() {
            "active" => Self::Active,
            "pending" => Self::Pending,
            _ => Self::Other,
        })
    }

    pub const fn is_member(self) -> bool {
        matches!(self, Self::Active)
    }
}

#[cfg(test)]
#[path = "github_tests.rs"]
mod tests;
