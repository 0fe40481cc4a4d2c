//! Two hidden commands for measurements: what the HTTP stack can do at all, and a database with many living tokens.

use std::net::SocketAddr;

use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use clap::Args;
use curfew_admin::Filling;
use curfew_http::body::RawForm;
use curfew_http::client_auth::PresentedClient;
use curfew_http::{Problem, answer};
use serde_json::json;

use crate::cli::Global;
use crate::commands::maintenance::progress;
use crate::failure::Failure;
use crate::open::Opened;

/// An introspection answer of the usual length.
const ANSWER: &str = r#"{"active":true,"scope":"bench","client_id":"bench","username":"crowd","token_type":"Bearer","exp":1900000000,"iat":1899999400,"sub":"2Q6OKXv4e0iFbSIlkEK2FN","aud":"https://api.example.test","iss":"http://127.0.0.1:8080","jti":"08gtAOliurEFbxShSCgpHF"}"#;

/// `curfew bench-ceiling`: parses form and header like an endpoint, and answers without asking anybody.
pub(crate) fn ceiling(listen: SocketAddr) -> Result<(), Failure> {
    let failed = |source| Failure::io(format!("{listen} cannot be listened on"), source);
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(|| App::new().default_service(web::to(fixed)))
            .workers(1)
            .bind(listen)
            .map_err(failed)?
            .run()
            .await
            .map_err(failed)
    })
}

async fn fixed(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let form = RawForm::read(&request, payload).await?;
    let form = form.parse(&["resource"])?;
    let presented = PresentedClient::read(request.headers(), &form)?;
    std::hint::black_box((form.get("token"), presented));
    Ok(answer::json_text(ANSWER))
}

#[derive(Debug, Args)]
pub(crate) struct FillArgs {
    #[arg(long)]
    tokens: usize,
    #[arg(long)]
    client: String,
    /// Without a user, the tokens are the client's own
    #[arg(long)]
    user: Option<String>,
    /// How many values are printed
    #[arg(long, default_value_t = 1_000)]
    sample: usize,
}

/// `curfew bench-fill`
pub(crate) fn fill(global: &Global, args: &FillArgs) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let bar = progress(args.tokens as u64, "[{bar:40}] {pos}/{len} {eta}");
    let filling = Filling {
        tenant: opened.tenant.clone(),
        client_id: args.client.clone(),
        username: args.user.clone(),
        tokens: args.tokens,
        sample: args.sample,
    };
    let sample = opened
        .admin
        .fill(&filling, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let client = opened.admin.client_show(&opened.tenant, &args.client)?;
    let ask_as = client.registration.resources.first();
    opened
        .out
        .value(&json!({ "ask_as": ask_as, "tokens": sample }), || {
            sample.join("\n")
        });
    Ok(())
}
