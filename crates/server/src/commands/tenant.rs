//! `curfew tenant …`

use clap::{Args, Subcommand};
use curfew_admin::TenantChange;
use curfew_policy::status::OwnerStatus;
use curfew_store::tenants::Tenant;

use super::{Maximum, Switch, or_dash};
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::pairs;

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Add a tenant; it lives at ISSUER/t/SLUG
    Add {
        slug: String,
        /// What people know it by; the slug when left out
        #[arg(long)]
        name: Option<String>,
    },
    /// List all tenants
    List,
    /// Show one
    Show { slug: String },
    /// Change its name or its maximum lifetimes
    Change(ChangeArgs),
    /// Disable it: everything issued under it is dead at once
    Disable { slug: String },
    /// Enable it again; what was issued before stays dead
    Enable { slug: String },
    /// Delete it for good
    Delete { slug: String },
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    slug: String,
    #[arg(long)]
    name: Option<String>,
    /// No access token lives longer: seconds, or `none`
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    max_access_token: Option<Maximum>,
    /// No refresh family lives longer
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    max_refresh: Option<Maximum>,
    /// No browser session lives longer
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    max_session: Option<Maximum>,
    /// No approval lives longer
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    max_approval: Option<Maximum>,
    /// No personal access token lives longer
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    max_personal_access_token: Option<Maximum>,
    /// May devices be approved here? Acts at once
    #[arg(long, value_enum)]
    device_flow: Option<Switch>,
}

pub(crate) fn run(command: TenantCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out) = (&opened.admin, opened.out);
    let set = |slug: &str, next: OwnerStatus| -> Result<(), Failure> {
        admin.tenant_set_status(slug, next)?;
        out.done(&format!("tenant {slug} is {next}"));
        Ok(())
    };
    match command {
        TenantCommand::Add { slug, name } => {
            let tenant = admin.tenant_add(&slug, name.as_deref().unwrap_or(&slug))?;
            out.value(&tenant, || show(&opened, &tenant));
        }
        TenantCommand::List => {
            let tenants = admin.tenant_list()?;
            out.table(&tenants, &["SLUG", "NAME", "STATUS"], |tenant| {
                vec![
                    tenant.slug.clone(),
                    tenant.name.clone(),
                    tenant.status.to_string(),
                ]
            });
        }
        TenantCommand::Show { slug } => {
            let tenant = admin.tenant_show(&slug)?;
            out.value(&tenant, || show(&opened, &tenant));
        }
        TenantCommand::Change(args) => {
            let change = TenantChange {
                name: args.name,
                access_token: args.max_access_token.map(|maximum| maximum.0),
                refresh_family: args.max_refresh.map(|maximum| maximum.0),
                session: args.max_session.map(|maximum| maximum.0),
                approval: args.max_approval.map(|maximum| maximum.0),
                personal_access_token: args.max_personal_access_token.map(|maximum| maximum.0),
                device_flow: args.device_flow.map(Switch::is_on),
            };
            let tenant = admin.tenant_change(&args.slug, change)?;
            out.value(&tenant, || show(&opened, &tenant));
        }
        TenantCommand::Disable { slug } => set(&slug, OwnerStatus::Disabled)?,
        TenantCommand::Enable { slug } => set(&slug, OwnerStatus::Active)?,
        TenantCommand::Delete { slug } => set(&slug, OwnerStatus::Deleted)?,
    }
    Ok(())
}

fn show(opened: &Opened, tenant: &Tenant) -> String {
    let base = curfew_http::realm::base_of(&tenant.slug);
    pairs(&[
        ("slug", tenant.slug.clone()),
        ("name", tenant.name.clone()),
        ("status", tenant.status.to_string()),
        ("issuer", opened.config.issuer.of(&base)),
        ("longest access token", or_dash(tenant.limits.access_token)),
        (
            "longest refresh family",
            or_dash(tenant.limits.refresh_family),
        ),
        ("longest session", or_dash(tenant.limits.session)),
        ("longest approval", or_dash(tenant.limits.approval)),
        (
            "longest personal access token",
            or_dash(tenant.limits.personal_access_token),
        ),
        ("device flow", Switch::of(tenant.device_flow).to_string()),
    ])
}
