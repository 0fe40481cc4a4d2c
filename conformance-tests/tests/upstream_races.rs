//! Two who come back from a provider at the same moment: one wins, and the other is turned away in order.

use std::thread;

use conformance_tests::stub::Stub;
use conformance_tests::upstream::Registration;
use conformance_tests::{
    Backend, Browser, Curfew, Request, Response, Setup, World, html, on_both_backends, wire,
};
use demo_provider::{Answer, Received};
use serde_json::{Value, json};

/// Loser and winner race for an account each time.
const TRIALS: u64 = 1_000;

/// How many prepare at the same time.
const HANDS: u64 = 4;

fn world(backend: Backend) -> World {
    let nodes = if backend == Backend::Postgres { 3 } else { 1 };
    World::with(Setup::new(backend).with_upstreams().nodes(nodes))
}

/// A GitHub that believes every code: the code is the person's number, and everybody's address is that of the account which
/// `account_of` gives for the number.
fn credulous(account_of: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Stub {
    Stub::start(move |received| answer(received, &account_of).into())
}

fn answer(received: &Received, account_of: impl Fn(u64) -> u64) -> Answer {
    let bearer = received.header("authorization").unwrap_or("");
    let number: u64 = bearer.trim_start_matches("Bearer ").parse().unwrap_or(0);
    let told = match received.path.as_str() {
        "/login/oauth/access_token" => {
            json!({ "access_token": received.form().get("code"), "token_type": "bearer", "scope": "user:email" })
        }
        "/api/v3/user" => json!({ "id": number, "login": format!("p{number}"), "name": null }),
        _ => {
            let email = format!("u{}@example.test", account_of(number));
            json!([{ "email": email, "primary": true, "verified": true }])
        }
    };
    Answer::json(200, &told)
}

/// Registers it as `hub`.
fn register(world: &World, hub: &Stub, options: &[&str]) {
    world.upstream_add(
        Registration::new("hub", options),
        "github",
        &hub.origin(),
        "the secret",
    );
}

fn cookies(browser: &Browser) -> String {
    let cookies = browser.cookies.iter();
    let cookies: Vec<_> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    cookies.join("; ")
}

/// A browser that was sent to the provider and comes back as `number`: the request for the callback.
fn coming(world: &World, number: u64) -> Request {
    let mut browser: Browser = world.browser();
    let started = browser.get("/upstream/hub/start").expect(303);
    let state = started
        .location_parameter("state")
        .expect("a state parameter");
    let number = number.to_string();
    let query = wire::encode(&[("code", &number), ("state", &state)]);
    Request::get(&format!("/upstream/hub/callback?{query}"))
        .header("Cookie", &cookies(&browser))
        .header("Sec-Fetch-Site", "cross-site")
}

/// Whoever signs in as `number` asks for the very identity to be taken away by which they came.
fn unlinking(world: &World, number: u64) -> Request {
    let mut browser = world.browser();
    let came = coming(world, number);
    let answer = browser.send(came);
    browser.assert_let_in(&answer);
    // This kind of provider does not say when somebody signed in there, and unlinking wants that it was lately.
    let began = "(SELECT created_at FROM nodes WHERE nodes.id = sessions.node_id)";
    world.query(&format!("UPDATE sessions SET authenticated_at = {began}"));
    let page = browser.get("/account/identities").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    let name = format!("u{}", number / 2);
    let own = world.shown_links(&name).into_iter();
    let own = own.filter(|link| link["subject"]["subject"] == number.to_string().as_str());
    let ids: Vec<_> = own.map(|link| link["id"].clone()).collect();
    let id = ids[0].as_str().expect("an id");
    Request::form("/account/identities/unlink", &[("csrf", &csrf), ("id", id)])
        .header("Cookie", &cookies(&browser))
        .header("Origin", world.issuer())
        .header("Sec-Fetch-Site", "same-origin")
}

/// All requests of `numbers`, in order.
fn all_coming(world: &World, numbers: std::ops::Range<u64>) -> Vec<Request> {
    let part = (numbers.end - numbers.start).div_ceil(HANDS);
    let parts = (0..HANDS).map(|hand| {
        let from = numbers.start + hand * part;
        from..(from + part).min(numbers.end)
    });
    thread::scope(|scope| {
        let hands: Vec<_> = parts
            .map(|part| {
                scope.spawn(|| part.map(|number| coming(world, number)).collect::<Vec<_>>())
            })
            .collect();
        hands
            .into_iter()
            .flat_map(|hand| hand.join().expect("the provider is reached"))
            .collect()
    })
}

fn has_session(answer: &Response) -> bool {
    let cookies = answer.headers("set-cookie");
    cookies
        .iter()
        .any(|cookie| cookie.starts_with("__Host-curfew_session_"))
}

/// Somebody whose sign-in fills ada's empty link, and is about to commit until somebody else waits for it.
const FILLING: &str = "DO $$
    DECLARE waiting int;
    BEGIN
        PERFORM 1 FROM users WHERE username = 'ada' FOR UPDATE;
        UPDATE links SET issuer = 'https://id.example.test', subject = '00u1' WHERE subject = '';
        FOR i IN 1..3000 LOOP
            PERFORM pg_stat_clear_snapshot();
            SELECT count(*) INTO waiting FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid));
            IF waiting > 0 THEN RETURN; END IF;
            PERFORM pg_sleep(0.01);
        END LOOP;
        RAISE EXCEPTION 'nobody waits';
    END $$";

/// Somebody signs in as `00u1` and fills ada's empty link; at the same moment, `act` is done.
fn while_filled<T>(curfew: &Curfew, backend: Backend, act: impl FnOnce() -> T) -> T {
    if backend == Backend::Sqlite {
        // One writer: who comes at the same moment comes later.
        curfew.query("UPDATE links SET issuer = 'https://id.example.test', subject = '00u1' WHERE subject = ''");
        return act();
    }
    thread::scope(|scope| {
        let filling = scope.spawn(|| curfew.try_query(FILLING));
        let filled = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
                      WHERE relname = 'links' AND mode = 'RowExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while curfew.query(filled) == "0" && !filling.is_finished() {
            thread::yield_now();
        }
        let done = act();
        filling.join().expect("no panic").expect("somebody waited");
        done
    })
}

fn together(world: &World, pair: &[Request]) -> Vec<Response> {
    let answers = wire::release_together(&world.nodes(), pair).into_iter();
    answers.map(|answer| answer.expect("an answer")).collect()
}

on_both_backends! {
    /// B14, B15: a thousand accounts that were imported with a link without a subject; for each, two subjects with its address.
    fn race_b14_of_two_subjects_one_gets_the_empty_link(backend) {
        let world = world(backend);
        // The numbers 2n and 2n + 1 are after account n.
        let hub = credulous(|number| number / 2);
        register(&world, &hub, &["--legacy-links", "backfill", "--sign-ups", "on"]);
        let people: Value = (1..=TRIALS).map(|n| json!({ "username": format!("u{n}"), "email": format!("u{n}@example.test"), "links": [{ "provider": "hub" }] })).collect();
        world.import_people(&people);
        let users = world.count("users");
        let sessions = world.count("nodes");
        let requests = all_coming(&world, 2..2 * TRIALS + 2);
        let mut winners = Vec::new();
        for (trial, pair) in requests.chunks(2).enumerate() {
            let answers = together(&world, pair);
            let (won, lost): (Vec<_>, Vec<_>) = answers.iter().enumerate().partition(|(_, answer)| answer.status == 303);
            assert_eq!((won.len(), lost.len()), (1, 1), "trial {trial}: {answers:?}");
            assert!(has_session(won[0].1), "{:?}", won[0].1);
            assert!(!has_session(lost[0].1), "{:?}", lost[0].1);
            lost[0].1.clone().expect_refused(403, "identity_already_bound");
            winners.push((2 * (trial + 1) + won[0].0).to_string());
        }
        assert_eq!(winners.len() as u64, TRIALS);
        // Every link has the subject of its winner, and there is nothing else.
        assert_eq!((world.count("users"), world.count("links")), (users, TRIALS));
        let mut bound: Vec<String> = world.query("SELECT subject FROM links").lines().map(str::to_owned).collect();
        bound.sort_unstable();
        winners.sort_unstable();
        assert_eq!(bound, winners);
        assert_eq!(world.query(&format!("SELECT count(*) FROM links WHERE issuer = '{}'", hub.origin())), TRIALS.to_string());
        assert_eq!(world.count("nodes") - sessions, TRIALS, "one session for each account");
        // Sometimes the first of the two wins, and sometimes the second: it was a race.
        let second = winners.iter().filter(|number| number.ends_with(['1', '3', '5', '7', '9'])).count();
        assert!((1..winners.len()).contains(&second), "the second of two won {second} times of {TRIALS}");
        world.run(&["doctor", "--invariants"], "");
        world.run(&["audit", "verify"], "");
    }

    /// B14: an administrator binds an identity while its account's empty link gets another one: nobody's word is told as done that is not.
    fn race_b14_an_administrator_and_a_sign_in_never_share_an_empty_link(backend) {
        let of = |subject: &'static str| ["user", "link", "ada", "--provider", "work", "--subject", subject];
        for (subject, done) in [("00u2", true), ("00u1", false)] {
            let curfew = Setup::new(backend).prepare();
            curfew.upstream_add(Registration::new("work", &[]), "openid", "https://id.example.test", "the secret");
            curfew.import_people(&json!([{ "username": "ada", "links": [{ "provider": "work" }] }]));
            let answer = while_filled(&curfew, backend, || curfew.try_cli(&of(subject), ""));
            let told = String::from_utf8_lossy(&answer.stderr).into_owned();
            assert_eq!(answer.status.success(), done, "{told}");
            assert!(done || told.contains("already"), "{told}");
            let expected = if done { "00u1\n00u2" } else { "00u1" };
            assert_eq!(curfew.query("SELECT subject FROM links ORDER BY subject"), expected);
            let trail = curfew.cli(&["audit", "search", "--user", "ada", "--event", "identity.backfilled"]);
            assert_eq!(trail, json!([]), "the administrator filled nothing");
        }
        // An import likewise.
        let curfew = Setup::new(backend).prepare();
        curfew.upstream_add(Registration::new("work", &[]), "openid", "https://id.example.test", "the secret");
        curfew.import_people(&json!([{ "username": "ada", "links": [{ "provider": "work" }] }]));
        let people = json!([{ "username": "ada", "links": [{ "provider": "work", "subject": "00u2" }] }]);
        while_filled(&curfew, backend, || curfew.import_people(&people));
        assert_eq!(curfew.query("SELECT subject FROM links ORDER BY subject"), "00u1\n00u2");
    }

    /// B46: one new person, whose two browsers come at the same moment: one account with one link, and both are signed in to it.
    fn race_b46_two_first_sign_ins_of_one_person_make_one_account(backend) {
        const PEOPLE: u64 = 100;
        let world = world(backend);
        // An address of its own for each number: u1, u2, …
        let hub = credulous(|number| number);
        register(&world, &hub, &["--sign-ups", "on"]);
        let users = world.count("users");
        let sessions = world.count("nodes");
        let requests: Vec<_> = (1..=PEOPLE).map(|number| [coming(&world, number), coming(&world, number)]).collect();
        for pair in &requests {
            for answer in together(&world, pair) {
                assert!(answer.status == 303 && has_session(&answer), "{answer:?}");
            }
        }
        assert_eq!((world.count("users") - users, world.count("links")), (PEOPLE, PEOPLE));
        assert_eq!(world.query("SELECT count(DISTINCT user_id) FROM links"), PEOPLE.to_string());
        assert_eq!(world.count("nodes") - sessions, 2 * PEOPLE);
        world.run(&["doctor", "--invariants"], "");
    }

    /// Two subjects that nobody knows, with one address that nobody has: one account has the address.
    fn race_b46_two_subjects_with_one_new_address_never_share_an_account(backend) {
        const PAIRS: u64 = 100;
        let world = world(backend);
        let hub = credulous(|number| number / 2);
        register(&world, &hub, &["--sign-ups", "on"]);
        let users = world.count("users");
        let requests = all_coming(&world, 2..2 * PAIRS + 2);
        for pair in requests.chunks(2) {
            let answers = together(&world, pair);
            let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 303);
            assert_eq!((won.len(), lost.len()), (1, 1), "{answers:?}");
            assert!(!has_session(lost[0]), "{:?}", lost[0]);
            lost[0].clone().expect_refused(403, "identity_already_bound");
        }
        assert_eq!((world.count("users") - users, world.count("links")), (PAIRS, PAIRS));
    }

    /// Two browsers of one person, who has two identities and no password: each takes away the one by which it came. The second is the last
    /// way in.
    fn race_of_two_who_unlink_the_last_identities_one_is_refused(backend) {
        const PEOPLE: u64 = 50;
        let world = world(backend);
        let hub = credulous(|number| number);
        register(&world, &hub, &[]);
        let link = |number: u64| json!({ "provider": "hub", "issuer": hub.origin(), "subject": number.to_string() });
        let people: Value = (1..=PEOPLE).map(|n| json!({ "username": format!("u{n}"), "links": [link(2 * n), link(2 * n + 1)] })).collect();
        world.import_people(&people);
        let mut second = 0;
        for n in 1..=PEOPLE {
            let pair = [unlinking(&world, 2 * n), unlinking(&world, 2 * n + 1)];
            let answers = together(&world, &pair);
            let (done, refused): (Vec<_>, Vec<_>) = answers.iter().enumerate().partition(|(_, answer)| answer.status == 303);
            assert_eq!((done.len(), refused.len()), (1, 1), "{answers:?}");
            assert_eq!(done[0].1.location(), Some("/login?told=identity_unlinked"));
            assert_eq!(refused[0].1.status, 409, "{answers:?}");
            second += done[0].0;
        }
        let left = "SELECT count(*), count(DISTINCT user_id) FROM links WHERE status = 1";
        assert_eq!(world.query(left), format!("{PEOPLE}|{PEOPLE}"));
        assert!(second > 0, "the second was never first: it was no race");
        world.run(&["doctor", "--invariants"], "");
    }
}
