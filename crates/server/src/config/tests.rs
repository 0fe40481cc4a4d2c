use std::path::Path;

use super::*;

pub(super) fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigFailure> {
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::parse(text, &environment, Path::new("/base"))
}

pub(super) fn complaint(text: &str, environment: &[(&str, &str)]) -> String {
    match parse(text, environment) {
        Ok(_) => panic!("accepted: {text} {environment:?}"),
        Err(failure) => failure.to_string(),
    }
}

pub(super) const ISSUER: &str = "issuer = \"https://id.example.com\"\n";

#[test]
fn the_issuer_alone_is_a_configuration() {
    let config = parse(ISSUER, &[]).unwrap();
    assert_eq!(config.issuer.origin(), "https://id.example.com");
    assert_eq!(config.listen.public.to_string(), "127.0.0.1:8080");
    assert_eq!(config.keys_directory, Path::new("/base/keys"));
    assert_eq!(
        config.database.url,
        DatabaseUrl::Sqlite("/base/curfew.db".into())
    );
    assert!(config.tls.is_none() && config.mail.is_none() && config.theme.is_none());
    assert!(config.outbound.allowed.is_empty() && config.outbound.ca_file.is_none());
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = format!("{ISSUER}[listen]\npublic = \"127.0.0.1:1\"\n");
    let config = parse(
        &text,
        &[
            ("CURFEW_LISTEN_PUBLIC", "127.0.0.1:2"),
            ("CURFEW_DATABASE_POOL_SIZE", "3"),
            ("CURFEW_PROXY_TRUSTED", "10.0.0.0/8, ::1"),
            ("CURFEW_LIFETIMES_ACCESS_TOKEN", "60"),
            ("CURFEW_TEST_POSTGRES_URL", "of somebody else"),
            ("CURFEW_CONFIG", "x"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.public.port(), 2);
    assert_eq!(config.database.pool_size, 3);
    assert_eq!(config.lifetimes.access_token.seconds(), 60);
}

/// The file, the environment, and what must be said.
type Case<'t> = (&'t str, &'t [(&'t str, &'t str)], &'t [&'t str]);

#[test]
fn every_bad_value_is_named_with_its_remedy() {
    let cases: &[Case] = &[
        ("", &[], &["issuer", "missing", "https://id.example.com"]),
        ("issuer = 5", &[], &["issuer = 5", "quotes"]),
        (
            "issuer = \"http://id.example.com\"",
            &[],
            &["http://id.example.com", "use https"],
        ),
        (
            "issuer = \"https://id.example.com/x\"",
            &[],
            &["without path"],
        ),
        (
            "",
            &[("CURFEW_ISSUER", "nonsense")],
            &["nonsense", "from CURFEW_ISSUER"],
        ),
        ("isuer = \"x\"", &[], &["isuer", "did you mean `issuer`"]),
        (
            "[listen]\npublik = \"x\"",
            &[],
            &["listen.publik", "did you mean `listen.public`"],
        ),
        (
            "[listen]\npublic = \"localhost\"",
            &[],
            &["listen.public = \"localhost\"", "127.0.0.1:8080"],
        ),
        (
            "[listen]\nworkers = 0",
            &[],
            &["listen.workers = 0", "1 to 256"],
        ),
        (
            "[listen]\nworkers = \"4\"",
            &[],
            &["listen.workers = \"4\"", "whole number"],
        ),
        (
            "[listen]\nmetrics = \"127.0.0.1:8080\"",
            &[],
            &["listen.metrics", "of their own"],
        ),
        (
            "[database]\nurl = \"mysql://x\"",
            &[],
            &["database.url", "sqlite:PATH"],
        ),
        (
            "[database]\npool_size = 501",
            &[],
            &["database.pool_size = 501", "1 to 500"],
        ),
        (
            "[tls]\ncertificate = \"c.pem\"",
            &[],
            &["tls.private_key", "missing"],
        ),
        (
            "[tls]\nprivate_key = \"c.pem\"",
            &[],
            &["tls.certificate", "missing"],
        ),
        (
            "[proxy]\ntrusted = [\"10.0.0.0/40\"]",
            &[],
            &["10.0.0.0/40", "10.0.0.0/8"],
        ),
        (
            "[proxy]\ntrusted = \"10.0.0.0/8\"",
            &[],
            &["proxy.trusted", "list of texts"],
        ),
        (
            "[outbound]\nallowed_addresses = [\"10.0.0.0/8\", \"localhost\"]",
            &[],
            &["outbound.allowed_addresses", "`localhost`", "fd00::/8"],
        ),
        (
            "",
            &[(
                "CURFEW_OUTBOUND_ALLOWED_ADDRESSES",
                "127.0.0.1, 10.0.0.0/99",
            )],
            &["(from CURFEW_OUTBOUND_ALLOWED_ADDRESSES)", "`10.0.0.0/99`"],
        ),
        (
            "[outbound]\nca_file = 7",
            &[],
            &["outbound.ca_file = 7", "quotes"],
        ),
        (
            "[mail]\nfrom = \"a@b.example\"",
            &[],
            &["mail.smtp_url", "missing"],
        ),
        (
            "[mail]\nsmtp_url = \"smtp://h.example\"",
            &[],
            &["mail.from", "missing"],
        ),
        (
            "[mail]\nsmtp_url = \"smtp://h.example\"\nfrom = \"nobody\"",
            &[],
            &["mail.from = \"nobody\"", "no-reply@example.com"],
        ),
        (
            "[log]\nlevel = \"loud\"",
            &[],
            &["log.level = \"loud\"", "one of error, warn"],
        ),
        (
            "[log]\nformat = \"xml\"",
            &[],
            &["log.format", "text, json"],
        ),
        (
            "[lifetimes]\naccess_token = 0",
            &[],
            &["lifetimes.access_token = 0", "1 to 86400"],
        ),
        (
            "[lifetimes]\naccess_token = 1.5",
            &[],
            &["lifetimes.access_token = 1.5", "whole number"],
        ),
        (
            "[lifetimes]\ndormancy = 3600",
            &[],
            &["lifetimes.dormancy = 3600", "shorter than a day", "86400"],
        ),
        (
            "[lifetimes]\nsession_idle = 100\nsession_absolute = 60",
            &[],
            &["lifetimes.session_idle = 100", "shorten"],
        ),
        (
            "[rate_limits]\nconsents = -1",
            &[],
            &["rate_limits.consents = -1"],
        ),
        (
            "",
            &[("CURFEW_LISTEN_PUBLIK", "x")],
            &["CURFEW_LISTEN_PUBLIK", "config reference"],
        ),
        (
            "",
            &[("CURFEW_LISTEN_WORKERS", "many")],
            &["listen.workers = \"many\" (from CURFEW_LISTEN_WORKERS)"],
        ),
        (
            "[theme]\ndirectory = \"\"",
            &[],
            &["theme.directory", "empty"],
        ),
    ];
    for (text, environment, expected) in cases {
        let message = complaint(text, environment);
        for part in *expected {
            assert!(
                message.contains(part),
                "{text:?} {environment:?}: {message:?} lacks {part:?}"
            );
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let message = complaint("[listen]\nworkers = 0\n[log]\nlevel = \"loud\"", &[]);
    for key in ["issuer", "listen.workers", "log.level"] {
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn f06_a_secret_value_is_never_shown() {
    for text in [
        "[database]\nurl = \"mysql://user:hunter2@h\"",
        "[mail]\nfrom = \"a@b.example\"\nsmtp_url = \"gopher://u:hunter2@h\"",
    ] {
        let message = complaint(text, &[]);
        assert!(
            !message.contains("hunter2") && message.contains("[not shown]"),
            "{message}"
        );
    }
    let config = parse(
        &format!(
            "{ISSUER}[mail]\nfrom = \"a@b.example\"\nsmtp_url = \"smtps://u:hunter2@h.example\""
        ),
        &[],
    );
    assert!(!format!("{:?}", config.unwrap().mail).contains("hunter2"));
}

#[test]
fn broken_toml_is_told_with_its_place() {
    assert!(complaint("issuer = ", &[]).contains("line 1"));
}

#[test]
fn the_reference_names_every_setting_once() {
    let text = reference::configuration();
    for setting in settings::all() {
        assert_eq!(
            text.matches(&format!("| `{}` |", setting.key)).count(),
            1,
            "{}",
            setting.key
        );
    }
}
