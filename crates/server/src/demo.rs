//! x
use crate::failure::Failure;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}
pub(crate) fn run(_: &DemoArgs) -> Result<(), Failure> {
    Err(Failure::told("not yet"))
}
