//! `curfew resource …`

use clap::Subcommand;
use curfew_policy::status::OwnerStatus;
use curfew_store::resource_servers::ResourceServer;
use serde_json::json;

use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::pairs;

#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// Register a resource server; its secret is shown once
    Add {
        resource_id: String,
        /// What tokens say in `aud`: an absolute URI
        #[arg(long, value_name = "URI")]
        identifier: String,
        #[arg(long)]
        name: Option<String>,
    },
    /// List all resource servers
    List,
    /// Show one
    Show { resource_id: String },
    /// Change its name
    Change {
        resource_id: String,
        #[arg(long)]
        name: String,
    },
    /// Disable it: no token issued so far is meant for it any more
    Disable { resource_id: String },
    /// Enable it again; what was issued before stays dead for it
    Enable { resource_id: String },
    /// Delete it for good
    Delete { resource_id: String },
    /// A new secret; the old one stays good for lifetimes.secret_overlap
    RotateSecret { resource_id: String },
}

pub(crate) fn run(command: ResourceCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out) = (&opened.admin, opened.out);
    let set = |resource_id: &str, next: OwnerStatus| -> Result<(), Failure> {
        admin.resource_set_status(opened.at(resource_id), next)?;
        out.done(&format!("resource server {resource_id} is {next}"));
        Ok(())
    };
    match command {
        ResourceCommand::Add {
            resource_id,
            identifier,
            name,
        } => {
            let added =
                admin.resource_add(&opened.tenant, &resource_id, &identifier, name.as_deref())?;
            let secret = added.secret.reveal();
            let mut value = json!(added.server);
            value["secret"] = json!(secret);
            out.value(&value, || {
                format!(
                    "{}\n\nIts secret, shown only now:\n\n  {secret}",
                    show(&added.server)
                )
            });
        }
        ResourceCommand::List => {
            let mut servers = admin.resource_list(&opened.tenant)?;
            servers.retain(|server| server.status != OwnerStatus::Deleted);
            out.table(
                &servers,
                &["RESOURCE", "NAME", "IDENTIFIER", "STATUS"],
                |server| {
                    let (id, name) = (server.resource_id.clone(), server.name.clone());
                    vec![
                        id,
                        name,
                        server.identifier.clone(),
                        server.status.to_string(),
                    ]
                },
            );
        }
        ResourceCommand::Show { resource_id } => {
            let server = admin.resource_show(&opened.tenant, &resource_id)?;
            out.value(&server, || show(&server));
        }
        ResourceCommand::Change { resource_id, name } => {
            admin.resource_rename(opened.at(&resource_id), &name)?;
            let server = admin.resource_show(&opened.tenant, &resource_id)?;
            out.value(&server, || show(&server));
        }
        ResourceCommand::Disable { resource_id } => set(&resource_id, OwnerStatus::Disabled)?,
        ResourceCommand::Enable { resource_id } => set(&resource_id, OwnerStatus::Active)?,
        ResourceCommand::Delete { resource_id } => set(&resource_id, OwnerStatus::Deleted)?,
        ResourceCommand::RotateSecret { resource_id } => {
            let secret = admin
                .resource_rotate_secret(opened.at(&resource_id))?
                .reveal();
            let overlap = opened.config.lifetimes.secret_overlap;
            let value = json!({ "resource_id": resource_id, "secret": secret, "old_secret_good_for": overlap });
            out.value(&value, || {
                format!(
                    "The new secret of {resource_id}, shown only now:\n\n  {secret}\n\nThe old one stays good for {overlap}."
                )
            });
        }
    }
    Ok(())
}

fn show(server: &ResourceServer) -> String {
    pairs(&[
        ("resource_id", server.resource_id.clone()),
        ("name", server.name.clone()),
        ("identifier", server.identifier.clone()),
        ("status", server.status.to_string()),
    ])
}
