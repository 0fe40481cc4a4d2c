//! What a provider is described by, as options.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use curfew_policy::status::ProviderKind;
use curfew_policy::upstream::{EmailFallback, LegacyLinks, SignUps};
use curfew_policy::upstream_draft::ProviderDraft;
use curfew_policy::upstream_presets::{IssuerWords, Preset};
use curfew_protocol::Redacted;

use crate::commands::secrets;
use crate::failure::Failure;

/// Takes a list or a value away.
const NONE: &str = "none";

/// One of a few words.
fn one_of<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let known = PossibleValuesParser::new(words.iter().map(|(word, _)| *word));
    known.try_map(move |text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, value)| *value)
            .ok_or("there is no such word")
    })
}

fn preset() -> impl TypedValueParser<Value = &'static Preset> {
    let known = PossibleValuesParser::new(Preset::ALL.iter().map(|preset| preset.word));
    known.try_map(|word| Preset::by_word(&word).ok_or("there is no such preset"))
}

const KINDS: &[(&str, ProviderKind)] = &[
    ("openid", ProviderKind::OpenId),
    ("github", ProviderKind::GitHub),
];

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    slug: String,
    /// Fills in kind, issuer, name and a careful --email-fallback
    #[arg(long, value_parser = preset())]
    preset: Option<&'static Preset>,
    /// What the provider speaks; openid when neither kind nor preset is given
    #[arg(long, value_parser = one_of(KINDS))]
    kind: Option<ProviderKind>,
    /// The issuer exactly as the provider writes it; for GitHub the address of the site
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// okta, keycloak, github-enterprise: the host, instead of the whole issuer
    #[arg(long, value_name = "HOST")]
    domain_name: Option<String>,
    /// entra: the directory's (tenant's) id, instead of the whole issuer
    #[arg(long, value_name = "ID")]
    directory: Option<String>,
    /// keycloak: the realm, instead of the whole issuer
    #[arg(long)]
    realm: Option<String>,
    /// What the provider knows Curfew by
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Read the client secret from the standard input
    #[arg(long, required_unless_present = "no_client_secret")]
    client_secret_stdin: bool,
    /// There is none: Curfew is a public client there
    #[arg(long, conflicts_with = "client_secret_stdin")]
    no_client_secret: bool,
    #[command(flatten)]
    choices: Choices,
    /// Only people with a verified address in this domain; may be repeated
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Accounts made by signing in get no scope that writes, until a second proof
    #[arg(long)]
    quarantine: bool,
    /// A session, and what it approves, ends no later than the session at the provider
    #[arg(long)]
    bind_to_upstream: bool,
    /// Whoever comes with the verified address of an account is signed in to it, although another identity is bound to it
    #[arg(long)]
    dangerous_sign_in_by_email: bool,
    /// The provider writes "true" as a text, and that is believed
    #[arg(long)]
    email_verified_as_text: bool,
    /// github: membership in this organisation or team is needed; may be repeated
    #[arg(long = "organization", value_name = "ORG[/TEAM]")]
    organizations: Vec<String>,
    /// github: where the REST interface is, when not where it is usually
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// What is asked for at the provider; what the kind needs when left out
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

/// What is said in the same words when a provider is added and when it is changed.
#[derive(Debug, Args)]
struct Choices {
    /// What people read on the button
    #[arg(long)]
    name: Option<String>,
    /// May a verified address choose an account that is not bound yet?
    #[arg(long, value_parser = one_of(EmailFallback::WORDS))]
    email_fallback: Option<EmailFallback>,
    /// What becomes of an imported link without a subject when its person comes?
    #[arg(long, value_parser = one_of(LegacyLinks::WORDS))]
    legacy_links: Option<LegacyLinks>,
    /// May people without an account make one by signing in?
    #[arg(long, value_parser = one_of(SignUps::WORDS))]
    sign_ups: Option<SignUps>,
}

impl AddArgs {
    pub(super) fn slug(&self) -> &str {
        &self.slug
    }

    pub(super) fn client_secret(&self) -> Result<Option<Redacted<String>>, Failure> {
        let given = !self.no_client_secret;
        given.then(secrets::client_secret).transpose()
    }

    pub(super) fn draft(self) -> (String, ProviderDraft) {
        let draft = ProviderDraft {
            preset: self.preset,
            kind: self.kind,
            issuer: IssuerWords {
                issuer: self.issuer,
                domain_name: self.domain_name,
                directory: self.directory,
                realm: self.realm,
            },
            client_id: Some(self.client_id),
            name: self.choices.name,
            email_fallback: self.choices.email_fallback,
            legacy_links: self.choices.legacy_links,
            sign_ups: self.choices.sign_ups,
            domains: Some(self.domains),
            quarantine: Some(self.quarantine),
            bind_to_upstream: Some(self.bind_to_upstream),
            dangerous_sign_in_by_email: Some(self.dangerous_sign_in_by_email),
            email_verified_as_text: Some(self.email_verified_as_text),
            organizations: Some(self.organizations),
            api_url: self.api_url.map(Some),
            scopes: Some(self.scopes),
        };
        (self.slug, draft)
    }
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    slug: String,
    /// The issuer exactly as the provider writes it
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// What the provider knows Curfew by
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    #[command(flatten)]
    choices: Choices,
    /// Replaces all domains; `none` lets everybody in
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Option<Vec<String>>,
    /// Do accounts made by signing in get no scope that writes, until a second proof?
    #[arg(long, value_name = "true|false")]
    quarantine: Option<bool>,
    /// Does a session, and what it approves, end no later than the session at the provider?
    #[arg(long, value_name = "true|false")]
    bind_to_upstream: Option<bool>,
    /// Is whoever comes with the verified address of an account signed in to it, although another identity is bound to it?
    #[arg(long, value_name = "true|false")]
    dangerous_sign_in_by_email: Option<bool>,
    /// Does the provider write "true" as a text, and is that believed?
    #[arg(long, value_name = "true|false")]
    email_verified_as_text: Option<bool>,
    /// github: replaces all organisations and teams; `none` lets everybody in
    #[arg(long = "organization", value_name = "ORG[/TEAM]")]
    organizations: Option<Vec<String>>,
    /// github: where the REST interface is; `none` for where it is usually
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Replaces what is asked for at the provider; `none` for what the kind needs
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Option<Vec<String>>,
}

/// A list of `none` alone is empty.
fn emptied(list: Vec<String>) -> Vec<String> {
    if list == [NONE] { Vec::new() } else { list }
}

impl ChangeArgs {
    pub(super) fn draft(self) -> (String, ProviderDraft) {
        let draft = ProviderDraft {
            issuer: IssuerWords {
                issuer: self.issuer,
                ..IssuerWords::default()
            },
            client_id: self.client_id,
            name: self.choices.name,
            email_fallback: self.choices.email_fallback,
            legacy_links: self.choices.legacy_links,
            sign_ups: self.choices.sign_ups,
            domains: self.domains.map(emptied),
            quarantine: self.quarantine,
            bind_to_upstream: self.bind_to_upstream,
            dangerous_sign_in_by_email: self.dangerous_sign_in_by_email,
            email_verified_as_text: self.email_verified_as_text,
            organizations: self.organizations.map(emptied),
            api_url: self.api_url.map(|url| (url != NONE).then_some(url)),
            scopes: self.scopes.map(emptied),
            ..ProviderDraft::default()
        };
        (self.slug, draft)
    }
}

#[derive(Debug, Args)]
pub(crate) struct RebindArgs {
    pub(super) slug: String,
    /// The issuer under which the links are
    pub(super) old: String,
    /// The issuer under which they are to be
    pub(super) new: String,
    /// Only count them
    #[arg(long)]
    pub(super) dry_run: bool,
}
