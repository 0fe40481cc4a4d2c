//! `curfew login`, `logout`, `whoami` and `tokens`: a person at a terminal, signed in by the device flow (RFC 8628).
//!
//! 1. The server describes itself (`metadata.rs`, RFC 8414).
//! 2. A device code is asked for, bound to this process (`device.rs`, `pkce.rs`), and shown (`show.rs`).
//! 3. The token endpoint is asked until the person has decided (`device.rs`).
//! 4. The tokens are kept (`credentials.rs`, `keyring.rs`), and replaced when they expire (`session.rs`).
//!
//! Nothing of it needs the server's configuration or database: it speaks HTTP like any other client.

mod client;
mod credentials;
mod device;
mod http;
mod keyring;
mod logout;
mod metadata;
mod pkce;
mod session;
mod show;
mod tokens;
mod whoami;
mod words;

use clap::Args;
use curfew_protocol::Timestamp;
use curfew_store::SystemEntropy;
use reqwest::Method;
use serde_json::json;

pub(crate) use logout::{LogoutArgs, run as logout};
pub(crate) use tokens::{TokensCommand, run as tokens};
pub(crate) use whoami::{WhoamiArgs, run as whoami};

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::{Output, aside, line};
use client::{Client, Granted};
use credentials::{Keeper, Login};
use pkce::Binding;
use words::printable;

/// What is asked for when nothing else is.
const SCOPES: &str = "curfew:account:read curfew:account:write offline_access";

#[derive(Clone, Debug, Args)]
pub(crate) struct LoginArgs {
    /// Where to sign in, such as `https://id.example.com`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The client that this program is registered as there
    #[arg(long, value_name = "ID", default_value = "curfew-cli")]
    client_id: String,
    /// A scope to ask for; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", default_value = SCOPES)]
    scopes: Vec<String>,
    /// Draw no picture of the link
    #[arg(long)]
    no_qr: bool,
    /// Keep the tokens in a file that only you can read, and not in the keyring
    #[arg(long)]
    no_keyring: bool,
    /// Keep nothing: print the access token, for a script that asks for it
    #[arg(long)]
    print_token: bool,
}

/// `curfew login`
pub(crate) fn run(args: &LoginArgs, global: &Global) -> Result<(), Failure> {
    block_on(sign_in(args, global))
}

async fn sign_in(args: &LoginArgs, global: &Global) -> Result<(), Failure> {
    let keeper = Keeper::find()?;
    let scope = crate::commands::scope_set(&args.scopes)?.to_string();
    let client = Client::of(&args.issuer, &args.client_id).await?;
    let binding = Binding::new(&SystemEntropy);
    let code = device::authorize(&client, &scope, &binding).await?;
    let told = show::instructions(&code, !args.no_qr && !global.json && !args.print_token);
    // Standard output is for what a script reads.
    if global.json || args.print_token {
        aside(&told);
    } else {
        line(&told);
    }
    let spinner = show::spinner(global.json);
    let granted = device::wait(&client, (&code, &binding), interrupt()).await;
    spinner.finish_and_clear();
    if args.print_token {
        let token = granted?.tokens.access_token;
        let value = json!({ "issuer": client.issuer, "access_token": token });
        Output { json: global.json }.value(&value, || token.clone());
        return Ok(());
    }
    let login = keep(&keeper, &client, granted?, (scope, !args.no_keyring)).await?;
    let who = login.username.as_deref().unwrap_or("somebody");
    let value = json!({
        "issuer": login.issuer, "client_id": login.client_id, "username": login.username, "scope": login.scope,
        "kept_in": if login.is_in_keyring() { "keyring" } else { "file" },
    });
    Output { json: global.json }.value(&value, || {
        format!("Signed in at {} as {}.", login.issuer, printable(who))
    });
    Ok(())
}

/// Keeps what was granted in place of an earlier login, whose tokens are ended.
async fn keep(
    keeper: &Keeper,
    client: &Client,
    granted: Granted,
    (asked, in_keyring): (String, bool),
) -> Result<Login, Failure> {
    let scope = granted.scope.unwrap_or(asked);
    let mut login = Login::new(client.issuer.clone(), client.id.clone(), scope);
    login.expires_at = granted.expires_at.map(Timestamp::seconds);
    login.username = username(client, &granted.tokens.access_token).await;
    let (earlier, refused, login) = {
        let locked = keeper.lock()?;
        let earlier = locked.login(&client.issuer)?;
        let earlier = earlier.and_then(|login| Some((login.tokens().ok()?, login.client_id)));
        let refused = locked.keep(login.clone(), &granted.tokens, in_keyring)?;
        let kept = locked.login(&client.issuer)?;
        (earlier, refused, kept.unwrap_or(login))
    };
    if let Some(reason) = refused {
        tell_of_file(keeper, &reason);
    }
    if let Some((tokens, _)) = earlier.filter(|(_, id)| *id == client.id) {
        // They end on their own in any case.
        client.revoke(&tokens).await;
    }
    Ok(login)
}

/// Who signed in, if the server tells.
async fn username(client: &Client, token: &str) -> Option<String> {
    let url = client.api("/me").ok()?;
    let me = client.http.call((Method::GET, &url), token, None).await;
    Some(me.ok()?["username"].as_str()?.to_owned())
}

/// The tokens are not where one would wish them to be, and the person is to know.
fn tell_of_file(keeper: &Keeper, reason: &str) {
    aside(&format!(
        "notice: no keyring can be used here ({reason}); the tokens are kept in {}, which only you can read",
        keeper.file().display()
    ));
}

/// Ctrl-C, or the end of the terminal.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // It cannot be heard, so it is never heard.
        std::future::pending::<()>().await;
    }
}

/// Everything happens on this thread, one thing after the other.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::io("waiting cannot be done here", source))?
        .block_on(work)
}
