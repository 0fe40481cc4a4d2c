//! The providers through which people sign in: one table each, named by the slug.

use std::path::{Path, PathBuf};

use curfew_admin::ConfiguredProvider;
use curfew_policy::resource::is_slug;
use curfew_policy::status::ProviderKind;
use curfew_policy::upstream::{EmailFallback, LegacyLinks, SignUps};
use curfew_policy::upstream_checks::check_secret;
use curfew_policy::upstream_draft::{CheckedProvider, Field, ProviderDraft};
use curfew_policy::upstream_presets::{IssuerWords, Preset};
use curfew_protocol::Redacted;

use super::raw::Raw;
use super::settings::{Shape, UPSTREAM};
use crate::failure::Failure;

/// Key, shape, default, meaning.
pub(super) const KEYS: &[(&str, Shape, &str, &str)] = &[
    (
        "preset",
        Shape::Text,
        "(none)",
        "google, entra, gitlab, okta, keycloak, github or github-enterprise: fills in kind, issuer, name and a careful `email_fallback`.",
    ),
    (
        "kind",
        Shape::Text,
        "openid",
        "openid (OpenID Connect) or github.",
    ),
    (
        "issuer",
        Shape::Text,
        "(required without a preset)",
        "The issuer exactly as the provider writes it; for GitHub the address of the site.",
    ),
    (
        "domain_name",
        Shape::Text,
        "(required by some presets)",
        "okta, keycloak, github-enterprise: the host, instead of the whole issuer.",
    ),
    (
        "directory",
        Shape::Text,
        "(required by some presets)",
        "entra: the directory's (tenant's) id, instead of the whole issuer.",
    ),
    (
        "realm",
        Shape::Text,
        "(required by some presets)",
        "keycloak: the realm, instead of the whole issuer.",
    ),
    (
        "client_id",
        Shape::Text,
        "(required)",
        "What the provider knows Curfew by.",
    ),
    (
        "client_secret",
        Shape::Text,
        "(none)",
        "The secret that goes with it. Better set by the variable or by `client_secret_file`. Without either, Curfew is a public client there.",
    ),
    (
        "client_secret_file",
        Shape::Text,
        "(none)",
        "A file that holds the secret and nothing else.",
    ),
    (
        "tenant",
        Shape::Text,
        "default",
        "The slug of the tenant whose people sign in there.",
    ),
    (
        "name",
        Shape::Text,
        "(the preset's, or NAME)",
        "What people read on the button.",
    ),
    (
        "email_fallback",
        Shape::Text,
        "(the preset's, or first_link)",
        "May a verified address choose an account that is not bound yet? off, confirm (after a proof) or first_link (at once for an account that never had a link, a password or a factor).",
    ),
    (
        "legacy_links",
        Shape::Text,
        "confirm",
        "What becomes of an imported link without a subject when its person comes: confirm, backfill or refuse.",
    ),
    (
        "sign_ups",
        Shape::Text,
        "off",
        "May people without an account make one by signing in? on, off or invite.",
    ),
    (
        "domains",
        Shape::List,
        "[]",
        "Only people with a verified address in one of these domains; everybody when empty.",
    ),
    (
        "quarantine",
        Shape::Switch,
        "false",
        "Accounts made by signing in get no scope that writes, until a second proof.",
    ),
    (
        "bind_to_upstream",
        Shape::Switch,
        "false",
        "A session, and what it approves, ends no later than the session at the provider.",
    ),
    (
        "dangerous_sign_in_by_email",
        Shape::Switch,
        "false",
        "Whoever comes with the verified address of an account is signed in to it, although another identity is bound to it.",
    ),
    (
        "email_verified_as_text",
        Shape::Switch,
        "false",
        "The provider writes the text \"true\" where the specification has the value, and that is believed.",
    ),
    (
        "organizations",
        Shape::List,
        "[]",
        "github: ORG or ORG/TEAM; membership in one of them is needed. Everybody when empty.",
    ),
    (
        "api_url",
        Shape::Text,
        "(where it is usually)",
        "github: where the REST interface is.",
    ),
    (
        "scopes",
        Shape::List,
        "(what the kind needs)",
        "What is asked for at the provider.",
    ),
];

/// A provider, checked; its secret may still lie in a file.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamSettings {
    pub(crate) tenant: String,
    pub(crate) slug: String,
    pub(crate) checked: CheckedProvider,
    secret: Secret,
}

#[derive(Clone, Debug)]
enum Secret {
    None,
    Plain(Redacted<String>),
    File(PathBuf),
}

impl UpstreamSettings {
    pub(super) fn take_all(raw: &mut Raw, base: &Path) -> Vec<Self> {
        let names = raw.names();
        let taken = names.into_iter().map(|slug| Self::take(raw, base, slug));
        taken.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn take(raw: &mut Raw, base: &Path, slug: String) -> Option<Self> {
        let mut table = Table { raw, name: &slug };
        let draft = table.draft();
        let tenant = table.text("tenant").unwrap_or_else(|| "default".to_owned());
        if !is_slug(&tenant) {
            table.wrong(
                "tenant",
                "it is no tenant's slug; `curfew tenant list` shows them",
            );
        }
        let secret = table.secret(base);
        match draft.complete(&slug) {
            Err(flaws) => {
                for flaw in flaws {
                    table.wrong(flaw.field.key(), &flaw.problem);
                }
                None
            }
            Ok(checked) => {
                let plain = match &secret {
                    Secret::None => Some(None),
                    Secret::Plain(secret) => Some(Some(secret.0.as_str())),
                    Secret::File(_) => None,
                };
                if let Some(plain) = plain
                    && let Err(flaw) = check_secret(checked.kind, plain)
                {
                    table.wrong(flaw.field.key(), &flaw.problem);
                }
                Some(Self {
                    tenant,
                    slug,
                    checked,
                    secret,
                })
            }
        }
    }

    /// As the database is to have it; reads the secret's file.
    pub(crate) fn configured(&self) -> Result<ConfiguredProvider, Failure> {
        let secret = match &self.secret {
            Secret::None => None,
            Secret::Plain(secret) => Some(secret.clone()),
            Secret::File(file) => Some(self.read_secret_file(file)?),
        };
        Ok(ConfiguredProvider {
            tenant: self.tenant.clone(),
            slug: self.slug.clone(),
            checked: self.checked.clone(),
            secret,
        })
    }

    fn read_secret_file(&self, file: &Path) -> Result<Redacted<String>, Failure> {
        let key = format!("{UPSTREAM}.{}.client_secret_file", self.slug);
        let text = std::fs::read_to_string(file).map_err(|source| {
            Failure::io(format!("{key} = {} cannot be read", file.display()), source)
        })?;
        let secret = Redacted(text.trim_end_matches(['\n', '\r']).to_owned());
        match check_secret(self.checked.kind, Some(&secret.0)) {
            Ok(()) => Ok(secret),
            Err(flaw) => Err(Failure::told(format!(
                "{key} = {}: {}",
                file.display(),
                flaw.problem
            ))),
        }
    }
}

/// One table of the section.
struct Table<'r> {
    raw: &'r mut Raw,
    name: &'r str,
}

impl Table<'_> {
    fn key(&self, key: &str) -> String {
        format!("{UPSTREAM}.{}.{key}", self.name)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let key = self.key(key);
        self.raw.text(&key)
    }

    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let key = self.key(key);
        self.raw.list(&key)
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let key = self.key(key);
        self.raw.flag(&key)
    }

    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let key = self.key(key);
        self.raw.choice(&key, choices)
    }

    fn wrong(&mut self, key: &str, problem: &str) {
        let key = self.key(key);
        self.raw.also_wrong(&key, problem);
    }

    fn draft(&mut self) -> ProviderDraft {
        let presets: Vec<(&str, &'static Preset)> = Preset::ALL
            .iter()
            .map(|preset| (preset.word, preset))
            .collect();
        let kinds = [
            ("openid", ProviderKind::OpenId),
            ("github", ProviderKind::GitHub),
        ];
        ProviderDraft {
            preset: self.choice("preset", &presets),
            kind: self.choice("kind", &kinds),
            issuer: IssuerWords {
                issuer: self.text("issuer"),
                domain_name: self.text("domain_name"),
                directory: self.text("directory"),
                realm: self.text("realm"),
            },
            client_id: self.text("client_id"),
            name: self.text("name"),
            email_fallback: self.choice("email_fallback", EmailFallback::WORDS),
            legacy_links: self.choice("legacy_links", LegacyLinks::WORDS),
            sign_ups: self.choice("sign_ups", SignUps::WORDS),
            domains: self.list("domains"),
            quarantine: self.flag("quarantine"),
            bind_to_upstream: self.flag("bind_to_upstream"),
            dangerous_sign_in_by_email: self.flag("dangerous_sign_in_by_email"),
            email_verified_as_text: self.flag("email_verified_as_text"),
            organizations: self.list("organizations"),
            api_url: self.text("api_url").map(Some),
            scopes: self.list("scopes"),
        }
    }

    fn secret(&mut self, base: &Path) -> Secret {
        let own = Field::ClientSecret.key();
        match (self.text(own), self.text("client_secret_file")) {
            (None, None) => Secret::None,
            (Some(secret), None) => Secret::Plain(Redacted(secret)),
            (None, Some(file)) => Secret::File(base.join(file)),
            (Some(secret), Some(_)) => {
                self.wrong(
                    "client_secret_file",
                    "the secret is set beside it; leave out one of the two",
                );
                Secret::Plain(Redacted(secret))
            }
        }
    }
}
