use curfew_policy::linking::LinkRefusal;
use curfew_policy::upstream::{EmailFallback, SignUps};
use curfew_policy::upstream_draft::Field;
use curfew_policy::upstream_presets::Preset;

use super::tests::{ISSUER, complaint, parse};
use super::upstream::KEYS;
use super::*;

fn upstreams(text: &str, environment: &[(&str, &str)]) -> Vec<UpstreamSettings> {
    parse(&format!("{ISSUER}{text}"), environment)
        .unwrap()
        .upstreams
}

fn refused(text: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let message = complaint(&format!("{ISSUER}{text}"), environment);
    for part in expected {
        assert!(
            message.contains(part),
            "{text:?} {environment:?}: {message:?} lacks {part:?}"
        );
    }
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn each_table_is_a_provider() {
    let found = upstreams(
        "[upstream.google]\npreset = \"google\"\nclient_id = \"g\"\nclient_secret = \"hunter2\"\n\
         [upstream.work-2]\nissuer = \"https://id.example.com/\"\nclient_id = \"w\"\ntenant = \"acme\"\nname = \"Work\"\n\
         email_fallback = \"off\"\nlegacy_links = \"backfill\"\nsign_ups = \"invite\"\ndomains = [\"Example.com\"]\n\
         quarantine = true\nbind_to_upstream = true\ndangerous_sign_in_by_email = true\nemail_verified_as_text = true\n\
         scopes = [\"openid\", \"email\"]\n",
        &[],
    );
    let [google, work] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (google.slug.as_str(), google.tenant.as_str()),
        ("google", "default")
    );
    assert_eq!(google.checked.issuer, "https://accounts.google.com");
    assert_eq!(google.configured().unwrap().secret.unwrap().0, "hunter2");
    assert_eq!(
        (work.slug.as_str(), work.tenant.as_str()),
        ("work-2", "acme")
    );
    // B18: byte for byte
    assert_eq!(work.checked.issuer, "https://id.example.com/");
    let policy = &work.checked.settings.policy;
    assert_eq!(
        (policy.email_fallback, policy.sign_ups),
        (EmailFallback::Off, SignUps::Invite)
    );
    assert_eq!(policy.domains, ["example.com"]);
    assert!(policy.quarantine && policy.bind_to_upstream && policy.email_verified_as_text);
    assert!(policy.dangerous_sign_in_by_email);
    assert!(work.configured().unwrap().secret.is_none());
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn variables_win_over_the_file_and_may_stand_alone() {
    let table = "[upstream.my-idp]\nissuer = \"https://id.example.com\"\nclient_id = \"old\"\n";
    let found = upstreams(
        table,
        &[
            ("CURFEW_UPSTREAM_MY_IDP_CLIENT_ID", "new"),
            ("CURFEW_UPSTREAM_MY_IDP_CLIENT_SECRET", "hunter2"),
            ("CURFEW_UPSTREAM_MY_IDP_DOMAINS", "a.example, b.example"),
            ("CURFEW_UPSTREAM_MY_IDP_QUARANTINE", "true"),
            ("CURFEW_UPSTREAM_CODE_HUB_PRESET", "github"),
            ("CURFEW_UPSTREAM_CODE_HUB_CLIENT_ID", "c"),
            ("CURFEW_UPSTREAM_CODE_HUB_CLIENT_SECRET_FILE", "secret"),
            ("CURFEW_UPSTREAM_OKTA_PRESET", "okta"),
            ("CURFEW_UPSTREAM_OKTA_DOMAIN_NAME", "example.okta.com"),
            ("CURFEW_UPSTREAM_OKTA_CLIENT_ID", "o"),
        ],
    );
    let slugs: Vec<&str> = found.iter().map(|own| own.slug.as_str()).collect();
    assert_eq!(slugs, ["code-hub", "my-idp", "okta"]);
    assert_eq!(found[1].checked.client_id, "new");
    assert_eq!(
        found[1].checked.settings.policy.domains,
        ["a.example", "b.example"]
    );
    assert!(found[1].checked.settings.policy.quarantine);
    assert_eq!(found[1].configured().unwrap().secret.unwrap().0, "hunter2");
    assert_eq!(found[2].checked.issuer, "https://example.okta.com");
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{ISSUER}[upstream.work]\nissuer = \"https://id.example.com\"\nclient_id = \"w\"\nclient_secret_file = \"secret\"\n"
    );
    let config = Config::parse(&text, &[], folder.path()).unwrap();
    let unreadable = config.upstreams[0].configured().unwrap_err().to_string();
    assert!(
        unreadable.contains("upstream.work.client_secret_file = "),
        "{unreadable}"
    );
    let file = folder.path().join("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    assert_eq!(
        config.upstreams[0].configured().unwrap().secret.unwrap().0,
        "hunter2"
    );
    std::fs::write(&file, "\n").unwrap();
    let empty = config.upstreams[0].configured().unwrap_err().to_string();
    assert!(empty.contains("it is empty"), "{empty}");
}

#[test]
fn every_bad_value_of_a_provider_is_named_with_its_remedy() {
    let work = "[upstream.work]\nissuer = \"https://id.example.com\"\nclient_id = \"w\"\n";
    let with = |line: &str| format!("{work}{line}\n");
    let cases: &[(&str, &[&str])] = &[
        (
            "[upstream.work]",
            &[
                "upstream.work.issuer: it is missing",
                "upstream.work.client_id: it is missing",
            ],
        ),
        (
            &with("isuer = \"x\""),
            &["upstream.work.isuer", "did you mean `upstream.work.issuer`"],
        ),
        (
            &with("[upstream.work.policy]\nquarantine = true"),
            &["did you mean `upstream.work.quarantine`"],
        ),
        (
            "[upstream]\nissuer = \"x\"",
            &["upstream.issuer", "did you mean `upstream.NAME.issuer`"],
        ),
        (
            "[upstream]\ngoogle = \"x\"",
            &["upstream.google", "no such key"],
        ),
        (
            "[upstream.Work]\nissuer = \"x\"",
            &["[upstream.Work]", "lower-case letters"],
        ),
        (
            "[upstream.\"a.b\"]\nissuer = \"x\"",
            &["[upstream.a.b]", "lower-case letters"],
        ),
        (
            &with("kind = \"saml\""),
            &["upstream.work.kind = \"saml\"", "openid, github"],
        ),
        (
            &with("preset = \"twitter\""),
            &["upstream.work.preset", "google, entra, gitlab"],
        ),
        (
            &with("preset = \"google\""),
            &[
                "upstream.work.issuer = \"https://id.example.com\"",
                "and no other",
            ],
        ),
        (
            &with("email_fallback = \"always\""),
            &["upstream.work.email_fallback", "off, confirm, first_link"],
        ),
        (
            &with("sign_ups = true"),
            &["upstream.work.sign_ups = true", "quotes"],
        ),
        (
            &with("quarantine = \"yes\""),
            &["upstream.work.quarantine = \"yes\"", "true or false"],
        ),
        (
            &with("domains = \"example.com\""),
            &["upstream.work.domains", "list of texts"],
        ),
        (
            &with("organizations = [\"acme\"]"),
            &["upstream.work.organizations", "GitHub only"],
        ),
        (
            &with("scopes = [\"email\"]"),
            &["upstream.work.scopes", "`openid` is missing"],
        ),
        (
            &with("tenant = \"No Slug\""),
            &["upstream.work.tenant = \"No Slug\"", "curfew tenant list"],
        ),
        (
            &with("client_secret = \"\""),
            &["upstream.work.client_secret = [not shown]", "empty"],
        ),
        (
            &with("client_secret = 5"),
            &["upstream.work.client_secret = [not shown]", "quotes"],
        ),
        (
            &with("client_secret = \"hunter2\"\nclient_secret_file = \"x\""),
            &["upstream.work.client_secret_file", "leave out one"],
        ),
        (
            "[upstream.gh]\npreset = \"github\"\nclient_id = \"x\"",
            &["upstream.gh.client_secret", "it is missing"],
        ),
        (
            "[upstream.ms]\npreset = \"entra\"\nclient_id = \"x\"\ndirectory = \"common\"",
            &[
                "upstream.ms.directory = \"common\"",
                "every directory on earth",
            ],
        ),
        (
            "[upstream.work]\nissuer = \"http://id.example.com\"\nclient_id = \"w\"",
            &["upstream.work.issuer = \"http://id.example.com\"", "https"],
        ),
    ];
    for (text, expected) in cases {
        refused(text, &[], expected);
    }
}

#[test]
fn b45_domains_with_an_at_are_refused_in_the_configuration() {
    let table = "[upstream.work]\nissuer = \"https://id.example.com\"\nclient_id = \"w\"\n";
    for domain in ["@corp.com", "a@corp.com", "*.corp.com", "corp"] {
        let text = format!("{table}domains = [\"good.example\", \"{domain}\"]\n");
        let value = format!("`{domain}`");
        refused(
            &text,
            &[],
            &["upstream.work.domains", &value, "without the @"],
        );
    }
}

#[test]
fn a_variable_that_means_nothing_or_two_things_is_told() {
    let table = "[upstream.x]\nissuer = \"https://id.example.com\"\nclient_id = \"w\"\n";
    refused(
        table,
        &[("CURFEW_UPSTREAM_X_ISUER", "y")],
        &["CURFEW_UPSTREAM_X_ISUER", "config reference"],
    );
    refused(
        table,
        &[("CURFEW_UPSTREAM_X_QUARANTINE", "yes")],
        &["(from CURFEW_UPSTREAM_X_QUARANTINE)", "true or false"],
    );
    refused(
        table,
        &[("CURFEW_UPSTREAM_Y_CLIENT_SECRET", "hunter2")],
        &["upstream.y.issuer: it is missing"],
    );
    let both = format!(
        "{table}[upstream.x-domain]\nissuer = \"https://id.example.com\"\nclient_id = \"w\"\n"
    );
    refused(
        &both,
        &[("CURFEW_UPSTREAM_X_DOMAIN_NAME", "y")],
        &["upstream.x.domain_name and upstream.x-domain.name"],
    );
}

#[test]
fn everything_that_a_provider_is_described_by_is_a_key() {
    for field in Field::ALL {
        assert!(
            KEYS.iter().any(|(key, ..)| *key == field.key()),
            "{field:?}"
        );
    }
    let text = reference::configuration();
    assert!(
        text.contains("| `upstream.NAME.client_secret` | `CURFEW_UPSTREAM_NAME_CLIENT_SECRET` |")
    );
    assert!(text.contains("`google` in `[upstream.google]`"));
}

#[test]
fn the_page_for_administrators_names_every_rule_and_every_refusal() {
    let page = include_str!("../../../../docs/upstream.md");
    let rules = [
        Field::EmailFallback,
        Field::LegacyLinks,
        Field::SignUps,
        Field::Domains,
        Field::Quarantine,
        Field::BindToUpstream,
        Field::DangerousSignInByEmail,
        Field::EmailVerifiedAsText,
        Field::Organizations,
    ];
    let presets = Preset::ALL.iter().map(|preset| preset.word);
    let refusals = LinkRefusal::ALL.iter().map(|refusal| refusal.code());
    let words = rules
        .map(Field::key)
        .into_iter()
        .chain(presets)
        .chain(refusals);
    let missing: Vec<&str> = words
        .filter(|word| !page.contains(&format!("`{word}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
