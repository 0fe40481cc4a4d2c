//! RFC 7009, Token Revocation.

use conformance_tests::{Request, Setup, Tokens, World, on_both_backends};

on_both_backends! {
    fn s7009_01_revocation_is_post_only_and_asks_for_client_authentication(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        world.http().get(&format!("/revoke?token={token}")).expect(405);
        world.http().post("/revoke", &[("token", &token)]).expect_error(401, "invalid_client");
        world.http().send(&Request::form("/revoke", &[("token", &token)]).basic("robot", "wrong")).expect_error(401, "invalid_client");
        world.http().token(&world.robot, &[]).expect_error(400, "invalid_request");
        world.http().send(&Request::form("/revoke", &[]).basic("robot", world.robot.secret.as_deref().expect("a secret"))).expect_error(400, "invalid_request");
        world.assert_alive(&token);
    }

    fn s7009_01_a_public_client_revokes_by_its_client_id(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.app);
        world.revoke(&world.app, &tokens.access).expect(200);
        world.assert_dead(&tokens.access);
    }

    fn s7009_02_another_clients_token_is_left_alone_and_nothing_is_told(backend) {
        let world = World::start(backend);
        let thief = world.add_robot("thief");
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let foreign = world.revoke(&thief, &tokens.access);
        let unknown = world.revoke(&thief, "cfat_0000000000000000000000000000000000000000000000000000000000000000000000000000");
        assert_eq!((foreign.status, foreign.text()), (unknown.status, unknown.text()));
        world.revoke(&thief, tokens.refresh());
        world.assert_alive(&tokens.access);
        Tokens::of(&world.refresh(&world.web, tokens.refresh()));
    }

    fn s7009_03_a_revoked_access_token_is_dead_at_once_and_its_refresh_token_lives_on(backend) {
        // E06 as well: killing an access token leaves the grant.
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        world.assert_alive(&tokens.access);
        world.revoke(&world.web, &tokens.access).expect(200);
        world.assert_dead(&tokens.access);
        let next = Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        world.assert_alive(&next.access);
    }

    fn s7009_04_a_revoked_refresh_token_takes_its_family_along(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
        world.revoke(&world.web, second.refresh()).expect(200);
        for token in [&first, &second] {
            world.assert_dead(&token.access);
            world.refresh(&world.web, token.refresh()).expect_error(400, "invalid_grant");
        }
    }

    fn s7009_04_an_old_refresh_token_ends_the_family_as_well(backend) {
        let world = World::start(backend);
        let first = world.tokens(&mut world.browser(), &world.web);
        let second = Tokens::of(&world.refresh(&world.web, first.refresh()));
        world.revoke(&world.web, first.refresh()).expect(200);
        world.assert_dead(&second.access);
        world.refresh(&world.web, second.refresh()).expect_error(400, "invalid_grant");
    }

    fn s7009_05_whatever_is_no_live_token_is_answered_with_200(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        for _ in 0..2 {
            let answer = world.revoke(&world.robot, &token).expect(200);
            assert!(answer.body.is_empty() || answer.text() == "{}", "{answer:?}");
        }
        for garbage in ["x", "cfat_", "cfzz_garbage", &token[..token.len() - 1], " ", "\u{e4}\u{f6}"] {
            world.revoke(&world.robot, garbage).expect(200);
        }
    }

    /// S7009-08: there is no kind of token that we issue and could not revoke.
    fn s7009_06_a_wrong_hint_still_finds_the_token(backend) {
        let world = World::start(backend);
        let robot = world.robot.secret.clone().expect("a secret");
        for hint in ["refresh_token", "access_token", "nonsense", ""] {
            let token = world.robot_token();
            let fields = [("token", token.as_str()), ("token_type_hint", hint)];
            world.http().send(&Request::form("/revoke", &fields).basic("robot", &robot)).expect(200);
            world.assert_dead(&token);
        }
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let fields = [("token", tokens.refresh()), ("token_type_hint", "access_token")];
        let secret = world.web.secret.as_deref().expect("a secret");
        world.http().send(&Request::form("/revoke", &fields).basic("web", secret)).expect(200);
        world.assert_dead(&tokens.access);
    }

    fn s7009_09_a_registered_origin_may_revoke_from_a_script_and_nobody_else(backend) {
        let world = World::start(backend);
        let spa = world.add_client("spa", "https://spa.example.test/cb", &[
            "--public", "--grant", "authorization_code", "--scope", "notes", "--origin", "https://spa.example.test",
        ]);
        for path in ["/revoke", "/token"] {
            let ask = |origin: &str| {
                let request = Request::new("OPTIONS", path).header("Origin", origin);
                world.http().send(&request.header("Access-Control-Request-Method", "POST"))
            };
            let allowed = ask("https://spa.example.test");
            assert_eq!(allowed.header("access-control-allow-origin"), Some("https://spa.example.test"), "{allowed:?}");
            assert_eq!(allowed.header("access-control-allow-credentials"), None);
            for origin in ["https://evil.example", "null", "https://spa.example.test.evil.example", "http://spa.example.test"] {
                let refused = ask(origin);
                assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}: {refused:?}");
            }
        }
        let request = Request::revocation(&spa, "x").header("Origin", "https://spa.example.test");
        let answer = world.http().send(&request).expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://spa.example.test"));
        // JSONP does not exist.
        let callback = world.http().post("/revoke?callback=f", &[("token", "x"), ("client_id", "spa"), ("callback", "f")]);
        assert!(!callback.text().contains("f("), "{callback:?}");
    }

    fn e06_the_descendants_of_a_family_die_with_it_and_other_families_do_not(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let (one, other) = (world.tokens(&mut browser, &world.web), world.tokens(&mut browser, &world.web));
        world.revoke(&world.web, one.refresh()).expect(200);
        world.assert_dead(&one.access);
        world.assert_alive(&other.access);
        Tokens::of(&world.refresh(&world.web, other.refresh()));
    }

    fn d24_an_operator_kills_a_token_by_its_value_or_by_its_id(backend) {
        let world = World::start(backend);
        let (one, two) = (world.robot_token(), world.robot_token());
        world.run(&["token", "revoke", "--stdin"], &one);
        world.assert_dead(&one);
        world.assert_alive(&two);
        let answer = world.introspect(&two);
        let id = answer["jti"].as_str().expect("a token id").to_owned();
        world.run(&["token", "revoke", &id], "");
        world.assert_dead(&two);
    }
}

/// S7009-10: a limit per client; what is refused is not revoked, and the client is told when to come back.
#[test]
fn s7009_10_too_many_revocations_are_answered_with_429() {
    let setup = Setup::new(conformance_tests::Backend::Sqlite).default_limits();
    let world = World::with(setup);
    let mut connection = world.http().keep();
    let request = Request::revocation(&world.robot, "cfat_garbage");
    for _ in 0..800 {
        let answer = connection.send(&request).expect("an answer");
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            return;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    panic!("800 revocations in a row were all served");
}
