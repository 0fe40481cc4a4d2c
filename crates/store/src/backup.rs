//! Copies of a database, and whether somebody is at work in it.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::connection::{SqliteUse, open_postgres, open_sqlite};
use crate::error::StoreError;

/// Copies a living SQLite database into an empty file, as one consistent state.
pub fn sqlite_copy(database: &Path, destination: &Path) -> Result<(), StoreError> {
    let mut connection = open_sqlite(database, SqliteUse::Write)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(destination.to_string_lossy())
        .execute(&mut connection)?;
    Ok(())
}

/// Folds the write-ahead log into the file and leaves nothing beside it. False when another process has it open.
pub fn sqlite_settle(database: &Path) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Mode {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }
    let mut connection = open_sqlite(database, SqliteUse::Write)?;
    connection.batch_execute("PRAGMA busy_timeout = 0;")?;
    // Leaving the write-ahead log takes an exclusive lock, which nobody gets beside another connection.
    let mode =
        diesel::sql_query("PRAGMA journal_mode = DELETE").get_result::<Mode>(&mut connection);
    Ok(mode.is_ok_and(|mode| mode.journal_mode == "delete"))
}

/// How many others are connected to a PostgreSQL database.
pub fn postgres_others(url: &str) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Others {
        #[diesel(sql_type = BigInt)]
        others: i64,
    }
    let mut connection = open_postgres(url)?;
    let found: Others = diesel::sql_query(
        "SELECT count(*) AS others FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    .get_result(&mut connection)?;
    Ok(found.others)
}
