//! `curfew demo`: a complete example on this machine.
//!
//! 1. A fresh folder gets an installation, like `init` makes it.
//! 2. It is filled: a person, a confidential and a public client, a device, a resource server with two scopes.
//! 3. The server starts on loopback, the client page and an upstream provider on origins of their own.
//! 4. What to try is printed, ready to paste. Ctrl-C ends it, and a folder that was made for it alone is removed.

mod page;
mod seed;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use curfew_admin::Invitations;
use curfew_policy::addresses::AddressRange;
use curfew_protocol::Entropy as _;
use curfew_store::SystemEntropy;

use crate::config::{Log, LogFormat};
use crate::failure::Failure;
use crate::init::{self, InitArgs};
use crate::output::{aside, line};
use crate::serve::Node;
use crate::telemetry;

use seed::Seeded;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where Curfew listens; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the demo client's page listens; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    client_listen: SocketAddr,
    /// Where the demo's identity provider listens; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    provider_listen: SocketAddr,
    /// Keep everything in this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// `curfew demo`
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    for address in [args.listen, args.client_listen, args.provider_listen] {
        if !address.ip().is_loopback() || address.port() == 0 {
            return Err(Failure::told(format!(
                "{address} will not do: its secrets are printed, so the demo listens on loopback only, such as 127.0.0.1:8080"
            )));
        }
    }
    let folder = Folder::new(args.dir.as_deref());
    let mut made = init::make(&InitArgs {
        dir: folder.path.clone(),
        issuer: None,
        database: None,
        listen: args.listen,
    })?;
    // The demo's provider is on this machine, where nothing is called otherwise.
    made.config.outbound.allowed = vec![AddressRange::single(args.provider_listen.ip())];
    telemetry::start(&Log {
        level: tracing::Level::WARN,
        format: LogFormat::Text,
    });
    let client_origin = format!("http://{}", args.client_listen);
    let invitations = Arc::new(Invitations::by_hand(made.config.issuer.clone()));
    let seeded = seed::plant(&made.admin, &client_origin, &invitations)?;
    let issuer = made.config.issuer.origin().to_owned();
    let store = made.admin.store().clone();
    let provider = upstream::register(&made.admin, &issuer, args.provider_listen)?;
    let node = Node::new(made.config, store)?;
    actix_web::rt::System::new().block_on(async {
        let page = page::listener(args.client_listen, &issuer)?;
        let provider = upstream::listener(provider, args.provider_listen)?;
        node.serve(vec![page, provider], || {
            line(&guide(&issuer, &client_origin, &seeded, &folder))
        })
        .await
    })?;
    line("\nThe demo has ended.");
    Ok(())
}

/// Where the demo lives. A temporary folder goes with it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(named: Option<&Path>) -> Self {
        match named {
            Some(path) => Self {
                path: path.to_owned(),
                temporary: false,
            },
            None => {
                let mut random = [0u8; 8];
                SystemEntropy.fill(&mut random);
                let name = format!("curfew-demo-{:016x}", u64::from_be_bytes(random));
                Self {
                    path: std::env::temp_dir().join(name),
                    temporary: true,
                }
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            aside(&format!(
                "warning: {} could not be removed: {error}",
                self.path.display()
            ));
        }
    }
}

/// What to try.
fn guide(issuer: &str, client_origin: &str, seeded: &Seeded, folder: &Folder) -> String {
    // A proxy of the environment would be asked for 127.0.0.1, too.
    let proxied = ["http_proxy", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let curl = if proxied {
        "curl -s --noproxy '*'"
    } else {
        "curl -s"
    };
    let service = format!("{}:{}", seed::SERVICE, seeded.service_secret);
    let api = format!("{}:{}", seed::API, seeded.api_secret);
    let config = folder.path.join(crate::config::DEFAULT_FILE);
    format!(
        "Curfew is running at {issuer}\n\
         \n\
         1. A client gets a token for itself, the resource server asks about it, the client revokes it, the resource server asks\n\
         \x20  again. Paste these lines into another terminal:\n\
         \n\
         TOKEN=$({curl} -u {service} -d grant_type=client_credentials {issuer}/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         {curl} -u {api} -d token=$TOKEN {issuer}/introspect; echo\n\
         {curl} -u {service} -d token=$TOKEN {issuer}/revoke\n\
         {curl} -u {api} -d token=$TOKEN {issuer}/introspect; echo\n\
         \n\
         2. A person signs in through the browser. Open the demo client:\n\
         \n\
         \x20  {client_origin}/\n\
         \n\
         \x20  username  {}\n\
         \x20  password  {}\n\
         \n\
         3. A device without a browser asks, and a person approves it. Paste the first line, open the link that it prints, sign in as\n\
         \x20  above and approve; then the resource server asks about the device's token:\n\
         \n\
         TOKEN=$({} login --issuer {issuer} --client-id {} --scope notes:read --print-token)\n\
         {curl} -u {api} -d token=$TOKEN {issuer}/introspect; echo\n\
         \n\
         \x20  The account page shows where the token comes from. Press \"This was not me\" there, and ask again:\n\
         \n\
         \x20  {issuer}/account\n\
         \n\
         4. People sign in through an identity provider, too. Open the login page, and continue with the {}:\n\
         \n\
         \x20  {issuer}/login\n\
         \n\
         \x20  Alice has an account with a password: she proves once that it is hers, and her identity is bound to it. Bob is new. Mallory\n\
         \x20  comes with Alice's address, verified, and stays outside.\n\
         \n\
         5. Look at it as the operator, while it runs:\n\
         \n\
         export CURFEW_CONFIG={}\n\
         {} token list --client {}\n\
         {} user logout-everywhere {}\n\
         \n\
         Ctrl-C ends the demo{}.",
        seed::USER,
        seeded.password,
        shell(&program()),
        seed::DEVICE,
        upstream::NAME,
        shell(&config),
        shell(&program()),
        seed::SERVICE,
        shell(&program()),
        seed::USER,
        if folder.temporary {
            " and removes its folder"
        } else {
            ""
        },
    )
}

/// This very binary, as a shell finds it.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("curfew"))
}

/// A path as one word of a shell.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
