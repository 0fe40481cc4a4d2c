//! What comes back from an OpenID provider with a browser, and is not to be believed: states, codes, issuers, places to go on to, and words.

use conformance_tests::hostile::{HOSTILE, UNUSABLE, almost_back, open, refused, with_parameter};
use conformance_tests::linking::{address, person};
use conformance_tests::upstream::{CLIENT_ID, Registration};
use conformance_tests::wire::encode;
use conformance_tests::{Request, Setup, World, html, on_both_backends, pkce};
use demo_provider::{Answer, Hooks};
use serde_json::json;
use url::Url;

const STATE: (u16, &str) = (400, "upstream_state_invalid");

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).expect("a URL");
    let found = url.query_pairs().find(|(own, _)| own == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

on_both_backends! {
    fn b18_a_discovery_document_of_another_issuer_is_not_used(backend) {
        let (world, work) = open(backend);
        let honest = work.issuer().to_owned();
        let port = work.address().port();
        for (other, is_issuer) in [
            (format!("{honest}/"), true), (format!("http://localhost:{port}"), true), (honest.replace("127", "%3127"), true),
            (format!("{honest}/%61"), true), ("https://accounts.google.com".to_owned(), true), (honest.replace("http://", "HTTP://"), false),
            (format!("{honest}?"), false), (format!("{honest}#"), false), (String::new(), false),
        ] {
            let told = other.clone();
            work.set_hooks(Hooks::new().discovery(move |document| document["issuer"] = told.clone().into()));
            let before = world.remains();
            let mut browser = world.browser();
            let answer = browser.start_upstream(&work);
            // What is no issuer at all makes no document, which is the provider's failure.
            let expected = if is_issuer { HOSTILE } else { UNUSABLE };
            browser.assert_refused(&answer, expected.0, expected.1);
            assert_eq!(world.remains(), before, "{other}");
            let tested = world.try_cli(&["upstream", "test", "work"], "");
            let told = String::from_utf8_lossy(&tested.stdout).into_owned();
            assert!(tested.status.code() == Some(1) && told.contains("WRONG") && told.contains("issuer"), "{other}: {told}");
        }
        work.set_hooks(Hooks::new());
        assert_eq!(world.cli(&["upstream", "test", "work"])["works"], true);
        world.let_in(&work, "s-1");
    }

    fn b39_nobody_is_signed_in_by_a_code_that_somebody_else_fetched(backend) {
        let (world, work) = open(backend);
        let mut mallory = world.browser();
        let back = almost_back(&mut mallory, &work, "s-1");
        // A victim who is signed in, one who is not, and one who is on the way to the same provider.
        let mut ada = world.signed_in("ada");
        let links = world.links();
        let answer = ada.come_back(&back);
        assert!(answer.status == 400 && answer.text().contains(STATE.1), "{answer:?}");
        assert_eq!(ada.username(), "ada");
        assert_eq!(world.links(), links);
        let mut victim = world.browser();
        let back = almost_back(&mut mallory, &work, "s-1");
        almost_back(&mut victim, &work, "s-1");
        refused(&world, &mut victim, &back, STATE);
        // An identity is not added by a GET, nor without the page's own secret.
        let path = work.path("link");
        assert_eq!(ada.get(&path).status, 405);
        let forced = ada.post(&path, &[("csrf", "x")]);
        assert!(forced.location().is_none_or(|to| to.starts_with("/account/identities")), "{forced:?}");
        let other_site = Request::form(&path, &[]).header("Origin", "https://evil.example").header("Sec-Fetch-Site", "cross-site");
        let forced = ada.send(other_site);
        assert!(forced.status != 200 && html::by_id(&forced.text(), "upstream-continue").is_none(), "{forced:?}");
        assert_eq!(world.links(), links);
    }

    fn b40_a_state_is_good_once_here_in_time_and_in_one_browser(backend) {
        let world = World::with(Setup::new(backend).with_upstreams().time_travel());
        let work = world.openid("work", vec![person("s-1", "grace")], &["--sign-ups", "on"]);
        let mut browser = world.browser();
        let good = almost_back(&mut browser, &work, "s-1");
        let state = parameter(&good, "state");
        let mangled = format!("{}{}", &state[..state.len() - 1], if state.ends_with('0') { '1' } else { '0' });
        for wrong in [None, Some(""), Some("x"), Some(&mangled[..]), Some(&state[1..]), Some("\u{0}"), Some(&"x".repeat(3_000)[..])] {
            refused(&world, &mut browser, &with_parameter(&good, "state", wrong), STATE);
        }
        refused(&world, &mut browser, &format!("{good}&state={state}"), STATE);
        browser.come_back(&good).expect(303);
        // Replayed, by the same browser and by another.
        let session = browser.session();
        let answer = browser.come_back(&good);
        assert!(answer.status == 400 && browser.session() == session, "{answer:?}");
        refused(&world, &mut world.browser(), &good, STATE);
        // Another browser has used it up for everybody.
        let mut browser = world.browser();
        let back = almost_back(&mut browser, &work, "s-1");
        refused(&world, &mut world.browser(), &back, STATE);
        refused(&world, &mut browser, &back, STATE);
        // Too late.
        let back = almost_back(&mut browser, &work, "s-1");
        world.advance(601);
        refused(&world, &mut browser, &back, STATE);
    }

    /// B40, SUP-02: every provider has a callback of its own, and what was begun at one place ends at no other.
    fn sup_02_b40_a_state_belongs_to_one_provider_of_one_tenant(backend) {
        let (world, work) = open(backend);
        world.run(&["tenant", "add", "acme", "--name", "Acme"], "");
        let other = world.openid("other", vec![person("s-1", "grace")], &["--sign-ups", "on"]);
        let twin = world.openid_at(Registration { tenant: "acme", ..Registration::new("work", &["--sign-ups", "on"]) }, vec![person("s-1", "grace")]);
        let callbacks = [&work, &other, &twin].map(|own| own.added["callback_uri"].as_str().expect("a URI").to_owned());
        assert!(callbacks[0] != callbacks[1] && callbacks[1] != callbacks[2] && callbacks[0] != callbacks[2], "{callbacks:?}");
        let mut browser = world.browser();
        for place in [other.path("callback"), twin.path("callback")] {
            let back = almost_back(&mut browser, &work, "s-1");
            assert!(back.starts_with(&callbacks[0]), "{back}");
            let moved = back.replace(&work.path("callback"), &place);
            refused(&world, &mut browser, &moved, STATE);
            // It is used up.
            refused(&world, &mut browser, &back, STATE);
        }
        let nowhere = almost_back(&mut browser, &work, "s-1").replace(&work.path("callback"), "/upstream/nowhere/callback");
        assert_eq!(browser.come_back(&nowhere).status, 404);
    }

    /// SUP-01: no assertion is made whose audience could be somebody else; the secret goes to the token endpoint of the issuer, in a header.
    fn sup_01_b41_the_code_is_redeemed_with_its_verifier_at_its_own_issuer(backend) {
        let (world, work) = open(backend);
        let other = world.openid("other", vec![person("o-1", "zoe")], &["--sign-ups", "on"]);
        world.let_in(&work, "s-1");
        let received = work.received();
        let asked = received.iter().find(|one| one.path == "/authorize" && !one.query.is_empty()).expect("an authorization").query();
        let redeemed = received.iter().find(|one| one.path == "/token").expect("a redemption");
        let form = redeemed.form();
        assert_eq!(asked.get("code_challenge_method"), Some("S256"));
        let verifier = form.get("code_verifier").expect("a verifier");
        assert_eq!(asked.get("code_challenge"), Some(pkce::challenge(verifier).as_str()));
        assert!(form.get("client_assertion").is_none() && form.get("client_secret").is_none());
        let basic = conformance_tests::wire::basic(CLIENT_ID, &work.secret);
        assert_eq!(redeemed.header("authorization"), Some(basic.as_str()));
        assert!(asked.get("nonce").is_some_and(|nonce| nonce.len() >= 22) && asked.get("state").is_some_and(|state| state.len() >= 22));
        assert!(!other.received().iter().any(|one| one.path == "/token"));
        // Without a verifier that the provider wants, there is no code to be had: the honest provider refuses the start.
        let bare = encode(&[("client_id", CLIENT_ID), ("redirect_uri", work.added["callback_uri"].as_str().expect("a URI")), ("response_type", "code"), ("scope", "openid")]);
        let url = Url::parse(&format!("{}/authorize?{bare}", work.issuer())).expect("a URL");
        let answer = world.browser().elsewhere(&url).get(url.as_str());
        assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"));
    }

    fn b43_a_provider_that_is_disabled_meanwhile_lets_nobody_in(backend) {
        let (world, work) = open(backend);
        const GONE: (u16, &str) = (403, "provider_disabled");
        let mut browser = world.browser();
        let back = almost_back(&mut browser, &work, "s-1");
        world.run(&["upstream", "disable", "work"], "");
        refused(&world, &mut browser, &back, GONE);
        let answer = world.browser().start_upstream(&work);
        world.browser().assert_refused(&answer, GONE.0, GONE.1);
        // Disabled and enabled again, it is not the one that they were sent to.
        world.run(&["upstream", "enable", "work"], "");
        let back = almost_back(&mut browser, &work, "s-1");
        world.run(&["upstream", "disable", "work"], "");
        world.run(&["upstream", "enable", "work"], "");
        refused(&world, &mut browser, &back, GONE);
        // While the code is redeemed.
        let before = world.remains();
        let (browser, answer) = world.meanwhile(&work, "s-1", || { world.run(&["upstream", "disable", "work"], ""); });
        browser.assert_refused(&answer, GONE.0, GONE.1);
        assert_eq!(world.remains(), before);
        world.run(&["upstream", "enable", "work"], "");
        // What was born through it dies with it, and does not come back.
        let mut grace = world.let_in(&work, "s-1");
        assert!(grace.is_signed_in());
        world.run(&["upstream", "disable", "work"], "");
        assert!(!grace.is_signed_in());
        world.run(&["upstream", "enable", "work"], "");
        assert!(!grace.is_signed_in());
    }

    fn b44_a_callback_that_was_answered_is_answered_no_more(backend) {
        let (world, work) = open(backend);
        let mut browser = world.browser();
        let back = almost_back(&mut browser, &work, "s-1");
        // Refused by the person's provider: that is an answer as well.
        let denied = with_parameter(&with_parameter(&back, "code", None), "error", Some("access_denied"));
        refused(&world, &mut browser, &denied, (400, "upstream_denied"));
        refused(&world, &mut browser, &back, STATE);
        let back = almost_back(&mut browser, &work, "s-1");
        browser.come_back(&back).expect(303);
        let redemptions = || work.received().iter().filter(|one| one.path == "/token").count();
        let before = (redemptions(), world.remains());
        for _ in 0..3 {
            let mut again = browser.clone();
            again.cookies.retain(|name, _| !name.starts_with("__Host-curfew_session_"));
            refused(&world, &mut again, &back, STATE);
        }
        assert_eq!((redemptions(), world.remains()), before, "the code goes out once");
        assert_eq!(browser.username(), "grace");
    }

    fn b48_after_signing_in_one_is_at_this_server(backend) {
        let (world, work) = open(backend);
        for hostile in [
            "https://evil.example/", "//evil.example", "/\\evil.example", "\\/evil.example", "/%2f%2fevil.example", "/%5cevil.example", "/a\r\nSet-Cookie: x=y",
            "javascript:alert(1)", " /account", "/\t/evil.example", "evil.example", "/../..//evil.example", "",
        ] {
            let mut browser = world.browser();
            let left = browser.get(&work.start(hostile)).expect(303);
            let to = left.location().expect("a redirect").to_owned();
            let back = browser.sign_in_elsewhere(&to, "s-1");
            let answer = browser.come_back(&back).expect(303);
            let location = answer.location().expect("a place");
            let there = Url::parse(world.issuer()).expect("a URL").join(location).expect("a URL");
            assert_eq!(there.origin().ascii_serialization(), world.issuer(), "{hostile:?}: {location}");
            assert!(answer.headers("set-cookie").iter().all(|cookie| !cookie.starts_with("x=")), "{answer:?}");
        }
        let mut browser = world.browser();
        let to = browser.get(&work.start("/account/sessions?a=1")).expect(303);
        let to = to.location().expect("a redirect").to_owned();
        let back = browser.sign_in_elsewhere(&to, "s-1");
        assert_eq!(browser.come_back(&back).location(), Some("/account/sessions?a=1"));
    }

    fn b51_the_dangerous_setting_lets_in_by_address_marks_it_and_binds_nothing(backend) {
        let world = World::upstream(backend);
        let people = vec![person("s-ada", "ada"), person("s-2", "ada"), person("s-grace", "grace")];
        let work = world.openid("work", people, &["--dangerous-sign-in-by-email"]);
        world.link("ada", &work, "s-ada");
        let links = world.query("SELECT * FROM links");
        assert_eq!(world.let_in(&work, "s-2").username(), "ada");
        assert_eq!(world.query("SELECT * FROM links"), links);
        let flagged = world.audited("session.started");
        assert_eq!(flagged[0]["detail"], "dangerous_sign_in_by_email work", "{flagged:?}");
        let metrics = world.metrics(0).send(&Request::get("/metrics")).text();
        let counted = metrics.lines().any(|line| line.starts_with("curfew_upstream_dangerous_sign_ins_total{") && line.ends_with(" 1"));
        assert!(counted, "{metrics}");
        work.people()[1].email_verified = json!(false);
        world.turned_away(&work, "s-2", (403, "email_not_verified"));
        work.people()[1].email_verified = json!(true);
        for (step, code) in [("suspend", (403, "account_suspended")), ("delete", (403, "sign_ups_off"))] {
            world.run(&["user", step, "ada"], "");
            world.turned_away(&work, "s-2", code);
        }
        world.turned_away(&work, "s-grace", (403, "sign_ups_off"));
        assert_eq!(world.query("SELECT * FROM links"), links);
    }

    fn b53_what_a_provider_writes_is_not_on_our_pages(backend) {
        let (world, work) = open(backend);
        let words = format!("<script>alert(1)</script>\r\n\u{202e}evil{}", "x".repeat(2_000));
        let mut browser = world.browser();
        for (error, expected) in [
            ("access_denied", (400, "upstream_denied")),
            ("<img src=x onerror=alert(1)>", (400, "upstream_denied")),
            ("server_error", (503, "upstream_unavailable")),
            ("temporarily_unavailable", (503, "upstream_unavailable")),
        ] {
            let back = almost_back(&mut browser, &work, "s-1");
            let state = parameter(&back, "state");
            let query = encode(&[("error", error), ("error_description", &words), ("error_uri", "https://evil.example/"), ("state", &state)]);
            let answer = browser.come_back(&format!("{}?{query}", work.path("callback")));
            browser.assert_refused(&answer, expected.0, expected.1);
            let page = answer.text();
            for part in ["alert", "evil", "onerror", "xxxx"] {
                assert!(!page.contains(part), "{part}: {page}");
            }
        }
        let told = json!({"error": "invalid_grant", "error_description": words}).to_string();
        work.set_hooks(Hooks::new().answer(move |received, answer| if received.path == "/token" { *answer = Answer::new(400, "application/json", told.clone()); }));
        let page = world.turned_away(&work, "s-1", HOSTILE).text();
        assert!(!page.contains("alert") && !page.contains("xxxx"), "{page}");
        let longest = world.log(0).lines().map(str::len).max().unwrap_or(0);
        assert!(longest < 2_000, "{longest}");
        // What is shown of a person is shown as text.
        work.set_hooks(Hooks::new().id_token(|token| token.claims["name"] = "<b>Eve</b>\u{202e}".into()));
        let mut eve = world.let_in(&work, "s-1");
        let page = eve.get("/account").expect(200).text();
        assert!(!page.contains("<b>Eve") && !page.contains('\u{202e}') && page.contains("&lt;b&gt;Eve"), "{page}");
    }

    /// SUP-03: who began to link is who ends it.
    fn sup_03_b39_the_session_that_began_to_link_is_the_one_that_confirms(backend) {
        let world = World::upstream(backend);
        world.add_user("eve");
        let work = world.openid("work", vec![person("s-1", "nobody")], &[]);
        // The browser changes hands between the start and the return.
        let mut browser = world.signed_in("ada");
        let asked = browser.begin_to_link(&work, "s-1").expect(303);
        browser.sign_out();
        browser.sign_in("eve", conformance_tests::PASSWORD);
        let page = browser.follow_on(&asked);
        assert!(html::by_id(&page.text(), "proof-confirm").is_none(), "{page:?}");
        let request = parameter(&format!("http://x{}", asked.location().expect("a place")), "request");
        let csrf = html::input(&browser.get("/account").text(), "csrf").expect("a form");
        let forced = browser.post("/upstream/proof", &[("act", "confirm"), ("csrf", &csrf), ("request", &request)]);
        assert!(forced.status >= 400, "{forced:?}");
        // Another browser of the same person is another session, and has no such question.
        let mut ada = world.signed_in("ada");
        let asked = ada.begin_to_link(&work, "s-1").expect(303);
        let mut elsewhere = world.signed_in("ada");
        let page = elsewhere.follow_on(&asked);
        assert!(html::by_id(&page.text(), "proof-confirm").is_none(), "{page:?}");
        assert!(world.links().is_empty());
        // A session that has ended meanwhile confirms nothing.
        world.run(&["user", "logout-everywhere", "ada"], "");
        let page = ada.follow_on(&asked);
        assert!(html::by_id(&page.text(), "proof-confirm").is_none(), "{page:?}");
        assert!(world.links().is_empty());
        assert_eq!(world.query(&format!("SELECT count(*) FROM users WHERE email = '{}'", address("nobody"))), "0");
    }
}
