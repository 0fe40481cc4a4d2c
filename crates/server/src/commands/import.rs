//! `curfew import …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use curfew_admin::{
    ImportFile, ImportFormat, ImportOutcome, ImportSummary, ImportedRow, LinkOutcome,
};
use serde_json::json;

use super::maintenance::progress;
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::line;

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Import people, and who they are at upstream providers; tells of every row what became of it
    ///
    /// A CSV file has a header line with any of the columns username, name, email, administrator, status, password_hash, provider, issuer
    /// and subject; further rows of the same username give further links. A JSON file is an array of objects, or one object after the
    /// other, with the same names, and `links`: a list of objects with provider, issuer and subject. A link without a subject waits for
    /// its person. The exit code is 1 when a row failed.
    Users(UsersArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UsersArgs {
    /// The file; one that ends with .csv, .json, .jsonl or .ndjson is read as such
    file: PathBuf,
    /// The file is CSV, whatever it is called. (With --json, a file of another name is JSON.)
    #[arg(long)]
    csv: bool,
    /// The provider of rows that name none
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
    /// Do the same, and take it back
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(command: &ImportCommand, global: &Global) -> Result<(), Failure> {
    let ImportCommand::Users(args) = command;
    let opened = Opened::open(global)?;
    let format = format(args, global.json)?;
    let shown = args.file.display();
    let bytes = std::fs::read(&args.file)
        .map_err(|source| Failure::io(format!("{shown} cannot be read"), source))?;
    let file = ImportFile::read(&bytes, format, args.provider.as_deref())?;
    let bar = progress(file.rows() as u64, "{pos}/{len} rows [{bar:30}] {eta}");
    let told = |rows: &[ImportedRow]| {
        bar.suspend(|| rows.iter().for_each(|row| tell(row, global.json)));
        bar.inc(rows.len() as u64);
    };
    let summary = opened
        .admin
        .import_users(&opened.tenant, &file, args.dry_run, told)?;
    bar.finish_and_clear();
    sum_up(&summary, args.dry_run, global.json);
    if summary.failed > 0 {
        return Err(Failure::Findings);
    }
    Ok(())
}

fn format(args: &UsersArgs, json: bool) -> Result<ImportFormat, Failure> {
    if args.csv {
        return Ok(ImportFormat::Csv);
    }
    match extension(&args.file).as_deref() {
        Some("csv") => Ok(ImportFormat::Csv),
        Some("json" | "jsonl" | "ndjson") => Ok(ImportFormat::Json),
        _ if json => Ok(ImportFormat::Json),
        _ => Err(Failure::told(format!(
            "is {} CSV or JSON? Say --csv or --json",
            args.file.display()
        ))),
    }
}

fn extension(file: &Path) -> Option<String> {
    let extension = file.extension()?.to_str()?;
    Some(extension.to_ascii_lowercase())
}

/// One row, one line.
fn tell(row: &ImportedRow, json: bool) {
    if json {
        line(&json!(row).to_string());
        return;
    }
    let username = row.username.as_deref().unwrap_or("-").escape_debug();
    let what = match row.outcome {
        ImportOutcome::Added => "added".to_owned(),
        ImportOutcome::Linked => "exists already, linked".to_owned(),
        ImportOutcome::Same => "exists already, same".to_owned(),
        ImportOutcome::Failed => {
            let reason = row.reason.as_deref().unwrap_or_default();
            format!("FAILED: {}", reason.replace('\n', "; "))
        }
    };
    let links: Vec<String> = row
        .links
        .iter()
        .map(|link| {
            let outcome = match link.outcome {
                LinkOutcome::Bound => "bound at",
                LinkOutcome::Waits => "waits for its person at",
                LinkOutcome::Filled => "got its subject at",
                LinkOutcome::Same => "same at",
            };
            format!("; {outcome} {}", link.provider)
        })
        .collect();
    line(&format!(
        "line {}  {username}  {what}{}",
        row.line,
        links.concat()
    ));
}

fn sum_up(summary: &ImportSummary, dry_run: bool, json: bool) {
    if json {
        line(&json!({ "summary": summary, "dry_run": dry_run }).to_string());
        return;
    }
    let ImportSummary {
        added,
        linked,
        same,
        failed,
    } = summary;
    line(&format!(
        "\n{added} added, {linked} linked, {same} the same already, {failed} failed."
    ));
    if dry_run {
        line("This was a dry run: nothing was stored.");
    }
}
