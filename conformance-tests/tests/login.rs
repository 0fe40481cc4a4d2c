//! `curfew login` and what follows from it, against a server that misbehaves on purpose, and against the real one with a person at the
//! browser. RFC 8628 from the device's side.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use conformance_tests::pkce;
use conformance_tests::script::{Asked, Reply, Script};
use conformance_tests::{Backend, Client, Device, Request, Setup, World, binary, on_both_backends};
use serde_json::{Value, json};
use tempfile::TempDir;

/// No keyring can be reached: every test has its own file.
const NO_BUS: &str = "unix:path=/nonexistent/bus";

/// The command line of somebody whose home is `home`.
fn curfew(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env("XDG_CONFIG_HOME", home)
        .env("DBUS_SESSION_BUS_ADDRESS", NO_BUS)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    curfew(home, arguments).output().expect("curfew runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(home: &Path) -> PathBuf {
    home.join("curfew/credentials.json")
}

fn metadata(url: &str) -> Value {
    json!({
        "issuer": url, "token_endpoint": format!("{url}/token"), "revocation_endpoint": format!("{url}/revoke"),
        "device_authorization_endpoint": format!("{url}/device_authorization"),
    })
}

fn device_code(url: &str) -> Value {
    json!({
        "device_code": "the-device-code", "user_code": "BCDF-GHJK", "verification_uri": format!("{url}/device"),
        "verification_uri_complete": format!("{url}/device?user_code=BCDF-GHJK"), "expires_in": 600, "interval": 1,
    })
}

fn granted() -> Reply {
    let scope = "curfew:account:read offline_access";
    Reply::Json(
        200,
        json!({
            "access_token": "at-1", "token_type": "bearer", "expires_in": 600, "refresh_token": "rt-1", "scope": scope,
        }),
    )
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::Json(
        status,
        json!({ "error": code, "error_description": "a sentence" }),
    )
}

/// A server that is in order but for its token endpoint, which answers by `poll`: the n-th question.
fn server(poll: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Script {
    Script::start(move |url, asked, before| match asked.target.as_str() {
        "/.well-known/oauth-authorization-server" => Reply::Json(200, metadata(url)),
        "/device_authorization" => Reply::Json(200, device_code(url)),
        "/token" => poll(asked, before),
        "/revoke" => Reply::Header(200, "X-Done", "yes".to_owned()),
        "/api/v1/me" => Reply::Json(200, json!({ "username": "ada", "user_id": "1" })),
        _ => refused(404, "invalid_request"),
    })
}

fn login<'a>(script: &'a Script, more: &[&'a str]) -> Vec<&'a str> {
    [&["login", "--issuer", script.url.as_str()], more].concat()
}

fn expect_refusal(output: &Output, words: &str) {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(words), "{told}");
}

#[test]
fn rfc8628_a_login_waits_through_hiccups_and_keeps_what_it_got_for_its_owner_only() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|_, before| match before {
        0 => refused(400, "authorization_pending"),
        1 => Reply::HangUp,
        2 => refused(503, "temporarily_unavailable"),
        _ => granted(),
    });
    let done = run(home.path(), &login(&script, &[]));
    let (out, told) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{out}{told}");
    assert!(
        out.contains("BCDF-GHJK") && out.contains(&format!("{}/device", script.url)),
        "{out}"
    );
    assert!(out.contains('\u{2580}'), "a picture of the link: {out}");
    assert!(
        out.contains("Signed in at") && out.contains("as ada"),
        "{out}"
    );
    assert!(told.contains("no keyring can be used here"), "{told}");
    assert!(!out.contains("at-1") && !out.contains("rt-1"), "{out}");

    let polls = script.asked_of("/token");
    let waits: Vec<_> = polls
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_millis())
        .collect();
    assert!(
        waits[0] >= 990 && waits[1] >= 1_990 && waits[2] >= 3_990,
        "{waits:?}"
    );
    let asked = &script.asked_of("/device_authorization")[0];
    assert_eq!(
        (
            asked.field("client_id"),
            asked.field("code_challenge_method")
        ),
        ("curfew-cli".to_owned(), "S256".to_owned())
    );
    assert_eq!(
        asked.field("scope"),
        "curfew:account:read curfew:account:write offline_access"
    );
    for poll in &polls {
        assert_eq!(poll.field("device_code"), "the-device-code");
        assert_eq!(
            pkce::challenge(&poll.field("code_verifier")),
            asked.field("code_challenge")
        );
    }

    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&file(home.path())), 0o600);
    assert_eq!(mode(&home.path().join("curfew")), 0o700);
    let left: Vec<_> = std::fs::read_dir(home.path().join("curfew"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}

#[test]
fn rfc8628_slow_down_adds_five_seconds() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|_, before| match before {
        0 => refused(400, "slow_down"),
        _ => granted(),
    });
    let done = run(home.path(), &login(&script, &["--json", "--no-keyring"]));
    assert!(done.status.success(), "{}", text(&done.stderr));
    let answer: Value = serde_json::from_slice(&done.stdout).expect("one JSON value");
    assert_eq!(
        (&answer["username"], &answer["kept_in"]),
        (&json!("ada"), &json!("file"))
    );
    let polls = script.asked_of("/token");
    assert!(polls[1].at - polls[0].at >= Duration::from_millis(5_990));
}

#[test]
fn rfc8628_what_was_denied_or_expired_keeps_nothing() {
    for (code, words) in [
        ("access_denied", "denied"),
        ("expired_token", "expired"),
        ("invalid_grant", "invalid_grant"),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let script = server(move |_, _| refused(400, code));
        let done = run(home.path(), &login(&script, &["--no-qr"]));
        expect_refusal(&done, words);
        assert!(!text(&done.stdout).contains('\u{2580}'));
        assert!(!file(home.path()).exists());
    }
}

#[test]
fn a_client_that_nobody_registered_says_how_that_is_done() {
    let home = tempfile::tempdir().expect("a folder");
    for code in ["invalid_client", "unauthorized_client"] {
        let script = Script::start(move |url, asked, _| match asked.target.as_str() {
            "/.well-known/oauth-authorization-server" => Reply::Json(200, metadata(url)),
            _ => refused(401, code),
        });
        let done = run(home.path(), &login(&script, &[]));
        expect_refusal(
            &done,
            "curfew client add curfew-cli --public --grant device_code --grant refresh_token",
        );
    }
}

#[test]
fn rfc8414_only_the_issuer_that_was_asked_for_is_believed() {
    let home = tempfile::tempdir().expect("a folder");
    let other = Script::start(|_, _, _| Reply::Json(200, metadata("https://id.example.com")));
    expect_refusal(
        &run(home.path(), &login(&other, &[])),
        "says that it is https://id.example.com",
    );
    assert_eq!(other.asked().len(), 1);

    let redirecting =
        Script::start(move |_, _, _| Reply::Header(302, "Location", format!("{}/x", other.url)));
    expect_refusal(&run(home.path(), &login(&redirecting, &[])), "302");
    assert_eq!(redirecting.asked().len(), 1);

    let in_clear_text = Script::start(|url, asked, _| match asked.target.as_str() {
        "/.well-known/oauth-authorization-server" => {
            let mut told = metadata(url);
            told["device_authorization_endpoint"] =
                json!("http://id.example.com/device_authorization");
            Reply::Json(200, told)
        }
        _ => refused(400, "invalid_request"),
    });
    expect_refusal(&run(home.path(), &login(&in_clear_text, &[])), "https");

    let nothing = Script::start(|_, _, _| Reply::Header(404, "X-Nothing", "here".to_owned()));
    expect_refusal(
        &run(home.path(), &login(&nothing, &[])),
        "no authorization server",
    );
    expect_refusal(
        &run(home.path(), &["login", "--issuer", "http://id.example.com"]),
        "https",
    );
    assert!(!file(home.path()).exists());
}

#[test]
fn a_server_cannot_write_over_the_terminal() {
    let home = tempfile::tempdir().expect("a folder");
    let script = Script::start(|url, asked, _| match asked.target.as_str() {
        "/.well-known/oauth-authorization-server" => Reply::Json(200, metadata(url)),
        "/device_authorization" => {
            let mut code = device_code(url);
            code["user_code"] = json!("AB\u{1b}[2J\rCD");
            Reply::Json(200, code)
        }
        _ => Reply::Json(
            400,
            json!({ "error": "access\u{1b}[31m", "error_description": "\u{1b}[2Jx\u{202e}" }),
        ),
    });
    let done = run(home.path(), &login(&script, &["--no-qr"]));
    let both = text(&done.stdout) + &text(&done.stderr);
    assert!(both.contains("AB?[2J?CD"), "{both}");
    assert!(!both.contains(['\u{1b}', '\r', '\u{202e}']), "{both:?}");
}

/// Ctrl-C while a question is under way: the tokens that the answer brings are handed back.
#[test]
fn ctrl_c_leaves_nothing_behind() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|_, before| match before {
        0 => refused(400, "authorization_pending"),
        _ => {
            std::thread::sleep(Duration::from_millis(1_500));
            granted()
        }
    });
    let child = curfew(home.path(), &login(&script, &["--no-qr", "--no-keyring"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("curfew starts");
    while script.asked_of("/token").len() < 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(asked.expect("kill runs").success());
    let done = child.wait_with_output().expect("it ends");
    expect_refusal(&done, "interrupted");
    let revoked: Vec<_> = script
        .asked_of("/revoke")
        .iter()
        .map(|asked| asked.field("token"))
        .collect();
    assert_eq!(revoked, ["rt-1", "at-1"]);
    assert!(!file(home.path()).exists());
}

/// What is signed in here: a file as an earlier login left it, whose access token has expired.
fn signed_in(home: &Path, issuers: &[&str]) {
    let logins: Vec<_> = issuers
        .iter()
        .map(|issuer| {
            json!({
                "issuer": issuer, "client_id": "curfew-cli", "username": "ada", "scope": "curfew:account:read", "expires_at": 1,
                "tokens": { "access_token": "at-0", "refresh_token": "rt-0" },
            })
        })
        .collect();
    std::fs::create_dir_all(home.join("curfew")).expect("a folder");
    std::fs::write(file(home), json!({ "logins": logins }).to_string()).expect("a file");
    std::fs::set_permissions(file(home), std::fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// RFC 9700 §4.14: whoever presents a refresh token twice is taken for a thief, so no two processes may.
#[test]
fn s9700_11_many_processes_refresh_once() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|asked, before| {
        std::thread::sleep(Duration::from_millis(300));
        if asked.field("refresh_token") == format!("rt-{before}") {
            let (access, refresh) = (format!("at-{}", before + 1), format!("rt-{}", before + 1));
            let answer = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 600, "refresh_token": refresh });
            Reply::Json(200, answer)
        } else {
            refused(400, "invalid_grant")
        }
    });
    signed_in(home.path(), &[&script.url]);
    let children: Vec<Child> = (0..6)
        .map(|_| {
            let mut command = curfew(home.path(), &["whoami", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("curfew starts")
        })
        .collect();
    for child in children {
        let done = child.wait_with_output().expect("it ends");
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    assert_eq!(script.asked_of("/token").len(), 1);
    let used: Vec<_> = script
        .asked_of("/api/v1/me")
        .into_iter()
        .filter_map(|asked| asked.authorization)
        .collect();
    assert!(
        used.len() == 6 && used.iter().all(|used| used == "Bearer at-1"),
        "{used:?}"
    );
    let mode = std::fs::metadata(file(home.path()))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_login_that_is_over_is_forgotten_and_says_so() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|_, _| refused(400, "invalid_grant"));
    signed_in(home.path(), &[&script.url]);
    expect_refusal(
        &run(home.path(), &["whoami"]),
        "is over; run `curfew login --issuer",
    );
    expect_refusal(&run(home.path(), &["whoami"]), "nobody is signed in");
    assert!(!file(home.path()).exists());
}

#[test]
fn an_answer_that_got_lost_is_asked_for_once_more() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|_, before| {
        if before == 0 {
            Reply::HangUp
        } else {
            granted()
        }
    });
    signed_in(home.path(), &[&script.url]);
    let done = run(home.path(), &["whoami", "--json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let both: Vec<_> = script
        .asked_of("/token")
        .iter()
        .map(|asked| asked.field("refresh_token"))
        .collect();
    assert_eq!(both, ["rt-0", "rt-0"]);
}

#[test]
fn logging_out_ends_the_tokens_at_the_server_or_keeps_them() {
    let home = tempfile::tempdir().expect("a folder");
    let script = server(|_, _| granted());
    let gone = "http://127.0.0.1:9";
    signed_in(home.path(), &[&script.url, gone]);
    expect_refusal(&run(home.path(), &["logout"]), "several logins");
    expect_refusal(
        &run(home.path(), &["logout", "--issuer", gone]),
        "nothing was forgotten",
    );
    let done = run(home.path(), &["logout", "--issuer", &script.url, "--json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let revoked: Vec<_> = script
        .asked_of("/revoke")
        .iter()
        .map(|asked| asked.field("token"))
        .collect();
    assert_eq!(revoked, ["rt-0", "at-0"]);
    let done = run(home.path(), &["logout", "--local"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!file(home.path()).exists());
}

#[test]
fn a_file_that_others_may_read_is_refused_with_the_remedy() {
    let home = tempfile::tempdir().expect("a folder");
    signed_in(home.path(), &["https://id.example.com"]);
    std::fs::set_permissions(file(home.path()), std::fs::Permissions::from_mode(0o644))
        .expect("its mode");
    expect_refusal(&run(home.path(), &["whoami"]), "chmod 600");
}

/// A server with the client registered, and somebody's home.
struct Real {
    world: World,
    home: TempDir,
    client: Client,
}

impl Real {
    fn start(backend: Backend) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let setup = Setup::new(backend)
            .env("XDG_CONFIG_HOME", &home.path().display().to_string())
            .env("DBUS_SESSION_BUS_ADDRESS", NO_BUS)
            .env("CURFEW_LIFETIMES_DEVICE_POLL_INTERVAL", "1")
            .env("CURFEW_LIFETIMES_REFRESH_GRACE", "0")
            .time_travel();
        let world = World::with(setup);
        // As the program itself tells operators to do it.
        let mut add: Vec<&str> = "client add curfew-cli --public --grant device_code --grant refresh_token --scope curfew:account:read \
                                  --scope curfew:account:write --scope offline_access"
            .split_whitespace()
            .collect();
        add.extend([
            "--scope",
            "curfew:tokens:create",
            "--name",
            "Curfew on a terminal",
        ]);
        world.cli(&add);
        let client = Client {
            id: "curfew-cli".to_owned(),
            secret: None,
            redirect_uri: String::new(),
            tenant_path: String::new(),
        };
        Self {
            world,
            home,
            client,
        }
    }

    /// Signs in as ada; `decision` is what she presses.
    fn sign_in(&self, more: &[&str], decision: &str) -> (ExitStatus, String, String) {
        let issuer = self.world.issuer();
        let mut child = self
            .world
            .start_cli(&[&["login", "--issuer", issuer, "--json"], more].concat());
        let (user_code, errors) = code_shown(&mut child);
        let device = Device {
            client: self.client.clone(),
            device_code: String::new(),
            user_code,
            answer: Value::Null,
        };
        self.world.browser().decide_device(&device, "ada", decision);
        let done = child.wait_with_output().expect("it ends");
        (done.status, text(&done.stdout), rest(errors))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        self.world.cli(arguments)
    }
}

/// The code that the program shows.
fn code_shown(child: &mut Child) -> (String, BufReader<ChildStderr>) {
    let mut errors = BufReader::new(child.stderr.take().expect("its errors"));
    let mut lines = String::new();
    while errors.read_line(&mut lines).expect("a line") > 0 {
        if let Some((_, after)) = lines.split_once("enter this code:\n\n")
            && let Some((code, _)) = after.split_once('\n')
        {
            return (code.trim().to_owned(), errors);
        }
    }
    panic!("no code is shown: {lines}");
}

fn rest(mut errors: BufReader<ChildStderr>) -> String {
    let mut text = String::new();
    let _ = errors.read_to_string(&mut text);
    text
}

on_both_backends! {
    /// From the first word to the last: sign in, who am I, tokens, sign out.
    fn a_person_signs_in_at_a_terminal_makes_a_token_and_signs_out(backend) {
        let real = Real::start(backend);
        let scopes = "curfew:account:read curfew:account:write curfew:tokens:create offline_access";
        let (status, out, errors) = real.sign_in(&["--scope", scopes], "approve");
        assert!(status.success(), "{out}{errors}");
        let answer: Value = serde_json::from_str(&out).expect("one JSON value");
        assert_eq!((&answer["username"], &answer["issuer"]), (&json!("ada"), &json!(real.world.issuer())));
        let me = real.json(&["whoami"]);
        assert_eq!((&me["username"], &me["client_id"], &me["scope"]), (&json!("ada"), &json!("curfew-cli"), &json!(scopes)));

        let made = real.json(&["tokens", "create", "ci", "--scope", "curfew:account:read", "--lifetime", "120"]);
        let token = made["token"].as_str().expect("a token").to_owned();
        let asking = Request::get("/api/v1/me").header("Authorization", &format!("Bearer {token}"));
        real.world.http().send(&asking).expect(200);
        let listed = real.json(&["tokens", "list"]);
        let names: Vec<_> = listed.as_array().expect("a list").iter().map(|token| token["name"].clone()).collect();
        assert!(names.contains(&json!("ci")), "{listed}");
        real.json(&["tokens", "revoke", made["id"].as_str().expect("an id")]);
        real.world.http().send(&asking).expect(401);

        // A second login takes the place of the first, whose tokens end.
        let first: Value = serde_json::from_slice(&std::fs::read(file(real.home.path())).expect("the file")).expect("JSON");
        let first = first["logins"][0]["tokens"]["access_token"].as_str().expect("a token").to_owned();
        let (status, out, errors) = real.sign_in(&[], "approve");
        assert!(status.success(), "{out}{errors}");
        let asking = Request::get("/api/v1/me").header("Authorization", &format!("Bearer {first}"));
        real.world.http().send(&asking).expect(401);
        let refused = real.world.try_cli(&["tokens", "create", "ci", "--scope", "curfew:account:read"], "");
        expect_refusal(&refused, "curfew:tokens:create");

        let second = std::fs::read(file(real.home.path())).expect("the file");
        let second: Value = serde_json::from_slice(&second).expect("JSON");
        let second = second["logins"][0]["tokens"]["access_token"].as_str().expect("a token").to_owned();
        real.json(&["logout"]);
        let asking = Request::get("/api/v1/me").header("Authorization", &format!("Bearer {second}"));
        real.world.http().send(&asking).expect(401);
        assert!(!file(real.home.path()).exists());
        expect_refusal(&real.world.try_cli(&["whoami"], ""), "nobody is signed in");
    }

    fn a_denied_login_keeps_nothing(backend) {
        let real = Real::start(backend);
        let (status, out, errors) = real.sign_in(&[], "deny");
        assert_eq!(status.code(), Some(1), "{out}");
        assert!(errors.contains("denied"), "{errors}");
        assert!(!file(real.home.path()).exists());
    }

    /// The server has no grace for a second use here, so a replay would end the login.
    fn many_processes_share_a_login_without_a_replay(backend) {
        let real = Real::start(backend);
        let (status, out, errors) = real.sign_in(&[], "approve");
        assert!(status.success(), "{out}{errors}");
        real.world.advance(700);
        let children: Vec<_> = (0..5).map(|_| real.world.start_cli(&["whoami", "--json"])).collect();
        for child in children {
            let done = child.wait_with_output().expect("it ends");
            assert!(done.status.success(), "{}", text(&done.stderr));
        }
        assert_eq!(real.world.query("SELECT count(*) FROM audit WHERE event = 4"), "1");
        assert_eq!(real.world.query("SELECT count(*) FROM audit WHERE event = 5"), "0");
        real.world.advance(700);
        assert_eq!(real.json(&["whoami"])["username"], "ada");
    }
}
