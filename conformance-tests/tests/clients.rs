//! Clients that no one here wrote: code with PKCE, refresh, client credentials, introspection and revocation through each of them.
//!
//! The scripts run as processes of their own. Where a person is needed they print `AUTHORIZE url`, and the test answers with the URL at
//! which the browser ended up; or `DEVICE link`, and the test approves the device there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use conformance_tests::oidc_provider::installed;
use conformance_tests::{Backend, Client, Request, Setup, World, on_both_backends, repository};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    DeviceAuthorizationUrl, HttpRequest, HttpResponse, IntrospectionUrl, PkceCodeChallenge,
    RedirectUrl, RefreshToken, RevocationUrl, Scope, StandardDeviceAuthorizationResponse,
    TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};
use serde_json::json;

on_both_backends! {
    fn authlib_is_served(backend) { run(&world(backend), python(), "authlib_client.py") }
    fn requests_oauthlib_is_served(backend) { run(&world(backend), python(), "requests_oauthlib_client.py") }
    fn openid_client_is_served(backend) { run(&world(backend), "node".into(), "openid_client.mjs") }
    fn oauth4webapi_is_served(backend) { run(&world(backend), "node".into(), "oauth4webapi_client.mjs") }
    fn the_oauth2_crate_is_served(backend) { oauth2_crate(&world(backend)) }
}

/// Devices need not wait long.
fn world(backend: Backend) -> World {
    World::with(Setup::new(backend).env("CURFEW_LIFETIMES_DEVICE_POLL_INTERVAL", "1"))
}

fn tv(world: &World) -> Client {
    let options = ["--public", "--grant", "device_code", "--scope", "notes"];
    world.add_client("tv", "", &options)
}

/// The person opens a complete link and approves.
fn approve_device(world: &World, link: &str) {
    let mut browser = world.browser();
    let page = browser.device_page(link, "ada");
    let to = browser.submit(&page, &[]);
    let to = to.location().unwrap_or_else(|| panic!("{to:?}")).to_owned();
    let page = browser.get(&to);
    let done = browser.submit(&page, &[("decision", "approve")]);
    assert!(
        done.location()
            .is_some_and(|to| to.ends_with("outcome=approved")),
        "{done:?}"
    );
}

fn python() -> PathBuf {
    installed("CURFEW_CLIENTS_PYTHON", "target/clients/python/bin/python")
}

fn run(world: &World, interpreter: PathBuf, script: &str) {
    let secret = |client: &conformance_tests::Client| client.secret.clone();
    let told = json!({
        "issuer": world.issuer(),
        "web_id": world.web.id, "web_secret": secret(&world.web), "redirect_uri": world.web.redirect_uri,
        "app_id": world.app.id, "app_redirect_uri": world.app.redirect_uri,
        "robot_id": world.robot.id, "robot_secret": secret(&world.robot),
        "api_id": world.api.id, "api_secret": world.api.secret, "tv_id": tv(world).id,
    });
    let mut child = Command::new(interpreter)
        .arg(repository().join("conformance-tests/clients").join(script))
        .env("CURFEW_TEST", told.to_string())
        .env(
            "CURFEW_CLIENTS_NODE",
            installed("CURFEW_CLIENTS_NODE", "target/clients/node"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut answers = child.stdin.take().expect("its standard input");
    let mut browser = world.browser();
    let mut seen = String::new();
    for line in BufReader::new(child.stdout.take().expect("its standard output")).lines() {
        let line = line.expect("a line");
        if let Some(url) = line.strip_prefix("AUTHORIZE ") {
            let landed = browser.follow(url, "ada", "approve");
            let place = landed
                .location()
                .unwrap_or_else(|| panic!("the authorization ended at {landed:?}"));
            writeln!(answers, "{place}").expect("the client listens");
        }
        if let Some(link) = line.strip_prefix("DEVICE ") {
            approve_device(world, link);
            writeln!(answers, "approved").expect("the client listens");
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    let mut complaint = String::new();
    child
        .stderr
        .take()
        .expect("its standard error")
        .read_to_string(&mut complaint)
        .expect("text");
    let status = child.wait().expect("the client ends");
    assert!(status.success(), "{script}: {status}\n{seen}{complaint}");
}

/// Carries the crate's requests over our own wire.
fn carry(world: &World, request: &HttpRequest) -> Result<HttpResponse, std::io::Error> {
    let (parts, body) = (request, request.body().clone());
    let mut own = Request::new(parts.method().as_str(), parts.uri().path());
    let mut kind = String::new();
    for (name, value) in parts.headers() {
        let value = value.to_str().unwrap_or("");
        if name == "content-type" {
            value.clone_into(&mut kind);
        } else {
            own = own.header(name.as_str(), value);
        }
    }
    let answer = world.http().try_send(&own.body(&kind, body))?;
    let mut response = HttpResponse::new(answer.body.clone());
    *response.status_mut() = answer.status.try_into().expect("a status");
    if let Some(kind) = answer.header("content-type") {
        response
            .headers_mut()
            .insert("content-type", kind.parse().expect("a header"));
    }
    Ok(response)
}

fn oauth2_crate(world: &World) {
    let url = |path: &str| format!("{}/{path}", world.issuer());
    let client = |id: &str, secret: &str| {
        BasicClient::new(ClientId::new(id.to_owned()))
            .set_client_secret(ClientSecret::new(secret.to_owned()))
            .set_auth_uri(AuthUrl::new(url("authorize")).expect("a URL"))
            .set_token_uri(TokenUrl::new(url("token")).expect("a URL"))
            .set_introspection_url(IntrospectionUrl::new(url("introspect")).expect("a URL"))
            // The crate takes no revocation endpoint in clear text, not even on a loopback address; `carry` knows better.
            .set_revocation_url(RevocationUrl::new(url("revoke").replace("http://", "https://")).expect("a URL"))
    };
    let http = |request: HttpRequest| carry(world, &request);
    let web = client("web", world.web.secret.as_deref().expect("a secret"))
        .set_redirect_uri(RedirectUrl::new(world.web.redirect_uri.clone()).expect("a URL"));
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (to, state) = web
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("notes".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let landed = world.browser().follow(to.as_str(), "ada", "approve");
    assert_eq!(
        landed.location_parameter("state").as_deref(),
        Some(state.secret().as_str())
    );
    let code = AuthorizationCode::new(
        landed
            .location_parameter("code")
            .unwrap_or_else(|| panic!("{landed:?}")),
    );
    let token = web
        .exchange_code(code)
        .set_pkce_verifier(verifier)
        .request(&http)
        .expect("a token");
    let refresh = token
        .refresh_token()
        .expect("a refresh token")
        .secret()
        .clone();

    let api = client(&world.api.id, &world.api.secret);
    let told = api
        .introspect(token.access_token())
        .request(&http)
        .expect("an answer");
    assert!(told.active() && told.username() == Some("ada"));
    let next = web
        .exchange_refresh_token(&RefreshToken::new(refresh))
        .request(&http)
        .expect("a token");
    let newest = next.refresh_token().expect("a refresh token").clone();
    let revocation = web
        .revoke_token(newest.into())
        .expect("a revocation endpoint");
    revocation.request(&http).expect("revoked");
    let told = api
        .introspect(next.access_token())
        .request(&http)
        .expect("an answer");
    assert!(!told.active());

    let robot = client("robot", world.robot.secret.as_deref().expect("a secret"));
    let token = robot
        .exchange_client_credentials()
        .request(&http)
        .expect("a token");
    assert!(token.refresh_token().is_none());
    oauth2_crate_device(world);
}

fn oauth2_crate_device(world: &World) {
    let url = |path: &str| format!("{}/{path}", world.issuer());
    let client = BasicClient::new(ClientId::new(tv(world).id))
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(TokenUrl::new(url("token")).expect("a URL"))
        .set_device_authorization_url(
            DeviceAuthorizationUrl::new(url("device_authorization")).expect("a URL"),
        );
    let http = |request: HttpRequest| carry(world, &request);
    let details: StandardDeviceAuthorizationResponse = client
        .exchange_device_code()
        .add_scope(Scope::new("notes".to_owned()))
        .request(&http)
        .expect("a device code");
    let link = details
        .verification_uri_complete()
        .expect("a complete link")
        .secret()
        .clone();
    let waits = std::cell::Cell::new(0);
    // The person takes their time: the crate is told to wait once, and approval comes while it does.
    let wait = |_| {
        if waits.replace(waits.get() + 1) == 0 {
            approve_device(world, &link);
        }
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    };
    let token = client
        .exchange_device_access_token(&details)
        .request(&http, wait, None)
        .expect("a token");
    assert!(waits.get() > 0);
    world.assert_alive(token.access_token().secret());
}
