//! `curfew backup` and `curfew restore`: copies that do not bring back what was revoked.
//!
//! A copy is older than the present, so it knows nothing of later revocations. Restoring therefore raises the installation's epoch
//! above everything that was ever seen, before the copy is in place: every session and token is dead, and everybody signs in anew (D12).

mod postgres;
mod sqlite;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use curfew_admin::Admin;
use curfew_store::{DatabaseUrl, Store};
use serde_json::json;

use crate::cli::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::open::{Opened, store_options};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The copy
    #[arg(required_unless_present = "accept", conflicts_with = "accept")]
    file: Option<PathBuf>,
    /// The database was put back already: only end everything that was ever issued
    #[arg(long)]
    accept: bool,
    /// PostgreSQL: write over what the database holds now. (A replaced SQLite file is set aside in any case.)
    #[arg(long)]
    replace: bool,
}

/// `curfew backup`
pub(crate) fn backup(global: &Global, file: &Path) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    create_private(file)?;
    let copied = match &opened.config.database.url {
        DatabaseUrl::Sqlite(database) => sqlite::backup(database, file),
        DatabaseUrl::Postgres(url) => postgres::backup(url, file),
    };
    if let Err(failure) = copied {
        let _ = std::fs::remove_file(file);
        return Err(failure);
    }
    opened.admin.backup_made()?;
    let keys = opened.config.keys_directory.display();
    opened.out.value(&json!({ "file": file }), || {
        format!(
            "{} holds the database as it is now. Keep the keys with it: {keys}",
            file.display()
        )
    });
    Ok(())
}

/// `curfew restore`
pub(crate) fn restore(global: &Global, args: &RestoreArgs) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref())?;
    let options = store_options(&config, 1)?;
    let (epoch, aside) = match (&args.file, &config.database.url) {
        (None, _) => (Store::accept_restored(&options)?, None),
        (Some(file), DatabaseUrl::Sqlite(database)) => sqlite::restore(&options, database, file)?,
        (Some(file), DatabaseUrl::Postgres(url)) => {
            (postgres::restore(&options, url, file, args.replace)?, None)
        }
    };
    Admin::for_command_line(Store::open(options)?, config.lifetimes).restored(epoch)?;
    let value = json!({ "installation_epoch": epoch, "replaced": aside });
    Output { json: global.json }.value(&value, || {
        let kept = aside.map_or_else(String::new, |path: PathBuf| {
            format!("\nWhat was there before lies in {}; remove it when it is not needed any more.", path.display())
        });
        format!(
            "The database is in place. Everything that was ever issued is dead (installation epoch {epoch}); \
             everybody signs in anew.{kept}"
        )
    });
    Ok(())
}

/// Makes the file, readable for nobody else. What exists is not written over.
fn create_private(file: &Path) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map(|_| ())
        .map_err(|source| {
            let told = if source.kind() == std::io::ErrorKind::AlreadyExists {
                format!("{} exists already; name another file", file.display())
            } else {
                format!("{} cannot be written", file.display())
            };
            Failure::io(told, source)
        })
}
