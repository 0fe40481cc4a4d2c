//! What is printed of providers.

use curfew_admin::ShownProvider;
use curfew_http::realm::base_of;
use curfew_policy::status::ProviderKind;
use curfew_policy::upstream::OrganizationRule;
use curfew_policy::upstream_checks::warnings;
use curfew_store::providers::Provider;
use serde_json::json;

use crate::commands::{Switch, or_dash};
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{aside, pairs, words};

pub(super) fn list(opened: &Opened) -> Result<(), Failure> {
    let providers = opened.admin.provider_list(&opened.tenant)?;
    opened.out.table(
        &providers,
        &[
            "UPSTREAM",
            "NAME",
            "KIND",
            "ISSUER",
            "STATUS",
            "DESCRIBED IN",
        ],
        |provider| {
            vec![
                provider.slug.clone(),
                provider.name.clone(),
                provider.kind.to_string(),
                provider.issuer.clone(),
                provider.status.to_string(),
                place(provider).to_owned(),
            ]
        },
    );
    Ok(())
}

const fn place(provider: &Provider) -> &'static str {
    if provider.configured {
        "configuration"
    } else {
        "database"
    }
}

/// On the standard error stream, so that it stands beside an answer in JSON, too.
pub(super) fn warn(sentence: &str) {
    aside(&format!("warning: {sentence}"));
}

/// One provider with everything that is set, and what to register there.
pub(super) fn one(opened: &Opened, shown: &ShownProvider) {
    let provider = &shown.provider;
    let base = opened.config.issuer.of(&base_of(&opened.tenant));
    let address = |what: &str| format!("{base}/upstream/{}/{what}", provider.slug);
    let callback = address("callback");
    let logout = match provider.kind {
        ProviderKind::OpenId => Some(address("backchannel-logout")),
        ProviderKind::GitHub => None,
    };
    let mut value = json!(shown);
    value["callback_uri"] = json!(callback);
    value["backchannel_logout_uri"] = json!(logout);
    opened.out.value(&value, || {
        let set = pairs(&rows(shown));
        let mut register = vec![("callback (redirect) URI", callback)];
        register.extend(logout.map(|logout| ("back-channel logout URI", logout)));
        format!(
            "{set}\n\nTo be registered at the provider:\n\n{}",
            pairs(&register)
        )
    });
    for warning in warnings(&provider.settings.policy) {
        warn(warning);
    }
}

fn rows(shown: &ShownProvider) -> Vec<(&'static str, String)> {
    let provider = &shown.provider;
    let (settings, policy) = (&provider.settings, &provider.settings.policy);
    let switch = |on: bool| Switch::of(on).to_string();
    let mut rows = vec![
        ("slug", provider.slug.clone()),
        ("name", provider.name.clone()),
        ("kind", provider.kind.to_string()),
        ("issuer", provider.issuer.clone()),
        ("client id", provider.client_id.clone()),
        (
            "client secret",
            if shown.has_client_secret {
                "set"
            } else {
                "none"
            }
            .to_owned(),
        ),
        ("scopes", words(&settings.scopes)),
        ("status", provider.status.to_string()),
        ("described in", place(provider).to_owned()),
        ("email fallback", policy.email_fallback.as_str().to_owned()),
        ("legacy links", policy.legacy_links.as_str().to_owned()),
        ("sign-ups", policy.sign_ups.as_str().to_owned()),
        ("domains", words(&policy.domains)),
        ("quarantine", switch(policy.quarantine)),
        ("bind to upstream", switch(policy.bind_to_upstream)),
        (
            "email_verified as text",
            switch(policy.email_verified_as_text),
        ),
        (
            "dangerous sign-in by e-mail",
            switch(policy.dangerous_sign_in_by_email),
        ),
        ("links", shown.links.bound.to_string()),
        ("links without a subject", shown.links.empty.to_string()),
    ];
    if provider.kind == ProviderKind::GitHub {
        let rules: Vec<String> = settings.organizations.iter().flat_map(rule).collect();
        rows.push(("organizations", words(&rules)));
        rows.push(("API", or_dash(settings.api_url.as_deref())));
    }
    rows
}

/// As it was written: `ORG`, or `ORG/TEAM` for each team.
fn rule(rule: &OrganizationRule) -> Vec<String> {
    if rule.teams.is_empty() {
        return vec![rule.organization.clone()];
    }
    let teams = rule.teams.iter();
    teams
        .map(|team| format!("{}/{team}", rule.organization))
        .collect()
}
