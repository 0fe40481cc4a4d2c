use super::*;

fn words(parts: &[(&str, &str)]) -> IssuerWords {
    let word = |name: &str| {
        let found = parts.iter().find(|(own, _)| *own == name);
        found.map(|(_, word)| (*word).to_owned())
    };
    IssuerWords {
        issuer: word("issuer"),
        domain_name: word("domain_name"),
        directory: word("directory"),
        realm: word("realm"),
    }
}

const DIRECTORY: &str = "8d3f1c52-0b7e-4a55-9c1d-a1b2c3d4e5f6";

/// Preset, what the customer says, the issuer.
type Case<'t> = (&'t str, &'t [(&'t str, &'t str)], &'t str);

#[test]
fn a_preset_makes_the_issuer_that_the_provider_itself_uses() {
    let cases: &[Case] = &[
        ("google", &[], "https://accounts.google.com"),
        (
            "google",
            &[("issuer", "https://accounts.google.com")],
            "https://accounts.google.com",
        ),
        (
            "entra",
            &[("directory", DIRECTORY)],
            "https://login.microsoftonline.com/8d3f1c52-0b7e-4a55-9c1d-a1b2c3d4e5f6/v2.0",
        ),
        (
            "entra",
            &[("directory", "8D3F1C52-0B7E-4A55-9C1D-A1B2C3D4E5F6")],
            "https://login.microsoftonline.com/8d3f1c52-0b7e-4a55-9c1d-a1b2c3d4e5f6/v2.0",
        ),
        (
            "entra",
            &[(
                "issuer",
                "https://login.microsoftonline.us/8d3f1c52-0b7e-4a55-9c1d-a1b2c3d4e5f6/v2.0",
            )],
            "https://login.microsoftonline.us/8d3f1c52-0b7e-4a55-9c1d-a1b2c3d4e5f6/v2.0",
        ),
        ("gitlab", &[], "https://gitlab.com"),
        (
            "gitlab",
            &[("issuer", "https://gitlab.example.com")],
            "https://gitlab.example.com",
        ),
        (
            "okta",
            &[("domain_name", "Example.okta.com")],
            "https://example.okta.com",
        ),
        (
            "okta",
            &[("issuer", "https://example.okta.com/oauth2/default")],
            "https://example.okta.com/oauth2/default",
        ),
        (
            "keycloak",
            &[("domain_name", "sso.example.com:8443"), ("realm", "Staff")],
            "https://sso.example.com:8443/realms/Staff",
        ),
        (
            "keycloak",
            &[("issuer", "https://sso.example.com/auth/realms/staff")],
            "https://sso.example.com/auth/realms/staff",
        ),
        ("github", &[], "https://github.com"),
        (
            "github-enterprise",
            &[("domain_name", "github.example.com")],
            "https://github.example.com",
        ),
    ];
    for (preset, said, expected) in cases {
        let found = Preset::by_word(preset).unwrap().issuer(&words(said));
        assert_eq!(found.as_deref(), Ok(*expected), "{preset} {said:?}");
    }
}

#[test]
fn b18_an_issuer_written_whole_is_taken_byte_for_byte() {
    for issuer in [
        "https://Sso.example.com/realms/a/",
        "https://sso.example.com:443/realms/%61",
    ] {
        let keycloak = Preset::by_word("keycloak").unwrap();
        assert_eq!(
            keycloak.issuer(&words(&[("issuer", issuer)])).as_deref(),
            Ok(issuer)
        );
    }
}

/// Preset, what the customer says, the field that is complained about.
type Refusal<'t> = (&'t str, &'t [(&'t str, &'t str)], Field);

#[test]
fn what_makes_no_issuer_is_complained_about() {
    let cases: &[Refusal] = &[
        (
            "google",
            &[("issuer", "https://accounts.google.com/")],
            Field::Issuer,
        ),
        ("google", &[("realm", "x")], Field::Realm),
        (
            "github",
            &[("issuer", "https://github.example.com")],
            Field::Issuer,
        ),
        ("entra", &[], Field::Directory),
        ("entra", &[("directory", "common")], Field::Directory),
        ("entra", &[("directory", "organizations")], Field::Directory),
        ("entra", &[("directory", "example.com")], Field::Directory),
        (
            "entra",
            &[("directory", DIRECTORY), ("issuer", "https://x.example")],
            Field::Directory,
        ),
        ("okta", &[], Field::DomainName),
        (
            "okta",
            &[("domain_name", "https://example.okta.com")],
            Field::DomainName,
        ),
        (
            "okta",
            &[("domain_name", "example.okta.com/")],
            Field::DomainName,
        ),
        (
            "okta",
            &[("domain_name", "me@example.okta.com")],
            Field::DomainName,
        ),
        ("okta", &[("domain_name", "a b")], Field::DomainName),
        ("okta", &[("domain_name", "")], Field::DomainName),
        (
            "keycloak",
            &[("domain_name", "sso.example.com")],
            Field::Realm,
        ),
        ("keycloak", &[("realm", "staff")], Field::DomainName),
        (
            "keycloak",
            &[("domain_name", "sso.example.com"), ("realm", "a/b")],
            Field::Realm,
        ),
    ];
    for (preset, said, field) in cases {
        let flaw = Preset::by_word(preset)
            .unwrap()
            .issuer(&words(said))
            .unwrap_err();
        assert_eq!(flaw.field, *field, "{preset} {said:?}: {flaw:?}");
    }
}

#[test]
fn every_preset_is_careful_with_addresses() {
    let found: Vec<_> = Preset::ALL
        .iter()
        .map(|preset| (preset.word, preset.kind, preset.email_fallback.as_str()))
        .collect();
    let (openid, github) = (ProviderKind::OpenId, ProviderKind::GitHub);
    let expected = [
        ("google", openid, "confirm"),
        ("entra", openid, "off"),
        ("gitlab", openid, "confirm"),
        ("okta", openid, "first_link"),
        ("keycloak", openid, "first_link"),
        ("github", github, "confirm"),
        ("github-enterprise", github, "first_link"),
    ];
    assert_eq!(found, expected);
    assert_eq!(Preset::by_word("twitter"), None);
    let enterprise = Preset::by_word("github-enterprise").unwrap();
    let api = enterprise.api_url("https://github.example.com");
    assert_eq!(api.as_deref(), Some("https://github.example.com/api/v3"));
}
