//! When what is there ends, what is here ends: sessions bound to a provider's, and logout tokens (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use conformance_tests::linking::person;
use conformance_tests::upstream::Upstream;
use conformance_tests::{
    Backend, Browser, Client, OWN_TOKEN, Request, Response, Setup, Tokens, World, on_both_backends,
};
use demo_provider::{Algorithm, Hooks, JwtDraft, Key, Running};
use serde_json::{Value, json};

/// The access token of the other side lives so long, and with it what is bound to it.
const UPSTREAM_SECONDS: u64 = 300;

const CLIENT: &[&str] = &[
    "--grant",
    "authorization_code",
    "--grant",
    "refresh_token",
    "--consent",
    "implicit",
    "--scope",
    "notes",
];

/// Two people, each known by a subject, at a provider that is set up so.
fn place(backend: Backend, options: &[&str]) -> (World, Upstream<Running>, Client) {
    let world = World::with(Setup::new(backend).with_upstreams().time_travel());
    world.add_user("eve");
    let work = world.openid(
        "work",
        vec![person("s-ada", "ada"), person("s-eve", "eve")],
        options,
    );
    world.link("ada", &work, "s-ada");
    world.link("eve", &work, "s-eve");
    let client = world.add_client("site", "https://site.example.test/cb", CLIENT);
    (world, work, client)
}

fn post(world: &World, upstream: &Upstream<Running>, token: &str) -> Response {
    world.http().post(
        &upstream.path("backchannel-logout"),
        &[("logout_token", token)],
    )
}

/// A logout token about somebody, changed before it is signed.
fn about(
    upstream: &Upstream<Running>,
    subject: &str,
    change: impl Fn(&mut JwtDraft) + Send + Sync + 'static,
) -> String {
    upstream.set_hooks(Hooks::new().logout_token(change));
    let token = upstream
        .logout_token("curfew", subject, "unknown")
        .expect("a token");
    upstream.set_hooks(Hooks::new());
    token
}

/// Without a session: everybody of that subject.
fn of_subject(upstream: &Upstream<Running>, subject: &str) -> String {
    about(upstream, subject, |token| {
        token.claims.as_object_mut().expect("claims").remove("sid");
    })
}

/// The person signs out there; how we answered.
#[track_caller]
fn told(upstream: &Upstream<Running>, subject: &str) -> Vec<Option<u16>> {
    let told = upstream.sign_out(subject).expect("notices");
    told.iter().map(|told| told.status).collect()
}

#[track_caller]
fn refused(world: &World, upstream: &Upstream<Running>, token: &str) {
    let answer = post(world, upstream, token).expect_error(400, "invalid_request");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

on_both_backends! {
    fn b50_a_bound_session_and_its_tokens_end_no_later_than_the_one_upstream(backend) {
        let (world, work, client) = place(backend, &["--bind-to-upstream"]);
        let mut ada = world.let_in(&work, "s-ada");
        let tokens = world.tokens(&mut ada, &client);
        let known = world.introspect(&tokens.access)["exp"].as_i64().expect("an end");
        let now = world.clock()();
        assert!(known <= now + i64::try_from(UPSTREAM_SECONDS).expect("seconds"), "{known} {now}");
        world.advance(UPSTREAM_SECONDS - 60);
        assert!(ada.is_signed_in());
        let rotated = Tokens::of(&world.refresh(&client, tokens.refresh()));
        world.assert_alive(&rotated.access);
        world.advance(61);
        assert!(!ada.is_signed_in());
        world.assert_dead(&rotated.access);
        world.refresh(&client, rotated.refresh()).expect_error(400, "invalid_grant");
    }

    fn b50_an_upstream_session_without_time_starts_none_here(backend) {
        let (world, work, _) = place(backend, &["--bind-to-upstream"]);
        for seconds in [0, -5] {
            work.set_hooks(Hooks::new().token(move |answer| answer["expires_in"] = seconds.into()));
            let answer = world.browser().sign_in_upstream(&work, "s-ada");
            assert!(answer.status == 403 || answer.status == 400, "{answer:?}");
            assert!(!answer.headers("set-cookie").iter().any(|cookie| cookie.starts_with("__Host-curfew_session_")), "{answer:?}");
        }
        assert_eq!(world.query("SELECT count(*) FROM sessions"), "0");
    }

    fn b50_without_the_setting_a_session_outlives_the_one_upstream(backend) {
        let (world, work, client) = place(backend, &[]);
        let mut ada = world.let_in(&work, "s-ada");
        let tokens = world.tokens(&mut ada, &client);
        world.advance(UPSTREAM_SECONDS + 60);
        assert!(ada.is_signed_in());
        Tokens::of(&world.refresh(&client, tokens.refresh()));
    }

    /// B50: who signs out there is signed out here, with all that was bound to the session.
    fn b50_signing_out_upstream_ends_that_session_and_its_tokens_and_no_other(backend) {
        let (world, work, client) = place(backend, &["--bind-to-upstream"]);
        let mut here = world.let_in(&work, "s-ada");
        let tokens = world.tokens(&mut here, &client);
        let mut local = world.signed_in("ada");
        let mut eve = world.let_in(&work, "s-eve");
        let others = world.tokens(&mut eve, &client);
        assert_eq!(told(&work, "s-ada"), [Some(200)]);
        assert!(!here.is_signed_in());
        world.assert_dead(&tokens.access);
        world.refresh(&client, tokens.refresh()).expect_error(400, "invalid_grant");
        assert!(local.is_signed_in() && eve.is_signed_in());
        world.assert_alive(&others.access);
        assert_eq!(world.audited("upstream.logout_received")[0]["detail"], "session 1 work");
        // The next sign-in is as good as the first.
        world.let_in(&work, "s-ada");
    }

    /// Whatever was approved in the session: a client's tokens, a device, also one that has not asked yet, a personal access token.
    fn b50_signing_out_upstream_ends_devices_and_personal_tokens_of_the_bound_session(backend) {
        let (world, work, _) = place(backend, &["--bind-to-upstream"]);
        let tv = world.add_device();
        let mut bound = world.family(&tv, world.let_in(&work, "s-ada"));
        let waiting = world.http().start_device(&tv, &[]);
        bound.browser.approve_device(&waiting);
        let mut local = world.family(&tv, world.signed_in("ada"));
        let mut eve = world.family(&tv, world.let_in(&work, "s-eve"));
        bound.assert_alive(&world);
        assert_eq!(told(&work, "s-ada"), [Some(200)]);
        bound.assert_dead(&world);
        world.http().poll(&waiting).expect_error(400, "access_denied");
        local.assert_alive(&world);
        eve.assert_alive(&world);
        // The same by a token that names the person only.
        let bound = world.family(&tv, world.let_in(&work, "s-ada"));
        post(&world, &work, &of_subject(&work, "s-ada")).expect(200);
        bound.assert_dead(&world);
        local.assert_alive(&world);
        eve.assert_alive(&world);
        world.run(&["doctor", "--invariants"], "");
    }

    /// The other side of it: without the setting the session ends, and what it approved goes on.
    fn b50_signing_out_upstream_leaves_devices_and_personal_tokens_of_a_session_that_is_not_bound(backend) {
        let (world, work, _) = place(backend, &[]);
        let tv = world.add_device();
        let mut free = world.family(&tv, world.let_in(&work, "s-ada"));
        assert_eq!(told(&work, "s-ada"), [Some(200)]);
        assert!(!free.browser.is_signed_in());
        free.assert_approvals_alive(&world);
        world.advance(UPSTREAM_SECONDS + 60);
        free.assert_approvals_alive(&world);
    }

    fn b50_devices_and_personal_tokens_of_a_bound_session_end_no_later_than_the_one_upstream(backend) {
        let (world, work, _) = place(backend, &["--bind-to-upstream"]);
        let tv = world.add_device();
        let mut ada = world.let_in(&work, "s-ada");
        let end = world.clock()() + i64::try_from(UPSTREAM_SECONDS).expect("seconds");
        // One that would live longer is refused, not cut.
        let long = ada.make_token(&[OWN_TOKEN[0], OWN_TOKEN[1], ("lifetime", "301")]).expect(400);
        assert!(long.text().contains("it may live for"), "the longest is told: {long:?}");
        let mut bound = world.family(&tv, ada);
        for token in [&bound.tokens.access, &bound.device.access, &bound.own] {
            let known = world.introspect(token)["exp"].as_i64().expect("an end");
            assert!(known <= end, "{known} {end}");
        }
        world.advance(UPSTREAM_SECONDS - 60);
        bound.assert_alive(&world);
        for token in [&bound.tokens.access, &bound.device.access] {
            let known = world.introspect(token)["exp"].as_i64().expect("an end");
            assert!(known <= end, "what was rotated as well: {known} {end}");
        }
        world.advance(61);
        bound.assert_dead(&world);
    }

    fn b50_devices_and_personal_tokens_go_idle_with_the_bound_session(backend) {
        const IDLE: u64 = 120;
        let setup = Setup::new(backend).with_upstreams().time_travel();
        let world = World::with(setup.env("CURFEW_LIFETIMES_SESSION_IDLE", &IDLE.to_string()));
        let tv = world.add_device();
        let people = || vec![person("s-ada", "ada")];
        let bound = world.openid("bound", people(), &["--bind-to-upstream"]);
        let free = world.openid("free", people(), &[]);
        world.link("ada", &bound, "s-ada");
        world.link("ada", &free, "s-ada");
        let bound = world.family(&tv, world.let_in(&bound, "s-ada"));
        let mut free = world.family(&tv, world.let_in(&free, "s-ada"));
        world.advance(IDLE + 1);
        bound.assert_dead(&world);
        assert!(!free.browser.is_signed_in());
        free.assert_approvals_alive(&world);
    }

    fn a_logout_without_a_session_ends_every_session_of_the_link(backend) {
        let (world, work, _) = place(backend, &[]);
        let mut both: [Browser; 2] = std::array::from_fn(|_| world.let_in(&work, "s-ada"));
        let (mut local, mut eve) = (world.signed_in("ada"), world.let_in(&work, "s-eve"));
        post(&world, &work, &of_subject(&work, "s-ada")).expect(200);
        assert!(both.iter_mut().all(|browser| !browser.is_signed_in()));
        assert!(local.is_signed_in() && eve.is_signed_in());
        world.let_in(&work, "s-ada");
        // Nobody here: they are signed out, and nothing is told about it.
        post(&world, &work, &of_subject(&work, "s-nobody")).expect(200);
        post(&world, &work, &about(&work, "s-nobody", |_| ())).expect(200);
    }

    fn a_logout_token_is_obeyed_once_and_while_it_is_young(backend) {
        let (world, work, _) = place(backend, &[]);
        let mut ada = world.let_in(&work, "s-ada");
        let token = of_subject(&work, "s-ada");
        post(&world, &work, &token).expect(200);
        assert!(!ada.is_signed_in());
        let mut ada = world.let_in(&work, "s-ada");
        refused(&world, &work, &token);
        let late = of_subject(&work, "s-ada");
        world.advance(140);
        refused(&world, &work, &late);
        let long = about(&work, "s-ada", |token| {
            token.claims.as_object_mut().expect("claims").remove("sid");
            token.claims["exp"] = (token.claims["iat"].as_i64().expect("a time") + 86_400).into();
        });
        world.advance(310);
        refused(&world, &work, &long);
        assert!(ada.is_signed_in());
    }

    fn what_is_no_logout_token_of_the_provider_ends_nothing(backend) {
        let (world, work, _) = place(backend, &[]);
        let other = world.openid("other", vec![person("s-ada", "ada")], &[]);
        let mut ada = world.let_in(&work, "s-ada");
        let claim = |name: &'static str, value: Value| about(&work, "s-ada", move |token| {
            let claims = token.claims.as_object_mut().expect("claims");
            claims.remove("sid");
            claims.insert(name.to_owned(), value.clone());
        });
        let stranger = Arc::new(Key::generate("es256-1", Algorithm::Es256).expect("a key"));
        let genuine = of_subject(&work, "s-ada");
        let (signed, _) = genuine.rsplit_once('.').expect("three parts");
        for forged in [
            String::new(), "x".to_owned(), format!("{signed}."), format!("{signed}.AAAA"), of_subject(&other, "s-ada"),
            about(&work, "s-ada", move |token| token.sign_with(&stranger)),
            about(&work, "s-ada", |token| { token.header = json!({"alg": "none", "typ": "logout+jwt"}); token.signer = Arc::new(|_| Ok(Vec::new())); }),
            about(&work, "s-ada", |token| token.header["typ"] = "at+jwt".into()),
            about(&work, "s-ada", |token| { let claims = token.claims.as_object_mut().expect("claims"); claims.remove("sid"); claims.remove("sub"); }),
            claim("nonce", json!("n")), claim("aud", json!("another")), claim("iss", json!(other.issuer())), claim("events", json!({})),
            claim("events", json!({"http://schemas.openid.net/event/backchannel-logout": true})), claim("jti", json!("")), claim("jti", Value::Null),
            claim("sub", json!(7)), claim("exp", json!("later")), claim("iat", json!(4_000_000_000_i64)),
        ] {
            refused(&world, &work, &forged);
        }
        // An ID token is none, whoever got hold of it.
        let seen: Arc<std::sync::Mutex<String>> = Arc::default();
        let keep = Arc::clone(&seen);
        work.set_hooks(Hooks::new().token(move |answer| *keep.lock().expect("no panic") = answer["id_token"].as_str().unwrap_or_default().to_owned()));
        world.let_in(&work, "s-ada");
        let id_token = seen.lock().expect("no panic").clone();
        assert_eq!(id_token.split('.').count(), 3);
        refused(&world, &work, &id_token);
        let path = work.path("backchannel-logout");
        world.http().post(&path, &[]).expect_error(400, "invalid_request");
        assert_eq!(world.http().get(&path).status, 405);
        let doubled = format!("logout_token={genuine}&logout_token={genuine}");
        let doubled = Request::new("POST", &path).body("application/x-www-form-urlencoded", doubled);
        assert_eq!(world.http().send(&doubled).status, 400);
        assert!(ada.is_signed_in());
        post(&world, &work, &genuine).expect(200);
        assert!(!ada.is_signed_in());
        world.run(&["upstream", "disable", "work"], "");
        assert_eq!(post(&world, &work, &of_subject(&work, "s-ada")).status, 404);
    }
}
