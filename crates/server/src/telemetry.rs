//! Logs to the standard error stream, as text or as one JSON object a line.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat};
use crate::output::aside;

/// Starts logging. Other libraries are heard from `warn` upwards only: they might print what they handle.
pub(crate) fn start(log: &Log) {
    let level = log.level.to_string().to_lowercase();
    let quiet = if log.level <= tracing::Level::WARN {
        level.clone()
    } else {
        "warn".to_owned()
    };
    let mut filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(&quiet);
    for crate_name in OURS {
        if let Ok(directive) = format!("{crate_name}={level}").parse() {
            filter = filter.add_directive(directive);
        }
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Told on the very stream that cannot be written to, it would be a panic in the request that logs.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        aside("warning: a log is being written already");
    }
}

const OURS: [&str; 11] = [
    "curfew",
    "curfew_server",
    "curfew_admin",
    "curfew_account",
    "curfew_grants",
    "curfew_tokens",
    "curfew_upstream",
    "curfew_http",
    "curfew_store",
    "curfew_policy",
    "curfew_protocol",
];
