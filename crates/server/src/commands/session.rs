//! `curfew session …`

use clap::Subcommand;
use curfew_protocol::{NodeId, Timestamp};
use serde_json::json;

use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{time, time_or_never};

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List a user's browser sessions
    List {
        #[arg(long)]
        user: String,
    },
    /// End a session, with everything bound to it
    End { session_id: String },
}

pub(crate) fn run(command: SessionCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let out = opened.out;
    match command {
        SessionCommand::List { user } => {
            let sessions = opened.admin.session_list(&opened.tenant, &user)?;
            out.table(
                &sessions,
                &[
                    "SESSION",
                    "SIGNED IN",
                    "IDLE AT",
                    "EXPIRES",
                    "LAST USED",
                    "FROM",
                    "STATE",
                ],
                |session| {
                    vec![
                        session.id.to_string(),
                        time(session.authenticated_at.seconds()),
                        time(session.idle_at.seconds()),
                        time(session.expires_at.seconds()),
                        time_or_never(session.last_used_at.map(Timestamp::seconds)),
                        session.ip.clone(),
                        if session.alive { "alive" } else { "dead" }.to_owned(),
                    ]
                },
            );
        }
        SessionCommand::End { session_id } => {
            let id: NodeId = session_id
                .parse()
                .map_err(|syntax| Failure::told(format!("{syntax}")))?;
            let ended = opened.admin.session_end(id)?;
            out.value(&json!({ "session_id": id, "ended": ended > 0 }), || {
                if ended > 0 {
                    format!("session {id} was ended")
                } else {
                    format!("session {id} was over already")
                }
            });
        }
    }
    Ok(())
}
