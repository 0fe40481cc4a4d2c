//! The command line, run as people run it: the real binary on a database of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// An installation in a folder that goes with it.
struct Installation {
    folder: tempfile::TempDir,
    init: Value,
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut it = Self {
            folder,
            init: Value::Null,
        };
        let state = it.state().display().to_string();
        it.init = it.json(&["init", "--dir", &state]);
        it
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_curfew"));
        command
            .args(arguments)
            .env_clear()
            .env("CURFEW_CONFIG", self.state().join("curfew.toml"));
        command.stdin(Stdio::null());
        command
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    fn run(&self, arguments: &[&str]) -> String {
        let done = self.try_run(arguments);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {told}");
        String::from_utf8(done.stdout).expect("text")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Must fail, and say `expected`.
    fn refused(&self, arguments: &[&str], expected: &str) {
        let done = self.try_run(arguments);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success(), "{arguments:?} was done");
        assert!(
            told.contains(expected),
            "{arguments:?}: {told:?} lacks {expected:?}"
        );
        assert!(
            told.starts_with("error: ") && !told.contains("panicked"),
            "{told}"
        );
    }

    fn with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(input.as_bytes())
            .expect("the input is read");
        child.wait_with_output().expect("the command ends")
    }

    fn furnished() -> Self {
        let it = Self::new();
        it.run(&["resource", "add", "api", "--identifier", "urn:example:api"]);
        it.run(&[
            "scope",
            "add",
            "notes",
            "--description",
            "Read your notes",
            "--resource",
            "api",
        ]);
        it
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is missing in {value}"))
}

#[test]
fn an_installation_is_made_filled_listed_and_in_order() {
    let it = Installation::furnished();
    assert!(text(&it.init, "bootstrap_secret").starts_with("cfbs_"));
    it.run(&["migrate"]);
    let robot = it.json(&[
        "client",
        "add",
        "robot",
        "--grant",
        "client_credentials",
        "--scope",
        "notes",
        "--resource",
        "api",
    ]);
    assert!(text(&robot, "client_secret").starts_with("cfcs_"));
    let app = it.json(&[
        "client",
        "add",
        "app",
        "--public",
        "--grant",
        "authorization_code",
        "--redirect-uri",
        "http://127.0.0.1/cb",
    ]);
    assert!(app["client_secret"].is_null());
    let user = it.json(&["user", "add", "alice", "--email", "alice@example.com"]);
    assert!(text(&user, "invitation_url").contains("/login/password?link=cfml_"));
    assert_eq!(
        it.json(&["client", "list"]).as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        it.json(&["user", "show", "alice"])["email"],
        "alice@example.com"
    );
    assert_eq!(it.json(&["scope", "list"])[0]["resource_id"], "api");
    assert_eq!(it.json(&["doctor", "--invariants"])["in_order"], true);
    it.run(&["gc"]);
    for listing in [
        ["client", "list"],
        ["resource", "list"],
        ["scope", "list"],
        ["user", "list"],
        ["tenant", "list"],
    ] {
        let told = it.run(&listing);
        assert!(
            told.lines().count() >= 2 && !told.contains("cfcs_"),
            "{listing:?}: {told}"
        );
    }
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    let it = Installation::furnished();
    let cases: &[(&[&str], &str)] = &[
        (&["client", "add", "x"], "--grant"),
        (
            &[
                "client",
                "add",
                "x",
                "--public",
                "--grant",
                "client_credentials",
            ],
            "confidential",
        ),
        (
            &["client", "add", "x", "--grant", "authorization_code"],
            "--redirect-uri",
        ),
        (
            &[
                "client",
                "add",
                "x",
                "--grant",
                "client_credentials",
                "--scope",
                "nope",
            ],
            "curfew scope add nope",
        ),
        (
            &[
                "client",
                "add",
                "x",
                "--grant",
                "client_credentials",
                "--resource",
                "nope",
            ],
            "no resource `nope`",
        ),
        (&["client", "show", "nope"], "curfew client list"),
        (
            &["scope", "add", "admin", "--description", "All"],
            "too broad",
        ),
        (
            &["scope", "add", "notes", "--description", "Again"],
            "already exists",
        ),
        (
            &["resource", "add", "other", "--identifier", "relative"],
            "absolute URI",
        ),
        (
            &[
                "resource",
                "add",
                "other",
                "--identifier",
                "urn:example:api",
            ],
            "already",
        ),
        (
            &["user", "add", "bob", "--email", "not an address"],
            "e-mail",
        ),
        (&["user", "show", "nobody"], "curfew user list"),
        (&["user", "unsuspend", "nobody"], "curfew user list"),
        (&["tenant", "delete", "default"], "disable it instead"),
        (&["tenant", "add", "No Slug"], "lower-case"),
        (&["token", "inspect", "nonsense"], "22 letters and digits"),
        (&["token", "inspect", "cfat_secret"], "--stdin"),
        (&["session", "end", "nonsense"], "22 letters and digits"),
        (&["--tenant", "nope", "user", "list"], "no tenant `nope`"),
    ];
    for (arguments, expected) in cases {
        it.refused(arguments, expected);
    }
}

#[test]
fn passwords_come_by_the_standard_input_and_are_checked() {
    let it = Installation::new();
    let done = it.with_input(
        &["user", "add", "alice", "--password-stdin", "--json"],
        "correct horse battery\n",
    );
    assert!(done.status.success());
    let added: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(added["invitation_url"].is_null());
    let short = it.with_input(&["user", "set-password", "alice"], "short");
    assert!(!short.status.success());
    assert!(String::from_utf8_lossy(&short.stderr).contains("at least 10"));
}

#[test]
fn a07_a_deleted_user_comes_back_under_a_new_epoch() {
    let it = Installation::new();
    let before = it.json(&["user", "add", "alice"]);
    it.run(&["user", "delete", "alice"]);
    it.refused(&["user", "show", "alice"], "no user");
    let after = it.json(&["user", "restore", "alice"]);
    assert_eq!(before["user_id"], after["id"]);
    assert!(after["epoch"].as_i64() > before["epoch"].as_i64());
}

#[test]
fn a_deleted_users_name_is_free_and_then_the_tombstone_stays_one() {
    let it = Installation::new();
    it.run(&["user", "add", "alice"]);
    it.run(&["user", "delete", "alice"]);
    it.run(&["user", "add", "alice"]);
    it.refused(&["user", "restore", "alice"], "already");
    assert_eq!(
        it.json(&["user", "list", "--deleted"])
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn a20_narrowing_a_client_ends_its_tokens_and_renaming_does_not() {
    let it = Installation::furnished();
    it.run(&[
        "client",
        "add",
        "robot",
        "--grant",
        "client_credentials",
        "--scope",
        "notes",
    ]);
    assert_eq!(
        it.json(&["client", "change", "robot", "--name", "Robot"])["tokens_ended"],
        false
    );
    let narrowed = it.json(&["client", "change", "robot", "--access-token-lifetime", "60"]);
    assert_eq!(
        (&narrowed["tokens_ended"], &narrowed["epoch"]),
        (&Value::Bool(true), &Value::from(2))
    );
}

#[test]
fn init_overwrites_nothing() {
    let it = Installation::new();
    let state = it.state().display().to_string();
    let key = fs::read_to_string(it.state().join("keys/1.key")).unwrap();
    it.refused(&["init", "--dir", &state], "exists already");
    assert_eq!(
        fs::read_to_string(it.state().join("keys/1.key")).unwrap(),
        key
    );
}

#[test]
fn no_keys_are_made_beside_a_database_that_holds_something() {
    let it = Installation::new();
    let database = format!("sqlite:{}", it.state().join("curfew.db").display());
    let other = it.folder.path().join("other");
    let arguments = [
        "init",
        "--dir",
        &other.display().to_string(),
        "--database",
        &database,
    ];
    it.refused(&arguments, "already holds an installation");
    assert!(!other.join("keys").exists() && !other.join("curfew.toml").exists());
    fs::remove_dir_all(it.state().join("keys")).unwrap();
    for command in [&["serve"][..], &["migrate"], &["user", "list"]] {
        it.refused(command, "put the keys of this installation in place");
        assert!(!it.state().join("keys").exists());
    }
}

#[test]
fn foreign_or_readable_keys_are_refused() {
    let it = Installation::new();
    let key = it.state().join("keys/1.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    it.refused(&["user", "list"], "chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "0".repeat(64)).unwrap();
    it.refused(&["user", "list"], "not the keys of this database");
    it.refused(&["serve"], "not the keys of this database");
    fs::write(&key, "too short").unwrap();
    it.refused(&["user", "list"], "64 hexadecimal digits");
}

#[test]
fn everything_that_init_makes_is_private() {
    let it = Installation::new();
    for file in ["curfew.toml", "curfew.db", "keys/1.key"] {
        let mode = fs::metadata(it.state().join(file))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    assert_eq!(
        fs::metadata(it.state().join("keys"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}

#[test]
fn a_broken_configuration_names_key_value_and_remedy() {
    let it = Installation::new();
    let mut command = it.command(&["config", "check"]);
    let done = command
        .env("CURFEW_LISTEN_WORKERS", "none")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success());
    assert!(
        told.contains("listen.workers = \"none\" (from CURFEW_LISTEN_WORKERS)"),
        "{told}"
    );
}

#[test]
fn many_commands_write_at_once_and_none_is_lost() {
    let it = Installation::new();
    let names: Vec<String> = (0..12).map(|number| format!("user{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = it.command(&["user", "add", name]);
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    assert_eq!(
        it.json(&["user", "list"]).as_array().map(Vec::len),
        Some(12)
    );
}

#[test]
fn d12_a_restored_copy_is_behind_a_raised_epoch_and_what_it_replaced_is_kept() {
    let it = Installation::new();
    it.run(&["user", "add", "alice"]);
    let copy = it.folder.path().join("copy.db").display().to_string();
    it.run(&["backup", &copy]);
    it.refused(&["backup", &copy], "exists already");
    it.run(&["user", "add", "bob"]);
    let restored = it.json(&["restore", &copy]);
    assert_eq!(restored["installation_epoch"], 2);
    assert!(fs::exists(text(&restored, "replaced")).unwrap());
    assert_eq!(it.json(&["user", "list"]).as_array().map(Vec::len), Some(1));
    assert_eq!(
        it.json(&["doctor", "--invariants"])["health"]["installation_epoch"],
        2
    );
    // The same copy put back by hand is noticed, and accepted only under a new epoch.
    fs::copy(&copy, it.state().join("curfew.db")).unwrap();
    it.refused(&["user", "list"], "restore --accept");
    assert_eq!(it.json(&["restore", "--accept"])["installation_epoch"], 3);
    it.run(&["user", "list"]);
    it.refused(
        &[
            "restore",
            &it.state().join("curfew.toml").display().to_string(),
        ],
        "no copy of a Curfew database",
    );
}

#[test]
fn the_references_and_completions_are_printed() {
    let it = Installation::new();
    for (arguments, expected) in [
        (["config", "reference"], "| `issuer` |"),
        (["config", "errors"], "| `invalid_grant` | 400 |"),
        (
            ["config", "lifetimes"],
            "| `lifetimes.access_token` | 600 |",
        ),
        (["completions", "bash"], "_curfew"),
    ] {
        assert!(it.run(&arguments).contains(expected), "{arguments:?}");
    }
}

#[test]
fn a_provider_is_described_with_what_to_register_there() {
    let it = Installation::new();
    it.run(&["tenant", "add", "acme"]);
    let secret = "s3cret-of-google";
    let add = [
        "upstream",
        "add",
        "google",
        "--preset",
        "google",
        "--client-id",
        "g",
        "--client-secret-stdin",
    ];
    let done = it.with_input(
        &[&add[..], &["--tenant", "acme"]].concat(),
        &format!("{secret}\n"),
    );
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && !told.contains(secret), "{told}");
    for part in [
        "https://accounts.google.com",
        "http://127.0.0.1:8080/t/acme/upstream/google/callback",
        "http://127.0.0.1:8080/t/acme/upstream/google/backchannel-logout",
        "email fallback               confirm",
        "client secret                set",
    ] {
        assert!(told.contains(part), "{part:?} is missing in {told}");
    }
    let acme = it.run(&["upstream", "list", "--tenant", "acme"]);
    assert!(
        acme.contains("google") && acme.contains("database"),
        "{acme}"
    );
    assert!(
        !it.run(&["upstream", "list"]).contains("google"),
        "tenants have providers of their own"
    );
    let github = it.with_input(
        &[
            "upstream",
            "add",
            "code",
            "--preset",
            "github",
            "--client-id",
            "c",
            "--client-secret-stdin",
            "--organization",
            "acme/core",
        ],
        secret,
    );
    let told = String::from_utf8_lossy(&github.stdout).into_owned();
    assert!(
        told.contains("acme/core") && !told.contains("back-channel"),
        "{told}"
    );
    let cleared = it.json(&[
        "upstream",
        "change",
        "code",
        "--organization",
        "none",
        "--scope",
        "read:user",
    ]);
    assert_eq!(
        cleared["settings"]["organizations"],
        Value::Array(Vec::new())
    );
    let backfill = it.with_input(
        &["upstream", "change", "code", "--legacy-links", "backfill"],
        "",
    );
    let told = String::from_utf8_lossy(&backfill.stderr).into_owned();
    assert!(
        told.contains("warning: legacy_links is `backfill`"),
        "{told}"
    );
}

#[test]
fn an_import_tells_of_every_row() {
    let it = Installation::new();
    it.run(&[
        "upstream",
        "add",
        "work",
        "--issuer",
        "https://id.example.com",
        "--client-id",
        "c",
        "--no-client-secret",
    ]);
    let file = it.folder.path().join("people");
    let path = file.display().to_string();
    fs::write(
        &file,
        "username,email,subject\nada,ada@example.com,1\nbob,bob@example.com,\nada b,,\n",
    )
    .expect("a file");
    it.refused(&["import", "users", &path], "Say --csv or --json");
    let arguments = ["import", "users", "--csv", &path, "--provider", "work"];
    let dry = it.try_run(&[&arguments[..], &["--dry-run"]].concat());
    let (dry_told, dry_err) = (
        String::from_utf8_lossy(&dry.stdout).into_owned(),
        String::from_utf8_lossy(&dry.stderr).into_owned(),
    );
    assert_eq!(dry.status.code(), Some(1), "{dry_err}");
    assert_eq!(dry_err, "", "no bar where nobody watches");
    assert!(dry_told.contains("nothing was stored"), "{dry_told}");
    it.refused(&["user", "show", "ada"], "no user");
    let real = it.try_run(&arguments);
    let told = String::from_utf8_lossy(&real.stdout).into_owned();
    assert!(dry_told.starts_with(&told), "{dry_told} is not {told}");
    let expected = [
        "line 2  ada  added; bound at work",
        "line 3  bob  added; waits for its person at work",
        "line 4  ada b  FAILED: `ada b` cannot be a username",
        "2 added, 0 linked, 0 the same already, 1 failed.",
    ];
    for part in expected {
        assert!(told.contains(part), "{part:?} is missing in {told}");
    }
    let again = String::from_utf8_lossy(&it.try_run(&arguments).stdout).into_owned();
    assert!(
        again.contains("line 2  ada  exists already, same; same at work"),
        "{again}"
    );
    let shown = it.run(&["user", "show", "bob"]);
    assert!(
        shown.contains("work") && shown.contains("(waits)"),
        "{shown}"
    );
    assert!(it.run(&["doctor"]).contains("1 imported links at work"));
    fs::write(&file, "[{\"username\": \"carol\"}]").expect("a file");
    let json = it.run(&["import", "users", "--json", &path]);
    assert!(
        json.contains("\"username\":\"carol\"") && json.contains("\"added\":1"),
        "{json}"
    );
    it.refused(&["import", "users", "--csv", &path], "the columns are");
    it.refused(&["import", "users", "nothing.csv"], "cannot be read");
}

/// The words after `curfew` at each place where a page names a command: the command, and what may be its subcommand.
fn commands_of(page: &str) -> Vec<Vec<&str>> {
    let is_word = |word: &&str| {
        let mut letters = word.chars();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let places = ["`curfew ", "$ curfew "].into_iter();
    let named = places.flat_map(|place| page.split(place).skip(1));
    let words = named.map(|rest| {
        let end = rest.find(['`', '\n']).unwrap_or(rest.len());
        rest[..end].split(' ').take(2).take_while(is_word).collect()
    });
    words.collect()
}

#[test]
fn every_command_that_the_documentation_names_is_there() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut named = std::collections::BTreeSet::new();
    for folder in [docs.clone(), docs.join("adr"), docs.join("reference")] {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let page = fs::read_to_string(&path).expect("a page");
                for words in commands_of(&page) {
                    named.insert(words.join(" "));
                }
            }
        }
    }
    assert!(named.contains("user disable-link"), "{named:?}");
    for command in named {
        let words = command.split_whitespace().chain(["--help"]);
        let mut curfew = Command::new(env!("CARGO_BIN_EXE_curfew"));
        let done = curfew.args(words).env_clear().output().expect("it runs");
        assert!(done.status.success(), "curfew {command}: {done:?}");
    }
}
