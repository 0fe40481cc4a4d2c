//! PROOF 2: a single-use artefact has one winner, however many connections are released together.

use conformance_tests::{
    Backend, Code, Request, Setup, Tokens, World, on_both_backends, pkce, wire,
};

const CONNECTIONS: usize = 1_000;

fn many_nodes(backend: Backend) -> Setup {
    Setup::new(backend).nodes(if backend == Backend::Postgres { 3 } else { 1 })
}

on_both_backends! {
    fn race_one_code_redeemed_by_a_thousand_connections_succeeds_exactly_once(backend) {
        let world = World::with(many_nodes(backend));
        let mut browser = world.signed_in("ada");
        for _ in 0..3 {
            let code = world.code(&mut browser, &world.web);
            let answers = wire::release_together(&world.nodes(), &vec![Request::redemption(&world.web, &code); CONNECTIONS]);
            let mut won = Vec::new();
            for answer in answers {
                let answer = answer.expect("an answer");
                assert!(answer.status < 500, "{answer:?}");
                if answer.status == 200 {
                    won.push(Tokens::of(&answer));
                } else {
                    answer.expect_error(400, "invalid_grant");
                }
            }
            assert_eq!(won.len(), 1, "{} connections got tokens for one code", won.len());
            // The 999 others were replays: what the winner got is dead.
            world.assert_dead(&won[0].access);
            world.refresh(&world.web, won[0].refresh()).expect_error(400, "invalid_grant");
        }
    }

    /// A23 and S9700-06 under haste: a wrong verifier never wins, and neither does it keep the right one from winning.
    fn race_wrong_verifiers_do_not_burn_a_code(backend) {
        let world = World::with(many_nodes(backend));
        let code = world.code(&mut world.signed_in("ada"), &world.web);
        let mut requests: Vec<_> = (0..99).map(|_| Request::redemption(&world.web, &Code { verifier: pkce::random(), ..code.clone() })).collect();
        requests.insert(50, Request::redemption(&world.web, &code));
        let answers = wire::release_together(&world.nodes(), &requests);
        let statuses: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer").status).collect();
        assert!(statuses.iter().all(|status| [200, 400].contains(status)), "{statuses:?}");
        assert!(statuses.iter().filter(|status| **status == 200).count() <= 1, "{statuses:?}");
    }

    /// A14: whichever comes first, after both have returned nothing is alive.
    fn race_a14_a_refresh_against_the_suspension_of_its_user_leaves_nothing_alive(backend) {
        let world = World::with(many_nodes(backend));
        for round in 0..8 {
            let name = format!("user{round}");
            world.add_user(&name);
            let mut browser = world.signed_in(&name);
            let families: Vec<_> = (0..6).map(|_| world.tokens(&mut browser, &world.web)).collect();
            let requests: Vec<_> = families.iter().map(|family| Request::refreshing(&world.web, family.refresh())).collect();
            let kill = if round % 2 == 0 { "suspend" } else { "delete" };
            let refreshed = std::thread::scope(|scope| {
                let killer = scope.spawn(|| world.run(&["user", kill, &name], ""));
                // The command line needs some milliseconds to get to work; the refreshes go on until it is done.
                let mut refreshed = Vec::new();
                let mut latest = requests.clone();
                while !killer.is_finished() {
                    for (slot, answer) in wire::release_together(&world.nodes(), &latest).into_iter().enumerate() {
                        let answer = answer.expect("an answer");
                        if answer.status == 200 {
                            let tokens = Tokens::of(&answer);
                            latest[slot] = Request::refreshing(&world.web, tokens.refresh());
                            refreshed.push(tokens);
                        }
                    }
                }
                refreshed
            });
            for tokens in families.iter().chain(&refreshed) {
                world.assert_dead(&tokens.access);
                world.refresh(&world.web, tokens.refresh()).expect_error(400, "invalid_grant");
            }
        }
    }

    /// PROOF 2: every wrong guess is counted, also those that come together.
    fn race_wrong_passwords_in_parallel_are_all_counted(backend) {
        let world = World::with(many_nodes(backend).default_limits());
        let mut browser = world.browser();
        let page = browser.get("/login").expect(200);
        let csrf = conformance_tests::html::input(&page.text(), "csrf").expect("a token against forged forms");
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let guess = |password: &str| {
            let fields = [("username", "ada"), ("password", password), ("return_to", "/account"), ("csrf", csrf.as_str())];
            Request::form("/login", &fields).header("Cookie", &cookies.join("; ")).header("Origin", world.issuer())
        };
        let guesses: Vec<_> = (0..40).map(|number| guess(&format!("wrong guess {number}"))).collect();
        let answers = wire::release_together(&world.nodes(), &guesses);
        let refused = answers.into_iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 429)).count();
        assert!(refused >= 20, "only {refused} of 40 parallel guesses were turned away");
        let right = world.http().send(&guess(conformance_tests::PASSWORD));
        assert_eq!(right.status, 429, "the budget is used up, and still the right password is taken: {right:?}");
    }

    /// PROOF 2: two first-ever administrators; the bootstrap secret is good once.
    fn race_b46_the_bootstrap_secret_makes_exactly_one_administrator(backend) {
        let world = World::with(many_nodes(backend));
        let secret = find_secret(world.init()).unwrap_or_else(|| panic!("no bootstrap secret in {}", world.init()));
        let mut browser = world.browser();
        let page = browser.get("/bootstrap").expect(200);
        let csrf = conformance_tests::html::input(&page.text(), "csrf").expect("a token against forged forms");
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let requests: Vec<_> = (0..20).map(|number| {
            let (name, email) = (format!("root{number}"), format!("root{number}@example.test"));
            let password = "an administrator's long password";
            let fields = [("secret", secret.as_str()), ("username", &name), ("email", &email), ("password", password), ("password_again", password), ("csrf", &csrf)];
            Request::form("/bootstrap", &fields).header("Cookie", &cookies.join("; ")).header("Origin", world.issuer())
        }).collect();
        let answers = wire::release_together(&world.nodes(), &requests);
        let won = answers.into_iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 303)).count();
        assert_eq!(won, 1);
        assert_eq!(world.query("SELECT count(*) FROM users WHERE username LIKE 'root%'"), "1");
    }
}

fn find_secret(init: &serde_json::Value) -> Option<String> {
    let text = init.to_string();
    let from = text.find("cfbs_")?;
    Some(
        text[from..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect(),
    )
}

/// PROOF 2: writers on SQLite, among them the command line, and none is ever told that the database is locked.
#[test]
fn race_many_writers_on_sqlite_never_see_a_locked_database() {
    let world = World::start(Backend::Sqlite);
    let world = &world;
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(move || {
                let mut connection = world.http().keep();
                for _ in 0..60 {
                    let answer = connection
                        .send(&Request::client_credentials(&world.robot))
                        .expect("an answer");
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
        scope.spawn(move || {
            for number in 0..15 {
                world.run(&["user", "add", &format!("late{number}")], "");
            }
        });
    });
    assert!(
        !world.log(0).contains("database is locked"),
        "{}",
        world.log(0)
    );
}
