//! `curfew scope …`

use clap::Subcommand;
use curfew_admin::{NewScope, ScopeChange};
use curfew_protocol::Lifetime;
use curfew_store::scopes::Scope;
use serde_json::{Value, json};

use super::{Maximum, or_dash, seconds};
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::pairs;

#[derive(Debug, Subcommand)]
pub(crate) enum ScopeCommand {
    /// Add a scope
    Add {
        name: String,
        /// What people read on the consent page
        #[arg(long)]
        description: String,
        /// The resource server it belongs to
        #[arg(long, value_name = "RS_ID")]
        resource: Option<String>,
        /// No token that carries it lives longer
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        max_lifetime: Option<Lifetime>,
        /// People may put it into their personal access tokens
        #[arg(long)]
        personal: bool,
        /// Whoever has it changes nothing: accounts in quarantine may have it, too
        #[arg(long)]
        read_only: bool,
    },
    /// List all scopes
    List,
    /// Show one
    Show { name: String },
    /// Change its description or its maximum
    Change {
        name: String,
        #[arg(long)]
        description: Option<String>,
        /// Seconds, or `none`
        #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
        max_lifetime: Option<Maximum>,
        /// May people put it into their personal access tokens?
        #[arg(long, value_name = "true|false")]
        personal: Option<bool>,
        /// Does whoever has it change nothing?
        #[arg(long, value_name = "true|false")]
        read_only: Option<bool>,
    },
    /// Delete it; tokens that carry it keep a word without meaning
    Delete { name: String },
}

pub(crate) fn run(command: ScopeCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out, tenant) = (&opened.admin, opened.out, &opened.tenant);
    let one = |scope: &Scope| -> Result<(), Failure> {
        let resource = resource_id(&opened, scope)?;
        out.value(&value(scope, resource.as_deref()), || {
            show(scope, resource.as_deref())
        });
        Ok(())
    };
    match command {
        ScopeCommand::Add {
            name,
            description,
            resource,
            max_lifetime,
            personal,
            read_only,
        } => {
            let new = NewScope {
                name,
                description,
                resource_id: resource,
                max_lifetime,
                personal,
                read_only,
            };
            one(&admin.scope_add(tenant, new)?)?;
        }
        ScopeCommand::List => {
            let scopes = admin.scope_list(tenant)?;
            let mut rows = Vec::with_capacity(scopes.len());
            for scope in scopes {
                let resource = resource_id(&opened, &scope)?;
                rows.push(value(&scope, resource.as_deref()));
            }
            out.table(
                &rows,
                &["SCOPE", "RESOURCE", "LONGEST", "DESCRIPTION"],
                |row| {
                    ["name", "resource_id", "max_lifetime", "description"]
                        .map(|key| cell(&row[key]))
                        .to_vec()
                },
            );
        }
        ScopeCommand::Show { name } => one(&admin.scope_show(tenant, &name)?)?,
        ScopeCommand::Change {
            name,
            description,
            max_lifetime,
            personal,
            read_only,
        } => {
            let change = ScopeChange {
                description,
                max_lifetime: max_lifetime.map(|maximum| maximum.0),
                personal,
                read_only,
            };
            one(&admin.scope_change(tenant, &name, change)?)?;
        }
        ScopeCommand::Delete { name } => {
            admin.scope_delete(tenant, &name)?;
            out.done(&format!("scope {name} is deleted"));
        }
    }
    Ok(())
}

/// The resource server's id in words.
fn resource_id(opened: &Opened, scope: &Scope) -> Result<Option<String>, Failure> {
    let Some(key) = scope.resource_server else {
        return Ok(None);
    };
    let servers = opened.admin.resource_list(&opened.tenant)?;
    Ok(servers
        .into_iter()
        .find(|server| server.key == key)
        .map(|server| server.resource_id))
}

fn value(scope: &Scope, resource_id: Option<&str>) -> Value {
    json!({
        "name": scope.name,
        "description": scope.description,
        "resource_id": resource_id,
        "max_lifetime": scope.max_lifetime,
        "personal": scope.personal,
        "read_only": scope.read_only,
    })
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn show(scope: &Scope, resource_id: Option<&str>) -> String {
    pairs(&[
        ("name", scope.name.clone()),
        ("description", scope.description.clone()),
        ("resource", or_dash(resource_id)),
        ("longest lifetime", or_dash(scope.max_lifetime)),
        (
            "in personal access tokens",
            if scope.personal { "yes" } else { "no" }.to_owned(),
        ),
        (
            "read only",
            if scope.read_only { "yes" } else { "no" }.to_owned(),
        ),
    ])
}
