//! One file per noun: arguments, the operation, the answer.

pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod import;
pub(crate) mod maintenance;
pub(crate) mod resource;
pub(crate) mod scope;
pub(crate) mod secrets;
pub(crate) mod session;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod upstream;
pub(crate) mod user;
mod user_identities;

use curfew_protocol::Lifetime;

use crate::failure::Failure;

/// A length of time on the command line: whole seconds, at least one.
pub(crate) fn seconds(text: &str) -> Result<Lifetime, String> {
    match text.parse::<u32>() {
        Ok(0) | Err(_) => Err("write whole seconds, at least 1".to_owned()),
        Ok(seconds) => Ok(Lifetime::from_seconds(seconds)),
    }
}

/// The same, or `none` to take a value away. A type of its own, because clap reads `Option` as "may be left out".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maximum(pub(crate) Option<Lifetime>);

impl Maximum {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        seconds(text)
            .map(|lifetime| Self(Some(lifetime)))
            .map_err(|told| format!("{told}, or `none`"))
    }
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl Switch {
    pub(crate) const fn of(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }

    pub(crate) const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl std::fmt::Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_on() { "on" } else { "off" })
    }
}

/// A name for a shell's eyes: `12 s`, or a dash.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Clap cannot check scopes, so this does.
pub(crate) fn scope_set(scopes: &[String]) -> Result<curfew_protocol::ScopeSet, Failure> {
    curfew_protocol::ScopeSet::parse(&scopes.join(" "))
        .map_err(|error| Failure::told(error.to_string()))
}
