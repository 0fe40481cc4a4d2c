//! Requirements 1.F: the audit trail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use conformance_tests::{
    Backend, Browser, Device, MailServer, PASSWORD, Request, Response, Setup, Tokens, World, html,
    on_both_backends, repository,
};
use serde_json::{Value, json};

#[path = "audit_cases/ways_in.rs"]
mod ways_in;

fn rows(world: &World) -> u64 {
    world
        .query("SELECT count(*) FROM audit")
        .parse()
        .expect("a count")
}

/// Takes the mail of this test.
static MAILS: LazyLock<Mutex<MailServer>> = LazyLock::new(|| Mutex::new(MailServer::start()));

/// A server that sends mail.
fn mailing(backend: Backend) -> World {
    let url = MAILS.lock().expect("no panic").url();
    let setup = Setup::new(backend).env("CURFEW_MAIL_SMTP_URL", &url);
    let setup = setup.env("CURFEW_MAIL_FROM", "no-reply@example.test");
    World::with(setup.with_upstreams())
}

/// One route and how it is made to change something.
struct Case {
    route: &'static str,
    call: fn(&World),
}

/// F04: every route that changes something, with a call that must leave an audit row.
const CASES: &[Case] = &[
    Case {
        // Consent is implied, so that asking is enough to get a code.
        route: "GET /authorize",
        call: |world| {
            let mut browser = world.signed_in("ada");
            let answer = browser.get(&world.request(&world.web).target());
            assert_eq!(answer.status, 303, "{answer:?}");
        },
    },
    Case {
        route: "POST /authorize",
        call: |world| {
            let mut browser = world.signed_in("ada");
            let request = world.request(&world.web);
            let fields: Vec<_> = request
                .parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let answer = browser.post("/authorize", &fields);
            assert_eq!(answer.status, 303, "{answer:?}");
        },
    },
    Case {
        route: "POST /consent",
        call: |world| {
            let mut browser = world.signed_in("ada");
            let page = browser.consent_page(&world.request(&world.app));
            let answer = browser.submit(&page, &[("decision", "approve")]);
            assert_eq!(answer.status, 303, "{answer:?}");
        },
    },
    Case {
        route: "POST /token",
        call: |world| drop(world.robot_token()),
    },
    Case {
        route: "POST /revoke",
        call: |world| {
            let token = world.robot_token();
            let before = rows(world);
            world.revoke(&world.robot, &token).expect(200);
            assert!(rows(world) > before, "the revocation itself");
        },
    },
    Case {
        route: "POST /login",
        call: |world| drop(world.signed_in("ada")),
    },
    Case {
        route: "POST /login/forgot",
        call: |world| {
            let mut browser = world.browser();
            let page = browser.get("/login/forgot").expect(200);
            browser.submit(&page, &[("username", "ada")]);
        },
    },
    Case {
        route: "POST /login/password",
        call: |world| {
            // Without an address the link is handed over.
            let invited = world.cli(&["user", "add", "eve"]);
            let before = rows(world);
            let link = invited["invitation_url"].as_str().expect("a link");
            let mut browser = world.browser();
            let page = browser.get(link).expect(200);
            let chosen = [("password", PASSWORD), ("password_again", PASSWORD)];
            let answer = browser.submit(&page, &chosen);
            assert_eq!(answer.status, 303, "{answer:?}");
            assert!(rows(world) > before, "the choice itself");
        },
    },
    Case {
        route: "POST /bootstrap",
        call: |world| {
            let init = world.init().to_string();
            let from = init.find("cfbs_").expect("the bootstrap secret");
            let is_token = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let secret: String = init[from..].chars().take_while(is_token).collect();
            let mut browser = world.browser();
            let page = browser.get("/bootstrap").expect(200);
            let fields = [
                ("secret", secret.as_str()),
                ("username", "root"),
                ("email", "root@example.test"),
                ("password", PASSWORD),
                ("password_again", PASSWORD),
            ];
            let answer = browser.submit(&page, &fields);
            assert_eq!(answer.status, 303, "{answer:?}");
        },
    },
    Case {
        route: "POST /logout",
        call: |world| {
            let mut browser = world.signed_in("ada");
            let before = rows(world);
            browser.sign_out();
            assert!(rows(world) > before, "the end itself");
        },
    },
    Case {
        route: "POST /account/password",
        call: |world| {
            world.add_user("hal");
            let mut browser = world.signed_in("hal");
            let before = rows(world);
            let new = "a completely different passphrase";
            let page = browser.get("/account").expect(200);
            let fields = [
                ("current_password", PASSWORD),
                ("password", new),
                ("password_again", new),
            ];
            let answer = browser.submit(&page, &fields);
            assert_eq!(answer.status, 303, "{answer:?}");
            assert!(rows(world) > before, "the change itself");
        },
    },
    Case {
        route: "POST /device_authorization",
        call: |world| drop(waiting_device(world)),
    },
    Case {
        route: "POST /device/confirm",
        call: |world| {
            let device = waiting_device(world);
            let mut browser = world.signed_in("ada");
            let before = rows(world);
            browser.approve_device(&device);
            assert!(rows(world) > before, "the decision itself");
        },
    },
    Case {
        route: "POST /api/v1/device-decisions",
        call: |world| {
            let device = waiting_device(world);
            let token = own_token(world, "ada");
            let body = json!({ "user_code": device.user_code, "decision": "deny" });
            called(
                world,
                &token,
                ("POST", "/api/v1/device-decisions"),
                Some(body),
            );
        },
    },
    Case {
        route: "POST /api/v1/me/tokens",
        call: |world| {
            world.run(&["scope", "change", "notes", "--personal", "true"], "");
            let token = own_token(world, "ada");
            let body = json!({ "name": "backup", "scopes": ["notes"] });
            called(world, &token, ("POST", "/api/v1/me/tokens"), Some(body));
        },
    },
    Case {
        route: "DELETE /api/v1/me/tokens/{id}",
        call: |world| {
            let token = own_token(world, "ada");
            let other = own_token(world, "ada");
            let id = world.cli_with(&["token", "inspect", "--stdin"], &other)["id"].clone();
            let path = format!("/api/v1/me/tokens/{}", id.as_str().expect("an id"));
            called(world, &token, ("DELETE", &path), None);
        },
    },
    Case {
        route: "DELETE /api/v1/me/tokens",
        call: |world| {
            let token = own_token(world, "ada");
            called(world, &token, ("DELETE", "/api/v1/me/tokens"), None);
        },
    },
    Case {
        route: "DELETE /api/v1/me/sessions/{id}",
        call: |world| {
            let token = own_token(world, "ada");
            let sessions = called(world, &token, ("GET", "/api/v1/me/sessions"), None).json();
            let id = sessions["sessions"][0]["id"].as_str().expect("a session");
            let path = format!("/api/v1/me/sessions/{id}");
            called(world, &token, ("DELETE", &path), None);
        },
    },
    Case {
        route: "DELETE /api/v1/me/applications/{client_id}",
        call: |world| {
            let token = own_token(world, "ada");
            world.tokens(&mut world.signed_in("ada"), &world.web);
            called(
                world,
                &token,
                ("DELETE", "/api/v1/me/applications/web"),
                None,
            );
        },
    },
    Case {
        route: "POST /api/v1/me/logout-everywhere",
        call: |world| {
            let token = own_token(world, "ada");
            called(
                world,
                &token,
                ("POST", "/api/v1/me/logout-everywhere"),
                None,
            );
        },
    },
    Case {
        route: "POST /api/v1/users/{user}/logout-everywhere",
        call: |world| {
            let add = ["user", "add", "chief", "--admin", "--password-stdin"];
            world.cli_with(&add, &format!("{PASSWORD}\n"));
            let token = own_token(world, "chief");
            let path = "/api/v1/users/ada/logout-everywhere";
            called(world, &token, ("POST", path), None);
        },
    },
    Case {
        route: "POST /account/tokens/new",
        call: |world| {
            world.run(&["scope", "change", "notes", "--personal", "true"], "");
            let mut browser = world.signed_in("ada");
            let page = browser.get("/account/tokens/new").expect(200);
            let before = rows(world);
            let fields = [
                ("name", "backup"),
                ("scope", "notes"),
                ("lifetime", "86400"),
            ];
            let made = browser.submit(&page, &fields);
            assert_eq!(made.status, 303, "{made:?}");
            assert!(rows(world) > before, "the token itself");
        },
    },
    Case {
        route: "POST /account/tokens/end",
        call: |world| {
            let mut browser = world.signed_in("ada");
            let tokens = world.tokens(&mut browser, &world.web);
            let inspected = world.cli_with(&["token", "inspect", "--stdin"], &tokens.access);
            let id = inspected["id"].as_str().expect("an id").to_owned();
            pressed(world, &mut browser, "tokens/end", &[("id", &id)]);
        },
    },
    Case {
        route: "POST /account/applications/withdraw",
        call: |world| {
            let mut browser = world.signed_in("ada");
            world.tokens(&mut browser, &world.web);
            let fields = [("client_id", "web")];
            pressed(world, &mut browser, "applications/withdraw", &fields);
        },
    },
    Case {
        route: "POST /account/devices/disown",
        call: |world| {
            let device = waiting_device(world);
            let mut browser = world.signed_in("ada");
            browser.approve_device(&device);
            let approval = world.cli_with(&["token", "inspect", "--stdin"], &device.device_code);
            let id = approval["id"].as_str().expect("an id").to_owned();
            pressed(world, &mut browser, "devices/disown", &[("id", &id)]);
        },
    },
    Case {
        route: "POST /account/undo",
        call: |world| {
            let device = waiting_device(world);
            world.browser().approve_device(&device);
            let mails = MAILS.lock().expect("no panic");
            let link = loop {
                let mail = mails.next(Duration::from_secs(30)).text;
                // Others wait for other devices, and some of their links have died meanwhile.
                let found = mail
                    .lines()
                    .find(|line| line.contains("/account/undo?link="))
                    .filter(|_| mail.contains(&device.client.id));
                if let Some(link) = found {
                    break link.trim().to_owned();
                }
            };
            let mut browser = world.browser();
            let page = browser.get(&link).expect(200);
            let before = rows(world);
            let answer = browser.submit(&page, &[]);
            assert_eq!(answer.status, 303, "{answer:?}");
            assert!(rows(world) > before, "the undoing itself");
        },
    },
    Case {
        route: "POST /account/sessions/end",
        call: |world| {
            let mut browser = world.signed_in("ada");
            let (_, other) = world.signed_in("ada").session().expect("a session");
            let inspected = world.cli_with(&["token", "inspect", "--stdin"], &other);
            let id = inspected["id"].as_str().expect("an id").to_owned();
            pressed(world, &mut browser, "sessions/end", &[("id", &id)]);
        },
    },
    Case {
        route: "POST /account/tokens/end-all",
        call: |world| {
            let mut browser = world.signed_in("ada");
            world.tokens(&mut browser, &world.web);
            pressed(world, &mut browser, "tokens/end-all", &[]);
        },
    },
    Case {
        route: "POST /account/sessions/end-all",
        call: |world| {
            let mut browser = world.signed_in("ada");
            pressed(world, &mut browser, "sessions/end-all", &[]);
        },
    },
];

fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(ways_in::CASES)
}

/// A device of a client of its own.
fn waiting_device(world: &World) -> Device {
    let id = format!("tv-{}-x", rows(world));
    let options = ["--public", "--grant", "device_code", "--scope", "notes"];
    let client = world.add_client(&id, "", &options);
    world.http().start_device(&client, &[("scope", "notes")])
}

/// A token that may do everything at our own API.
fn own_token(world: &World, user: &str) -> String {
    let id = format!("own{}", rows(world));
    let scopes = "notes curfew:account:read curfew:account:write curfew:devices:approve \
                  curfew:tokens:create curfew:users:end";
    let mut options = vec!["--grant", "authorization_code", "--consent", "implicit"];
    options.extend(
        scopes
            .split_whitespace()
            .flat_map(|scope| ["--scope", scope]),
    );
    let client = world.add_client(&id, "https://app.example.test/cb", &options);
    let request = world.request(&client).scope(scopes).user(user);
    let code = world.browser().obtain_code(&request);
    Tokens::of(&world.redeem(&client, &code)).access
}

/// Calls the API; the call itself leaves a row, and what it changes another (F02).
fn called(
    world: &World,
    token: &str,
    (method, path): (&str, &str),
    body: Option<Value>,
) -> Response {
    let before = rows(world);
    let mut request =
        Request::new(method, path).header("Authorization", &format!("Bearer {token}"));
    if let Some(body) = body {
        request = request.body("application/json", body.to_string());
    }
    let answer = world.http().send(&request);
    assert!(
        (200..300).contains(&answer.status),
        "{method} {path}: {answer:?}"
    );
    let more = if method == "GET" { 1 } else { 2 };
    assert!(
        rows(world) >= before + more,
        "{method} {path}: the change itself"
    );
    answer
}

/// Presses a button of the account pages.
fn pressed(world: &World, browser: &mut Browser, path: &str, fields: &[(&str, &str)]) {
    let page = browser.get("/account").expect(200).text();
    let csrf = html::inputs(&page)
        .into_iter()
        .find(|(name, _)| name == "csrf")
        .expect("a form")
        .1;
    let before = rows(world);
    let all = [fields, &[("csrf", csrf.as_str())]].concat();
    let answer = browser.post(&format!("/account/{path}"), &all);
    assert_eq!(answer.status, 303, "{path}: {answer:?}");
    assert!(rows(world) > before, "{path}: the change itself");
}

/// A route that leaves no row.
struct Reading {
    route: &'static str,
    reason: &'static str,
    /// Answers how many rows there were before.
    call: fn(&World) -> u64,
}

/// Routes by a method that could change something and does not: the reviewed exceptions. One that does leave a row is stale.
const READING: &[Reading] = &[
    Reading {
        route: "POST /device",
        reason: "a guess at a user code; it is counted, and the decision that follows is written down",
        call: |world| {
            let device = waiting_device(world);
            let mut browser = world.signed_in("ada");
            let before = rows(world);
            browser.type_code("", &device.user_code, "ada").expect(200);
            before
        },
    },
    Reading {
        route: "POST /introspect",
        reason: "a question; its answer changes nothing, and it is asked more often than everything else together",
        call: |world| {
            let token = world.robot_token();
            let before = rows(world);
            world.assert_alive(&token);
            before
        },
    },
];

/// Paths that the public listener does not have, each with the reason.
const ELSEWHERE: &[(&str, &str)] = &[("/metrics", "a listener of its own, which answers GET only")];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The paths in the route tables of the crates: what a file that takes a `ServiceConfig` writes in quotation marks and with a slash.
fn registered_paths() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let mut paths = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        let production = text.split("#[cfg(test)]\nmod tests {").next();
        let production = production.unwrap_or_default();
        // Wherever the project lies.
        let inside = file.strip_prefix(repository()).expect("inside");
        let is_test = inside.components().any(|part| part.as_os_str() == "tests");
        // The demo's client page and the ceiling of the benchmark are servers of their own.
        let own_server = ["demo/page.rs", "bench.rs"]
            .iter()
            .any(|end| file.ends_with(end));
        if is_test || own_server {
            continue;
        }
        if production.contains("ServiceConfig") {
            let quoted = production.split('"').skip(1).step_by(2);
            let own = quoted.filter(|text| text.starts_with('/') && !text.contains(' '));
            paths.extend(own.map(str::to_owned));
        } else {
            for registering in [
                "web::resource(",
                "web::scope(",
                ".route(\"",
                "#[post(",
                "#[get(",
            ] {
                assert!(
                    !production.contains(registering),
                    "{} registers routes; do so in a function that takes a `ServiceConfig`, where this test finds them",
                    file.display()
                );
            }
        }
    }
    paths
}

/// Every route that the running server has: it is asked at each path, by a method that none takes, which methods it takes.
fn routes(world: &World) -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for path in registered_paths() {
        let target = path.replace("{tenant}", "default");
        let target = target.replace(['{', '}'], "");
        let answer = world.http().send(&Request::new("PATCH", &target));
        let elsewhere = ELSEWHERE.iter().any(|(own, _)| *own == path);
        assert_eq!(
            answer.status,
            if elsewhere { 404 } else { 405 },
            "PATCH {target}: {answer:?}"
        );
        let allow = answer.header("allow").unwrap_or_default();
        let methods = allow.split(',').map(str::trim).filter(|m| !m.is_empty());
        routes.extend(methods.map(|method| format!("{method} {path}")));
    }
    routes
}

fn is_reading_method(route: &str) -> bool {
    ["GET ", "HEAD ", "OPTIONS "]
        .iter()
        .any(|method| route.starts_with(method))
}

/// The answer of `audit verify`, whether or not it found something.
fn verify(world: &World, more: &[&str]) -> (bool, Value) {
    let done = world.try_cli(&[&["audit", "verify", "--json"], more].concat(), "");
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| {
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        panic!("{error}: {out}{told}")
    });
    assert_eq!(value["in_order"], done.status.success(), "{value}");
    (done.status.success(), value)
}

fn search(world: &World, arguments: &[&str]) -> Vec<Value> {
    let found = world.cli(&[&["audit", "search"], arguments].concat());
    found.as_array().expect("a list").clone()
}

fn words(rows: &[Value], member: &str) -> Vec<String> {
    let text = |row: &Value| row[member].as_str().unwrap_or("-").to_owned();
    rows.iter().map(text).collect()
}

/// What the command line says when it does not do what it is asked.
fn told(world: &World, arguments: &[&str]) -> String {
    let done = world.try_cli(arguments, "");
    assert!(!done.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

on_both_backends! {
    /// F04: the routes come from the running server; a new one that changes something fails here until it has a case.
    fn f04_every_route_that_changes_something_leaves_an_audit_row(backend) {
        let world = mailing(backend);
        let routes = routes(&world);
        assert!(routes.len() > 30, "{routes:?}");
        let has_case = |route: &str| cases().any(|case| case.route == route);
        let is_allowed = |route: &str| READING.iter().any(|reading| reading.route == route);
        for route in routes.iter().filter(|route| !is_reading_method(route)) {
            assert!(has_case(route) || is_allowed(route), "{route} has no case: does it leave an audit row?");
            assert!(!(has_case(route) && is_allowed(route)), "{route} is listed twice");
        }
        for listed in cases().map(|case| case.route).chain(READING.iter().map(|reading| reading.route)) {
            assert!(routes.contains(listed), "{listed} is listed, but there is no such route any more");
        }
        for (path, _) in ELSEWHERE {
            assert!(registered_paths().contains(*path), "{path} is listed, but there is no such path any more");
        }
        for Case { route, call } in cases() {
            let before = rows(&world);
            call(&world);
            assert!(rows(&world) > before, "{route} left no audit row");
        }
        for Reading { route, reason, call } in READING {
            let before = call(&world);
            assert_eq!(rows(&world), before, "{route} leaves a row, so it is no exception any more ({reason})");
        }
        let (in_order, answer) = verify(&world, &[]);
        assert!(in_order, "{answer}");
        assert_eq!(answer["rows"], rows(&world), "{answer}");
    }

    /// F04: what is refused leaves a row as well.
    fn f04_refusals_of_what_was_ours_leave_an_audit_row(backend) {
        let world = mailing(backend);
        let mut browser = world.signed_in("ada");
        let mut last = rows(&world);
        let mut leaves_a_row = |what: &str| {
            let now = rows(&world);
            assert!(now > last, "{what} left no audit row");
            last = now;
        };
        let page = browser.consent_page(&world.request(&world.app));
        browser.submit(&page, &[("decision", "deny")]);
        leaves_a_row("POST /consent, deny");
        let code = world.code(&mut browser, &world.web);
        let tokens = Tokens::of(&world.redeem(&world.web, &code));
        leaves_a_row("POST /token, code");
        Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        leaves_a_row("POST /token, refresh");
        world.redeem(&world.web, &code).expect_error(400, "invalid_grant");
        leaves_a_row("POST /token, a replayed code");
        world.browser().sign_in("ada", "a wrong password");
        leaves_a_row("POST /login, a wrong password");
        world.run(&["user", "change", "ada", "--no-email"], "");
        leaves_a_row("user change");
    }

    /// F03: who authenticated by a credential is never written down without it.
    fn f03_the_schema_ties_the_way_of_authentication_to_a_credential(backend) {
        let world = World::start(backend);
        let id = match backend {
            Backend::Sqlite => "x'000000000000000000000000000000ff'",
            Backend::Postgres => "'\\x000000000000000000000000000000ff'",
        };
        let row = |by: u8, credential: &str| {
            format!(
                "INSERT INTO audit (id, at, event, outcome, authenticated_by, credential_id, chain_id, sequence) \
                 VALUES ({id}, 0, 1, 1, {by}, {credential}, {id}, 1)"
            )
        };
        for (by, credential) in [(0, id), (1, id), (2, "NULL"), (3, "NULL"), (4, "NULL"), (5, "NULL"), (6, "NULL"), (7, "NULL"), (8, "NULL"), (9, "NULL")] {
            let refused = world.try_query(&row(by, credential)).expect_err("the row is refused");
            assert!(refused.to_lowercase().contains("check"), "{refused}");
        }
        world.try_query(&row(0, "NULL")).expect("nobody has no credential");
        let (in_order, answer) = verify(&world, &[]);
        assert!(!in_order && answer["findings"][0]["finding"] == "foreign_row", "{answer}");
    }

    /// F05: what cannot be written down, or not be proved, is not done.
    fn f05_without_an_audit_row_or_its_link_there_is_no_token_and_no_revocation(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let tokens = world.query("SELECT count(*) FROM tokens");
        for table in ["audit", "audit_links"] {
            let (block, mend) = match backend {
                Backend::Sqlite => (
                    format!("CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no audit'); END"),
                    "DROP TRIGGER broken".to_owned(),
                ),
                Backend::Postgres => (
                    format!("ALTER TABLE {table} ADD CONSTRAINT broken CHECK (false) NOT VALID"),
                    format!("ALTER TABLE {table} DROP CONSTRAINT broken"),
                ),
            };
            world.query(&block);
            for answer in [world.http().client_credentials(&world.robot), world.revoke(&world.robot, &token)] {
                assert_eq!(answer.status, 503, "{table}: {answer:?}");
                assert!(!answer.text().contains("audit"), "{answer:?}");
            }
            assert_eq!(world.query("SELECT count(*) FROM tokens"), tokens, "{table}");
            world.query(&mend);
            world.assert_alive(&token);
        }
        world.revoke(&world.robot, &token).expect(200);
        world.assert_dead(&token);
        assert!(verify(&world, &[]).0);
    }

    /// F05: the trail shows that it was touched, and where.
    fn f05_whoever_writes_the_database_without_keys_is_found_out(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        world.robot_token();
        world.revoke(&world.web, &tokens.access).expect(200);
        assert!(world.run(&["audit", "verify"], "").starts_with("ok "));
        let (_, kept) = verify(&world, &[]);
        assert_eq!(kept["finding_count"], 0, "{kept}");
        let file = world.folder().join("heads.json");
        std::fs::write(&file, kept.to_string()).expect("a file");
        let expect = ["--expect", file.to_str().expect("a path")];
        world.robot_token();
        assert!(verify(&world, &expect).0, "what has grown still holds what it held");

        let row = search(&world, &["--event", "token.revoked"])[0]["id"].as_str().expect("an id").to_owned();
        world.query("UPDATE audit SET event = 2 WHERE event = 3");
        let (in_order, answer) = verify(&world, &[]);
        assert!(!in_order);
        assert_eq!((&answer["findings"][0]["finding"], answer["findings"][0]["row"].as_str()), (&Value::from("altered_row"), Some(row.as_str())), "{answer}");
        let done = world.try_cli(&["audit", "verify"], "");
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1));
        assert!(out.contains("altered row") && out.contains(&row), "{out}");
        world.query("DELETE FROM audit WHERE event = 2");
        assert_eq!(verify(&world, &[]).1["findings"][0]["finding"], "missing_row");

        // All of it gone: the database alone cannot tell, the heads kept elsewhere can.
        world.query("DELETE FROM audit");
        world.query("DELETE FROM audit_links");
        assert!(verify(&world, &[]).0);
        let (in_order, answer) = verify(&world, &expect);
        assert!(!in_order && answer["findings"][0]["finding"] == "missing_chain", "{answer}");
        // The server that went on running gives it away as well.
        world.robot_token();
        assert!(!verify(&world, &[]).0);
        std::fs::write(&file, "{}").expect("a file");
        let told = told(&world, &["audit", "verify", "--expect", file.to_str().expect("a path")]);
        assert!(told.contains("audit verify --json"), "{told}");
    }

    /// F08: the kind of the credential is a word; F01: and every mint has its own.
    fn f08_searches_tell_which_kind_of_credential_stood_behind_an_event(backend) {
        let world = World::start(backend);
        let mut browser = world.browser();
        let tokens = world.tokens(&mut browser, &world.app);
        let refreshed = Tokens::of(&world.refresh(&world.app, tokens.refresh()));
        world.robot_token();
        let minted = search(&world, &["--event", "token.minted"]);
        assert_eq!(words(&minted, "authenticated_by"), ["client_secret", "refresh_token", "authorization_code"]);
        assert_eq!(words(&minted, "client_id"), ["robot", "app", "app"]);
        assert_eq!(words(&minted, "username"), ["-", "ada", "ada"]);
        let consent = search(&world, &["--event", "consent.given"]);
        assert_eq!(words(&consent, "authenticated_by"), ["session"]);
        assert_eq!(search(&world, &["--event", "code.", "--event", "consent."]).len(), 2);
        let session = consent[0]["credential_id"].as_str().expect("a session").to_owned();
        assert!(search(&world, &["--credential", &session]).len() >= 2);
        let id = &refreshed.access[5..27];
        assert_eq!(words(&search(&world, &["--token", id]), "event"), ["token.minted"]);
        let family = minted[1]["credential_id"].as_str().expect("a family").to_owned();
        assert!(words(&search(&world, &["--token", &family]), "event").contains(&"refresh.rotated".to_owned()));
        // People get a table, with the words in it.
        let table = world.run(&["audit", "search", "--client", "app", "--limit", "3"], "");
        assert_eq!(table.lines().count(), 4, "{table}");
        assert!(table.starts_with("AT ") && table.contains("refresh_token"), "{table}");
    }

    /// A30: which tokens of deleted users were used, when, and for what.
    fn a30_the_trail_answers_for_users_who_are_deleted(backend) {
        let world = World::start(backend);
        let id = world.add_user("gone");
        let mut browser = world.signed_in("gone");
        let code = browser.obtain_code(&world.request(&world.web).user("gone"));
        let tokens = Tokens::of(&world.redeem(&world.web, &code));
        world.tokens(&mut world.browser(), &world.web);
        world.run(&["user", "delete", "gone"], "");
        world.refresh(&world.web, tokens.refresh()).expect_error(400, "invalid_grant");
        let missing = told(&world, &["audit", "search", "--user", "gone"]);
        assert!(missing.contains("user list --deleted"), "{missing}");
        let found = search(&world, &["--user", &id, "--event", "token."]);
        assert_eq!(words(&found, "event"), ["token.refused", "token.minted"]);
        assert_eq!(words(&found, "outcome"), ["refused", "succeeded"]);
        assert_eq!(words(&found, "username"), ["gone", "gone"]);
        assert_eq!(found[1]["token_id"], tokens.access[5..27], "{found:?}");
        assert_eq!((&found[1]["scopes"], &found[0]["at"].is_i64()), (&Value::from("notes"), &true));
        let of_all = search(&world, &["--deleted-users", "--event", "token."]);
        assert_eq!(of_all, found, "nobody else is deleted");
        let by_client = search(&world, &["--user", &id, "--client", "web", "--outcome", "refused"]);
        assert_eq!(by_client.len(), 1);
    }

    fn an_export_tells_every_row_once_and_in_order(backend) {
        let world = World::start(backend);
        world.tokens(&mut world.browser(), &world.web);
        let lines = |arguments: &[&str]| -> Vec<Value> {
            let out = world.run(&[&["audit", "export"], arguments].concat(), "");
            out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        };
        let all = lines(&[]);
        assert_eq!(all.len() as u64, rows(&world));
        let mut newest_first = search(&world, &["--limit", "1000"]);
        newest_first.reverse();
        assert_eq!(all, newest_first);
        let columns = match backend {
            Backend::Sqlite => world.query("SELECT name FROM pragma_table_info('audit')"),
            Backend::Postgres => world.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'audit'"),
        };
        for column in columns.lines() {
            assert!(all[0].get(column).is_some(), "{column} is missing in {}", all[0]);
        }
        let last = all.last().expect("a row")["at"].as_i64().expect("a time");
        let end = (last + 1).to_string();
        assert_eq!(lines(&["--since", &end]).len(), 0);
        assert_eq!(lines(&["--until", &end]), all);
        assert_eq!(lines(&["--since", "2020-01-01T00:00:00Z"]), all);
    }

    fn a_search_that_asks_for_nothing_known_is_told_so(backend) {
        let world = World::start(backend);
        let secret = world.robot_token();
        for (arguments, word) in [
            (["--user", "nobody"], "user list"),
            (["--client", "nobody"], "client list"),
            (["--event", "token"], "token.minted"),
            (["--event", "nonsense."], "token.minted"),
            (["--token", "nonsense"], "22 letters"),
            (["--token", &secret], "22 letters"),
            (["--credential", &secret], "22 letters"),
            (["--since", "yesterday"], "seconds since 1970"),
            (["--outcome", "maybe"], "succeeded"),
        ] {
            let told = told(&world, &[&["audit", "search"], &arguments[..]].concat());
            assert!(told.contains(word), "{arguments:?}: {told}");
            assert!(!told.contains(&secret[27..]), "a secret is told: {told}");
        }
        assert_eq!(search(&world, &["--ip", "192.0.2.1"]).len(), 0);
    }
}

/// A restored copy goes on in a new chain, whose first row says what happened.
#[test]
fn d12_a_restored_trail_is_proved_and_begins_anew() {
    let mut world = World::start(Backend::Sqlite);
    world.robot_token();
    let file = world.folder().join("backup.db").display().to_string();
    world.run(&["backup", &file], "");
    world.robot_token();
    let (_, kept) = verify(&world, &[]);
    world.stop_node(0);
    world.run(&["restore", &file], "");
    world.start_node(0);
    let (in_order, answer) = verify(&world, &[]);
    assert!(in_order, "{answer}");
    let restored = search(&world, &["--event", "restored"]);
    assert_eq!(restored[0]["sequence"], 1, "{restored:?}");
    assert_eq!(search(&world, &[])[0], restored[0]);
    // Against what was kept before, the copy is older.
    let heads = world.folder().join("heads.json");
    std::fs::write(&heads, kept.to_string()).expect("a file");
    let (in_order, answer) = verify(&world, &["--expect", heads.to_str().expect("a path")]);
    assert!(!in_order, "{answer}");
    let mut browser: Browser = world.browser();
    world.tokens(&mut browser, &world.web);
    assert!(verify(&world, &[]).0);
}
