//! RFC 7636, Proof Key for Code Exchange.

use conformance_tests::{Code, World, on_both_backends, pkce};

on_both_backends! {
    /// S9700-05: a challenge was sent, so its verifier must come.
    fn s9700_05_the_verifier_of_the_challenge_is_enforced(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for client in [&world.web, &world.app] {
            let code = world.code(&mut browser, client);
            let without = [("grant_type", "authorization_code"), ("code", code.value.as_str()), ("redirect_uri", &code.redirect_uri)];
            let answer = world.http().token(client, &without);
            assert_eq!(answer.status, 400, "{answer:?}");
            for verifier in [pkce::random(), pkce::challenge(&code.verifier), code.verifier.to_uppercase(), String::new()] {
                let code = Code { verifier, ..world.code(&mut browser, client) };
                let answer = world.redeem(client, &code);
                assert_eq!(answer.status, 400, "{answer:?}");
                assert!(["invalid_grant", "invalid_request"].contains(&answer.error().as_str()), "{answer:?}");
            }
        }
    }

    /// S9700-07, S21-02: for every client, public or not.
    fn s9700_07_a_request_without_a_challenge_is_refused_for_every_client(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for client in [&world.web, &world.app] {
            let bare = world.request(client).without("code_challenge").without("code_challenge_method");
            let answer = browser.authorize(&bare);
            assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"), "{answer:?}");
        }
    }

    /// RFC 7636 §4.3: a missing method means plain, which is not offered.
    fn rfc7636_only_s256_is_taken(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let good = world.request(&world.web);
        for request in [good.clone().set("code_challenge_method", "plain"), good.clone().without("code_challenge_method"), good.clone().set("code_challenge_method", "s256")] {
            let answer = browser.authorize(&request);
            assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"), "{answer:?}");
        }
    }

    /// RFC 7636 §4.2: 43 characters of the base64url alphabet.
    fn rfc7636_a_challenge_that_is_no_sha_256_is_refused(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let good = pkce::challenge("x");
        for challenge in ["short".to_owned(), format!("{good}="), format!("{}!", &good[1..]), format!("{good}{good}{good}{good}"), "a".repeat(42)] {
            let answer = browser.authorize(&world.request(&world.web).set("code_challenge", &challenge));
            assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"), "{challenge}: {answer:?}");
        }
    }

    /// A verifier outside of 43 to 128 unreserved characters is refused, however it hashes.
    fn rfc7636_a_malformed_verifier_is_refused(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for verifier in ["short".to_owned(), "a".repeat(129), format!("{} ", "a".repeat(50)), format!("{}\u{e4}", "a".repeat(50))] {
            let request = world.request(&world.web).set("code_challenge", &pkce::challenge(&verifier));
            let code = Code { verifier: verifier.clone(), ..browser.obtain_code(&request) };
            let answer = world.redeem(&world.web, &code);
            assert_eq!(answer.status, 400, "{verifier}: {answer:?}");
        }
    }

    /// S9700-06: no challenge, no verifier; since every code has a challenge, a client cannot be downgraded.
    fn s9700_06_a_code_without_a_challenge_never_comes_to_be(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let answer = browser.authorize(&world.request(&world.web).set("code_challenge", ""));
        assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"), "{answer:?}");
        assert_eq!(world.query("SELECT count(*) FROM codes"), "0");
    }
}
