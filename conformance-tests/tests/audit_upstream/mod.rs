//! The routes on the way through upstream providers, and those about the address of an account: each with a call that leaves an audit row.

use conformance_tests::upstream::Upstream;
use conformance_tests::{Browser, Response, World, html};
use demo_provider::{Person, Running};

use super::{Case, mail_with, rows};

pub(super) const CASES: &[Case] = &[
    Case {
        route: "GET /upstream/{provider}/callback",
        call: |world| {
            signed_up(world);
        },
    },
    Case {
        route: "POST /upstream/{provider}/backchannel-logout",
        call: |world| {
            let (provider, mut browser) = signed_up(world);
            let before = rows(world);
            let told = provider.sign_out("s-new").expect("the provider works");
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].status, Some(200));
            assert!(rows(world) > before, "the logout itself");
            assert!(!browser.is_signed_in());
        },
    },
    Case {
        route: "POST /upstream/{provider}/link",
        call: |world| {
            let provider = provider(world);
            let mut browser = world.signed_in("ada");
            let before = rows(world);
            begin_to_link(&mut browser, &provider);
            assert!(rows(world) > before, "the beginning itself");
        },
    },
    Case {
        route: "POST /upstream/proof",
        call: |world| {
            let provider = provider(world);
            let mut browser = world.signed_in("ada");
            let page = begin_to_link(&mut browser, &provider);
            let leave = html::by_id(&page.text(), "upstream-continue").expect("a way out");
            let to = leave.get("href").expect("an address").to_owned();
            let back = browser.sign_in_elsewhere(&to, "s-new");
            let asked = browser.come_back(&back).expect(303);
            let asked = asked.location().expect("a place").to_owned();
            let page = browser.get(&asked).expect(200);
            let before = rows(world);
            browser.submit(&page, &[]).expect(303);
            assert!(rows(world) > before, "the proof itself");
        },
    },
    Case {
        route: "POST /account/identities/unlink",
        call: |world| {
            let provider = provider(world);
            let arguments = ["--provider", &provider.slug, "--subject", "s-old"];
            world.run(&[&["user", "link", "ada"][..], &arguments].concat(), "");
            let mut browser = world.signed_in("ada");
            let page = browser.get("/account/identities").expect(200).text();
            let csrf = html::input(&page, "csrf").expect("a form token");
            let id = html::input(&page, "id").expect("a link");
            let before = rows(world);
            let fields = [("csrf", csrf.as_str()), ("id", id.as_str())];
            browser
                .post("/account/identities/unlink", &fields)
                .expect(303);
            assert!(rows(world) > before, "the unlinking itself");
        },
    },
    Case {
        route: "POST /account/email",
        call: |world| {
            let mut browser = world.signed_in("ada");
            ask_for_mail(
                world,
                &mut browser,
                "/account/email",
                &[("email", "ada@new.example.test")],
            );
        },
    },
    Case {
        route: "POST /account/email/own",
        call: |world| {
            let name = format!("own{}", rows(world));
            world.add_user(&name);
            world.query(&format!(
                "UPDATE users SET quarantined = true WHERE username = '{name}'"
            ));
            let mut browser = world.signed_in(&name);
            ask_for_mail(world, &mut browser, "/account/email/own", &[]);
        },
    },
    Case {
        route: "POST /account/email/confirm",
        call: |world| {
            let name = format!("moves{}", rows(world));
            world.add_user(&name);
            let mut browser = world.signed_in(&name);
            let email = format!("{name}@new.example.test");
            ask_for_mail(world, &mut browser, "/account/email", &[("email", &email)]);
            let link = mail_with(&email, "/account/email/confirm?link=");
            let page = browser.get(&link).expect(200);
            let before = rows(world);
            browser.submit(&page, &[]).expect(303);
            assert!(rows(world) > before, "the confirmation itself");
        },
    },
];

/// A provider with a name of its own, where one person is whom nobody here knows.
fn provider(world: &World) -> Upstream<Running> {
    let slug = format!("p{}", rows(world));
    let person = Person::new("s-new", "New", &format!("new@{slug}.example.test"));
    world.openid(&slug, vec![person], &["--sign-ups", "on"])
}

fn signed_up(world: &World) -> (Upstream<Running>, Browser) {
    let provider = provider(world);
    let mut browser = world.browser();
    let before = rows(world);
    let answer = browser.sign_in_upstream(&provider, "s-new");
    browser.assert_let_in(&answer);
    assert!(rows(world) > before, "the sign-up itself");
    (provider, browser)
}

/// Presses the button on the account page.
fn begin_to_link(browser: &mut Browser, provider: &Upstream<Running>) -> Response {
    let page = browser.get("/account/identities").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    browser
        .post(&provider.path("link"), &[("csrf", &csrf)])
        .expect(200)
}

fn ask_for_mail(world: &World, browser: &mut Browser, path: &str, fields: &[(&str, &str)]) {
    let page = browser.get("/account/email").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    let before = rows(world);
    let answer = browser.post(path, &[fields, &[("csrf", csrf.as_str())]].concat());
    assert_eq!(
        answer.location(),
        Some("/account/email?told=sent"),
        "{answer:?}"
    );
    assert!(rows(world) > before, "the asking itself");
}
