//! RFC 8693, Token Exchange, and tokens that derive from tokens.

use conformance_tests::{
    Browser, Client, Device, Request, ResourceServer, Response, Setup, Tokens, World,
    on_both_backends,
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Two services behind an application: `orders` gets tokens of people, and asks `stock` on their behalf.
struct Shop {
    world: World,
    app: Client,
    orders: Client,
    orders_api: ResourceServer,
    stock_api: ResourceServer,
}

impl Shop {
    fn open(setup: Setup) -> Self {
        let world = World::with(setup);
        let (orders_api, stock_api) = (world.add_resource("orders"), world.add_resource("stock"));
        world.add_scope("order", "orders");
        world.add_scope("count", "stock");
        let app = world.add_client(
            "shop",
            "https://app.example.test/cb",
            &[
                "--grant",
                "authorization_code",
                "--grant",
                "refresh_token",
                "--consent",
                "implicit",
                "--scope",
                "order",
                "--scope",
                "count",
            ],
        );
        let orders = world.add_client(
            "orders-service",
            "",
            &[
                "--grant",
                "token_exchange",
                "--grant",
                "client_credentials",
                "--serves",
                "orders",
                "--scope",
                "order",
                "--scope",
                "count",
            ],
        );
        Self {
            world,
            app,
            orders,
            orders_api,
            stock_api,
        }
    }

    /// A person's token for both services.
    fn token(&self) -> Tokens {
        self.token_of(&mut self.world.signed_in("ada"))
    }

    fn token_of(&self, browser: &mut Browser) -> Tokens {
        let request = self.world.request(&self.app).scope("order count");
        let code = browser.obtain_code(&request);
        Tokens::of(&self.world.redeem(&self.app, &code))
    }

    fn exchange(&self, client: &Client, subject: &str, fields: &[(&str, &str)]) -> Response {
        let own = [
            ("grant_type", GRANT),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        self.world.http().token(client, &[&own, fields].concat())
    }

    fn asked(&self, api: &ResourceServer, token: &str) -> serde_json::Value {
        self.world.http().introspect(api, token).expect(200).json()
    }
}

/// A token that may approve devices, and the client of the devices.
fn approving(world: &World) -> (Client, Client) {
    let approver = world.add_client(
        "approver",
        "https://app.example.test/cb",
        &[
            "--grant",
            "authorization_code",
            "--consent",
            "implicit",
            "--scope",
            "notes",
            "--scope",
            "curfew:devices:approve",
        ],
    );
    let options = ["--public", "--grant", "device_code", "--scope", "notes"];
    (approver, world.add_client("tv", "", &options))
}

fn decide(world: &World, token: &str, device: &Device, decision: &str) -> Response {
    let body = serde_json::json!({ "user_code": device.user_code, "decision": decision });
    let request = Request::new("POST", "/api/v1/device-decisions")
        .header("Authorization", &format!("Bearer {token}"))
        .body("application/json", body.to_string());
    world.http().send(&request)
}

/// A way for tokens to die.
type Kill<'a> = dyn Fn(&Tokens) + 'a;

on_both_backends! {
    fn e08_a_service_exchanges_a_token_for_a_narrower_one_that_dies_with_it(backend) {
        let shop = Shop::open(Setup::new(backend));
        let tokens = shop.token();
        let answer = shop.exchange(&shop.orders, &tokens.access, &[("audience", "stock"), ("scope", "count")]).expect(200);
        assert_eq!(answer.member("issued_token_type"), ACCESS_TOKEN);
        assert_eq!((answer.member("token_type").as_str(), answer.member("scope").as_str()), ("Bearer", "count"));
        assert!(answer.json()["refresh_token"].is_null());
        let child = answer.member("access_token");
        let (parent, seen) = (shop.asked(&shop.stock_api, &tokens.access), shop.asked(&shop.stock_api, &child));
        assert_eq!((&seen["active"], &seen["client_id"], &seen["sub"]), (&true.into(), &"orders-service".into(), &parent["sub"]));
        assert!(seen["exp"].as_i64() <= parent["exp"].as_i64(), "{seen} {parent}");
        // C14: the authentication is the person's of then, and not renewed.
        assert_eq!(seen["auth_time"], parent["auth_time"]);
        assert!(seen["auth_time"].is_i64() && seen["act"].is_null(), "{seen}");
        assert_eq!(shop.asked(&shop.orders_api, &child)["active"], false);
        shop.world.revoke(&shop.app, &tokens.access).expect(200);
        shop.world.assert_dead(&child);
        assert_eq!(shop.asked(&shop.stock_api, &child)["active"], false);
    }

    fn c18_what_kills_the_parent_kills_what_was_exchanged(backend) {
        let shop = Shop::open(Setup::new(backend));
        let deaths: [(&str, Box<Kill<'_>>); 4] = [
            ("refresh token revoked", Box::new(|tokens| { shop.world.revoke(&shop.app, tokens.refresh()).expect(200); })),
            ("first client disabled and back", Box::new(|_| {
                shop.world.run(&["client", "disable", "shop"], "");
                shop.world.run(&["client", "enable", "shop"], "");
            })),
            ("second client disabled and back", Box::new(|_| {
                shop.world.run(&["client", "disable", "orders-service"], "");
                shop.world.run(&["client", "enable", "orders-service"], "");
            })),
            ("the user logged out everywhere", Box::new(|_| { shop.world.run(&["user", "logout-everywhere", "ada"], ""); })),
        ];
        for (name, kill) in deaths {
            let tokens = shop.token();
            // Three steps down: whatever is above is above all of them.
            let mut chain = vec![tokens.access.clone()];
            for _ in 0..3 {
                let last = chain.last().expect("a token").clone();
                chain.push(shop.exchange(&shop.orders, &last, &[]).expect(200).member("access_token"));
            }
            for token in &chain {
                assert_eq!(shop.asked(&shop.stock_api, token)["active"], true, "{name}");
            }
            kill(&tokens);
            let dead: Vec<_> = chain.iter().map(|token| shop.asked(&shop.stock_api, token)["active"] == false).collect();
            // The second client's death concerns what it got, not what was there before.
            let first_dies = name != "second client disabled and back";
            assert_eq!(dead, [first_dies, true, true, true], "{name}");
        }
    }

    fn c11_a_lowered_maximum_acts_on_what_was_exchanged_from_the_age_of_the_oldest(backend) {
        let shop = Shop::open(Setup::new(backend).time_travel());
        let tokens = shop.token();
        shop.world.advance(100);
        let child = shop.exchange(&shop.orders, &tokens.access, &[]).expect(200).member("access_token");
        shop.world.run(&["tenant", "change", "default", "--max-access-token", "120"], "");
        shop.world.run(&["tenant", "change", "default", "--max-access-token", "600"], "");
        assert_eq!(shop.asked(&shop.stock_api, &child)["active"], true);
        shop.world.advance(20);
        // The parent is 120 s old and dead; a child of 20 s does not outlive it, and raising the maximum again revived nothing (C12).
        for token in [&tokens.access, &child] {
            assert_eq!(shop.asked(&shop.stock_api, token)["active"], false);
        }
    }

    fn delegation_says_who_acts_for_whom_and_impersonation_keeps_the_chain(backend) {
        let shop = Shop::open(Setup::new(backend));
        let tokens = shop.token();
        let actor = shop.world.http().token(&shop.orders, &[("grant_type", "client_credentials")]).expect(200).member("access_token");
        let delegate = |subject: &str, actor: &str| shop.exchange(&shop.orders, subject, &[("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)]);
        let first = delegate(&tokens.access, &actor).expect(200).member("access_token");
        let act = &shop.asked(&shop.stock_api, &first)["act"];
        assert_eq!((&act["sub"], &act["client_id"], &act["act"]), (&"orders-service".into(), &"orders-service".into(), &serde_json::Value::Null));
        let second = delegate(&first, &actor).expect(200).member("access_token");
        assert_eq!(shop.asked(&shop.stock_api, &second)["act"]["act"]["sub"], "orders-service");
        let third = shop.exchange(&shop.orders, &second, &[]).expect(200).member("access_token");
        assert_eq!(shop.asked(&shop.stock_api, &third)["act"], shop.asked(&shop.stock_api, &second)["act"]);
        // Nobody lends a token of theirs to be an actor with.
        delegate(&tokens.access, &tokens.access).expect_error(400, "invalid_request");
        delegate(&tokens.access, "cfat_nonsense").expect_error(400, "invalid_request");
    }

    fn c14_more_than_the_subject_has_is_refused(backend) {
        let shop = Shop::open(Setup::new(backend));
        let tokens = shop.token();
        let narrow = shop.exchange(&shop.orders, &tokens.access, &[("audience", "stock"), ("scope", "count")]).expect(200).member("access_token");
        for (fields, code) in [
            ([("scope", "order")].as_slice(), "invalid_scope"),
            (&[("scope", "count notes")], "invalid_scope"),
            (&[("audience", "orders")], "invalid_target"),
            (&[("resource", "https://orders.example.test")], "invalid_target"),
            (&[("requested_token_lifetime", "601")], "invalid_request"),
            (&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request"),
        ] {
            shop.exchange(&shop.orders, &narrow, fields).expect_error(400, code);
        }
        let short = shop.exchange(&shop.orders, &narrow, &[("requested_token_lifetime", "30")]).expect(200);
        assert_eq!(short.json()["expires_in"], 30);
        // C02: its own child cannot ask for more than is left, and may ask for nothing.
        let short = short.member("access_token");
        shop.exchange(&shop.orders, &short, &[("requested_token_lifetime", "31")]).expect_error(400, "invalid_request");
        assert!(shop.exchange(&shop.orders, &short, &[]).expect(200).json()["expires_in"].as_i64() <= Some(30));
    }

    fn only_a_client_that_is_meant_may_exchange_and_only_access_tokens(backend) {
        let shop = Shop::open(Setup::new(backend));
        let tokens = shop.token();
        let stranger = shop.world.add_client("stranger", "", &["--grant", "token_exchange", "--scope", "count"]);
        shop.exchange(&stranger, &tokens.access, &[]).expect_error(400, "invalid_request");
        shop.exchange(&shop.world.robot, &tokens.access, &[]).expect_error(400, "unauthorized_client");
        let refused = shop.world.try_cli(&["client", "add", "page", "--public", "--grant", "token_exchange"], "");
        assert!(!refused.status.success(), "{refused:?}");
        for subject in [tokens.refresh(), "garbage", "cfat_", &tokens.access[..40]] {
            shop.exchange(&shop.orders, subject, &[]).expect_error(400, "invalid_request");
        }
        let without = [("grant_type", GRANT)];
        shop.world.http().token(&shop.orders, &without).expect_error(400, "invalid_request");
        let id_token = [("grant_type", GRANT), ("subject_token", tokens.access.as_str()), ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")];
        shop.world.http().token(&shop.orders, &id_token).expect_error(400, "invalid_request");
        shop.world.revoke(&shop.app, &tokens.access).expect(200);
        shop.exchange(&shop.orders, &tokens.access, &[]).expect_error(400, "invalid_request");
    }

    fn c03_ten_generations_end_no_later_than_the_first(backend) {
        let shop = Shop::open(Setup::new(backend).time_travel());
        let tokens = shop.token();
        let end = shop.asked(&shop.stock_api, &tokens.access)["exp"].as_i64().expect("an end");
        let mut generations = vec![tokens.access.clone()];
        for _ in 0..10 {
            shop.world.advance(30);
            let last = generations.last().expect("a token").clone();
            generations.push(shop.exchange(&shop.orders, &last, &[]).expect(200).member("access_token"));
        }
        for token in &generations {
            assert!(shop.asked(&shop.stock_api, token)["exp"].as_i64().is_some_and(|own| own <= end));
        }
        // C09: in the very second of the end nothing is minted, and nothing panics.
        shop.world.advance(300);
        let last = generations.last().expect("a token");
        shop.exchange(&shop.orders, last, &[]).expect_error(400, "invalid_request");
        let rows: Vec<_> = generations.iter().map(|token| shop.asked(&shop.stock_api, token)["active"].clone()).collect();
        assert!(rows.iter().all(|active| active == false), "{rows:?}");
        // The database's own clock stands still meanwhile, which the doctor says too; only the invariants are asked for here.
        let report = shop.world.try_cli(&["doctor", "--invariants", "--json"], "");
        let report: serde_json::Value = serde_json::from_slice(&report.stdout).expect("a report");
        let invariants = report["invariants"].as_array().expect("invariants");
        assert!(!invariants.is_empty() && invariants.iter().all(|invariant| invariant["violations"] == 0), "{report}");
    }

    fn race_c18_an_exchange_against_the_revocation_of_its_subject_leaves_nothing_alive(backend) {
        let shop = Shop::open(Setup::new(backend));
        let mut browser = shop.world.signed_in("ada");
        for _ in 0..15 {
            let tokens = shop.token_of(&mut browser);
            let exchanges = vec![Request::token(&shop.orders, &[("grant_type", GRANT), ("subject_token", tokens.access.as_str()), ("subject_token_type", ACCESS_TOKEN)]); 8];
            let got = std::thread::scope(|scope| {
                let killer = scope.spawn(|| shop.world.revoke(&shop.app, &tokens.access).expect(200));
                let answers = conformance_tests::wire::release_together(&shop.world.nodes(), &exchanges);
                killer.join().expect("revoked");
                answers
            });
            for answer in got {
                let answer = answer.expect("an answer");
                if answer.status == 200 {
                    assert_eq!(shop.asked(&shop.stock_api, &answer.member("access_token"))["active"], false);
                } else {
                    answer.expect_error(400, "invalid_request");
                }
            }
        }
    }

    fn c15_a_token_approves_only_with_the_scope_that_is_made_for_it(backend) {
        let world = World::start(backend);
        let (approver, tv) = approving(&world);
        let mut browser = world.signed_in("ada");
        let token = |browser: &mut Browser, scope: &str| {
            let code = browser.obtain_code(&world.request(&approver).scope(scope));
            Tokens::of(&world.redeem(&approver, &code)).access
        };
        let device = world.http().start_device(&tv, &[("scope", "notes")]);
        let plain = token(&mut browser, "notes");
        decide(&world, &plain, &device, "approve").expect(401);
        let good = token(&mut browser, "notes curfew:devices:approve");
        decide(&world, &good, &device, "approve").expect(204);
        decide(&world, &good, &device, "deny").expect(404);
        // C01: what it approved ends no later than itself, and dies with it.
        let child = Tokens::of(&world.http().poll(&device)).access;
        let (parent, seen) = (world.introspect(&good), world.introspect(&child));
        assert!(seen["exp"].as_i64() <= parent["exp"].as_i64(), "{seen} {parent}");
        assert_eq!(seen["auth_time"], parent["auth_time"]);
        world.revoke(&approver, &good).expect(200);
        world.assert_dead(&child);
        // F08: the trail tells approvals by tokens from those by people.
        let rows = world.run(&["audit", "search", "--event", "device.approved", "--json"], "");
        assert!(rows.contains(r#""authenticated_by": "access_token""#), "{rows}");
    }

    fn c14_a_token_approves_nothing_beyond_its_own_scopes(backend) {
        let world = World::start(backend);
        let (approver, tv) = approving(&world);
        let code = world.signed_in("ada").obtain_code(&world.request(&approver).scope("curfew:devices:approve"));
        let token = Tokens::of(&world.redeem(&approver, &code)).access;
        let device = world.http().start_device(&tv, &[("scope", "notes")]);
        decide(&world, &token, &device, "approve").expect_error(400, "invalid_scope");
        // The request has ended with it (C02).
        world.http().poll(&device).expect_error(400, "access_denied");
    }
}
