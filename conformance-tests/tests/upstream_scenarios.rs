//! The four scenarios in which an upstream sign-in meets an account by its address, each by its own name, with an OpenID provider.

use conformance_tests::linking::person;
use conformance_tests::upstream::Registration;
use conformance_tests::{Backend, World, on_both_backends};
use demo_provider::{Hooks, Running};

/// The victim is bound; somebody else comes with the same verified address.
fn blocked_by_existing_link(backend: Backend, sign_ups: &str) {
    let world = World::upstream(backend);
    let victim = world.add_bare_user("grace");
    let people = vec![person("s-grace", "grace"), person("s-mallory", "grace")];
    let work = world.openid("work", people, &["--sign-ups", sign_ups]);
    world.let_in(&work, "s-grace");
    let row = world.query("SELECT * FROM links");
    let page = world
        .turned_away(&work, "s-mallory", (403, "identity_already_bound"))
        .text();
    assert_eq!(world.query("SELECT * FROM links"), row);
    for secret in ["s-grace", "s-mallory", "grace@", &victim] {
        assert!(!page.contains(secret), "{secret}: {page}");
    }
    let row = &world.audited("identity.refused")[0];
    let detail = row["detail"].as_str().expect("a detail");
    assert!(
        detail.starts_with("identity_already_bound work sub="),
        "{row}"
    );
    assert!(
        detail.contains(work.issuer()) && !detail.contains("mallory"),
        "{row}"
    );
    assert_eq!(
        (&row["user_id"], &row["outcome"]),
        (&victim.as_str().into(), &"refused".into()),
        "{row}"
    );
    let log = world.log(0);
    let warned = log
        .lines()
        .find(|line| line.contains("identity_already_bound"));
    let warned = warned.unwrap_or_else(|| panic!("{log}"));
    let digest = detail
        .split("sub=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("a digest");
    for part in ["WARN", "work", victim.as_str(), work.issuer(), digest] {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    assert!(!log.contains("mallory"), "{log}");
    // The owner is as welcome as before.
    assert_eq!(world.let_in(&work, "s-grace").username(), "grace");
}

on_both_backends! {
    /// B01, B03
    fn blocked_by_existing_link_sign_ups_off(backend) {
        blocked_by_existing_link(backend, "off");
    }

    /// B02, B03
    fn blocked_by_existing_link_sign_ups_on(backend) {
        blocked_by_existing_link(backend, "on");
    }

    /// B11
    fn first_time_link_allowed(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace")], &[]);
        assert!(world.links().is_empty());
        assert_eq!(world.let_in(&work, "s-grace").username(), "grace");
        assert_eq!(world.links(), [["work", work.issuer(), "s-grace", "grace"]]);
        assert_eq!(world.audited("identity.linked")[0]["detail"], "work");
        assert_eq!(world.query("SELECT count(*) FROM users"), "2", "ada and grace");
    }

    /// B13
    fn legacy_backfill(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-grace", "grace")], &["--legacy-links", "backfill"]);
        world.import_legacy("grace", "work");
        assert_eq!(world.links(), [["work", "", "", "grace"]]);
        let id = world.query("SELECT id FROM links");
        assert_eq!(world.let_in(&work, "s-grace").username(), "grace");
        let filled = [["work", work.issuer(), "s-grace", "grace"]];
        assert_eq!(world.links(), filled);
        assert_eq!(world.query("SELECT id FROM links"), id, "it is the same link");
        assert_eq!(world.audited("identity.backfilled")[0]["detail"], "work");
        // From now on the address is not looked at.
        let without = |claims: &mut serde_json::Value| {
            let claims = claims.as_object_mut().expect("claims");
            claims.remove("email");
            claims.remove("email_verified");
        };
        work.set_hooks(Hooks::new().id_token(move |token| without(&mut token.claims)).userinfo(without));
        assert_eq!(world.let_in(&work, "s-grace").username(), "grace");
        assert_eq!(world.links(), filled);
    }

    /// B17
    fn blocked_by_issuer_change(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace")], &[]);
        world.let_in(&work, "s-grace");
        let row = world.query("SELECT * FROM links");
        let what = Registration::new("work", &[]);
        let moved = world.provider_config(what, &work.secret, vec![person("s-grace", "grace")]);
        let moved = Running::start(moved).expect("the provider starts");
        world.run(&["upstream", "change", "work", "--issuer", moved.issuer()], "");
        for sign_ups in ["off", "on"] {
            world.run(&["upstream", "change", "work", "--sign-ups", sign_ups], "");
            world.turned_away(&work, "s-grace", (403, "identity_already_bound"));
            assert_eq!(world.query("SELECT * FROM links"), row);
        }
        let rebind = ["upstream", "rebind-issuer", "work", work.issuer(), moved.issuer()];
        assert_eq!(world.cli(&[&rebind[..], &["--dry-run"]].concat())["links"], 1);
        assert_eq!(world.query("SELECT * FROM links"), row);
        assert_eq!(world.cli(&rebind)["links"], 1);
        assert_eq!(world.links(), [["work", moved.issuer(), "s-grace", "grace"]]);
        assert_eq!(world.let_in(&work, "s-grace").username(), "grace");
        assert_eq!(world.audited("provider.rebound").len(), 1);
    }
}
