//! `curfew client …`

use clap::{Args, Subcommand, ValueEnum};
use curfew_admin::{ClientChange, NewClient};
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{GrantType, Lifetime};
use curfew_store::clients::{Client, ClientRegistration};
use serde_json::json;

use super::{Maximum, or_dash, scope_set, seconds};
use crate::cli::Global;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{pairs, words};

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a client; a confidential one's secret is shown once
    Add(AddArgs),
    /// List all clients
    List,
    /// Show one
    Show { client_id: String },
    /// Change a registration; taking something away ends the client's tokens
    Change(ChangeArgs),
    /// Disable it: all its tokens are dead at once
    Disable { client_id: String },
    /// Enable it again; what was issued before stays dead
    Enable { client_id: String },
    /// Delete it for good
    Delete { client_id: String },
    /// Let a person use a restricted client
    Admit {
        client_id: String,
        #[arg(long)]
        user: String,
    },
    /// Let a person not use it any more; what it has of that person is dead at once
    Expel {
        client_id: String,
        #[arg(long)]
        user: String,
    },
    /// Who may use a restricted client
    Members { client_id: String },
    /// A new secret; the old one stays good for lifetimes.secret_overlap
    RotateSecret { client_id: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Consent {
    /// The person is asked
    Explicit,
    /// The person is not asked: for clients of your own
    Implicit,
}

fn grant(text: &str) -> Result<GrantType, String> {
    let named = GrantType::ALL
        .iter()
        .find(|grant| grant.name() == text || grant.as_str() == text);
    named.copied().ok_or_else(|| {
        let known: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.name()).collect();
        format!("write one of {}", known.join(", "))
    })
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    client_id: String,
    /// What people read on the consent page; the client_id when left out
    #[arg(long)]
    name: Option<String>,
    /// It cannot keep a secret: a browser page, an app
    #[arg(long)]
    public: bool,
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// authorization_code, refresh_token, client_credentials, device_code or token_exchange; may be repeated
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Vec<GrantType>,
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A resource server that its tokens may be meant for
    #[arg(long = "resource", value_name = "RS_ID")]
    resources: Vec<String>,
    /// A web origin that may call the token endpoint from a browser
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    #[arg(long, value_enum, default_value = "explicit")]
    consent: Consent,
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    access_token_lifetime: Option<Lifetime>,
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    refresh_lifetime: Option<Lifetime>,
    /// What a person allows it ends with that person's browser session
    #[arg(long)]
    session_bound: bool,
    /// The resource server that it serves: tokens meant for that one it may exchange
    #[arg(long, value_name = "RS_ID")]
    serves: Option<String>,
    /// Only those may use it whom `client admit` names
    #[arg(long)]
    restricted: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    client_id: String,
    #[arg(long)]
    name: Option<String>,
    /// Replaces all redirect URIs
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Option<Vec<String>>,
    /// Replaces all post-logout redirect URIs
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Replaces all grants
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Option<Vec<GrantType>>,
    /// Replaces all scopes
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Option<Vec<String>>,
    /// Replaces all resource servers
    #[arg(long = "resource", value_name = "RS_ID")]
    resources: Option<Vec<String>>,
    /// Replaces all web origins
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Option<Vec<String>>,
    #[arg(long, value_enum)]
    consent: Option<Consent>,
    /// Seconds, or `none` for the standard one
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    access_token_lifetime: Option<Maximum>,
    /// Seconds, or `none` for the standard one
    #[arg(long, value_name = "SECONDS", value_parser = Maximum::parse)]
    refresh_lifetime: Option<Maximum>,
    #[arg(long, value_name = "true|false")]
    session_bound: Option<bool>,
    /// The resource server that it serves; an empty text for none
    #[arg(long, value_name = "RS_ID")]
    serves: Option<String>,
    /// Only those may use it whom `client admit` names
    #[arg(long, value_name = "true|false")]
    restricted: Option<bool>,
}

pub(crate) fn run(command: ClientCommand, global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let (admin, out) = (&opened.admin, opened.out);
    let set = |client_id: &str, next: OwnerStatus| -> Result<(), Failure> {
        admin.client_set_status(opened.at(client_id), next)?;
        out.done(&format!("client {client_id} is {next}"));
        Ok(())
    };
    match command {
        ClientCommand::Add(args) => add(&opened, args)?,
        ClientCommand::List => {
            let mut clients = admin.client_list(&opened.tenant)?;
            clients.retain(|client| client.status != OwnerStatus::Deleted);
            out.table(
                &clients,
                &["CLIENT", "NAME", "KIND", "STATUS", "GRANTS"],
                |client| {
                    let own = &client.registration;
                    let (id, name) = (own.client_id.clone(), own.name.clone());
                    vec![
                        id,
                        name,
                        kind(client).to_owned(),
                        client.status.to_string(),
                        grants(client),
                    ]
                },
            );
        }
        ClientCommand::Show { client_id } => {
            let client = admin.client_show(&opened.tenant, &client_id)?;
            out.value(&client, || show(&client));
        }
        ClientCommand::Change(args) => change(&opened, args)?,
        ClientCommand::Disable { client_id } => set(&client_id, OwnerStatus::Disabled)?,
        ClientCommand::Enable { client_id } => set(&client_id, OwnerStatus::Active)?,
        ClientCommand::Delete { client_id } => set(&client_id, OwnerStatus::Deleted)?,
        ClientCommand::Admit { client_id, user } => {
            admin.client_admit(opened.at(&client_id), &user)?;
            out.done(&format!("{user} may use {client_id}"));
        }
        ClientCommand::Expel { client_id, user } => {
            admin.client_expel(opened.at(&client_id), &user)?;
            out.done(&format!(
                "{user} may not use {client_id} any more, and what it had of {user} is dead"
            ));
        }
        ClientCommand::Members { client_id } => {
            let members = admin.client_members(opened.at(&client_id))?;
            out.table(&members, &["USER"], |name| vec![name.clone()]);
        }
        ClientCommand::RotateSecret { client_id } => {
            let secret = admin.client_rotate_secret(opened.at(&client_id))?.reveal();
            let overlap = opened.config.lifetimes.secret_overlap;
            let value = json!({ "client_id": client_id, "client_secret": secret, "old_secret_good_for": overlap });
            out.value(&value, || {
                format!(
                    "The new secret of {client_id}, shown only now:\n\n  {secret}\n\nThe old one stays good for {overlap}."
                )
            });
        }
    }
    Ok(())
}

fn add(opened: &Opened, args: AddArgs) -> Result<(), Failure> {
    let registration = ClientRegistration {
        name: args.name.unwrap_or_else(|| args.client_id.clone()),
        client_id: args.client_id,
        grant_types: args.grants,
        redirect_uris: args.redirect_uris,
        post_logout_redirect_uris: args.post_logout_redirect_uris,
        origins: args.origins,
        scopes: scope_set(&args.scopes)?,
        resources: args.resources,
        implicit_consent: args.consent == Consent::Implicit,
        session_bound: args.session_bound,
        restricted: args.restricted,
        serves: args.serves,
        access_token_lifetime: args.access_token_lifetime,
        refresh_lifetime: args.refresh_lifetime,
    };
    let new = NewClient {
        registration,
        confidential: !args.public,
    };
    let added = opened.admin.client_add(&opened.tenant, new)?;
    let secret = added.secret.map(|secret| secret.reveal());
    let mut value = json!(added.client);
    value["client_secret"] = json!(secret);
    opened.out.value(&value, || {
        let shown = show(&added.client);
        match secret {
            Some(secret) => format!("{shown}\n\nIts secret, shown only now:\n\n  {secret}"),
            None => shown,
        }
    });
    Ok(())
}

fn change(opened: &Opened, args: ChangeArgs) -> Result<(), Failure> {
    let change = ClientChange {
        name: args.name,
        grant_types: args.grants,
        redirect_uris: args.redirect_uris,
        post_logout_redirect_uris: args.post_logout_redirect_uris,
        origins: args.origins,
        scopes: args.scopes.as_deref().map(scope_set).transpose()?,
        resources: args.resources,
        implicit_consent: args.consent.map(|consent| consent == Consent::Implicit),
        session_bound: args.session_bound,
        restricted: args.restricted,
        serves: args.serves.map(|id| Some(id).filter(|id| !id.is_empty())),
        access_token_lifetime: args.access_token_lifetime.map(|maximum| maximum.0),
        refresh_lifetime: args.refresh_lifetime.map(|maximum| maximum.0),
    };
    let narrowed = opened
        .admin
        .client_change(opened.at(&args.client_id), change)?;
    let client = opened.admin.client_show(&opened.tenant, &args.client_id)?;
    let mut value = json!(client);
    value["tokens_ended"] = json!(narrowed);
    opened.out.value(&value, || {
        let ended = if narrowed {
            "\n\nSomething was taken away, so all its tokens were ended."
        } else {
            ""
        };
        format!("{}{ended}", show(&client))
    });
    Ok(())
}

const fn kind(client: &Client) -> &'static str {
    if client.confidential {
        "confidential"
    } else {
        "public"
    }
}

fn grants(client: &Client) -> String {
    let names: Vec<&str> = client
        .registration
        .grant_types
        .iter()
        .map(|grant| grant.name())
        .collect();
    words(&names)
}

fn show(client: &Client) -> String {
    let own = &client.registration;
    pairs(&[
        ("client_id", own.client_id.clone()),
        ("name", own.name.clone()),
        ("kind", kind(client).to_owned()),
        ("status", client.status.to_string()),
        ("grants", grants(client)),
        ("scopes", own.scopes.to_string()),
        ("resources", words(&own.resources)),
        ("redirect URIs", words(&own.redirect_uris)),
        ("post-logout URIs", words(&own.post_logout_redirect_uris)),
        ("web origins", words(&own.origins)),
        (
            "consent",
            if own.implicit_consent {
                "implicit"
            } else {
                "explicit"
            }
            .to_owned(),
        ),
        ("session bound", own.session_bound.to_string()),
        ("access token lifetime", or_dash(own.access_token_lifetime)),
        ("refresh lifetime", or_dash(own.refresh_lifetime)),
    ])
}
