use super::*;
use crate::upstream::OrganizationRule;
use crate::upstream_checks::{check_secret, warnings};

fn openid() -> ProviderDraft {
    ProviderDraft {
        issuer: IssuerWords {
            issuer: Some("https://id.example.com".to_owned()),
            ..IssuerWords::default()
        },
        client_id: Some("curfew".to_owned()),
        ..ProviderDraft::default()
    }
}

fn github() -> ProviderDraft {
    ProviderDraft {
        preset: Preset::by_word("github"),
        client_id: Some("Iv1.0".to_owned()),
        ..ProviderDraft::default()
    }
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn issuer_and_client_id_alone_make_a_careful_provider() {
    let made = openid().complete("work").unwrap();
    assert_eq!(
        (made.kind, made.name.as_str()),
        (ProviderKind::OpenId, "work")
    );
    assert_eq!(made.settings, ProviderSettings::default());
    assert!(warnings(&made.settings.policy).is_empty());
}

#[test]
fn a_preset_fills_in_and_what_is_said_wins() {
    let made = github().complete("gh").unwrap();
    assert_eq!(
        (made.kind, made.name.as_str()),
        (ProviderKind::GitHub, "GitHub")
    );
    assert_eq!(made.issuer, "https://github.com");
    assert_eq!(made.settings.policy.email_fallback, EmailFallback::Confirm);
    let made = ProviderDraft {
        name: Some("Code".to_owned()),
        email_fallback: Some(EmailFallback::Off),
        ..github()
    };
    let made = made.complete("gh").unwrap();
    assert_eq!(made.name, "Code");
    assert_eq!(made.settings.policy.email_fallback, EmailFallback::Off);
}

#[test]
fn a_change_changes_what_was_said_and_nothing_else() {
    let old = ProviderDraft {
        domains: texts(&["example.com"]),
        quarantine: Some(true),
        ..openid()
    };
    let old = old.complete("work").unwrap();
    let standing = Standing {
        kind: old.kind,
        name: &old.name,
        issuer: &old.issuer,
        client_id: &old.client_id,
        settings: &old.settings,
    };
    assert_eq!(ProviderDraft::default().apply(standing).as_ref(), Ok(&old));
    let changed = ProviderDraft {
        domains: texts(&[]),
        sign_ups: Some(SignUps::Invite),
        ..ProviderDraft::default()
    };
    let changed = changed.apply(standing).unwrap();
    let policy = &changed.settings.policy;
    assert!(policy.domains.is_empty() && policy.quarantine);
    assert_eq!(policy.sign_ups, SignUps::Invite);
    let broken = ProviderDraft {
        organizations: texts(&["example"]),
        ..ProviderDraft::default()
    };
    assert_eq!(
        broken.apply(standing).unwrap_err()[0].field,
        Field::Organizations
    );
}

#[test]
fn b45_domains_are_whole_a_labels_and_a_leading_at_is_refused() {
    let made = ProviderDraft {
        domains: texts(&["CORP.com", "b\u{fc}cher.example", "corp.com"]),
        ..openid()
    };
    let domains = made.complete("work").unwrap().settings.policy.domains;
    assert_eq!(domains, ["corp.com", "xn--bcher-kva.example"]);
    for bad in [
        "@corp.com",
        "a@corp.com",
        "*.corp.com",
        "corp",
        "corp.com.",
        ".corp.com",
        "",
        "corp com",
    ] {
        let draft = ProviderDraft {
            domains: texts(&[bad]),
            ..openid()
        };
        let flaws = draft.complete("work").unwrap_err();
        assert_eq!(flaws[0].field, Field::Domains, "{bad:?}");
    }
}

#[test]
fn organizations_with_teams_become_one_rule_each() {
    let made = ProviderDraft {
        organizations: texts(&["acme/core", "other", "Acme/ops", "acme/core"]),
        ..github()
    };
    let rules = made.complete("gh").unwrap().settings.organizations;
    let rule = |organization: &str, teams: &[&str]| OrganizationRule {
        organization: organization.to_owned(),
        teams: teams.iter().map(|team| (*team).to_owned()).collect(),
    };
    assert_eq!(rules, [rule("acme", &["core", "ops"]), rule("other", &[])]);
    for bad in [
        &["acme", "ACME/core"][..],
        &["acme/"],
        &["/core"],
        &["a/b/c"],
        &["a b"],
        &[".."],
        &[""],
    ] {
        let draft = ProviderDraft {
            organizations: texts(bad),
            ..github()
        };
        let flaws = draft.complete("gh").unwrap_err();
        assert_eq!(flaws[0].field, Field::Organizations, "{bad:?}");
    }
}

/// What makes the draft wrong, and where that is told.
type Case = (fn(&mut ProviderDraft), Field);

fn each_is_told(base: fn() -> ProviderDraft, cases: &[Case]) {
    for (number, (spoil, field)) in cases.iter().enumerate() {
        let mut draft = base();
        spoil(&mut draft);
        let flaws = draft
            .complete("x")
            .expect_err(&format!("case {number} is accepted"));
        let fields: Vec<_> = flaws.iter().map(|flaw| flaw.field).collect();
        assert_eq!(fields, [*field], "case {number}: {flaws:?}");
    }
}

#[test]
fn what_cannot_work_at_an_openid_provider_is_refused() {
    each_is_told(
        openid,
        &[
            (|d| d.issuer.issuer = None, Field::Issuer),
            (
                |d| d.issuer.issuer = Some("http://id.example.com".to_owned()),
                Field::Issuer,
            ),
            (
                |d| d.issuer.issuer = Some("id.example.com".to_owned()),
                Field::Issuer,
            ),
            (
                |d| d.issuer.issuer = Some("https://id.example.com/?x".to_owned()),
                Field::Issuer,
            ),
            (
                |d| d.issuer.issuer = Some("https://id.example.com/#x".to_owned()),
                Field::Issuer,
            ),
            (
                |d| d.issuer.issuer = Some("https://u@id.example.com/".to_owned()),
                Field::Issuer,
            ),
            (
                |d| d.issuer.issuer = Some("https:/id.example.com".to_owned()),
                Field::Issuer,
            ),
            (|d| d.issuer.realm = Some("x".to_owned()), Field::Realm),
            (|d| d.client_id = None, Field::ClientId),
            (|d| d.client_id = Some(String::new()), Field::ClientId),
            (|d| d.client_id = Some("a\nb".to_owned()), Field::ClientId),
            (|d| d.name = Some(" ".to_owned()), Field::Name),
            (|d| d.name = Some("a\nb".to_owned()), Field::Name),
            (|d| d.scopes = texts(&["email"]), Field::Scopes),
            (|d| d.scopes = texts(&["openid", "a b"]), Field::Scopes),
            (
                |d| d.api_url = Some(Some("https://x.example".to_owned())),
                Field::ApiUrl,
            ),
            (|d| d.organizations = texts(&["acme"]), Field::Organizations),
        ],
    );
    let local = ProviderDraft {
        issuer: IssuerWords {
            issuer: Some("http://127.0.0.1:9000/".to_owned()),
            ..IssuerWords::default()
        },
        ..openid()
    };
    assert_eq!(
        local.complete("x").unwrap().issuer,
        "http://127.0.0.1:9000/"
    );
}

#[test]
fn what_cannot_work_at_github_is_refused() {
    each_is_told(
        github,
        &[
            (|d| d.kind = Some(ProviderKind::OpenId), Field::Kind),
            (|d| d.bind_to_upstream = Some(true), Field::BindToUpstream),
            (
                |d| d.email_verified_as_text = Some(true),
                Field::EmailVerifiedAsText,
            ),
            (
                |d| d.api_url = Some(Some("https://api.github.com/".to_owned())),
                Field::ApiUrl,
            ),
            (
                |d| d.api_url = Some(Some("http://api.github.com".to_owned())),
                Field::ApiUrl,
            ),
            (
                |d| {
                    d.organizations = texts(&["acme"]);
                    d.scopes = texts(&["read:user"]);
                },
                Field::Scopes,
            ),
            (
                |d| {
                    d.preset = None;
                    d.kind = Some(ProviderKind::GitHub);
                    d.issuer.issuer = Some("https://github.com/".to_owned());
                },
                Field::Issuer,
            ),
        ],
    );
}

#[test]
fn a_domain_rule_that_nobody_could_meet_is_refused() {
    let entra = ProviderDraft {
        preset: Preset::by_word("entra"),
        issuer: IssuerWords {
            directory: Some("8d3f1c52-0b7e-4a55-9c1d-a1b2c3d4e5f6".to_owned()),
            ..IssuerWords::default()
        },
        client_id: Some("x".to_owned()),
        domains: texts(&["example.com"]),
        ..ProviderDraft::default()
    };
    assert_eq!(entra.complete("x").unwrap_err()[0].field, Field::Domains);
}

#[test]
fn all_flaws_are_told_at_once() {
    let draft = ProviderDraft {
        domains: texts(&["@a.example"]),
        name: Some(String::new()),
        ..ProviderDraft::default()
    };
    let fields: Vec<_> = draft
        .complete("x")
        .unwrap_err()
        .into_iter()
        .map(|flaw| flaw.field)
        .collect();
    assert_eq!(
        fields,
        [Field::Issuer, Field::ClientId, Field::Domains, Field::Name]
    );
}

#[test]
fn a_secret_is_one_line_and_github_needs_one() {
    let (openid, github) = (ProviderKind::OpenId, ProviderKind::GitHub);
    assert!(check_secret(openid, None).is_ok() && check_secret(github, Some("s")).is_ok());
    for (kind, secret) in [
        (github, None),
        (openid, Some("")),
        (openid, Some(" ")),
        (github, Some("a\nb")),
    ] {
        let flaw = check_secret(kind, secret).unwrap_err();
        assert_eq!(flaw.field, Field::ClientSecret);
    }
}

#[test]
fn b51_what_is_dangerous_is_warned_of() {
    let policy = ProviderPolicy {
        dangerous_sign_in_by_email: true,
        legacy_links: LegacyLinks::Backfill,
        ..ProviderPolicy::default()
    };
    let told = warnings(&policy).join("\n");
    assert!(
        told.contains("dangerous_sign_in_by_email") && told.contains("backfill"),
        "{told}"
    );
}
