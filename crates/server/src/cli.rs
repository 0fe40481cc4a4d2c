//! The command line: which commands there are, and where each is done.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    Switch, audit, client, config, import, maintenance, resource, scope, session, tenant, token,
    upstream, user,
};
use crate::failure::Failure;
use crate::{backup, bench, demo, init, login, serve};

/// An OAuth 2.0 authorization server whose tokens die on time, everywhere.
#[derive(Debug, Parser)]
#[command(name = "curfew", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The configuration file; ./curfew.toml when none is named
    #[arg(long, global = true, env = "CURFEW_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The tenant to work on
    #[arg(long, global = true, value_name = "SLUG", default_value = "default")]
    pub(crate) tenant: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a complete example on this machine, and say what to try
    Demo(demo::DemoArgs),
    /// Make a new installation: configuration, keys, database and the first administrator's secret
    Init(init::InitArgs),
    /// Run the server
    Serve,
    /// Bring the database's schema up to date
    Migrate {
        /// Only say what would be done
        #[arg(long)]
        plan: bool,
    },
    /// Check whether the installation is in order; exit code 1 when it is not
    Doctor {
        /// Also prove the invariants of the chain of life, which reads every row
        #[arg(long)]
        invariants: bool,
    },
    /// Remove what has expired long ago
    Gc,
    /// Copy the database to a file
    Backup { file: PathBuf },
    /// Put a copy of the database in place; what was revoked since stays revoked
    Restore(backup::RestoreArgs),
    /// Tenants: issuers of their own
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// OAuth clients
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Resource servers, which ask whether tokens are alive
    #[command(subcommand)]
    Resource(resource::ResourceCommand),
    /// Is the device flow on? With `on` or `off`: switch it, for all tenants, at once
    DeviceFlow {
        #[arg(value_enum)]
        switch: Option<Switch>,
    },
    /// Scopes
    #[command(subcommand)]
    Scope(scope::ScopeCommand),
    /// People
    #[command(subcommand)]
    User(user::UserCommand),
    /// Providers through which people sign in
    #[command(subcommand)]
    Upstream(upstream::UpstreamCommand),
    /// Take over what comes from elsewhere
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Look at tokens, and end them
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Browser sessions
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// The audit trail: search it, hand it out, prove it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Sign in at a server from this terminal, by a code that you approve in a browser
    Login(login::LoginArgs),
    /// End a login that `curfew login` made, here and at the server
    Logout(login::LogoutArgs),
    /// Say who is signed in
    Whoami(login::WhoamiArgs),
    /// Your own tokens, at the server where you are signed in
    #[command(subcommand)]
    Tokens(login::TokensCommand),
    /// Check the configuration, or print the references
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    #[command(hide = true)]
    BenchCeiling {
        #[arg(long)]
        listen: SocketAddr,
    },
    #[command(hide = true)]
    BenchFill(bench::FillArgs),
}

pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&args, global),
        Command::Serve => serve::run(global),
        Command::Migrate { plan } => maintenance::migrate(global, plan),
        Command::Doctor { invariants } => maintenance::doctor(global, invariants),
        Command::Gc => maintenance::clean_up(global),
        Command::Backup { file } => backup::backup(global, &file),
        Command::Restore(args) => backup::restore(global, &args),
        Command::Tenant(command) => tenant::run(command, global),
        Command::Client(command) => client::run(command, global),
        Command::Resource(command) => resource::run(command, global),
        Command::DeviceFlow { switch } => maintenance::device_flow(global, switch),
        Command::Scope(command) => scope::run(command, global),
        Command::User(command) => user::run(command, global),
        Command::Upstream(command) => upstream::run(command, global),
        Command::Import(command) => import::run(&command, global),
        Command::Token(command) => token::run(command, global),
        Command::Session(command) => session::run(command, global),
        Command::Audit(command) => audit::run(command, global),
        Command::Login(args) => login::run(&args, global),
        Command::Logout(args) => login::logout(&args, global),
        Command::Whoami(args) => login::whoami(&args, global),
        Command::Tokens(command) => login::tokens(command, global),
        Command::Config(command) => config::run(&command, global),
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut command, "curfew", &mut std::io::stdout());
            Ok(())
        }
        Command::BenchCeiling { listen } => bench::ceiling(listen),
        Command::BenchFill(args) => bench::fill(global, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
