//! The API of one's own account, from outside: rows C37, C38, D04, D08, F02, F08. How the token travels is in `rfc6750.rs`.

use conformance_tests::{
    AuthorizationRequest, Backend, Client, Request, Response, Setup, Tokens, World,
    on_both_backends,
};
use serde_json::{Value, json};

const ALL: &str = "curfew:account:read curfew:account:write curfew:tokens:create curfew:users:end";

/// A server, and a client through which people get tokens for its API.
struct Place {
    world: World,
    client: Client,
}

impl Place {
    fn start(backend: Backend) -> Self {
        Self::with(Setup::new(backend))
    }

    fn with(setup: Setup) -> Self {
        let world = World::with(setup);
        let client = own_client(&world, "default", "own");
        Self { world, client }
    }

    /// A token of `user` with these scopes; a session of theirs stands behind it.
    #[track_caller]
    fn token(&self, user: &str, scopes: &str) -> String {
        self.tokens(&self.client, user, scopes).access
    }

    #[track_caller]
    fn tokens(&self, client: &Client, user: &str, scopes: &str) -> Tokens {
        let request = AuthorizationRequest::new(client).scope(scopes).user(user);
        let code = self.world.browser().obtain_code(&request);
        Tokens::of(&self.world.redeem(client, &code))
    }

    fn call(&self, token: &str, method: &str, path: &str) -> Response {
        self.world.http().send(&call(token, method, path))
    }

    fn make(&self, token: &str, body: &Value) -> Response {
        let body = body.to_string();
        let request = call(token, "POST", "/me/tokens").body("application/json", body);
        self.world.http().send(&request)
    }

    /// How many audit rows there are of an event that a bearer token stands behind, with that outcome.
    fn rows(&self, event: u8, outcome: u8) -> u64 {
        let question = format!(
            "SELECT count(*) FROM audit WHERE event = {event} AND outcome = {outcome} AND authenticated_by = 4"
        );
        self.world.query(&question).parse().expect("a count")
    }
}

fn own_client(world: &World, tenant: &str, id: &str) -> Client {
    let mut arguments = vec![
        "client",
        "add",
        id,
        "--name",
        id,
        "--tenant",
        tenant,
        "--consent",
        "implicit",
    ];
    arguments.extend(["--redirect-uri", "https://own.example.test/cb"]);
    arguments.extend(["--grant", "authorization_code", "--grant", "refresh_token"]);
    for scope in ALL.split(' ') {
        arguments.extend(["--scope", scope]);
    }
    let added = world.cli(&arguments);
    Client {
        id: id.to_owned(),
        secret: added["client_secret"].as_str().map(str::to_owned),
        redirect_uri: "https://own.example.test/cb".to_owned(),
        tenant_path: if tenant == "default" {
            String::new()
        } else {
            format!("/t/{tenant}")
        },
    }
}

fn call(token: &str, method: &str, path: &str) -> Request {
    let target = if path.starts_with("/t/") {
        path.to_owned()
    } else {
        format!("/api/v1{path}")
    };
    Request::new(method, &target).header("Authorization", &format!("Bearer {token}"))
}

fn ids(list: &Value) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// An id that nothing has.
const NOBODYS: &str = "0000000000000000000001";

on_both_backends! {
    fn whoever_has_a_token_learns_who_they_are(backend) {
        let place = Place::start(backend);
        let token = place.token("ada", "curfew:account:read");
        let answer = place.call(&token, "GET", "/me").expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let me = answer.json();
        assert_eq!(me["username"], "ada");
        assert_eq!(me["email"], "ada@example.test");
        assert_eq!(me["administrator"], false);
        assert_eq!(me["token"]["client_id"], "own");
        assert_eq!(me["token"]["scope"], "curfew:account:read");
    }

    /// D08: a credential that is no good is refused; nobody becomes a stranger by it. All causes sound the same.
    fn d08_a_dead_or_foreign_token_is_401_and_never_anonymous(backend) {
        let place = Place::with(Setup::new(backend).time_travel());
        let world = &place.world;
        let expired = place.token("ada", "curfew:account:read");
        world.advance(601);
        let revoked = place.token("ada", "curfew:account:read");
        world.revoke(&place.client, &revoked).expect(200);
        let of_another_server = Place::start(backend).token("ada", "curfew:account:read");
        let for_the_notes = world.tokens(&mut world.browser(), &world.web).access;
        let refresh_token = place.tokens(&place.client, "ada", "curfew:account:read").refresh;
        let mut answers: Vec<String> = Vec::new();
        for token in [expired, revoked, of_another_server, for_the_notes, refresh_token.unwrap_or_default(), "nonsense".to_owned()] {
            for (method, path) in [("GET", "/me"), ("POST", "/me/logout-everywhere"), ("GET", "/me/tokens")] {
                let answer = place.call(&token, method, path).expect_error(401, "invalid_token");
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                assert!(challenge.starts_with("Bearer realm=") && challenge.contains("error=\"invalid_token\""), "{answer:?}");
                answers.push(format!("{challenge}\n{}", answer.text()));
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(place.rows(31, 1) + place.rows(31, 2), 0);
    }

    /// F02: whatever a token is used for, a row names it; what it changes names it too.
    fn f02_every_call_leaves_a_row_with_the_tokens_id(backend) {
        let place = Place::start(backend);
        let token = place.token("ada", "curfew:account:read curfew:account:write");
        for count in 1..=3 {
            place.call(&token, "GET", "/me").expect(200);
            assert_eq!(place.rows(31, 1), count);
        }
        place.make(&token, &json!({})).expect_error(403, "insufficient_scope");
        assert_eq!(place.rows(31, 2), 1, "what was refused is written down as well");
        let sessions = place.call(&token, "GET", "/me/sessions").expect(200).json();
        let session = &ids(&sessions["sessions"])[0];
        place.call(&token, "DELETE", &format!("/me/sessions/{session}")).expect(204);
        assert_eq!((place.rows(31, 1), place.rows(21, 1)), (5, 1));
        // All of them by one and the same token, whose id the rows carry.
        let credentials = "SELECT count(DISTINCT credential_id) FROM audit WHERE authenticated_by = 4";
        assert_eq!(place.world.query(credentials), "1");
        let other = "SELECT count(*) FROM audit WHERE event = 31 AND (token_id IS NULL OR token_id <> credential_id)";
        assert_eq!(place.world.query(other), "0");
    }

    /// C37: the list shows what lives, and only one's own; what was ended is not there a second time.
    fn c37_a_list_shows_ones_own_living_tokens_and_a_second_end_finds_nothing(backend) {
        let mut place = Place::with(Setup::new(backend).time_travel());
        place.world.add_user("bob");
        let bobs = place.token("bob", ALL);
        let bobs_token = place.make(&bobs, &json!({"name": "b", "scopes": ["curfew:account:read"]})).expect(201).member("id");
        let token = place.token("ada", ALL);
        let made = place.make(&token, &json!({"name": "short", "scopes": ["curfew:account:read"], "requested_token_lifetime": 60})).expect(201);
        let short = made.member("id");
        place.call(&made.member("token"), "GET", "/me").expect(200);
        // Uses are handed over once a minute, and when a server ends.
        place.world.stop_node(0);
        place.world.start_node(0);
        let list = place.call(&token, "GET", "/me/tokens").expect(200).json();
        assert!(ids(&list["tokens"]).contains(&short), "{list}");
        assert!(!ids(&list["tokens"]).contains(&bobs_token), "{list}");
        let row = list["tokens"].as_array().into_iter().flatten().find(|row| row["id"] == short.as_str()).expect("the token").clone();
        assert_eq!((&row["kind"], &row["name"]), (&json!("personal_access_token"), &json!("short")));
        let me = place.call(&token, "GET", "/me").expect(200).json();
        assert_eq!(row["approved_by_token"], me["token"]["id"]);
        assert!(row["last_used_at"].as_i64() >= row["created_at"].as_i64(), "{row}");
        place.world.advance(61);
        let list = place.call(&token, "GET", "/me/tokens").expect(200).json();
        assert!(!ids(&list["tokens"]).contains(&short), "{list}");

        for foreign in [bobs_token.as_str(), NOBODYS, "nonsense", "%00"] {
            let path = format!("/me/tokens/{foreign}");
            place.call(&token, "GET", &path).expect(404);
            place.call(&token, "DELETE", &path).expect(404);
            place.call(&token, "DELETE", &format!("/me/sessions/{foreign}")).expect(404);
        }
        place.call(&bobs, "GET", "/me").expect(200);
        let long = place.make(&token, &json!({"name": "long", "scopes": ["curfew:account:read"]})).expect(201);
        let path = format!("/me/tokens/{}", long.member("id"));
        let tree = place.call(&token, "GET", &path).expect(200).json();
        let asked: Vec<_> = tree["tree"].as_array().into_iter().flatten().filter(|row| row["asked"] == true).collect();
        assert_eq!(asked.len(), 1, "{tree}");
        place.call(&token, "DELETE", &path).expect(204);
        place.call(&token, "DELETE", &path).expect(404);
        place.call(&long.member("token"), "GET", "/me").expect(401);
    }

    /// C37: a long list comes in pages.
    fn c37_a_long_list_comes_in_pages(backend) {
        let place = Place::start(backend);
        let token = place.token("ada", ALL);
        for number in 0..5 {
            place.make(&token, &json!({"name": format!("n{number}"), "scopes": ["curfew:account:read"]})).expect(201);
        }
        let (mut seen, mut path) = (Vec::new(), "/me/tokens?limit=2".to_owned());
        loop {
            let page = place.call(&token, "GET", &path).expect(200).json();
            seen.extend(ids(&page["tokens"]));
            match page["next"].as_str() {
                Some(next) => path = format!("/me/tokens?limit=2&before={next}"),
                None => break,
            }
        }
        let all = place.call(&token, "GET", "/me/tokens").expect(200).json();
        assert_eq!(seen, ids(&all["tokens"]));
        assert!(seen.len() >= 6 && seen.is_sorted_by(|a, b| a > b), "{seen:?}");
        for query in ["limit=0", "limit=501", "limit=x", "before=x"] {
            place.call(&token, "GET", &format!("/me/tokens?{query}")).expect_error(400, "invalid_request");
        }
    }

    /// F08, C14: a token made by a token is told apart from one made in a browser; it dies with its maker, and may neither do more nor
    /// live longer.
    fn f08_c14_a_token_made_by_a_token_carries_its_makers_id_and_bounds(backend) {
        let place = Place::start(backend);
        let token = place.token("ada", "curfew:tokens:create curfew:account:read");
        let made = place.make(&token, &json!({"name": "ci", "scopes": ["curfew:account:read"]})).expect(201);
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let location = format!("/api/v1/me/tokens/{}", made.member("id"));
        assert_eq!(made.location(), Some(location.as_str()));
        assert_eq!((place.rows(19, 1), made.member("token_type").as_str()), (1, "Bearer"));
        let me = place.call(&token, "GET", "/me").expect(200).json();
        assert!(made.json()["expires_at"].as_i64() <= me["token"]["expires_at"].as_i64());

        let wider = json!({"name": "ci", "scopes": ["curfew:account:write"]});
        place.make(&token, &wider).expect_error(400, "invalid_scope");
        let longer = json!({"name": "ci", "scopes": ["curfew:account:read"], "requested_token_lifetime": 86_400});
        place.make(&token, &longer).expect_error(400, "invalid_request");
        place.make(&made.member("token"), &wider).expect_error(403, "insufficient_scope");

        place.call(&made.member("token"), "GET", "/me").expect(200);
        place.world.revoke(&place.client, &token).expect(200);
        place.call(&made.member("token"), "GET", "/me").expect_error(401, "invalid_token");
    }

    /// What is sent must be the object that is asked for, and nothing beside it.
    fn the_body_of_a_call_is_taken_strictly(backend) {
        let place = Place::start(backend);
        let token = place.token("ada", ALL);
        let deep = format!("{{\"name\":\"x\",\"scopes\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        let long = format!("{{\"name\":\"{}\",\"scopes\":[\"a\"]}}", "x".repeat(70_000));
        let good = r#"{"name":"x","scopes":["curfew:account:read"]}"#;
        let bodies = [
            "", "null", "[]", "{", "{}", r#"{"name":"x"}"#, r#"{"name":1,"scopes":["a"]}"#, r#"{"name":"x","scopes":"a"}"#,
            r#"{"name":"x","name":"y","scopes":["curfew:account:read"]}"#, r#"{"name":"x","scopes":["curfew:account:read"],"extra":1}"#,
            r#"{"name":"x","scopes":["curfew:account:read"],"requested_token_lifetime":-1}"#,
            r#"{"name":"x","scopes":["curfew:account:read"],"requested_token_lifetime":0}"#,
            r#"{"name":"x","scopes":["curfew:account:read"],"requested_token_lifetime":1.5}"#,
            r#"{"name":"","scopes":["curfew:account:read"]}"#, "\u{feff}{}", &deep, &long,
        ];
        for body in bodies {
            let request = call(&token, "POST", "/me/tokens").body("application/json", body);
            place.world.http().send(&request).expect_error(400, "invalid_request");
        }
        let trailing = format!("{good} x");
        for (kind, body) in [("text/plain", good), ("application/json", trailing.as_str())] {
            let request = call(&token, "POST", "/me/tokens").body(kind, body);
            place.world.http().send(&request).expect_error(400, "invalid_request");
        }
        for scopes in [json!([]), json!(["unknown"]), json!(["a\u{e4}"])] {
            place.make(&token, &json!({"name": "x", "scopes": scopes})).expect_error(400, "invalid_scope");
        }
        assert_eq!(place.rows(19, 1), 0);
        let request = call(&token, "POST", "/me/tokens").body("application/json; charset=utf-8", good);
        place.world.http().send(&request).expect(201);
    }

    /// D03, D04: whoever holds a token may end everything, without a password; a thief who does it locks himself out too.
    fn d04_logging_out_everywhere_takes_the_one_who_asks_along(backend) {
        let place = Place::start(backend);
        place.world.add_user("bob");
        let (thiefs, bobs) = (place.token("ada", "curfew:account:write"), place.token("bob", "curfew:account:read"));
        let mut browser = place.world.signed_in("ada");
        let tokens = place.world.tokens(&mut browser, &place.world.web);
        place.call(&thiefs, "POST", "/me/logout-everywhere").expect(204);
        place.call(&thiefs, "POST", "/me/logout-everywhere").expect_error(401, "invalid_token");
        assert!(!browser.is_signed_in());
        place.world.assert_dead(&tokens.access);
        place.world.refresh(&place.world.web, tokens.refresh()).expect_error(400, "invalid_grant");
        place.call(&bobs, "GET", "/me").expect(200);
        assert_eq!(place.rows(43, 1), 1);
    }

    /// C38: for others, an administrator of the same tenant only.
    fn c38_an_administrator_logs_others_out_and_nobody_else_does(backend) {
        let place = Place::start(backend);
        let world = &place.world;
        for user in ["boss", "bob"] {
            world.add_user(user);
        }
        world.run(&["user", "change", "boss", "--admin", "true"], "");
        world.run(&["tenant", "add", "other", "--name", "Other"], "");
        let elsewhere = own_client(world, "other", "own-other");
        world.add_user_to("other", "eve");
        world.run(&["user", "change", "eve", "--admin", "true", "--tenant", "other"], "");

        let victim = place.token("ada", "curfew:account:read");
        let mut browser = world.signed_in("ada");
        let path = "/users/ada/logout-everywhere";
        let bobs = place.token("bob", ALL);
        place.call(&bobs, "POST", path).expect_error(403, "access_denied");
        // Also for oneself: that is another door.
        place.call(&bobs, "POST", "/users/bob/logout-everywhere").expect_error(403, "access_denied");
        let narrow = place.token("boss", "curfew:account:read curfew:account:write");
        place.call(&narrow, "POST", path).expect_error(403, "insufficient_scope");
        let request = AuthorizationRequest::new(&elsewhere).scope(ALL).user("eve");
        let code = world.browser().obtain_code(&request);
        let eves = Tokens::of(&world.redeem(&elsewhere, &code)).access;
        // An administrator of another tenant is nobody here, and finds nobody of here there.
        place.call(&eves, "POST", path).expect_error(401, "invalid_token");
        place.call(&eves, "POST", &format!("/t/other/api/v1{path}")).expect(404);
        place.call(&eves, "GET", "/t/other/api/v1/me").expect(200);
        place.call(&victim, "GET", "/me").expect(200);
        assert!(browser.is_signed_in());

        let boss = place.token("boss", ALL);
        place.call(&boss, "POST", "/users/nobody/logout-everywhere").expect(404);
        place.call(&boss, "POST", path).expect(204);
        place.call(&victim, "GET", "/me").expect_error(401, "invalid_token");
        assert!(!browser.is_signed_in());
        place.call(&boss, "GET", "/me").expect(200);
        assert_eq!(place.rows(43, 1), 1);

        // Whoever is an administrator no longer has no such power, whatever their token says.
        world.run(&["user", "change", "boss", "--admin", "false"], "");
        let demoted = place.call(&boss, "POST", path);
        assert!([401, 403].contains(&demoted.status), "{demoted:?}");
    }

    /// D05: sessions and applications of one's own.
    fn d05_sessions_and_applications_are_listed_and_ended(backend) {
        let place = Place::start(backend);
        let token = place.token("ada", "curfew:account:read curfew:account:write");
        let mut browser = place.world.signed_in("ada");
        let tokens = place.world.tokens(&mut browser, &place.world.web);
        let sessions = place.call(&token, "GET", "/me/sessions").expect(200).json();
        let newest = ids(&sessions["sessions"])[0].clone();
        place.call(&token, "DELETE", &format!("/me/sessions/{newest}")).expect(204);
        place.call(&token, "DELETE", &format!("/me/sessions/{newest}")).expect(404);
        assert!(!browser.is_signed_in());
        place.world.assert_alive(&tokens.access);

        let listed = place.call(&token, "GET", "/me/applications").expect(200).json();
        let applications: Vec<_> = listed["applications"].as_array().into_iter().flatten().map(|own| own["client_id"].clone()).collect();
        assert!(applications.contains(&json!("web")) && applications.contains(&json!("own")), "{listed}");
        place.call(&token, "DELETE", "/me/applications/web").expect(204);
        place.call(&token, "DELETE", "/me/applications/web").expect(404);
        place.call(&token, "DELETE", "/me/applications/nothing").expect(404);
        place.world.assert_dead(&tokens.access);
        place.call(&token, "GET", "/me").expect(200);
        place.call(&token, "DELETE", "/me/tokens").expect(204);
        place.call(&token, "GET", "/me").expect_error(401, "invalid_token");
    }

    /// The description is public, speaks of the tenant's own issuer, and its routes exist.
    fn the_description_names_every_route(backend) {
        let place = Place::start(backend);
        let document = place.world.http().get("/api/v1/openapi.json").expect(200).json();
        assert_eq!(document["servers"][0]["url"], place.world.issuer());
        for (path, item) in document["paths"].as_object().expect("paths") {
            let target = path.replace("{id}", NOBODYS).replace("{client_id}", "x").replace("{user}", "x");
            for method in item.as_object().expect("methods").keys() {
                let request = Request::new(&method.to_uppercase(), &target);
                let answer = place.world.http().send(&request).expect(401);
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"curfew\""));
            }
            let answer = place.world.http().send(&Request::new("PATCH", &target)).expect(405);
            assert!(answer.header("allow").is_some(), "{answer:?}");
        }
        place.world.http().get("/api/v1/nothing").expect(404);
        place.world.http().get("/t/nowhere/api/v1/me").expect(404);
    }

    /// Tokens that open nothing are counted for each address, calls for each account; garbage costs nothing and is not counted.
    fn failures_and_calls_are_bounded(backend) {
        let stranger = Place::start(backend).token("ada", "curfew:account:read");
        let limits = Setup::new(backend).env("CURFEW_RATE_LIMITS_BEARER_FAILURES", "3");
        let place = Place::with(limits.env("CURFEW_RATE_LIMITS_API_CALLS", "4"));
        let token = place.token("ada", "curfew:account:read");
        for _ in 0..10 {
            place.call("cfat_nonsense", "GET", "/me").expect(401);
        }
        for _ in 0..4 {
            place.call(&token, "GET", "/me").expect(200);
        }
        let answer = place.call(&token, "GET", "/me").expect_error(429, "slow_down");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(place.rows(31, 1), 4);
        for _ in 0..3 {
            place.call(&stranger, "GET", "/me").expect(401);
        }
        let answer = place.call(&stranger, "GET", "/me").expect_error(429, "slow_down");
        assert!(answer.header("retry-after").is_some());
    }
}
