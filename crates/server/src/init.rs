//! `curfew init`: a new installation.
//!
//! 1. The configuration is put together and checked; nothing is overwritten.
//! 2. The database must be empty: keys are never made beside one that holds something.
//! 3. Keys, configuration and schema are made; what was made is taken back when a later step fails.
//! 4. The secret for the first administrator is printed, once.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use curfew_admin::Admin;
use curfew_store::{DatabaseUrl, MigrationState, Store, SystemEntropy};
use serde_json::json;

use crate::cli::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::keys;
use crate::open::store_options;
use crate::output::Output;

#[derive(Clone, Debug, Args)]
pub(crate) struct InitArgs {
    /// Where configuration, keys and, with SQLite, the database go
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The address that people and clients reach Curfew at; http://LISTEN when left out
    #[arg(
        long,
        value_name = "URL",
        env = "CURFEW_ISSUER",
        hide_env_values = true
    )]
    pub(crate) issuer: Option<String>,
    /// sqlite:PATH or postgres://…; a password is better set by CURFEW_DATABASE_URL than written here
    #[arg(
        long,
        value_name = "URL",
        env = "CURFEW_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,
    #[arg(
        long,
        value_name = "ADDR",
        env = "CURFEW_LISTEN_PUBLIC",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) listen: SocketAddr,
}

/// A new installation, open.
pub(crate) struct Made {
    pub(crate) config: Config,
    pub(crate) file: PathBuf,
    pub(crate) admin: Admin,
}

/// `curfew init`
pub(crate) fn run(args: &InitArgs, global: &Global) -> Result<(), Failure> {
    let made = make(args)?;
    let secret = made.admin.bootstrap_make()?.reveal();
    let url = format!("{}/bootstrap", made.config.issuer.origin());
    let value = json!({
        "config": made.file, "keys": made.config.keys_directory, "bootstrap_secret": secret, "bootstrap_url": url,
    });
    Output { json: global.json }.value(&value, || {
        let (file, keys) = (made.file.display(), made.config.keys_directory.display());
        let lasts = made.config.lifetimes.bootstrap;
        format!(
            "Made {file} and the keys in {keys}. Back up the keys together with the database: without them\n\
             every token and secret in it is worthless.\n\n\
             Start the server:\n\n  curfew --config {file} serve\n\n\
             Then open {url} and make the first administrator with this secret,\n\
             which is shown only now and good for {lasts}:\n\n  {secret}"
        )
    });
    Ok(())
}

/// Makes everything but the administrator's secret.
pub(crate) fn make(args: &InitArgs) -> Result<Made, Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.dir)
        .map_err(|source| {
            Failure::io(
                format!("the folder {} cannot be made", args.dir.display()),
                source,
            )
        })?;
    let file = args.dir.join(crate::config::DEFAULT_FILE);
    if file.exists() {
        return Err(Failure::told(format!(
            "{} exists already; init overwrites nothing",
            file.display()
        )));
    }
    let text = file_text(args);
    let config = Config::parse(&text, &[], &args.dir)?;
    refuse_used_database(&config)?;
    keys::create(&config.keys_directory, &SystemEntropy)?;
    match furnish(&config, &file, &text) {
        Ok(store) => Ok(Made {
            admin: Admin::for_command_line(store, config.lifetimes),
            config,
            file,
        }),
        Err(failure) => {
            // As long as the database knows nothing of the key, it belongs to nothing.
            if matches!(
                MigrationState::of(&config.database.url),
                Ok(MigrationState::Empty) | Err(_)
            ) {
                let _ = fs::remove_file(config.keys_directory.join("1.key"));
                let _ = fs::remove_file(&file);
            }
            Err(failure)
        }
    }
}

fn refuse_used_database(config: &Config) -> Result<(), Failure> {
    match MigrationState::of(&config.database.url)? {
        MigrationState::Empty => Ok(()),
        MigrationState::Behind(_) | MigrationState::Current | MigrationState::Ahead => {
            Err(Failure::told(
                "the database already holds an installation, and new keys would make everything in it worthless; put the \
             configuration and the keys of that installation in place, or name another database with --database",
            ))
        }
    }
}

fn furnish(config: &Config, file: &Path, text: &str) -> Result<Store, Failure> {
    write_private(file, text)?;
    if let DatabaseUrl::Sqlite(path) = &config.database.url
        && !path.exists()
    {
        // SQLite would make it readable for everybody; an empty file is an empty database.
        write_private(path, "")?;
    }
    let options = store_options(config, 1)?;
    Store::migrate(&options)?;
    Ok(Store::open(options)?)
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .map_err(|source| Failure::io(format!("{} cannot be written", path.display()), source))
}

/// A text in TOML's own spelling.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn file_text(args: &InitArgs) -> String {
    let listen = args.listen.to_string();
    let issuer = args
        .issuer
        .clone()
        .unwrap_or_else(|| format!("http://{listen}"));
    let database = args.database.as_deref().unwrap_or("sqlite:curfew.db");
    format!(
        "# Curfew. `curfew config reference` explains every setting; each can also be set by the environment, such as\n\
         # CURFEW_LISTEN_PUBLIC. Relative paths begin at this file's folder.\n\
         \n\
         # The address that people and clients reach Curfew at. Tokens and cookies are bound to it.\n\
         issuer = {}\n\
         \n\
         [listen]\n\
         public = {}\n\
         # Prometheus metrics, on an address of their own:\n\
         # metrics = \"127.0.0.1:9090\"\n\
         \n\
         [database]\n\
         # sqlite:PATH, or postgres://USER:PASSWORD@HOST/NAME for several nodes.\n\
         url = {}\n\
         \n\
         [keys]\n\
         # Back these up together with the database.\n\
         directory = \"keys\"\n\
         \n\
         # [tls]\n\
         # certificate = \"certificate.pem\"\n\
         # private_key = \"private_key.pem\"\n\
         \n\
         # [proxy]\n\
         # Whose X-Forwarded-For is believed.\n\
         # trusted = [\"10.0.0.0/8\"]\n\
         \n\
         # [mail]\n\
         # Without it, links to choose a password are handed over by hand.\n\
         # smtp_url = \"smtps://USER:PASSWORD@mail.example.com\"\n\
         # from = \"Curfew <no-reply@example.com>\"\n\
         \n\
         # People may sign in through other providers; docs/upstream.md says how.\n\
         # [upstream.google]\n\
         # preset = \"google\"\n\
         # client_id = \"…\"\n\
         # client_secret_file = \"google.secret\"\n\
         \n\
         [log]\n\
         level = \"info\"\n\
         format = \"text\"\n\
         \n\
         # Seconds; `curfew config lifetimes` lists all of them.\n\
         # [lifetimes]\n\
         # access_token = 600\n",
        quoted(&issuer),
        quoted(&listen),
        quoted(database),
    )
}
