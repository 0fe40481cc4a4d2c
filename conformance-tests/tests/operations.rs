//! Operating the server: limits, secrets, clean-up, backup, and the command line beside a running server.

use std::time::{Duration, Instant};

use conformance_tests::{Backend, PASSWORD, Setup, Tokens, World, on_both_backends};

on_both_backends! {
    /// C11, C12: lowering a maximum acts on old tokens; raising it revives none.
    fn c11_c12_a_tenants_maximum_acts_on_old_tokens_and_never_lengthens_them(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let exp = |token: &str| world.introspect(token)["exp"].as_i64().expect("exp");
        let (before, _) = (exp(&tokens.access), world.run(&["tenant", "change", "default", "--max-access-token", "300"], ""));
        assert_eq!(before - exp(&tokens.access), 300);
        let capped = world.http().client_credentials(&world.robot).expect(200);
        assert_eq!(capped.json()["expires_in"], 300);
        // C12
        world.run(&["tenant", "change", "default", "--max-access-token", "none"], "");
        assert_eq!(before - exp(&tokens.access), 300);
    }

    /// Two live secrets for the overlap, then one.
    fn client_secrets_overlap_when_they_are_rotated(backend) {
        let world = World::start(backend);
        let old = world.robot.clone();
        let rotated = world.cli(&["client", "rotate-secret", "robot"]);
        let mut new = old.clone();
        new.secret = rotated["client_secret"].as_str().map(str::to_owned);
        assert_ne!(new.secret, old.secret);
        for robot in [&old, &new] {
            world.http().client_credentials(robot).expect(200);
        }
        let again = world.cli(&["client", "rotate-secret", "robot"]);
        new.secret = again["client_secret"].as_str().map(str::to_owned);
        world.http().client_credentials(&new).expect(200);
        world.http().client_credentials(&old).expect_error(401, "invalid_client");
    }

    /// F07
    fn f07_lineage_tells_the_whole_tree(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let id = tokens.access[5..27].to_owned();
        let tree = world.cli(&["token", "lineage", &id]).to_string();
        for word in ["session", "approval", "family", &id] {
            assert!(tree.contains(word), "{word} is missing in {tree}");
        }
        assert!(!tree.contains(&tokens.access[27..71]), "the secret is told: {tree}");
        // A30: what a token was, and why it is dead.
        world.revoke(&world.web, &tokens.access).expect(200);
        let told = world.cli(&["token", "inspect", &id]).to_string();
        assert!(told.contains("ada") && told.contains("web"), "{told}");
    }

    /// D05: one session of several.
    fn d05_an_operator_ends_one_session_and_leaves_the_others(backend) {
        let world = World::start(backend);
        let (mut one, mut other) = (world.signed_in("ada"), world.signed_in("ada"));
        assert!(one.is_signed_in() && other.is_signed_in());
        let list = world.cli(&["session", "list", "--user", "ada"]);
        let sessions = list.as_array().or_else(|| list["sessions"].as_array()).unwrap_or_else(|| panic!("{list}"));
        assert_eq!(sessions.len(), 2, "{list}");
        let id = sessions[0]["id"].as_str().or_else(|| sessions[0]["session_id"].as_str()).unwrap_or_else(|| panic!("{list}"));
        world.run(&["session", "end", id], "");
        let alive = [one.is_signed_in(), other.is_signed_in()];
        assert_eq!(alive.iter().filter(|alive| **alive).count(), 1, "{alive:?}");
    }

    /// A29: nothing of a deleted user was used after the deletion; `doctor` proves the three invariants.
    fn a29_doctor_finds_nothing_wrong(backend) {
        let world = World::start(backend);
        world.tokens(&mut world.browser(), &world.web);
        world.run(&["user", "delete", "ada"], "");
        world.run(&["doctor"], "");
        world.run(&["doctor", "--invariants"], "");
    }

    /// E14, A30: what was used, when and where, is in every listing once a server has told it; it tells at the latest when it ends.
    fn e14_a30_an_orderly_end_tells_every_last_use(backend) {
        let mut world = World::start(backend);
        let mut browser = world.browser();
        let first = world.tokens(&mut browser, &world.web);
        world.assert_alive(&first.access);
        let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
        let robot = world.robot_token();
        world.revoke(&world.web, &second.access).expect(200);
        world.assert_dead(&second.access);
        for node in 0..world.node_count() {
            assert_eq!(world.stop_node(node), Some(0));
        }
        let id = |token: &str| token[5..27].to_owned();
        let list = world.cli(&["token", "list", "--user", "ada"]);
        let rows = list.as_array().expect("a list");
        let used = |found: &dyn Fn(&serde_json::Value) -> bool| {
            let row = rows.iter().find(|row| found(row)).unwrap_or_else(|| panic!("{list}"));
            row["last_used_at"].as_i64()
        };
        assert!(used(&|row| row["id"] == id(&first.access)).is_some(), "{list}");
        assert_eq!(used(&|row| row["id"] == id(&second.access)), None, "it was dead when somebody asked: {list}");
        assert!(used(&|row| row["kind"] == "refresh_family").is_some(), "{list}");
        let sessions = world.cli(&["session", "list", "--user", "ada"]);
        assert!(sessions[0]["last_used_at"].is_i64(), "{sessions}");
        let told = world.cli(&["token", "inspect", &id(&first.access)]);
        assert_eq!(told["last_used_for"], world.api.identifier, "{told}");
        let tree = world.cli(&["token", "lineage", &id(&robot)]);
        let [grant, token] = [&tree[0], &tree[1]];
        assert!(grant["last_used_at"].is_i64() && token["last_used_at"].is_null(), "{tree}");
        for arguments in [["token", "list", "--user", "ada"], ["session", "list", "--user", "ada"]] {
            let text = world.run(&arguments, "");
            assert!(text.contains("LAST USED"), "{text}");
        }
        let text = world.run(&["token", "inspect", &id(&robot)], "");
        assert!(text.contains("last used  never"), "{text}");
        world.run(&["doctor", "--invariants"], "");
    }

    /// A30: a crash may lose which tokens were used in the last minute, and loses nothing else.
    fn a30_a_crash_loses_no_more_than_the_last_minutes_uses(backend) {
        let mut world = World::start(backend);
        let mut browser = world.browser();
        let tokens = world.tokens(&mut browser, &world.web);
        world.assert_alive(&tokens.access);
        for node in 0..world.node_count() {
            world.kill_node(node);
        }
        let sessions = world.cli(&["session", "list", "--user", "ada"]);
        assert!(sessions[0]["last_used_at"].is_i64(), "a sign-in is on disk: {sessions}");
        for node in 0..world.node_count() {
            world.start_node(node);
        }
        world.assert_alive(&tokens.access);
        assert!(browser.is_signed_in());
        Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        world.run(&["doctor", "--invariants"], "");
    }

    fn every_listing_and_page_of_the_command_line_answers(backend) {
        let world = World::start(backend);
        for arguments in [
            vec!["tenant", "list"], vec!["tenant", "show", "default"], vec!["client", "list"], vec!["client", "show", "web"], vec!["resource", "list"],
            vec!["resource", "show", "api"], vec!["scope", "list"], vec!["scope", "show", "notes"], vec!["user", "list"], vec!["user", "show", "ada"],
            vec!["token", "list", "--user", "ada"], vec!["token", "list", "--client", "web"], vec!["session", "list", "--user", "ada"], vec!["doctor"], vec!["gc"],
        ] {
            world.cli(&arguments);
            let text = world.run(&arguments, "");
            assert!(!text.contains("cfcs_"), "{arguments:?}: {text}");
        }
        world.run(&["config", "reference"], "");
        world.run(&["completions", "bash"], "");
        world.run(&["migrate", "--plan"], "");
        for arguments in [["user", "show", "nobody"], ["client", "show", "nobody"], ["tenant", "show", "nobody"], ["token", "inspect", "nonsense"]] {
            let done = world.try_cli(&arguments, "");
            let told = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(!done.status.success() && !told.contains("panicked"), "{arguments:?}: {told}");
        }
    }

    /// An invitation, as handed over where no mail is configured: it sets the password once.
    fn an_invitation_sets_the_password_once(backend) {
        let world = World::start(backend);
        let added = world.cli(&["user", "add", "eve", "--email", "eve@example.test"]);
        let link = added["invitation_url"].as_str().unwrap_or_else(|| panic!("{added}")).to_owned();
        let mut browser = world.browser();
        let page = browser.get(&link).expect(200);
        let refused = browser.submit(&page, &[("password", PASSWORD), ("password_again", "something else")]);
        assert_ne!(refused.status, 303, "{refused:?}");
        let page = browser.get(&link).expect(200);
        let answer = browser.submit(&page, &[("password", PASSWORD), ("password_again", PASSWORD)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(world.browser().sign_in("eve", PASSWORD).status, 303);
        let again = world.browser().get(&link);
        assert!(!again.text().contains("password-submit"), "{again:?}");
    }

    /// The bootstrap secret makes the first administrator, once.
    fn b46_the_bootstrap_secret_is_good_once(backend) {
        let world = World::start(backend);
        let init = world.init().to_string();
        let from = init.find("cfbs_").unwrap_or_else(|| panic!("no bootstrap secret in {init}"));
        let secret: String = init[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let make = |secret: &str, name: &str| {
            let mut browser = world.browser();
            let page = browser.get("/bootstrap");
            if page.status != 200 || !page.text().contains("bootstrap-submit") {
                return page;
            }
            let email = format!("{name}@example.test");
            browser.submit(&page, &[("secret", secret), ("username", name), ("email", &email), ("password", PASSWORD), ("password_again", PASSWORD)])
        };
        assert_ne!(make("cfbs_wrong", "mallory").status, 303);
        let made = make(&secret, "root");
        assert_eq!(made.status, 303, "{made:?}");
        assert_ne!(make(&secret, "mallory").status, 303);
        assert_eq!(world.query("SELECT count(*) FROM users WHERE username = 'mallory'"), "0");
        let shown = world.cli(&["user", "show", "root"]);
        assert_eq!(shown["administrator"], true, "{shown}");
    }

    /// B29: one address, one account, however it is written.
    fn b29_two_users_never_share_an_address_in_different_case(backend) {
        let world = World::start(backend);
        world.run(&["user", "add", "one", "--email", "Person@Example.test"], "");
        let done = world.try_cli(&["user", "add", "two", "--email", "person@example.TEST"], "");
        assert!(!done.status.success());
    }
}

/// D12: what was revoked after the backup stays revoked.
#[test]
fn d12_a_restored_backup_brings_nothing_back() {
    let mut world = World::start(Backend::Sqlite);
    let (revoked, kept) = (
        world.tokens(&mut world.browser(), &world.web),
        world.tokens(&mut world.browser(), &world.web),
    );
    let file = world.folder().join("backup.db").display().to_string();
    world.run(&["backup", &file], "");
    world.revoke(&world.web, revoked.refresh()).expect(200);
    world.assert_alive(&kept.access);
    world.stop_node(0);
    let done = world.try_cli(&["restore", &file], "");
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    world.start_node(0);
    world.assert_dead(&revoked.access);
    world
        .refresh(&world.web, revoked.refresh())
        .expect_error(400, "invalid_grant");
    let fresh = world.tokens(&mut world.browser(), &world.web);
    world.assert_alive(&fresh.access);
}

/// D12: a database that was put back behind the server's back is not served.
#[test]
fn d12_a_database_behind_its_high_water_mark_is_refused() {
    let mut world = World::start(Backend::Sqlite);
    let file = world.folder().join("backup.db").display().to_string();
    world.run(&["backup", &file], "");
    world.stop_node(0);
    world.run(&["restore", &file], "");
    // The restored database is good; an older copy in its place is not.
    let database = world
        .database_url()
        .trim_start_matches("sqlite:")
        .to_owned();
    for leftover in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{database}{leftover}"));
    }
    std::fs::copy(&file, &database).expect("the old copy");
    let done = world.try_cli(&["doctor"], "");
    assert!(
        !done.status.success(),
        "a database from before the restore is content"
    );
}

/// D11: what was cleaned away never comes back, and what lives is left alone.
#[test]
fn d11_cleaning_up_resurrects_nothing() {
    let world = World::with(Setup::new(Backend::Sqlite).time_travel());
    let old = world.tokens(&mut world.browser(), &world.web);
    let mut long = world.tokens(&mut world.browser(), &world.web);
    world.revoke(&world.web, old.refresh()).expect(200);
    world.advance(20 * 86_400);
    long = Tokens::of(&world.refresh(&world.web, long.refresh()));
    world.run(&["gc"], "");
    world.assert_dead(&old.access);
    world
        .refresh(&world.web, old.refresh())
        .expect_error(400, "invalid_grant");
    world.assert_alive(&long.access);
    let next = Tokens::of(&world.refresh(&world.web, long.refresh()));
    // The replay of a token from before the clean-up still ends the family.
    world.advance(11);
    world
        .refresh(&world.web, long.refresh())
        .expect_error(400, "invalid_grant");
    world.assert_dead(&next.access);
    world.run(&["doctor", "--invariants"], "");
}

/// Section 3, sessions; D06, D07, D21: idle for an hour, or twelve hours in any case.
#[test]
fn d06_d07_d21_sessions_end_when_idle_and_at_their_absolute_end() {
    let world = World::with(Setup::new(Backend::Sqlite).time_travel());
    let (mut idle, mut busy) = (world.signed_in("ada"), world.signed_in("ada"));
    for _ in 0..13 {
        world.advance(3_000);
        assert!(busy.is_signed_in());
    }
    assert!(!idle.is_signed_in());
    // D06: 13 × 50 minutes have passed; at twelve hours it is over, however busy.
    world.advance(3_000);
    assert!(busy.is_signed_in());
    world.advance(43_200 - 14 * 3_000);
    assert!(!busy.is_signed_in());
}

/// A06, E14: whoever neither signs in nor uses anything for long becomes dormant by itself, and wakes by signing in.
#[test]
fn e14_a06_people_who_stay_away_become_dormant_and_wake_when_they_sign_in() {
    let setup = Setup::new(Backend::Sqlite)
        .time_travel()
        .env("CURFEW_LIFETIMES_DORMANCY", "86400");
    let mut world = World::with(setup);
    world.add_user("bob");
    let mut away = world.signed_in("ada");
    let tokens = world.tokens(&mut world.browser(), &world.web);
    world.advance(86_400);
    world.signed_in("bob");
    world.stop_node(0);
    world.start_node(0);
    let status = |name: &str| world.cli(&["user", "show", name])["status"].clone();
    let began = Instant::now();
    while status("ada") == "active" && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(
        (status("ada"), status("bob")),
        ("dormant".into(), "active".into())
    );
    world
        .refresh(&world.web, tokens.refresh())
        .expect_error(400, "invalid_grant");
    assert!(!away.is_signed_in());
    away.sign_in("ada", PASSWORD);
    assert!(away.is_signed_in());
    assert_eq!(status("ada"), "active");
    world
        .refresh(&world.web, tokens.refresh())
        .expect_error(400, "invalid_grant");
    world.run(&["doctor", "--invariants"], "");
}

/// Keys and configuration are nobody else's to read; init never overwrites.
#[test]
fn init_writes_private_keys_and_never_overwrites() {
    use std::os::unix::fs::PermissionsExt as _;
    let curfew = Setup::new(Backend::Sqlite).prepare();
    let keys: Vec<_> = std::fs::read_dir(curfew.state().join("keys"))
        .expect("the keys")
        .flatten()
        .collect();
    assert!(!keys.is_empty());
    for key in keys {
        let mode = key.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", key.path());
    }
    let folder = curfew.state().display().to_string();
    let again = curfew.try_cli(
        &[
            "init",
            "--dir",
            &folder,
            "--issuer",
            curfew.issuer(),
            "--database",
            curfew.database_url(),
        ],
        "",
    );
    assert!(!again.status.success(), "init wrote over an installation");
}
