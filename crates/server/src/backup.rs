//! x
use crate::cli::Global;
use crate::failure::Failure;
use clap::Args;
use std::path::{Path, PathBuf};
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    file: Option<PathBuf>,
}
pub(crate) fn backup(_: &Global, _: &Path) -> Result<(), Failure> {
    Err(Failure::told("not yet"))
}
pub(crate) fn restore(_: &Global, args: &RestoreArgs) -> Result<(), Failure> {
    Err(Failure::told(format!("{:?}", args.file)))
}
