//! `curfew user link`, `unlink`, `disable-link` and `enable-link`, and what `user show` says of links.

use clap::Args;
use curfew_admin::{IdentityRequest, LinkChanged, ShownLink};
use curfew_policy::status::OwnerStatus;

use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{aside, pairs, table_text, time};

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    username: String,
    /// The provider's slug
    #[arg(long, value_name = "SLUG")]
    provider: String,
    /// The provider's issuer, to be sure that it is the one you mean
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// What the provider calls the person: `sub`, or the number of a GitHub account
    #[arg(long)]
    subject: String,
}

pub(super) fn link(opened: &Opened, args: LinkArgs) -> Result<(), Failure> {
    let identity = IdentityRequest {
        provider: args.provider,
        issuer: args.issuer,
        subject: args.subject,
    };
    let linked = opened
        .admin
        .user_link(opened.at(&args.username), identity)?;
    opened.out.value(&linked, || {
        pairs(&[
            ("link", linked.link.id.to_string()),
            ("user", args.username.clone()),
            ("provider", linked.provider.clone()),
            ("subject", subject(&linked)),
        ])
    });
    Ok(())
}

pub(super) fn unlink(opened: &Opened, username: &str, link_id: &str) -> Result<(), Failure> {
    let unlinked = opened.admin.user_unlink(opened.at(username), link_id)?;
    opened.out.done(&format!(
        "the link {link_id} of {username} was taken away, and what was born through it is dead"
    ));
    warn_of_no_way_in(username, unlinked);
    Ok(())
}

pub(super) fn disable(opened: &Opened, username: &str, link_id: &str) -> Result<(), Failure> {
    let next = OwnerStatus::Disabled;
    let at = opened.at(username);
    let disabled = opened.admin.user_set_link_status(at, link_id, next)?;
    opened.out.done(&format!(
        "the link {link_id} of {username} is disabled, and what was born through it is dead"
    ));
    warn_of_no_way_in(username, disabled);
    Ok(())
}

pub(super) fn enable(opened: &Opened, username: &str, link_id: &str) -> Result<(), Failure> {
    let next = OwnerStatus::Active;
    let at = opened.at(username);
    opened.admin.user_set_link_status(at, link_id, next)?;
    opened.out.done(&format!(
        "the link {link_id} of {username} is active; what was born through it before stays dead"
    ));
    Ok(())
}

fn warn_of_no_way_in(username: &str, changed: LinkChanged) {
    if changed.no_way_in {
        aside(&format!(
            "warning: {username} has neither a password nor another link that opens the account; `curfew user invite {username}` makes a way in"
        ));
    }
}

fn subject(shown: &ShownLink) -> String {
    match &shown.link.subject {
        Some(subject) => subject.subject.clone(),
        None => "(waits)".to_owned(),
    }
}

/// What stands below a user: nothing without links.
pub(super) fn listed(links: &[ShownLink]) -> String {
    if links.is_empty() {
        return String::new();
    }
    let rows = links.iter().map(|shown| {
        let status = match shown.link.status {
            OwnerStatus::Deleted => "taken away".to_owned(),
            status => status.to_string(),
        };
        vec![
            shown.link.id.to_string(),
            shown.provider.clone(),
            subject(shown),
            status,
            time(shown.link.created_at.seconds()),
        ]
    });
    let header = ["LINK", "PROVIDER", "SUBJECT", "STATUS", "MADE"];
    format!("\n\n{}", table_text(&header, rows))
}
