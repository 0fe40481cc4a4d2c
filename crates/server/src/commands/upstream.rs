//! `curfew upstream …`

mod args;
mod show;
mod test;

use clap::Subcommand;
use curfew_admin::ChangedProvider;
use curfew_policy::status::OwnerStatus;
use serde_json::json;

use super::secrets;
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::aside;

use args::{AddArgs, ChangeArgs, RebindArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum UpstreamCommand {
    /// Add a provider through which people sign in; says what to register there
    Add(Box<AddArgs>),
    /// List all providers
    List,
    /// Show one
    Show { slug: String },
    /// Change what is set; links stay under the issuer that they were made with, and another issuer or client id ends every session that
    /// was born through it
    Change(Box<ChangeArgs>),
    /// Disable it: every session that was born through it is dead at once
    Disable { slug: String },
    /// Enable it again; what was born through it before stays dead
    Enable { slug: String },
    /// Delete it for good
    Delete { slug: String },
    /// Replace the client secret, read from the terminal or the standard input
    SetSecret {
        slug: String,
        /// Take it away: Curfew is a public client there
        #[arg(long)]
        none: bool,
    },
    /// Ask the provider for everything that a sign-in needs, and say what is wrong; exit code 1 when something is
    Test { slug: String },
    /// The same provider goes by another issuer now: move the links there; sessions live on
    RebindIssuer(RebindArgs),
}

pub(crate) fn run(command: UpstreamCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out) = (&opened.admin, opened.out);
    match command {
        UpstreamCommand::Add(args) => {
            refuse_described(&opened, args.slug())?;
            let secret = args.client_secret()?;
            let (slug, draft) = args.draft();
            let added = admin.provider_add(opened.at(&slug), draft, secret)?;
            show::one(&opened, &added);
        }
        UpstreamCommand::List => show::list(&opened)?,
        UpstreamCommand::Show { slug } => {
            show::one(&opened, &admin.provider_show(opened.at(&slug))?);
        }
        UpstreamCommand::Change(args) => {
            let (slug, draft) = args.draft();
            refuse_described(&opened, &slug)?;
            tell_changed(&opened, &admin.provider_change(opened.at(&slug), draft)?);
        }
        UpstreamCommand::Disable { slug } => set_status(&opened, &slug, OwnerStatus::Disabled)?,
        UpstreamCommand::Enable { slug } => set_status(&opened, &slug, OwnerStatus::Active)?,
        UpstreamCommand::Delete { slug } => set_status(&opened, &slug, OwnerStatus::Deleted)?,
        UpstreamCommand::SetSecret { slug, none } => {
            refuse_described(&opened, &slug)?;
            // Whether there is such a provider is known before anything is asked.
            admin.provider_show(opened.at(&slug))?;
            let secret = (!none).then(secrets::client_secret).transpose()?;
            admin.provider_set_secret(opened.at(&slug), secret)?;
            let what = if none { "no" } else { "a new" };
            out.done(&format!("upstream {slug} has {what} client secret"));
        }
        UpstreamCommand::Test { slug } => test::run(&opened, &slug)?,
        UpstreamCommand::RebindIssuer(args) => rebind(&opened, &args)?,
    }
    Ok(())
}

fn tell_changed(opened: &Opened, changed: &ChangedProvider) {
    show::one(opened, &changed.shown);
    let (now, links) = (&changed.shown.provider, changed.shown.links.bound);
    if changed.ended {
        aside(&format!(
            "every session that was born through {} was ended: with another issuer or client id it is another provider",
            now.slug
        ));
    }
    if let Some(old) = changed.old_issuer.as_ref().filter(|_| links > 0) {
        show::warn(&format!(
            "the {links} links stay under the old issuer, and nobody gets in through them; \
             `curfew upstream rebind-issuer {} {old} {}` moves them, if the people there are the same",
            now.slug, now.issuer
        ));
    }
}

fn set_status(opened: &Opened, slug: &str, next: OwnerStatus) -> Result<(), Failure> {
    if next == OwnerStatus::Deleted {
        refuse_described(opened, slug)?;
    }
    opened.admin.provider_set_status(opened.at(slug), next)?;
    let told =
        format!("upstream {slug} is {next}; every session that was born through it was ended");
    opened.out.done(&told);
    Ok(())
}

/// The configuration's own description of a provider.
fn described<'o>(opened: &'o Opened, slug: &str) -> Option<&'o crate::config::UpstreamSettings> {
    let upstreams = opened.config.upstreams.iter();
    upstreams
        .into_iter()
        .find(|own| own.slug == slug && own.tenant == opened.tenant)
}

/// What the configuration describes is changed there, also when no server has read it yet.
fn refuse_described(opened: &Opened, slug: &str) -> Result<(), Failure> {
    match described(opened, slug) {
        None => Ok(()),
        Some(_) => Err(Failure::told(format!(
            "the provider `{slug}` is described in the configuration, and put in place when a server starts; change [upstream.{slug}] there"
        ))),
    }
}

fn rebind(opened: &Opened, args: &RebindArgs) -> Result<(), Failure> {
    let RebindArgs {
        slug,
        old,
        new,
        dry_run,
    } = args;
    if let Some(own) = described(opened, slug)
        && own.checked.issuer != *new
    {
        return Err(Failure::told(format!(
            "upstream.{slug}.issuer in the configuration is {}, and would be put back at the next start; write {new} there first",
            own.checked.issuer
        )));
    }
    let rebound = opened
        .admin
        .provider_rebind(opened.at(slug), (old, new), *dry_run)?;
    let links = rebound.links;
    let value =
        json!({ "provider": slug, "old": old, "new": new, "links": links, "dry_run": dry_run });
    opened.out.value(&value, || {
        if *dry_run {
            format!("{links} links would move from {old} to {new}; nothing was changed.")
        } else {
            format!("{links} links moved from {old} to {new}, which is the issuer of {slug} now.")
        }
    });
    Ok(())
}
