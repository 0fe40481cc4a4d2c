//! Hostile input on the way through a provider: whatever comes at the callback, at the start, at the proof and in a logout token, the
//! answer is a refusal, nothing panics, and nothing is stored.

use conformance_tests::upstream::Upstream;
use conformance_tests::{
    Backend, Browser, Request, Response, Setup, World, html, on_both_backends,
};
use demo_provider::{Hooks, Person, Running};

const FORM: &str = "application/x-www-form-urlencoded";

fn place(backend: Backend) -> (World, Upstream<Running>) {
    let world = World::with(Setup::new(backend).with_upstreams());
    let person = Person::new("s-new", "New", "new@example.test");
    let provider = world.openid("work", vec![person], &["--sign-ups", "on"]);
    (world, provider)
}

/// A refusal, and no word of what is behind.
#[track_caller]
fn refused(answer: &Response, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
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
    ] {
        assert!(
            !text.contains(leak),
            "{leak} is told for {what}: {answer:?}"
        );
    }
    assert!(!text.contains("<script>alert"), "{what}: {answer:?}");
}

/// A refusal, or the connection was closed on a head that is too large.
#[track_caller]
fn refused_or_closed(world: &World, request: &Request, what: &str) {
    if let Ok(answer) = world.http().try_send(request) {
        refused(&answer, what);
    }
}

/// What may stand in a query or a form and is none that fits.
fn hostile() -> Vec<(&'static str, String)> {
    let long = "a".repeat(6_000);
    let several = |part: &str, times: usize| vec![part; times].join("&");
    vec![
        ("nothing", String::new()),
        ("only marks", "&&&===&=&".to_owned()),
        ("an empty state", "state=&code=x".to_owned()),
        ("a long state", format!("state={long}&code=x")),
        ("a NUL", "state=%00&code=%00".to_owned()),
        ("no UTF-8", "state=%ff%fe&code=%c3%28".to_owned()),
        ("half an escape", "state=%&code=%z".to_owned()),
        ("line breaks", "state=a%0d%0aSet-Cookie:%20x=y&code=x".to_owned()),
        ("two states", "state=a&state=b&code=x".to_owned()),
        ("two codes", "state=a&code=x&code=y".to_owned()),
        ("many states", several("state=a", 300)),
        ("many names", (0..300).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&")),
        ("a script", "error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=x".to_owned()),
        ("another's token", "state=cfat_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&code=x".to_owned()),
        ("right to left", "state=%E2%80%AE%E2%80%AE&code=x&error=%E2%80%AE".to_owned()),
        ("a quotation", "state='%20OR%201=1--&code=x".to_owned()),
    ]
}

/// The state parameter that this browser was given.
#[track_caller]
fn state_of(browser: &mut Browser, provider: &Upstream<Running>) -> String {
    let started = browser.start_upstream(provider).expect(303);
    started
        .location_parameter("state")
        .expect("a state parameter")
}

on_both_backends! {
    fn b40_a_hostile_callback_is_refused_and_leaves_nothing(backend) {
        let (world, provider) = place(backend);
        let before = world.remains();
        let mut browser = world.browser();
        for (what, query) in hostile() {
            // With and without the cookie of somebody who really left.
            for known in [false, true] {
                if known {
                    state_of(&mut browser, &provider);
                }
                let answer = browser.get(&format!("{}?{query}", provider.path("callback")));
                refused(&answer, what);
                assert_eq!(browser.session(), None, "{what}");
            }
        }
        assert_eq!(world.remains(), before);
        // Who comes as they should is let in by the same browser.
        let answer = browser.sign_in_upstream(&provider, "s-new");
        browser.assert_let_in(&answer);
    }

    /// With a state parameter that is good: the rest is as hostile as before.
    fn b53_a_hostile_answer_with_a_good_state_is_refused_and_leaves_nothing(backend) {
        let (world, provider) = place(backend);
        let before = world.remains();
        let long = "a".repeat(5_000);
        for rest in [
            "", "&code=", "&code=%00", "&code=%ff%fe", &format!("&code={long}"), "&code=x&code=y", "&code=x&iss=%00", "&code=x&iss=a&iss=b",
            "&error=", "&error=%00", "&error=%3Cscript%3Ealert(1)%3C/script%3E", "&error=x&error_description=%ff", &format!("&error={long}"), "&error=a&error=b",
            "&error=x%0d%0aSet-Cookie:%20a=b", "&code=x&error=y", "&state=again",
        ] {
            let mut browser = world.browser();
            let state = state_of(&mut browser, &provider);
            let answer = browser.get(&format!("{}?state={state}{rest}", provider.path("callback")));
            refused(&answer, rest);
            assert_eq!(browser.session(), None, "{rest}");
            assert!(!answer.headers.iter().any(|(_, value)| value.contains("a=b")), "{answer:?}");
        }
        assert_eq!(world.remains(), before);
    }

    fn b40_every_single_byte_change_of_a_state_is_refused(backend) {
        let (world, provider) = place(backend);
        let mut browser = world.browser();
        let state = state_of(&mut browser, &provider);
        for position in 0..state.len() {
            let mut altered = state.clone().into_bytes();
            altered[position] = if altered[position] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(altered).expect("ASCII");
            let answer = browser.get(&format!("{}?state={altered}&code=x", provider.path("callback")));
            answer.expect_refused(400, "upstream_state_invalid");
        }
        for altered in [format!("{state}x"), state[..state.len() - 1].to_owned(), state.to_uppercase(), format!("%20{state}"), format!("{state}%0a")] {
            let answer = browser.get(&format!("{}?state={altered}&code=x", provider.path("callback")));
            answer.expect_refused(400, "upstream_state_invalid");
        }
        // None of that used the real one up: it is asked about the code.
        let answer = browser.get(&format!("{}?state={state}&code=x", provider.path("callback")));
        answer.expect_refused(400, "upstream_answer_invalid");
    }

    fn hostile_starts_lead_nowhere(backend) {
        let (world, provider) = place(backend);
        for slug in ["%00", "%ff", "..%2f..", "WORK", "work%20", "w".repeat(300).as_str(), "work'--", "%E2%80%AE"] {
            for rest in ["start", "callback", "link", "invitation", "backchannel-logout"] {
                let answer = world.http().get(&format!("/upstream/{slug}/{rest}"));
                refused(&answer, slug);
            }
        }
        for (what, query) in hostile() {
            let answer = world.http().get(&format!("{}?return_to=x&{query}", provider.path("start")));
            assert!(answer.status == 303 || (400..500).contains(&answer.status), "{what}: {answer:?}");
        }
        // B48: whatever is asked for, the way back is a path of our own.
        for return_to in ["//evil.example", "https://evil.example/", "/\\evil.example", "\\/evil.example", "/%2f%2fevil.example", "javascript:alert(1)", "/a\r\nb", "\0", ""] {
            let mut browser = world.browser();
            let started = browser.get(&provider.start(return_to));
            // A form with a NUL in it is none.
            if return_to.contains('\0') {
                refused(&started, return_to);
                continue;
            }
            let started = started.expect(303);
            let back = browser.sign_in_elsewhere(started.location().expect("a redirect"), "s-new");
            let answer = browser.come_back(&back);
            browser.assert_let_in(&answer);
            let to = answer.location().expect("a redirect");
            assert!(to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n', '\0']), "{return_to:?} leads to {to:?}");
            assert!(!to.to_lowercase().starts_with("/%2f"), "{return_to:?} leads to {to:?}");
        }
    }

    fn hostile_forms_are_refused_and_leave_nothing(backend) {
        let (world, provider) = place(backend);
        let mut browser = world.signed_in("ada");
        let before = world.remains();
        let paths = ["/upstream/proof".to_owned(), provider.path("link"), provider.path("backchannel-logout"), "/account/identities/unlink".to_owned()];
        let mut bodies: Vec<Vec<u8>> = hostile().into_iter().map(|(_, body)| body.into_bytes()).collect();
        bodies.extend([
            b"act=confirm&request=%00&csrf=%ff".to_vec(), b"act=prove&token=%00".to_vec(), b"act=mail&request=x".to_vec(), b"act=\xff".to_vec(),
            b"logout_token=a.b.c".to_vec(), b"logout_token=%00".to_vec(), b"logout_token=..&logout_token=..".to_vec(), vec![0; 2_000], b"id=%00&csrf=x".to_vec(),
        ]);
        for path in &paths {
            for body in &bodies {
                let what = format!("{path} {:?}", String::from_utf8_lossy(&body[..body.len().min(60)]));
                let request = Request::new("POST", path).body(FORM, body.clone()).header("Origin", world.issuer()).header("Sec-Fetch-Site", "same-origin");
                let answer = world.http().send(&request);
                assert!(answer.status < 500 && answer.status != 200, "{what}: {answer:?}");
                let answer = browser.send(request);
                assert!(answer.status < 500 && answer.status != 200, "{what}: {answer:?}");
            }
        }
        // A megabyte, everywhere.
        let huge = "a".repeat(1 << 20);
        for path in &paths {
            refused_or_closed(&world, &Request::new("POST", path).body(FORM, format!("state={huge}&logout_token={huge}&request={huge}")), path);
        }
        for target in [provider.path("callback"), provider.path("start"), "/upstream/proof".to_owned()] {
            refused_or_closed(&world, &Request::get(&format!("{target}?state={huge}&request={huge}")), &target);
        }
        assert!(browser.is_signed_in());
        assert_eq!(world.remains(), before);
    }

    fn hostile_questions_about_a_proof_are_refused(backend) {
        let (world, _provider) = place(backend);
        for query in ["", "request=", "request=%00", "request=x", "request=%ff", "request=00000000000000000000000000", "token=", "token=%00", "token=x", "token=x&token=y", "request=a&token=b"] {
            let answer = world.http().get(&format!("/upstream/proof?{query}"));
            refused(&answer, query);
        }
    }

    /// B10, B53: what a provider says about a person is shown, as text, and stored short.
    fn b53_what_a_provider_says_about_a_person_is_never_markup(backend) {
        let (world, provider) = place(backend);
        provider.set_hooks(Hooks::new().id_token(|draft| {
            draft.claims["name"] = "<script>alert(1)</script>\u{202e}".into();
            draft.claims["preferred_username"] = "<script>alert(2)</script>".into();
            draft.claims["email"] = "<script>alert(3)</script>@example.test".into();
        }));
        let mut browser = world.browser();
        let answer = browser.sign_in_upstream(&provider, "s-new");
        if answer.status == 303 {
            for path in ["/account", "/account/identities"] {
                let page = browser.get(path).expect(200).text();
                assert!(!page.contains("<script>alert"), "{page}");
                assert!(html::tags(&page).iter().all(|tag| tag.name != "script" || tag.get("src").is_some()), "{page}");
            }
        } else {
            refused(&answer, "a name with markup");
        }
    }
}
