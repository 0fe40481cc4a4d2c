//! RFC 8628, Device Authorization Grant.

use conformance_tests::{
    Backend, Browser, Client, Device, Request, Response, Setup, Tokens, World, html,
    on_both_backends, pkce, wire,
};

fn start(world: &World, client: &Client) -> Device {
    world
        .http()
        .start_device(client, &[("scope", "notes offline_access")])
}

#[track_caller]
fn shows(page: &Response, id: &str) -> bool {
    html::by_id(&page.text(), id).is_some()
}

on_both_backends! {
    fn s8628_01_a_device_gets_its_codes_links_and_times(backend) {
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        let answer = &device.answer;
        let uri = format!("{}/device", world.issuer());
        assert_eq!(answer["verification_uri"], uri.as_str());
        assert_eq!(answer["verification_uri_complete"], format!("{uri}?user_code={}", device.user_code));
        assert_eq!((answer["expires_in"].as_i64(), answer["interval"].as_i64()), (Some(600), Some(5)));
        assert_eq!(device.user_code.len(), 9);
        assert!(device.device_code.starts_with("cfdc_"));
        // S8628-05: 256 bits of secret behind the selector.
        assert_eq!(device.device_code.len(), 5 + 22 + 44 + 6);
        let metadata = world.http().get("/.well-known/oauth-authorization-server").json();
        assert_eq!(metadata["device_authorization_endpoint"], format!("{}/device_authorization", world.issuer()));
        assert!(metadata["grant_types_supported"].to_string().contains("urn:ietf:params:oauth:grant-type:device_code"));
    }

    fn s8628_02_pending_then_too_fast_then_approved_once(backend) {
        let mut setup = Setup::new(backend).time_travel();
        if backend == Backend::Postgres {
            setup = setup.nodes(3);
        }
        let world = World::with(setup);
        let device = start(&world, &world.add_tv());
        let nodes = world.nodes();
        nodes[0].poll(&device).expect_error(400, "authorization_pending");
        // C23: the interval grows by 5 s with each poll that comes too early, and every node knows.
        nodes[nodes.len() - 1].poll(&device).expect_error(400, "slow_down");
        world.advance(9);
        nodes[0].poll(&device).expect_error(400, "slow_down");
        world.advance(15);
        nodes[nodes.len() / 2].poll(&device).expect_error(400, "authorization_pending");
        world.browser().approve_device(&device);
        let tokens = Tokens::of(&world.http().poll(&device));
        world.assert_alive(&tokens.access);
        assert!(tokens.refresh.is_some());
        // S8628-07 and C19: once. The second asking is a replay, and what the first one got is dead.
        world.http().poll(&device).expect_error(400, "invalid_grant");
        world.assert_dead(&tokens.access);
        world.refresh(&device.client, tokens.refresh()).expect_error(400, "invalid_grant");
    }

    fn c22_a_denied_device_hears_so_for_good(backend) {
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        let page = world.browser().decide_device(&device, "ada", "deny").expect(200);
        assert!(page.text().contains("was not connected"), "{page:?}");
        for _ in 0..2 {
            world.http().poll(&device).expect_error(400, "access_denied");
        }
    }

    fn c21_an_expired_code_is_expired_for_the_person_and_for_the_device(backend) {
        let world = World::with(Setup::new(backend).time_travel());
        let client = world.add_tv();
        let (waiting, approved) = (start(&world, &client), start(&world, &client));
        let mut browser = world.browser();
        browser.approve_device(&approved);
        let page = browser.type_code("", &waiting.user_code, "ada");
        assert!(shows(&page, "device-approve"), "{page:?}");
        world.advance(600);
        // The very second of the end is the end (C10), also for what was approved in time.
        for device in [&waiting, &approved] {
            world.http().poll(device).expect_error(400, "expired_token");
        }
        let mut late = world.signed_in("ada");
        assert!(!shows(&late.type_code("", &waiting.user_code, "ada"), "device-approve"));
    }

    fn c20_another_clients_device_code_is_refused_and_not_burned(backend) {
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        let thief = world.add_client("thief", "", &["--public", "--grant", "device_code", "--scope", "notes"]);
        world.browser().approve_device(&device);
        let stolen = Device { client: thief, ..device.clone() };
        world.http().poll(&stolen).expect_error(400, "invalid_grant");
        Tokens::of(&world.http().poll(&device));
    }

    fn s8628_03_a_confidential_client_must_authenticate_at_both_endpoints(backend) {
        let world = World::start(backend);
        let client = world.add_client("kiosk", "", &["--grant", "device_code", "--scope", "notes"]);
        let nameless = Client { secret: None, ..client.clone() };
        world.http().send(&Request::device_authorization(&nameless, &[])).expect_error(401, "invalid_client");
        let device = world.http().start_device(&client, &[("scope", "notes")]);
        // S8628-08: a public client names itself, a confidential one proves itself.
        world.http().poll(&Device { client: nameless, ..device.clone() }).expect_error(401, "invalid_client");
        let mut browser = world.browser();
        // C39: the secret has no part in the browser.
        let page = browser.type_code("", &device.user_code, "ada");
        assert!(!page.text().contains(client.secret.as_deref().expect("a secret")));
        browser.approve_device(&device);
        let tokens = Tokens::of(&world.http().poll(&device));
        assert!(tokens.refresh.is_none(), "a refresh token is for those who asked and may have one");
    }

    fn c35_the_flow_is_off_unless_the_client_has_it_and_switches_act_at_once(backend) {
        let world = World::start(backend);
        // SXD-03: a client that can be redirected to does not get it by itself.
        world.http().send(&Request::device_authorization(&world.app, &[])).expect_error(400, "unauthorized_client");
        let client = world.add_tv();
        let (waiting, approved) = (start(&world, &client), start(&world, &client));
        world.browser().approve_device(&approved);
        world.run(&["tenant", "change", "default", "--device-flow", "off"], "");
        for node in world.nodes() {
            node.send(&Request::device_authorization(&client, &[])).expect_error(400, "unauthorized_client");
            node.poll(&waiting).expect_error(400, "unauthorized_client");
            node.poll(&approved).expect_error(400, "unauthorized_client");
        }
        let mut browser = world.signed_in("ada");
        let page = browser.type_code("", &waiting.user_code, "ada");
        let done = browser.submit(&page, &[("decision", "approve")]);
        assert!(done.location().is_some_and(|to| to.ends_with("outcome=off")), "{done:?}");
        // Whoever was refused by the switch stays refused; whoever was approved before goes on.
        world.run(&["tenant", "change", "default", "--device-flow", "on"], "");
        world.http().poll(&waiting).expect_error(400, "access_denied");
        Tokens::of(&world.http().poll(&approved));
        world.run(&["device-flow", "off"], "");
        world.http().send(&Request::device_authorization(&client, &[])).expect_error(400, "unauthorized_client");
    }

    fn c36_a_client_deleted_between_approval_and_poll_is_no_client(backend) {
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        world.browser().approve_device(&device);
        world.run(&["client", "delete", "tv"], "");
        world.http().poll(&device).expect_error(401, "invalid_client");
    }

    fn a13_a_user_deleted_after_the_approval_means_access_denied(backend) {
        let world = World::start(backend);
        world.add_user("bob");
        let client = world.add_tv();
        for (name, kill) in [("bob", "delete"), ("ada", "suspend")] {
            let device = start(&world, &client);
            world.browser().decide_device(&device, name, "approve").expect(200);
            world.run(&["user", kill, name], "");
            for _ in 0..2 {
                world.http().poll(&device).expect_error(400, "access_denied");
            }
        }
    }

    fn c30_only_members_may_use_a_restricted_client_at_approval_and_at_the_poll(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        world.run(&["client", "change", "tv", "--restricted", "true"], "");
        let device = start(&world, &client);
        let page = world.browser().decide_device(&device, "ada", "approve").expect(403);
        assert!(page.text().contains("You may not use this application"), "{page:?}");
        world.http().poll(&device).expect_error(400, "access_denied");
        world.run(&["client", "admit", "tv", "--user", "ada"], "");
        let (first, second) = (start(&world, &client), start(&world, &client));
        world.browser().approve_device(&first);
        world.browser().approve_device(&second);
        let tokens = Tokens::of(&world.http().poll(&first));
        world.run(&["client", "expel", "tv", "--user", "ada"], "");
        // A23: what it had is dead as well.
        world.assert_dead(&tokens.access);
        world.http().poll(&second).expect_error(400, "access_denied");
    }

    fn c29_the_token_has_what_was_approved_and_not_what_the_poll_says(backend) {
        let world = World::start(backend);
        world.add_scope("letters", "api");
        let client = world.add_client("reader", "", &["--public", "--grant", "device_code", "--scope", "notes", "--scope", "letters"]);
        let device = world.http().start_device(&client, &[("scope", "notes")]);
        world.browser().approve_device(&device);
        let fields = [("grant_type", conformance_tests::DEVICE_GRANT), ("device_code", device.device_code.as_str()), ("scope", "notes letters")];
        let answer = world.http().token(&client, &fields).expect(200);
        assert_eq!(answer.member("scope"), "notes");
        assert_eq!(world.introspect(&answer.member("access_token"))["scope"], "notes");
    }

    fn c33_links_come_from_the_configured_issuer(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        let request = Request::device_authorization(&client, &[]).header("X-Forwarded-Host", "evil.test").header("X-Forwarded-Proto", "https").header("Forwarded", "host=evil.test");
        let answer = world.http().send(&request).expect(200);
        assert!(!answer.text().contains("evil"), "{answer:?}");
        assert!(answer.member("verification_uri").starts_with(world.issuer()));
    }

    fn c07_a_lifetime_that_is_none_is_a_bad_request(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        for lifetime in ["0", "-1", "1.5", "abc", "4294967296", "99999999999999999999999", "+60", " 60", "0x10", "60s"] {
            let refused = world.http().send(&Request::device_authorization(&client, &[("requested_token_lifetime", lifetime)]));
            refused.expect_error(400, "invalid_request");
            let fields = [("grant_type", "client_credentials"), ("requested_token_lifetime", lifetime)];
            world.http().token(&world.robot, &fields).expect_error(400, "invalid_request");
        }
        // Too long for this client is as bad, and the error says what there is (C02).
        let refused = world.http().send(&Request::device_authorization(&client, &[("requested_token_lifetime", "601")]));
        assert!(refused.clone().expect_error(400, "invalid_request").text().contains("600"), "{refused:?}");
    }

    fn c34_long_lifetimes_are_exact(backend) {
        let world = World::start(backend);
        let client = world.add_client("station", "", &["--public", "--grant", "device_code", "--scope", "notes", "--access-token-lifetime", "1000000"]);
        let device = world.http().start_device(&client, &[("scope", "notes"), ("requested_token_lifetime", "100000")]);
        world.browser().approve_device(&device);
        let answer = world.http().poll(&device).expect(200);
        assert_eq!(answer.json()["expires_in"], 100_000);
        let token = world.introspect(&answer.member("access_token"));
        assert_eq!(token["exp"].as_i64().zip(token["iat"].as_i64()).map(|(end, start)| end - start), Some(100_000));
    }

    fn c05_a_lifetime_above_the_tenants_maximum_ends_in_access_denied(backend) {
        let world = World::start(backend);
        let client = world.add_client("station", "", &["--public", "--grant", "device_code", "--scope", "notes", "--access-token-lifetime", "1000000"]);
        let device = world.http().start_device(&client, &[("scope", "notes"), ("requested_token_lifetime", "5000")]);
        world.run(&["tenant", "change", "default", "--max-access-token", "4000"], "");
        let page = world.browser().decide_device(&device, "ada", "approve").expect(400);
        assert!(page.text().contains("longer than is allowed"), "{page:?}");
        world.http().poll(&device).expect_error(400, "access_denied");
    }

    fn pkce_binds_the_device_code_when_the_device_asks_for_it(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        let verifier = pkce::random();
        let challenge = pkce::challenge(&verifier);
        for bad in [
            [("code_challenge", challenge.as_str()), ("code_challenge_method", "plain")].as_slice(),
            &[("code_challenge", challenge.as_str())],
            &[("code_challenge", "short"), ("code_challenge_method", "S256")],
        ] {
            world.http().send(&Request::device_authorization(&client, bad)).expect_error(400, "invalid_request");
        }
        let device = world.http().start_device(&client, &[("scope", "notes"), ("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        world.browser().approve_device(&device);
        world.http().poll(&device).expect_error(400, "invalid_grant");
        let fields = |verifier| [("grant_type", conformance_tests::DEVICE_GRANT), ("device_code", device.device_code.as_str()), ("code_verifier", verifier)];
        let wrong = pkce::random();
        world.http().token(&client, &fields(&wrong)).expect_error(400, "invalid_grant");
        // A wrong verifier burns nothing.
        Tokens::of(&world.http().token(&client, &fields(&verifier)));
    }

    fn c27_every_spelling_of_the_code_is_understood(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        let mut browser = world.signed_in("ada");
        let spellings: [fn(&str) -> String; 4] = [
            |code| code.to_lowercase(),
            |code| code.replace('-', ""),
            |code| format!(" {} ", code.replace('-', " \u{2013} ")),
            |code| code.to_lowercase().replace('-', "\u{2010}"),
        ];
        for spell in spellings {
            let device = start(&world, &client);
            let page = browser.type_code("", &spell(&device.user_code), "ada");
            assert!(shows(&page, "device-approve"), "{page:?}");
        }
        for typed in ["", "AEIO-AEIO", "1234-5678", "BCDF", "<script>", "BCDF-BCDF-BCDF"] {
            let page = browser.type_code("", typed, "ada").expect(400);
            assert!(shows(&page, "device-submit"), "{page:?}");
            assert!(!page.text().contains("<script>"));
        }
    }

    fn c31_a_complete_link_fills_the_code_in_and_decides_nothing(backend) {
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        let link = device.answer["verification_uri_complete"].as_str().expect("a link").replace(world.issuer(), "");
        let mut browser = world.browser();
        // Sign-in comes first, and leads back.
        let page = browser.device_page(&link, "ada");
        assert!(page.text().contains(&format!("value=\"{}\"", device.user_code)), "{page:?}");
        world.http().poll(&device).expect_error(400, "authorization_pending");
        let answer = browser.submit(&page, &[]);
        let to = answer.location().expect("the page of the decision").to_owned();
        // S8628-09: the code does not travel in addresses on the way.
        assert!(!to.contains(&device.user_code), "{to}");
        let page = browser.get(&to).expect(200);
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        // S8628-06: who asks, with the code to compare, the address and the age of the request.
        for words in ["tv", &device.user_code, "Use your notes", "127.0.0.1", "just now", "30 days", "deny"] {
            assert!(page.text().contains(words), "{words} in {page:?}");
        }
        world.http().poll(&device).expect_error(400, "slow_down");
        // Without the form's token nothing happens.
        let request = html::inputs(&page.text()).into_iter().find(|(name, _)| name == "request").expect("the sealed request").1;
        for fields in [
            [("request", request.as_str()), ("decision", "approve")].as_slice(),
            &[("request", request.as_str()), ("decision", "approve"), ("csrf", "0.AAAA")],
        ] {
            browser.post("/device/confirm", fields).expect(403);
        }
        world.http().poll(&device).expect_error(400, "slow_down");
    }

    fn c31_tampered_fields_another_session_and_double_clicks_change_nothing(backend) {
        let world = World::start(backend);
        world.add_user("eve");
        let client = world.add_tv();
        let (device, other) = (start(&world, &client), start(&world, &client));
        let mut ada = world.signed_in("ada");
        let page = ada.type_code("", &device.user_code, "ada");
        let sealed = html::inputs(&page.text()).into_iter().find(|(name, _)| name == "request").expect("sealed").1;
        let mut bent = sealed.clone().into_bytes();
        let last = bent.len() - 2;
        bent[last] = if bent[last] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).expect("ASCII");
        for request in [bent.as_str(), "", "AAAA", &other.device_code] {
            let answer = ada.submit(&page, &[("request", request), ("decision", "approve")]);
            assert_eq!(answer.status, 400, "{answer:?}");
        }
        // Eve stole Ada's sealed request, and uses it in a session of her own.
        let mut eve = world.signed_in("eve");
        let own = eve.type_code("", &other.user_code, "eve");
        eve.submit(&own, &[("request", &sealed), ("decision", "approve")]).expect(400);
        ada.submit(&page, &[("decision", "maybe")]).expect(400);
        world.http().poll(&device).expect_error(400, "authorization_pending");
        let first = ada.submit(&page, &[("decision", "approve")]);
        let second = ada.submit(&page, &[("decision", "approve")]);
        assert!(first.location().is_some_and(|to| to.ends_with("outcome=approved")), "{first:?}");
        assert!(second.location().is_some_and(|to| to.ends_with("outcome=gone")), "{second:?}");
        Tokens::of(&world.http().poll(&device));
    }

    fn c32_a_remembered_consent_never_skips_the_page(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        let mut browser = world.browser();
        for _ in 0..2 {
            let device = start(&world, &client);
            browser.approve_device(&device);
            Tokens::of(&world.http().poll(&device));
        }
        let device = start(&world, &client);
        let page = browser.type_code("", &device.user_code, "ada");
        assert!(shows(&page, "device-approve"), "{page:?}");
        world.http().poll(&device).expect_error(400, "authorization_pending");
    }

    fn c26_wrong_codes_are_counted_and_all_look_alike(backend) {
        let world = World::with(Setup::new(backend).default_limits());
        let client = world.add_tv();
        let (used, waiting) = (start(&world, &client), start(&world, &client));
        let mut browser = world.signed_in("ada");
        browser.approve_device(&used);
        let strip = |page: &Response, typed: &str| {
            let text = page.text().replace(typed, "CODE");
            let inputs = html::inputs(&text);
            let csrf = inputs.iter().find(|(name, _)| name == "csrf").expect("a token").1.clone();
            text.replace(&csrf, "CSRF")
        };
        let wrong: Vec<_> = ["BCDF-GHJK", "ZZZZ-ZZZZ", used.user_code.as_str()].into_iter().map(|typed| {
            let page = browser.type_code("", typed, "ada").expect(400);
            strip(&page, typed)
        }).collect();
        assert!(wrong.windows(2).all(|two| two[0] == two[1]), "{wrong:?}");
        for typed in ["BBBB-BBBB", "CCCC-CCCC"] {
            browser.type_code("", typed, "ada").expect(400);
        }
        // The sixth is not looked at, be it right or wrong.
        for typed in ["DDDD-DDDD", waiting.user_code.as_str()] {
            let page = browser.type_code("", typed, "ada").expect(429);
            assert!(page.header("retry-after").is_some(), "{page:?}");
        }
        // Another account has a budget of its own.
        world.add_user("bob");
        assert!(shows(&world.browser().type_code("", &waiting.user_code, "bob"), "device-approve"));
    }

    fn c40_after_the_redemption_nothing_is_left_of_what_was_asked(backend) {
        let world = World::start(backend);
        let client = world.add_tv();
        let (used, denied) = (start(&world, &client), start(&world, &client));
        let mut browser = world.browser();
        browser.approve_device(&used);
        browser.decide_device(&denied, "ada", "deny").expect(200);
        Tokens::of(&world.http().poll(&used));
        assert_eq!(world.query("SELECT count(*) FROM device_requests").trim(), "0");
        assert_eq!(world.query("SELECT count(*) FROM device_codes WHERE consumed_at IS NOT NULL").trim(), "1");
        assert!(!browser.type_code("", &used.user_code, "ada").text().contains("device-approve"));
    }

    fn c16_the_family_of_a_device_never_outlives_its_approval(backend) {
        let world = World::with(Setup::new(backend).time_travel().env("CURFEW_LIFETIMES_DEVICE_APPROVAL", "3600"));
        let device = start(&world, &world.add_tv());
        world.browser().approve_device(&device);
        let mut tokens = Tokens::of(&world.http().poll(&device));
        for _ in 0..5 {
            world.advance(700);
            tokens = Tokens::of(&world.refresh(&device.client, tokens.refresh()));
        }
        world.advance(100);
        world.assert_dead(&tokens.access);
        world.refresh(&device.client, tokens.refresh()).expect_error(400, "invalid_grant");
    }

    fn c24_no_database_is_no_answer(backend) {
        if backend == Backend::Sqlite {
            return;
        }
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        world.query("ALTER TABLE device_codes RENAME TO hidden");
        world.http().poll(&device).expect_error(503, "temporarily_unavailable");
        world.http().send(&Request::device_authorization(&device.client, &[])).expect_error(503, "temporarily_unavailable");
        world.query("ALTER TABLE hidden RENAME TO device_codes");
        world.http().poll(&device).expect_error(400, "authorization_pending");
    }

    fn race_c19_a_hundred_polls_of_one_approved_device_give_one_token(backend) {
        let setup = Setup::new(backend).nodes(if backend == Backend::Postgres { 3 } else { 1 });
        let world = World::with(setup);
        let client = world.add_tv();
        for _ in 0..5 {
            let device = start(&world, &client);
            world.browser().approve_device(&device);
            let answers = wire::release_together(&world.nodes(), &vec![device.polling(); 100]);
            let mut won = Vec::new();
            for answer in answers {
                let answer = answer.expect("an answer");
                if answer.status == 200 {
                    won.push(Tokens::of(&answer));
                } else {
                    // Used already; or its approval has ended meanwhile, because it was used twice.
                    assert!(["invalid_grant", "access_denied"].contains(&answer.member("error").as_str()), "{answer:?}");
                    assert_eq!(answer.status, 400);
                }
            }
            assert_eq!(won.len(), 1);
            world.assert_dead(&won[0].access);
        }
    }

    fn race_c28_two_people_decide_at_once_and_one_of_them_did(backend) {
        let setup = Setup::new(backend).nodes(if backend == Backend::Postgres { 3 } else { 1 });
        let world = World::with(setup);
        world.add_user("bob");
        let client = world.add_tv();
        for round in 0..20 {
            let device = start(&world, &client);
            let people: Vec<(Browser, Response)> = ["ada", "bob"].iter().map(|name| {
                let mut browser = world.signed_in(name);
                let page = browser.type_code("", &device.user_code, name);
                assert!(shows(&page, "device-approve"), "{page:?}");
                (browser, page)
            }).collect();
            let decision = if round % 2 == 0 { "approve" } else { "deny" };
            let answers: Vec<Response> = std::thread::scope(|scope| {
                let threads: Vec<_> = people.into_iter().zip(["approve", decision]).map(|((mut browser, page), decision)| {
                    scope.spawn(move || browser.submit(&page, &[("decision", decision)]))
                }).collect();
                threads.into_iter().map(|thread| thread.join().expect("a decision")).collect()
            });
            let gone = answers.iter().filter(|answer| answer.location().is_some_and(|to| to.ends_with("outcome=gone"))).count();
            assert_eq!(gone, 1, "{answers:?}");
            let answer = world.http().poll(&device);
            assert!(answer.status == 200 || answer.error() == "access_denied", "{answer:?}");
        }
        assert_eq!(world.query("SELECT count(*) FROM approvals a WHERE basis = 4 AND NOT EXISTS (SELECT 1 FROM device_codes d WHERE d.approval_id = a.node_id)").trim(), "0");
    }

    fn race_a13_polls_against_approval_against_deletion_leave_nothing_alive(backend) {
        let setup = Setup::new(backend).nodes(if backend == Backend::Postgres { 3 } else { 1 });
        let world = World::with(setup);
        let client = world.add_tv();
        for round in 0..6 {
            let name = format!("user{round}");
            world.add_user(&name);
            let devices: Vec<_> = (0..4).map(|_| start(&world, &client)).collect();
            let mut browser = world.signed_in(&name);
            let pages: Vec<_> = devices.iter().map(|device| browser.type_code("", &device.user_code, &name)).collect();
            let got = std::thread::scope(|scope| {
                let killer = scope.spawn(|| world.run(&["user", "delete", &name], ""));
                let approver = scope.spawn(move || {
                    for page in &pages {
                        let answer = browser.submit(page, &[("decision", "approve")]);
                        assert!(answer.status < 500, "{answer:?}");
                    }
                });
                let mut got = Vec::new();
                while !killer.is_finished() || !approver.is_finished() {
                    let requests: Vec<_> = devices.iter().map(Device::polling).collect();
                    for answer in wire::release_together(&world.nodes(), &requests) {
                        let answer = answer.expect("an answer");
                        assert!(answer.status < 500, "{answer:?}");
                        if answer.status == 200 {
                            got.push(Tokens::of(&answer));
                        }
                    }
                }
                got
            });
            for tokens in &got {
                world.assert_dead(&tokens.access);
            }
            for device in &devices {
                let answer = world.http().poll(device);
                assert!(["access_denied", "authorization_pending", "slow_down", "invalid_grant"].contains(&answer.error().as_str()), "{answer:?}");
            }
        }
    }

    fn the_qr_code_is_a_picture_of_the_complete_link(backend) {
        let world = World::start(backend);
        let answer = world.http().get("/device/qr.svg?user_code=wdjb-mjht").expect(200);
        assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
        assert!(answer.text().contains("<svg"));
        world.http().get("/device/qr.svg?user_code=AEIO").expect_error(400, "invalid_request");
        world.http().get("/device/qr.svg").expect_error(400, "invalid_request");
    }

    fn device_authorizations_are_limited_by_address_and_by_client(backend) {
        let world = World::with(Setup::new(backend).env("CURFEW_RATE_LIMITS_DEVICE_CODES_OUTSTANDING", "3"));
        let client = world.add_tv();
        for _ in 0..3 {
            start(&world, &client);
        }
        let refused = world.http().send(&Request::device_authorization(&client, &[])).expect(429);
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        let other = world.add_client("other", "", &["--public", "--grant", "device_code", "--scope", "notes"]);
        world.http().start_device(&other, &[]);
        let world = World::with(Setup::new(backend).default_limits());
        let client = world.add_tv();
        for _ in 0..10 {
            start(&world, &client);
        }
        world.http().send(&Request::device_authorization(&client, &[])).expect(429);
    }

    fn sxd_04_an_operator_may_demand_that_both_are_in_one_network(backend) {
        let setup = Setup::new(backend).env("CURFEW_DEVICE_OTHER_ADDRESS", "refuse").env("CURFEW_PROXY_TRUSTED", "127.0.0.1");
        let world = World::with(setup);
        let client = world.add_tv();
        let asked = |from: &str| {
            let request = Request::device_authorization(&client, &[("scope", "notes")]).header("X-Forwarded-For", from);
            let answer = world.http().send(&request).expect(200);
            Device { client: client.clone(), device_code: answer.member("device_code"), user_code: answer.member("user_code"), answer: answer.json() }
        };
        let (far, near) = (asked("203.0.113.9"), asked("127.0.0.1"));
        let mut browser = world.signed_in("ada");
        let page = browser.type_code("", &far.user_code, "ada");
        assert!(page.text().contains("203.0.113.9") && page.text().contains("different addresses"), "{page:?}");
        browser.decide_device(&far, "ada", "approve").expect(403);
        world.http().poll(&far).expect_error(400, "access_denied");
        browser.approve_device(&near);
    }

    fn s8628_09_no_code_is_kept_or_logged(backend) {
        let world = World::start(backend);
        let device = start(&world, &world.add_tv());
        let mut browser = world.browser();
        let link = format!("/device?user_code={}", device.user_code);
        browser.device_page(&link, "ada");
        browser.approve_device(&device);
        Tokens::of(&world.http().poll(&device));
        let bare = device.user_code.replace('-', "");
        for secret in [device.user_code.as_str(), &bare, &device.device_code[30..70]] {
            for node in 0..world.node_count() {
                assert!(!world.log(node).contains(secret), "{secret} in the log");
            }
            for table in ["device_codes", "device_requests", "audit", "approvals", "rate_limits"] {
                let rows = world.query(&format!("SELECT * FROM {table}"));
                assert!(!rows.contains(secret), "{secret} in {table}");
            }
        }
    }

    fn c08_a_maximum_of_nothing_is_refused_and_none_takes_it_away(backend) {
        let world = World::start(backend);
        for wrong in ["0", "-1", "1.5", "", "soon"] {
            let refused = world.try_cli(&["tenant", "change", "default", &format!("--max-approval={wrong}")], "");
            assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        }
        world.run(&["tenant", "change", "default", "--max-approval", "500", "--max-personal-access-token", "900"], "");
        // What is not named stays as it is.
        let shown = world.cli(&["tenant", "change", "default", "--max-approval", "none"]);
        assert!(shown["limits"]["approval"].is_null(), "{shown}");
        assert_eq!(shown["limits"]["personal_access_token"], 900);
    }
}
