//! What is known in advance about the providers that many people use.
//!
//! A preset fills in the kind, the name, the issuer and how careful to be with addresses; whatever an administrator says beside it
//! wins. Part of an issuer may be known to the customer only, and is asked for by its own word: `{directory}` in the pattern is
//! `--directory` on the command line and `directory` in the configuration.
//!
//! How careful: who may have an account there? Where everybody may, an address chooses an account only after a proof (`confirm`);
//! where the organisation's own administrators give the addresses out, it may bind a first link by itself (`first_link`); where the
//! address is not vouched for at all, it chooses nothing (`off`). The scopes are those that the kind needs, so none is preset.

use curfew_protocol::upstream::metadata::is_endpoint;

use crate::status::ProviderKind;
use crate::upstream::EmailFallback;
use crate::upstream_draft::{Field, Flaw};

#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    pub word: &'static str,
    pub name: &'static str,
    pub kind: ProviderKind,
    issuer: &'static str,
    /// Others run the same software or service elsewhere, so another issuer may be named whole.
    elsewhere: bool,
    /// Where the REST interface is, below the issuer.
    api_path: Option<&'static str>,
    pub email_fallback: EmailFallback,
    /// It vouches for addresses, so that rules about their domains can be met.
    pub vouches_for_addresses: bool,
}

/// What a customer says about the issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerWords {
    /// All of it.
    pub issuer: Option<String>,
    pub domain_name: Option<String>,
    pub directory: Option<String>,
    pub realm: Option<String>,
}

impl Preset {
    pub const ALL: &'static [Self] = &[
        Self {
            word: "google",
            name: "Google",
            kind: ProviderKind::OpenId,
            issuer: "https://accounts.google.com",
            elsewhere: false,
            api_path: None,
            // Google vouches for addresses of other domains, too, which may have changed hands since.
            email_fallback: EmailFallback::Confirm,
            vouches_for_addresses: true,
        },
        Self {
            word: "entra",
            name: "Microsoft",
            kind: ProviderKind::OpenId,
            // The directory's own issuer. That of `common` and `organizations` is a pattern, and lets in every directory on earth.
            issuer: "https://login.microsoftonline.com/{directory}/v2.0",
            elsewhere: true,
            api_path: None,
            // Every directory's administrator writes any address into the claim, and nothing says that it was verified.
            email_fallback: EmailFallback::Off,
            vouches_for_addresses: false,
        },
        Self {
            word: "gitlab",
            name: "GitLab",
            kind: ProviderKind::OpenId,
            issuer: "https://gitlab.com",
            elsewhere: true,
            api_path: None,
            email_fallback: EmailFallback::Confirm,
            vouches_for_addresses: true,
        },
        Self {
            word: "okta",
            name: "Okta",
            kind: ProviderKind::OpenId,
            issuer: "https://{domain_name}",
            elsewhere: true,
            api_path: None,
            email_fallback: EmailFallback::FirstLink,
            vouches_for_addresses: true,
        },
        Self {
            word: "keycloak",
            name: "Keycloak",
            kind: ProviderKind::OpenId,
            issuer: "https://{domain_name}/realms/{realm}",
            elsewhere: true,
            api_path: None,
            email_fallback: EmailFallback::FirstLink,
            vouches_for_addresses: true,
        },
        Self {
            word: "github",
            name: "GitHub",
            kind: ProviderKind::GitHub,
            issuer: "https://github.com",
            elsewhere: false,
            api_path: None,
            email_fallback: EmailFallback::Confirm,
            vouches_for_addresses: true,
        },
        Self {
            word: "github-enterprise",
            name: "GitHub Enterprise",
            kind: ProviderKind::GitHub,
            issuer: "https://{domain_name}",
            elsewhere: true,
            api_path: Some("/api/v3"),
            email_fallback: EmailFallback::FirstLink,
            vouches_for_addresses: true,
        },
    ];

    pub fn by_word(word: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.word == word)
    }

    /// The issuer, from what the customer says.
    pub fn issuer(&self, words: &IssuerWords) -> Result<String, Flaw> {
        let parts = [
            (Field::DomainName, "{domain_name}", &words.domain_name),
            (Field::Directory, "{directory}", &words.directory),
            (Field::Realm, "{realm}", &words.realm),
        ];
        if let Some(whole) = &words.issuer {
            return self.whole_issuer(whole, parts.map(|(field, _, word)| (field, word)));
        }
        let mut issuer = self.issuer.to_owned();
        for (field, place, word) in parts {
            match (issuer.contains(place), word) {
                (true, Some(word)) => issuer = issuer.replace(place, &part(field, word)?),
                (true, None) => return Err(self.missing(field)),
                (false, Some(_)) => {
                    let word = self.word;
                    return Err(Flaw::new(
                        field,
                        format!(
                            "the issuer of the preset `{word}` does not depend on it; leave it out"
                        ),
                    ));
                }
                (false, None) => {}
            }
        }
        Ok(issuer)
    }

    fn whole_issuer(
        &self,
        whole: &str,
        parts: [(Field, &Option<String>); 3],
    ) -> Result<String, Flaw> {
        if !self.elsewhere && whole != self.issuer {
            let (word, own) = (self.word, self.issuer);
            return Err(Flaw::new(
                Field::Issuer,
                format!(
                    "the issuer of the preset `{word}` is {own} and no other; leave it out, or leave out the preset"
                ),
            ));
        }
        match parts.into_iter().find(|(_, word)| word.is_some()) {
            Some((field, _)) => Err(Flaw::new(
                field,
                "the issuer is written out whole beside it; leave out one of the two",
            )),
            None => Ok(whole.to_owned()),
        }
    }

    fn missing(&self, field: Field) -> Flaw {
        let what = match field {
            Field::Directory => {
                "the directory's (tenant's) id, such as 8d3f1c52-0000-4000-8000-a1b2c3d4e5f6"
            }
            Field::Realm => "the realm's name",
            _ => "the host's name, such as id.example.com",
        };
        let word = self.word;
        Flaw::new(
            field,
            format!("it is missing: the preset `{word}` needs {what}, or the whole issuer"),
        )
    }

    /// Where the REST interface is, when the software does not say it by itself.
    pub fn api_url(&self, issuer: &str) -> Option<String> {
        self.api_path.map(|path| format!("{issuer}{path}"))
    }
}

/// One part of an issuer, in the spelling that the provider uses itself.
fn part(field: Field, word: &str) -> Result<String, Flaw> {
    let (fits, remedy) = match field {
        Field::Directory => (
            is_guid(word),
            "it is no directory id; copy the \"Directory (tenant) ID\" of 32 digits and letters with hyphens. `common` and \
             `organizations` would let in every directory on earth",
        ),
        Field::Realm => (
            (1..=255).contains(&word.len())
                && word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
            "it is not a realm's name as it stands in addresses; write the whole issuer instead",
        ),
        _ => (
            !word.contains(['/', '?', '@', '\\']) && is_endpoint(&format!("https://{word}")),
            "it is no host's name; write it without https:// and without a path, such as id.example.com",
        ),
    };
    match (fits, field) {
        (false, _) => Err(Flaw::of_value(field, word, remedy)),
        (true, Field::Realm) => Ok(word.to_owned()),
        (true, _) => Ok(word.to_ascii_lowercase()),
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
#[path = "upstream_presets_tests.rs"]
mod tests;
