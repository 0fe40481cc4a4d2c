//! Bad input: the specified error, never a 5xx, never a panic, nothing stored, nothing leaked.

use conformance_tests::{Backend, Code, Request, Response, Tokens, World, on_both_backends, pkce};

const DEAD: &str = r#"{"active":false}"#;

/// The tables that only a success may add to.
fn stored(world: &World) -> String {
    let tables = [
        "tokens",
        "codes",
        "families",
        "approvals",
        "sessions",
        "consents",
        "users",
        "clients",
    ];
    let counts: Vec<_> = tables
        .iter()
        .map(|table| format!("(SELECT count(*) FROM {table})"))
        .collect();
    world.query(&format!("SELECT {}", counts.join(", ")))
}

/// A refusal by the book: 4xx, and no word of what is behind.
#[track_caller]
fn refused(answer: &Response) {
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let text = answer.text().to_lowercase();
    for leak in [
        "panic",
        "sqlite",
        "postgres",
        "diesel",
        "constraint",
        "select ",
        "actix",
        "src/",
        ".rs:",
        "oxide",
    ] {
        assert!(!text.contains(leak), "{leak} is told: {answer:?}");
    }
}

on_both_backends! {
    fn bad_bodies_are_refused_at_every_endpoint(backend) {
        let world = World::start(backend);
        let before = stored(&world);
        let secret = world.robot.secret.clone().expect("a secret");
        let form = "application/x-www-form-urlencoded";
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let huge = format!("grant_type=client_credentials&token=x&scope={}", "a".repeat(70_000));
        let many = "a=1&".repeat(5_000);
        let distinct: Vec<_> = (0..500).map(|n| format!("p{n}=1")).collect();
        let bodies: Vec<(&str, Vec<u8>)> = vec![
            ("application/json", br#"{"grant_type":"client_credentials","token":"x"}"#.to_vec()),
            ("application/json", deep.clone().into_bytes()),
            (form, deep.into_bytes()),
            ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--".to_vec()),
            ("text/plain", b"grant_type=client_credentials".to_vec()),
            ("", b"grant_type=client_credentials".to_vec()),
            (form, huge.into_bytes()),
            (form, many.into_bytes()),
            (form, distinct.join("&").into_bytes()),
            (form, b"grant_type=%".to_vec()),
            (form, b"grant_type=%zz".to_vec()),
            (form, b"grant_type=\xff\xfe".to_vec()),
            (form, b"grant_type=client%00credentials".to_vec()),
            (form, vec![0; 1_000]),
            (form, Vec::new()),
            (form, b"&&&===&=&".to_vec()),
        ];
        for path in ["/token", "/introspect", "/revoke"] {
            let (id, secret) = if path == "/introspect" { ("api", &world.api.secret) } else { ("robot", &secret) };
            for (kind, body) in &bodies {
                let request = Request::new("POST", path).body(kind, body.clone()).basic(id, secret);
                refused(&world.http().send(&request));
            }
        }
        for path in ["/login", "/login/forgot", "/login/password", "/bootstrap", "/consent", "/logout", "/account/password", "/authorize"] {
            for (kind, body) in &bodies {
                let answer = world.http().send(&Request::new("POST", path).body(kind, body.clone()));
                assert!(answer.status < 500 && answer.status != 200, "{path}: {answer:?}");
            }
        }
        assert_eq!(stored(&world), before);
    }

    fn bad_headers_are_refused(backend) {
        let world = World::start(backend);
        let before = stored(&world);
        let grant = [("grant_type", "client_credentials")];
        let secret = world.robot.secret.clone().expect("a secret");
        let long = "x".repeat(20_000);
        for value in [
            "Basic", "Basic ", "Basic !!!", "Basic cm9ib3Q=", "Basic Og==", "Basic OnNlY3JldA==", "Basic cm9ib3Q6", "Basic //////8=", "Basic  cm9ib3Q6eA==",
            "Digest username=robot", "Bearer x", "Negotiate", "", "robot:secret", "Basic cm9ib3Q6JXp6", "basic cm9ib3Q6JQ==",
        ] {
            let answer = world.http().send(&Request::form("/token", &grant).header("Authorization", value));
            answer.clone().expect_error(401, "invalid_client");
            refused(&answer);
        }
        // Two headers, or two ways at once.
        let twice = Request::form("/token", &grant).basic("robot", &secret).basic("robot", &secret);
        world.http().send(&twice).expect_error(400, "invalid_request");
        let both = Request::form("/token", &[grant[0], ("client_id", "robot"), ("client_secret", &secret)]).basic("robot", &secret);
        world.http().send(&both).expect_error(400, "invalid_request");
        for name in ["Authorization", "Cookie", "X-Anything", "User-Agent", "Origin"] {
            let answer = world.http().try_send(&Request::form("/token", &grant).header(name, &long));
            // Too large a head may be answered, or the connection closed.
            assert!(answer.as_ref().map_or(true, |answer| (400..500).contains(&answer.status)), "{name}: {answer:?}");
        }
        assert_eq!(stored(&world), before);
        world.robot_token();
    }

    fn malformed_http_is_no_trouble(backend) {
        let world = World::start(backend);
        let host = world.http().host;
        let raw: Vec<Vec<u8>> = vec![
            b"\r\n\r\n".to_vec(),
            b"GET\r\n\r\n".to_vec(),
            b"GET / HTTP/9.9\r\n\r\n".to_vec(),
            vec![0xff; 500],
            format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(100_000)).into_bytes(),
            format!("POST /token HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n").into_bytes(),
            format!("POST /token HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde").into_bytes(),
            format!("POST /token HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes(),
            format!("POST /token HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n").into_bytes(),
            format!("GET /../../etc/passwd HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("GET /assets/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("GET /assets/..%2fcurfew.toml HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("GET /t/%00/authorize HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("GET /t/nobody/token HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("BREW /token HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
        ];
        for bytes in raw {
            if let Some(answer) = world.http().send_raw(&bytes) {
                assert!((400..500).contains(&answer.status), "{:?}: {answer:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
                assert!(!answer.text().contains("root:"));
            }
        }
        world.robot_token();
    }

    fn every_single_byte_change_of_an_access_token_is_inactive(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        let mut connection = world.http().keep();
        let mut ask = |text: &str| connection.send(&Request::introspection(&world.api, text)).expect("an answer");
        for altered in alterations(&token) {
            assert_eq!(ask(&altered).expect(200).text(), DEAD, "{altered:?}");
        }
        for cut in 0..token.len() {
            if cut > 0 {
                assert_eq!(ask(&token[..cut]).expect(200).text(), DEAD);
                assert_eq!(ask(&token[cut..]).expect(200).text(), DEAD);
            }
        }
        for altered in [format!("{token}x"), format!(" {token}"), format!("{token}\n"), token.to_uppercase(), format!("{token}{token}")] {
            assert_eq!(ask(&altered).expect(200).text(), DEAD, "{altered:?}");
        }
        // The same with a checksum that fits: only the digest of the secret decides.
        for position in 5..token.len() - 6 {
            let mut altered = token.clone().into_bytes();
            altered[position] = if altered[position] == b'0' { b'1' } else { b'0' };
            altered.truncate(token.len() - 6);
            let sealed = seal(&String::from_utf8(altered).expect("ASCII"));
            assert_eq!(ask(&sealed).expect(200).text(), DEAD, "{sealed}");
        }
        world.assert_alive(&token);
    }

    fn every_single_byte_change_of_a_refresh_token_or_code_is_invalid_and_ends_nothing(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let tokens = world.tokens(&mut browser, &world.web);
        let code = world.code(&mut browser, &world.web);
        let before = stored(&world);
        let mut connection = world.http().keep();
        for altered in alterations(tokens.refresh()) {
            let answer = connection.send(&Request::refreshing(&world.web, &altered)).expect("an answer");
            answer.expect_error(400, "invalid_grant");
        }
        for altered in alterations(&code.value) {
            let code = Code { value: altered, ..code.clone() };
            let answer = connection.send(&Request::redemption(&world.web, &code)).expect("an answer");
            answer.expect_error(400, "invalid_grant");
        }
        assert_eq!(stored(&world), before);
        world.assert_alive(&tokens.access);
        Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        Tokens::of(&world.redeem(&world.web, &code));
    }

    fn every_single_byte_change_of_a_client_secret_is_refused(backend) {
        let world = World::start(backend);
        let secret = world.robot.secret.clone().expect("a secret");
        let mut connection = world.http().keep();
        for altered in alterations(&secret) {
            let fields = [("grant_type", "client_credentials"), ("client_id", "robot"), ("client_secret", altered.as_str())];
            connection.send(&Request::form("/token", &fields)).expect("an answer").expect_error(401, "invalid_client");
        }
        world.robot_token();
    }

    fn a_token_of_a_megabyte_is_turned_away(backend) {
        let world = World::start(backend);
        let huge = format!("cfat_{}", "a".repeat(1 << 20));
        for answer in [world.http().try_send(&Request::introspection(&world.api, &huge)), world.http().try_send(&Request::revocation(&world.robot, &huge)), world.http().try_send(&Request::refreshing(&world.web, &huge))] {
            assert!(answer.as_ref().map_or(true, |answer| [400, 413].contains(&answer.status)), "{answer:?}");
        }
        let address = format!("/authorize?client_id={huge}");
        let answer = world.http().try_send(&Request::get(&address));
        assert!(answer.as_ref().map_or(true, |answer| (400..500).contains(&answer.status)), "{answer:?}");
        world.robot_token();
    }

    fn a_body_longer_than_promised_or_never_sent_costs_nobody_else_anything(backend) {
        let world = World::start(backend);
        let host = world.http().host;
        // A gigabyte is announced; the answer comes without it.
        let head = format!("POST /token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1073741824\r\nConnection: close\r\n\r\n");
        if let Some(answer) = world.http().send_raw(&[head.as_bytes(), &vec![b'a'; 200_000]].concat()) {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
        world.robot_token();
    }

    fn methods_that_do_not_fit_are_405(backend) {
        let world = World::start(backend);
        for (path, methods) in [
            ("/introspect", vec!["GET", "PUT", "DELETE", "PATCH"]), ("/revoke", vec!["GET", "PUT", "DELETE"]), ("/token", vec!["GET", "PUT"]),
            ("/authorize", vec!["PUT", "DELETE"]), ("/login", vec!["PUT", "DELETE"]), ("/consent", vec!["PUT"]), ("/logout", vec!["DELETE"]),
            ("/.well-known/oauth-authorization-server", vec!["POST", "DELETE"]), ("/health", vec!["POST"]),
        ] {
            for method in methods {
                let answer = world.http().send(&Request::new(method, path));
                assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            }
        }
    }

    fn hostile_authorization_requests_are_refused_and_store_nothing(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let before = stored(&world);
        let good = world.request(&world.web);
        for request in [
            good.clone().set("state", &"s".repeat(8_000)),
            good.clone().set("scope", &"notes ".repeat(2_000)),
            good.clone().set("client_id", "web\u{0}"),
            good.clone().set("client_id", "web' OR '1'='1"),
            good.clone().set("redirect_uri", "https://app.example.test/cb\u{0}"),
            good.clone().set("request", "eyJhbGciOiJub25lIn0.e30."),
            good.clone().set("request_uri", "https://evil.example/request"),
            good.clone().set("code_challenge", &pkce::random().repeat(20)),
            good.clone().set("response_mode", "web_message"),
            good.clone().set("prompt", "none login"),
        ] {
            let answer = browser.get(&request.target());
            assert!(answer.status < 500, "{answer:?}");
            assert!(answer.location_parameter("code").is_none(), "{}: {answer:?}", request.target());
        }
        assert_eq!(stored(&world), before);
        // A state of a reasonable length comes back byte by byte.
        let state = "a b+c%20&d=e\"'<>\u{e4}\u{1f600}";
        let answer = browser.authorize(&good.clone().set("state", state));
        assert_eq!(answer.location_parameter("state").as_deref(), Some(state), "{answer:?}");
    }

    fn pages_echo_nothing_that_a_stranger_wrote(backend) {
        let world = World::start(backend);
        let mark = "<img src=x onerror=alert(1)>";
        let mut browser = world.browser();
        let page = browser.get("/login").expect(200);
        let answers = [
            browser.submit(&page, &[("username", mark), ("password", mark)]),
            browser.get(&format!("/login?return_to={}", "%3Cimg%20src=x%3E")),
            browser.get("/authorize?client_id=%3Cimg%20src=x%20onerror=alert(1)%3E"),
            browser.get("/login/password?link=%3Cimg%20src=x%20onerror=alert(1)%3E"),
            browser.get("/logout?client_id=%3Cimg%20src=x%3E&post_logout_redirect_uri=%3Cimg%20src=x%3E&state=%22%3E%3Cimg%20src=x%3E"),
            browser.get("/%3Cimg%20src=x%20onerror=alert(1)%3E"),
        ];
        for answer in answers {
            assert!(!answer.text().contains("<img src=x"), "{answer:?}");
            assert!(answer.status < 500, "{answer:?}");
        }
    }

    /// F06: fixed secrets go through every endpoint and none appears in a log, in the audit trail or in the metrics.
    fn f06_no_secret_reaches_the_log_the_audit_trail_or_the_metrics(backend) {
        let world = World::with(conformance_tests::Setup::new(backend).env("CURFEW_LOG_LEVEL", "trace"));
        let canary = "CANARY5ecret";
        let mut browser = world.browser();
        let tokens = world.tokens(&mut browser, &world.web);
        let code = world.code(&mut browser, &world.web);
        let refreshed = Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        world.redeem(&world.web, &code);
        world.redeem(&world.web, &code);
        world.introspect(&refreshed.access);
        world.revoke(&world.web, &refreshed.access);
        let wrong = format!("cfcs_{canary}");
        for path in ["/token", "/introspect", "/revoke"] {
            world.http().send(&Request::form(path, &[("token", canary), ("grant_type", "client_credentials"), ("code", canary)]).basic("robot", &wrong));
            world.http().get(&format!("{path}?token={canary}&access_token={canary}"));
        }
        world.http().token(&world.web, &[("grant_type", "refresh_token"), ("refresh_token", canary)]);
        world.http().token(&world.web, &[("grant_type", "authorization_code"), ("code", canary), ("code_verifier", canary), ("redirect_uri", canary)]);
        let mut stranger = world.browser();
        stranger.sign_in("ada", canary);
        stranger.get(&format!("/login/password?link={canary}"));
        stranger.get(&format!("/authorize?code={canary}&state={canary}"));

        let secrets = [
            canary.to_owned(), conformance_tests::PASSWORD.to_owned(), code.value, code.verifier, tokens.access[27..71].to_owned(), tokens.refresh()[38..82].to_owned(),
            refreshed.access, refreshed.refresh.expect("a refresh token"), world.web.secret.clone().expect("a secret"), world.api.secret.clone(),
            browser.session().expect("a session").1,
        ];
        let audit = world.query("SELECT detail, scopes, ip, user_agent FROM audit");
        let places = [("the log", world.log(0)), ("the audit trail", audit), ("the metrics", world.metrics(0).get("/metrics").text())];
        for (place, text) in places {
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{place} holds the secret {secret}");
            }
        }
    }
}

/// A broken configuration names the key, the value and the remedy, and the server does not start.
#[test]
fn a_broken_configuration_is_named_and_the_server_does_not_start() {
    let world = World::start(Backend::Sqlite);
    let file = world.state().join("curfew.toml");
    let good = std::fs::read_to_string(&file).expect("the configuration");
    for (key, line) in [
        ("issuer", "issuer = \"http://public.example.test\""),
        ("issuer", "issuer = \"nonsense\""),
        ("lifetimes.access_token", "[lifetimes]\naccess_token = 0"),
        (
            "lifetimes.access_token",
            "[lifetimes]\naccess_token = \"long\"",
        ),
        ("colour", "colour = \"blue\""),
    ] {
        let name = key.rsplit('.').next().expect("a name");
        let rest: Vec<_> = good
            .lines()
            .filter(|line| !line.trim_start().starts_with(name))
            .collect();
        let broken = if line.starts_with('[') {
            format!("{}\n{line}\n", without_table(&rest, "[lifetimes]"))
        } else {
            format!("{line}\n{}\n", rest.join("\n"))
        };
        std::fs::write(&file, broken).expect("the configuration");
        let done = world.try_cli(&["config", "check"], "");
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        assert!(!done.status.success(), "{line} was taken:\n{told}");
        assert!(
            told.contains(name) && !told.contains("panicked"),
            "{line}: {told}"
        );
    }
    std::fs::write(&file, good).expect("the configuration");
    world.run(&["config", "check"], "");
}

fn without_table(lines: &[&str], table: &str) -> String {
    let mut inside = false;
    let kept = lines.iter().filter(|line| {
        if line.starts_with('[') {
            inside = line.trim() == table;
        }
        !inside
    });
    kept.copied().collect::<Vec<_>>().join("\n")
}

/// It never makes new keys silently beside an existing database.
#[test]
fn a_database_is_never_served_with_other_keys() {
    let mut world = World::start(Backend::Sqlite);
    let token = world.robot_token();
    world.stop_node(0);
    let keys = world.state().join("keys");
    let away = world.folder().join("keys-away");
    std::fs::rename(&keys, &away).expect("the keys are moved away");
    let done = world.try_cli(&["doctor"], "");
    assert!(!done.status.success(), "doctor is content without keys");
    let done = world.try_cli(&["serve"], "");
    assert!(
        !done.status.success(),
        "the server started without its keys"
    );
    assert!(
        !keys.exists() || std::fs::read_dir(&keys).is_ok_and(|mut files| files.next().is_none()),
        "new keys were made"
    );
    let _ = std::fs::remove_dir_all(&keys);
    std::fs::rename(&away, &keys).expect("the keys come back");
    world.start_node(0);
    world.assert_alive(&token);
}

/// Every change of one character to others of and outside of the alphabet.
fn alterations(token: &str) -> Vec<String> {
    let mut altered = Vec::new();
    for position in 0..token.len() {
        for replacement in ["0", "Z", "_", "~", "\u{1}"] {
            if &token[position..=position] != replacement {
                altered.push(format!(
                    "{}{replacement}{}",
                    &token[..position],
                    &token[position + 1..]
                ));
            }
        }
    }
    altered
}

/// Appends the published checksum: CRC-32 in six base62 digits.
fn seal(body: &str) -> String {
    let mut crc = !0_u32;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut value = !crc;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = alphabet[(value % 62) as usize];
        value /= 62;
    }
    format!("{body}{}", String::from_utf8_lossy(&digits))
}

/// The rule by which scanners tell our tokens from other text is the published one.
#[test]
fn tokens_carry_the_published_checksum() {
    let world = World::start(Backend::Sqlite);
    for token in [
        world.robot_token(),
        world.robot.secret.clone().expect("a secret"),
    ] {
        assert_eq!(seal(&token[..token.len() - 6]), token);
    }
}
