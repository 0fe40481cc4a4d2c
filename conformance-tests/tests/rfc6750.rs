//! RFC 6750, Bearer Token Usage: what of it concerns a server without an API of its own.

use conformance_tests::{Request, World, on_both_backends};

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
}
