//! What is wrong with a configuration: the key, its value, and what to do.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File,
    Environment(String),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    pub(crate) key: String,
    /// `None`: the key is missing, or its value is a secret.
    pub(crate) value: Option<String>,
    pub(crate) source: Option<Source>,
    /// What is wrong with it, and the remedy.
    pub(crate) problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        if let Some(Source::Environment(name)) = &self.source {
            write!(f, " (from {name})")?;
        }
        write!(f, ": {}", self.problem)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFailure {
    #[error(
        "the configuration {path} cannot be read; run `curfew init`, or name another file with --config"
    )]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration is not valid TOML: {0}")]
    Syntax(String),
    #[error("the configuration is wrong, and nothing was started:\n{}", list(.0))]
    Wrong(Vec<ConfigError>),
}

fn list(errors: &[ConfigError]) -> String {
    errors
        .iter()
        .map(|error| format!("  {error}"))
        .collect::<Vec<_>>()
        .join("\n")
}
