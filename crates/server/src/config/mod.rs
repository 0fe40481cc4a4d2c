//! The configuration: read once into types that cannot be wrong, then passed down.
//!
//! 1. [`raw`] reads the TOML file and lays the `CURFEW_…` environment over it; a key that is not in the list of [`settings`] is an error.
//! 2. Each concern takes its keys and checks them; every mistake is collected, with key, value and remedy.
//! 3. The same list prints the reference ([`mod@reference`]), so that it cannot say anything else.

mod error;
mod listen;
mod mail;
mod outbound;
mod raw;
pub(crate) mod reference;
mod rules;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
mod upstream;
#[cfg(test)]
mod upstream_tests;

use std::path::{Path, PathBuf};

use curfew_http::Issuer;
use curfew_http::origin::TrustedProxies;
use curfew_http::rates::RateRules;
use curfew_policy::lifetime::LifetimeRules;
use curfew_store::DatabaseUrl;

pub(crate) use error::ConfigFailure;
pub(crate) use listen::{Limits, Listen, TlsFiles};
pub(crate) use mail::MailSettings;
pub(crate) use outbound::OutboundSettings;
pub(crate) use upstream::UpstreamSettings;

use raw::Raw;

/// Everything that an operator decides.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) issuer: Issuer,
    pub(crate) listen: Listen,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) limits: Limits,
    pub(crate) database: Database,
    pub(crate) keys_directory: PathBuf,
    pub(crate) proxies: TrustedProxies,
    pub(crate) outbound: OutboundSettings,
    pub(crate) upstreams: Vec<UpstreamSettings>,
    pub(crate) mail: Option<MailSettings>,
    pub(crate) log: Log,
    pub(crate) theme: Option<PathBuf>,
    pub(crate) places: Option<PathBuf>,
    pub(crate) device_same_address: bool,
    pub(crate) lifetimes: LifetimeRules,
    pub(crate) rates: RateRules,
}

#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) url: DatabaseUrl,
    pub(crate) pool_size: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) level: tracing::Level,
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: tracing::Level::INFO,
            format: LogFormat::Text,
        }
    }
}

/// The file that is read when none is named.
pub(crate) const DEFAULT_FILE: &str = "curfew.toml";

impl Config {
    /// Reads the file, named or the default one, and the process's environment.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, ConfigFailure> {
        let path = named.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_owned);
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // Containers may set everything by the environment.
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && named.is_none()
                    && environment.iter().any(|(name, _)| name == "CURFEW_ISSUER") =>
            {
                String::new()
            }
            Err(source) => return Err(ConfigFailure::Unreadable { path, source }),
        };
        let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self::parse(&text, &environment, &base)
    }

    /// `base` is where relative paths begin.
    pub(crate) fn parse(
        text: &str,
        environment: &[(String, String)],
        base: &Path,
    ) -> Result<Self, ConfigFailure> {
        let mut raw = Raw::read(text, environment)?;
        let issuer = issuer(&mut raw);
        let listen = Listen::take(&mut raw);
        let tls = TlsFiles::take(&mut raw, base);
        let limits = Limits::take(&mut raw);
        let database = database(&mut raw, base);
        let keys_directory = base.join(
            raw.text("keys.directory")
                .unwrap_or_else(|| "keys".to_owned()),
        );
        let proxies = proxies(&mut raw);
        let outbound = OutboundSettings::take(&mut raw, base);
        let upstreams = UpstreamSettings::take_all(&mut raw, base);
        let mail = MailSettings::take(&mut raw);
        let log = log(&mut raw);
        let theme = raw.text("theme.directory").map(|folder| base.join(folder));
        let places = raw.text("geoip.database").map(|file| base.join(file));
        let device_same_address = raw
            .choice("device.other_address", &[("warn", false), ("refuse", true)])
            .unwrap_or(false);
        let lifetimes = rules::lifetimes(&mut raw);
        let rates = rules::rates(&mut raw);
        let errors = raw.finish();
        match (issuer, listen, database) {
            (Some(issuer), Some(listen), Some(database)) if errors.is_empty() => Ok(Self {
                issuer,
                listen,
                tls,
                limits,
                database,
                keys_directory,
                proxies,
                outbound,
                upstreams,
                mail,
                log,
                theme,
                places,
                device_same_address,
                lifetimes,
                rates,
            }),
            _ => Err(ConfigFailure::Wrong(errors)),
        }
    }
}

fn issuer(raw: &mut Raw) -> Option<Issuer> {
    let Some(text) = raw.text("issuer") else {
        raw.missing("issuer", "set it to the address people and clients reach Curfew at, such as https://id.example.com");
        return None;
    };
    match Issuer::parse(&text) {
        Ok(issuer) => Some(issuer),
        Err(refusal) => {
            raw.wrong("issuer", &refusal.to_string());
            None
        }
    }
}

fn database(raw: &mut Raw, base: &Path) -> Option<Database> {
    let text = raw
        .text("database.url")
        .unwrap_or_else(|| "sqlite:curfew.db".to_owned());
    let pool_size = raw.number("database.pool_size", 1..=500).unwrap_or(16);
    let url = DatabaseUrl::parse(&text, base);
    if url.is_none() {
        raw.wrong(
            "database.url",
            "it is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST/NAME; write one of the two",
        );
    }
    url.map(|url| Database { url, pool_size })
}

fn proxies(raw: &mut Raw) -> TrustedProxies {
    let entries = raw.list("proxy.trusted").unwrap_or_default();
    TrustedProxies::parse(&entries).unwrap_or_else(|entry| {
        raw.wrong(
            "proxy.trusted",
            &format!(
                "`{entry}` is no address range; write 10.0.0.0/8, fd00::/8 or a single address"
            ),
        );
        TrustedProxies::default()
    })
}

fn log(raw: &mut Raw) -> Log {
    let level = raw.choice(
        "log.level",
        &[
            ("error", tracing::Level::ERROR),
            ("warn", tracing::Level::WARN),
            ("info", tracing::Level::INFO),
            ("debug", tracing::Level::DEBUG),
            ("trace", tracing::Level::TRACE),
        ],
    );
    let format = raw.choice(
        "log.format",
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    );
    let standard = Log::default();
    Log {
        level: level.unwrap_or(standard.level),
        format: format.unwrap_or(standard.format),
    }
}
