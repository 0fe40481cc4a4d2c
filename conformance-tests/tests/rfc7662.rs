//! RFC 7662, Token Introspection.

use conformance_tests::{Backend, Request, Setup, Tokens, World, on_both_backends};

const DEAD: &str = r#"{"active":false}"#;

on_both_backends! {
    fn s7662_01_only_an_authenticated_caller_gets_an_answer(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        world.http().post("/introspect", &[("token", &token)]).expect_error(401, "invalid_client");
        let wrong = Request::form("/introspect", &[("token", &token)]).basic("api", "wrong");
        let answer = world.http().send(&wrong).expect_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")), "{answer:?}");
        let in_body = [("token", token.as_str()), ("client_id", "api"), ("client_secret", &world.api.secret)];
        assert_eq!(world.http().post("/introspect", &in_body).expect(200).json()["active"], true);
    }

    /// An authenticated client that is no resource server learns nothing, not even about its own token.
    fn s7662_01_a_client_that_is_no_resource_server_is_told_nothing(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let ask = Request::form("/introspect", &[("token", &token)]).basic("robot", world.robot.secret.as_deref().expect("a secret"));
        assert_eq!(world.http().send(&ask).expect(200).text(), DEAD);
    }

    fn s7662_02_a_live_token_is_described(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let answer = world.introspect(&tokens.access);
        assert_eq!(answer["active"], true);
        assert_eq!(answer["scope"], "notes");
        assert_eq!(answer["client_id"], "web");
        assert_eq!(answer["username"], "ada");
        assert_eq!(answer["token_type"], "Bearer");
        assert_eq!(answer["iss"], world.issuer());
        assert_eq!(answer["jti"], tokens.access[5..27]);
        let (exp, iat) = (answer["exp"].as_i64().expect("exp"), answer["iat"].as_i64().expect("iat"));
        assert_eq!(exp - iat, 600);
        let sub = answer["sub"].as_str().expect("sub");
        assert_ne!(sub, "ada");
        let aud = answer["aud"].clone();
        assert!(aud == world.api.identifier.as_str() || aud == serde_json::json!([world.api.identifier]), "{aud}");
    }

    /// S9700-21: the robot acts for itself; its subject cannot be taken for a person's.
    fn s9700_21_a_clients_own_token_names_the_client_and_no_user(backend) {
        let world = World::start(backend);
        // A client that bears the id of a person cannot be made into that person.
        let user = world.add_user("eve");
        let answer = world.introspect(&world.robot_token());
        assert_eq!(answer["client_id"], "robot");
        assert_eq!(answer.get("username"), None, "{answer}");
        assert_ne!(answer["sub"], user.as_str());
        let twin = ["client", "add", &user, "--grant", "client_credentials", "--scope", "notes", "--json"];
        let twin = world.try_cli(&twin, "");
        if twin.status.success() {
            let added: serde_json::Value = serde_json::from_slice(&twin.stdout).expect("JSON");
            let secret = added["client_secret"].as_str().expect("a secret");
            let fields = [("grant_type", "client_credentials")];
            let answer = world.http().send(&Request::form("/token", &fields).basic(&user, secret));
            let token = answer.expect(200).member("access_token");
            assert_ne!(world.introspect(&token)["sub"], user.as_str(), "a client passes for a user");
        }
    }

    /// S7662-03, S7662-04: the same bytes for every cause, and never an error.
    fn s7662_03_every_inactive_answer_is_the_same_bytes(backend) {
        let world = World::start(backend);
        let other = world.add_resource("other");
        let mut browser = world.signed_in("ada");
        let tokens = world.tokens(&mut browser, &world.web);
        let code = world.code(&mut browser, &world.web);
        let revoked = world.robot_token();
        world.revoke(&world.robot, &revoked).expect(200);
        let session = browser.session().expect("a session").1;
        let secret = world.robot.secret.clone().expect("a secret");
        let candidates = [revoked.as_str(), tokens.refresh(), &code.value, &session, &secret, "", " ", "x", "cfat_x", &"a".repeat(5_000), "\u{1f600}"];
        for candidate in candidates {
            let answer = world.http().introspect(&world.api, candidate);
            if candidate.is_empty() {
                answer.expect_error(400, "invalid_request");
            } else {
                assert_eq!(answer.expect(200).text(), DEAD, "{candidate}");
            }
        }
        // E07, S7662-05: a token for one API, asked about by another.
        assert_eq!(world.http().introspect(&other, &tokens.access).expect(200).text(), DEAD);
        world.assert_alive(&tokens.access);
    }

    /// E09: a refresh token is no access token, nor the other way round.
    fn e09_a_token_of_one_kind_never_passes_for_another(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        world.assert_dead(tokens.refresh());
        world.refresh(&world.web, &tokens.access).expect_error(400, "invalid_grant");
        let fields = [("grant_type", "authorization_code"), ("code", tokens.refresh()), ("redirect_uri", world.web.redirect_uri.as_str()), ("code_verifier", "a23456789012345678901234567890123456789012345")];
        world.http().token(&world.web, &fields).expect_error(400, "invalid_grant");
        Tokens::of(&world.refresh(&world.web, tokens.refresh()));
    }

    fn s7662_05_each_resource_server_sees_its_own_scopes_only(backend) {
        let world = World::start(backend);
        let photos = world.add_resource("photos");
        world.add_scope("albums", "photos");
        let options = ["--grant", "client_credentials", "--scope", "notes", "--scope", "albums"];
        let both = world.add_client("both", "", &options);
        let fields = [("grant_type", "client_credentials"), ("scope", "notes albums")];
        let token = world.http().token(&both, &fields).expect(200).member("access_token");
        let seen = |resource| world.http().introspect(resource, &token).expect(200).json();
        assert_eq!(seen(&world.api)["scope"], "notes");
        assert_eq!(seen(&photos)["scope"], "albums");
        assert!(!seen(&photos).to_string().contains(&world.api.identifier), "the other audience is told");
    }

    fn s7662_06_a_token_in_the_query_is_refused(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let ask = Request::get(&format!("/introspect?token={token}")).basic("api", &world.api.secret);
        world.http().send(&ask).expect(405);
        let ask = Request::form(&format!("/introspect?token={token}"), &[]).basic("api", &world.api.secret);
        world.http().send(&ask).expect_error(400, "invalid_request");
    }

    fn s7662_07_answers_are_never_stored(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        for token in [token.as_str(), "x"] {
            let answer = world.http().introspect(&world.api, token).expect(200);
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
            assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
        }
    }

    /// S7662-02: a hint changes nothing.
    fn s7662_02_a_token_type_hint_is_only_a_hint(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        for hint in ["access_token", "refresh_token", "nonsense"] {
            let ask = Request::form("/introspect", &[("token", &token), ("token_type_hint", hint)]).basic("api", &world.api.secret);
            assert_eq!(world.http().send(&ask).expect(200).json()["active"], true, "{hint}");
        }
    }

    /// S7662-08: many bad questions raise an alert for the operator; good ones are answered all the same.
    fn s7662_08_a_caller_that_scans_still_gets_answers_to_its_good_questions(backend) {
        let world = World::with(Setup::new(backend).default_limits());
        let token = world.robot_token();
        let mut connection = world.http().keep();
        for number in 0..300 {
            let answer = connection.send(&Request::introspection(&world.api, &format!("cfat_garbage{number}"))).expect("an answer");
            assert!([200, 429].contains(&answer.status), "{answer:?}");
        }
        world.assert_alive(&token);
    }
}

/// S7662-02: dead at the very second of its end, not after it.
#[test]
fn s7662_02_c10_an_expired_token_is_inactive_from_the_second_of_its_end() {
    let world = World::with(
        Setup::new(Backend::Sqlite)
            .time_travel()
            .env("CURFEW_LIFETIMES_ACCESS_TOKEN", "100"),
    );
    let token = world.robot_token();
    world.advance(90);
    world.assert_alive(&token);
    world.advance(10);
    world.assert_dead(&token);
}
