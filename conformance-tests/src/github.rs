//! A stand-in for GitHub: its OAuth pages, and as much of its REST interface as a sign-in asks, answering as it is documented.
//!
//! 1. `/login/oauth/authorize` shows a page on which anybody may be chosen; the browser goes back with a code.
//! 2. `/login/oauth/access_token` takes the code once; a mistake is answered with status 200 and an `error`, as GitHub does.
//! 3. `/user`, `/user/emails`, `/user/memberships/orgs/{org}` and `/orgs/{org}/teams/{team}/memberships/{login}` tell what the token's
//!    scopes allow. On GitHub Enterprise Server they lie below `/api/v3`; the stand-in knows them at both places.
//! 4. Any answer may be replaced: [`GitHub::replace`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use demo_provider::{Answer, Received};
use serde_json::{Value, json};
use url::Url;

use crate::pkce;
use crate::stub::{Reply, Stub};

/// One of a person's addresses.
#[derive(Clone, Debug)]
pub struct Address {
    pub email: String,
    pub primary: bool,
    pub verified: bool,
}

/// Somebody with an account at GitHub.
#[derive(Clone, Debug)]
pub struct Member {
    /// A number at GitHub; anything in a test.
    pub id: Value,
    pub login: String,
    pub name: String,
    pub addresses: Vec<Address>,
    /// Organization, or organization and team with a slash between them, to the state of the membership: `active` or `pending`.
    pub memberships: BTreeMap<String, String>,
}

impl Member {
    /// Somebody with one address, primary and verified.
    pub fn new(id: i64, login: &str, email: &str) -> Self {
        let address = Address {
            email: email.to_owned(),
            primary: true,
            verified: true,
        };
        Self {
            id: id.into(),
            login: login.to_owned(),
            name: format!("{login} of GitHub"),
            addresses: vec![address],
            memberships: BTreeMap::new(),
        }
    }

    /// Adds a membership; `of` is an organization, or an organization and a team with a slash between them.
    #[must_use]
    pub fn member(mut self, of: &str, state: &str) -> Self {
        self.memberships.insert(of.to_owned(), state.to_owned());
        self
    }
}

type Replacement = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Grant {
    login: String,
    redirect_uri: String,
    scope: String,
    challenge: Option<String>,
}

#[derive(Default)]
struct State {
    members: Vec<Member>,
    codes: BTreeMap<String, Grant>,
    /// Access token to login and scopes.
    tokens: BTreeMap<String, (String, String)>,
    replacements: BTreeMap<String, Replacement>,
}

/// The application as it is registered there.
#[derive(Clone, Debug)]
struct Application {
    id: String,
    secret: String,
    redirect_uri: String,
}

/// It ends with its owner.
pub struct GitHub {
    stub: Stub,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stub.fmt(f)
    }
}

impl GitHub {
    /// GitHub with these members and one registered application.
    pub fn start(members: Vec<Member>, id: &str, secret: &str, redirect_uri: &str) -> Self {
        let state = State {
            members,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let application = Application {
            id: id.to_owned(),
            secret: secret.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
        };
        let shared = Arc::clone(&state);
        let stub = Stub::start(move |received| {
            let path = place(received);
            let replaced = lock(&shared).replacements.get(path).cloned();
            match replaced {
                Some(replacement) => replacement(received),
                None => honest(&application, &mut lock(&shared), received).into(),
            }
        });
        Self { stub, state }
    }

    pub fn origin(&self) -> String {
        self.stub.origin()
    }

    pub fn received(&self) -> Vec<Received> {
        self.stub.received()
    }

    /// Changes who is there.
    pub fn members(&self, change: impl FnOnce(&mut Vec<Member>)) {
        change(&mut lock(&self.state).members);
    }

    /// Answers for a path (without `/api/v3`) from now on.
    pub fn replace(&self, path: &str, reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        let replacements = &mut lock(&self.state).replacements;
        replacements.insert(path.to_owned(), Arc::new(reply));
    }

    /// Answers for a path with this JSON.
    pub fn replace_json(&self, path: &str, status: u16, told: Value) {
        self.replace(path, move |_| Answer::json(status, &told).into());
    }

    /// Answers as documented again.
    pub fn honest(&self) {
        lock(&self.state).replacements.clear();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic")
}

/// The path, as it is at github.com.
fn place(received: &Received) -> &str {
    let path = received.path.as_str();
    path.strip_prefix("/api/v3").unwrap_or(path)
}

fn honest(application: &Application, state: &mut State, received: &Received) -> Answer {
    match (received.method.as_str(), place(received)) {
        ("GET", "/login/oauth/authorize") => page(application, state, received),
        ("POST", "/login/oauth/authorize") => decide(application, state, received),
        ("POST", "/login/oauth/access_token") => access_token(application, state, received),
        ("GET", path) => rest(state, received, path),
        _ => refused(404, "Not Found"),
    }
}

fn page(application: &Application, state: &State, received: &Received) -> Answer {
    let query = received.query();
    if query.get("client_id") != Some(application.id.as_str()) {
        return refused(404, "Not Found");
    }
    let carried = [
        "redirect_uri",
        "state",
        "scope",
        "code_challenge",
        "code_challenge_method",
    ];
    let fields: String = carried
        .iter()
        .filter_map(|name| {
            // The tests' clients send nothing here that HTML would read as its own.
            let value = query.get(name)?;
            assert!(!value.contains(['"', '<', '&']), "{name} is {value}");
            Some(format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
            ))
        })
        .collect();
    let hint = query
        .get("login")
        .or(state.members.first().map(|first| first.login.as_str()));
    let html = format!(
        "<!doctype html><h1>Authorize {}</h1><form method=\"post\" action=\"/login/oauth/authorize\">{fields}\
         <input name=\"person\" value=\"{}\"><button name=\"decision\" value=\"sign-in\">Authorize</button></form>",
        application.id,
        hint.unwrap_or("")
    );
    Answer::new(200, "text/html; charset=utf-8", html)
}

fn decide(application: &Application, state: &mut State, received: &Received) -> Answer {
    let form = received.form();
    let mut back = Url::parse(&application.redirect_uri).expect("a URL");
    let state_parameter = form.get("state").unwrap_or("").to_owned();
    let mut go = |parameters: &[(&str, &str)]| {
        back.query_pairs_mut()
            .extend_pairs(parameters)
            .append_pair("state", &state_parameter);
        Answer::redirect(back.as_str())
    };
    if form
        .get("redirect_uri")
        .is_some_and(|asked| asked != application.redirect_uri)
    {
        return go(&[
            ("error", "redirect_uri_mismatch"),
            (
                "error_description",
                "The redirect_uri MUST match the registered callback URL for this application.",
            ),
        ]);
    }
    if form.get("decision") != Some("sign-in") {
        return go(&[
            ("error", "access_denied"),
            (
                "error_description",
                "The user has denied your application access.",
            ),
        ]);
    }
    let code = pkce::random();
    let answer = go(&[("code", &code)]);
    let grant = Grant {
        login: form.get("person").unwrap_or("").to_owned(),
        redirect_uri: application.redirect_uri.clone(),
        scope: form.get("scope").unwrap_or("").to_owned(),
        challenge: form.get("code_challenge").map(str::to_owned),
    };
    state.codes.insert(code, grant);
    answer
}

fn access_token(application: &Application, state: &mut State, received: &Received) -> Answer {
    let form = received.form();
    let secret = form.get("client_secret");
    let wrong_client = form.get("client_id") != Some(application.id.as_str())
        || secret != Some(application.secret.as_str());
    let wants_json = received
        .header("accept")
        .is_some_and(|accept| accept.contains("application/json"));
    if wrong_client {
        return form_or_json(
            wants_json,
            &[
                ("error", "incorrect_client_credentials"),
                (
                    "error_description",
                    "The client_id and/or client_secret passed are incorrect.",
                ),
            ],
        );
    }
    let grant = state.codes.remove(form.get("code").unwrap_or(""));
    let grant = grant.filter(|grant| {
        let proof = form.get("code_verifier").map(pkce::challenge);
        let same_place = form
            .get("redirect_uri")
            .is_none_or(|uri| uri == grant.redirect_uri);
        same_place && grant.challenge == proof
    });
    let Some(grant) = grant else {
        return form_or_json(
            wants_json,
            &[
                ("error", "bad_verification_code"),
                (
                    "error_description",
                    "The code passed is incorrect or expired.",
                ),
            ],
        );
    };
    let token = format!("gho_{}", pkce::random());
    // Scopes are asked for with spaces and told with commas.
    let told = grant.scope.split([' ', ',']).collect::<Vec<_>>().join(",");
    let answer = form_or_json(
        wants_json,
        &[
            ("access_token", &token),
            ("scope", &told),
            ("token_type", "bearer"),
        ],
    );
    state.tokens.insert(token, (grant.login, told));
    answer
}

/// GitHub answers with a form unless it is asked for JSON.
fn form_or_json(wants_json: bool, told: &[(&str, &str)]) -> Answer {
    if wants_json {
        let members = told
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        Answer::json(200, &Value::Object(members.collect()))
    } else {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        Answer::new(200, kind, crate::wire::encode(told))
    }
}

fn refused(status: u16, message: &str) -> Answer {
    let told = json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    Answer::json(status, &told)
}

fn rest(state: &State, received: &Received, path: &str) -> Answer {
    if received.header("user-agent").is_none_or(str::is_empty) {
        return Answer::text(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    let presented = received.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        ["bearer", "token"]
            .contains(&scheme.to_ascii_lowercase().as_str())
            .then_some(token)
    });
    let known = presented.and_then(|token| state.tokens.get(token));
    let found = known.and_then(|(login, scope)| {
        let member = state.members.iter().find(|member| member.login == *login)?;
        Some((member, scope))
    });
    let Some((member, scope)) = found else {
        return refused(401, "Bad credentials");
    };
    let may = |wanted: &[&str]| scope.split(',').any(|own| wanted.contains(&own));
    let answer = match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        ["user"] => Answer::json(200, &user(member)),
        ["user", "emails"] if may(&["user", "user:email"]) => Answer::json(200, &emails(member)),
        ["user", "memberships", "orgs", organization]
            if may(&["read:org", "admin:org", "user"]) =>
        {
            organization_membership(member, organization)
        }
        ["user", "memberships", "orgs", _] => {
            refused(403, "You need at least read:org scope or user scope.")
        }
        ["orgs", organization, "teams", team, "memberships", login]
            if may(&["read:org", "admin:org"]) =>
        {
            team_membership(member, organization, team, login)
        }
        _ => refused(404, "Not Found"),
    };
    answer.header("X-OAuth-Scopes", &scope.replace(',', ", "))
}

fn user(member: &Member) -> Value {
    json!({
        "login": member.login, "id": member.id, "node_id": "U_kgDO", "type": "User", "user_view_type": "private", "site_admin": false,
        "avatar_url": "http://169.254.169.254/latest/meta-data/", "name": member.name, "company": null, "email": null,
        "created_at": "2011-01-25T18:44:36Z", "updated_at": "2026-01-22T10:03:05Z", "two_factor_authentication": true,
    })
}

fn emails(member: &Member) -> Value {
    let all = member.addresses.iter().map(|address| {
        let visibility = address.primary.then_some("private");
        json!({"email": address.email, "primary": address.primary, "verified": address.verified, "visibility": visibility})
    });
    all.collect()
}

fn organization_membership(member: &Member, organization: &str) -> Answer {
    match member.memberships.get(organization) {
        Some(state) => {
            let told = json!({"state": state, "role": "member", "organization": {"login": organization, "id": 7}, "user": user(member)});
            Answer::json(200, &told)
        }
        None => refused(404, "Not Found"),
    }
}

fn team_membership(member: &Member, organization: &str, team: &str, login: &str) -> Answer {
    let of = format!("{organization}/{team}");
    match member
        .memberships
        .get(&of)
        .filter(|_| member.login == login)
    {
        Some(state) => Answer::json(
            200,
            &json!({"state": state, "role": "member", "url": "https://api.github.com/teams/1/memberships/x"}),
        ),
        None => refused(404, "Not Found"),
    }
}

#[cfg(test)]
mod tests;
