//! Why an operation was not done, in words for the person who asked for it.

use curfew_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no {noun} `{name}`; `curfew {noun} list` shows what there is")]
    NotFound { noun: &'static str, name: String },
    #[error(
        "{noun} `{name}` already exists, or something of it is already taken; choose another, or change the one that is there"
    )]
    Exists {
        noun: &'static str,
        name: String,
        #[source]
        source: StoreError,
    },
    /// A sentence that says what is wrong and what to do.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    pub(crate) fn not_found(noun: &'static str, name: &str) -> Self {
        Self::NotFound {
            noun,
            name: name.to_owned(),
        }
    }

    pub(crate) fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(sentence.into())
    }
}
