//! A provider as an administrator describes it, on the command line or in the configuration, and whether that can work.
//!
//! 1. A [`ProviderDraft`] holds what was said, and nothing that was not.
//! 2. It is laid over what there is: the preset and the careful defaults for a new provider ([`ProviderDraft::complete`]), the
//!    provider as it stands for a change ([`ProviderDraft::apply`]).
//! 3. The whole is checked. Every [`Flaw`] names its [`Field`], so that the command line can say `--email-fallback` and the
//!    configuration `upstream.NAME.email_fallback`. What comes out is a [`CheckedProvider`], which nothing else makes.

use crate::status::ProviderKind;
use crate::upstream::{EmailFallback, LegacyLinks, ProviderPolicy, ProviderSettings, SignUps};
use crate::upstream_checks::{check, domain_list, organization_rules};
use crate::upstream_presets::{IssuerWords, Preset};

macro_rules! fields {
    ($($variant:ident $key:literal $option:literal,)*) => {
        /// What a provider is described by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field { $($variant,)* }

        impl Field {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its key in the configuration.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// Its option on the command line.
            pub const fn option(self) -> &'static str {
                match self { $(Self::$variant => $option,)* }
            }
        }
    };
}

fields! {
    Preset "preset" "--preset",
    Kind "kind" "--kind",
    Issuer "issuer" "--issuer",
    DomainName "domain_name" "--domain-name",
    Directory "directory" "--directory",
    Realm "realm" "--realm",
    ClientId "client_id" "--client-id",
    ClientSecret "client_secret" "--client-secret-stdin",
    Name "name" "--name",
    EmailFallback "email_fallback" "--email-fallback",
    LegacyLinks "legacy_links" "--legacy-links",
    SignUps "sign_ups" "--sign-ups",
    Domains "domains" "--domain",
    Quarantine "quarantine" "--quarantine",
    BindToUpstream "bind_to_upstream" "--bind-to-upstream",
    DangerousSignInByEmail "dangerous_sign_in_by_email" "--dangerous-sign-in-by-email",
    EmailVerifiedAsText "email_verified_as_text" "--email-verified-as-text",
    Organizations "organizations" "--organization",
    ApiUrl "api_url" "--api-url",
    Scopes "scopes" "--scope",
}

/// What is wrong with a description, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub field: Field,
    pub problem: String,
}

impl Flaw {
    pub(crate) fn new(field: Field, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }

    /// One value among several is meant.
    pub(crate) fn of_value(field: Field, value: &str, problem: &str) -> Self {
        Self::new(field, format!("`{}`: {problem}", value.escape_debug()))
    }
}

/// What was said about a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderDraft {
    pub preset: Option<&'static Preset>,
    pub kind: Option<ProviderKind>,
    pub issuer: IssuerWords,
    pub client_id: Option<String>,
    pub name: Option<String>,
    pub email_fallback: Option<EmailFallback>,
    pub legacy_links: Option<LegacyLinks>,
    pub sign_ups: Option<SignUps>,
    pub domains: Option<Vec<String>>,
    pub quarantine: Option<bool>,
    pub bind_to_upstream: Option<bool>,
    pub dangerous_sign_in_by_email: Option<bool>,
    pub email_verified_as_text: Option<bool>,
    /// Each `ORG` or `ORG/TEAM`.
    pub organizations: Option<Vec<String>>,
    /// `Some(None)`: where it is usually.
    pub api_url: Option<Option<String>>,
    pub scopes: Option<Vec<String>>,
}

/// A provider whose description was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedProvider {
    pub kind: ProviderKind,
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub settings: ProviderSettings,
}

/// A provider as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'p> {
    pub kind: ProviderKind,
    pub name: &'p str,
    pub issuer: &'p str,
    pub client_id: &'p str,
    pub settings: &'p ProviderSettings,
}

impl ProviderDraft {
    /// A new provider, called `slug` where nobody says what people call it.
    pub fn complete(self, slug: &str) -> Result<CheckedProvider, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let kind = match (self.preset, self.kind) {
            (Some(preset), Some(kind)) if kind != preset.kind => {
                let (word, own) = (preset.word, preset.kind);
                let problem = format!("the preset `{word}` is of the kind {own}; leave it out");
                flaws.push(Flaw::new(Field::Kind, problem));
                own
            }
            (Some(preset), _) => preset.kind,
            (None, kind) => kind.unwrap_or(ProviderKind::OpenId),
        };
        let issuer = self.whole_issuer(&mut flaws);
        if self.client_id.is_none() {
            flaws.push(Flaw::new(
                Field::ClientId,
                "it is missing: write what the provider knows Curfew by",
            ));
        }
        let vouches = self
            .preset
            .is_none_or(|preset| preset.vouches_for_addresses);
        if !vouches && self.domains.as_ref().is_some_and(|list| !list.is_empty()) {
            flaws.push(Flaw::new(
                Field::Domains,
                "nobody would get in: this provider does not say that addresses are verified, and only verified ones count. \
                 The issuer lets in one directory and no other as it is",
            ));
        }
        let fallback = self
            .preset
            .map_or_else(EmailFallback::default, |preset| preset.email_fallback);
        let whole = CheckedProvider {
            kind,
            name: self
                .preset
                .map_or_else(|| slug.to_owned(), |preset| preset.name.to_owned()),
            client_id: String::new(),
            settings: ProviderSettings {
                policy: ProviderPolicy {
                    email_fallback: fallback,
                    ..ProviderPolicy::default()
                },
                api_url: self.preset.and_then(|preset| preset.api_url(&issuer)),
                ..ProviderSettings::default()
            },
            issuer,
        };
        self.checked(whole, flaws)
    }

    /// The whole issuer; what is wrong with it is noted.
    fn whole_issuer(&self, flaws: &mut Vec<Flaw>) -> String {
        let found = match (self.preset, &self.issuer.issuer) {
            (Some(preset), _) => preset.issuer(&self.issuer),
            (None, Some(whole)) => Ok(whole.clone()),
            (None, None) => Err(Flaw::new(
                Field::Issuer,
                "it is missing: write the provider's issuer exactly as the provider does, or name a preset",
            )),
        };
        let parts = [
            (Field::DomainName, &self.issuer.domain_name),
            (Field::Directory, &self.issuer.directory),
            (Field::Realm, &self.issuer.realm),
        ];
        let stray = parts
            .into_iter()
            .filter(|(_, word)| self.preset.is_none() && word.is_some());
        flaws
            .extend(stray.map(|(field, _)| {
                Flaw::new(field, "it goes with a preset only; write the issuer")
            }));
        found.unwrap_or_else(|flaw| {
            flaws.push(flaw);
            // Something that is in order, so that this is the only complaint about it.
            "https://issuer.invalid".to_owned()
        })
    }

    /// A provider as it stands, changed.
    pub fn apply(self, standing: Standing<'_>) -> Result<CheckedProvider, Vec<Flaw>> {
        let whole = CheckedProvider {
            kind: standing.kind,
            name: standing.name.to_owned(),
            issuer: self
                .issuer
                .issuer
                .clone()
                .unwrap_or_else(|| standing.issuer.to_owned()),
            client_id: standing.client_id.to_owned(),
            settings: standing.settings.clone(),
        };
        self.checked(whole, Vec::new())
    }

    /// Lays what was said over `whole`, and checks it.
    fn checked(
        self,
        mut whole: CheckedProvider,
        mut flaws: Vec<Flaw>,
    ) -> Result<CheckedProvider, Vec<Flaw>> {
        whole.name = self.name.unwrap_or(whole.name);
        let named = self.client_id.is_some() || !whole.client_id.is_empty();
        whole.client_id = self.client_id.unwrap_or(whole.client_id);
        let policy = &mut whole.settings.policy;
        overlay(&mut policy.email_fallback, self.email_fallback);
        overlay(&mut policy.legacy_links, self.legacy_links);
        overlay(&mut policy.sign_ups, self.sign_ups);
        overlay(&mut policy.quarantine, self.quarantine);
        overlay(&mut policy.bind_to_upstream, self.bind_to_upstream);
        let (dangerous, text) = (self.dangerous_sign_in_by_email, self.email_verified_as_text);
        overlay(&mut policy.dangerous_sign_in_by_email, dangerous);
        overlay(&mut policy.email_verified_as_text, text);
        if let Some(domains) = self.domains {
            policy.domains = domain_list(&domains, &mut flaws);
        }
        if let Some(organizations) = self.organizations {
            whole.settings.organizations = organization_rules(&organizations, &mut flaws);
        }
        overlay(&mut whole.settings.api_url, self.api_url);
        overlay(&mut whole.settings.scopes, self.scopes);
        check(&whole, named, &mut flaws);
        if flaws.is_empty() {
            Ok(whole)
        } else {
            Err(flaws)
        }
    }
}

fn overlay<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}

#[cfg(test)]
#[path = "upstream_draft_tests.rs"]
mod tests;
