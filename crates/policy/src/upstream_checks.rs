//! Can a provider work as it is described? One function for each part of the description; all mistakes are told at once.

use std::collections::BTreeSet;

use curfew_protocol::upstream::metadata::is_endpoint;

use crate::linking::parse_domain;
use crate::redirect::origin;
use crate::resource::is_display;
use crate::status::ProviderKind;
use crate::upstream::{LegacyLinks, OrganizationRule, ProviderPolicy, ProviderSettings};
use crate::upstream_draft::{CheckedProvider, Field, Flaw};

/// A-labels, each once (B45).
pub(crate) fn domain_list(texts: &[String], flaws: &mut Vec<Flaw>) -> Vec<String> {
    let mut domains = Vec::new();
    for text in texts {
        match parse_domain(text) {
            Some(domain) if !domains.contains(&domain) => domains.push(domain),
            Some(_) => {}
            None => flaws.push(Flaw::of_value(
                Field::Domains,
                text,
                "it is no domain; write what stands behind the @ of an address, all of it and without the @, such as example.com",
            )),
        }
    }
    domains
}

/// `ORG` and `ORG/TEAM`, one rule for each organisation.
pub(crate) fn organization_rules(texts: &[String], flaws: &mut Vec<Flaw>) -> Vec<OrganizationRule> {
    let mut rules: Vec<OrganizationRule> = Vec::new();
    let mut whole: BTreeSet<String> = BTreeSet::new();
    for text in texts {
        let (organization, team) = text
            .split_once('/')
            .map_or((text.as_str(), None), |(organization, team)| {
                (organization, Some(team))
            });
        if !is_login(organization) || !team.is_none_or(is_login) {
            flaws.push(Flaw::of_value(
                Field::Organizations,
                text,
                "it is neither ORGANISATION nor ORGANISATION/TEAM, as GitHub has them in its addresses",
            ));
            continue;
        }
        // GitHub takes no notice of the case of logins.
        let same =
            |rule: &&mut OrganizationRule| rule.organization.eq_ignore_ascii_case(organization);
        if team.is_none() {
            whole.insert(organization.to_ascii_lowercase());
        }
        let team = team.map(str::to_owned);
        match rules.iter_mut().find(same) {
            Some(rule) => rule
                .teams
                .extend(team.filter(|team| !rule.teams.contains(team))),
            None => rules.push(OrganizationRule {
                organization: organization.to_owned(),
                teams: team.into_iter().collect(),
            }),
        }
    }
    let both = |rule: &&OrganizationRule| {
        !rule.teams.is_empty() && whole.contains(&rule.organization.to_ascii_lowercase())
    };
    if let Some(rule) = rules.iter().find(both) {
        flaws.push(Flaw::of_value(
            Field::Organizations,
            &rule.organization,
            "it is named with a team and without, so the team would mean nothing; leave out one of the two",
        ));
    }
    rules
}

fn is_login(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !text.bytes().all(|b| b == b'.')
}

/// The rules for the whole.
pub(crate) fn check(whole: &CheckedProvider, named: bool, flaws: &mut Vec<Flaw>) {
    let mut wrong = |field, problem: &str| flaws.push(Flaw::new(field, problem));
    if !is_display(&whole.name) {
        wrong(
            Field::Name,
            "it is empty, longer than 200 characters, or has a line break in it; write one short line",
        );
    }
    if !is_endpoint(&whole.issuer) || whole.issuer.contains('?') {
        wrong(
            Field::Issuer,
            "it is no https address without query, fragment and user name (http only for 127.0.0.1, [::1] and localhost); write the \
             issuer exactly as the provider does",
        );
    }
    let words = whole.client_id.bytes().all(|b| (0x20..=0x7e).contains(&b));
    if named && !(words && (1..=512).contains(&whole.client_id.len())) {
        wrong(
            Field::ClientId,
            "it is empty, longer than 512 characters, or not plain ASCII; copy it from the provider",
        );
    }
    match whole.kind {
        ProviderKind::OpenId => check_openid(&whole.settings, &mut wrong),
        ProviderKind::GitHub => check_github(whole, &mut wrong),
    }
    for scope in &whole.settings.scopes {
        // RFC 6749 §3.3
        let token = |b: u8| b == 0x21 || (0x23..=0x5b).contains(&b) || (0x5d..=0x7e).contains(&b);
        if scope.is_empty() || !scope.bytes().all(token) {
            flaws.push(Flaw::of_value(
                Field::Scopes,
                scope,
                "it is no scope; write one word of printable ASCII for each",
            ));
        }
    }
}

fn check_openid(settings: &ProviderSettings, wrong: &mut impl FnMut(Field, &str)) {
    let only_github = "it is for GitHub only; leave it out";
    if !settings.organizations.is_empty() {
        wrong(Field::Organizations, only_github);
    }
    if settings.api_url.is_some() {
        wrong(Field::ApiUrl, only_github);
    }
    if !settings.scopes.is_empty() && !settings.scopes.iter().any(|scope| scope == "openid") {
        wrong(
            Field::Scopes,
            "`openid` is missing, without which there is no ID token; add it, or leave the scopes out for openid, email and profile",
        );
    }
}

fn check_github(whole: &CheckedProvider, wrong: &mut impl FnMut(Field, &str)) {
    let settings = &whole.settings;
    let site = origin(&whole.issuer);
    if is_endpoint(&whole.issuer) && site.as_deref() != Some(whole.issuer.as_str()) {
        wrong(
            Field::Issuer,
            "GitHub is named by its site alone, such as https://github.com; write it in lower case, without a path and without a \
             slash at the end",
        );
    }
    if let Some(api) = &settings.api_url
        && (!is_endpoint(api) || api.contains('?') || api.ends_with('/'))
    {
        wrong(
            Field::ApiUrl,
            "it is no https address without query and without a slash at the end; write it like https://github.example.com/api/v3",
        );
    }
    if settings.policy.bind_to_upstream {
        wrong(
            Field::BindToUpstream,
            "GitHub does not say when its sessions end, so nothing can be bound to them; leave it out",
        );
    }
    if settings.policy.email_verified_as_text {
        wrong(
            Field::EmailVerifiedAsText,
            "it is for OpenID Connect only; leave it out",
        );
    }
    let may_ask = |scope: &String| ["read:org", "write:org", "admin:org"].contains(&scope.as_str());
    if !settings.organizations.is_empty()
        && !settings.scopes.is_empty()
        && !settings.scopes.iter().any(may_ask)
    {
        wrong(
            Field::Scopes,
            "`read:org` is missing, without which GitHub does not tell who belongs to an organisation; add it, or leave the scopes out",
        );
    }
}

/// Is the provider's client secret as its kind needs it?
pub fn check_secret(kind: ProviderKind, secret: Option<&str>) -> Result<(), Flaw> {
    let problem = match (kind, secret) {
        (_, Some(secret)) if secret.trim().is_empty() => {
            "it is empty; copy the client secret from the provider"
        }
        (_, Some(secret)) if secret.len() > 4_096 || secret.contains(char::is_control) => {
            "it is longer than 4096 bytes, or has a line break in it; copy the client secret from the provider"
        }
        (ProviderKind::GitHub, None) => {
            "it is missing: GitHub gives no token without the client secret"
        }
        (ProviderKind::OpenId | ProviderKind::GitHub, _) => return Ok(()),
    };
    Err(Flaw::new(Field::ClientSecret, problem))
}

/// What an administrator must be told each time the settings are made or looked at.
pub fn warnings(policy: &ProviderPolicy) -> Vec<&'static str> {
    let mut told = Vec::new();
    if policy.dangerous_sign_in_by_email {
        told.push(
            "dangerous_sign_in_by_email is set: whoever this provider says has the verified address of an account is signed in to it, \
             although another identity is bound to it. Take it back as soon as the accounts are sorted out",
        );
    }
    if policy.legacy_links == LegacyLinks::Backfill {
        told.push(
            "legacy_links is `backfill`: the first to come with the verified address of an imported account gets it, without any other \
             proof. Take it back to `confirm` when `curfew doctor` counts no empty links",
        );
    }
    told
}
