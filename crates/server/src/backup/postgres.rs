//! PostgreSQL: by its own tools, `pg_dump` and `pg_restore`.

use std::path::Path;
use std::process::{Command, Stdio};

use curfew_store::backup::postgres_others;
use curfew_store::{DatabaseUrl, MigrationState, Store, StoreOptions};

use crate::failure::Failure;

pub(super) fn backup(url: &str, file: &Path) -> Result<(), Failure> {
    let mut command = tool("pg_dump", url)?;
    command
        .args(["--format=custom", "--no-owner", "--no-privileges", "--file"])
        .arg(file);
    run(command, "pg_dump")
}

/// Answers the raised epoch. Nodes must be stopped: they would see the copy before its epoch is raised.
pub(super) fn restore(
    options: &StoreOptions,
    url: &str,
    file: &Path,
    replace: bool,
) -> Result<i64, Failure> {
    if !file.is_file() {
        return Err(Failure::told(format!("{} is no file", file.display())));
    }
    let empty = MigrationState::of(&options.database)? == MigrationState::Empty;
    if !empty && !replace {
        return Err(Failure::told(
            "the database holds an installation already; add --replace to write over it, or name an empty database",
        ));
    }
    let others = postgres_others(url)?;
    if others > 0 {
        return Err(Failure::told(format!(
            "{others} others are connected to the database; stop every node, and restore then"
        )));
    }
    let mut command = tool("pg_restore", url)?;
    command.args([
        "--clean",
        "--if-exists",
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
    ]);
    command.arg("--exit-on-error").arg(file);
    run(command, "pg_restore")?;
    Store::migrate(&StoreOptions {
        database: DatabaseUrl::Postgres(url.to_owned()),
        epoch_mark: None,
        ..options.clone()
    })?;
    Ok(Store::accept_restored(options)?)
}

/// The tool with its connection. The password goes by the environment: arguments can be read by everybody on the machine.
fn tool(name: &str, url: &str) -> Result<Command, Failure> {
    let mut parsed = url::Url::parse(url).map_err(|error| {
        Failure::told(format!(
            "database.url is no URL that {name} understands: {error}"
        ))
    })?;
    let mut command = Command::new(name);
    if let Some(password) = parsed.password() {
        let form = format!("p={}", password.replace('+', "%2B").replace('&', "%26"));
        let decoded = curfew_protocol::Form::parse(form.as_bytes(), &[])
            .ok()
            .and_then(|form| form.get("p").map(str::to_owned))
            .ok_or_else(|| {
                Failure::told("the password in database.url is not valid percent-encoding")
            })?;
        command.env("PGPASSWORD", decoded);
    }
    parsed
        .set_password(None)
        .map_err(|()| Failure::told("database.url has no host, which a password needs"))?;
    command
        .arg("--dbname")
        .arg(parsed.as_str())
        .stdin(Stdio::null());
    Ok(command)
}

fn run(mut command: Command, name: &str) -> Result<(), Failure> {
    let status = command.status().map_err(|source| {
        let told = if source.kind() == std::io::ErrorKind::NotFound {
            format!("{name} is not installed; install the PostgreSQL client tools of the server's version")
        } else {
            format!("{name} cannot be run")
        };
        Failure::io(told, source)
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::told(format!(
        "{name} failed ({status}); what it said stands above"
    )))
}
