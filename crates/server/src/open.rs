//! From a configuration to an open store.

use std::sync::Arc;

use curfew_admin::Admin;
use curfew_store::{Store, StoreOptions, SystemEntropy};

use crate::cli::Global;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::failure::Failure;
use crate::keys;
use crate::output::Output;

/// Connections of one command.
const COMMAND_POOL: u32 = 2;

/// What the store needs, with the keys read.
pub(crate) fn store_options(config: &Config, pool_size: u32) -> Result<StoreOptions, Failure> {
    Ok(StoreOptions {
        database: config.database.url.clone(),
        pool_size,
        epoch_mark: Some(keys::epoch_mark(&config.keys_directory)),
        keys: Arc::new(keys::load(&config.keys_directory)?),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    })
}

/// What a command of the command line works with.
pub(crate) struct Opened {
    pub(crate) config: Config,
    pub(crate) admin: Admin,
    pub(crate) out: Output,
    pub(crate) tenant: String,
}

impl Opened {
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let config = Config::load(global.config.as_deref())?;
        let store = Store::open(store_options(&config, COMMAND_POOL)?)?;
        let admin = Admin::for_command_line(store, config.lifetimes);
        Ok(Self {
            config,
            admin,
            out: Output { json: global.json },
            tenant: global.tenant.clone(),
        })
    }

    /// The tenant and a name in it, as operations take them.
    pub(crate) fn at<'a>(&'a self, name: &'a str) -> (&'a str, &'a str) {
        (&self.tenant, name)
    }

    /// The link with which somebody chooses a password.
    pub(crate) fn password_link(&self, link: &str) -> String {
        let base = curfew_http::realm::base_of(&self.tenant);
        format!(
            "{}/login/password?link={link}",
            self.config.issuer.of(&base)
        )
    }
}
