//! The schema's steps, compiled in; equal names on both backends.

use diesel::connection::Connection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::AnyConnection;
use crate::connection::{DatabaseUrl, SqliteUse, open_postgres, open_sqlite};
use crate::error::StoreError;

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// A step that has not been taken yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PendingMigration {
    pub name: String,
}

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// Nothing was ever stored here.
    Empty,
    Behind(Vec<PendingMigration>),
    Current,
    /// A newer version has been at work here.
    Ahead,
}

pub(crate) fn open(database: &DatabaseUrl) -> Result<AnyConnection, StoreError> {
    match database {
        DatabaseUrl::Sqlite(path) => {
            Ok(AnyConnection::Sqlite(open_sqlite(path, SqliteUse::Write)?))
        }
        DatabaseUrl::Postgres(url) => Ok(AnyConnection::Postgres(open_postgres(url)?)),
    }
}

impl MigrationState {
    /// Looks at a database. An SQLite file that does not exist is empty and is not made.
    pub fn of(database: &DatabaseUrl) -> Result<Self, StoreError> {
        if let DatabaseUrl::Sqlite(path) = database
            && !path.exists()
        {
            return Ok(Self::Empty);
        }
        match open(database)? {
            AnyConnection::Sqlite(mut c) => state(&mut c, SQLITE),
            AnyConnection::Postgres(mut c) => state(&mut c, POSTGRES),
        }
    }
}

fn state<C, DB>(connection: &mut C, steps: EmbeddedMigrations) -> Result<MigrationState, StoreError>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: diesel::migration::MigrationSource<DB>,
{
    use diesel::migration::{Migration, MigrationSource};
    let applied = connection
        .applied_migrations()
        .map_err(StoreError::Connect)?;
    let known: Vec<Box<dyn Migration<DB>>> = steps.migrations().map_err(StoreError::Connect)?;
    let is_known = |version: &diesel::migration::MigrationVersion<'_>| {
        known.iter().any(|step| step.name().version() == *version)
    };
    if applied.iter().any(|version| !is_known(version)) {
        return Ok(MigrationState::Ahead);
    }
    let pending: Vec<PendingMigration> = known
        .iter()
        .filter(|step| !applied.contains(&step.name().version()))
        .map(|step| PendingMigration {
            name: step.name().to_string(),
        })
        .collect();
    Ok(match (applied.is_empty(), pending.is_empty()) {
        (_, true) => MigrationState::Current,
        (true, false) => MigrationState::Empty,
        (false, false) => MigrationState::Behind(pending),
    })
}

/// Takes every step that is pending, each in a transaction of its own. Several nodes may start at once: on PostgreSQL they
/// take turns by a lock on the catalogue of steps, on SQLite by the file's own lock.
pub(crate) fn run(database: &DatabaseUrl) -> Result<(), StoreError> {
    match open(database)? {
        AnyConnection::Sqlite(mut c) => {
            c.run_pending_migrations(SQLITE)
                .map_err(StoreError::Connect)?;
        }
        AnyConnection::Postgres(mut c) => {
            use diesel::connection::SimpleConnection;
            c.applied_migrations().map_err(StoreError::Connect)?;
            c.transaction(|c| {
                c.batch_execute(
                    "LOCK TABLE __diesel_schema_migrations IN SHARE ROW EXCLUSIVE MODE",
                )?;
                c.run_pending_migrations(POSTGRES)
                    .map(|_| ())
                    .map_err(diesel::result::Error::QueryBuilderError)
            })?;
        }
    }
    Ok(())
}
