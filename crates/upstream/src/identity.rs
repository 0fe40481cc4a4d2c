//! Who somebody is at a provider, once everything about it was checked.

use curfew_protocol::Timestamp;
use curfew_protocol::upstream::{EmailClaims, EmailVerified};

use crate::failure::is_unprintable;

/// The longest text that a person is shown as the name of an identity, in characters.
const DISPLAY_CHARS: usize = 100;

/// An identity that a provider vouches for. Only those who speak to a provider can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamIdentity {
    issuer: String,
    subject: String,
    email: EmailClaims,
    name: Option<String>,
    display: String,
    sid: Option<String>,
    ends_at: Option<Timestamp>,
    auth_time: Option<Timestamp>,
}

/// What an identity is made of, by those who checked it.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: EmailClaims,
    pub(crate) name: Option<String>,
    /// What the person may know the identity by; the best comes first.
    pub(crate) known_as: Vec<String>,
    pub(crate) sid: Option<String>,
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) auth_time: Option<Timestamp>,
}

impl UpstreamIdentity {
    pub(crate) fn new(checked: Checked) -> Self {
        let known_as = checked.known_as.iter().chain([&checked.subject]);
        let display = known_as
            .map(|text| shown(text))
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        Self {
            display,
            name: checked.name.map(|name| shown(&name)),
            issuer: checked.issuer,
            subject: checked.subject,
            email: checked.email,
            sid: checked.sid,
            ends_at: checked.ends_at,
            auth_time: checked.auth_time,
        }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The address and what the provider says about it, out of one object (B08).
    pub const fn email_claims(&self) -> &EmailClaims {
        &self.email
    }

    pub fn email(&self) -> Option<&str> {
        self.email.email.as_deref()
    }

    pub const fn email_verified(&self) -> EmailVerified {
        self.email.verified
    }

    /// Only shown.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What the person recognises the identity by: one line without control characters.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The session at the provider, if it names it.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// When what the provider gave ends there (B50).
    pub const fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// When the person last proved to the provider who they are.
    pub const fn auth_time(&self) -> Option<Timestamp> {
        self.auth_time
    }
}

fn shown(text: &str) -> String {
    let kept = text.chars().filter(|c| !is_unprintable(*c));
    let cut: String = kept.take(DISPLAY_CHARS).collect();
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(known_as: &[&str]) -> String {
        let identity = UpstreamIdentity::new(Checked {
            issuer: "https://idp.example".to_owned(),
            subject: "u-1".to_owned(),
            email: EmailClaims {
                email: None,
                verified: EmailVerified::Absent,
            },
            name: None,
            known_as: known_as.iter().map(|text| (*text).to_owned()).collect(),
            sid: None,
            ends_at: None,
            auth_time: None,
        });
        identity.display().to_owned()
    }

    #[test]
    fn what_a_person_is_shown_is_one_short_line() {
        assert_eq!(display(&["ada", "Ada"]), "ada");
        assert_eq!(display(&[" \u{202e} ", "Ada\r\n L."]), "Ada L.");
        assert_eq!(display(&["\u{0}"]), "u-1");
        assert_eq!(display(&[&"ä".repeat(300)]).chars().count(), DISPLAY_CHARS);
    }
}
