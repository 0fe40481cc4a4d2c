//! Browser sessions as their owner sees and ends them, and everything that hangs on a person.

use conformance_tests::{
    Backend, Browser, Client, Device, Request, Response, Setup, Tokens, World, html,
    on_both_backends,
};

/// The ids of the page's buttons that begin with `prefix`, without it.
fn buttons(page: &Response, prefix: &str) -> Vec<String> {
    let tags = html::tags(&page.text());
    let ids = tags.iter().filter_map(|tag| tag.get("id"));
    ids.filter_map(|id| id.strip_prefix(prefix).map(str::to_owned))
        .collect()
}

/// Presses a button of a form with one field, with the form token of the account page.
fn press(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Response {
    let page = browser.get("/account").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    browser.post(path, &[fields, &[("csrf", csrf.as_str())]].concat())
}

/// The number of the session that this browser is in.
fn own_session(browser: &mut Browser) -> String {
    let page = browser.get("/account/sessions").expect(200).text();
    let own = page.split("class=\"this\"").nth(1).expect("a row");
    let tags = html::tags(own);
    let mut ids = tags.iter().filter_map(|tag| tag.get("id"));
    ids.find_map(|id| id.strip_prefix("session-end-"))
        .expect("a button")
        .to_owned()
}

fn approved(world: &World, client: &Client) -> (Device, Tokens) {
    let device = world
        .http()
        .start_device(client, &[("scope", "notes offline_access")]);
    world.browser().approve_device(&device);
    let tokens = Tokens::of(&world.http().poll(&device));
    (device, tokens)
}

on_both_backends! {
    fn d05_one_device_is_signed_out_and_the_others_stay(backend) {
        let world = World::start(backend);
        let (mut here, mut there, mut third) = (world.signed_in("ada"), world.signed_in("ada"), world.signed_in("ada"));
        let other = own_session(&mut there);
        let page = here.get("/account/sessions").expect(200);
        let listed = buttons(&page, "session-end-");
        assert!(listed.len() == 3 && listed.contains(&other), "{page:?}");
        let answer = press(&mut here, "/account/sessions/end", &[("id", &other)]).expect(303);
        assert_eq!(answer.location(), Some("/account/sessions?told=session_ended"));
        assert!(here.is_signed_in() && !there.is_signed_in() && third.is_signed_in());
        // A second time there is nothing to end (C37).
        let again = press(&mut here, "/account/sessions/end", &[("id", &other)]).expect(303);
        assert_eq!(again.location(), Some("/account/sessions?told=gone"));
    }

    fn d02_every_cookie_of_a_session_is_dead_after_it_ended(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let mut captured = browser.clone();
        let own = own_session(&mut browser);
        let answer = press(&mut browser, "/account/sessions/end", &[("id", &own)]).expect(303);
        assert_eq!(answer.location(), Some("/signed-out"));
        assert!(browser.session().is_none(), "the cookie is taken away");
        // D01: replayed, it opens nothing, whatever is asked for.
        assert!(!captured.is_signed_in());
        let late = captured.get("/account/sessions");
        assert!(late.location().is_some_and(|to| to.starts_with("/login?return_to=")), "{late:?}");
    }

    fn d03_everything_ends_with_one_epoch_and_the_password_stays(backend) {
        let mut setup = Setup::new(backend);
        if backend == Backend::Postgres {
            setup = setup.nodes(3);
        }
        let world = World::with(setup);
        let (_, device) = approved(&world, &world.add_tv());
        let (mut here, mut there) = (world.signed_in("ada"), world.signed_in("ada"));
        let tokens = world.tokens(&mut here, &world.app);
        let epoch = || world.query("SELECT epoch FROM users WHERE username = 'ada'").trim().parse::<i64>().expect("a number");
        let before = epoch();
        let asked = here.get("/account/sessions/end-all").expect(200);
        assert!(html::input(&asked.text(), "password").is_none(), "d04: no password is asked");
        world.assert_alive(&tokens.access);
        let answer = here.submit(&asked, &[]).expect(303);
        assert_eq!(answer.location(), Some("/login?told=logged_out_everywhere"));
        assert_eq!(epoch(), before + 1);
        for dead in [&tokens, &device] {
            world.assert_dead(&dead.access);
        }
        world.refresh(&world.app, tokens.refresh()).expect_error(400, "invalid_grant");
        assert!(!here.is_signed_in() && !there.is_signed_in());
        // Whoever held a stolen cookie cannot do it again, and has locked nobody out.
        press_dead(&mut there);
        assert!(world.signed_in("ada").is_signed_in(), "a new login works with the same password");
    }

    fn an_application_is_withdrawn_with_every_token_it_has(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let (app, web) = (world.tokens(&mut browser, &world.app), world.tokens(&mut browser, &world.web));
        let page = browser.get("/account/applications").expect(200);
        let mut listed = buttons(&page, "application-withdraw-");
        listed.sort();
        assert_eq!(listed, ["app", "web"]);
        assert!(page.text().contains("Use your notes"), "{page:?}");
        let answer = press(&mut browser, "/account/applications/withdraw", &[("client_id", "app")]).expect(303);
        assert_eq!(answer.location(), Some("/account/applications?told=application_withdrawn"));
        world.assert_dead(&app.access);
        world.refresh(&world.app, app.refresh()).expect_error(400, "invalid_grant");
        world.assert_alive(&web.access);
        // What was remembered is forgotten: the person is asked again.
        browser.consent_page(&world.request(&world.app));
        let gone = press(&mut browser, "/account/applications/withdraw", &[("client_id", "app")]).expect(303);
        assert_eq!(gone.location(), Some("/account/applications?told=gone"));
    }

    fn a_device_is_disowned_with_everything_it_got(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        let ((_, mine), (_, foreign)) = (approved(&world, &client), approved(&world, &client));
        let mut browser = world.signed_in("ada");
        let page = browser.get("/account").expect(200);
        let devices = buttons(&page, "device-disown-");
        assert_eq!(devices.len(), 2, "{page:?}");
        // The newest stands first.
        let answer = press(&mut browser, "/account/devices/disown", &[("id", &devices[0])]).expect(303);
        assert_eq!(answer.location(), Some("/account?told=device_disowned"));
        world.assert_dead(&foreign.access);
        world.refresh(&client, foreign.refresh()).expect_error(400, "invalid_grant");
        world.assert_alive(&mine.access);
        let log = world.cli(&["audit", "search", "--event", "incident.reported"]);
        assert!(log.to_string().contains(&devices[0]), "{log}");
    }

    fn a24_all_tokens_end_and_the_browser_stays_signed_in(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let tokens = world.tokens(&mut browser, &world.app);
        let (_, device) = approved(&world, &world.add_tv());
        let asked = browser.get("/account/tokens/end-all").expect(200);
        browser.submit(&asked, &[]).expect(303);
        world.assert_dead(&tokens.access);
        world.assert_dead(&device.access);
        assert!(browser.is_signed_in());
        let page = browser.get("/account/tokens").expect(200);
        assert!(buttons(&page, "token-revoke-").is_empty(), "{page:?}");
    }

    fn d06_a_session_ends_on_time_however_busy_it_is(backend) {
        let world = World::with(Setup::new(backend).time_travel());
        let mut browser = world.signed_in("ada");
        for _ in 0..24 {
            assert!(browser.is_signed_in());
            world.advance(1_790);
        }
        assert!(browser.is_signed_in(), "42960 s after the login");
        world.advance(240);
        // D21: the row is still there, and the page does not render as signed in.
        assert!(!browser.is_signed_in());
        let page = browser.get("/account/sessions");
        assert_eq!(page.status, 303, "{page:?}");
    }
}

/// A dead session's form is not taken.
fn press_dead(browser: &mut Browser) {
    let answer = browser.send(Request::form("/account/sessions/end-all", &[]));
    let to_login = answer
        .location()
        .is_some_and(|to| to.starts_with("/login?return_to="));
    assert!(to_login || answer.status == 403, "{answer:?}");
}
