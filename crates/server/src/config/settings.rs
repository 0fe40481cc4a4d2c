//! The one list of settings. The parser knows no other keys, and the reference prints exactly these.

use curfew_http::rates::RateRules;
use curfew_policy::lifetime::LifetimeRules;
use toml::Value;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Number,
    /// true or false
    Switch,
    List,
}

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) shape: Shape,
    pub(crate) default: String,
    pub(crate) meaning: String,
    /// Its value is never shown.
    pub(crate) secret: bool,
}

impl Setting {
    /// An environment variable's text in the setting's shape. What does not fit stays text, and is refused as such.
    pub(super) fn value_of(&self, text: &str) -> Value {
        match self.shape {
            Shape::Text => Value::String(text.to_owned()),
            Shape::Number => text
                .parse::<i64>()
                .map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
            Shape::Switch => text
                .parse::<bool>()
                .map_or_else(|_| Value::String(text.to_owned()), Value::Boolean),
            Shape::List => Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty())
                    .map(|entry| Value::String(entry.to_owned()))
                    .collect(),
            ),
        }
    }
}

/// Key, shape, default, meaning.
const PLAIN: &[(&str, Shape, &str, &str)] = &[
    (
        "issuer",
        Shape::Text,
        "(required)",
        "The issuer identifier: the origin that people and clients reach Curfew at. https, or http on a loopback address.",
    ),
    (
        "listen.public",
        Shape::Text,
        "127.0.0.1:8080",
        "Address and port of everything but metrics.",
    ),
    (
        "listen.metrics",
        Shape::Text,
        "(off)",
        "Address and port of the Prometheus metrics. Keep it away from the public.",
    ),
    (
        "listen.workers",
        Shape::Number,
        "(cores, at most 8)",
        "Threads that answer requests, 1 to 256.",
    ),
    (
        "database.url",
        Shape::Text,
        "sqlite:curfew.db",
        "`sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/NAME` for several nodes. A relative path begins at the configuration file.",
    ),
    (
        "database.pool_size",
        Shape::Number,
        "16",
        "Connections to PostgreSQL at the most, 1 to 500.",
    ),
    (
        "keys.directory",
        Shape::Text,
        "keys",
        "The folder of the server keys, mode 0700, each file 0600. Back it up together with the database.",
    ),
    (
        "tls.certificate",
        Shape::Text,
        "(off)",
        "PEM file with the certificate and its chain. Set with `tls.private_key`.",
    ),
    (
        "tls.private_key",
        Shape::Text,
        "(off)",
        "PEM file with the private key, readable by nobody else.",
    ),
    (
        "proxy.trusted",
        Shape::List,
        "[]",
        "Address ranges of the proxies whose `X-Forwarded-For` is believed. Nobody else's is.",
    ),
    (
        "outbound.allowed_addresses",
        Shape::List,
        "[]",
        "Address ranges that may be called although they are private, loopback or otherwise set aside, such as `10.1.2.3` of an identity provider in the same network.",
    ),
    (
        "outbound.ca_file",
        Shape::Text,
        "(off)",
        "PEM file with certificates of authorities that are trusted besides those of the system (where the system has none: besides those of Mozilla).",
    ),
    (
        "mail.smtp_url",
        Shape::Text,
        "(off)",
        "Where mail is handed over, such as `smtps://USER:PASSWORD@mail.example.com`. Without it, links are handed over by hand.",
    ),
    (
        "mail.from",
        Shape::Text,
        "(required with `mail.smtp_url`)",
        "The sender, such as `Curfew <no-reply@example.com>`.",
    ),
    (
        "log.level",
        Shape::Text,
        "info",
        "error, warn, info, debug or trace.",
    ),
    (
        "log.format",
        Shape::Text,
        "text",
        "text, or json with one object a line.",
    ),
    (
        "theme.directory",
        Shape::Text,
        "(off)",
        "A folder with templates, messages, a style sheet and a logo that replace the built-in ones.",
    ),
    (
        "device.other_address",
        Shape::Text,
        "warn",
        "What happens when a device asked from another address than its approver is at: `warn` on the page, or `refuse`.",
    ),
    (
        "geoip.database",
        Shape::Text,
        "(off)",
        "A city or country database in the MaxMind format, to say where a device and its approver are. Read once at start.",
    ),
    (
        "limits.connections",
        Shape::Number,
        "4096",
        "Open connections for each worker, 16 to 100000.",
    ),
    (
        "limits.request_timeout",
        Shape::Number,
        "10",
        "Seconds in which a request's head must have arrived, 1 to 300.",
    ),
    (
        "limits.keep_alive",
        Shape::Number,
        "75",
        "Seconds for which an idle connection stays open, 0 to 3600.",
    ),
    (
        "limits.shutdown_timeout",
        Shape::Number,
        "20",
        "Seconds that requests under way get when the server is told to stop, 0 to 300.",
    ),
];

/// The section whose tables are named by whoever writes them.
pub(super) const UPSTREAM: &str = "upstream";
/// Stands for such a name in the key of a setting.
pub(super) const NAME: &str = "NAME";

const SECRET: &[&str] = &["database.url", "mail.smtp_url"];

/// Every setting, in the order of the reference.
pub(crate) fn all() -> Vec<Setting> {
    let plain = PLAIN.iter().map(|(key, shape, default, meaning)| Setting {
        key: (*key).to_owned(),
        shape: *shape,
        default: (*default).to_owned(),
        meaning: (*meaning).to_owned(),
        secret: SECRET.contains(key),
    });
    let lifetimes = LifetimeRules::REFERENCE.iter().map(|rule| Setting {
        key: format!("lifetimes.{}", rule.name),
        shape: Shape::Number,
        default: rule.default.to_string(),
        meaning: format!(
            "{} Seconds, {} to {}.",
            rule.meaning.trim(),
            rule.min,
            rule.max
        ),
        secret: false,
    });
    let rates = RateRules::REFERENCE
        .iter()
        .map(|(name, limit, _, meaning)| Setting {
            key: format!("rate_limits.{name}"),
            shape: Shape::Number,
            default: limit.to_string(),
            meaning: meaning.trim().to_owned(),
            secret: false,
        });
    let upstream = super::upstream::KEYS
        .iter()
        .map(|(key, shape, default, meaning)| Setting {
            key: format!("{UPSTREAM}.{NAME}.{key}"),
            shape: *shape,
            default: (*default).to_owned(),
            meaning: (*meaning).to_owned(),
            secret: *key == "client_secret",
        });
    plain
        .chain(upstream)
        .chain(lifetimes)
        .chain(rates)
        .collect()
}
