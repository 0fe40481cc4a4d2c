//! Signing in through GitHub and GitHub Enterprise Server: who somebody is, is their number, and nothing that is not answered is taken for
//! a yes.

use std::time::Duration;

use conformance_tests::github::{Address, GitHub, Member};
use conformance_tests::stub::Reply;
use conformance_tests::upstream::{CLIENT_ID, Registration, Upstream};
use conformance_tests::{Backend, Setup, World, on_both_backends};
use demo_provider::Answer;
use serde_json::{Value, json};

const OPEN: &[&str] = &["--sign-ups", "on"];

fn world(backend: Backend) -> World {
    // A call may take a second, so that the tests of those that take too long need not wait for five.
    World::with(
        Setup::new(backend)
            .with_upstreams()
            .env("CURFEW_LIFETIMES_OUTBOUND_CALL", "1"),
    )
}

/// Lets `login` in; the answer is who that is here, by the tokens that they get.
#[track_caller]
fn let_in(world: &World, hub: &Upstream<GitHub>, login: &str) -> String {
    let tokens = world.tokens(&mut world.let_in(hub, login), &world.web);
    let told = world.introspect(&tokens.access);
    told["sub"].as_str().expect("a subject").to_owned()
}

fn address(email: &str, primary: bool, verified: bool) -> Address {
    Address {
        email: email.to_owned(),
        primary,
        verified,
    }
}

/// What the only link of `name` is bound to.
#[track_caller]
fn bound_to(world: &World, name: &str) -> Value {
    let links = world.shown_links(name);
    assert_eq!(links.len(), 1, "{links:?}");
    links[0]["subject"].clone()
}

fn subject(issuer: &str, id: &str) -> Value {
    json!({ "issuer": issuer, "subject": id })
}

/// The trail says who was not let in at whose account, and the log warns.
#[track_caller]
fn assert_written_down(world: &World, victim: &str) {
    let trail = world.cli(&[
        "audit",
        "search",
        "--user",
        victim,
        "--event",
        "identity.refused",
    ]);
    let detail = trail[0]["detail"].as_str().unwrap_or_default();
    assert!(
        detail.starts_with("identity_already_bound hub sub="),
        "{trail}"
    );
    let log = world.log(0);
    let warned = log
        .lines()
        .find(|line| line.contains("an upstream identity was refused"));
    let warned = warned.unwrap_or_else(|| panic!("{log}"));
    assert!(
        warned.to_lowercase().contains("warn") && warned.contains("identity_already_bound"),
        "{warned}"
    );
}

/// Coder's fix, by its scenarios: a verified address of an account that another number is bound to.
fn blocked_by_existing_link(backend: Backend, sign_ups: &str) {
    let world = world(backend);
    world.add_bare_user("vic");
    let members = vec![
        Member::new(100, "vic", "vic@example.test"),
        Member::new(200, "mallory", "vic@example.test"),
    ];
    let hub = world.github("hub", members, &["--sign-ups", sign_ups]);
    let vic = let_in(&world, &hub, "vic");
    world.turned_away(&hub, "mallory", (403, "identity_already_bound"));
    assert_written_down(&world, "vic");
    // Who is bound goes on as before.
    assert_eq!(let_in(&world, &hub, "vic"), vic);
}

on_both_backends! {
    fn b23_github_blocked_by_existing_link_with_sign_ups_on(backend) { blocked_by_existing_link(backend, "on") }
    fn b23_github_blocked_by_existing_link_with_sign_ups_off(backend) { blocked_by_existing_link(backend, "off") }

    /// B11: an account that an administrator made is bound at once, to exactly the number.
    fn b11_github_first_time_link_allowed(backend) {
        let world = world(backend);
        let id = world.add_bare_user("vic");
        let hub = world.github("hub", vec![Member::new(100, "octo", "vic@example.test")], &[]);
        assert_eq!(let_in(&world, &hub, "octo"), id);
        assert_eq!(bound_to(&world, "vic"), subject(&hub.origin(), "100"));
        assert_eq!(world.query("SELECT issuer, subject FROM links"), format!("{}|100", hub.origin()));
        assert_eq!(let_in(&world, &hub, "octo"), id);
        assert_eq!(world.count("links"), 1);
    }

    /// B12: for an account with a password the address is not enough.
    fn b12_github_asks_whose_an_account_with_a_password_is(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "ada@example.test")], OPEN);
        world.asked_for_proof(&hub, "octo");
    }

    /// B13: the imported link gets exactly the number, and from then on the address is not asked.
    fn b13_github_legacy_backfill(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "vic@example.test")], &["--legacy-links", "backfill"]);
        world.import_people(&json!([{ "username": "vic", "email": "vic@example.test", "links": [{ "provider": "hub" }] }]));
        assert_eq!(world.query("SELECT issuer, subject FROM links"), "|");
        let vic = let_in(&world, &hub, "octo");
        assert_eq!(world.query("SELECT issuer, subject FROM links"), format!("{}|100", hub.origin()));
        assert_eq!(bound_to(&world, "vic"), subject(&hub.origin(), "100"));
        hub.members(|all| all[0].addresses = vec![address("other@example.test", true, false)]);
        assert_eq!(let_in(&world, &hub, "octo"), vic);
        // Somebody else with the address comes too late.
        hub.members(|all| all.push(Member::new(200, "mallory", "vic@example.test")));
        world.turned_away(&hub, "mallory", (403, "identity_already_bound"));
    }

    /// B17: the same number at another address of the site is nobody that we know, until an administrator says so.
    fn b17_github_blocked_by_issuer_change(backend) {
        let world = world(backend);
        world.add_bare_user("vic");
        let hub = world.github("hub", vec![Member::new(100, "octo", "vic@example.test")], OPEN);
        let vic = let_in(&world, &hub, "octo");
        let callback = Registration::new("hub", OPEN).callback(&world);
        let moved = GitHub::start(vec![Member::new(100, "octo", "vic@example.test")], CLIENT_ID, &hub.secret, &callback);
        let (old, new) = (hub.origin(), moved.origin());
        world.run(&["upstream", "change", "hub", "--issuer", &new], "");
        world.turned_away(&hub, "octo", (403, "identity_already_bound"));
        assert_eq!(bound_to(&world, "vic"), subject(&old, "100"));
        world.run(&["upstream", "rebind-issuer", "hub", &old, &new], "");
        assert_eq!(let_in(&world, &hub, "octo"), vic);
        assert_eq!(bound_to(&world, "vic"), subject(&new, "100"));
    }

    fn b21_a_renamed_login_is_the_same_account(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "octo@example.test")], OPEN);
        let first = let_in(&world, &hub, "octo");
        let users = world.count("users");
        hub.members(|all| all[0].login = "kraken".to_owned());
        assert_eq!(let_in(&world, &hub, "kraken"), first);
        assert_eq!((world.count("users"), world.count("links")), (users, 1));
        // The new name is shown to its owner.
        assert_eq!(world.query("SELECT display, subject FROM links"), "kraken|100");
    }

    fn b22_a_freed_login_that_another_person_took_is_another_identity(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "octo@example.test")], OPEN);
        let first = let_in(&world, &hub, "octo");
        hub.members(|all| {
            all[0].login = "kraken".to_owned();
            all.push(Member::new(200, "octo", "squid@example.test"));
        });
        let second = let_in(&world, &hub, "octo");
        assert_ne!(second, first);
        assert_eq!(let_in(&world, &hub, "kraken"), first);
        assert_eq!(world.query("SELECT subject FROM links ORDER BY subject"), "100\n200");
    }

    /// B24: a number that many would share is nobody's.
    fn b24_a_number_that_is_none_is_refused(backend) {
        let world = world(backend);
        world.add_bare_user("vic");
        let hub = world.github("hub", vec![Member::new(1, "octo", "vic@example.test")], OPEN);
        let beyond = (1_u64 << 53) + 1;
        for id in [json!(0), json!(null), json!("100"), json!(-1), json!(beyond), json!(u64::MAX), json!(1.5), json!(true), json!([1]), json!({})] {
            hub.members(|all| all[0].id = id);
            world.turned_away(&hub, "octo", (400, "upstream_answer_invalid"));
        }
        hub.replace_json("/user", 200, json!({ "login": "octo", "name": null }));
        world.turned_away(&hub, "octo", (400, "upstream_answer_invalid"));
        hub.replace("/user", |_| Answer::new(200, "application/json", r#"{"login":"octo","id":1,"id":2}"#).into());
        world.turned_away(&hub, "octo", (400, "upstream_answer_invalid"));
        // The same person with a number is let in: it was the number.
        hub.honest();
        hub.members(|all| all[0].id = json!(7));
        let_in(&world, &hub, "octo");
        assert_eq!(world.query("SELECT subject FROM links"), "7");
    }

    /// B25: only the one address that is primary, verified and a mailbox chooses an account.
    fn b25_no_other_address_than_the_primary_verified_one_counts(backend) {
        let world = world(backend);
        let vic = world.add_bare_user("vic");
        let hub = world.github("hub", vec![Member::new(100, "octo", "vic@example.test")], &[]);
        let own = "vic@example.test";
        for addresses in [
            vec![address(own, true, false)],
            vec![address(own, false, true)],
            vec![address(own, false, true), address("else@example.test", true, false)],
            vec![address(own, true, true), address("else@example.test", true, true)],
            Vec::new(),
        ] {
            hub.members(|all| all[0].addresses = addresses);
            world.turned_away(&hub, "octo", (403, "sign_ups_off"));
        }
        // With sign-ups an account without an address is made, beside the one that has it.
        world.run(&["upstream", "change", "hub", "--sign-ups", "on"], "");
        hub.members(|all| all[0].addresses = vec![address(own, false, true)]);
        assert_ne!(let_in(&world, &hub, "octo"), vic);
        assert_eq!(world.query("SELECT count(*) FROM users WHERE email_key = 'vic@example.test'"), "1");
        assert_eq!(world.query("SELECT count(*) FROM users WHERE email IS NULL"), "1");
        // Nor is the address that GitHub makes up one, although an account has it.
        world.cli(&["user", "add", "mask", "--email", "300+mask@users.noreply.github.com"]);
        hub.members(|all| all.push(Member::new(300, "mask", "300+mask@users.noreply.github.com")));
        let_in(&world, &hub, "mask");
        assert_eq!(world.shown_links("mask").len(), 0);
        hub.members(|all| all.push(Member::new(400, "real", own)));
        assert_eq!(let_in(&world, &hub, "real"), vic);
    }

    /// B25: a list of addresses that does not come is not an empty one.
    fn b25_without_an_answer_about_addresses_nobody_is_let_in(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "octo@example.test")], OPEN);
        // Also not who is known already: nothing goes on without the check.
        for known in [false, true] {
            for status in [401, 403, 404, 429, 500, 502, 503] {
                hub.replace_json("/user/emails", status, json!({ "message": "no" }));
                world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
            }
            hub.replace("/user/emails", |_| Answer::new(502, "text/html", "<h1>Unicorn</h1>").into());
            world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
            hub.replace("/user/emails", |_| Reply::HangUp);
            world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
            hub.replace("/user/emails", |_| {
                let mut late = Answer::json(200, &json!([]));
                late.wait = Duration::from_secs(3);
                late.into()
            });
            world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
            for told in [json!({}), json!(null), json!("octo@example.test"), json!([{ "email": "octo@example.test" }]), json!([{ "email": "a@b.test", "primary": "true", "verified": true }])] {
                hub.replace_json("/user/emails", 200, told);
                world.turned_away(&hub, "octo", (400, "upstream_answer_invalid"));
            }
            hub.honest();
            if !known {
                let_in(&world, &hub, "octo");
            }
        }
    }

    /// B26: who has not agreed is no member, of the organization or of the team.
    fn b26_a_membership_that_is_pending_is_none(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "octo@example.test")], &["--sign-ups", "on", "--organization", "harbour/pilots"]);
        let turned = (403, "organization_required");
        world.turned_away(&hub, "octo", turned);
        for (organization, team) in [("pending", None), ("active", None), ("pending", Some("active")), ("active", Some("pending")), ("active", Some("suspended"))] {
            hub.members(|all| {
                let mut member = Member::new(100, "octo", "octo@example.test").member("harbour", organization);
                if let Some(team) = team {
                    member = member.member("harbour/pilots", team);
                }
                all[0] = member;
            });
            world.turned_away(&hub, "octo", turned);
        }
        hub.members(|all| all[0] = Member::new(100, "octo", "octo@example.test").member("harbour", "active").member("harbour/pilots", "active"));
        let first = let_in(&world, &hub, "octo");
        // Who leaves is not let in any more, although they are known.
        hub.members(|all| all[0].memberships.clear());
        world.turned_away(&hub, "octo", turned);
        hub.members(|all| all[0] = Member::new(100, "octo", "octo@example.test").member("harbour", "active").member("harbour/pilots", "active"));
        assert_eq!(let_in(&world, &hub, "octo"), first);
    }

    /// B26: an error is not taken for a yes, and not for a no either.
    fn b26_without_an_answer_about_memberships_nobody_is_let_in(backend) {
        let world = world(backend);
        let member = Member::new(100, "octo", "octo@example.test").member("harbour", "active").member("harbour/pilots", "active");
        let hub = world.github("hub", vec![member], &["--sign-ups", "on", "--organization", "harbour/pilots"]);
        for path in ["/user/memberships/orgs/harbour", "/orgs/harbour/teams/pilots/memberships/octo"] {
            for status in [401, 403, 429, 500, 503] {
                hub.replace_json(path, status, json!({ "message": "no" }));
                world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
            }
            hub.replace(path, |_| Reply::HangUp);
            world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
            for told in [json!({}), json!([]), json!({ "state": true })] {
                hub.replace_json(path, 200, told);
                world.turned_away(&hub, "octo", (400, "upstream_answer_invalid"));
            }
            hub.honest();
        }
        let_in(&world, &hub, "octo");
    }

    /// B27: a number means somebody only together with the site that gave it.
    fn b27_the_same_number_at_github_and_at_an_enterprise_server_is_two_people(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "octo@example.test")], OPEN);
        let own = world.github("own", vec![Member::new(100, "boss", "boss@example.test")], OPEN);
        let (there, here) = (let_in(&world, &hub, "octo"), let_in(&world, &own, "boss"));
        assert_ne!(there, here);
        assert_eq!((let_in(&world, &hub, "octo"), let_in(&world, &own, "boss")), (there, here));
        assert_eq!(world.query("SELECT subject FROM links"), "100\n100");
        assert_eq!(world.query("SELECT count(DISTINCT user_id) FROM links"), "2");
    }

    /// Whoever says no at GitHub, and whatever GitHub says about the code, leaves nothing behind.
    fn a_refusal_at_github_leaves_nothing_behind(backend) {
        let world = world(backend);
        let hub = world.github("hub", vec![Member::new(100, "octo", "octo@example.test")], OPEN);
        let before = world.remains();
        let mut browser = world.browser();
        let started = browser.start_upstream(&hub).expect(303);
        let back = browser.decide_elsewhere(started.location().expect("a redirect"), "octo", "refuse");
        let answer = browser.come_back(&back);
        browser.assert_refused(&answer, 400, "upstream_denied");
        hub.replace_json("/login/oauth/access_token", 200, json!({ "error": "bad_verification_code", "error_description": "<b>no</b>" }));
        world.turned_away(&hub, "octo", (400, "upstream_answer_invalid"));
        hub.replace_json("/login/oauth/access_token", 200, json!({ "error": "incorrect_client_credentials" }));
        world.turned_away(&hub, "octo", (503, "upstream_unavailable"));
        assert_eq!(world.remains(), before);
    }
}
