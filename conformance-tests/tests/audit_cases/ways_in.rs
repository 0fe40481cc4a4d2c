//! The routes by which people change how they sign in.

use std::time::Duration;

use conformance_tests::upstream::{CLIENT_ID, Upstream};
use conformance_tests::{Browser, Response, World, html};
use demo_provider::{Person, Running};

use super::{Case, MAILS, rows};

pub(crate) const CASES: &[Case] = &[
    Case {
        route: "POST /account/email",
        call: |world| {
            let mut browser = newcomer(world).1;
            let new = format!("mail{}@elsewhere.test", rows(world));
            let before = rows(world);
            pressed(
                &mut browser,
                "/account/email",
                "/account/email",
                &[("email", &new)],
            );
            assert!(rows(world) > before, "that a link was sent");
        },
    },
    Case {
        route: "POST /account/email/own",
        call: |world| {
            let (name, mut browser) = newcomer(world);
            let quarantine =
                format!("UPDATE users SET quarantined = true WHERE username = '{name}'");
            world.query(&quarantine);
            let before = rows(world);
            pressed(&mut browser, "/account/email", "/account/email/own", &[]);
            assert!(rows(world) > before, "that a link was sent");
        },
    },
    Case {
        route: "POST /account/email/confirm",
        call: |world| {
            let mut browser = newcomer(world).1;
            let new = format!("mail{}@elsewhere.test", rows(world));
            pressed(
                &mut browser,
                "/account/email",
                "/account/email",
                &[("email", &new)],
            );
            let link = mailed(&new, "/account/email/confirm?link=");
            let page = browser.get(&link).expect(200);
            let before = rows(world);
            browser.submit(&page, &[]).expect(303);
            assert!(rows(world) > before, "the change itself");
        },
    },
    Case {
        route: "POST /account/identities/unlink",
        call: |world| {
            let (upstream, mut browser) = linked(world);
            let page = browser.get("/account/identities").expect(200).text();
            let id = html::input(&page, "id").expect("the link");
            let before = rows(world);
            pressed(
                &mut browser,
                "/account/identities",
                "/account/identities/unlink",
                &[("id", &id)],
            );
            assert!(rows(world) > before, "the end itself");
            drop(upstream);
        },
    },
    Case {
        route: "POST /upstream/{provider}/link",
        call: |world| {
            let upstream = provider(world);
            let mut browser = newcomer(world).1;
            let before = rows(world);
            let path = upstream.path("link");
            let page = browser.get("/account/identities").expect(200).text();
            let csrf = html::input(&page, "csrf").expect("a form token");
            browser.post(&path, &[("csrf", &csrf)]).expect(200);
            assert!(rows(world) > before, "that it was begun");
        },
    },
    Case {
        route: "POST /upstream/{provider}/invitation",
        call: |world| {
            let upstream = provider(world);
            let invited = world.cli(&["user", "add", &format!("new{}", rows(world))]);
            let link = invited["invitation_url"].as_str().expect("a link");
            let before = rows(world);
            let page = world.browser().accept_elsewhere(link, &upstream);
            page.expect(200);
            assert!(rows(world) > before, "that it was begun");
        },
    },
    Case {
        route: "POST /upstream/proof",
        call: |world| {
            let before = rows(world);
            drop(linked(world));
            assert!(rows(world) > before, "the link itself");
        },
    },
    Case {
        route: "POST /upstream/{provider}/backchannel-logout",
        call: |world| {
            let (upstream, _browser) = linked(world);
            let token = upstream.logout_token(CLIENT_ID, "1", "a session");
            let token = token.unwrap_or_else(|broken| panic!("{broken}"));
            let before = rows(world);
            let path = upstream.path("backchannel-logout");
            let answer = world.browser().post(&path, &[("logout_token", &token)]);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(rows(world) > before, "the news itself");
        },
    },
    Case {
        route: "GET /upstream/{provider}/callback",
        call: |world| {
            let upstream = provider(world);
            let before = rows(world);
            let mut browser = world.browser();
            browser.sign_in_upstream(&upstream, "1").expect(303);
            assert!(rows(world) > before, "the sign-in itself");
        },
    },
];

/// Somebody who has just signed in, and has an address.
fn newcomer(world: &World) -> (String, Browser) {
    let name = format!("new{}", rows(world));
    world.add_user(&name);
    let browser = world.signed_in(&name);
    (name, browser)
}

/// A provider of its own that lets anybody sign up.
fn provider(world: &World) -> Upstream<Running> {
    let slug = format!("idp{}", rows(world));
    let address = format!("{slug}@harbour.test");
    let people = vec![Person::new("1", "Grace", &address)];
    world.openid(&slug, people, &["--sign-ups", "on"])
}

/// Somebody with a password who has added an identity.
fn linked(world: &World) -> (Upstream<Running>, Browser) {
    let upstream = provider(world);
    let mut browser = newcomer(world).1;
    let page = browser.get("/account/identities").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    let page = browser.post(&upstream.path("link"), &[("csrf", &csrf)]);
    let page = page.expect(200).text();
    let leave = html::tags(&page)
        .iter()
        .filter_map(|tag| tag.get("href").map(html::unescape))
        .find(|to| to.starts_with(upstream.issuer()));
    let leave = leave.unwrap_or_else(|| panic!("no way to the provider: {page}"));
    let back = browser.sign_in_elsewhere(&leave, "1");
    let asked = browser.come_back(&back).expect(303);
    let page = browser.get(asked.location().expect("the question"));
    browser.submit(&page.expect(200), &[]).expect(303);
    (upstream, browser)
}

/// Sends a form of `page` to `path`.
fn pressed(browser: &mut Browser, page: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    let page = browser.get(page).expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    let all = [fields, &[("csrf", csrf.as_str())]].concat();
    browser.post(path, &all).expect(303)
}

/// The link to `path` in the mail to that address.
fn mailed(address: &str, path: &str) -> String {
    let mails = MAILS.lock().expect("no panic");
    loop {
        let mail = mails.next(Duration::from_secs(30));
        if mail.recipients.iter().any(|to| to == address)
            && let Some(link) = mail.text.lines().find(|line| line.contains(path))
        {
            return link.trim().to_owned();
        }
    }
}
