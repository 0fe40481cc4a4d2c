//! Requirements 1.F: the audit trail.

use conformance_tests::{Backend, PASSWORD, Setup, Tokens, World, on_both_backends};

fn rows(world: &World) -> u64 {
    world
        .query("SELECT count(*) FROM audit")
        .parse()
        .expect("a count")
}

on_both_backends! {
    /// F04: every route that changes something leaves a row. A new route that changes something belongs into this test.
    fn f04_every_change_by_a_route_leaves_an_audit_row(backend) {
        let setup = Setup::new(backend).env("CURFEW_MAIL_SMTP_URL", "smtp://127.0.0.1:9");
        let world = World::with(setup.env("CURFEW_MAIL_FROM", "no-reply@example.test"));
        let mut browser = world.browser();
        let mut last = rows(&world);
        let mut leaves_a_row = |what: &str| {
            let now = rows(&world);
            assert!(now > last, "{what} left no audit row");
            last = now;
        };
        browser.sign_in("ada", PASSWORD);
        leaves_a_row("POST /login");
        let page = browser.consent_page(&world.request(&world.app));
        let approved = browser.submit(&page, &[("decision", "approve")]);
        leaves_a_row("POST /consent, approve");
        assert_eq!(approved.status, 303);
        let page = browser.consent_page(&world.request(&world.add_app("second")));
        leaves_a_row("client add");
        browser.submit(&page, &[("decision", "deny")]);
        leaves_a_row("POST /consent, deny");
        let code = world.code(&mut browser, &world.web);
        let tokens = Tokens::of(&world.redeem(&world.web, &code));
        leaves_a_row("POST /token, code");
        let tokens = Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        leaves_a_row("POST /token, refresh");
        world.robot_token();
        leaves_a_row("POST /token, client credentials");
        world.redeem(&world.web, &code).expect_error(400, "invalid_grant");
        leaves_a_row("POST /token, a replayed code");
        world.revoke(&world.web, &tokens.access).expect(200);
        let robot_token = world.robot_token();
        leaves_a_row("POST /token");
        world.revoke(&world.robot, &robot_token).expect(200);
        leaves_a_row("POST /revoke");
        world.browser().sign_in("ada", "a wrong password");
        leaves_a_row("POST /login, a wrong password");
        let page = browser.get("/account").expect(200);
        let new = "a completely different passphrase";
        browser.submit(&page, &[("current_password", PASSWORD), ("password", new), ("password_again", new)]);
        leaves_a_row("POST /account/password");
        browser.sign_out();
        leaves_a_row("POST /logout");
        let page = browser.get("/login/forgot").expect(200);
        browser.submit(&page, &[("username", "ada")]);
        leaves_a_row("POST /login/forgot");
        // Without an address the link is handed over.
        world.run(&["user", "change", "ada", "--no-email"], "");
        leaves_a_row("user change");
        let invited = world.cli(&["user", "invite", "ada"]);
        leaves_a_row("user invite");
        let link = invited["invitation_url"].as_str().expect("a link").to_owned();
        let page = browser.get(&link).expect(200);
        browser.submit(&page, &[("password", PASSWORD), ("password_again", PASSWORD)]);
        leaves_a_row("POST /login/password");
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
                "INSERT INTO audit (id, at, event, outcome, authenticated_by, credential_id) VALUES ({id}, 0, 1, 1, {by}, {credential})"
            )
        };
        for (by, credential) in [(0, id), (1, id), (2, "NULL"), (3, "NULL"), (4, "NULL"), (5, "NULL"), (6, "NULL")] {
            let refused = world.try_query(&row(by, credential)).expect_err("the row is refused");
            assert!(refused.to_lowercase().contains("check"), "{refused}");
        }
        world.try_query(&row(0, "NULL")).expect("nobody has no credential");
    }

    /// F05: what cannot be written down is not done.
    fn f05_without_an_audit_row_there_is_no_token_and_no_revocation(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let tokens = world.query("SELECT count(*) FROM tokens");
        let block = match backend {
            Backend::Sqlite => "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no audit'); END",
            Backend::Postgres => "ALTER TABLE audit ADD CONSTRAINT broken CHECK (false) NOT VALID",
        };
        world.query(block);
        for answer in [world.http().client_credentials(&world.robot), world.revoke(&world.robot, &token)] {
            assert!([500, 503].contains(&answer.status), "{answer:?}");
            assert!(!answer.text().contains("audit"), "{answer:?}");
        }
        assert_eq!(world.query("SELECT count(*) FROM tokens"), tokens);
        let mend = match backend {
            Backend::Sqlite => "DROP TRIGGER broken",
            Backend::Postgres => "ALTER TABLE audit DROP CONSTRAINT broken",
        };
        world.query(mend);
        world.assert_alive(&token);
        world.revoke(&world.robot, &token).expect(200);
        world.assert_dead(&token);
    }
}
