//! Pooled connections to PostgreSQL.
//!
//! A connection that failed in any way other than a broken rule of the schema is thrown away, so that a restarted
//! database is found again at the next checkout without a test query before each use.

use std::time::Duration;

use diesel::r2d2::{ManageConnection, Pool};

use crate::AnyConnection;
use crate::audit::chain::Writing;
use crate::connection::open_postgres;
use crate::context::{Shared, Write};
use crate::error::StoreError;

/// How long a caller waits for a connection before it is answered 503.
const CHECKOUT: Duration = Duration::from_secs(3);
/// Tries of a transaction that lost against another one.
const TRIES: usize = 5;

#[derive(Clone)]
pub(crate) struct PostgresPool {
    pool: Pool<Manager>,
}

struct Manager {
    url: String,
}

pub(crate) struct Slot {
    writing: Writing,
    broken: bool,
}

impl ManageConnection for Manager {
    type Connection = Slot;
    type Error = StoreError;

    fn connect(&self) -> Result<Slot, StoreError> {
        let connection = AnyConnection::Postgres(open_postgres(&self.url)?);
        Ok(Slot {
            writing: Writing::new(connection),
            broken: false,
        })
    }

    fn is_valid(&self, slot: &mut Slot) -> Result<(), StoreError> {
        Ok(slot.writing.connection.batch("SELECT 1")?)
    }

    fn has_broken(&self, slot: &mut Slot) -> bool {
        slot.broken || std::thread::panicking()
    }
}

impl PostgresPool {
    pub(crate) fn open(url: &str, size: u32) -> Result<Self, StoreError> {
        let pool = Pool::builder()
            .max_size(size)
            // None in advance: a connection that is being made while a command ends would meet OpenSSL's own clean-up.
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(CHECKOUT)
            .build(Manager {
                url: url.to_owned(),
            })
            .map_err(|error| StoreError::Connect(Box::new(error)))?;
        Ok(Self { pool })
    }

    /// Runs `job` on a connection of the pool.
    pub(crate) fn with<T>(
        &self,
        job: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_writing(|writing| job(&mut writing.connection))
    }

    /// The same, with the connection's chain of the audit trail. Both are thrown away together, so that a chain ends where the
    /// outcome of a commit is not known.
    pub(crate) fn with_writing<T>(
        &self,
        job: impl FnOnce(&mut Writing) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = self
            .pool
            .get()
            .map_err(|error| StoreError::Connect(Box::new(error)))?;
        let answer = job(&mut slot.writing);
        if answer
            .as_ref()
            .is_err_and(|error| !error.is_unique_violation())
        {
            slot.broken = true;
        }
        answer
    }

    /// One transaction; a refusal commits, an error rolls back, a lost race is tried again.
    pub(crate) fn transaction<T, R>(
        &self,
        shared: &Shared,
        job: &impl Fn(&mut Write<'_>) -> Result<Result<T, R>, StoreError>,
    ) -> Result<Result<T, R>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.with_writing(|writing| transaction_once(writing, shared, job)) {
                Err(error) if error.is_transient() && tries < TRIES => {}
                answer => return answer,
            }
        }
    }
}

impl PostgresPool {
    /// One transaction whose changes are taken back, whatever comes of it.
    pub(crate) fn rehearsal<T, R>(
        &self,
        shared: &Shared,
        job: &impl Fn(&mut Write<'_>) -> Result<Result<T, R>, StoreError>,
    ) -> Result<Result<T, R>, StoreError> {
        self.with_writing(|writing| {
            writing.begin("BEGIN")?;
            let answer = job(&mut Write::new(writing, shared));
            writing.begin("ROLLBACK")?;
            answer
        })
    }
}

pub(crate) fn transaction_once<T>(
    writing: &mut Writing,
    shared: &Shared,
    job: &impl Fn(&mut Write<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    writing.begin("BEGIN")?;
    match job(&mut Write::new(writing, shared)) {
        Ok(answer) => {
            writing.commit(shared)?;
            Ok(answer)
        }
        Err(error) => {
            writing.connection.batch("ROLLBACK")?;
            Err(error)
        }
    }
}
