//! x
use crate::cli::Global;
use crate::failure::Failure;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct FillArgs {
    #[arg(long)]
    tokens: u64,
}
pub(crate) fn ceiling(_: std::net::SocketAddr) -> Result<(), Failure> {
    Err(Failure::told("not yet"))
}
pub(crate) fn fill(_: &Global, a: &FillArgs) -> Result<(), Failure> {
    Err(Failure::told(format!("not yet {}", a.tokens)))
}
