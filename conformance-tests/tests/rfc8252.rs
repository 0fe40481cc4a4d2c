//! RFC 8252, OAuth 2.0 for Native Apps: redirect URIs.

use conformance_tests::{World, html, on_both_backends};

on_both_backends! {
    /// §7.3: the loopback address with whatever port the app was given.
    fn rfc8252_any_port_of_the_loopback_address_is_taken(backend) {
        let world = World::start(backend);
        world.run(&["client", "change", "app", "--redirect-uri", "http://127.0.0.1/cb", "--redirect-uri", "http://[::1]/cb"], "");
        let mut browser = world.signed_in("ada");
        for uri in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb", "http://[::1]:65535/cb"] {
            let code = browser.obtain_code(&world.request(&world.app).set("redirect_uri", uri));
            world.redeem(&world.app, &code).expect(200);
        }
    }

    /// §8.3: the name `localhost` is not the loopback address; nothing but the port may differ.
    fn rfc8252_nothing_but_the_port_may_differ(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for uri in [
            "http://localhost/cb", "http://localhost:8000/cb", "http://127.0.0.1:8000/other", "http://127.0.0.1:8000/cb?x=1", "https://127.0.0.1:8000/cb",
            "http://127.0.0.1:8000@evil.example/cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.2/cb",
            "http://127.1/cb", "http://2130706433/cb", "http://[::ffff:127.0.0.1]/cb", "http://127.0.0.1:8000/cb#x",
        ] {
            let answer = browser.authorize(&world.request(&world.app).set("redirect_uri", uri));
            assert_eq!((answer.status, html::heading(&answer.text())), (400, "Authorization error".to_owned()), "{uri}: {answer:?}");
            assert_eq!(answer.location(), None);
        }
    }

    /// §7.3: the port of the token request is the one of the authorization request.
    fn rfc8252_the_token_request_repeats_the_port(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let mut code = browser.obtain_code(&world.request(&world.app).set("redirect_uri", "http://127.0.0.1:51004/cb"));
        code.redirect_uri = "http://127.0.0.1:51005/cb".to_owned();
        world.redeem(&world.app, &code).expect_error(400, "invalid_grant");
    }

    /// §7.1: private-use schemes, in reverse domain form.
    fn rfc8252_a_private_use_scheme_is_taken_in_reverse_domain_form_only(backend) {
        let world = World::start(backend);
        let client = world.add_client("phone", "test.example.phone:/cb", &["--public", "--grant", "authorization_code", "--scope", "notes"]);
        let answer = world.browser().authorize(&world.request(&client));
        assert!(answer.location().is_some_and(|to| to.starts_with("test.example.phone:/cb?")), "{answer:?}");
        for uri in ["phone:/cb", "javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd"] {
            let refused = world.try_cli(&["client", "add", "bad", "--name", "Bad", "--public", "--grant", "authorization_code", "--redirect-uri", uri], "");
            assert!(!refused.status.success(), "{uri} was registered");
        }
    }

    /// S9700-17, S21-04: what may be registered.
    fn s9700_17_clear_text_redirects_are_not_registered(backend) {
        let world = World::start(backend);
        for uri in [
            "http://app.example.test/cb", "http://localhost/cb", "https://app.example.test/cb#fragment", "https://*.example.test/cb",
            "https://user@app.example.test/cb", "/cb", "https://app.example.test\\@evil.example/cb",
        ] {
            let refused = world.try_cli(&["client", "add", "bad", "--name", "Bad", "--grant", "authorization_code", "--redirect-uri", uri], "");
            assert!(!refused.status.success(), "{uri} was registered");
            let message = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!message.contains("panicked"), "{message}");
        }
    }
}
