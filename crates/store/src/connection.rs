//! A connection to either database.
//!
//! Diesel's typed queries are written once and compiled for both backends by [`on`](crate::on): the query text, its cached
//! statement and its types stay those of the concrete backend, so nothing is paid for the choice but one branch.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::error::StoreError;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

impl DatabaseUrl {
    /// `sqlite:PATH` (relative to `base`), `postgres://…` or `postgresql://…`.
    pub fn parse(text: &str, base: &Path) -> Option<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Some(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then(|| Self::Sqlite(base.join(path)))
    }
}

/// A connection to one of the two.
pub(crate) enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs one Diesel expression on whichever backend the connection has.
#[macro_export]
#[doc(hidden)]
macro_rules! on {
    ($connection:expr, $c:ident => $query:expr) => {
        match $connection {
            $crate::connection::AnyConnection::Sqlite($c) => $query,
            $crate::connection::AnyConnection::Postgres($c) => $query,
        }
    };
}

impl AnyConnection {
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), diesel::result::Error> {
        on!(self, c => c.batch_execute(sql))
    }

    /// Runs a reading that may take longer than a request, such as one that reads a whole table.
    pub(crate) fn patiently<T>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if matches!(self, Self::Sqlite(_)) {
            return job(self);
        }
        self.batch("SET statement_timeout = 0")?;
        let answer = job(self);
        self.batch(POSTGRES_STATEMENT_TIMEOUT)?;
        answer
    }
}

/// How an SQLite connection is going to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqliteUse {
    Read,
    Write,
}

/// Opens the file. `busy_timeout` comes first: without it, a start under load dies at `journal_mode`.
pub(crate) fn open_sqlite(path: &Path, purpose: SqliteUse) -> Result<SqliteConnection, StoreError> {
    if purpose == SqliteUse::Write {
        make_private(path).map_err(|error| StoreError::Connect(Box::new(error)))?;
    }
    let url = path.to_string_lossy();
    let mut connection =
        SqliteConnection::establish(&url).map_err(|error| StoreError::Connect(Box::new(error)))?;
    connection.batch_execute(
        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -65536;",
    )?;
    if purpose == SqliteUse::Read {
        connection.batch_execute("PRAGMA query_only = ON;")?;
    }
    Ok(connection)
}

/// Makes the file, readable by its owner only, when there is none; SQLite gives its side files the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

const POSTGRES_STATEMENT_TIMEOUT: &str = "SET statement_timeout = '5s';";

/// What every PostgreSQL connection is set to: no statement, lock or idle transaction outlives its welcome, and a commit
/// is on disk before it is acknowledged.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '3s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = 'on'; \
     SET default_transaction_read_only = off; SET TIME ZONE 'UTC';";

pub(crate) fn open_postgres(url: &str) -> Result<PgConnection, StoreError> {
    let mut connection =
        PgConnection::establish(url).map_err(|error| StoreError::Connect(Box::new(error)))?;
    connection.batch_execute(POSTGRES_STATEMENT_TIMEOUT)?;
    connection.batch_execute(POSTGRES_SETTINGS)?;
    Ok(connection)
}
