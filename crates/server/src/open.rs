//! From a configuration to an open store.

use std::path::Path;
use std::sync::Arc;

use curfew_admin::{Admin, Invitations};
use curfew_http::outbound::{Outbound, OutboundRefusal, OutboundRules};
use curfew_http::pages::Pages;
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

/// Pages and mails in the configured theme.
pub(crate) fn pages(config: &Config) -> Result<Pages, Failure> {
    let templates = [
        curfew_grants::pages::TEMPLATES,
        curfew_account::pages::TEMPLATES,
        curfew_upstream::TEMPLATES,
    ];
    Pages::new(&templates, config.theme.as_deref()).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map_or_else(String::new, |cause| format!(": {cause}"));
        Failure::told(format!("the theme cannot be used: {error}{cause}"))
    })
}

/// The client for other servers.
pub(crate) fn outbound(config: &Config) -> Result<Outbound, Failure> {
    let settings = &config.outbound;
    let file = settings.ca_file.as_deref();
    let named = |problem: &dyn std::fmt::Display| {
        let file = file.unwrap_or(Path::new("")).display();
        Failure::told(format!("outbound.ca_file = {file}: {problem}"))
    };
    let roots = match file {
        Some(file) => std::fs::read(file)
            .map_err(|error| named(&format_args!("it cannot be read ({error})")))?,
        None => Vec::new(),
    };
    let rules = OutboundRules {
        allowed: settings.allowed.clone(),
        roots,
        timeout: config.lifetimes.outbound_call,
    };
    Outbound::new(&rules).map_err(|refusal| match refusal {
        OutboundRefusal::NoCertificate | OutboundRefusal::Certificates(_) => named(&refusal),
        OutboundRefusal::Client(_) => Failure::told(refusal.to_string()),
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

    /// How people are invited: by mail, when it is configured.
    pub(crate) fn invitations(&self) -> Result<Arc<Invitations>, Failure> {
        let issuer = self.config.issuer.clone();
        Ok(Arc::new(match &self.config.mail {
            Some(_) => Invitations::by_mail(issuer, pages(&self.config)?),
            None => Invitations::by_hand(issuer),
        }))
    }
}
