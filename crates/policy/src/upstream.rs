//! What an administrator decides about an upstream identity provider: whom it may let in, and how an account is found.
//!
//! These are settings, not judgement: `linking.rs` judges by them. Each default is the careful choice, and a weak setting has
//! `dangerous` in its name.

use serde::{Deserialize, Serialize};

/// The words of a choice, as an administrator writes them and as they are stored.
macro_rules! words {
    ($name:ident: $($word:literal $variant:ident,)*) => {
        impl $name {
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant),)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

/// May a verified e-mail address choose an account that the subject is not bound to yet?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailFallback {
    /// Never.
    Off,
    /// Only after a proof: the mailbox, or a live session of the account.
    Confirm,
    /// At once for an account that never had a link, a password or a factor; for any other after a proof.
    #[default]
    FirstLink,
}

words! { EmailFallback: "off" Off, "confirm" Confirm, "first_link" FirstLink, }

/// What becomes of an imported link that has no subject yet, when its person comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegacyLinks {
    /// A proof is asked for first.
    #[default]
    Confirm,
    /// The first subject with the verified address of the account gets the link.
    Backfill,
    /// Nobody gets in through it.
    Refuse,
}

words! { LegacyLinks: "confirm" Confirm, "backfill" Backfill, "refuse" Refuse, }

/// May people without an account make one by signing in?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUps {
    On,
    #[default]
    Off,
    /// Only from the link of an invitation.
    Invite,
}

words! { SignUps: "on" On, "off" Off, "invite" Invite, }

/// An organisation that a person must belong to (GitHub), and the teams of it of which one is enough; none: the organisation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationRule {
    pub organization: String,
    #[serde(default)]
    pub teams: Vec<String>,
}

/// Everything that is set about a provider besides who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSettings {
    pub policy: ProviderPolicy,
    /// Asked for at the provider; empty: what the kind needs.
    pub scopes: Vec<String>,
    /// GitHub only: where its REST interface is, when not where it is usually.
    pub api_url: Option<String>,
    /// GitHub only; empty: everybody. Membership in any one of them is enough.
    pub organizations: Vec<OrganizationRule>,
}

/// The rules of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderPolicy {
    pub email_fallback: EmailFallback,
    pub legacy_links: LegacyLinks,
    pub sign_ups: SignUps,
    /// Whoever comes with the verified address of an account is signed in to it, although another subject is bound to it.
    pub dangerous_sign_in_by_email: bool,
    /// Only people with a verified address in one of these domains (A-labels, compared whole); empty: everybody.
    pub domains: Vec<String>,
    /// Accounts made by signing in get no scope that writes, until a second proof.
    pub quarantine: bool,
    /// Our session, and what it approves, ends no later than the session upstream.
    pub bind_to_upstream: bool,
    /// The provider writes `"true"` where the specification has `true`, and that is believed.
    pub email_verified_as_text: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_as_it_is_stored() {
        fn check<T: Copy + Serialize>(words: &[(&str, T)]) {
            for (word, choice) in words {
                assert_eq!(serde_json::json!(choice), *word);
            }
        }
        check(EmailFallback::WORDS);
        check(LegacyLinks::WORDS);
        check(SignUps::WORDS);
        assert_eq!(EmailFallback::default().as_str(), "first_link");
        assert_eq!(LegacyLinks::default().as_str(), "confirm");
        assert_eq!(SignUps::default().as_str(), "off");
    }
}
