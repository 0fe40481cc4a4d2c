//! `curfew whoami`: who is signed in, as the server sees it now.

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::block_on;
use super::session::Session;
use super::words::printable;
use crate::cli::Global;
use crate::failure::Failure;
use crate::output::{Output, pairs, time};

#[derive(Clone, Debug, Args)]
pub(crate) struct WhoamiArgs {
    /// Which login, where there are several
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// `curfew whoami`
pub(crate) fn run(args: &WhoamiArgs, global: &Global) -> Result<(), Failure> {
    block_on(show(args, global))
}

async fn show(args: &WhoamiArgs, global: &Global) -> Result<(), Failure> {
    let mut session = Session::open(args.issuer.as_deref()).await?;
    let me = session.call(Method::GET, "/me", None).await?;
    let login = &session.login;
    let text = |member: &str| me[member].as_str().map(printable);
    let scopes = printable(&login.scope);
    let value = json!({
        "issuer": login.issuer, "client_id": login.client_id, "user_id": me["user_id"], "username": me["username"],
        "name": me["name"], "email": me["email"], "administrator": me["administrator"], "scope": login.scope,
        "expires_at": login.expires_at, "kept_in": if login.is_in_keyring() { "keyring" } else { "file" },
    });
    Output { json: global.json }.value(&value, || {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        pairs(&[
            ("user", or_dash(text("username"))),
            ("id", or_dash(text("user_id"))),
            ("issuer", login.issuer.clone()),
            ("client", login.client_id.clone()),
            ("scopes", scopes),
            (
                "expires",
                login.expires_at.map_or_else(|| "-".to_owned(), time),
            ),
            ("kept in", kept_in(login.is_in_keyring()).to_owned()),
        ])
    });
    Ok(())
}

const fn kept_in(keyring: bool) -> &'static str {
    if keyring {
        "the keyring"
    } else {
        "a file that only you can read"
    }
}
