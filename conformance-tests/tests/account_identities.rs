//! How somebody signs in, as its owner changes it: the e-mail address, and what an account may do before the address is proved.

use std::time::Duration;

use conformance_tests::linking::person;
use conformance_tests::{
    AuthorizationRequest, Backend, Browser, Mail, MailServer, OWN_TOKEN, Response, Setup, Tokens,
    World, html, on_both_backends,
};

const NEW: &str = "ada@elsewhere.test";

/// A world that sends mail.
fn world(backend: Backend, mails: &MailServer) -> World {
    let setup = Setup::new(backend)
        .env("CURFEW_MAIL_SMTP_URL", &mails.url())
        .env("CURFEW_MAIL_FROM", "Curfew <no-reply@example.test>");
    World::with(setup)
}

fn next(mails: &MailServer) -> Mail {
    mails.next(Duration::from_secs(30))
}

/// The link of a mail that leads to `path`.
fn link(mail: &Mail, path: &str) -> String {
    let link = mail.text.lines().find(|line| line.contains(path));
    link.unwrap_or_else(|| panic!("no {path} in {mail:?}"))
        .trim()
        .to_owned()
}

fn ask(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Response {
    let page = browser.get("/account/email").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    browser.post(path, &[fields, &[("csrf", csrf.as_str())]].concat())
}

/// Follows a mailed link and presses the one button of its page.
fn follow(browser: &mut Browser, link: &str) -> Response {
    let page = browser.get(link).expect(200);
    browser.submit(&page, &[])
}

fn email_of(world: &World) -> String {
    world.query("SELECT email FROM users WHERE username = 'ada'")
}

/// As an account that was made by signing in upstream, at a provider that is set so.
fn quarantine(world: &World) {
    world.query("UPDATE users SET quarantined = true WHERE username = 'ada'");
}

fn request(world: &World, client: &conformance_tests::Client, scope: &str) -> AuthorizationRequest {
    world.request(client).scope(scope)
}

/// What a redeemed code may do.
fn scope(
    world: &World,
    browser: &mut Browser,
    client: &conformance_tests::Client,
    asked: &str,
) -> String {
    let code = browser.obtain_code(&request(world, client, asked));
    let tokens = world.redeem(client, &code).expect(200);
    tokens.member("scope")
}

on_both_backends! {
    fn e11_an_address_is_changed_by_its_new_mailbox_and_put_back_by_the_old_one(backend) {
        let mails = MailServer::start();
        let world = world(backend, &mails);
        let mut thief = world.signed_in("ada");
        let mut owner = world.signed_in("ada");
        let tokens = world.tokens(&mut owner, &world.web);
        let asked = ask(&mut thief, "/account/email", &[("email", NEW)]);
        assert_eq!(asked.location(), Some("/account/email?told=sent"), "{asked:?}");
        let proof = next(&mails);
        assert_eq!(proof.recipients, [NEW]);
        let proof = link(&proof, "/account/email/confirm?link=");
        // A mail program looks at links by itself.
        world.browser().get(&proof).expect(200);
        assert_eq!(email_of(&world), "ada@example.test");
        world.assert_alive(&tokens.access);

        let before = thief.session();
        let done = follow(&mut thief, &proof);
        assert_eq!(done.location(), Some("/account/email/confirmed?outcome=changed"));
        assert_eq!(email_of(&world), NEW);
        assert_ne!(thief.session(), before);
        assert!(thief.is_signed_in() && !owner.is_signed_in());
        world.assert_dead(&tokens.access);
        world.refresh(&world.web, tokens.refresh()).expect_error(400, "invalid_grant");

        let told = next(&mails);
        assert_eq!(told.recipients, ["ada@example.test"]);
        let undo = link(&told, "/account/undo?link=");
        let undone = follow(&mut world.browser(), &undo);
        assert_eq!(undone.location(), Some("/account/undone?what=address"));
        assert_eq!(email_of(&world), "ada@example.test");
        assert!(!thief.is_signed_in(), "every session ended");
        for used in [&proof, &undo] {
            assert_eq!(world.browser().get(used).status, 400, "{used}");
        }
        let rows = world.run(&["audit", "search", "--event", "address.changed", "--json"], "");
        assert!(rows.contains("mailed_link"), "{rows}");
    }

    fn e11_another_address_wants_a_fresh_sign_in(backend) {
        let mails = MailServer::start();
        let setup = Setup::new(backend)
            .env("CURFEW_MAIL_SMTP_URL", &mails.url())
            .env("CURFEW_MAIL_FROM", "Curfew <no-reply@example.test>")
            .time_travel();
        let world = World::with(setup);
        let mut browser = world.signed_in("ada");
        world.advance(300);
        let stale = ask(&mut browser, "/account/email", &[("email", NEW)]);
        let login = stale.location().expect("a way").to_owned();
        assert!(login.starts_with("/login?") && login.ends_with("&reauth=1"), "{login}");
        let back = browser.sign_in_at(&login, "ada", conformance_tests::PASSWORD);
        assert_eq!(back.location(), Some("/account/email"));
        let asked = ask(&mut browser, "/account/email", &[("email", NEW)]);
        assert_eq!(asked.location(), Some("/account/email?told=sent"));
        assert_eq!(next(&mails).recipients, [NEW]);
    }

    /// Whoever asks learns nothing about other accounts.
    fn e11_an_address_that_another_account_has_is_answered_like_any_other(backend) {
        let mails = MailServer::start();
        let world = world(backend, &mails);
        world.add_user("eve");
        let mut browser = world.signed_in("ada");
        let taken = ask(&mut browser, "/account/email", &[("email", "EVE@example.test")]);
        let free = ask(&mut browser, "/account/email", &[("email", NEW)]);
        assert_eq!((taken.status, taken.location()), (free.status, free.location()));
        assert_eq!(next(&mails).recipients, [NEW], "the other one got none");
    }

    fn e10_an_account_in_quarantine_gets_no_scope_that_writes_until_its_mailbox_proves_it(backend) {
        let mails = MailServer::start();
        let world = world(backend, &mails);
        world.run(&["scope", "add", "look", "--description", "Look at your notes", "--resource", "api", "--read-only"], "");
        let options = [
            "--public", "--grant", "authorization_code", "--grant", "refresh_token",
            "--scope", "look", "--scope", "notes", "--scope", "curfew:account:read", "--scope", "curfew:account:write",
        ];
        let client = world.add_client("both", "http://127.0.0.1/cb", &options);
        let device = ["--public", "--grant", "device_code", "--scope", "look", "--scope", "notes"];
        let tv = world.add_client("tv", "", &device);
        world.add_client("first", "http://127.0.0.1/cb", &[&options[..], &["--consent", "implicit"]].concat());
        quarantine(&world);
        let mut browser = world.signed_in("ada");

        let page = browser.consent_page(&request(&world, &client, "look notes")).text();
        assert!(page.contains("Not allowed yet"), "{page}");
        let all = "curfew:account:read curfew:account:write look notes";
        assert_eq!(scope(&world, &mut browser, &client, all), "curfew:account:read look");
        let implicit = conformance_tests::Client { id: "first".to_owned(), ..client.clone() };
        assert_eq!(scope(&world, &mut browser, &implicit, "look notes"), "look");
        let refused = browser.authorize(&request(&world, &client, "notes"));
        assert_eq!(refused.location_parameter("error").as_deref(), Some("access_denied"));
        let told = refused.location_parameter("error_description").unwrap_or_default();
        assert!(told.contains("may only read"), "{told}");

        let asks_for_both = world.http().start_device(&tv, &[("scope", "look notes")]);
        browser.approve_device(&asks_for_both);
        let got = world.http().poll(&asks_for_both).expect(200);
        assert_eq!(got.member("scope"), "look");
        assert!(next(&mails).text.contains("A device may now use your account"));
        let writes = world.http().start_device(&tv, &[("scope", "notes")]);
        let page = browser.type_code("", &writes.user_code, "ada");
        assert_eq!(page.status, 403);
        assert!(page.text().contains("Confirm your address"), "{page:?}");

        let asked = ask(&mut browser, "/account/email/own", &[]);
        assert_eq!(asked.location(), Some("/account/email?told=sent"));
        let mail = next(&mails);
        assert_eq!(mail.recipients, ["ada@example.test"]);
        let done = follow(&mut world.browser(), &link(&mail, "/account/email/confirm?link="));
        assert_eq!(done.location(), Some("/account/email/confirmed?outcome=lifted"));
        assert!(browser.is_signed_in(), "nothing else changed");
        assert_eq!(scope(&world, &mut browser, &client, "look notes"), "look notes");
        let rows = world.run(&["audit", "search", "--event", "quarantine.lifted", "--json"], "");
        assert!(rows.contains("mailed_link"), "{rows}");
    }

    fn e10_no_token_of_a_quarantined_account_writes_whatever_was_approved_before(backend) {
        let mails = MailServer::start();
        let world = world(backend, &mails);
        world.run(&["scope", "add", "look", "--description", "Look at your notes", "--resource", "api", "--read-only"], "");
        let options = ["--grant", "authorization_code", "--grant", "refresh_token", "--consent", "implicit", "--scope", "look", "--scope", "notes"];
        let client = world.add_client("both", "https://app.example.test/cb", &options);
        let mut browser = world.signed_in("ada");
        let code = browser.obtain_code(&request(&world, &client, "look notes"));
        let tokens = Tokens::of(&world.redeem(&client, &code));
        quarantine(&world);
        let refreshed = world.refresh(&client, tokens.refresh()).expect(200);
        assert_eq!(refreshed.member("scope"), "look");
        let answer = world.introspect(&refreshed.member("access_token"));
        assert_eq!(answer["scope"], "look", "{answer}");
        let only = browser.obtain_code(&request(&world, &client, "look"));
        let only = Tokens::of(&world.redeem(&client, &only));
        world.refresh(&client, only.refresh()).expect(200);
    }

    /// The flag is the provider's, and is read when somebody signs up; the operator's word ends it for that one account.
    fn e10_who_signs_up_at_a_provider_set_to_quarantine_only_reads_until_the_operator_says_otherwise(backend) {
        let world = World::upstream(backend);
        world.run(&["scope", "add", "look", "--description", "Look at your notes", "--resource", "api", "--read-only", "--personal"], "");
        let tv = world.add_device();
        let options = [
            "--grant", "authorization_code", "--grant", "refresh_token", "--grant", "device_code", "--consent", "implicit",
            "--scope", "look", "--scope", "notes", "--scope", "curfew:account:read", "--scope", "curfew:account:write",
        ];
        let client = world.add_client("both", "https://app.example.test/cb", &options);
        let people = vec![person("s-grace", "grace"), person("s-heidi", "heidi")];
        let work = world.openid("work", people, &["--sign-ups", "on", "--quarantine"]);
        let mut grace = world.let_in(&work, "s-grace");
        assert!(grace.get("/account").expect(200).text().contains("quarantine-"), "the page says so");
        let everything = "curfew:account:read curfew:account:write look notes";
        let code = grace.obtain_code(&request(&world, &client, everything));
        let narrow = Tokens::of(&world.redeem(&client, &code));
        assert_eq!(world.introspect(&narrow.access)["scope"], "look");
        let refused = grace.authorize(&request(&world, &client, "notes"));
        assert_eq!(refused.location_parameter("error").as_deref(), Some("access_denied"));
        let device = world.http().start_device(&tv, &[]);
        assert_eq!(grace.type_code("", &device.user_code, "grace").status, 403);
        grace.make_token(&OWN_TOKEN).expect(400);
        let own = grace.made_token(&[("name", "to read"), ("scope", "look")]);
        assert_eq!(world.introspect(&own)["scope"], "look");
        // The way in that made the account proves nothing a second time, and the provider's setting is no longer asked.
        world.run(&["upstream", "change", "work", "--quarantine", "false"], "");
        let mut grace = world.let_in(&work, "s-grace");
        assert_eq!(scope(&world, &mut grace, &client, "look notes"), "look");
        let mut heidi = world.let_in(&work, "s-heidi");
        assert_eq!(scope(&world, &mut heidi, &client, "look notes"), "look notes");
        assert!(world.audited("quarantine.lifted").is_empty());

        world.run(&["user", "lift-quarantine", "grace"], "");
        assert_eq!(scope(&world, &mut grace, &client, everything), everything);
        world.family(&tv, grace).assert_alive(&world);
        let refreshed = world.refresh(&client, narrow.refresh()).expect(200);
        assert_eq!(refreshed.member("scope"), "curfew:account:read look", "what was allowed stays as narrow");
        let rows = world.audited("quarantine.lifted");
        assert_eq!(rows.len(), 1, "{rows:?}");
        let id = world.cli(&["user", "show", "grace"])["id"].clone();
        assert_eq!((&rows[0]["user_id"], &rows[0]["outcome"]), (&id, &"succeeded".into()), "{rows:?}");
        assert!(!world.try_cli(&["user", "lift-quarantine", "grace"], "").status.success());
        assert_eq!(world.audited("quarantine.lifted").len(), 1);
    }
}
