//! A provider and a link are ancestors: whatever was born through them is dead at every node in the moment in which their end is
//! acknowledged, and stays dead.

use conformance_tests::upstream::{CLIENT_ID, Upstream};
use conformance_tests::{
    Backend, Browser, Client, Family, PASSWORD, Request, Setup, World, html, on_both_backends,
};
use demo_provider::{Person, Running};

const OPEN: &[&str] = &["--sign-ups", "on"];

fn world(backend: Backend) -> World {
    let nodes = if backend == Backend::Postgres { 3 } else { 1 };
    World::with(Setup::new(backend).with_upstreams().nodes(nodes))
}

/// Two providers, and people born through each and through a password; each approves one of everything.
struct Place {
    world: World,
    tv: Client,
    work: Upstream<Running>,
    home: Upstream<Running>,
}

impl Place {
    fn of(backend: Backend) -> Self {
        let world = world(backend);
        let people = |prefix: &str| {
            let person = |name: &str| {
                Person::new(
                    &format!("s-{name}"),
                    name,
                    &format!("{name}@{prefix}.example.test"),
                )
            };
            vec![person("bob"), person("carol")]
        };
        let work = world.openid("work", people("work"), OPEN);
        let home = world.openid("home", people("home"), OPEN);
        let tv = world.add_device();
        Self {
            world,
            tv,
            work,
            home,
        }
    }

    /// Somebody who comes through the provider.
    #[track_caller]
    fn through(&self, upstream: &Upstream<Running>, person: &str) -> Family {
        self.born(self.world.let_in(upstream, person))
    }

    #[track_caller]
    fn born(&self, browser: Browser) -> Family {
        self.world.family(&self.tv, browser)
    }

    /// `end` ends what came through `work`, all of it and nothing else; `back` brings none of it back.
    fn ends(&self, end: &[&[&str]], back: &[&[&str]]) {
        let world = &self.world;
        let (dead, also) = (
            self.through(&self.work, "s-bob"),
            self.through(&self.work, "s-carol"),
        );
        let mut others = [
            self.through(&self.home, "s-bob"),
            self.born(world.signed_in("ada")),
        ];
        for command in end.iter().chain(back) {
            world.run(command, "");
        }
        dead.assert_dead(world);
        also.assert_dead(world);
        for other in &mut others {
            other.assert_alive(world);
        }
        world.run(&["doctor", "--invariants"], "");
    }
}

on_both_backends! {
    fn b43_what_was_born_through_a_provider_is_dead_when_it_is_disabled(backend) {
        Place::of(backend).ends(&[&["upstream", "disable", "work"]], &[]);
    }

    fn b43_enabling_a_provider_again_revives_nothing(backend) {
        let place = Place::of(backend);
        place.ends(&[&["upstream", "disable", "work"]], &[&["upstream", "enable", "work"]]);
        // But its people may come again, to the accounts that they had.
        let users = place.world.count("users");
        place.through(&place.work, "s-bob").assert_alive(&place.world);
        assert_eq!(place.world.count("users"), users);
    }

    fn b43_what_was_born_through_a_provider_is_dead_when_it_is_deleted(backend) {
        Place::of(backend).ends(&[&["upstream", "delete", "work"]], &[]);
    }

    fn b43_what_was_born_through_a_provider_is_dead_when_it_is_deleted_after_being_disabled(backend) {
        Place::of(backend).ends(&[&["upstream", "disable", "work"], &["upstream", "delete", "work"]], &[]);
    }

    /// With another issuer or client id it is another provider, and going back makes it no younger.
    fn b43_what_was_born_through_a_provider_is_dead_when_it_becomes_another(backend) {
        let place = Place::of(backend);
        let issuer = place.work.issuer().to_owned();
        let change = |option: &'static str, to: &str| ["upstream", "change", "work", option, to].map(str::to_owned);
        let (other, back) = (change("--issuer", "https://other.example.test"), change("--issuer", &issuer));
        place.ends(&[&other.each_ref().map(String::as_str)], &[&back.each_ref().map(String::as_str)]);
        let place = Place::of(backend);
        place.ends(&[&["upstream", "change", "work", "--client-id", "other"]], &[&["upstream", "change", "work", "--client-id", CLIENT_ID]]);
        // Whatever else is changed ends nothing.
        let mut lives = place.through(&place.work, "s-bob");
        place.world.run(&["upstream", "change", "work", "--name", "Work", "--sign-ups", "off"], "");
        lives.assert_alive(&place.world);
    }

    /// B17: the same provider under another name is the same.
    fn b17_what_was_born_through_a_provider_lives_when_its_links_move_to_another_issuer(backend) {
        let place = Place::of(backend);
        let Place { world, work, .. } = &place;
        let mut lives = place.through(work, "s-bob");
        let old = work.issuer();
        world.run(&["upstream", "rebind-issuer", "work", old, "https://other.example.test"], "");
        lives.assert_alive(world);
        world.run(&["upstream", "rebind-issuer", "work", "https://other.example.test", old], "");
        lives.assert_alive(world);
        place.through(work, "s-bob").assert_alive(world);
    }

    /// By an administrator: what was born through this link and nothing else.
    fn b43_what_was_born_through_a_link_is_dead_when_it_is_taken_away(backend) {
        let place = Place::of(backend);
        let Place { world, work, .. } = &place;
        let dead = place.through(work, "s-bob");
        let mut other = place.through(work, "s-carol");
        let bob = world.query("SELECT username FROM users WHERE email_key = 'bob@work.example.test'");
        assert_eq!(world.shown_links(&bob).len(), 1);
        let link = world.link_id(&bob, "work");
        world.run(&["user", "unlink", &bob, &link], "");
        dead.assert_dead(world);
        other.assert_alive(world);
        // The way in is gone as well: the identity is a stranger's now, whose address chooses nobody (B36).
        let mut browser = world.browser();
        let answer = browser.sign_in_upstream(work, "s-bob");
        browser.assert_refused(&answer, 403, "identity_already_bound");
        world.run(&["doctor", "--invariants"], "");
    }

    /// By an administrator: it stays its person's, who neither gets in through it nor takes it away until it is enabled.
    fn b43_what_was_born_through_a_link_is_dead_when_it_is_disabled_and_stays_dead(backend) {
        let place = Place::of(backend);
        let Place { world, work, .. } = &place;
        world.let_in(work, "s-bob");
        let bob = world.query("SELECT username FROM users WHERE email_key = 'bob@work.example.test'");
        world.run(&["user", "set-password", &bob], &format!("{PASSWORD}\n"));
        let dead = place.through(work, "s-bob");
        let mut others = [place.born(world.signed_in(&bob)), place.through(work, "s-carol")];
        let link = world.link_id(&bob, "work");
        world.run(&["user", "disable-link", &bob, &link], "");
        dead.clone().assert_dead(world);
        for other in &mut others {
            other.assert_alive(world);
        }
        assert_eq!(world.shown_links(&bob)[0]["status"], "disabled");
        assert!(world.run(&["user", "show", &bob], "").contains("disabled"));
        let mut browser = world.browser();
        let before = world.remains();
        let answer = browser.sign_in_upstream(work, "s-bob");
        browser.assert_refused(&answer, 403, "link_disabled");
        assert_eq!(world.remains(), before);
        // Its person has a password, and still cannot take it away.
        let browser = &mut others[0].browser;
        let page = browser.get("/account/identities").expect(200).text();
        assert_eq!(html::input(&page, "id"), None, "{page}");
        let csrf = html::input(&page, "csrf").expect("a form");
        browser.post("/account/identities/unlink", &[("csrf", &csrf), ("id", &link)]).expect(404);
        assert_eq!(world.shown_links(&bob)[0]["status"], "disabled");
        world.run(&["user", "enable-link", &bob, &link], "");
        dead.assert_dead(world);
        place.through(work, "s-bob").assert_alive(world);
        assert_eq!(world.link_id(&bob, "work"), link);
        let trail = world.cli(&["audit", "search", "--user", &bob, "--event", "identity.status_changed"]);
        let mut details: Vec<_> = trail.as_array().expect("rows").iter().map(|row| row["detail"].as_str().expect("a detail")).collect();
        details.sort_unstable();
        assert_eq!(details, [format!("work {link}: active"), format!("work {link}: disabled")]);
        world.run(&["doctor", "--invariants"], "");
    }

    /// By its owner on the account page, who has a password besides: the session that was born through the password goes on.
    fn b43_unlinking_on_the_account_page_ends_what_was_born_through_the_link(backend) {
        let place = Place::of(backend);
        let Place { world, work, .. } = &place;
        let dead = place.through(work, "s-bob");
        let bob = world.query("SELECT username FROM users WHERE email_key = 'bob@work.example.test'");
        world.run(&["user", "set-password", &bob], &format!("{PASSWORD}\n"));
        // A password set by the operator ends everything: the provider bears anew.
        dead.assert_dead(world);
        let dead = place.through(work, "s-bob");
        let mut lives = place.born(world.signed_in(&bob));
        let link = world.link_id(&bob, "work");
        let page = lives.browser.get("/account/identities").expect(200).text();
        assert_eq!(html::input(&page, "id"), Some(link.clone()), "the page offers it");
        let answer = lives.browser.unlink_identity(&link).expect(303);
        assert!(answer.location().is_some_and(|to| to.ends_with("told=unlinked")), "{answer:?}");
        dead.assert_dead(world);
        lives.assert_alive(world);
    }

    /// A sign-in under way when the provider is disabled comes to nothing, also when it is enabled again in time.
    fn b43_a_sign_in_that_is_under_way_ends_with_the_provider(backend) {
        let place = Place::of(backend);
        let Place { world, work, .. } = &place;
        for commands in [&["disable", "enable"][..], &["disable"]] {
            let mut browser = world.browser();
            let started = browser.start_upstream(work).expect(303);
            let back = browser.sign_in_elsewhere(started.location().expect("a redirect"), "s-bob");
            for command in commands {
                world.run(&["upstream", command, "work"], "");
            }
            let before = world.remains();
            let answer = browser.come_back(&back);
            browser.assert_refused(&answer, 403, "provider_disabled");
            // The state is used up although it was refused (B44).
            let answer = browser.come_back(&back);
            browser.assert_refused(&answer, 400, "upstream_state_invalid");
            assert_eq!(world.remains(), before);
        }
        world.run(&["upstream", "enable", "work"], "");
        place.through(work, "s-bob").assert_alive(world);
        world.run(&["upstream", "delete", "work"], "");
        world.http().send(&Request::get(&work.start("/account"))).expect(404);
    }

    /// A05, A09: what the provider bore is as dead as the rest, and the provider does not bring the person back.
    fn a05_a09_what_was_born_through_a_provider_dies_with_its_person(backend) {
        let place = Place::of(backend);
        let Place { world, work, .. } = &place;
        let dead = place.through(work, "s-bob");
        let bob = world.query("SELECT username FROM users WHERE email_key = 'bob@work.example.test'");
        world.run(&["user", "suspend", &bob], "");
        dead.assert_dead(world);
        let mut browser = world.browser();
        let answer = browser.sign_in_upstream(work, "s-bob");
        browser.assert_refused(&answer, 403, "account_suspended");
        world.run(&["user", "unsuspend", &bob], "");
        let dead = place.through(work, "s-bob");
        world.run(&["user", "delete", &bob], "");
        dead.assert_dead(world);
        let mut browser = world.browser();
        let before = world.remains();
        let answer = browser.sign_in_upstream(work, "s-bob");
        browser.assert_refused(&answer, 403, "account_deleted");
        assert_eq!(world.remains(), before);
    }
}
