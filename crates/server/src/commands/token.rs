//! `curfew token …`

use clap::{Args, Subcommand};
use curfew_admin::{Edge, Inspection, LineageRow};

use super::{or_dash, secrets};
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{line, pairs, time, time_or_never, words};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Say what a token is, whose, and why it is dead if it is
    Inspect(Which),
    /// End a token, a refresh family, a session or an approval, with everything below
    Revoke(Which),
    /// Print what a token hangs on and what hangs on it
    Lineage(Which),
    /// List the refresh families and the newest access tokens of a user or a client, with their last use
    List {
        #[arg(long, required_unless_present = "client")]
        user: Option<String>,
        #[arg(long)]
        client: Option<String>,
        /// How many access tokens of each approval, family or grant
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The id of a token, session, family or approval
    id: Option<String>,
    /// Read a token's value from the standard input
    #[arg(long, conflicts_with = "id")]
    stdin: bool,
}

pub(crate) fn run(command: TokenCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out) = (&opened.admin, opened.out);
    match command {
        TokenCommand::Inspect(which) => {
            let found = admin.token_inspect(&secrets::token(which.id, which.stdin)?.0)?;
            out.value(&found, || show(&found));
        }
        TokenCommand::Revoke(which) => {
            let revoked = admin.token_revoke(&secrets::token(which.id, which.stdin)?.0)?;
            out.value(&revoked, || {
                let (kind, id) = (revoked.kind.as_str(), &revoked.id);
                if revoked.ended {
                    format!("{kind} {id} was ended")
                } else {
                    format!("{kind} {id} was over already")
                }
            });
        }
        TokenCommand::Lineage(which) => {
            let rows = admin.token_lineage(&secrets::token(which.id, which.stdin)?.0)?;
            if out.json {
                out.value(&rows, String::new);
            } else {
                rows.iter().for_each(|row| line(&branch(row)));
            }
        }
        TokenCommand::List {
            user,
            client,
            limit,
        } => {
            let listed =
                admin.token_list(&opened.tenant, user.as_deref(), client.as_deref(), limit)?;
            out.table(
                &listed,
                &[
                    "TOKEN",
                    "KIND",
                    "OF",
                    "CLIENT",
                    "SCOPES",
                    "EXPIRES",
                    "LAST USED",
                    "STATE",
                ],
                |token| {
                    let of = format!("{} {}", token.node_kind.as_str(), token.node);
                    let (client, scopes) =
                        (or_dash(token.client_id.as_deref()), token.scopes.clone());
                    vec![
                        token.id.clone(),
                        token.kind.as_str().to_owned(),
                        of,
                        client,
                        scopes,
                        time(token.expires_at),
                        time_or_never(token.last_used_at),
                        token.standing.to_string(),
                    ]
                },
            );
        }
    }
    Ok(())
}

fn show(found: &Inspection) -> String {
    pairs(&[
        ("kind", found.kind.as_str().to_owned()),
        ("id", found.id.clone()),
        ("state", found.standing.to_string()),
        ("tenant", found.tenant.clone()),
        ("user", or_dash(found.username.as_deref())),
        ("client", or_dash(found.client_id.as_deref())),
        ("scopes", or_dash(found.scopes.as_deref())),
        ("audience", words(&found.audience)),
        ("issued", time(found.created_at)),
        ("expires", time(found.expires_at)),
        ("last used", last_use(found)),
    ])
}

/// When, and as far as is known at which resource server or from where.
fn last_use(found: &Inspection) -> String {
    let at = time_or_never(found.last_used_at);
    match (&found.last_used_for, &found.last_used_from) {
        (Some(server), _) => format!("{at}, for {server}"),
        (None, Some(ip)) => format!("{at}, from {ip}"),
        (None, None) => at,
    }
}

/// One row of the tree; a dotted line is provenance only.
fn branch(row: &LineageRow) -> String {
    let edge = match row.edge {
        Edge::Root => "",
        Edge::Binding => "└─ ",
        Edge::Recorded => "└┄ (recorded) ",
        Edge::Minted => "└─ (minted by the token above) ",
    };
    let through = row.through.as_ref().map_or_else(String::new, |through| {
        format!(", through {} (link {})", through.provider, through.link)
    });
    let asked = if row.asked { "   <- asked about" } else { "" };
    format!(
        "{}{edge}{} {}  {}, expires {}, last used {}{through}{asked}",
        "   ".repeat(row.depth.saturating_sub(1)),
        row.kind.as_str(),
        row.id,
        row.standing,
        time(row.expires_at),
        time_or_never(row.last_used_at)
    )
}
