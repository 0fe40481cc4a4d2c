//! A server with what most tests need: a resource server, one scope, three clients and a person.

use std::ops::{Deref, DerefMut};

use serde_json::Value;

use crate::browser::{AuthorizationRequest, Browser};
use crate::server::{Backend, Curfew, Setup};
use crate::wire::{Http, Request, Response};

/// Everybody's password in the tests.
pub const PASSWORD: &str = "correct horse battery staple";

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
    pub redirect_uri: String,
    /// The path below the issuer at which its tenant lives: empty for the default tenant.
    pub tenant_path: String,
}

/// A registered resource server.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    pub id: String,
    pub secret: String,
    pub identifier: String,
    pub tenant_path: String,
}

/// An authorization code and what redeeming it takes.
#[derive(Clone, Debug)]
pub struct Code {
    pub value: String,
    pub verifier: String,
    pub redirect_uri: String,
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
}

impl Tokens {
    #[track_caller]
    pub fn of(answer: &Response) -> Self {
        let answer = answer.clone().expect(200);
        Self {
            access: answer.member("access_token"),
            refresh: answer.json()["refresh_token"].as_str().map(str::to_owned),
        }
    }

    #[track_caller]
    pub fn refresh(&self) -> &str {
        self.refresh.as_deref().expect("a refresh token was given")
    }
}

/// A running server and its inhabitants. It derefs to the server.
#[derive(Debug)]
pub struct World {
    pub curfew: Curfew,
    pub api: ResourceServer,
    /// Confidential: authorization code and refresh, consent implied.
    pub web: Client,
    /// Public, a native app: authorization code and refresh, consent asked.
    pub app: Client,
    /// Confidential: client credentials.
    pub robot: Client,
}

impl Deref for World {
    type Target = Curfew;

    fn deref(&self) -> &Curfew {
        &self.curfew
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Curfew {
        &mut self.curfew
    }
}

impl World {
    pub fn start(backend: Backend) -> Self {
        Self::with(Setup::new(backend))
    }

    pub fn with(setup: Setup) -> Self {
        let curfew = setup.start();
        let tenant = "default";
        let api = add_resource(&curfew, tenant, "api");
        add_scope(&curfew, tenant, "notes", "api");
        let web = add_web(&curfew, tenant, "web");
        let app = add_app(&curfew, tenant, "app");
        let robot = add_robot(&curfew, tenant, "robot");
        let world = Self {
            curfew,
            api,
            web,
            app,
            robot,
        };
        world.add_user("ada");
        world
    }

    pub fn add_user(&self, name: &str) -> String {
        self.add_user_to("default", name)
    }

    /// Adds an active user with the usual password; returns the id.
    pub fn add_user_to(&self, tenant: &str, name: &str) -> String {
        let email = format!("{name}@example.test");
        let arguments = [
            "user",
            "add",
            name,
            "--email",
            &email,
            "--password-stdin",
            "--tenant",
            tenant,
        ];
        text(
            &self.cli_with(&arguments, &format!("{PASSWORD}\n")),
            "user_id",
        )
    }

    pub fn add_resource(&self, name: &str) -> ResourceServer {
        add_resource(&self.curfew, "default", name)
    }

    pub fn add_resource_to(&self, tenant: &str, name: &str) -> ResourceServer {
        add_resource(&self.curfew, tenant, name)
    }

    pub fn add_scope(&self, name: &str, resource: &str) {
        add_scope(&self.curfew, "default", name, resource);
    }

    pub fn add_scope_to(&self, tenant: &str, name: &str, resource: &str) {
        add_scope(&self.curfew, tenant, name, resource);
    }

    pub fn add_web(&self, name: &str) -> Client {
        add_web(&self.curfew, "default", name)
    }

    pub fn add_web_to(&self, tenant: &str, name: &str) -> Client {
        add_web(&self.curfew, tenant, name)
    }

    pub fn add_app(&self, name: &str) -> Client {
        add_app(&self.curfew, "default", name)
    }

    pub fn add_robot(&self, name: &str) -> Client {
        add_robot(&self.curfew, "default", name)
    }

    pub fn add_robot_to(&self, tenant: &str, name: &str) -> Client {
        add_robot(&self.curfew, tenant, name)
    }

    /// Registers a client with exactly these options.
    pub fn add_client(&self, id: &str, redirect_uri: &str, options: &[&str]) -> Client {
        add_client(&self.curfew, "default", id, redirect_uri, options)
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.http(), self.issuer())
    }

    /// A browser that has signed in.
    #[track_caller]
    pub fn signed_in(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(user, PASSWORD);
        browser
    }

    /// An authorization request of `client`, ready to be changed.
    pub fn request(&self, client: &Client) -> AuthorizationRequest {
        AuthorizationRequest::new(client).scope("notes")
    }

    /// Walks the browser through an authorization; the user signs in and agrees where asked.
    #[track_caller]
    pub fn code(&self, browser: &mut Browser, client: &Client) -> Code {
        browser.obtain_code(&self.request(client))
    }

    /// A code and its redemption.
    #[track_caller]
    pub fn tokens(&self, browser: &mut Browser, client: &Client) -> Tokens {
        let code = self.code(browser, client);
        Tokens::of(&self.redeem(client, &code))
    }

    pub fn redeem(&self, client: &Client, code: &Code) -> Response {
        self.http().redeem(client, code)
    }

    pub fn refresh(&self, client: &Client, refresh_token: &str) -> Response {
        self.http().refresh(client, refresh_token)
    }

    /// A token that the robot got for itself.
    #[track_caller]
    pub fn robot_token(&self) -> String {
        self.http()
            .client_credentials(&self.robot)
            .expect(200)
            .member("access_token")
    }

    pub fn introspect(&self, token: &str) -> Value {
        self.http().introspect(&self.api, token).expect(200).json()
    }

    #[track_caller]
    pub fn assert_alive(&self, token: &str) {
        let answer = self.introspect(token);
        assert_eq!(answer["active"], true, "{answer}");
    }

    /// Dead: inactive at every node, and nothing but that is said.
    #[track_caller]
    pub fn assert_dead(&self, token: &str) {
        for node in self.nodes() {
            let answer = node.introspect(&self.api, token).expect(200);
            assert_eq!(answer.text(), r#"{"active":false}"#);
        }
    }

    pub fn revoke(&self, client: &Client, token: &str) -> Response {
        self.http().revoke(client, token)
    }
}

impl Request {
    /// Adds the client's authentication: Basic where it has a secret, its id as a field otherwise.
    pub(crate) fn of_client(path: &str, client: &Client, fields: &[(&str, &str)]) -> Self {
        let path = format!("{}{path}", client.tenant_path);
        match &client.secret {
            Some(secret) => Self::form(&path, fields).basic(&client.id, secret),
            None => Self::form(
                &path,
                &[fields, &[("client_id", client.id.as_str())]].concat(),
            ),
        }
    }

    pub fn token(client: &Client, fields: &[(&str, &str)]) -> Self {
        Self::of_client("/token", client, fields)
    }

    pub fn redemption(client: &Client, code: &Code) -> Self {
        Self::token(
            client,
            &[
                ("grant_type", "authorization_code"),
                ("code", &code.value),
                ("redirect_uri", &code.redirect_uri),
                ("code_verifier", &code.verifier),
            ],
        )
    }

    pub fn refreshing(client: &Client, refresh_token: &str) -> Self {
        Self::token(
            client,
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh_token),
            ],
        )
    }

    pub fn client_credentials(client: &Client) -> Self {
        Self::token(client, &[("grant_type", "client_credentials")])
    }

    pub fn introspection(api: &ResourceServer, token: &str) -> Self {
        let path = format!("{}/introspect", api.tenant_path);
        Self::form(&path, &[("token", token)]).basic(&api.id, &api.secret)
    }

    pub fn revocation(client: &Client, token: &str) -> Self {
        Self::of_client("/revoke", client, &[("token", token)])
    }
}

impl Http {
    pub fn token(&self, client: &Client, fields: &[(&str, &str)]) -> Response {
        self.send(&Request::token(client, fields))
    }

    pub fn redeem(&self, client: &Client, code: &Code) -> Response {
        self.send(&Request::redemption(client, code))
    }

    pub fn refresh(&self, client: &Client, refresh_token: &str) -> Response {
        self.send(&Request::refreshing(client, refresh_token))
    }

    pub fn client_credentials(&self, client: &Client) -> Response {
        self.send(&Request::client_credentials(client))
    }

    pub fn introspect(&self, api: &ResourceServer, token: &str) -> Response {
        self.send(&Request::introspection(api, token))
    }

    pub fn revoke(&self, client: &Client, token: &str) -> Response {
        self.send(&Request::revocation(client, token))
    }
}

fn text(answer: &Value, member: &str) -> String {
    answer[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {answer}"))
        .to_owned()
}

pub(crate) fn tenant_path(tenant: &str) -> String {
    if tenant == "default" {
        String::new()
    } else {
        format!("/t/{tenant}")
    }
}

fn add_resource(curfew: &Curfew, tenant: &str, id: &str) -> ResourceServer {
    let identifier = format!("https://{id}.example.test");
    let added = curfew.cli(&[
        "resource",
        "add",
        id,
        "--identifier",
        &identifier,
        "--name",
        id,
        "--tenant",
        tenant,
    ]);
    ResourceServer {
        id: id.to_owned(),
        secret: text(&added, "secret"),
        identifier,
        tenant_path: tenant_path(tenant),
    }
}

fn add_scope(curfew: &Curfew, tenant: &str, name: &str, resource: &str) {
    let description = format!("Use your {name}");
    curfew.run(
        &[
            "scope",
            "add",
            name,
            "--description",
            &description,
            "--resource",
            resource,
            "--tenant",
            tenant,
        ],
        "",
    );
}

fn add_web(curfew: &Curfew, tenant: &str, id: &str) -> Client {
    let options = [
        "--grant",
        "authorization_code",
        "--grant",
        "refresh_token",
        "--consent",
        "implicit",
        "--scope",
        "notes",
    ];
    add_client(curfew, tenant, id, "https://app.example.test/cb", &options)
}

fn add_app(curfew: &Curfew, tenant: &str, id: &str) -> Client {
    let options = [
        "--public",
        "--grant",
        "authorization_code",
        "--grant",
        "refresh_token",
        "--scope",
        "notes",
    ];
    add_client(curfew, tenant, id, "http://127.0.0.1/cb", &options)
}

fn add_robot(curfew: &Curfew, tenant: &str, id: &str) -> Client {
    add_client(
        curfew,
        tenant,
        id,
        "",
        &["--grant", "client_credentials", "--scope", "notes"],
    )
}

fn add_client(
    curfew: &Curfew,
    tenant: &str,
    id: &str,
    redirect_uri: &str,
    options: &[&str],
) -> Client {
    let mut arguments = vec!["client", "add", id, "--name", id, "--tenant", tenant];
    if !redirect_uri.is_empty() {
        arguments.extend(["--redirect-uri", redirect_uri]);
    }
    arguments.extend(options);
    let added = curfew.cli(&arguments);
    Client {
        id: id.to_owned(),
        secret: added["client_secret"].as_str().map(str::to_owned),
        redirect_uri: redirect_uri.to_owned(),
        tenant_path: tenant_path(tenant),
    }
}
