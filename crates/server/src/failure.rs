//! Why a command did not do what it was asked, and how that is told: a sentence, its causes, an exit code.

use std::error::Error as _;
use std::process::ExitCode;

use curfew_admin::AdminError;
use curfew_store::{OpenRefusal, StoreError};

use crate::config::ConfigFailure;
use crate::keys::KeysFailure;
use crate::output::aside;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigFailure),
    #[error(transparent)]
    Keys(#[from] KeysFailure),
    #[error(transparent)]
    Open(#[from] OpenRefusal),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// A sentence that says what is wrong and what to do.
    #[error("{0}")]
    Told(String),
    /// Everything was printed already; only the exit code is left to say it.
    #[error("something was found")]
    Findings,
}

impl Failure {
    pub(crate) fn told(sentence: impl Into<String>) -> Self {
        Self::Told(sentence.into())
    }

    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    /// Prints to the standard error stream. Exit code 1: it was not done, or something was found.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(self, Self::Findings) {
            aside(&format!("error: {self}"));
            let mut cause = self.source();
            while let Some(error) = cause {
                aside(&format!("  because: {error}"));
                cause = error.source();
            }
        }
        ExitCode::FAILURE
    }
}
