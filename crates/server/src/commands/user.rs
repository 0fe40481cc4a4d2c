//! `curfew user …`

use clap::{Args, Subcommand};
use curfew_admin::{Invitation, NewUserRequest, UserChange};
use curfew_policy::status::UserStatus;
use curfew_protocol::Redacted;
use curfew_store::users::User;
use serde_json::json;

use super::user_identities::{self, LinkArgs};
use super::{or_dash, secrets};
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{pairs, time};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a person; without a password, a link to choose one is mailed, or printed where no mail is sent
    Add(AddArgs),
    /// List everybody
    List {
        /// List those who were deleted
        #[arg(long)]
        deleted: bool,
    },
    /// Show one, by name or id
    Show { username: String },
    /// Change name, address or role; a new address or role ends sessions and tokens
    Change(ChangeArgs),
    /// Lock an account: everything of it is dead at once
    Suspend { username: String },
    /// Unlock it; what was issued before stays dead
    Unsuspend { username: String },
    /// Delete an account; it can be restored, what it held cannot
    Delete { username: String },
    /// Bring a deleted account back, without anything it held
    Restore { username: String },
    /// A new link with which to choose a password
    Invite { username: String },
    /// Set a password, read from the terminal or the standard input
    SetPassword { username: String },
    /// End every session and token
    LogoutEverywhere { username: String },
    /// Bind an identity at an upstream provider to an account, on your word alone
    Link(LinkArgs),
    /// Take a link to an upstream identity away; what was born through it is dead at once
    Unlink {
        username: String,
        /// As `user show` lists it
        link_id: String,
    },
    /// Disable a link: what was born through it is dead at once, and nobody gets in through it until it is enabled
    DisableLink {
        username: String,
        /// As `user show` lists it
        link_id: String,
    },
    /// Enable a link again; what was born through it before stays dead
    EnableLink {
        username: String,
        /// As `user show` lists it
        link_id: String,
    },
    /// Give an account that was made by signing in upstream the scopes that write
    LiftQuarantine { username: String },
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    username: String,
    #[arg(long)]
    email: Option<String>,
    /// The person's name; the username when left out
    #[arg(long)]
    name: Option<String>,
    /// An administrator
    #[arg(long)]
    admin: bool,
    /// Read a password from the standard input instead of making a link
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    username: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long, conflicts_with = "no_email")]
    email: Option<String>,
    /// Take the address away
    #[arg(long)]
    no_email: bool,
    /// Make or unmake an administrator
    #[arg(long, value_name = "true|false")]
    admin: Option<bool>,
}

pub(crate) fn run(command: UserCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out) = (&opened.admin, opened.out);
    let set = |username: &str, next: UserStatus| -> Result<(), Failure> {
        admin.user_set_status(opened.at(username), next)?;
        out.done(&format!(
            "user {username} is {next}; every session and token was ended"
        ));
        Ok(())
    };
    match command {
        UserCommand::Add(args) => add(&opened, args)?,
        UserCommand::List { deleted } => {
            let users = admin.user_list(&opened.tenant, deleted)?;
            out.table(
                &users,
                &["USERNAME", "NAME", "E-MAIL", "STATUS", "ROLE", "ID"],
                |user| {
                    let (username, name) = (user.username.clone(), user.name.clone());
                    let (email, status) = (or_dash(user.email.as_deref()), user.status.to_string());
                    vec![
                        username,
                        name,
                        email,
                        status,
                        role(user).to_owned(),
                        user.id.to_string(),
                    ]
                },
            );
        }
        UserCommand::Show { username } => {
            let user = admin.user_show(&opened.tenant, &username)?;
            let links = admin.user_links(&opened.tenant, &username)?;
            let mut value = json!(user);
            value["links"] = json!(links);
            out.value(&value, || {
                format!("{}{}", show(&user), user_identities::listed(&links))
            });
        }
        UserCommand::Change(args) => change(&opened, args)?,
        UserCommand::Suspend { username } => set(&username, UserStatus::Suspended)?,
        UserCommand::Unsuspend { username } => set(&username, UserStatus::Active)?,
        UserCommand::Delete { username } => set(&username, UserStatus::Deleted)?,
        UserCommand::Restore { username } => {
            let user = admin.user_restore(&opened.tenant, &username)?;
            out.value(&user, || {
                format!(
                    "{}\n\nNothing that the account held came back.",
                    show(&user)
                )
            });
        }
        UserCommand::Invite { username } => {
            let invitation = admin.user_invite(opened.at(&username), &opened.invitations()?)?;
            let mut value = json!({ "username": username });
            tell_invitation(&mut value, Some(&invitation));
            out.value(&value, || invited(&username, &invitation));
        }
        UserCommand::SetPassword { username } => {
            let user = admin.user_show(&opened.tenant, &username)?;
            let hash = secrets::new_password(&known(&user), admin.store().entropy())?;
            admin.user_set_password(opened.at(&username), hash)?;
            out.done(&format!(
                "user {username} has a new password; every session and token was ended"
            ));
        }
        UserCommand::LogoutEverywhere { username } => {
            admin.user_logout_everywhere(opened.at(&username))?;
            out.done(&format!("every session and token of {username} was ended"));
        }
        UserCommand::Link(args) => user_identities::link(&opened, args)?,
        UserCommand::Unlink { username, link_id } => {
            user_identities::unlink(&opened, &username, &link_id)?;
        }
        UserCommand::DisableLink { username, link_id } => {
            user_identities::disable(&opened, &username, &link_id)?;
        }
        UserCommand::EnableLink { username, link_id } => {
            user_identities::enable(&opened, &username, &link_id)?;
        }
        UserCommand::LiftQuarantine { username } => {
            admin.user_lift_quarantine(opened.at(&username))?;
            out.done(&format!("user {username} is in no quarantine any more"));
        }
    }
    Ok(())
}

fn add(opened: &Opened, args: AddArgs) -> Result<(), Failure> {
    let entropy = opened.admin.store().entropy();
    let password_hash = if args.password_stdin {
        let words: Vec<&str> = std::iter::once(args.username.as_str())
            .chain(args.email.as_deref())
            .collect();
        Some(secrets::new_password(&words, entropy)?)
    } else {
        None
    };
    let added = opened.admin.user_add(
        &opened.tenant,
        NewUserRequest {
            username: args.username,
            name: args.name,
            email: args.email,
            administrator: args.admin,
            password_hash,
        },
        &opened.invitations()?,
    )?;
    let mut value = json!(added.user);
    value["user_id"] = json!(added.user.id);
    tell_invitation(&mut value, added.invitation.as_ref());
    opened.out.value(&value, || {
        let shown = show(&added.user);
        match &added.invitation {
            Some(invitation) => {
                format!("{shown}\n\n{}", invited(&added.user.username, invitation))
            }
            None => shown,
        }
    });
    Ok(())
}

fn change(opened: &Opened, args: ChangeArgs) -> Result<(), Failure> {
    let email = if args.no_email {
        Some(None)
    } else {
        args.email.map(Some)
    };
    let change = UserChange {
        name: args.name,
        email,
        administrator: args.admin,
    };
    let ended = opened
        .admin
        .user_change(opened.at(&args.username), change)?;
    let user = opened.admin.user_show(&opened.tenant, &args.username)?;
    opened.out.value(&user, || {
        let told = if ended {
            "\n\nEvery session and token was ended."
        } else {
            ""
        };
        format!("{}{told}", show(&user))
    });
    Ok(())
}

fn invited(username: &str, invitation: &Invitation) -> String {
    match invitation {
        Invitation::Mailed(address) => {
            format!("A link to choose a password is on its way to {address}.")
        }
        Invitation::Link(Redacted(url)) => format!(
            "Hand this link to {username}; it can be used once, to choose a password:\n\n  {url}"
        ),
    }
}

/// `invitation_url` to hand over, or `invitation_mailed_to`.
fn tell_invitation(value: &mut serde_json::Value, invitation: Option<&Invitation>) {
    let (url, address) = match invitation {
        Some(Invitation::Link(Redacted(url))) => (Some(url), None),
        Some(Invitation::Mailed(address)) => (None, Some(address)),
        None => (None, None),
    };
    value["invitation_url"] = json!(url);
    value["invitation_mailed_to"] = json!(address);
}

/// Words that everybody knows of a person.
fn known(user: &User) -> Vec<&str> {
    std::iter::once(user.username.as_str())
        .chain(user.email.as_deref())
        .collect()
}

const fn role(user: &User) -> &'static str {
    if user.administrator {
        "administrator"
    } else {
        "user"
    }
}

fn show(user: &User) -> String {
    pairs(&[
        ("username", user.username.clone()),
        ("id", user.id.to_string()),
        ("name", user.name.clone()),
        ("e-mail", or_dash(user.email.as_deref())),
        ("status", user.status.to_string()),
        ("role", role(user).to_owned()),
        (
            "quarantine",
            if user.quarantined { "yes" } else { "no" }.to_owned(),
        ),
        ("added", time(user.created_at.seconds())),
        ("status since", time(user.status_changed_at.seconds())),
    ])
}
