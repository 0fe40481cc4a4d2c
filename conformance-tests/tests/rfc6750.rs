//! RFC 6750, Bearer Token Usage: how a token travels to our own API, and what is answered when it is not good. What the API does is in
//! `api.rs`.

use conformance_tests::{AuthorizationRequest, Client, Request, Tokens, World, on_both_backends};

/// A client through which ada gets tokens for the API.
fn own_client(world: &World) -> Client {
    let grants = ["--grant", "authorization_code", "--grant", "refresh_token"];
    let scopes = [
        "--scope",
        "curfew:account:read",
        "--scope",
        "curfew:account:write",
    ];
    let options = [&["--consent", "implicit"] as &[_], &grants, &scopes].concat();
    world.add_client("own", "https://own.example.test/cb", &options)
}

fn read_token(world: &World) -> String {
    let client = own_client(world);
    let request = AuthorizationRequest::new(&client).scope("curfew:account:read");
    let code = world.browser().obtain_code(&request);
    Tokens::of(&world.redeem(&client, &code)).access
}

on_both_backends! {
    /// RFC 6750 §2.3, S21-11: a bearer token in a query is no credential anywhere.
    fn s21_11_a_bearer_token_in_the_query_opens_nothing(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let answer = world.http().get(&format!("/account?access_token={token}"));
        assert_ne!(answer.status, 200, "{answer:?}");
        let ask = Request::form(&format!("/introspect?access_token={token}"), &[("token", &token)]);
        world.http().send(&ask).expect_error(401, "invalid_client");
    }

    /// RFC 6750 §2.1: an access token is not a way to authenticate as a client or a user.
    fn rfc6750_an_access_token_is_no_client_authentication(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let bearer = format!("Bearer {token}");
        let ask = Request::form("/introspect", &[("token", &token)]).header("Authorization", &bearer);
        let answer = world.http().send(&ask);
        assert_eq!(answer.status, 401, "{answer:?}");
        let revoke = Request::form("/revoke", &[("token", &token)]).header("Authorization", &bearer);
        assert_eq!(world.http().send(&revoke).status, 401);
        world.assert_alive(&token);
    }

    /// RFC 6750 §5.2, S21-12: no token is ever put into a cookie.
    fn s21_12_no_bearer_token_travels_in_a_cookie(backend) {
        let world = World::start(backend);
        let mut browser = world.browser();
        world.tokens(&mut browser, &world.web);
        for (name, value) in &browser.cookies {
            assert!(name.starts_with("__Host-curfew_"), "{name}");
            assert!(!value.contains("cfat_") && !value.contains("cfrt_") && !value.contains("cfac_"), "{name}");
        }
    }

    /// RFC 6750 §2 and §3.1: without credentials only the challenge is told; a token in a query or a form is none.
    fn s21_11_without_the_header_there_is_a_challenge_and_nothing_else(backend) {
        let world = World::start(backend);
        let token = read_token(&world);
        for request in [
            Request::get("/api/v1/me"),
            Request::get(&format!("/api/v1/me?access_token={token}")),
            Request::form("/api/v1/me/logout-everywhere", &[("access_token", &token)]),
            Request::get("/api/v1/me").basic("own", "secret"),
            Request::get("/api/v1/me").header("Cookie", &format!("access_token={token}")),
        ] {
            let answer = world.http().send(&request).expect(401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"curfew\""));
            assert_eq!(answer.text(), "", "no error code without credentials (§3.1)");
        }
        world.http().send(&Request::get("/api/v1/me").header("Authorization", &format!("Bearer {token}"))).expect(200);
    }

    /// RFC 6750 §2: two ways at once are refused, even when both are right.
    fn s21_11_two_ways_at_once_are_an_invalid_request(backend) {
        let world = World::start(backend);
        let token = read_token(&world);
        let value = format!("Bearer {token}");
        for request in [
            Request::get(&format!("/api/v1/me?access_token={token}")),
            Request::form("/api/v1/me/logout-everywhere", &[("access_token", &token)]),
            Request::get("/api/v1/me").header("Authorization", &value),
        ] {
            let answer = world.http().send(&request.header("Authorization", &value));
            let answer = answer.expect_error(400, "invalid_request");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains("error=\"invalid_request\""), "{answer:?}");
        }
    }

    /// S21-12, RFC 9110 §11.1: the scheme's case does not matter.
    fn s21_12_the_scheme_is_compared_without_case(backend) {
        let world = World::start(backend);
        let token = read_token(&world);
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let value = format!("{scheme} {token}");
            world.http().send(&Request::get("/api/v1/me").header("Authorization", &value)).expect(200);
        }
    }

    /// RFC 6750 §3 and §3.1: a token that may not do this is told which scope would; a client's own token has no person.
    fn rfc6750_a_token_without_the_scope_is_told_which_one_is_missing(backend) {
        let world = World::start(backend);
        let token = read_token(&world);
        let robot = world.add_client("robot-own", "", &["--grant", "client_credentials", "--scope", "curfew:account:read"]);
        let fields = [("grant_type", "client_credentials"), ("scope", "curfew:account:read")];
        let robots = world.http().token(&robot, &fields).expect(200).member("access_token");
        for (method, path, token, scope) in [
            ("DELETE", "/api/v1/me/tokens", token, "curfew:account:write"),
            ("GET", "/api/v1/me", robots, "curfew:account:read"),
        ] {
            let request = Request::new(method, path).header("Authorization", &format!("Bearer {token}"));
            let answer = world.http().send(&request).expect_error(403, "insufficient_scope");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{answer:?}");
        }
    }
}
