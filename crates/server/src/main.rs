//! `curfew`: the server and its command line.

mod backup;
mod bench;
mod cli;
mod clock;
mod commands;
mod config;
mod demo;
mod failure;
mod init;
mod jobs;
mod keys;
mod login;
mod open;
mod output;
mod readiness;
mod serve;
mod telemetry;
mod tls;
mod upstreams;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
