//! Operating upstream providers: added, changed, described in the configuration, moved to another issuer; people imported; and what the
//! operator is told.

use std::fs;

use conformance_tests::upstream::{CLIENT_ID, Registration};
use conformance_tests::{Backend, Curfew, Request, Setup, World, on_both_backends};
use demo_provider::Hooks;
use serde_json::Value;

const ISSUER: &str = "https://id.example.test";
const SECRET: &str = "hunter2-of-the-upstream";

/// The usual password, hashed by another program (argon2-cffi) with other parameters than ours.
const HASH: &str = "$argon2id$v=19$m=8192,t=3,p=2$FJaJqSz6t/xdsa/UJAtY+Q$fY8T8BafiRh4F8PngvS3nQQWQpQylxp1o8opM4bGPTs";

fn prepared(backend: Backend) -> Curfew {
    Setup::new(backend).prepare()
}

/// `upstream add SLUG` with an issuer that nobody asks.
fn add(curfew: &Curfew, slug: &str, options: &[&str]) -> Value {
    curfew.upstream_add(Registration::new(slug, options), "openid", ISSUER, SECRET)
}

/// Must fail, and say each of `expected`.
#[track_caller]
fn refused(curfew: &Curfew, arguments: &[&str], expected: &[&str]) {
    let done = curfew.try_cli(arguments, "");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success(), "{arguments:?} was done");
    for part in expected {
        assert!(
            told.contains(part),
            "{arguments:?}: {told:?} lacks {part:?}"
        );
    }
    assert!(
        !told.contains("panicked") && !told.contains(SECRET),
        "{told}"
    );
}

fn describe(curfew: &Curfew, table: &str) {
    let file = curfew.state().join("curfew.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    let own = text
        .find("\n[upstream.")
        .map_or(text.as_str(), |start| &text[..start]);
    fs::write(&file, format!("{own}\n{table}")).expect("the configuration");
}

fn import(curfew: &Curfew, name: &str, text: &str, options: &[&str]) -> (bool, Vec<Value>) {
    let file = curfew.folder().join(name);
    fs::write(&file, text).expect("a file");
    let file = file.display().to_string();
    let arguments = [&["import", "users", &file, "--json"][..], options].concat();
    let done = curfew.try_cli(&arguments, "");
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let lines = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")));
    (done.status.success(), lines.collect())
}

on_both_backends! {
    fn a_provider_is_added_shown_changed_and_ended_and_its_secret_is_never_printed(backend) {
        let curfew = prepared(backend);
        let added = add(&curfew, "work", &["--name", "Work", "--domain", "Example.test", "--sign-ups", "invite", "--quarantine"]);
        for (uri, endpoint) in [("callback_uri", "callback"), ("backchannel_logout_uri", "backchannel-logout")] {
            let (issuer, slug) = (curfew.issuer(), "work");
            assert_eq!(added[uri], format!("{issuer}/upstream/{slug}/{endpoint}"));
        }
        assert_eq!(added["has_client_secret"], true);
        let policy = &added["settings"]["policy"];
        assert_eq!((&policy["email_fallback"], &policy["legacy_links"]), (&"first_link".into(), &"confirm".into()));
        assert_eq!((&policy["domains"][0], &policy["sign_ups"]), (&"example.test".into(), &"invite".into()));
        let changed = curfew.cli(&["upstream", "change", "work", "--domain", "none", "--email-fallback", "off", "--quarantine", "false"]);
        let policy = &changed["settings"]["policy"];
        assert_eq!((&policy["domains"], &policy["email_fallback"], &policy["quarantine"]), (&serde_json::json!([]), &"off".into(), &false.into()));
        assert_eq!((&policy["sign_ups"], &changed["epoch"]), (&"invite".into(), &added["epoch"]));
        for step in ["disable", "enable"] {
            let before = curfew.cli(&["upstream", "show", "work"])["epoch"].as_i64();
            curfew.run(&["upstream", step, "work"], "");
            let after = curfew.cli(&["upstream", "show", "work"])["epoch"].as_i64();
            assert_eq!(after, before.map(|epoch| epoch + 1), "{step}");
        }
        curfew.run(&["upstream", "set-secret", "work"], "another-secret\n");
        assert_eq!(curfew.query("SELECT count(*) FROM providers WHERE sealed_client_secret IS NOT NULL"), "1");
        for arguments in [vec!["upstream", "show", "work"], vec!["upstream", "list"], vec!["audit", "search"], vec!["config", "check"]] {
            for json in [&[][..], &["--json"]] {
                let told = curfew.run(&[&arguments[..], json].concat(), "");
                assert!(!told.contains(SECRET) && !told.contains("another-secret"), "{told}");
            }
        }
        curfew.run(&["upstream", "set-secret", "work", "--none"], "");
        assert_eq!(curfew.cli(&["upstream", "show", "work"])["has_client_secret"], false);
        curfew.run(&["upstream", "delete", "work"], "");
        assert_eq!(curfew.cli(&["upstream", "list"]), serde_json::json!([]));
        refused(&curfew, &["upstream", "show", "work"], &["curfew upstream list"]);
        let trail = curfew.cli(&["audit", "search", "--event", "provider."]);
        let mut events: Vec<_> = trail.as_array().expect("rows").iter().map(|row| row["event"].as_str().expect("a word")).collect();
        events.sort_unstable();
        let (changed, status) = ("provider.changed", "provider.status_changed");
        assert_eq!(events, ["provider.added", changed, changed, changed, status, status, status]);
        assert_eq!(trail[0]["authenticated_by"], "command_line");
    }

    fn what_cannot_work_is_refused_with_what_to_do(backend) {
        let curfew = prepared(backend);
        add(&curfew, "work", &[]);
        let new = |options: &[&'static str]| [&["upstream", "add", "new", "--client-id", "x", "--no-client-secret"][..], options].concat();
        let cases: &[(Vec<&str>, &[&str])] = &[
            (new(&[]), &["--issuer: it is missing"]),
            (new(&["--issuer", "http://id.example.test"]), &["--issuer:", "https"]),
            (new(&["--issuer", ISSUER, "--domain", "@example.test"]), &["--domain: `@example.test`", "without the @"]),
            (new(&["--issuer", ISSUER, "--organization", "acme"]), &["--organization:", "GitHub only"]),
            (new(&["--preset", "entra"]), &["--directory: it is missing"]),
            (new(&["--preset", "keycloak", "--domain-name", "sso.example.test"]), &["--realm: it is missing"]),
            (new(&["--preset", "github"]), &["--client-secret-stdin", "GitHub gives no token"]),
            (new(&["--preset", "twitter"]), &["possible values", "google"]),
            (vec!["upstream", "add", "new", "--client-id", "x", "--issuer", ISSUER], &["--client-secret-stdin"]),
            (vec!["upstream", "change", "work", "--domain", "a@b.example"], &["--domain:"]),
            (vec!["upstream", "change", "nope", "--name", "x"], &["curfew upstream list"]),
            (vec!["upstream", "enable", "work"], &["nothing to do"]),
            (vec!["--tenant", "nope", "upstream", "list"], &["no tenant `nope`"]),
        ];
        for (arguments, expected) in cases {
            refused(&curfew, arguments, expected);
        }
    }

    /// B18: the issuer is written byte for byte.
    fn b18_an_issuer_is_kept_byte_for_byte(backend) {
        let curfew = prepared(backend);
        for (slug, issuer) in [("a", "https://Id.example.test/Realm/"), ("b", "https://id.example.test:443/realm/%61"), ("c", ISSUER)] {
            let added = curfew.upstream_add(Registration::new(slug, &[]), "openid", issuer, SECRET);
            assert_eq!(added["issuer"], issuer);
            assert_eq!(curfew.query(&format!("SELECT issuer FROM providers WHERE slug = '{slug}'")), issuer);
        }
        // A discovery document that says another one is found before anybody signs in.
        let world = World::with(Setup::new(backend).with_upstreams());
        let own = world.openid("own", Vec::new(), &[]);
        let tested = world.cli(&["upstream", "test", "own"]);
        assert_eq!(tested["works"], true, "{tested}");
        let slashed = format!("{}/", own.issuer());
        world.run(&["upstream", "change", "own", "--issuer", &slashed], "");
        let done = world.try_cli(&["upstream", "test", "own"], "");
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1), "{told}");
        assert!(told.contains("WRONG") && told.contains("issuer"), "{told}");
    }

    fn a_test_says_in_words_what_is_wrong(backend) {
        let world = World::with(Setup::new(backend).with_upstreams());
        let own = world.openid("own", Vec::new(), &[]);
        let told = world.run(&["upstream", "test", "own"], "");
        assert!(told.contains("ok ") && !told.contains("WRONG") && !told.contains(&own.secret), "{told}");
        own.set_hooks(Hooks::new().jwks(|keys| keys["keys"] = serde_json::json!([])));
        let done = world.try_cli(&["upstream", "test", "own", "--json"], "");
        let tested: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert_eq!((done.status.code(), &tested["works"]), (Some(1), &false.into()), "{tested}");
        refused(&world, &["upstream", "test", "nope"], &["curfew upstream list"]);
    }

    fn the_database_says_what_the_configuration_says_after_each_start(backend) {
        // What the file will say is there from the first command on, because the secret alone describes no provider.
        let setup = Setup::new(backend)
            .env("CURFEW_UPSTREAM_WORK_CLIENT_SECRET", SECRET)
            .env("CURFEW_UPSTREAM_WORK_ISSUER", ISSUER)
            .env("CURFEW_UPSTREAM_WORK_CLIENT_ID", CLIENT_ID);
        let mut curfew = setup.prepare();
        let table = |more: &str| format!("[upstream.work]\nissuer = \"{ISSUER}\"\nclient_id = \"{CLIENT_ID}\"\n{more}");
        describe(&curfew, &table("quarantine = true\n"));
        curfew.start_node(0);
        let shown = curfew.cli(&["upstream", "show", "work"]);
        assert_eq!((&shown["configured"], &shown["has_client_secret"]), (&true.into(), &true.into()), "{shown}");
        assert_eq!(shown["settings"]["policy"]["quarantine"], true);
        // It is changed where it is described.
        for arguments in [
            vec!["upstream", "change", "work", "--name", "x"], vec!["upstream", "delete", "work"], vec!["upstream", "set-secret", "work"],
        ] {
            refused(&curfew, &arguments, &["[upstream.work]"]);
        }
        curfew.run(&["upstream", "disable", "work"], "");
        curfew.stop_node(0);
        describe(&curfew, &table("name = \"Work\"\n"));
        curfew.start_node(0);
        let again = curfew.cli(&["upstream", "show", "work"]);
        assert_eq!((&again["id"], &again["name"], &again["status"]), (&shown["id"], &"Work".into(), &"disabled".into()));
        assert_eq!(again["settings"]["policy"]["quarantine"], false);
        curfew.run(&["upstream", "enable", "work"], "");
        curfew.stop_node(0);
        curfew.start_node(0);
        let trail = curfew.cli(&["audit", "search", "--event", "provider."]);
        let mut details: Vec<_> = trail.as_array().expect("rows").iter().map(|row| row["detail"].as_str().expect("a detail")).collect();
        details.sort_unstable();
        assert_eq!(details, ["work, by the configuration", "work: active", "work: disabled", "work: name quarantine, by the configuration"]);
        assert!(!curfew.log(0).contains(SECRET) && !trail.to_string().contains(SECRET));
        assert!(!curfew.log(0).contains("no longer in the configuration"));
    }

    fn a_provider_that_vanishes_from_the_configuration_stays_and_is_told(backend) {
        let mut curfew = prepared(backend);
        describe(&curfew, &format!("[upstream.work]\nissuer = \"{ISSUER}\"\nclient_id = \"x\"\n"));
        curfew.start_node(0);
        curfew.stop_node(0);
        describe(&curfew, "");
        curfew.start_node(0);
        let log = curfew.log(0);
        assert!(log.contains("no longer in the configuration") && log.contains("curfew upstream disable work --tenant default"), "{log}");
        assert_eq!(curfew.cli(&["upstream", "show", "work"])["status"], "active");
        // What is refused leaves it as it was.
        refused(&curfew, &["upstream", "change", "work", "--domain", "@example.test"], &["--domain:"]);
        refused(&curfew, &["upstream", "set-secret", "work"], &["--client-secret-stdin"]);
        assert_eq!(curfew.cli(&["upstream", "show", "work"])["configured"], true);
        // From now on it is changed here.
        let changed = curfew.cli(&["upstream", "change", "work", "--name", "Work"]);
        assert_eq!((&changed["name"], &changed["configured"]), (&"Work".into(), &false.into()));
        curfew.run(&["upstream", "delete", "work"], "");
    }

    fn what_is_wrong_with_a_provider_in_the_configuration_is_told_and_nothing_starts(backend) {
        let curfew = prepared(backend);
        let table = |more: &str| format!("[upstream.work]\nissuer = \"{ISSUER}\"\nclient_id = \"x\"\nclient_secret = \"{SECRET}\"\n{more}");
        // B45
        describe(&curfew, &table("domains = [\"@example.test\"]\n"));
        refused(&curfew, &["serve"], &["upstream.work.domains", "`@example.test`"]);
        describe(&curfew, &table("isuer = \"x\"\n"));
        refused(&curfew, &["serve"], &["upstream.work.isuer", "did you mean `upstream.work.issuer`"]);
        describe(&curfew, &table("tenant = \"nope\"\n"));
        refused(&curfew, &["serve"], &["[upstream.work]", "no tenant `nope`"]);
        describe(&curfew, &table("kind = \"github\"\nclient_secret_file = \"x\"\n"));
        refused(&curfew, &["config", "check"], &["upstream.work.client_secret_file"]);
        describe(&curfew, &table(""));
        curfew.run(&["config", "check"], "");
        assert_eq!(curfew.query("SELECT count(*) FROM providers"), "0");
    }

    /// B51: told at every start, counted, and found by doctor.
    fn b51_a_dangerous_provider_is_told_counted_and_found(backend) {
        let mut curfew = prepared(backend);
        let dangerous = curfew.try_cli(
            &["upstream", "add", "work", "--issuer", ISSUER, "--client-id", "x", "--no-client-secret", "--dangerous-sign-in-by-email"], "",
        );
        let told = String::from_utf8_lossy(&dangerous.stderr).into_owned();
        assert!(dangerous.status.success() && told.contains("warning: dangerous_sign_in_by_email"), "{told}");
        add(&curfew, "home", &[]);
        let gauge = |curfew: &Curfew| {
            let text = curfew.metrics(0).send(&Request::get("/metrics")).text();
            text.lines().find_map(|line| line.strip_prefix("curfew_upstream_dangerous_providers ")).map(str::to_owned)
        };
        curfew.start_node(0);
        assert_eq!(gauge(&curfew).as_deref(), Some("1"));
        assert!(curfew.log(0).contains("dangerous_sign_in_by_email is set"), "{}", curfew.log(0));
        let doctor = curfew.run(&["doctor"], "");
        assert!(doctor.contains("RISK  the provider work"), "{doctor}");
        let health = curfew.cli(&["doctor"]);
        assert_eq!(health["in_order"], true);
        assert_eq!(health["health"]["dangerous_providers"], serde_json::json!([{ "tenant": "default", "slug": "work" }]));
        curfew.run(&["upstream", "change", "work", "--dangerous-sign-in-by-email", "false"], "");
        curfew.stop_node(0);
        curfew.start_node(0);
        assert_eq!(gauge(&curfew).as_deref(), Some("0"));
        assert!(!curfew.run(&["doctor"], "").contains("RISK"));
    }

    /// B13, B16: rows for legacy accounts are made by the importer, and counted until their people have come.
    fn b13_b16_legacy_accounts_are_imported_and_counted(backend) {
        let curfew = prepared(backend);
        add(&curfew, "work", &[]);
        let text = format!(
            "username,name,email,provider,issuer,subject\n\
             ada,Ada,ada@example.test,work,{ISSUER},00u1\n\
             bob,Bob,bob@example.test,work,,\n\
             carol,Carol,BOB@example.test,work,,\n\
             dan,Dan,dan@example.test,work,{ISSUER}/,00u2\n\
             eve,Eve,eve@example.test,work,,00u1\n\
             fay,Fay,fay@example.test,,,\n"
        );
        let rows = |lines: &[Value]| -> Vec<(String, String)> {
            let rows = lines.iter().filter(|line| line["summary"].is_null());
            rows.map(|row| (row["username"].as_str().expect("a name").to_owned(), row["outcome"].as_str().expect("a word").to_owned())).collect()
        };
        let (fine, dry) = import(&curfew, "people.csv", &text, &["--dry-run"]);
        assert!(!fine, "rows failed");
        assert_eq!(curfew.query("SELECT count(*) FROM users WHERE username IN ('ada', 'bob', 'fay')"), "0");
        assert_eq!(curfew.query("SELECT count(*) FROM links"), "0");
        let (fine, real) = import(&curfew, "people.csv", &text, &[]);
        assert!(!fine);
        assert_eq!(dry[..dry.len() - 1], real[..real.len() - 1], "a dry run tells what would be");
        let expected = [("ada", "added"), ("bob", "added"), ("carol", "failed"), ("dan", "failed"), ("eve", "failed"), ("fay", "added")];
        assert_eq!(rows(&real), expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())));
        assert_eq!(real.last().expect("a summary")["summary"], serde_json::json!({ "added": 3, "linked": 0, "same": 0, "failed": 3 }));
        // Nothing of a row that failed is left.
        assert_eq!(curfew.query("SELECT count(*) FROM users WHERE username IN ('carol', 'dan', 'eve')"), "0");
        assert_eq!(curfew.query("SELECT count(*) FROM links"), "2");
        assert_eq!(curfew.query("SELECT count(*) FROM links WHERE issuer = '' AND subject = ''"), "1");
        assert_eq!(curfew.query(&format!("SELECT count(*) FROM links WHERE issuer = '{ISSUER}' AND subject = '00u1'")), "1");
        let again: String = text.lines().filter(|line| ["user", "ada,", "bob,", "fay,"].iter().any(|start| line.starts_with(start))).map(|line| format!("{line}\n")).collect();
        let (fine, same) = import(&curfew, "again.csv", &again, &[]);
        assert!(fine && rows(&same).iter().all(|(_, outcome)| outcome == "same"), "{same:?}");
        let doctor = curfew.run(&["doctor"], "");
        assert!(doctor.contains("note  1 imported links at work"), "{doctor}");
        assert_eq!(curfew.cli(&["doctor"])["health"]["empty_links"], serde_json::json!([{ "tenant": "default", "provider": "work", "links": 1 }]));
        let shown = curfew.cli(&["upstream", "show", "work"]);
        assert_eq!(shown["links"], serde_json::json!({ "bound": 1, "empty": 1 }));
        let trail = curfew.cli(&["audit", "search", "--user", "bob"]);
        let mut events: Vec<_> = trail.as_array().expect("rows").iter().map(|row| row["event"].as_str().expect("a word")).collect();
        events.sort_unstable();
        assert_eq!(events, ["identity.linked", "user.added"]);
        curfew.run(&["doctor", "--invariants"], "");
        curfew.run(&["audit", "verify"], "");
    }

    /// The same by JSON, beside a running server; and a password that was hashed elsewhere.
    fn imported_people_sign_in_with_the_password_that_they_had(backend) {
        let world = World::start(backend);
        add(&world, "work", &[]);
        let people = serde_json::json!([
            { "username": "zoe", "email": "zoe@example.test", "password_hash": HASH, "links": [{ "provider": "work" }] },
            { "username": "yan", "password_hash": HASH, "status": "suspended" },
            { "username": "ada", "email": "ada@example.test", "links": [{ "provider": "work", "subject": "1" }] },
        ]);
        let (fine, rows) = import(&world, "people.json", &people.to_string(), &[]);
        assert!(fine, "{rows:?}");
        let outcomes: Vec<_> = rows.iter().filter_map(|row| row["outcome"].as_str()).collect();
        assert_eq!(outcomes, ["added", "added", "linked"]);
        assert!(!format!("{rows:?}").contains("argon2id"));
        assert_eq!(world.browser().sign_in("zoe", conformance_tests::PASSWORD).status, 303);
        assert_ne!(world.browser().sign_in("yan", conformance_tests::PASSWORD).status, 303);
    }

    /// B17: the links move by one command, all of them or none.
    fn b17_links_are_moved_to_another_issuer_by_one_command(backend) {
        let curfew = prepared(backend);
        add(&curfew, "work", &[]);
        let text = "username,provider,subject\nada,work,1\nbob,work,2\ncarol,work,\n";
        assert!(import(&curfew, "people.csv", text, &[]).0);
        let new = format!("{ISSUER}/");
        let (old, new) = (ISSUER, new.as_str());
        refused(&curfew, &["upstream", "rebind-issuer", "work", "https://a.example", "https://b.example"], &["neither of the two"]);
        refused(&curfew, &["upstream", "rebind-issuer", "work", old, old], &["the same"]);
        let dry = curfew.cli(&["upstream", "rebind-issuer", "work", old, new, "--dry-run"]);
        assert_eq!((&dry["links"], &dry["dry_run"]), (&2.into(), &true.into()));
        let under = |issuer: &str| curfew.query(&format!("SELECT count(*) FROM links WHERE issuer = '{issuer}'"));
        assert_eq!((under(old), under(new)), ("2".to_owned(), "0".to_owned()));
        assert_eq!(curfew.cli(&["upstream", "show", "work"])["issuer"], old);
        let done = curfew.cli(&["upstream", "rebind-issuer", "work", old, new]);
        assert_eq!(done["links"], 2);
        assert_eq!((under(old), under(new), under("")), ("0".to_owned(), "2".to_owned(), "1".to_owned()));
        assert_eq!(curfew.cli(&["upstream", "show", "work"])["issuer"], new);
        let trail = curfew.cli(&["audit", "search", "--event", "provider.rebound"]);
        assert_eq!(trail.as_array().map(Vec::len), Some(1), "the dry run leaves no row");
        assert_eq!(trail[0]["detail"], format!("work: 2 links from {old} to {new}"));
        // After a change of the issuer alone, the links stay where they are, which is told with the command that moves them.
        let changed = curfew.try_cli(&["upstream", "change", "work", "--issuer", old], "");
        let told = String::from_utf8_lossy(&changed.stderr).into_owned();
        assert!(told.contains(&format!("curfew upstream rebind-issuer work {new} {old}")), "{told}");
        assert!(told.contains("every session that was born through work was ended"), "{told}");
        assert_eq!(under(new), "2");
        assert_eq!(curfew.cli(&["upstream", "rebind-issuer", "work", new, old])["links"], 2);
    }

    /// B28, B37: an administrator binds and takes away; nobody moves a link.
    fn b28_b37_an_administrator_binds_an_identity_and_takes_it_away(backend) {
        let world = World::start(backend);
        world.add_user("eve");
        add(&world, "work", &[]);
        let link = |name: &str| ["user", "link", name, "--provider", "work", "--issuer", ISSUER, "--subject", "00u1"].map(str::to_owned);
        let run = |name: &str| { let arguments = link(name); world.try_cli(&arguments.each_ref().map(String::as_str), "") };
        assert!(run("ada").status.success());
        let shown = world.cli(&["user", "show", "ada"]);
        let bound = &shown["links"][0];
        assert_eq!((&bound["provider"], &bound["subject"]["subject"]), (&"work".into(), &"00u1".into()), "{shown}");
        let id = bound["id"].as_str().expect("an id").to_owned();
        let row = world.query("SELECT count(*) FROM links WHERE status = 1");
        refused(&world, &link("eve").each_ref().map(String::as_str), &["user `ada`", "curfew user unlink"]);
        assert_eq!(world.query("SELECT count(*) FROM links WHERE status = 1"), row);
        refused(&world, &["user", "unlink", "eve", &id], &["no such link"]);
        world.run(&["user", "unlink", "ada", &id], "");
        assert!(run("eve").status.success());
        assert!(world.run(&["user", "show", "ada"], "").contains("taken away"));
        for name in ["ada", "eve"] {
            let trail = world.cli(&["audit", "search", "--user", name, "--event", "identity."]);
            assert_eq!(trail[0]["authenticated_by"], "command_line", "{trail}");
        }
        refused(&world, &["user", "lift-quarantine", "ada"], &["nothing to do"]);
    }
}
