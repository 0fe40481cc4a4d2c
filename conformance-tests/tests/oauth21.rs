//! OAuth 2.1 (draft): what it adds to the texts it gathers.

use conformance_tests::{Request, Tokens, World, on_both_backends, wire};

on_both_backends! {
    fn s21_01_an_empty_parameter_is_absent_and_an_unknown_one_is_ignored(backend) {
        let world = World::start(backend);
        let fields = [("grant_type", "client_credentials"), ("scope", ""), ("resource", ""), ("colour", "blue")];
        assert_eq!(world.http().token(&world.robot, &fields).expect(200).member("scope"), "notes");
        let request = world.request(&world.web).set("colour", "blue").set("resource", "").set("prompt", "");
        let answer = world.browser().authorize(&request);
        assert!(answer.location_parameter("code").is_some(), "{answer:?}");
    }

    fn s21_01_a_repeated_parameter_is_an_error_at_every_endpoint(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let secret = world.robot.secret.as_deref().expect("a secret");
        let grant = ("grant_type", "client_credentials");
        for fields in [vec![grant, grant], vec![grant, ("scope", "notes"), ("scope", "notes")], vec![grant, ("x", "1"), ("x", "2")]] {
            world.http().token(&world.robot, &fields).expect_error(400, "invalid_request");
        }
        let twice = [("token", token.as_str()), ("token", token.as_str())];
        world.http().send(&Request::form("/introspect", &twice).basic("api", &world.api.secret)).expect_error(400, "invalid_request");
        world.http().send(&Request::form("/revoke", &twice).basic("robot", secret)).expect_error(400, "invalid_request");
        world.assert_alive(&token);

        let mut browser = world.signed_in("ada");
        let good = world.request(&world.web);
        for name in ["scope", "state", "code_challenge", "response_type"] {
            let answer = browser.authorize(&good.clone().add(name, "again"));
            let told = answer.location_parameter("error").as_deref() == Some("invalid_request") || answer.status == 400;
            assert!(told && answer.location_parameter("code").is_none(), "{name}: {answer:?}");
        }
        for name in ["client_id", "redirect_uri"] {
            let value = good.get(name).to_owned();
            let answer = browser.authorize(&good.clone().add(name, &value));
            assert_eq!((answer.status, answer.location()), (400, None), "{name}: {answer:?}");
        }
    }

    fn s21_02_every_client_must_send_a_code_challenge(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for client in [&world.web, &world.app] {
            let answer = browser.authorize(&world.request(client).without("code_challenge"));
            assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"), "{answer:?}");
        }
    }

    /// S21-04: a registered query stays, and parameters are added behind it.
    fn s21_04_the_registered_query_of_a_redirect_uri_is_kept(backend) {
        let world = World::start(backend);
        let client = world.add_client("query", "https://query.example.test/cb?tenant=1&x=%20", &["--grant", "authorization_code", "--consent", "implicit", "--scope", "notes"]);
        let answer = world.browser().authorize(&world.request(&client));
        assert!(answer.location().is_some_and(|to| to.starts_with("https://query.example.test/cb?tenant=1&x=%20&")), "{answer:?}");
        assert!(answer.location_parameter("code").is_some());
    }

    /// S21-05: 256 random bits each; here only that no two are alike and that they have the promised length.
    fn s21_05_credentials_are_long_and_never_alike(backend) {
        let world = World::start(backend);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let token = world.robot_token();
            assert_eq!(token.len(), 5 + 22 + 44 + 6, "{token}");
            assert!(token.starts_with("cfat_") && token[5..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
            assert!(seen.insert(token[27..71].to_owned()), "the same secret twice");
        }
        let tokens = world.tokens(&mut world.browser(), &world.web);
        assert_eq!(tokens.refresh().len(), 5 + 22 + 11 + 44 + 11 + 6);
    }

    /// S21-09: the characters that error and error_description may have.
    fn s21_09_errors_keep_to_their_character_set(backend) {
        let world = World::start(backend);
        let hostile = "a\"b\\c\n\u{e4}<script>";
        let answers = [
            world.http().token(&world.robot, &[("grant_type", hostile)]),
            world.http().token(&world.robot, &[("grant_type", "client_credentials"), ("scope", hostile)]),
            world.http().send(&Request::form("/token", &[]).basic(hostile, hostile)),
        ];
        for answer in answers {
            for member in ["error", "error_description"] {
                let text = answer.json()[member].as_str().unwrap_or("").to_owned();
                assert!(text.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{text:?}");
            }
            assert!(!answer.text().contains("<script>"), "{answer:?}");
        }
        let answer = world.signed_in("ada").authorize(&world.request(&world.web).set("scope", hostile));
        let description = answer.location_parameter("error_description").unwrap_or_default();
        assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description:?}");
    }

    fn s21_10_a_new_refresh_token_keeps_the_scope_of_the_old_one(backend) {
        let world = World::start(backend);
        let mut tokens = world.tokens(&mut world.browser(), &world.web);
        for _ in 0..3 {
            let answer = world.refresh(&world.web, tokens.refresh()).expect(200);
            assert_eq!(answer.member("scope"), "notes");
            tokens = Tokens::of(&answer);
        }
    }

    fn s21_14_a_public_client_gets_no_client_credentials(backend) {
        let world = World::start(backend);
        let refused = world.try_cli(&["client", "add", "open", "--name", "Open", "--public", "--grant", "client_credentials", "--scope", "notes"], "");
        assert!(!refused.status.success(), "a public client was registered for client credentials");
        let fields = [("grant_type", "client_credentials"), ("client_id", "app")];
        let answer = world.http().post("/token", &fields);
        assert!(["unauthorized_client", "invalid_client"].contains(&answer.error().as_str()), "{answer:?}");
    }

    /// D01, D05: signing out ends this session and no other.
    fn d01_a_captured_cookie_is_worth_nothing_after_signing_out(backend) {
        let world = World::start(backend);
        let (mut one, mut other) = (world.signed_in("ada"), world.signed_in("ada"));
        let mut thief = one.clone();
        assert!(thief.is_signed_in());
        one.sign_out();
        assert!(!thief.is_signed_in() && !one.is_signed_in());
        assert!(other.is_signed_in());
    }

    /// D17: a link from elsewhere signs nobody out.
    fn d17_a_get_signs_nobody_out(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        browser.get("/logout").expect(200);
        assert!(browser.is_signed_in());
    }

    /// Logout returns only to a registered place.
    fn d17_after_signing_out_only_a_registered_place_is_visited(backend) {
        let world = World::start(backend);
        world.run(&["client", "change", "web", "--post-logout-redirect-uri", "https://app.example.test/bye"], "");
        let mut browser = world.signed_in("ada");
        let query = |uri: &str| format!("/logout?{}", wire::encode(&[("client_id", "web"), ("post_logout_redirect_uri", uri), ("state", "s")]));
        let page = browser.get(&query("https://evil.example/")).expect(400);
        assert_eq!(conformance_tests::html::heading(&page.text()), "Logout error");
        let page = browser.get(&query("https://app.example.test/bye")).expect(200);
        let answer = browser.submit(&page, &[]);
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.location_parameter("state").as_deref(), Some("s"), "{answer:?}");
        assert!(!browser.is_signed_in());
    }

    /// D15
    fn d15_a_malformed_cookie_is_no_cookie(backend) {
        let world = World::start(backend);
        let browser = world.signed_in("ada");
        let (name, value) = browser.session().expect("a session");
        for bad in ["", "x", "cfss_", &value[..value.len() - 1], &format!("{value}x"), "\u{e4}", "a=b=c", "%00", &"x".repeat(4_000)] {
            let answer = world.http().send(&Request::get("/account").header("Cookie", &format!("{name}={bad}")));
            assert!([303, 401].contains(&answer.status), "{bad}: {answer:?}");
        }
    }
}
