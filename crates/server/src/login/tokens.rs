//! `curfew tokens …`: a person's own tokens, over the API of the server.

use clap::{Args, Subcommand};
use curfew_protocol::{Lifetime, ScopeSet, TokenId};
use reqwest::Method;
use serde_json::{Value, json};

use super::block_on;
use super::session::Session;
use super::words::printable;
use crate::cli::Global;
use crate::commands::{scope_set, seconds};
use crate::failure::Failure;
use crate::output::{Output, time};

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// List your own tokens
    List(Which),
    /// Make a token for a program of yours; its value is shown once
    Create {
        /// What you will know it by
        name: String,
        /// What it may do; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// How long it lives
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        lifetime: Option<Lifetime>,
        #[command(flatten)]
        which: Which,
    },
    /// End a token, with all that it made
    Revoke {
        id: TokenId,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// Which login, where there are several
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// `curfew tokens …`
pub(crate) fn run(command: TokensCommand, global: &Global) -> Result<(), Failure> {
    let out = Output { json: global.json };
    block_on(async move {
        match command {
            TokensCommand::List(which) => list(&which, out).await,
            TokensCommand::Create {
                name,
                scopes,
                lifetime,
                which,
            } => create(&which, (name, scope_set(&scopes)?, lifetime), out).await,
            TokensCommand::Revoke { id, which } => {
                let mut session = Session::open(which.issuer.as_deref()).await?;
                let path = format!("/me/tokens/{id}");
                session.call(Method::DELETE, &path, None).await?;
                out.value(&json!({ "id": id, "revoked": true }), || {
                    format!("The token {id} was ended.")
                });
                Ok(())
            }
        }
    })
}

async fn list(which: &Which, out: Output) -> Result<(), Failure> {
    let mut session = Session::open(which.issuer.as_deref()).await?;
    let answer = session.call(Method::GET, "/me/tokens", None).await?;
    let Value::Array(tokens) = &answer["tokens"] else {
        return Err(Failure::told(
            "the server's list of tokens is not what this program understands",
        ));
    };
    let header = &["TOKEN", "NAME", "CLIENT", "SCOPES", "EXPIRES", "LAST USED"];
    out.table(tokens, header, |token| {
        let text = |member: &str| token[member].as_str().map_or_else(dash, printable);
        let at = |member: &str| token[member].as_i64().map_or_else(dash, time);
        vec![
            text("id"),
            text("name"),
            text("client_id"),
            text("scope"),
            at("expires_at"),
            at("last_used_at"),
        ]
    });
    Ok(())
}

fn dash() -> String {
    "-".to_owned()
}

async fn create(
    which: &Which,
    (name, scopes, lifetime): (String, ScopeSet, Option<Lifetime>),
    out: Output,
) -> Result<(), Failure> {
    let mut session = Session::open(which.issuer.as_deref()).await?;
    let mut body = json!({ "name": name, "scopes": scopes });
    if let Some(lifetime) = lifetime {
        body["requested_token_lifetime"] = json!(lifetime);
    }
    let made = session
        .call(Method::POST, "/me/tokens", Some(&body))
        .await?;
    let Some(token) = made["token"].as_str() else {
        return Err(Failure::told(
            "the server's answer holds no token; look at `curfew tokens list`",
        ));
    };
    out.value(&made, || {
        let end = made["expires_at"].as_i64().map_or_else(dash, time);
        format!(
            "This token is shown only now; it ends at {end}:\n\n  {}",
            printable(token)
        )
    });
    Ok(())
}
