//! SQLite: a consistent copy beside the running server, and back.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use curfew_store::backup::{sqlite_copy, sqlite_settle};
use curfew_store::{DatabaseUrl, MigrationState, Store, StoreOptions};

use super::create_private;
use crate::failure::Failure;

pub(super) fn backup(database: &Path, file: &Path) -> Result<(), Failure> {
    sqlite_copy(database, file)?;
    sync(file)
}

fn sync(file: &Path) -> Result<(), Failure> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(file)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|source| {
            Failure::io(
                format!("{} cannot be written to the disk", file.display()),
                source,
            )
        })
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// 1. A copy of the copy is made beside the database, brought up to date, and checked against the keys.
/// 2. What is there now is set aside, when nobody has it open.
/// 3. The epoch is raised in the copy, then the copy takes the place.
///
/// Answers the epoch, and where the replaced database lies.
pub(super) fn restore(
    options: &StoreOptions,
    database: &Path,
    file: &Path,
) -> Result<(i64, Option<PathBuf>), Failure> {
    let fresh = beside(database, ".restoring");
    let _ = fs::remove_file(&fresh);
    let prepared = prepare(options, file, &fresh).and_then(|()| set_aside(database));
    let aside = match prepared {
        Ok(aside) => aside,
        Err(failure) => {
            let _ = fs::remove_file(&fresh);
            return Err(failure);
        }
    };
    let copy = StoreOptions {
        database: DatabaseUrl::Sqlite(fresh.clone()),
        ..options.clone()
    };
    let placed = Store::accept_restored(&copy)
        .map_err(Failure::from)
        .and_then(|epoch| {
            sync(&fresh)?;
            rename(&fresh, database)?;
            sync(database)?;
            Ok(epoch)
        });
    match placed {
        Ok(epoch) => Ok((epoch, aside)),
        Err(failure) => {
            if let Some(aside) = &aside {
                rename(aside, database)?;
            }
            let _ = fs::remove_file(&fresh);
            Err(failure)
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to)
        .map_err(|source| Failure::io(format!("{} cannot take its place", from.display()), source))
}

fn prepare(options: &StoreOptions, file: &Path, fresh: &Path) -> Result<(), Failure> {
    create_private(fresh)?;
    fs::copy(file, fresh)
        .map_err(|source| Failure::io(format!("{} cannot be read", file.display()), source))?;
    let url = DatabaseUrl::Sqlite(fresh.to_owned());
    if MigrationState::of(&url)
        .ok()
        .is_none_or(|state| state == MigrationState::Empty)
    {
        return Err(Failure::told(format!(
            "{} is no copy of a Curfew database",
            file.display()
        )));
    }
    // The mark is not asked here: the copy is older than it, that is the point.
    Store::migrate(&StoreOptions {
        database: url,
        epoch_mark: None,
        ..options.clone()
    })?;
    Ok(())
}

fn set_aside(database: &Path) -> Result<Option<PathBuf>, Failure> {
    if !database.exists() {
        return Ok(None);
    }
    if !sqlite_settle(database)? {
        return Err(Failure::told(
            "the database is in use; stop the server, and restore then",
        ));
    }
    let free = (1..)
        .map(|number| beside(database, &format!(".replaced-{number}")))
        .find(|path| !path.exists());
    let Some(aside) = free else { return Ok(None) };
    rename(database, &aside)?;
    Ok(Some(aside))
}
