//! The claims of ID tokens (OpenID Connect Core 1.0 §2), of the userinfo answer (§5.3.2) and of logout tokens (OpenID Connect
//! Back-Channel Logout 1.0 §2.4).
//!
//! What comes out has the right types and nothing more: signature, issuer, audience, nonce and times are compared by whoever holds
//! the keys, the configuration and the clock.

use serde_json::Value;

use super::AnswerError;
use super::email::EmailClaims;
use super::members::{MAX_ENTRIES, Members, from_bytes, plain, required};

/// A subject is at most 255 characters of ASCII (Core §2); we count bytes and take every other character too.
const MAX_SUBJECT: usize = 255;
const MAX_ISSUER: usize = 1_000;
const MAX_TEXT: usize = 1_000;

/// The member of `events` that makes a token a logout token (Back-Channel Logout §2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of an ID token. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenClaims {
    pub iss: String,
    /// Byte for byte as the provider wrote it: neither case nor Unicode form is changed (B20).
    pub sub: String,
    /// At least one.
    pub aud: Vec<String>,
    pub azp: Option<String>,
    pub exp: i64,
    pub iat: i64,
    pub nbf: Option<i64>,
    pub auth_time: Option<i64>,
    pub nonce: Option<String>,
    pub at_hash: Option<String>,
    pub sid: Option<String>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub email: EmailClaims,
    /// Only shown.
    pub name: Option<String>,
    /// Only shown; never an address, whatever it looks like (B09).
    pub preferred_username: Option<String>,
}

impl IdTokenClaims {
    /// Reads the payload of a token.
    pub fn parse(payload: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(payload, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        Ok(Self {
            iss: members.required_text("iss", MAX_ISSUER)?,
            sub: subject(members)?,
            aud: audience(members)?,
            azp: members.text("azp", MAX_TEXT)?,
            exp: members.required_seconds("exp")?,
            iat: members.required_seconds("iat")?,
            nbf: members.seconds("nbf")?,
            auth_time: members.seconds("auth_time")?,
            nonce: members.text("nonce", MAX_TEXT)?,
            at_hash: members.text("at_hash", MAX_TEXT)?,
            sid: members.text("sid", MAX_SUBJECT)?,
            acr: members.text("acr", MAX_TEXT)?,
            amr: members.texts("amr", MAX_TEXT)?.unwrap_or_default(),
            email: EmailClaims::of(members),
            name: members.shown("name"),
            preferred_username: members.shown("preferred_username"),
        })
    }
}

/// The userinfo answer. Its `sub` must be that of the ID token (Core §5.3.2), which the caller compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    pub sub: String,
    pub email: EmailClaims,
    /// Only shown.
    pub name: Option<String>,
    /// Only shown; never an address.
    pub preferred_username: Option<String>,
}

impl UserInfo {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        Ok(Self {
            sub: subject(members)?,
            email: EmailClaims::of(members),
            name: members.shown("name"),
            preferred_username: members.shown("preferred_username"),
        })
    }
}

/// Whom a logout token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutOf {
    /// Every session of the subject.
    Subject(String),
    /// One session, whoever it belongs to.
    Session(String),
    /// One session of the subject.
    SessionOfSubject { sub: String, sid: String },
}

/// The claims of a logout token. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutTokenClaims {
    pub iss: String,
    /// At least one.
    pub aud: Vec<String>,
    pub iat: i64,
    pub exp: i64,
    pub nbf: Option<i64>,
    /// Seen once only, within the life of the token.
    pub jti: String,
    pub of: LogoutOf,
}

impl LogoutTokenClaims {
    /// Reads the payload of a token: steps 4 to 6 of Back-Channel Logout §2.6. An ID token does not pass for one, since it has no
    /// event and may have a nonce.
    pub fn parse(payload: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(payload, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        if members.get("nonce").is_some() {
            return Err(AnswerError::Forbidden("nonce"));
        }
        let events = required("events", members.get("events"))?;
        let events = events.as_object().ok_or(AnswerError::WrongType("events"))?;
        let event = events
            .get(LOGOUT_EVENT)
            .ok_or(AnswerError::BadValue("events"))?;
        if !event.is_object() {
            return Err(AnswerError::BadValue("events"));
        }
        Ok(Self {
            iss: members.required_text("iss", MAX_ISSUER)?,
            aud: audience(members)?,
            iat: members.required_seconds("iat")?,
            exp: members.required_seconds("exp")?,
            nbf: members.seconds("nbf")?,
            jti: members.required_text("jti", MAX_SUBJECT)?,
            of: logout_of(members)?,
        })
    }
}

fn logout_of(members: Members<'_>) -> Result<LogoutOf, AnswerError> {
    let sub = members.text("sub", MAX_SUBJECT)?;
    let sid = members.text("sid", MAX_SUBJECT)?;
    match (sub, sid) {
        (Some(sub), Some(sid)) => Ok(LogoutOf::SessionOfSubject { sub, sid }),
        (Some(sub), None) => Ok(LogoutOf::Subject(sub)),
        (None, Some(sid)) => Ok(LogoutOf::Session(sid)),
        (None, None) => Err(AnswerError::Missing("sub")),
    }
}

/// B20: text that is there, not blank, and at most 255 bytes.
fn subject(members: Members<'_>) -> Result<String, AnswerError> {
    members.required_text("sub", MAX_SUBJECT)
}

/// Could a provider name somebody like this? For subjects that come from elsewhere than a token.
pub fn is_subject(text: &str) -> bool {
    plain("sub", &Value::from(text), MAX_SUBJECT).is_ok()
}

/// One audience or a list of them (RFC 7519 §4.1.3); an empty list is for nobody.
fn audience(members: Members<'_>) -> Result<Vec<String>, AnswerError> {
    const NAME: &str = "aud";
    match required(NAME, members.get(NAME))? {
        Value::Array(items) if items.len() > MAX_ENTRIES => Err(AnswerError::TooMany(NAME)),
        Value::Array(items) if items.is_empty() => Err(AnswerError::BadValue(NAME)),
        Value::Array(items) => {
            let texts = items.iter().map(|item| plain(NAME, item, MAX_TEXT));
            texts.map(|text| text.map(str::to_owned)).collect()
        }
        one => Ok(vec![plain(NAME, one, MAX_TEXT)?.to_owned()]),
    }
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
