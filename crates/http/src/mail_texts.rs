//! What our mails say: subject and body, in the language of the person.
//!
//! They are made here, and not in a capability, because the account pages and the command line both invite people.

use curfew_protocol::{Lifetime, Redacted, Timestamp};

use crate::pages::{Language, Pages, moment_text};

/// A mail, ready to be queued. The body may hold a link that is as good as a password.
#[derive(Clone, Debug)]
pub struct MailText {
    pub subject: String,
    pub body: Redacted<String>,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// A link to set a new password was asked for.
    PasswordReset,
    /// There is a new account.
    Invitation,
    /// The password was changed; the link leads to where another is asked for.
    PasswordChanged,
    /// A device was approved; the link undoes it. Needs [`DeviceFacts`].
    DeviceApproved,
    /// An upstream identity was bound to the account; the link takes it away again. Needs [`IdentityFacts`].
    IdentityLinked,
    /// An upstream identity was taken from the account; the link brings it back. Needs [`IdentityFacts`].
    IdentityUnlinked,
    /// The account got another address; the link, sent to the old one, puts that back. Needs [`IdentityFacts`].
    AddressChanged,
    /// An address of before is the account's again, and not this one; nothing undoes that. Needs [`IdentityFacts`].
    AddressPutBack,
    /// The link proves that the address is its reader's.
    AddressProof,
    /// The link proves that the account is whose upstream identity wants to be bound to it. Needs [`IdentityFacts`].
    IdentityProof,
}

impl MailKind {
    pub const ALL: [Self; 10] = [
        Self::PasswordReset,
        Self::Invitation,
        Self::PasswordChanged,
        Self::DeviceApproved,
        Self::IdentityLinked,
        Self::IdentityUnlinked,
        Self::AddressChanged,
        Self::AddressPutBack,
        Self::AddressProof,
        Self::IdentityProof,
    ];

    const fn key(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Invitation => "invitation",
            Self::PasswordChanged => "password_changed",
            Self::DeviceApproved => "device_approved",
            Self::IdentityLinked => "identity_linked",
            Self::IdentityUnlinked => "identity_unlinked",
            Self::AddressChanged => "address_changed",
            Self::AddressPutBack => "address_put_back",
            Self::AddressProof => "address_proof",
            Self::IdentityProof => "identity_proof",
        }
    }
}

/// Whom a mail speaks to, and of what.
#[derive(Clone, Copy, Debug)]
pub struct MailFacts<'a> {
    /// The tenant's display name.
    pub place: &'a str,
    pub username: &'a str,
    /// An absolute URL.
    pub link: &'a str,
    /// How long the link lives; nothing for a link without an end.
    pub lasts: Option<Lifetime>,
}

/// What a mail tells of a device that was approved. All but the time comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct DeviceFacts<'a> {
    /// The name of the client that runs on it.
    pub client: &'a str,
    pub at: Timestamp,
    pub ip: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

/// What a mail tells of a change of how somebody signs in. All but the time comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct IdentityFacts<'a> {
    /// The provider's name; empty where none is concerned.
    pub provider: &'a str,
    /// What the person recognises the identity by; empty where none is concerned.
    pub identity: &'a str,
    pub at: Timestamp,
    pub ip: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

/// Writes the mail that tells of a change of how somebody signs in.
pub fn identity_changed(
    pages: &Pages,
    language: &Language,
    (kind, facts): (MailKind, MailFacts<'_>),
    identity: IdentityFacts<'_>,
) -> MailText {
    let known = |fact: Option<&str>| known(pages, language, fact);
    let (provider, name) = (one_line(identity.provider), known(Some(identity.identity)));
    let (ip, user_agent) = (known(identity.ip), known(identity.user_agent));
    let time = moment_text(identity.at.seconds());
    let more = [
        ("provider", provider.as_str()),
        ("identity", name.as_str()),
        ("time", time.as_str()),
        ("ip", ip.as_str()),
        ("user_agent", user_agent.as_str()),
    ];
    write_with(pages, language, (kind, facts), &more)
}

/// Writes the mail that tells of an approved device.
pub fn device_approved(
    pages: &Pages,
    language: &Language,
    facts: MailFacts<'_>,
    device: DeviceFacts<'_>,
) -> MailText {
    let (client, time) = (one_line(device.client), moment_text(device.at.seconds()));
    let known = |fact: Option<&str>| known(pages, language, fact);
    let (ip, user_agent) = (known(device.ip), known(device.user_agent));
    let more = [
        ("client", client.as_str()),
        ("time", time.as_str()),
        ("ip", ip.as_str()),
        ("user_agent", user_agent.as_str()),
    ];
    write_with(pages, language, (MailKind::DeviceApproved, facts), &more)
}

/// Writes a mail.
pub fn write(pages: &Pages, language: &Language, kind: MailKind, facts: MailFacts<'_>) -> MailText {
    write_with(pages, language, (kind, facts), &[])
}

fn write_with(
    pages: &Pages,
    language: &Language,
    (kind, facts): (MailKind, MailFacts<'_>),
    more: &[(&str, &str)],
) -> MailText {
    let duration = facts
        .lasts
        .map(|lasts| duration(pages, language, lasts))
        .unwrap_or_default();
    let (place, username) = (one_line(facts.place), one_line(facts.username));
    let arguments = [
        ("place", place.as_str()),
        ("username", username.as_str()),
        ("link", facts.link),
        ("duration", duration.as_str()),
    ];
    let arguments = [&arguments[..], more].concat();
    let text =
        |part: &str| pages.text(language, &format!("mail.{}.{part}", kind.key()), &arguments);
    MailText {
        subject: text("subject"),
        body: Redacted(text("body")),
    }
}

/// In the largest unit that leaves no remainder.
fn duration(pages: &Pages, language: &Language, lasts: Lifetime) -> String {
    let minutes = (lasts.seconds() / 60).max(1);
    let (unit, count) = match minutes {
        days if days % (24 * 60) == 0 => ("days", days / (24 * 60)),
        hours if hours % 60 == 0 => ("hours", hours / 60),
        minutes => ("minutes", minutes),
    };
    let count = count.to_string();
    pages.text(
        language,
        &format!("duration.{unit}"),
        &[("count", count.as_str())],
    )
}

/// A fact from outside in one line, or the word for one that nobody knows.
fn known(pages: &Pages, language: &Language, fact: Option<&str>) -> String {
    let fact = fact.map(one_line).filter(|fact| !fact.trim().is_empty());
    fact.unwrap_or_else(|| pages.text(language, "mail.unknown", &[]))
}

/// A name goes into the subject, where a line break would begin another header.
fn one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_says_who_where_and_how_in_every_language() {
        let pages = Pages::new(&[], None).unwrap();
        for language in pages.languages() {
            for kind in MailKind::ALL {
                let facts = MailFacts {
                    place: "Harbour\r\nBcc: x@y.example",
                    username: "ada",
                    link: "https://id.example/login/password?link=cfml_x",
                    lasts: Some(Lifetime::from_seconds(900)),
                };
                let mail = write(&pages, language, kind, facts);
                assert!(mail.subject.contains("Harbour") && !mail.subject.contains(['\r', '\n']));
                assert!(!mail.subject.contains("mail."), "{}", mail.subject);
                let body = mail.body.0;
                let leads_on = kind != MailKind::AddressPutBack;
                let link = "\nhttps://id.example/login/password?link=cfml_x\n";
                assert_eq!(body.contains(link), leads_on, "{body}");
                assert!(body.contains("ada") && !body.contains(['{', '}']), "{body}");
                let has_end = leads_on && kind != MailKind::PasswordChanged;
                assert_eq!(body.contains("15 "), has_end, "{body}");
            }
        }
    }

    #[test]
    fn a_duration_is_told_in_its_largest_whole_unit() {
        let pages = Pages::new(&[], None).unwrap();
        let told = |seconds| {
            duration(
                &pages,
                &Language::english(),
                Lifetime::from_seconds(seconds),
            )
        };
        assert_eq!(
            [told(30), told(5_400), told(3_600), told(604_800)],
            ["one minute", "90 minutes", "one hour", "7 days"]
        );
    }
}
