//! `curfew logout`: the tokens end at the server (RFC 7009), then they are forgotten here.

use clap::Args;
use serde_json::json;

use super::block_on;
use super::client::Client;
use super::credentials::Keeper;
use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Clone, Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Which login, where there are several
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Forget the tokens here without asking the server to end them
    #[arg(long)]
    local: bool,
}

/// `curfew logout`
pub(crate) fn run(args: &LogoutArgs, global: &Global) -> Result<(), Failure> {
    block_on(sign_out(args, global))
}

async fn sign_out(args: &LogoutArgs, global: &Global) -> Result<(), Failure> {
    let keeper = Keeper::find()?;
    let issuer = keeper.login(args.issuer.as_deref())?.issuer;
    // Nobody refreshes meanwhile: what is ended is what there is.
    let locked = keeper.lock()?;
    let Some(login) = locked.login(&issuer)? else {
        return Err(Failure::told(format!("nobody is signed in at {issuer}")));
    };
    if !args.local {
        let tokens = login.tokens()?;
        let client = Client::of(&login.issuer, &login.client_id)
            .await
            .map_err(|failure| Failure::told(undone(&failure.to_string())))?;
        if !client.revoke(&tokens).await {
            return Err(Failure::told(undone(
                "the server did not say that the tokens are ended",
            )));
        }
    }
    locked.forget(&login)?;
    let value = json!({ "issuer": login.issuer, "revoked": !args.local });
    Output { json: global.json }.value(&value, || {
        if args.local {
            format!(
                "Signed out at {} on this machine only; the tokens live on until they expire.",
                login.issuer
            )
        } else {
            format!("Signed out at {}.", login.issuer)
        }
    });
    Ok(())
}

fn undone(why: &str) -> String {
    format!(
        "{why}; nothing was forgotten. Try again, or run `curfew logout --local`: then the tokens live on until they expire"
    )
}
