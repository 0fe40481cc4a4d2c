//! RFC 6749, The OAuth 2.0 Authorization Framework: the grants, client authentication and the shape of answers.

use conformance_tests::{Backend, Request, Setup, Tokens, World, on_both_backends, wire};

on_both_backends! {
    /// §4.1, §5.1, §6
    fn rfc6749_a_confidential_client_gets_tokens_for_a_code_and_more_for_a_refresh_token(backend) {
        let world = World::start(backend);
        let code = world.code(&mut world.browser(), &world.web);
        let answer = world.redeem(&world.web, &code).expect(200);
        assert_eq!(answer.member("token_type"), "Bearer");
        assert_eq!(answer.member("scope"), "notes");
        assert_eq!(answer.json()["expires_in"], 600);
        let tokens = Tokens::of(&answer);
        world.assert_alive(&tokens.access);

        let refreshed = Tokens::of(&world.refresh(&world.web, tokens.refresh()));
        assert_ne!(refreshed.access, tokens.access);
        assert_ne!(refreshed.refresh(), tokens.refresh());
        world.assert_alive(&refreshed.access);
    }

    /// §3.1.2.2, §4.1: a public client, whose user is asked for consent.
    fn rfc6749_a_public_client_gets_tokens_without_a_secret(backend) {
        let world = World::start(backend);
        let tokens = world.tokens(&mut world.browser(), &world.app);
        world.assert_alive(&tokens.access);
        Tokens::of(&world.refresh(&world.app, tokens.refresh()));
    }

    /// §4.4.3
    fn rfc6749_client_credentials_give_an_access_token_and_no_refresh_token(backend) {
        let world = World::start(backend);
        let answer = world.http().client_credentials(&world.robot).expect(200);
        let tokens = Tokens::of(&answer);
        assert_eq!(tokens.refresh, None);
        world.assert_alive(&tokens.access);
    }

    /// §5.1, S21-07
    fn s21_07_answers_of_the_token_endpoint_are_never_stored_and_only_post_is_served(backend) {
        let world = World::start(backend);
        let given = world.http().client_credentials(&world.robot).expect(200);
        let refused = world.http().token(&world.robot, &[("grant_type", "nonsense")]);
        for answer in [given, refused] {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
            assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
        }
        for method in ["GET", "PUT", "DELETE", "HEAD", "PATCH"] {
            let answer = world.http().send(&Request::new(method, "/token"));
            assert_eq!(answer.status, 405, "{method}: {answer:?}");
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{answer:?}");
        }
    }

    /// §2.3.1, S21-06: in the header or in the body, never both, never in the query.
    fn s21_06_a_client_authenticates_by_basic_or_in_the_body_and_never_both(backend) {
        let world = World::start(backend);
        let (id, secret) = (world.robot.id.as_str(), world.robot.secret.as_deref().expect("a secret"));
        let grant = ("grant_type", "client_credentials");
        let in_body = [grant, ("client_id", id), ("client_secret", secret)];
        world.http().post("/token", &in_body).expect(200);
        world.http().send(&Request::form("/token", &[grant]).basic(id, secret)).expect(200);
        // The same client named beside its Basic header contradicts nothing.
        world.http().send(&Request::form("/token", &[grant, ("client_id", id)]).basic(id, secret)).expect(200);

        let both = Request::form("/token", &in_body).basic(id, secret);
        world.http().send(&both).expect_error(400, "invalid_request");
        let other = Request::form("/token", &[grant, ("client_id", "web")]).basic(id, secret);
        let answer = world.http().send(&other);
        assert!([400, 401].contains(&answer.status), "{answer:?}");

        let query = wire::encode(&[("client_id", id), ("client_secret", secret)]);
        let in_query = Request::form(&format!("/token?{query}"), &[grant]);
        let answer = world.http().send(&in_query);
        assert!([400, 401].contains(&answer.status), "{answer:?}");
    }

    /// §5.2, S21-08: failed client authentication is 401 and names the scheme that was used.
    fn s21_08_failed_client_authentication_is_401_with_the_matching_challenge(backend) {
        let world = World::start(backend);
        let grant = ("grant_type", "client_credentials");
        let secret = world.robot.secret.as_deref().expect("a secret");
        let altered = format!("{}x", &secret[..secret.len() - 1]);
        let web = world.web.secret.as_deref().expect("a secret");
        for (id, secret) in [("robot", altered.as_str()), ("robot", "wrong"), ("nobody", secret), ("robot", web), ("robot", "")] {
            let answer = world.http().send(&Request::form("/token", &[grant]).basic(id, secret));
            let answer = answer.expect_error(401, "invalid_client");
            assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")), "{answer:?}");
        }
        let answer = world.http().post("/token", &[grant, ("client_id", "robot"), ("client_secret", &altered)]);
        answer.expect_error(401, "invalid_client");
        // A confidential client that does not authenticate is not taken for a public one.
        world.http().post("/token", &[grant, ("client_id", "robot")]).expect_error(401, "invalid_client");
        world.http().post("/token", &[grant]).expect_error(401, "invalid_client");
    }

    /// §5.2
    fn rfc6749_an_unknown_or_forbidden_grant_is_told_so(backend) {
        let world = World::start(backend);
        let http = world.http();
        for grant in ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "AUTHORIZATION_CODE"] {
            http.token(&world.web, &[("grant_type", grant)]).expect_error(400, "unsupported_grant_type");
        }
        http.token(&world.web, &[]).expect_error(400, "invalid_request");
        http.token(&world.web, &[("grant_type", "")]).expect_error(400, "invalid_request");
        http.token(&world.web, &[("grant_type", "client_credentials")]).expect_error(400, "unauthorized_client");
        http.token(&world.robot, &[("grant_type", "refresh_token"), ("refresh_token", "x")]).expect_error(400, "unauthorized_client");
    }

    /// S9700-15: the password grant does not exist.
    fn s9700_15_the_password_grant_is_not_implemented(backend) {
        let world = World::start(backend);
        let fields = [("grant_type", "password"), ("username", "ada"), ("password", conformance_tests::PASSWORD)];
        world.http().token(&world.web, &fields).expect_error(400, "unsupported_grant_type");
    }

    /// §4.1.3: the code belongs to the client and to the redirect URI.
    fn rfc6749_a_code_is_good_only_for_its_client_and_its_redirect_uri(backend) {
        let world = World::start(backend);
        let other = world.add_web("other");
        let mut browser = world.signed_in("ada");
        let code = world.code(&mut browser, &world.web);
        world.redeem(&other, &code).expect_error(400, "invalid_grant");
        // Another client's attempt does not burn the code.
        world.redeem(&world.web, &code).expect(200);

        let mut wrong = world.code(&mut browser, &world.web);
        wrong.redirect_uri.push('/');
        world.redeem(&world.web, &wrong).expect_error(400, "invalid_grant");
    }

    /// S21-13: a redirect URI sent to the authorization endpoint must come again.
    fn s21_13_the_redirect_uri_of_the_authorization_request_is_asked_for_at_the_token_step(backend) {
        let world = World::start(backend);
        let code = world.code(&mut world.browser(), &world.web);
        let fields = [("grant_type", "authorization_code"), ("code", code.value.as_str()), ("code_verifier", &code.verifier)];
        let answer = world.http().token(&world.web, &fields);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(["invalid_grant", "invalid_request"].contains(&answer.error().as_str()), "{answer:?}");
    }

    /// §3.1.2.3: with one redirect URI registered, the request may leave it out.
    fn rfc6749_a_single_registered_redirect_uri_may_be_left_out(backend) {
        let world = World::start(backend);
        let request = world.request(&world.web).without("redirect_uri");
        let answer = world.browser().authorize(&request);
        let code = answer.location_parameter("code").unwrap_or_else(|| panic!("{answer:?}"));
        let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &request.verifier)];
        world.http().token(&world.web, &fields).expect(200);
    }

    /// §4.1.2.1: what is wrong with a request is told to the client when the client can be trusted to hear it.
    fn rfc6749_authorization_errors_go_to_the_client_with_its_state(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let good = world.request(&world.web);
        let cases = [
            (good.clone().set("response_type", "token"), "unsupported_response_type"),
            (good.clone().set("response_type", "code token"), "unsupported_response_type"),
            (good.clone().without("response_type"), "invalid_request"),
            (good.clone().set("scope", "unheard-of"), "invalid_scope"),
            (good.clone().set("scope", "no\"tes"), "invalid_scope"),
            (good.clone().without("code_challenge"), "invalid_request"),
            (good.clone().set("code_challenge_method", "plain"), "invalid_request"),
            (good.clone().set("response_mode", "fragment"), "invalid_request"),
        ];
        for (request, code) in cases {
            let answer = browser.authorize(&request);
            assert_eq!(answer.status, 303, "{answer:?}");
            assert!(answer.location().is_some_and(|to| to.starts_with("https://app.example.test/cb?")), "{answer:?}");
            assert_eq!(answer.location_parameter("error").as_deref(), Some(code), "{answer:?}");
            assert_eq!(answer.location_parameter("state").as_deref(), Some(request.get("state")));
            assert_eq!(answer.location_parameter("code"), None);
        }
    }

    /// §4.1.2.1: the user says no.
    fn rfc6749_a_denied_consent_is_access_denied(backend) {
        let world = World::start(backend);
        let request = world.request(&world.app);
        let answer = world.browser().authorize_and(&request, "deny");
        assert_eq!(answer.location_parameter("error").as_deref(), Some("access_denied"), "{answer:?}");
        assert_eq!(answer.location_parameter("state").as_deref(), Some(request.get("state")));
    }

    /// §4.1.2.1: nobody is asked for a consent that would be of no use, and an expelled member has nothing left.
    fn c30_only_members_are_sent_on_to_a_restricted_client(backend) {
        let world = World::start(backend);
        world.run(&["client", "change", "web", "--restricted", "true"], "");
        let mut browser = world.signed_in("ada");
        let request = world.request(&world.web);
        let answer = browser.authorize(&request);
        assert_eq!(answer.location_parameter("error").as_deref(), Some("access_denied"), "{answer:?}");
        world.run(&["client", "admit", "web", "--user", "ada"], "");
        let tokens = Tokens::of(&world.redeem(&world.web, &browser.obtain_code(&request)));
        let unused = browser.obtain_code(&world.request(&world.web));
        world.run(&["client", "expel", "web", "--user", "ada"], "");
        world.assert_dead(&tokens.access);
        world.redeem(&world.web, &unused).expect_error(400, "invalid_grant");
        let answer = browser.authorize(&world.request(&world.web));
        assert_eq!(answer.location_parameter("error").as_deref(), Some("access_denied"), "{answer:?}");
    }

    /// §3.1: the authorization endpoint takes GET and POST.
    fn rfc6749_the_authorization_endpoint_takes_post_as_well(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let request = world.request(&world.web);
        let fields: Vec<_> = request.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = browser.send(Request::form("/authorize", &fields));
        let landed = match answer.location() {
            Some(location) if location.starts_with("https://app.example.test/") => answer,
            // SameSite cookies do not come along with a cross-site POST, so the server may go on by GET.
            Some(location) => { let location = location.to_owned(); browser.get(&location) }
            None => panic!("{answer:?}"),
        };
        assert!(landed.location_parameter("code").is_some(), "{landed:?}");
    }

    /// E01: the least scope of the client, never all there is.
    fn e01_a_request_without_scope_never_gets_more_than_the_client_is_registered_for(backend) {
        let world = World::start(backend);
        world.add_scope("other", "api");
        let answer = world.http().client_credentials(&world.robot).expect(200);
        assert_eq!(answer.member("scope"), "notes");
        let wider = [("grant_type", "client_credentials"), ("scope", "notes other")];
        world.http().token(&world.robot, &wider).expect_error(400, "invalid_scope");
        let unknown = [("grant_type", "client_credentials"), ("scope", "unheard-of")];
        world.http().token(&world.robot, &unknown).expect_error(400, "invalid_scope");
    }

    /// E05, S21-10, §6
    fn e05_a_refresh_never_widens_the_scope(backend) {
        let world = World::start(backend);
        world.add_scope("photos", "api");
        let options = ["--grant", "authorization_code", "--grant", "refresh_token", "--consent", "implicit", "--scope", "notes", "--scope", "photos"];
        let client = world.add_client("album", "https://album.example.test/cb", &options);
        let mut browser = world.signed_in("ada");
        let code = browser.obtain_code(&world.request(&client).scope("notes"));
        let first = Tokens::of(&world.redeem(&client, &code));
        let widen = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("scope", "notes photos")];
        world.http().token(&client, &widen).expect_error(400, "invalid_scope");

        let code = browser.obtain_code(&world.request(&client).scope("notes photos"));
        let both = Tokens::of(&world.redeem(&client, &code));
        let narrow = [("grant_type", "refresh_token"), ("refresh_token", both.refresh()), ("scope", "notes")];
        let narrowed = world.http().token(&client, &narrow).expect(200);
        assert_eq!(narrowed.member("scope"), "notes");
        // The new refresh token still stands for all that was granted (RFC 6749 §6).
        let again = world.refresh(&client, Tokens::of(&narrowed).refresh()).expect(200);
        assert_eq!(again.member("scope"), "notes photos");
    }

    /// E04: the scope with the shortest maximum decides.
    fn e04_a_risky_scope_shortens_the_token(backend) {
        let world = World::start(backend);
        world.run(&["scope", "add", "payments", "--description", "Pay", "--resource", "api", "--max-lifetime", "45"], "");
        let options = ["--grant", "client_credentials", "--scope", "notes", "--scope", "payments"];
        let payer = world.add_client("payer", "", &options);
        let fields = |scope| [("grant_type", "client_credentials"), ("scope", scope)];
        assert_eq!(world.http().token(&payer, &fields("notes")).expect(200).json()["expires_in"], 600);
        assert_eq!(world.http().token(&payer, &fields("notes payments")).expect(200).json()["expires_in"], 45);
    }

    /// F01: what was minted, for whom, and never a secret.
    fn f01_every_mint_is_audited_without_a_secret(backend) {
        let world = World::start(backend);
        let before: usize = world.query("SELECT count(*) FROM audit").parse().expect("a count");
        let token = world.robot_token();
        let after: usize = world.query("SELECT count(*) FROM audit").parse().expect("a count");
        assert!(after > before, "{before} audit rows before the mint, {after} after it");
        let selector = &token[5..27];
        let told = world.cli(&["token", "inspect", selector]);
        assert_eq!(told["client_id"], "robot", "{told}");
    }
}

/// S21-16: sixty seconds, and at that second it is over.
#[test]
fn s21_16_a_code_lives_sixty_seconds() {
    let world = World::with(Setup::new(Backend::Sqlite).time_travel());
    let mut browser = world.signed_in("ada");
    let in_time = world.code(&mut browser, &world.web);
    world.advance(55);
    world.redeem(&world.web, &in_time).expect(200);
    let late = world.code(&mut browser, &world.web);
    world.advance(60);
    world
        .redeem(&world.web, &late)
        .expect_error(400, "invalid_grant");
}
