//! Who is let in through an OpenID provider, and as whom: subjects, addresses, and what the provider says about them.

use conformance_tests::linking::{address, person};
use conformance_tests::upstream::Upstream;
use conformance_tests::{PASSWORD, World, html, on_both_backends};
use demo_provider::{Hooks, Person, Running};
use serde_json::{Value, json};

const BOUND: (u16, &str) = (403, "identity_already_bound");
const NO_SIGN_UPS: (u16, &str) = (403, "sign_ups_off");
const NOT_VERIFIED: (u16, &str) = (403, "email_not_verified");
const HOSTILE: (u16, &str) = (400, "upstream_answer_invalid");

/// Every ID token says these, and not what is removed.
fn claiming(changes: &Value, removed: &'static [&'static str]) -> Hooks {
    let changes = changes.as_object().expect("claims").clone();
    Hooks::new().id_token(move |token| {
        let claims = token.claims.as_object_mut().expect("claims");
        claims.extend(changes.clone());
        for name in removed {
            claims.remove(*name);
        }
    })
}

/// Nothing is said about whose the address is.
fn unstated() -> Hooks {
    claiming(&json!({}), &["email_verified"])
}

/// What the provider knows about its only person.
fn set_person(upstream: &Upstream<Running>, change: impl FnOnce(&mut Person)) {
    change(&mut upstream.people()[0]);
}

on_both_backends! {
    fn b04_an_address_that_is_denied_finds_nobody_and_tells_nothing(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let people = ["grace", "nobody"].map(|name| Person { email_verified: json!(false), ..person(name, name) });
        let work = world.openid("work", people.into(), &["--sign-ups", "on"]);
        let pages = ["grace", "nobody"].map(|name| world.turned_away(&work, name, NOT_VERIFIED).text());
        // Whether there is such an account cannot be seen.
        let words = |page: &str| page.split("<code>").next().unwrap_or_default().to_owned();
        assert_eq!(words(&pages[0]), words(&pages[1]));
    }

    fn b05_an_address_of_which_nothing_is_said_is_not_looked_at(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-ada", "ada"), person("s-new", "grace")], &[]);
        world.link("ada", &work, "s-ada");
        work.set_hooks(unstated());
        assert_eq!(world.let_in(&work, "s-ada").username(), "ada");
        world.turned_away(&work, "s-new", NO_SIGN_UPS);
        world.run(&["upstream", "change", "work", "--sign-ups", "on"], "");
        assert_eq!(world.let_in(&work, "s-new").username(), "grace-2", "somebody new");
        assert_eq!(world.query("SELECT count(*) FROM users WHERE email IS NULL"), "1");
        assert_eq!(world.query("SELECT email FROM users WHERE username = 'grace'"), address("grace"));
    }

    fn b06_only_the_json_value_true_verifies_an_address(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace")], &["--sign-ups", "on"]);
        let textual = world.openid("textual", vec![person("s-grace", "grace")], &["--sign-ups", "on", "--email-verified-as-text"]);
        let others = json!(["false", "True", "TRUE", "yes", "1", "", " true", 0, 1, 1.0, null, [], {}, [true], {"true": true}, false]);
        for value in others.as_array().expect("values") {
            for provider in [&work, &textual] {
                set_person(provider, |own| own.email_verified = value.clone());
                world.turned_away(provider, "s-grace", NOT_VERIFIED);
            }
        }
        set_person(&work, |own| own.email_verified = json!("true"));
        world.turned_away(&work, "s-grace", NOT_VERIFIED);
        set_person(&textual, |own| own.email_verified = json!("true"));
        assert_eq!(world.let_in(&textual, "s-grace").username(), "grace");
        set_person(&work, |own| own.email_verified = json!(true));
        world.asked_for_proof(&work, "s-grace");
    }

    fn b08_address_and_word_come_from_one_object_of_one_subject(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace")], &[]);
        // The address here, the word there.
        work.set_hooks(unstated());
        world.turned_away(&work, "s-grace", NO_SIGN_UPS);
        let bare = || claiming(&json!({}), &["email"]);
        work.set_hooks(bare().userinfo(|claims| { claims.as_object_mut().expect("claims").remove("email_verified"); }));
        world.turned_away(&work, "s-grace", NO_SIGN_UPS);
        // Another person's userinfo.
        for sub in [json!("s-mallory"), json!(""), json!(null), json!(7), json!("S-grace")] {
            work.set_hooks(bare().userinfo(move |claims| claims["sub"] = sub.clone()));
            world.turned_away(&work, "s-grace", HOSTILE);
        }
        work.set_hooks(bare().userinfo(|claims| { claims.as_object_mut().expect("claims").remove("sub"); }));
        world.turned_away(&work, "s-grace", HOSTILE);
        // Both from one userinfo answer of the same person.
        work.set_hooks(bare());
        assert_eq!(world.let_in(&work, "s-grace").username(), "grace");
    }

    fn b09_a_name_that_looks_like_an_address_is_none(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace")], &[]);
        let names = json!({"preferred_username": address("grace"), "upn": address("grace"), "name": address("grace")});
        let silent = |claims: &mut Value| { claims.as_object_mut().expect("claims").remove("email"); };
        work.set_hooks(claiming(&names, &["email"]).userinfo(silent));
        world.turned_away(&work, "s-grace", NO_SIGN_UPS);
        world.run(&["upstream", "change", "work", "--sign-ups", "on"], "");
        assert_eq!(world.let_in(&work, "s-grace").username(), "grace-2");
        assert_eq!(world.links(), [["work", work.issuer(), "s-grace", "grace-2"]]);
        assert_eq!(world.query("SELECT count(*) FROM users WHERE email IS NULL"), "1");
    }

    fn b10_what_is_no_address_finds_nobody(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace")], &[]);
        let long = format!("{}@example.test", "g".repeat(250));
        for email in [
            "", "   ", "grace", "@example.test", "grace@", "grace@evil@example.test", "evil@x.test@example.test", "\"grace\"@example.test",
            "grace@example.test\r\nBcc: eve@example.test", "grace@example.test\0", "grace\0@example.test", &long, "grace@example.test.",
            " grace@example.test", "grace@example.test ", "grace@example.test,eve@example.test", "<grace@example.test>",
        ] {
            set_person(&work, |own| email.clone_into(&mut own.email));
            let answer = world.turned_away(&work, "s-grace", NO_SIGN_UPS);
            assert!(!answer.text().contains("Bcc"), "{email:?}: {answer:?}");
        }
        let log = world.log(0);
        assert!(!log.contains("\nBcc"), "{log}");
    }

    fn b12_b38_an_account_with_a_password_or_another_link_is_not_bound_silently(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let other = world.openid("other", vec![person("o-grace", "grace")], &[]);
        world.let_in(&other, "o-grace");
        let work = world.openid("work", vec![person("s-ada", "ada"), person("s-grace", "grace")], &["--sign-ups", "on"]);
        world.asked_for_proof(&work, "s-grace");
        let (mut browser, asked) = world.asked_for_proof(&work, "s-ada");
        // With the password of the account, and a yes; not before.
        let confirm = browser.prove_by_password(&asked, "ada").expect(200);
        assert_eq!(world.count("links"), 1);
        // What waits is of this browser, whoever has the address of the page.
        let request = html::input(&confirm.text(), "request").expect("a request");
        let mut stranger = world.signed_in("ada");
        let answer = stranger.get(&format!("/upstream/proof?request={request}"));
        assert!(answer.status == 403 && answer.text().contains("<code>proof_in_another_browser</code>"), "{answer:?}");
        let done = browser.submit(&confirm, &[]).expect(303);
        assert_eq!(done.location(), Some("/account"));
        assert_eq!(world.links()[0], ["work", work.issuer(), "s-ada", "ada"]);
        // The same page again does nothing.
        let again = browser.submit(&confirm, &[]);
        assert_eq!(again.status, 400, "{again:?}");
        assert_eq!((world.links().len(), world.let_in(&work, "s-ada").username()), (2, "ada".to_owned()));
    }

    fn b38_the_session_of_somebody_else_proves_nothing(backend) {
        let world = World::upstream(backend);
        world.add_user("eve");
        let work = world.openid("work", vec![person("s-ada", "ada")], &[]);
        let (mut browser, asked) = world.asked_for_proof(&work, "s-ada");
        let page = browser.prove_by_password(&asked, "eve");
        assert!(html::by_id(&page.text(), "proof-confirm").is_none(), "{page:?}");
        let request = html::input(&asked.text(), "request").unwrap_or_default();
        let csrf = html::input(&browser.get("/account").text(), "csrf").expect("a form");
        let forced = browser.post("/upstream/proof", &[("act", "confirm"), ("csrf", &csrf), ("request", &request)]);
        assert_ne!(forced.status, 303, "{forced:?}");
        assert!(world.links().is_empty());
    }

    fn b15_of_two_who_prove_the_mailbox_only_the_first_gets_the_imported_link(backend) {
        let (world, mails) = World::upstream_with_mail(backend);
        let people = vec![person("s-first", "grace"), person("s-second", "grace")];
        let work = world.openid("work", people, &[]);
        world.import_legacy("grace", "work");
        let mut waiting = ["s-first", "s-second"].map(|subject| world.asked_for_proof(&work, subject));
        let links = waiting.each_mut().map(|(browser, asked)| browser.prove_by_mail(asked, &mails));
        let [(first, _), (second, _)] = &mut waiting;
        let pages = [first.get(&links[0]).expect(200), second.get(&links[1]).expect(200)];
        first.submit(&pages[0], &[]).expect(303);
        let row = world.query("SELECT * FROM links");
        let answer = second.submit(&pages[1], &[]);
        second.assert_refused(&answer, BOUND.0, BOUND.1);
        assert_eq!(world.query("SELECT * FROM links"), row);
        assert_eq!(world.links(), [["work", work.issuer(), "s-first", "grace"]]);
        assert_eq!(first.username(), "grace");
        world.turned_away(&work, "s-second", BOUND);
    }

    fn b16_an_imported_link_waits_for_a_proof_and_doctor_counts_it(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-mallory", "ada"), person("s-ada", "ada")], &[]);
        world.import_legacy("ada", "work");
        let empty = || world.cli(&["doctor"])["health"]["empty_links"].as_array().map_or(0, Vec::len);
        // Whoever comes first gets nothing by that.
        world.asked_for_proof(&work, "s-mallory");
        assert_eq!((empty(), world.links()), (1, vec![["work", "", "", "ada"].map(str::to_owned)]));
        let (mut browser, asked) = world.asked_for_proof(&work, "s-ada");
        let confirm = browser.prove_by_password(&asked, "ada").expect(200);
        browser.submit(&confirm, &[]).expect(303);
        assert_eq!((empty(), world.count("links")), (0, 1));
        assert_eq!(world.links(), [["work", work.issuer(), "s-ada", "ada"]]);
        world.turned_away(&work, "s-mallory", BOUND);
        world.run(&["upstream", "change", "work", "--legacy-links", "refuse"], "");
        world.import_legacy("zoe", "work");
        work.people().push(person("s-zoe", "zoe"));
        world.turned_away(&work, "s-zoe", (403, "legacy_link_refused"));
    }

    fn b20_a_subject_is_taken_byte_for_byte_or_not_at_all(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-ada", "nobody")], &["--sign-ups", "on"]);
        let as_subject = |sub: Value| claiming(&json!({"sub": sub}), &["email", "email_verified"]).userinfo({
            let sub = sub.clone();
            move |claims| *claims = json!({"sub": sub})
        });
        for sub in [json!(""), json!("   "), json!(7), json!(null), json!(["s-ada"]), json!({"s": 1}), json!(true), json!("a".repeat(256)), json!("a\u{0}b")] {
            work.set_hooks(as_subject(sub));
            world.turned_away(&work, "s-ada", HOSTILE);
        }
        work.set_hooks(claiming(&json!({}), &["sub"]));
        world.turned_away(&work, "s-ada", HOSTILE);
        let (composed, decomposed, longest) = ("\u{e9}", "e\u{301}", "a".repeat(255));
        let distinct = ["s-ada", "S-ADA", "s-ada ", composed, decomposed, "a||b", longest.as_str()];
        for sub in distinct {
            work.set_hooks(as_subject(json!(sub)));
            world.let_in(&work, "s-ada");
        }
        let mut stored: Vec<_> = world.links().into_iter().map(|[_, _, subject, _]| subject).collect();
        stored.sort();
        let mut expected = distinct.map(str::to_owned);
        expected.sort();
        assert_eq!(stored.len(), expected.len(), "{stored:?}");
        assert_eq!(world.query("SELECT count(DISTINCT user_id) FROM links"), expected.len().to_string());
        work.set_hooks(as_subject(json!(decomposed)));
        world.let_in(&work, "s-ada");
        assert_eq!(world.count("links").to_string(), expected.len().to_string(), "the same person again");
    }

    fn b28_a_second_identity_is_refused_with_a_code_and_added_by_its_owners_session(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-one", "ada"), person("s-two", "ada")], &[]);
        world.link("ada", &work, "s-one");
        let page = world.turned_away(&work, "s-two", BOUND);
        let text = page.text();
        let code = page.header("x-request-id").expect("the request's id");
        assert!(text.contains(code), "the support code: {page:?}");
        assert!(world.log(0).contains(code), "{code} leads to the log");
        let mut ada = world.signed_in("ada");
        let asked = ada.begin_to_link(&work, "s-two").expect(303);
        assert_eq!(world.links().len(), 1, "not without a yes");
        let confirm = ada.follow_on(&asked).expect(200);
        ada.submit(&confirm, &[]).expect(303);
        let expected = ["s-one", "s-two"].map(|subject| ["work", work.issuer(), subject, "ada"]);
        assert_eq!(world.links(), expected);
        assert_eq!(world.let_in(&work, "s-two").username(), "ada");
    }

    fn b32_b33_an_address_that_changed_upstream_never_takes_anothers_place(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-new", "grace")], &["--sign-ups", "on"]);
        world.let_in(&work, "s-new");
        let users = world.query("SELECT * FROM users ORDER BY id");
        for (email, verified) in [
            ("ada@example.test", json!(true)), ("ADA@Example.test", json!(true)), ("other@example.test", json!(false)),
            ("other@example.test", json!("true")), ("", json!(true)),
        ] {
            set_person(&work, |own| (own.email, own.email_verified) = (email.to_owned(), verified));
            assert_eq!(world.let_in(&work, "s-new").username(), "grace", "{email}");
            assert_eq!(world.query("SELECT * FROM users ORDER BY id"), users, "{email}");
        }
        work.set_hooks(unstated());
        set_person(&work, |own| own.email = address("other"));
        world.let_in(&work, "s-new");
        assert_eq!(world.query("SELECT * FROM users ORDER BY id"), users);
        // Free and verified: it follows, because nobody else vouched for the old one.
        work.set_hooks(Hooks::new());
        set_person(&work, |own| own.email_verified = json!(true));
        world.let_in(&work, "s-new");
        assert_eq!(world.query("SELECT email FROM users WHERE username = 'grace'"), address("other"));
        assert_eq!(world.links(), [["work", work.issuer(), "s-new", "grace"]]);
    }

    fn b34_an_address_that_became_free_leads_to_nobody_who_had_it(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-grace", "grace"), person("s-mallory", "grace")], &["--sign-ups", "on"]);
        world.let_in(&work, "s-grace");
        // Freed by a change.
        set_person(&work, |own| own.email = address("moved"));
        world.let_in(&work, "s-grace");
        let mut mallory = world.let_in(&work, "s-mallory");
        assert_eq!(mallory.username(), "grace-2");
        assert_eq!(world.links().len(), 2);
        // Freed by the end of the account.
        work.people().push(person("s-third", "moved"));
        world.run(&["user", "delete", "grace"], "");
        world.turned_away(&work, "s-grace", (403, "account_deleted"));
        let id = world.query("SELECT id FROM users WHERE username = 'grace' AND status = 4");
        world.let_in(&work, "s-third");
        assert_eq!(world.query("SELECT id FROM users WHERE username = 'grace' AND status = 4"), id);
        assert_eq!(world.query("SELECT count(*) FROM links l JOIN users u ON u.id = l.user_id WHERE u.status = 4"), "1");
    }

    fn b35_a_domain_that_changed_hands_opens_no_account(backend) {
        let world = World::upstream(backend);
        for name in ["grace", "zoe"] {
            world.add_bare_user(name);
        }
        let before = vec![person("old-1", "grace"), person("old-2", "zoe")];
        let work = world.openid("work", before, &["--sign-ups", "on", "--domain", "example.test"]);
        world.let_in(&work, "old-1");
        world.let_in(&work, "old-2");
        *work.people() = vec![person("new-1", "grace"), person("new-2", "zoe")];
        work.set_hooks(claiming(&json!({"hd": "example.test"}), &[]));
        world.turned_away(&work, "new-1", BOUND);
        world.turned_away(&work, "new-2", BOUND);
    }

    fn b36_an_account_that_was_ever_linked_is_not_chosen_by_an_address_again(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-ada", "ada"), person("s-mallory", "ada")], &["--sign-ups", "on"]);
        let other = world.openid("other", vec![person("o-mallory", "ada")], &["--sign-ups", "on"]);
        world.link("ada", &work, "s-ada");
        let mut ada = world.signed_in("ada");
        let page = ada.get("/account/identities").expect(200);
        assert!(html::by_id(&page.text(), "identity-unlink").is_some(), "{page:?}");
        ada.submit(&page, &[]).expect(303);
        assert!(world.links().is_empty());
        world.turned_away(&work, "s-mallory", BOUND);
        world.turned_away(&work, "s-ada", BOUND);
        world.asked_for_proof(&other, "o-mallory");
    }

    fn b45_a_domain_list_compares_whole_names(backend) {
        let world = World::upstream(backend);
        let work = world.openid("work", vec![person("s-1", "nobody")], &["--sign-ups", "on", "--domain", "corp.example"]);
        for (email, code) in [
            ("a@evilcorp.example", "email_domain_not_allowed"), ("a@corp.example.evil", "email_domain_not_allowed"),
            ("a@mail.corp.example", "email_domain_not_allowed"), ("corp.example@evil.example", "email_domain_not_allowed"),
            ("a@evil@corp.example", "email_not_verified"), ("@corp.example", "email_not_verified"), ("corp.example", "email_not_verified"),
            ("a@c\u{43e}rp.example", "email_domain_not_allowed"),
        ] {
            set_person(&work, |own| email.clone_into(&mut own.email));
            world.turned_away(&work, "s-1", (403, code));
        }
        set_person(&work, |own| (own.email, own.email_verified) = ("a@corp.example".to_owned(), json!(false)));
        world.turned_away(&work, "s-1", NOT_VERIFIED);
        set_person(&work, |own| (own.email, own.email_verified) = ("a@CORP.example".to_owned(), json!(true)));
        world.let_in(&work, "s-1");
        // The list is asked at every sign-in.
        set_person(&work, |own| own.email = "a@elsewhere.example".to_owned());
        world.turned_away(&work, "s-1", (403, "email_domain_not_allowed"));
        let refused = world.try_cli(&["upstream", "change", "work", "--domain", "@corp.example"], "");
        assert!(!refused.status.success());
    }

    fn b47_without_sign_ups_somebody_unknown_is_told_so(backend) {
        let world = World::upstream(backend);
        let name = "<script>alert(1)</script>";
        let work = world.openid("work", vec![person("s-1", "nobody")], &["--name", name]);
        for (sign_ups, code) in [("off", "sign_ups_off"), ("invite", "invitation_needed")] {
            world.run(&["upstream", "change", "work", "--sign-ups", sign_ups], "");
            let page = world.turned_away(&work, "s-1", (403, code)).text();
            assert!(!page.contains("<script") && page.contains("&lt;script"), "{page}");
        }
    }

    fn b54_a_link_without_a_subject_counts_for_its_own_provider_only(backend) {
        let world = World::upstream(backend);
        let one = world.openid("one", vec![person("s-1", "grace")], &["--legacy-links", "backfill"]);
        let two = world.openid("two", vec![person("s-2", "grace")], &["--legacy-links", "backfill"]);
        world.import_legacy("grace", "one");
        world.asked_for_proof(&two, "s-2");
        assert_eq!(world.links(), [["one", "", "", "grace"]]);
        world.let_in(&one, "s-1");
        assert_eq!(world.links(), [["one", one.issuer(), "s-1", "grace"]]);
    }

    fn a05_a_suspended_user_is_not_let_in_and_stays_suspended(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let people = vec![person("s-ada", "ada"), person("s-grace", "grace")];
        let work = world.openid("work", people, &["--sign-ups", "on", "--dangerous-sign-in-by-email"]);
        world.link("ada", &work, "s-ada");
        for name in ["ada", "grace"] {
            world.run(&["user", "suspend", name], "");
            world.turned_away(&work, &format!("s-{name}"), (403, "account_suspended"));
        }
        world.run(&["user", "unsuspend", "ada"], "");
        world.let_in(&work, "s-ada");
    }

    fn a09_a10_a_deleted_users_identity_is_refused_and_the_address_is_somebody_elses(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace"), person("s-new", "grace")], &[]);
        let mut old = world.let_in(&work, "s-grace");
        world.run(&["user", "delete", "grace"], "");
        assert!(!old.is_signed_in());
        world.turned_away(&work, "s-grace", (403, "account_deleted"));
        world.turned_away(&work, "s-new", NO_SIGN_UPS);
        world.run(&["upstream", "change", "work", "--sign-ups", "on"], "");
        let gone = world.query("SELECT * FROM users WHERE status = 4");
        assert_eq!(world.let_in(&work, "s-new").username(), "grace");
        assert_eq!(world.query("SELECT * FROM users WHERE status = 4"), gone);
        assert_eq!(world.query("SELECT count(DISTINCT user_id) FROM links"), "2");
        // Nothing of it belongs to the one who was recreated under the old name.
        world.turned_away(&work, "s-grace", (403, "account_deleted"));
    }

    fn a15_a_user_who_is_deleted_while_the_code_is_redeemed_gets_no_session(backend) {
        let world = World::upstream(backend);
        world.add_bare_user("grace");
        let work = world.openid("work", vec![person("s-grace", "grace"), person("s-ada", "ada")], &["--sign-ups", "off"]);
        world.let_in(&work, "s-grace");
        let sessions = world.query("SELECT count(*) FROM sessions");
        let (browser, answer) = world.meanwhile(&work, "s-grace", || {
            world.run(&["user", "delete", "grace"], "");
        });
        browser.assert_refused(&answer, 403, "account_deleted");
        assert_eq!(world.query("SELECT count(*) FROM sessions"), sessions);
        // The same for somebody whom only the address would have chosen.
        let (browser, answer) = world.meanwhile(&work, "s-ada", || {
            world.run(&["user", "suspend", "ada"], "");
        });
        browser.assert_refused(&answer, 403, "account_suspended");
        assert_eq!(world.query("SELECT count(*) FROM sessions"), sessions);
        assert_ne!(world.browser().sign_in("ada", PASSWORD).status, 303);
    }
}
