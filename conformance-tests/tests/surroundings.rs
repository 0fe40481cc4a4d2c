//! What stands around the server: the demo that a stranger starts first, TLS, mail, and an encrypted way to PostgreSQL.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use conformance_tests::{
    Backend, Browser, Cluster, Http, MailServer, PASSWORD, Setup, Tokens, World, binary, html,
    on_both_backends,
};

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").to_string()
}

#[track_caller]
fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:#?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn shell(lines: &str) -> String {
    let done = Command::new("sh").args(["-ec", lines]).output();
    text(&done.expect("sh runs"))
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server's folder, made by `init` and `migrate`.
struct Installation {
    folder: tempfile::TempDir,
    listen: String,
}

impl Installation {
    fn new(scheme: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = free_address();
        let state = folder.path().display().to_string();
        let issuer = format!("{scheme}://{listen}");
        let made = Self { folder, listen };
        let init = ["init", "--dir", &state, "--issuer", &issuer];
        text(&output(made.curfew(&init).args(["--listen", &made.listen])));
        text(&output(&mut made.curfew(&["migrate"])));
        made
    }

    fn curfew(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env("CURFEW_CONFIG", self.folder.path().join("curfew.toml"));
        command
    }
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

/// A stream that its reader has left.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    Stdio::from(writer)
}

/// The demo's printed lines do what they say, pasted as they are.
#[test]
fn the_demo_prints_lines_that_work() {
    let (listen, client, provider) = (free_address(), free_address(), free_address());
    let mut demo = Running::start(
        Command::new(binary())
            .args(["demo", "--listen", &listen, "--client-listen", &client])
            .args(["--provider-listen", &provider])
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    );
    let mut lines = BufReader::new(demo.0.stdout.take().expect("its output"))
        .lines()
        .map_while(Result::ok);
    let guide: Vec<String> = lines
        .by_ref()
        .take_while(|line| !line.starts_with("Ctrl-C"))
        .collect();
    let from = |word: &str| guide.iter().position(|line| line.starts_with(word));
    let block = |start: Option<usize>, count: usize| {
        let start = start.unwrap_or_else(|| panic!("{guide:#?}"));
        guide[start..start + count].join("\n")
    };

    let told = shell(&block(from("TOKEN="), 4));
    let told: Vec<&str> = told.lines().collect();
    assert!(told[0].contains("\"active\":true"), "{told:?}");
    assert_eq!(told.last(), Some(&"{\"active\":false}"));

    let page = shell(&format!("curl -sf --noproxy '*' http://{client}/"));
    assert!(page.contains("<html"), "{page}");

    the_demos_device(&guide, &listen);
    the_demos_provider(&guide, &listen);

    let operator = block(from("export CURFEW_CONFIG="), 3);
    let told = shell(&operator);
    assert!(told.contains("alice"), "{told}");
    let config = operator
        .lines()
        .next()
        .and_then(|line| line.split_once('='));
    let config = config.expect("a path").1.to_owned();
    assert!(Path::new(&config).exists());

    let asked = Command::new("kill")
        .args(["-INT", &demo.0.id().to_string()])
        .status();
    assert!(asked.expect("kill runs").success());
    assert_eq!(demo.0.wait().expect("it ends").code(), Some(0));
    assert!(!Path::new(&config).exists(), "its folder went with it");
}

fn password(guide: &[String]) -> String {
    let password = guide
        .iter()
        .find_map(|line| line.trim().strip_prefix("password"));
    password.expect("the person's password").trim().to_owned()
}

fn browser(listen: &str) -> Browser {
    let http = Http {
        address: listen.parse().expect("an address"),
        host: listen.to_owned(),
    };
    Browser::new(http, &format!("http://{listen}"))
}

/// The demo's fourth part: Bob gets an account, Alice is asked whether the account with her address is hers, and when it is, Mallory
/// with the same address stays outside.
fn the_demos_provider(guide: &[String], listen: &str) {
    let through = |browser: &mut Browser, person: &str| {
        let page = browser.get("/login").expect(200).text();
        assert!(page.contains("Continue with Demo provider"), "{page}");
        let sent = browser.get("/upstream/demo/start").expect(303);
        let back = browser.sign_in_elsewhere(sent.location().expect("the provider"), person);
        browser.come_back(&back)
    };
    let mut bob = browser(listen);
    through(&mut bob, "bob-2").expect(303);
    bob.get("/account").expect(200);

    let mut alice = browser(listen);
    let asked = through(&mut alice, "alice-1").expect(403).text();
    let request = asked.split("proof%3Frequest%3D").nth(1);
    let request = request.unwrap_or_else(|| panic!("{asked}"));
    let request = &request[..22];
    alice.sign_in("alice", &password(guide)).expect(303);
    let page = alice.get(&format!("/upstream/proof?request={request}"));
    alice.submit(&page.expect(200), &[]).expect(303);
    let identities = alice.get("/account/identities").expect(200).text();
    assert!(identities.contains("Demo provider"), "{identities}");
    let mut again = browser(listen);
    through(&mut again, "alice-1").expect(303);

    let refused = through(&mut browser(listen), "mallory-3")
        .expect(403)
        .text();
    assert!(refused.contains("identity_already_bound"), "{refused}");
}

/// The demo's third part: one line starts a device, a person approves it, the account page shows where its token comes from, and "this
/// was not me" kills it at once.
fn the_demos_device(guide: &[String], listen: &str) {
    let at = guide.iter().rposition(|line| line.starts_with("TOKEN="));
    let at = at.unwrap_or_else(|| panic!("{guide:#?}"));
    let password = password(guide);
    let (login, ask) = (&guide[at], &guide[at + 1]);
    let mut asking = Command::new("sh")
        .args(["-ec", &format!("{login}\necho $TOKEN\n{ask}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let link = BufReader::new(asking.stderr.take().expect("its words"))
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("/device?user_code="));
    let link = link.expect("the link is printed").trim().to_owned();
    let mut browser = browser(listen);
    assert_eq!(browser.sign_in("alice", &password).status, 303);
    let page = browser.get(&link).expect(200);
    let to = browser.submit(&page, &[]);
    let page = browser.get(to.location().expect("the decision"));
    let done = browser.submit(&page, &[("decision", "approve")]);
    assert!(
        done.location().is_some_and(|to| to.ends_with("=approved")),
        "{done:?}"
    );
    let told = text(&asking.wait_with_output().expect("it ends"));
    let (token, answer) = told.split_once('\n').expect("a token and an answer");
    assert!(answer.contains("\"active\":true"), "{told}");

    let tokens = browser.get("/account/tokens").expect(200).text();
    let chain = tokens.split("/account/tokens/").find(|rest| {
        let id = rest.split('"').next().unwrap_or_default();
        id.len() == 22
    });
    let id = chain.and_then(|rest| rest.get(..22)).expect("a token");
    let chain = browser.get(&format!("/account/tokens/{id}")).expect(200);
    assert!(chain.text().contains("Demo device"), "{chain:?}");
    let account = browser.get("/account").expect(200).text();
    let button = account.find("device-disown-").expect("the button");
    let approval = &account[button + "device-disown-".len()..][..22];
    let csrf = html::inputs(&account)
        .into_iter()
        .find(|(name, _)| name == "csrf");
    let fields = [("id", approval), ("csrf", &csrf.expect("a form token").1)];
    assert_eq!(browser.post("/account/devices/disown", &fields).status, 303);
    let dead = shell(&format!("TOKEN={token}\n{ask}"));
    assert_eq!(dead.trim(), "{\"active\":false}");
}

/// A certificate of its own for 127.0.0.1.
fn certificate(folder: &Path) -> (String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=curfew.test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    text(&made.expect("openssl runs"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    (certificate, key)
}

/// Whoever reads what is said may go away: `curfew serve 2>&1 | head` is no reason to stop serving.
#[test]
fn nobody_needs_to_read_the_standard_error_stream() {
    let installation = Installation::new("http");
    let mut refused = installation.curfew(&["client", "show", "nobody"]);
    let told = output(&mut refused);
    let untold = output(refused.stderr(unread()));
    assert_eq!(told.status.code(), Some(1), "{told:#?}");
    assert!(!told.stderr.is_empty());
    assert_eq!(untold.status, told.status, "{untold:#?}");

    let mut serve = installation.curfew(&["serve"]);
    let serve = serve.env("CURFEW_LOG_LEVEL", "debug").stderr(unread());
    let _server = Running::start(serve);
    let login = format!("http://{}/login", installation.listen);
    let asked = ["-sf", "--noproxy", "*", "--max-time", "5"];
    let patient = ["--retry", "40", "--retry-delay", "1", "--retry-connrefused"];
    for _ in 0..3 {
        let mut curl = Command::new("curl");
        let page = output(curl.args(asked).args(patient).arg(&login));
        assert!(text(&page).contains("<html"), "{page:#?}");
    }
}

#[test]
fn tls_is_served_from_pem_files() {
    let installation = Installation::new("https");
    let listen = &installation.listen;
    let issuer = format!("https://{listen}");
    let (certificate, key) = certificate(installation.folder.path());
    let server = Running::start(
        installation
            .curfew(&["serve"])
            .env("CURFEW_TLS_CERTIFICATE", &certificate)
            .env("CURFEW_TLS_PRIVATE_KEY", &key)
            .env("CURFEW_LOG_LEVEL", "warn"),
    );
    let asked = |options: &[&str]| {
        Command::new("curl")
            .args(["-sSi", "--noproxy", "*", "--max-time", "5"])
            .args(options)
            .arg(format!("{issuer}/.well-known/oauth-authorization-server"))
            .output()
            .expect("curl runs")
    };
    let began = Instant::now();
    let answer = loop {
        let answer = asked(&["--cacert", &certificate]);
        if answer.status.success() || began.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let stranger = asked(&[]);
    let plain = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--max-time", "5"])
        .arg(format!("http://{listen}/health"))
        .output()
        .expect("curl runs");
    drop(server);
    let answer = text(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(&format!("\"issuer\":\"{issuer}\"")),
        "{answer}"
    );
    assert!(
        !stranger.status.success(),
        "an unknown certificate is refused"
    );
    assert!(!plain.status.success(), "no plain HTTP on the TLS port");
}

on_both_backends! {
    /// Whoever was talked into approving a device finds out by mail, and undoes it there.
    fn a_device_approval_is_mailed_and_the_link_undoes_it(backend) {
        let mails = MailServer::start();
        let setup = Setup::new(backend)
            .env("CURFEW_MAIL_SMTP_URL", &mails.url())
            .env("CURFEW_MAIL_FROM", "Curfew <no-reply@example.test>");
        let world = World::with(setup);
        let options = ["--public", "--grant", "device_code", "--grant", "refresh_token", "--scope", "notes", "--scope", "offline_access"];
        let tv = world.add_client("tv", "", &options);
        let device = world.http().start_device(&tv, &[("scope", "notes offline_access")]);
        world.browser().approve_device(&device);
        let tokens = Tokens::of(&world.http().poll(&device));
        let mail = mails.next(Duration::from_secs(30));
        assert_eq!(mail.recipients, ["ada@example.test"]);
        assert!(mail.text.contains("tv") && mail.text.contains("127.0.0.1"), "{mail:?}");
        let link = mail.text.lines().find(|line| line.contains("/account/undo?link="));
        let link = link.unwrap_or_else(|| panic!("{mail:?}")).trim().to_owned();
        // Looking at it changes nothing; a mail program may do so by itself.
        let mut browser = world.browser();
        let page = browser.get(&link).expect(200);
        world.assert_alive(&tokens.access);
        let answer = browser.submit(&page, &[]);
        assert_eq!(answer.status, 303, "{answer:?}");
        world.assert_dead(&tokens.access);
        world.refresh(&tv, tokens.refresh()).expect_error(400, "invalid_grant");
        let rows = world.run(&["audit", "search", "--event", "incident.reported", "--json"], "");
        assert!(rows.contains("mailed_link"), "{rows}");
        assert_ne!(world.browser().get(&link).status, 200, "the link is used up");
    }

    /// An invitation is mailed where mail is configured, and its link sets the password once.
    fn an_invitation_is_mailed_and_sets_the_password(backend) {
        let mails = MailServer::start();
        let setup = Setup::new(backend)
            .env("CURFEW_MAIL_SMTP_URL", &mails.url())
            .env("CURFEW_MAIL_FROM", "Curfew <no-reply@example.test>");
        let world = World::with(setup);
        let added = world.cli(&["user", "add", "eve", "--email", "eve@example.test"]);
        assert!(added["invitation_url"].is_null(), "{added}");
        assert_eq!(added["invitation_mailed_to"], "eve@example.test");
        let mail = mails.next(Duration::from_secs(30));
        assert_eq!(mail.recipients, ["eve@example.test"]);
        let link = mail.text.lines().find(|line| line.contains("/login/password?link="));
        let link = link.unwrap_or_else(|| panic!("{mail:?}")).trim().to_owned();
        let mut browser = world.browser();
        let page = browser.get(&link).expect(200);
        let answer = browser.submit(&page, &[("password", PASSWORD), ("password_again", PASSWORD)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(world.browser().sign_in("eve", PASSWORD).status, 303);
    }
}

/// `sslmode=verify-full`: a server with the right certificate is used, one with another is not.
#[test]
fn postgres_is_reached_by_tls_and_its_certificate_is_verified() {
    let cluster = Cluster::with_tls();
    let world = World::with(Setup::new(Backend::Postgres).postgres(cluster.url()));
    let token = world.robot_token();
    world.assert_alive(&token);

    let folder = tempfile::tempdir().expect("a folder");
    let (other, _) = certificate(folder.path());
    let (before, _) = cluster
        .url()
        .split_once("sslrootcert=")
        .expect("the URL names a certificate");
    let refused = Command::new(binary())
        .args(["migrate", "--plan"])
        .env("CURFEW_CONFIG", world.folder().join("state/curfew.toml"))
        .env(
            "CURFEW_DATABASE_URL",
            format!("{before}sslrootcert={other}"),
        )
        .output()
        .expect("it runs");
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("certificate verify failed"), "{told}");
}
