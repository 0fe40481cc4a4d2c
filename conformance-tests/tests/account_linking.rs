//! How somebody signs in, as its owner changes it: identities at a provider that are linked and unlinked on the account page, what the mail
//! about it takes back, and the last way in, which stays.

use std::time::Duration;

use conformance_tests::linking::address;
use conformance_tests::upstream::Upstream;
use conformance_tests::{
    Backend, Browser, Client, Mail, MailServer, PASSWORD, Response, Setup, World, html,
    on_both_backends,
};
use demo_provider::{Person, Running};

const STALE: &str = "/login?return_to=%2Faccount%2Fidentities&reauth=1";

/// A server with mail, a provider whose people have other addresses than here, and a device.
struct Place {
    world: World,
    mails: MailServer,
    work: Upstream<Running>,
    tv: Client,
}

fn at_work(name: &str) -> Person {
    Person::new(
        &format!("s-{name}"),
        name,
        &format!("{name}@work.example.test"),
    )
}

impl Place {
    fn of(backend: Backend, options: &[&str]) -> Self {
        let mails = MailServer::start();
        let setup = Setup::new(backend)
            .with_upstreams()
            .time_travel()
            .env("CURFEW_MAIL_SMTP_URL", &mails.url())
            .env("CURFEW_MAIL_FROM", "no-reply@example.test");
        let world = World::with(setup);
        let work = world.openid("work", vec![at_work("ada"), at_work("bob")], options);
        let tv = world.add_device();
        Self {
            world,
            mails,
            work,
            tv,
        }
    }

    /// Ada, who has a password, links her identity at work; returns the link in the mail that tells her.
    #[track_caller]
    fn linked(&self) -> String {
        let mut ada = self.world.signed_in("ada");
        link(&mut ada, &self.work, "s-ada").expect(303);
        let told = self.told("A new way to sign in");
        undo_of(&told)
    }

    /// The mail that says so; those about devices are not looked at.
    #[track_caller]
    fn told(&self, words: &str) -> Mail {
        loop {
            let mail = self.mails.next(Duration::from_secs(30));
            if mail.text.contains(words) {
                return mail;
            }
            assert!(mail.text.contains("A device may now use"), "{mail:?}");
        }
    }

    /// The links that are not taken away: subject and whose it is.
    #[track_caller]
    fn links(&self) -> Vec<[String; 2]> {
        let links = self.world.links().into_iter();
        links.map(|[_, _, subject, user]| [subject, user]).collect()
    }
}

/// Links an identity, from the button on the account page to the yes.
#[track_caller]
fn link(browser: &mut Browser, upstream: &Upstream<Running>, person: &str) -> Response {
    let asked = browser.begin_to_link(upstream, person).expect(303);
    let question = browser.follow_on(&asked).expect(200);
    browser.submit(&question, &[])
}

#[track_caller]
fn undo_of(mail: &Mail) -> String {
    let mut lines = mail.text.lines();
    let link = lines.find(|line| line.contains("/account/undo?link="));
    link.unwrap_or_else(|| panic!("no link in {mail:?}"))
        .trim()
        .to_owned()
}

#[track_caller]
fn assert_unlinked(answer: &Response) {
    assert_eq!(
        answer.location(),
        Some("/account/identities?told=unlinked"),
        "{answer:?}"
    );
}

/// Has the page a form that takes this one away?
fn offers_to_unlink(page: &str, link: &str) -> bool {
    let inputs = html::inputs(page);
    inputs
        .iter()
        .any(|(name, value)| name == "id" && value == link)
}

/// It is the only way in: nothing changes, and the page says what to do.
#[track_caller]
fn assert_stays(world: &World, browser: &mut Browser, link: &str) {
    let before = world.remains();
    let answer = browser.unlink_identity(link).expect(409);
    let page = html::unescape(&answer.text());
    let told = "Nothing was unlinked: it is the only way into your account. Set a password first, or link another.";
    assert!(page.contains(told), "{answer:?}");
    assert!(!offers_to_unlink(&page, link), "{page}");
    assert_eq!(world.remains(), before);
    assert!(browser.is_signed_in());
}

/// Sets a password by the mailed link for a forgotten one.
#[track_caller]
fn set_password(place: &Place, name: &str) {
    let mut browser = place.world.browser();
    let page = browser.get("/login/forgot").expect(200);
    browser.submit(&page, &[("username", name)]).expect(200);
    let mail = place.told("/login/password?link=");
    let mut lines = mail.text.lines();
    let link = lines.find(|line| line.contains("/login/password?link="));
    let page = browser.get(link.expect("a link").trim()).expect(200);
    let chosen = [("password", PASSWORD), ("password_again", PASSWORD)];
    browser.submit(&page, &chosen).expect(303);
}

on_both_backends! {
    fn an_identity_is_linked_by_a_form_of_a_fresh_session_and_its_owner_is_told(backend) {
        let place = Place::of(backend, &[]);
        let Place { world, work, .. } = &place;
        let mut ada = world.signed_in("ada");
        let target = work.path("link");
        // Nothing but a form of this very session begins it.
        assert_eq!(ada.get(&target).status, 405);
        let others = world.signed_in("ada").get("/account/identities").expect(200).text();
        let others = html::input(&others, "csrf").expect("a form token");
        for csrf in ["", "x", others.as_str()] {
            ada.post(&target, &[("csrf", csrf)]).expect(403);
        }
        world.advance(300);
        let stale = ada.post_from("/account/identities", &target, &[]).expect(303);
        assert_eq!(stale.location(), Some(STALE));
        assert_eq!(world.count("upstream_logins"), 0, "nobody was sent away");
        let back = ada.sign_in_at(STALE, "ada", PASSWORD);
        assert_eq!(back.location(), Some("/account/identities"));

        let session = ada.session();
        let asked = ada.begin_to_link(work, "s-ada").expect(303);
        let question = ada.follow_on(&asked).expect(200);
        let text = question.text();
        assert!(text.contains("ada@work.example.test") && text.contains("ada"), "{text}");
        assert!(place.links().is_empty(), "not without a yes");
        let done = ada.submit(&question, &[]);
        assert_eq!(done.location(), Some("/account/identities?told=linked"));
        assert_eq!(place.links(), [["s-ada", "ada"]]);
        assert_eq!(ada.session(), session, "it was not the identity that let her in");
        assert!(ada.is_signed_in());

        let told = place.told("A new way to sign in");
        assert_eq!(told.recipients, [address("ada")], "the account's address, not the identity's");
        assert!(told.text.contains("ada@work.example.test at"), "{told:?}");
        undo_of(&told);
        let row = &world.audited("identity.linked")[0];
        assert_eq!((&row["detail"], &row["outcome"]), (&"work".into(), &"succeeded".into()), "{row}");
        assert_eq!(world.let_in(work, "s-ada").username(), "ada");
    }

    fn unlinking_ends_what_was_born_through_the_identity_and_the_mail_brings_only_the_identity_back(backend) {
        let place = Place::of(backend, &[]);
        let Place { world, work, tv, .. } = &place;
        place.linked();
        let through = world.family(tv, world.let_in(work, "s-ada"));
        let mut by_password = world.family(tv, world.signed_in("ada"));
        let link = world.link_id("ada", "work");
        world.advance(300);
        let mut asking = by_password.browser.clone();
        assert_eq!(asking.unlink_identity(&link).location(), Some(STALE));
        through.clone().assert_alive(world);
        assert_eq!(place.links(), [["s-ada", "ada"]]);

        let mut asking = world.signed_in("ada");
        let page = asking.get("/account/identities").expect(200).text();
        assert!(offers_to_unlink(&page, &link), "{page}");
        assert_unlinked(&asking.unlink_identity(&link));
        assert!(place.links().is_empty());
        through.clone().assert_dead(world);
        by_password.assert_alive(world);
        let told = place.told("A way to sign in");
        assert_eq!(told.recipients, [address("ada")]);
        assert!(told.text.contains("ada@work.example.test at"), "{told:?}");
        world.turned_away(work, "s-ada", (403, "sign_ups_off"));
        assert_eq!(asking.unlink_identity(&link).status, 404, "once");

        let undo = undo_of(&told);
        let page = world.browser().get(&undo).expect(200);
        assert!(html::by_id(&page.text(), "undo-confirm").is_some(), "{page:?}");
        assert!(place.links().is_empty(), "who looks changes nothing");
        let mut reader = world.browser();
        let page = reader.get(&undo).expect(200);
        assert_eq!(reader.submit(&page, &[]).location(), Some("/account/undone?what=unlinked"));
        assert_eq!(place.links(), [["s-ada", "ada"]]);
        through.assert_dead(world);
        by_password.assert_alive(world);
        assert_eq!(world.let_in(work, "s-ada").username(), "ada");
    }

    fn the_mail_about_a_linked_identity_takes_it_away_once_with_what_was_born_through_it(backend) {
        let place = Place::of(backend, &[]);
        let Place { world, work, tv, .. } = &place;
        let undo = place.linked();
        let mut through = world.family(tv, world.let_in(work, "s-ada"));
        let by_password = world.family(tv, world.signed_in("ada"));
        let before = world.remains();
        let mut reader = world.browser();
        // Mail programs look at links by themselves.
        for _ in 0..2 {
            let page = reader.get(&undo).expect(200).text();
            assert!(page.contains("ada@work.example.test"), "{page}");
        }
        let link = undo.split("link=").nth(1).expect("a link").to_owned();
        for csrf in ["", "x"] {
            reader.post("/account/undo", &[("csrf", csrf), ("link", &link)]).expect(403);
        }
        assert_eq!(world.remains(), before, "who looks changes nothing");
        through.assert_alive(world);

        let page = reader.get(&undo).expect(200);
        assert_eq!(reader.submit(&page, &[]).location(), Some("/account/undone?what=linked"));
        assert!(reader.get("/account/undone?what=linked").status == 200);
        assert!(place.links().is_empty());
        // The session that linked it may be a thief's, and so may any other.
        through.assert_dead(world);
        by_password.assert_dead(world);
        world.turned_away(work, "s-ada", (403, "sign_ups_off"));
        reader.submit(&page, &[]).expect(400);
        reader.get(&undo).expect(400);
        let rows = world.audited("identity.change_undone");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["detail"], "linked work", "{rows:?}");
        assert!(rows[0].to_string().contains("mailed_link"), "{rows:?}");
        world.run(&["doctor", "--invariants"], "");
    }

    /// B39: the identity goes where its person's own click on a page of ours sends it.
    fn b39_an_invitation_is_accepted_with_an_identity_from_its_own_page_and_by_no_link(backend) {
        let place = Place::of(backend, &["--sign-ups", "invite"]);
        let Place { world, work, .. } = &place;
        let invited = world.cli(&["user", "add", "guest"]);
        let url = invited["invitation_url"].as_str().expect("a link");
        let secret = url.split_once("link=").expect("a secret").1;
        // Somebody else's browser is sent there, by a link or by a form that is not ours.
        let mut victim = world.browser();
        let start = format!("{}&invitation={secret}", work.start("/account"));
        let sent = victim.get(&start).expect(303);
        let back = victim.sign_in_elsewhere(sent.location().expect("the provider"), "s-bob");
        let refused = victim.come_back(&back);
        victim.assert_refused(&refused, 403, "invitation_needed");
        let forged = [("csrf", "x"), ("link", secret)];
        victim.post(&work.path("invitation"), &forged).expect(403);
        assert!(world.links().is_empty());

        let mut guest = world.browser();
        let page = guest.accept_elsewhere(url, work).expect(200);
        guest.go_on_to(&page, "s-bob").expect(303);
        assert_eq!(guest.username(), "guest");
        assert_eq!(world.links(), [["work", work.issuer(), "s-bob", "guest"]]);
        world.browser().get(url).expect(400);
        let rows = world.audited("identity.linked");
        assert!(rows[0].to_string().contains("mailed_link"), "{rows:?}");
    }

    fn the_last_way_in_stays_until_a_password_is_set(backend) {
        let place = Place::of(backend, &["--sign-ups", "on"]);
        let Place { world, work, tv, .. } = &place;
        let mut bob = world.family(tv, world.let_in(work, "s-bob"));
        let link = world.link_id("bob", "work");
        let page = bob.browser.get("/account/identities").expect(200).text();
        assert!(!offers_to_unlink(&page, &link), "{page}");
        assert_stays(world, &mut bob.browser, &link);
        bob.assert_alive(world);
        assert!(world.audited("identity.unlinked").is_empty());

        set_password(&place, "bob");
        let mut browser = world.browser();
        browser.sign_in("bob", PASSWORD);
        assert_unlinked(&browser.unlink_identity(&link));
        assert!(place.links().is_empty());
        let mut again = world.browser();
        again.sign_in("bob", PASSWORD);
        assert_eq!(again.username(), "bob");
    }

    fn the_last_way_in_stays_until_another_identity_lets_in(backend) {
        let place = Place::of(backend, &["--sign-ups", "on"]);
        let Place { world, work, .. } = &place;
        let home = world.openid("home", vec![Person::new("h-bob", "Bob", "bob@home.example.test")], &[]);
        let mut bob = world.let_in(work, "s-bob");
        link(&mut bob, &home, "h-bob").expect(303);
        assert_eq!(place.links(), [["h-bob", "bob"], ["s-bob", "bob"]]);
        let (at_work, at_home) = (world.link_id("bob", "work"), world.link_id("bob", "home"));
        // One at a provider that lets nobody in is no way in.
        world.run(&["upstream", "disable", "home"], "");
        assert_stays(world, &mut bob, &at_work);
        world.run(&["upstream", "enable", "home"], "");
        // The session was born through it, and ends with it.
        let through = bob.clone();
        let done = bob.unlink_identity(&at_work);
        assert_eq!(done.location(), Some("/login?told=identity_unlinked"), "{done:?}");
        assert_eq!(bob.session(), None);
        assert!(!through.clone().is_signed_in());
        assert_eq!(place.links(), [["h-bob", "bob"]]);
        let mut bob = world.let_in(&home, "h-bob");
        assert_eq!(bob.username(), "bob");
        assert_stays(world, &mut bob, &at_home);
    }
}
