//! `curfew config …`

use clap::Subcommand;
use serde_json::json;

use crate::cli::Global;
use crate::config::{Config, reference};
use crate::failure::Failure;
use crate::output::{Output, line};

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration without starting anything
    Check,
    /// Print every setting as Markdown
    Reference,
    /// Print every error code as Markdown
    Errors,
    /// Print every lifetime as Markdown
    Lifetimes,
    /// Print the description of the API (OpenAPI)
    Openapi,
}

pub(crate) fn run(command: &ConfigCommand, global: &Global) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => {
            let config = Config::load(global.config.as_deref())?;
            let out = Output { json: global.json };
            let issuer = config.issuer.origin();
            out.value(&json!({ "issuer": issuer }), || {
                format!("The configuration is in order; the issuer is {issuer}.")
            });
        }
        ConfigCommand::Reference => line(reference::configuration().trim_end()),
        ConfigCommand::Errors => line(reference::errors().trim_end()),
        ConfigCommand::Lifetimes => line(reference::lifetimes().trim_end()),
        ConfigCommand::Openapi => {
            Output { json: true }.value(&curfew_account::api::document(), String::new);
        }
    }
    Ok(())
}
