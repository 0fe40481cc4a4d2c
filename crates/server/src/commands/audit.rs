//! `curfew audit …`

use std::fs;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use curfew_admin::AuditSearch;
use curfew_protocol::Timestamp;
use curfew_store::audit::proof::{TrailEvent, TrailFinding, TrailProof};
use curfew_store::audit::{AuditRow, LinkName};
use serde::{Deserialize, Serialize};

use super::maintenance::progress;
use super::or_dash;
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{line, time};

/// Findings that are told one by one; the rest is counted.
const TOLD: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove that nothing in the audit trail was altered, put in or taken away; exit code 1 when something was
    Verify {
        /// What `curfew audit verify --json` printed earlier, kept elsewhere: the trail must still hold it
        #[arg(long, value_name = "FILE")]
        expect: Option<PathBuf>,
    },
    /// Find rows of the audit trail, newest first, in all tenants
    Search(Box<SearchArgs>),
    /// Write the audit trail to the standard output, oldest first, one JSON object a line
    Export(Span),
}

#[derive(Debug, Args)]
pub(crate) struct Span {
    /// From this time on (RFC 3339, or seconds since 1970)
    #[arg(long, value_parser = moment, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_parser = moment, value_name = "TIME")]
    until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// About this user of the tenant, by name or id; somebody who was deleted is named by the id
    #[arg(long)]
    user: Option<String>,
    /// About people who are deleted today
    #[arg(long, conflicts_with = "user")]
    deleted_users: bool,
    /// About this client of the tenant
    #[arg(long)]
    client: Option<String>,
    /// An event, or the beginning of its name, such as `token.`; may be repeated
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// About the token, session, approval, family or grant with this id
    #[arg(long, value_name = "ID")]
    token: Option<String>,
    /// Done with the credential that has this id
    #[arg(long, value_name = "ID")]
    credential: Option<String>,
    /// From this address
    #[arg(long)]
    ip: Option<String>,
    #[arg(long)]
    outcome: Option<Outcome>,
    #[command(flatten)]
    span: Span,
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    Succeeded,
    Refused,
}

/// A time on the command line.
fn moment(text: &str) -> Result<Timestamp, String> {
    let seconds = text.parse::<i64>().ok().or_else(|| {
        let parsed = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        Some(parsed.timestamp())
    });
    seconds.map(Timestamp::from_seconds).ok_or_else(|| {
        "write a time such as 2026-01-31T12:00:00Z, or seconds since 1970".to_owned()
    })
}

pub(crate) fn run(command: AuditCommand, global: &Global) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { expect } => verify(global, expect.as_deref()),
        AuditCommand::Search(args) => search(global, *args),
        AuditCommand::Export(span) => export(global, &span),
    }
}

#[derive(Serialize)]
struct Verified<'p> {
    in_order: bool,
    #[serde(flatten)]
    proof: &'p TrailProof,
    /// The first of them.
    findings: &'p [Told],
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    finding: TrailFinding,
    sentence: String,
}

fn verify(global: &Global, expect: Option<&Path>) -> Result<(), Failure> {
    let expected = match expect {
        Some(file) => kept_heads(file)?,
        None => Vec::new(),
    };
    let opened = Opened::open(global)?;
    // Counting reads everything once more, so only where somebody watches.
    let size = if std::io::stderr().is_terminal() {
        opened.admin.store().audit_size()?
    } else {
        0
    };
    let bar = progress(
        size,
        "{spinner} [{bar:40}] {pos}/{len} links and rows {eta}",
    );
    let mut told = Vec::new();
    let proof = opened
        .admin
        .audit_verify(&expected, &mut |event| match event {
            TrailEvent::Progress(step) => bar.inc(step),
            TrailEvent::Finding(finding) if told.len() < TOLD => {
                let sentence = finding.to_string();
                if !opened.out.json {
                    bar.suspend(|| line(&format!("WRONG {sentence}")));
                }
                told.push(Told {
                    finding: *finding,
                    sentence,
                });
            }
            TrailEvent::Finding(_) => {}
        })?;
    bar.finish_and_clear();
    let in_order = proof.findings == 0;
    let answer = Verified {
        in_order,
        proof: &proof,
        findings: &told,
    };
    opened.out.value(&answer, || summary(&proof, told.len()));
    if in_order {
        Ok(())
    } else {
        Err(Failure::Findings)
    }
}

fn summary(proof: &TrailProof, told: usize) -> String {
    let TrailProof {
        rows,
        links,
        chains,
        findings,
        ..
    } = proof;
    let size = format!("{rows} rows, {links} links, {chains} chains");
    if *findings == 0 {
        return format!(
            "ok    the audit trail is as it was written ({size}). Whether its end was cut off, only heads kept elsewhere can tell: \
             keep what `curfew audit verify --json` prints, and compare with --expect."
        );
    }
    let untold = findings.saturating_sub(told as u64);
    let rest = match untold {
        0 => String::new(),
        more => format!(" ({more} more are not listed)"),
    };
    format!("WRONG {findings} findings{rest} in {size}")
}

/// The heads in an earlier answer of `audit verify --json`.
fn kept_heads(file: &Path) -> Result<Vec<LinkName>, Failure> {
    #[derive(Deserialize)]
    struct Kept {
        heads: Vec<LinkName>,
    }
    let text = fs::read_to_string(file)
        .map_err(|source| Failure::io(format!("{} cannot be read", file.display()), source))?;
    let kept: Kept = serde_json::from_str(&text).map_err(|error| {
        Failure::told(format!(
            "{} is not what `curfew audit verify --json` prints: {error}",
            file.display()
        ))
    })?;
    Ok(kept.heads)
}

fn search(global: &Global, args: SearchArgs) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let search = AuditSearch {
        user: args.user,
        deleted_users: args.deleted_users,
        client: args.client,
        events: args.events,
        subject: args.token,
        credential: args.credential,
        since: args.span.since,
        until: args.span.until,
        ip: args.ip,
        succeeded: args
            .outcome
            .map(|outcome| matches!(outcome, Outcome::Succeeded)),
    };
    let rows = opened
        .admin
        .audit_search(&opened.tenant, &search, args.limit)?;
    opened.out.table(
        &rows,
        &[
            "AT",
            "EVENT",
            "OUTCOME",
            "USER",
            "CLIENT",
            "BY",
            "TOKEN OR NODE",
            "FROM",
            "DETAIL",
        ],
        cells,
    );
    Ok(())
}

fn cells(row: &AuditRow) -> Vec<String> {
    let by = match row.credential_id {
        Some(id) => format!("{} {id}", row.authenticated_by),
        None => row.authenticated_by.to_owned(),
    };
    let subject = match (row.token_id, row.node_id) {
        (Some(token), _) => token.to_string(),
        (None, node) => or_dash(node),
    };
    let named = |name: &Option<String>, id: Option<String>| or_dash(name.clone().or(id));
    vec![
        time(row.at.seconds()),
        row.event.clone(),
        row.outcome().to_owned(),
        named(&row.username, row.user_id.map(|id| id.to_string())),
        named(&row.client_id, row.client.map(|id| id.to_string())),
        by,
        subject,
        or_dash(row.ip.as_deref()),
        or_dash(row.detail.as_deref().or(row.scopes.as_deref())),
    ]
}

fn export(global: &Global, span: &Span) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    opened
        .admin
        .audit_export((span.since, span.until), &mut |row| {
            let written = serde_json::to_writer(&mut out, row)
                .map_err(std::io::Error::from)
                .and_then(|()| out.write_all(b"\n"));
            failed = written.err();
            failed.is_none()
        })?;
    let failed = failed.or_else(|| out.flush().err());
    match failed {
        // A reader that went away (`| head`) is no mistake.
        Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::io("the rows cannot be written", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_or_rfc_3339() {
        let parsed = |text| moment(text).map(Timestamp::seconds);
        assert_eq!(parsed("1800000000"), Ok(1_800_000_000));
        assert_eq!(parsed("1970-01-01T00:01:00Z"), Ok(60));
        assert_eq!(parsed("1970-01-01T01:00:00+01:00"), Ok(0));
        for text in ["yesterday", "1970-01-01", "", "1970-01-01T00:00:00"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
