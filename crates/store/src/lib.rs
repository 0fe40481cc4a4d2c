//! Facts in, transitions out: the only crate that speaks SQL.
//!
//! Reads get a [`Read`], transitions a [`Write`]; both carry the connection, the one reading of the clock and the server keys.
//! A write answers `Result<Result<T, Refusal>, StoreError>`: a refusal commits what it must leave behind (the end of a
//! replayed family, the audit row), a [`StoreError`] rolls back and becomes 503.
//!
//! On SQLite reads run on the calling thread and writes on one writer thread that commits in groups (`sqlite_writer.rs`).
//! On PostgreSQL both run on pooled connections, except the hot statements, which share batches (`lanes.rs`).

mod connection;
mod context;
mod db;
mod doctor;
mod error;
#[cfg(feature = "seeded-faults")]
mod faults;
mod introspection;
mod keys;
mod lanes;
mod migrations;
mod node_chain;
mod postgres_pool;
mod restore;
mod schema;
mod sqlite_writer;

pub mod audit;
pub mod backup;
pub mod bootstraps;
pub mod bulk;
pub mod clean_up;
pub mod client_members;
pub mod clients;
pub mod codes;
pub mod consents;
pub mod device_codes;
pub mod dormancy;
pub mod families;
pub mod installation;
pub mod last_uses;
pub mod lineage;
pub mod link_proofs;
pub mod links;
pub mod mailed_links;
pub mod mails;
pub mod mint;
pub mod node_lists;
pub mod nodes;
pub mod personal_access_tokens;
pub mod providers;
pub mod rate_limits;
pub mod resource_servers;
pub mod scopes;
pub mod sessions;
pub mod tenants;
pub mod tokens;
pub mod tree;
pub mod upstream_logins;
pub mod users;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use curfew_protocol::{ClientKey, Clock, Entropy, NodeId};

pub use connection::DatabaseUrl;
pub use context::{Read, Write};
pub use doctor::{Finding, Invariant};
pub use error::StoreError;
pub use introspection::{Caller, IntrospectedToken, IntrospectionFacts};
pub use keys::{KeyId, KeyedDigest, MacPurpose, ServerKeys, SystemEntropy};
pub use lanes::TenantCatalogue;
pub use migrations::{MigrationState, PendingMigration};
pub use restore::OpenRefusal;

use connection::AnyConnection;
use context::Shared;
use postgres_pool::PostgresPool;
use sqlite_writer::SqliteWriter;

/// Everything the store needs from outside.
#[derive(Clone)]
pub struct StoreOptions {
    pub database: DatabaseUrl,
    /// Connections to PostgreSQL, at the most.
    pub pool_size: u32,
    /// The file, beside the keys, that remembers the highest installation epoch ever seen.
    pub epoch_mark: Option<PathBuf>,
    pub keys: Arc<ServerKeys>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A database, opened and checked. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    backend: Backend,
    /// Where each client's standing grant was last seen. Only a hint: the node is judged anew at each use.
    grants: RwLock<HashMap<ClientKey, NodeId>>,
}

enum Backend {
    Sqlite {
        path: PathBuf,
        writer: SqliteWriter,
    },
    Postgres {
        pool: PostgresPool,
        lanes: lanes::Lanes,
    },
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("database", &self.backend_name())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a migrated database and checks that it belongs to these keys and was not put back behind our back.
    pub fn open(options: StoreOptions) -> Result<Self, OpenRefusal> {
        let shared = Arc::new(Shared::of(&options));
        restore::check_before_open(&options)?;
        let backend = match options.database {
            DatabaseUrl::Sqlite(path) => Backend::Sqlite {
                writer: SqliteWriter::start(&path, Arc::clone(&shared))?,
                path,
            },
            DatabaseUrl::Postgres(url) => {
                let pool = PostgresPool::open(&url, options.pool_size)?;
                let lanes = lanes::Lanes::start(&pool, &shared);
                Backend::Postgres { pool, lanes }
            }
        };
        let inner = Inner {
            shared,
            backend,
            grants: RwLock::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// `sqlite` or `postgres`.
    pub fn backend_name(&self) -> &'static str {
        match self.inner.backend {
            Backend::Sqlite { .. } => "sqlite",
            Backend::Postgres { .. } => "postgres",
        }
    }

    pub fn keys(&self) -> &ServerKeys {
        &self.inner.shared.keys
    }

    pub fn clock(&self) -> &dyn Clock {
        self.inner.shared.clock.as_ref()
    }

    pub fn entropy(&self) -> &dyn Entropy {
        self.inner.shared.entropy.as_ref()
    }

    /// Reads on the calling thread (SQLite) or on the blocking pool (PostgreSQL).
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Read<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite { .. } => self.read_blocking(job),
            Backend::Postgres { .. } => {
                let store = self.clone();
                tokio::task::spawn_blocking(move || store.read_blocking(job))
                    .await
                    .map_err(|_| StoreError::Panicked)?
            }
        }
    }

    /// [`Self::read`] for callers that may wait.
    pub fn read_blocking<T>(
        &self,
        job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.inner.backend {
            Backend::Sqlite { path, .. } => sqlite_writer::with_reader(path, |connection| {
                job(&mut Read::new(connection, &self.inner.shared))
            }),
            Backend::Postgres { pool, .. } => {
                pool.with(|connection| job(&mut Read::new(connection, &self.inner.shared)))
            }
        }
    }

    /// One transaction, durable before this returns. A refusal commits too; an error leaves nothing behind.
    /// The job may run more than once (PostgreSQL: serialization failure), so it must not keep state.
    pub async fn write<T, R, F>(&self, job: F) -> Result<Result<T, R>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(&mut Write<'_>) -> Result<Result<T, R>, StoreError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite { writer, .. } => {
                writer.submit(job)?.await.map_err(|_| StoreError::Stopped)?
            }
            Backend::Postgres { .. } => {
                let store = self.clone();
                tokio::task::spawn_blocking(move || store.write_blocking(job))
                    .await
                    .map_err(|_| StoreError::Panicked)?
            }
        }
    }

    /// [`Self::write`] for callers that may wait.
    pub fn write_blocking<T, R, F>(&self, job: F) -> Result<Result<T, R>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(&mut Write<'_>) -> Result<Result<T, R>, StoreError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite { writer, .. } => writer
                .submit(job)?
                .blocking_recv()
                .map_err(|_| StoreError::Stopped)?,
            Backend::Postgres { pool, .. } => pool.transaction(&self.inner.shared, &job),
        }
    }

    /// [`Self::write_blocking`] that takes everything back before it returns: it answers what would have been answered.
    pub fn rehearse_blocking<T, R, F>(&self, job: F) -> Result<Result<T, R>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(&mut Write<'_>) -> Result<Result<T, R>, StoreError> + Send + 'static,
    {
        match &self.inner.backend {
            Backend::Sqlite { writer, .. } => writer
                .submit_rehearsal(job)?
                .blocking_recv()
                .map_err(|_| StoreError::Stopped)?,
            Backend::Postgres { pool, .. } => pool.rehearsal(&self.inner.shared, &job),
        }
    }

    /// Does the database answer?
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|read| read.installation_epoch().map(|_| ()))
            .await
    }
}
