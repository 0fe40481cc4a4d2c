//! What an OpenID provider answers and signs, and is not to be believed: ID tokens, nonces, keys, and members that are there twice.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conformance_tests::hostile::{HOSTILE, UNUSABLE, almost_back, open, refused, with_parameter};
use conformance_tests::linking::person;
use conformance_tests::upstream::{CLIENT_ID, Upstream};
use conformance_tests::{Setup, World, on_both_backends};
use demo_provider::{Algorithm, Answer, Hooks, JwtDraft, Key, Received, Running};
use serde_json::{Value, json};

fn tokens(change: impl Fn(&mut JwtDraft) + Send + Sync + 'static) -> Hooks {
    Hooks::new().id_token(change)
}

/// One claim is another, or gone where it is null.
fn claim(name: &'static str, value: Value) -> Hooks {
    tokens(move |token| {
        let claims = token.claims.as_object_mut().expect("claims");
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.to_owned(), value.clone());
        }
    })
}

/// A time claim that is so many seconds away from what is honest.
fn shifted(name: &'static str, by: i64) -> Hooks {
    tokens(move |token| {
        let honest = token.claims["iat"].as_i64().expect("a time");
        token.claims[name] = (honest + by).into();
    })
}

fn header(name: &'static str, value: Value) -> Hooks {
    tokens(move |token| token.header[name] = value.clone())
}

/// A member of the object comes once more.
fn twice(object: &Value, name: &str, value: &str) -> String {
    let text = object.to_string();
    format!("{},{:?}:{value}}}", text.trim_end_matches('}'), name)
}

/// The ID token's key is written into its own header, in each of the ways that there are.
fn own_key(way: &'static str) -> Hooks {
    let mallory = Arc::new(Key::generate("mallory", Algorithm::Es256).expect("a key"));
    tokens(move |token| {
        let place = match way {
            "jwk" => mallory.jwk(),
            "x5c" => json!(["AAAA"]),
            _ => json!("http://127.0.0.1:9/keys"),
        };
        token.sign_with(&mallory);
        token.header[way] = place;
    })
}

/// HS256 with what everybody knows as its key.
fn by_public_key(upstream: &Upstream<Running>) -> Hooks {
    let public = upstream.key(Algorithm::Rs256).public_bytes().to_vec();
    let id = upstream.key(Algorithm::Rs256).id().to_owned();
    tokens(move |token| {
        token.header["alg"] = "HS256".into();
        token.header["kid"] = id.clone().into();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
        token.signer =
            Arc::new(move |message| Ok(aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()));
    })
}

fn unsigned() -> Hooks {
    tokens(|token| {
        token.header = json!({"alg": "none", "typ": "JWT"});
        token.signer = Arc::new(|_| Ok(Vec::new()));
    })
}

fn key_requests(upstream: &Upstream<Running>) -> usize {
    upstream
        .received()
        .iter()
        .filter(|received| received.path == "/jwks")
        .count()
}

/// The body of one path is another.
fn body(
    path: &'static str,
    body: impl Fn(&Answer) -> String + Send + Sync + 'static,
) -> impl Fn(&Received, &mut Answer) + Send + Sync {
    move |received, answer| {
        if received.path == path {
            answer.body = body(answer).into_bytes();
        }
    }
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Each of these is refused; nothing is left behind.
#[track_caller]
fn all_refused<const N: usize>(
    world: &World,
    upstream: &Upstream<Running>,
    hostile: [(&str, Hooks); N],
) {
    let before = world.remains();
    for (what, hooks) in hostile {
        upstream.set_hooks(hooks);
        println!("{what}");
        let mut browser = world.browser();
        let answer = browser.sign_in_upstream(upstream, "s-1");
        browser.assert_refused(&answer, HOSTILE.0, HOSTILE.1);
    }
    assert_eq!(world.remains(), before);
}

on_both_backends! {
    fn b07_what_is_said_twice_is_not_said(backend) {
        let (world, work) = open(backend);
        for (name, value) in [("email_verified", "true"), ("email_verified", "false"), ("sub", "\"s-1\""), ("sub", "\"s-2\""), ("iss", "\"x\"")] {
            work.set_hooks(tokens(move |token| token.claims_text = Some(twice(&token.claims, name, value))));
            world.turned_away(&work, "s-1", HOSTILE);
        }
        work.set_hooks(tokens(|token| token.header_text = Some(twice(&token.header, "alg", "\"none\""))));
        world.turned_away(&work, "s-1", HOSTILE);
        for (name, value) in [("email_verified", "true"), ("sub", "\"s-1\"")] {
            let doubled = body("/userinfo", move |answer| twice(&parsed(answer), name, value));
            work.set_hooks(claim("email", Value::Null).answer(doubled));
            world.turned_away(&work, "s-1", HOSTILE);
        }
        // A key set with a member that is there twice is none. Each of these providers is asked for its keys for the first time.
        for (slug, doubled) in [("twice-1", "keys"), ("twice-2", "kid")] {
            let other = world.openid(slug, vec![person("o-1", "zoe")], &["--sign-ups", "on"]);
            other.set_hooks(Hooks::new().answer(body("/jwks", move |answer| {
                let keys = parsed(answer);
                match doubled {
                    "keys" => twice(&keys, "keys", "[]"),
                    _ => format!("{{\"keys\":[{}]}}", twice(&keys["keys"][0], "kid", "\"x\"")),
                }
            })));
            world.turned_away(&other, "o-1", UNUSABLE);
        }
        work.set_hooks(Hooks::new());
        world.let_in(&work, "s-1");
    }

    fn b41_another_nonce_or_another_issuer_is_refused(backend) {
        let (world, work) = open(backend);
        for nonce in [json!(null), json!(""), json!("wrong"), json!(7), json!(["n"])] {
            work.set_hooks(claim("nonce", nonce));
            world.turned_away(&work, "s-1", HOSTILE);
        }
        // The nonce of an earlier sign-in.
        let first: Arc<Mutex<Option<Value>>> = Arc::default();
        work.set_hooks(tokens(move |token| {
            let mut first = first.lock().expect("no panic");
            let earlier = first.get_or_insert_with(|| token.claims["nonce"].clone());
            token.claims["nonce"] = earlier.clone();
        }));
        world.let_in(&work, "s-1");
        world.turned_away(&work, "s-1", HOSTILE);
        work.set_hooks(Hooks::new());
        let mut browser = world.browser();
        let slashed = format!("{}/", work.issuer());
        for iss in [None, Some(""), Some("https://evil.example"), Some(slashed.as_str())] {
            let back = almost_back(&mut browser, &work, "s-1");
            refused(&world, &mut browser, &with_parameter(&back, "iss", iss), HOSTILE);
        }
        let back = almost_back(&mut browser, &work, "s-1");
        refused(&world, &mut browser, &with_parameter(&back, "code", Some("made-up")), HOSTILE);
        let back = almost_back(&mut browser, &work, "s-1");
        refused(&world, &mut browser, &with_parameter(&back, "code", None), HOSTILE);
    }

    fn b42_no_token_is_believed_that_is_not_for_us_and_for_now(backend) {
        let (world, work) = open(backend);
        let text = |name: &'static str| tokens(move |token| token.claims[name] = token.claims["exp"].to_string().into());
        let hostile = [
            ("aud", claim("aud", json!("another"))), ("no aud", claim("aud", Value::Null)), ("empty aud", claim("aud", json!([]))),
            ("two without azp", claim("aud", json!([CLIENT_ID, "another"]))), ("azp", claim("azp", json!("another"))),
            ("expired", shifted("exp", -60)), ("no exp", claim("exp", Value::Null)), ("no iat", claim("iat", Value::Null)),
            ("exp as text", text("exp")), ("iat as text", text("iat")), ("nbf as text", text("nbf")), ("exp null", tokens(|token| token.claims["exp"] = Value::Null)),
            ("later iat", shifted("iat", 120)), ("later nbf", shifted("nbf", 120)), ("iss", claim("iss", json!("https://evil.example"))),
            ("iss with a slash", claim("iss", json!(format!("{}/", work.issuer())))), ("no iss", claim("iss", Value::Null)),
            ("at_hash", claim("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"))),
            ("no object", tokens(|token| token.claims_text = Some("[]".to_owned()))), ("no JSON", tokens(|token| token.claims_text = Some("{\"iss\"".to_owned()))),
        ];
        all_refused(&world, &work, hostile);
        for honest in [claim("aud", json!([CLIENT_ID])), shifted("exp", 5), shifted("iat", 5), claim("at_hash", Value::Null)] {
            work.set_hooks(honest);
            world.let_in(&work, "s-1");
        }
    }

    fn b42_no_token_is_believed_that_the_provider_did_not_sign(backend) {
        let (world, work) = open(backend);
        let stranger = Arc::new(Key::generate("es256-1", Algorithm::Es256).expect("a key"));
        let hostile = [
            ("alg none", unsigned()), ("alg None", header("alg", json!("None"))), ("the public key as a secret", by_public_key(&work)),
            ("alg HS256", header("alg", json!("HS256"))), ("alg ES384", header("alg", json!("ES384"))), ("alg RS256 with the other key", header("alg", json!("RS256"))),
            ("no alg", header("alg", Value::Null)), ("crit", header("crit", json!(["exp"]))), ("typ", header("typ", json!("at+jwt"))),
            ("jku", own_key("jku")), ("jwk", own_key("jwk")), ("x5u", own_key("x5u")), ("x5c", own_key("x5c")),
            ("another key of that name", tokens(move |token| token.sign_with(&stranger))),
            ("a flipped bit", tokens(|token| {
                let honest = token.signer.clone();
                token.signer = Arc::new(move |message| honest(message).map(|mut bytes| { bytes[0] ^= 1; bytes }));
            })),
            ("no signature", tokens(|token| token.signer = Arc::new(|_| Ok(Vec::new())))),
            ("no ID token", Hooks::new().token(|answer| { answer.as_object_mut().expect("an object").remove("id_token"); })),
            ("no JWT", Hooks::new().token(|answer| answer["id_token"] = "a.b".into())),
            ("an encrypted one", Hooks::new().token(|answer| answer["id_token"] = "a.b.c.d.e".into())),
            ("a number", Hooks::new().token(|answer| answer["id_token"] = 7.into())),
            ("no Bearer", Hooks::new().token(|answer| answer["token_type"] = "mac".into())),
        ];
        all_refused(&world, &work, hostile);
        work.set_hooks(Hooks::new());
        world.let_in(&work, "s-1");
    }

    fn b42_keys_are_asked_for_again_once_a_minute_at_most(backend) {
        let world = World::with(Setup::new(backend).with_upstreams().time_travel());
        let work = world.openid("work", vec![person("s-1", "grace")], &["--sign-ups", "on"]);
        world.let_in(&work, "s-1");
        assert_eq!(key_requests(&work), 1);
        work.set_hooks(header("kid", json!("never-published")));
        for _ in 0..4 {
            world.turned_away(&work, "s-1", HOSTILE);
        }
        assert_eq!(key_requests(&work), 2);
        world.advance(61);
        world.turned_away(&work, "s-1", HOSTILE);
        assert_eq!(key_requests(&work), 3);
        // A key that came after the last question is found when it may be asked again.
        let new = Arc::new(Key::generate("es256-2", Algorithm::Es256).expect("a key"));
        let published = Arc::clone(&new);
        work.set_hooks(tokens(move |token| token.sign_with(&new)).jwks(move |set| set["keys"].as_array_mut().expect("keys").push(published.jwk())));
        world.turned_away(&work, "s-1", HOSTILE);
        world.advance(61);
        world.let_in(&work, "s-1");
        assert_eq!(key_requests(&work), 4);
    }

    fn b42_tokens_are_read_in_one_alphabet_only(backend) {
        let (world, work) = open(backend);
        let respelled = |change: fn(String) -> String| Hooks::new().token(move |answer| {
            let token = answer["id_token"].as_str().expect("a token").to_owned();
            answer["id_token"] = change(token).into();
        });
        let with_padding = |token: String| format!("{token}==");
        let with_line = |token: String| token.replacen('.', ".\n", 1);
        let twice = |token: String| format!("{token}.{}", URL_SAFE_NO_PAD.encode("more"));
        for change in [with_padding, with_line, twice] {
            work.set_hooks(respelled(change));
            world.turned_away(&work, "s-1", HOSTILE);
        }
    }
}
