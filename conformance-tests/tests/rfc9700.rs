//! RFC 9700, Best Current Practice for OAuth 2.0 Security.

use conformance_tests::{PASSWORD, Request, Setup, Tokens, World, html, on_both_backends};

on_both_backends! {
    fn s9700_01_redirect_uris_are_compared_byte_by_byte(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for uri in [
            "https://app.example.test/cb/", "https://app.example.test/CB", "https://APP.example.test/cb", "https://app.example.test:443/cb",
            "https://app.example.test/cb?x=1", "https://app.example.test/%63b", "https://app.example.test/x/../cb", "https://app.example.test/cb#",
            "https://app.example.test.evil.example/cb", "https://evil.example/?https://app.example.test/cb", "http://app.example.test/cb",
            "https://app.example.test@evil.example/cb", "//app.example.test/cb", "https://app.example.test\\cb", "https://app.example.test/cb%0d%0aX: y",
            "javascript:alert(1)", "data:text/html,x", " https://app.example.test/cb", "https://app.example.test/cb\u{0}", "https://app.example.test/cb\r\nX: y",
        ] {
            let answer = browser.authorize(&world.request(&world.web).set("redirect_uri", uri));
            assert_eq!((answer.status, answer.location()), (400, None), "{uri}: {answer:?}");
            assert_eq!(html::heading(&answer.text()), "Authorization error");
            assert_eq!(answer.header("x"), None);
        }
        assert_eq!(world.query("SELECT count(*) FROM codes"), "0");
    }

    /// S9700-02: nobody is redirected before client and redirect URI are known to belong together.
    fn s9700_02_a_bad_client_or_redirect_uri_never_redirects(backend) {
        let world = World::start(backend);
        let good = world.request(&world.web);
        for request in [
            good.clone().set("client_id", "unknown"), good.clone().without("client_id"), good.clone().set("client_id", "app"),
            good.clone().set("redirect_uri", "https://evil.example/"), good.clone().set("client_id", "robot").without("redirect_uri"),
            good.clone().set("client_id", "<script>alert(1)</script>"),
        ] {
            for mut browser in [world.browser(), world.signed_in("ada")] {
                let answer = browser.get(&request.target());
                assert_eq!((answer.status, answer.location()), (400, None), "{answer:?}");
                assert_eq!(html::heading(&answer.text()), "Authorization error");
                assert!(!answer.text().contains("<script>alert"), "{answer:?}");
            }
        }
    }

    /// S9700-03: an error of a request goes back by redirect only once somebody is signed in, or the server is an open redirector.
    fn s9700_03_errors_are_redirected_only_after_the_user_signed_in(backend) {
        let world = World::start(backend);
        let bad = world.request(&world.web).set("scope", "unheard-of");
        let answer = world.browser().get(&bad.target());
        let away = answer.location().is_some_and(|to| to.starts_with("https://app.example.test"));
        assert!(!away, "a stranger was redirected: {answer:?}");
        let answer = world.signed_in("ada").get(&bad.target());
        assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_scope"), "{answer:?}");
    }

    fn s9700_04_redirects_after_a_post_are_303(backend) {
        let world = World::start(backend);
        let mut browser = world.browser();
        let page = browser.get("/login?return_to=%2Faccount").expect(200);
        let answer = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]);
        assert_eq!((answer.status, answer.location()), (303, Some("/account")), "{answer:?}");
        let page = browser.consent_page(&world.request(&world.app));
        assert_eq!(browser.submit(&page, &[("decision", "approve")]).status, 303);
    }

    fn s9700_11_a_replayed_refresh_token_of_a_public_client_kills_the_active_one(backend) {
        let world = World::with(Setup::new(backend).env("CURFEW_LIFETIMES_REFRESH_GRACE", "0"));
        let first = world.tokens(&mut world.browser(), &world.app);
        let second = Tokens::of(&world.refresh(&world.app, first.refresh()));
        world.refresh(&world.app, first.refresh()).expect_error(400, "invalid_grant");
        world.refresh(&world.app, second.refresh()).expect_error(400, "invalid_grant");
        world.assert_dead(&first.access);
        world.assert_dead(&second.access);
    }

    /// S9700-13: the family and the generation stand in the token, under a keyed tag; S21-05 for its length.
    fn s9700_13_a_refresh_token_that_was_put_together_ends_no_family(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.web);
        let other = world.tokens(&mut world.browser(), &world.web);
        let (own, foreign) = (tokens.refresh(), other.refresh());
        // The family handle of one with secret and tag of the other, checksum and all.
        let mixed = format!("{}{}", &own[..5 + 22], &foreign[5 + 22..]);
        world.refresh(&world.web, &mixed).expect_error(400, "invalid_grant");
        world.assert_alive(&tokens.access);
        world.assert_alive(&other.access);
        Tokens::of(&world.refresh(&world.web, own));
        Tokens::of(&world.refresh(&world.web, foreign));
    }

    fn s9700_18_the_authorization_endpoint_knows_no_cors(backend) {
        let world = World::start(backend);
        for (method, path) in [("GET", "/authorize?client_id=web"), ("OPTIONS", "/authorize"), ("OPTIONS", "/login"), ("GET", "/login"), ("OPTIONS", "/consent")] {
            let request = Request::new(method, path).header("Origin", "https://app.example.test").header("Access-Control-Request-Method", "GET");
            let answer = world.http().send(&request);
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}: {answer:?}");
        }
    }

    /// S9700-19, S21-03: a second use is refused and takes back what the first one gave.
    fn s21_03_a_code_used_twice_kills_the_tokens_it_gave(backend) {
        let world = World::start(backend);
        let code = world.code(&mut world.browser(), &world.web);
        let tokens = Tokens::of(&world.redeem(&world.web, &code));
        let refreshed = Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        // S9700-19
        world.redeem(&world.web, &code).expect_error(400, "invalid_grant");
        world.assert_dead(&tokens.access);
        world.assert_dead(&refreshed.access);
        world.refresh(&world.web, refreshed.refresh()).expect_error(400, "invalid_grant");
    }

    /// S9700-20, S9700-25, and the rest of what every page says.
    fn s9700_20_every_page_forbids_framing_and_leaks_no_referrer(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let pages = [
            world.browser().get("/login"), world.browser().get("/login/forgot"), world.browser().get("/bootstrap"), world.browser().get("/signed-out"),
            browser.get("/logout"), browser.get("/account"), browser.consent_page(&world.request(&world.app)), browser.get("/authorize"),
        ];
        for page in pages {
            let csp = page.header("content-security-policy").unwrap_or_else(|| panic!("no policy: {page:?}"));
            for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'none'"] {
                assert!(csp.contains(directive), "{directive} is missing in {csp}");
            }
            assert!(!csp.contains("unsafe") && !csp.contains('*'), "{csp}");
            assert_eq!(page.header("x-frame-options"), Some("DENY"), "{page:?}");
            assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
            // S9700-25
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            assert!(page.header("cache-control").is_some_and(|value| value.contains("no-store")), "{page:?}");
            assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
            let text = page.text();
            let tags = html::tags(&text);
            let third_party = tags.iter().find(|tag| {
                let link = tag.get("src").or_else(|| tag.get("href").filter(|_| tag.name == "link"));
                link.is_some_and(|to| to.starts_with("http") && !to.starts_with(world.issuer()))
            });
            assert!(third_party.is_none(), "{third_party:?}");
            assert!(!tags.iter().any(|tag| tag.name == "script" || tag.attributes.iter().any(|(name, _)| name.starts_with("on") || name == "style")), "{text}");
        }
    }

    /// Section 3, cookies and D16: a new session on login, and nothing but an id in the cookie.
    fn d16_the_session_is_new_after_each_login_and_its_cookie_is_locked_down(backend) {
        let world = World::start(backend);
        let mut browser = world.browser();
        let page = browser.get("/login").expect(200);
        assert_eq!(browser.session(), None);
        let form = page.headers("set-cookie").into_iter().find(|cookie| cookie.contains("_form_")).expect("a form cookie");
        assert!(form.starts_with("__Host-") && form.contains("SameSite=Strict") && form.contains("HttpOnly"), "{form}");
        let answer = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]);
        let cookie = answer.headers("set-cookie").into_iter().find(|cookie| cookie.contains("_session_")).map(str::to_owned).expect("a session cookie");
        for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(cookie.starts_with("__Host-curfew_session_") && !cookie.to_lowercase().contains("domain="), "{cookie}");
        let first = browser.session().expect("a session");
        browser.sign_in_at("/login?reauth=1", "ada", PASSWORD);
        assert_ne!(browser.session().expect("a session"), first);
    }

    /// CSRF: no form is taken without its token, nor from another origin.
    fn b39_no_form_is_taken_from_elsewhere(backend) {
        let world = World::start(backend);
        let mut browser = world.browser();
        let page = browser.get("/login").expect(200);
        let csrf = html::input(&page.text(), "csrf").expect("a token against forged forms");
        let fields = [("username", "ada"), ("password", PASSWORD), ("return_to", "/account"), ("csrf", csrf.as_str())];
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let forged = [
            Request::form("/login", &fields[..3]).header("Cookie", &cookies).header("Origin", world.issuer()),
            Request::form("/login", &fields).header("Origin", world.issuer()),
            Request::form("/login", &fields).header("Cookie", &cookies).header("Origin", "https://evil.example"),
            Request::form("/login", &fields).header("Cookie", &cookies).header("Origin", "null"),
            Request::form("/login", &fields).header("Cookie", &cookies).header("Sec-Fetch-Site", "cross-site"),
        ];
        for request in forged {
            let answer = world.http().send(&request);
            assert!((400..500).contains(&answer.status), "{answer:?}");
            assert!(!answer.headers("set-cookie").iter().any(|cookie| cookie.contains("_session_") && cookie.contains("cfss_")), "{answer:?}");
        }
        let honest = Request::form("/login", &fields).header("Cookie", &cookies).header("Origin", world.issuer());
        assert_eq!(world.http().send(&honest).status, 303);
    }

    /// B48
    fn b48_after_the_login_only_a_path_of_our_own_is_returned_to(backend) {
        let world = World::start(backend);
        for to in ["https://evil.example/", "//evil.example/", "/\\evil.example", "\\/evil.example", "/%2f%2fevil.example", "javascript:alert(1)", "/a\r\nX: y", "/%09/evil.example", ""] {
            let mut browser = world.browser();
            let page = browser.get("/login").expect(200);
            let answer = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD), ("return_to", to)]);
            let place = answer.location().unwrap_or("").to_owned();
            assert!(!place.contains("evil") && !place.contains("javascript"), "{to}: {answer:?}");
            assert_eq!(answer.header("x"), None);
            assert!(answer.status < 500, "{answer:?}");
        }
    }

    /// Section 3, rate limits: a guess is counted before it is answered, and the account is not locked for good.
    fn s21_15_wrong_passwords_are_limited_per_account(backend) {
        let world = World::with(Setup::new(backend).default_limits());
        let mut seen = Vec::new();
        for _ in 0..12 {
            let mut browser = world.browser();
            let answer = browser.sign_in("ada", "a wrong password");
            assert!(browser.session().is_none());
            seen.push(answer.status);
            if answer.status == 429 {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                return;
            }
        }
        panic!("twelve wrong passwords were answered with {seen:?}");
    }

    /// S21-15: any endpoint that takes a client secret.
    fn s21_15_wrong_client_secrets_are_limited(backend) {
        let world = World::with(Setup::new(backend).default_limits());
        for path in ["/token", "/introspect", "/revoke"] {
            let request = Request::form(path, &[("grant_type", "client_credentials"), ("token", "x")]).basic("robot", "wrong");
            let limited = (0..200).any(|_| {
                let answer = world.http().send(&request);
                assert!([401, 429].contains(&answer.status), "{answer:?}");
                answer.status == 429
            });
            assert!(limited, "200 wrong secrets at {path} were all answered with 401");
        }
    }
}
