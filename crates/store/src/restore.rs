//! Which database may be opened with which keys.
//!
//! Two things are refused: keys that are not this database's, and a database that is older than the keys remember, because it was put back
//! from a copy and would revive what was revoked since (D12). Beside the keys lies a mark with the highest installation epoch
//! ever seen.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use curfew_protocol::DEFAULT_TENANT;

use crate::audit::chain::Writing;
use crate::context::{Read, Shared, Write};
use crate::error::StoreError;
use crate::migrations::{self, MigrationState};
use crate::postgres_pool::transaction_once;
use crate::{Store, StoreOptions};

/// Why a database is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRefusal {
    #[error("the database is empty; run `curfew migrate` first")]
    Empty,
    #[error("the database lacks {0} migration(s); run `curfew migrate`")]
    Behind(usize),
    #[error("the database was migrated by a newer version of Curfew; use that version")]
    Ahead,
    #[error("these are not the keys of this database; put the right keys in place")]
    WrongKeys,
    #[error(
        "the database's installation epoch is {database}, but {mark} was seen before: an older copy was put back. \
         Run `curfew restore --accept` to end everything that was ever issued, and start again"
    )]
    OlderThanMark { database: i64, mark: i64 },
    #[error("the epoch mark {path} cannot be read or written")]
    Mark {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) fn check_before_open(options: &StoreOptions) -> Result<(), OpenRefusal> {
    match MigrationState::of(&options.database)? {
        MigrationState::Empty => return Err(OpenRefusal::Empty),
        MigrationState::Behind(steps) => return Err(OpenRefusal::Behind(steps.len())),
        MigrationState::Ahead => return Err(OpenRefusal::Ahead),
        MigrationState::Current => {}
    }
    let mut connection = migrations::open(&options.database)?;
    let shared = Shared::of(options);
    let mut read = Read::new(&mut connection, &shared);
    check_keys(&mut read)?;
    let database = read.installation_epoch()?;
    if let Some(path) = &options.epoch_mark {
        let mark = read_mark(path)?;
        if database < mark {
            return Err(OpenRefusal::OlderThanMark { database, mark });
        }
        if database > mark {
            write_mark(path, database)?;
        }
    }
    Ok(())
}

fn check_keys(read: &mut Read<'_>) -> Result<(), OpenRefusal> {
    let stored = read.key_checks()?;
    for (key_id, digest) in &stored {
        let ours = read.keys().key_check(*key_id);
        if ours.is_some_and(|ours| !ours.matches(&digest.0)) {
            return Err(OpenRefusal::WrongKeys);
        }
    }
    let shares_one = stored
        .iter()
        .any(|(key_id, _)| read.keys().key_check(*key_id).is_some());
    if shares_one {
        Ok(())
    } else {
        Err(OpenRefusal::WrongKeys)
    }
}

fn mark_error(path: &Path, source: std::io::Error) -> OpenRefusal {
    OpenRefusal::Mark {
        path: path.display().to_string(),
        source,
    }
}

fn read_mark(path: &Path) -> Result<i64, OpenRefusal> {
    match fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            mark_error(
                path,
                std::io::Error::new(std::io::ErrorKind::InvalidData, "not a number"),
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(mark_error(path, error)),
    }
}

fn write_mark(path: &Path, epoch: i64) -> Result<(), OpenRefusal> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)?;
        writeln!(file, "{epoch}")?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| mark_error(path, error))
}

impl Store {
    /// Brings the schema up to date. On an empty database it also makes the installation's row and writes down which keys it
    /// belongs to.
    pub fn migrate(options: &StoreOptions) -> Result<(), OpenRefusal> {
        if MigrationState::of(&options.database)? == MigrationState::Ahead {
            return Err(OpenRefusal::Ahead);
        }
        migrations::run(&options.database)?;
        let mut writing = Writing::new(migrations::open(&options.database)?);
        let shared = Shared::of(options);
        transaction_once(&mut writing, &shared, &|write: &mut Write<'_>| {
            write.tenant_lock(DEFAULT_TENANT)?;
            let known: Vec<_> = write.key_checks()?.into_iter().map(|(id, _)| id).collect();
            if known.is_empty() {
                write.installation_create()?;
            }
            let missing: Vec<_> = write
                .keys()
                .ids()
                .filter(|id| !known.contains(id))
                .collect();
            if known.is_empty() || missing.len() < write.keys().ids().count() {
                for id in missing {
                    write.key_check_insert(id)?;
                }
            }
            Ok(())
        })?;
        check_before_open(options)
    }

    /// After a restore: raises the installation's epoch above everything that was ever seen.
    pub fn accept_restored(options: &StoreOptions) -> Result<i64, OpenRefusal> {
        let mark = match &options.epoch_mark {
            Some(path) => read_mark(path)?,
            None => 0,
        };
        let mut writing = Writing::new(migrations::open(&options.database)?);
        let shared = Shared::of(options);
        check_keys(&mut Read::new(&mut writing.connection, &shared))?;
        let epoch = transaction_once(&mut writing, &shared, &|write: &mut Write<'_>| {
            write.installation_epoch_raise(mark + 1)
        })?;
        if let Some(path) = &options.epoch_mark {
            write_mark(path, epoch)?;
        }
        Ok(epoch)
    }
}
