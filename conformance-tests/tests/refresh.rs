//! Refresh tokens: rotation, reuse detection for the whole life of the family, and the bounded grace window.

use conformance_tests::{Backend, Request, Setup, Tokens, World, on_both_backends, wire};

on_both_backends! {
    fn each_refresh_gives_a_new_token_and_leaves_the_access_tokens_alive(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
        let third = Tokens::of(&world.refresh(&world.web, second.refresh()));
        for token in [&first, &second, &third] {
            world.assert_alive(&token.access);
        }
        assert_ne!(second.refresh(), third.refresh());
    }

    /// S9700-11
    fn s9700_11_reuse_kills_the_family_however_old_the_token_is(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        let mut newest = Tokens::of(&world.refresh(&world.web, first.refresh()));
        for _ in 0..20 {
            newest = Tokens::of(&world.refresh(&world.web, newest.refresh()));
        }
        world.refresh(&world.web, first.refresh()).expect_error(400, "invalid_grant");
        world.refresh(&world.web, newest.refresh()).expect_error(400, "invalid_grant");
        world.assert_dead(&newest.access);
        world.assert_dead(&first.access);
    }

    /// Section 3: one reuse, while the successor is unused; the successor dies.
    fn the_grace_window_forgives_one_lost_answer(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        let lost = Tokens::of(&world.refresh(&world.web, first.refresh()));
        let replacement = Tokens::of(&world.refresh(&world.web, first.refresh()));
        assert_ne!(lost.refresh(), replacement.refresh());
        world.assert_alive(&replacement.access);
        // The unused successor was revoked when its replacement was made; using it now is a replay.
        let next = Tokens::of(&world.refresh(&world.web, replacement.refresh()));
        world.assert_alive(&next.access);
        world.refresh(&world.web, lost.refresh()).expect_error(400, "invalid_grant");
    }

    fn the_grace_window_forgives_no_second_time(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        Tokens::of(&world.refresh(&world.web, first.refresh()));
        let replacement = Tokens::of(&world.refresh(&world.web, first.refresh()));
        world.refresh(&world.web, first.refresh()).expect_error(400, "invalid_grant");
        world.refresh(&world.web, replacement.refresh()).expect_error(400, "invalid_grant");
        world.assert_dead(&replacement.access);
    }

    fn once_the_successor_was_used_there_is_no_grace(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
        let third = Tokens::of(&world.refresh(&world.web, second.refresh()));
        world.refresh(&world.web, first.refresh()).expect_error(400, "invalid_grant");
        world.assert_dead(&third.access);
        world.refresh(&world.web, third.refresh()).expect_error(400, "invalid_grant");
    }

    fn another_client_can_neither_use_nor_kill_a_refresh_token(backend) {
        let world = World::start(backend);
        let other = world.add_web("other");
        let first = world.tokens(&mut world.browser(), &world.web);
        let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
        for token in [first.refresh(), second.refresh()] {
            world.refresh(&other, token).expect_error(400, "invalid_grant");
            world.refresh(&world.app, token).expect_error(400, "invalid_grant");
        }
        world.assert_alive(&second.access);
        Tokens::of(&world.refresh(&world.web, second.refresh()));
    }

    /// D20, at constant storage: a family of fifty generations has one row.
    fn d20_a_long_family_takes_no_more_room_than_a_short_one(backend) {
        let world = World::start(backend);
        let mut tokens = world.tokens(&mut world.browser(), &world.web);
        for _ in 0..50 {
            tokens = Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        }
        assert_eq!(world.query("SELECT count(*) FROM families"), "1");
    }

    /// PROOF 2: afterwards at most one head of the family is alive.
    fn race_one_refresh_token_used_a_thousand_times_at_once_leaves_at_most_one_live_head(backend) {
        let nodes = if backend == Backend::Postgres { 3 } else { 1 };
        let world = World::with(Setup::new(backend).nodes(nodes));
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let requests = vec![Request::refreshing(&world.web, tokens.refresh()); 1_000];
        let answers = wire::release_together(&world.nodes(), &requests);
        let mut heads = Vec::new();
        for answer in answers {
            let answer = answer.expect("an answer");
            match answer.status {
                200 => heads.push(Tokens::of(&answer)),
                503 => {}
                _ => { answer.expect_error(400, "invalid_grant"); }
            }
        }
        assert!((1..=2).contains(&heads.len()), "{} of 1000 succeeded", heads.len());
        let live = heads.iter().filter(|head| world.refresh(&world.web, head.refresh()).status == 200).count();
        assert!(live <= 1, "{live} heads are alive");
        // A thousand uses of one token are a replay: the family is dead.
        assert_eq!(live, 0);
        for head in heads {
            world.assert_dead(&head.access);
        }
    }
}

/// The window is ten seconds, then reuse is a replay.
#[test]
fn after_the_grace_window_reuse_kills_the_family() {
    let world = World::with(Setup::new(Backend::Sqlite).time_travel());
    let first = world.tokens(&mut world.browser(), &world.web);
    let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
    world.advance(11);
    world
        .refresh(&world.web, first.refresh())
        .expect_error(400, "invalid_grant");
    world
        .refresh(&world.web, second.refresh())
        .expect_error(400, "invalid_grant");
    world.assert_dead(&second.access);
}

/// S9700-14, E14: thirty days without use end the family; ninety days end it in any case (D06).
#[test]
fn s9700_14_a_family_ends_when_unused_and_at_its_absolute_end() {
    const DAY: u64 = 86_400;
    let world = World::with(Setup::new(Backend::Sqlite).time_travel());
    let (idle, used) = (
        world.tokens(&mut world.browser(), &world.web),
        world.tokens(&mut world.browser(), &world.web),
    );
    world.advance(29 * DAY);
    let mut used = Tokens::of(&world.refresh(&world.web, used.refresh()));
    world.advance(2 * DAY);
    // E14
    world
        .refresh(&world.web, idle.refresh())
        .expect_error(400, "invalid_grant");
    for _ in 0..2 {
        used = Tokens::of(&world.refresh(&world.web, used.refresh()));
        world.advance(28 * DAY);
    }
    let last = world.refresh(&world.web, used.refresh()).expect(200);
    let last = Tokens::of(&last);
    world.advance(3 * DAY);
    // D06
    world
        .refresh(&world.web, last.refresh())
        .expect_error(400, "invalid_grant");
}
