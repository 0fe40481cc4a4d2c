//! What can go wrong beneath a decision. Every variant becomes 503 at the edge: never a wrong answer.

/// The store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused")]
    Database(#[from] diesel::result::Error),
    #[error("no connection to the database")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the writer is overloaded")]
    Overloaded,
    #[error("the writer has stopped")]
    Stopped,
    #[error("the transaction could not be committed")]
    Commit(#[source] diesel::result::Error),
    #[error("a write job panicked")]
    Panicked,
    #[error("sealed data cannot be opened with the keys at hand")]
    Sealed,
    #[error("a column holds what this version cannot read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Another try of the same transaction may succeed (PostgreSQL: serialization failure, deadlock).
    pub(crate) fn is_transient(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Database(Error::DatabaseError(kind, information))
            | Self::Commit(Error::DatabaseError(kind, information)) => {
                matches!(kind, DatabaseErrorKind::SerializationFailure)
                    || information.message().contains("deadlock detected")
            }
            _ => false,
        }
    }

    /// Was a uniqueness rule of the schema hit? Then somebody else was first.
    pub fn is_unique_violation(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        matches!(
            self,
            Self::Database(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
        )
    }
}

impl StoreError {
    /// The same failure, told to another caller of the same group.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Overloaded => Self::Overloaded,
            Self::Stopped => Self::Stopped,
            Self::Panicked => Self::Panicked,
            Self::Sealed => Self::Sealed,
            Self::Corrupt(what) => Self::Corrupt(what.clone()),
            Self::Database(error) | Self::Commit(error) => Self::Connect(error.to_string().into()),
            Self::Connect(error) => Self::Connect(error.to_string().into()),
        }
    }
}
