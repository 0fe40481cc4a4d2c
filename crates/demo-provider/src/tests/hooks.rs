//! A test can make the provider lie in every answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::support::*;
use crate::{Algorithm, Hooks, Key, Provider, Running};

fn id_token(provider: &Provider) -> String {
    let back = brought_back(&Visitor::default().sign_in(provider, &request(&[]), "s-ada"));
    let given = json(&redeem(provider, &[("code", &back["code"])]));
    given["id_token"].as_str().unwrap().to_owned()
}

#[test]
fn every_answer_can_be_changed() {
    let provider = provider();
    provider.set_hooks(
        Hooks::new()
            .discovery(|told| told["issuer"] = "https://evil.test".into())
            .jwks(|told| told["keys"] = json!([]))
            .redirect(|parameters| parameters.retain(|(name, _)| name != "iss"))
            .token(|told| told["extra"] = 1.into())
            .userinfo(|told| told["sub"] = "somebody else".into())
            .id_token(|draft| draft.claims["aud"] = json!(["app", "other"])),
    );
    let visitor = Visitor::default();
    let told = json(&visitor.get(&provider, "/.well-known/openid-configuration", ""));
    assert_eq!(told["issuer"], "https://evil.test");
    assert_eq!(
        json(&visitor.get(&provider, "/jwks", "")),
        json!({"keys": []})
    );
    let back = brought_back(&visitor.sign_in(&provider, &request(&[]), "s-ada"));
    assert!(!back.contains_key("iss"));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    assert_eq!(given["extra"], 1);
    assert_eq!(
        claims(given["id_token"].as_str().unwrap())["aud"],
        json!(["app", "other"])
    );
    let asked = crate::Received {
        method: "GET".to_owned(),
        path: "/userinfo".to_owned(),
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", given["access_token"].as_str().unwrap()),
        )],
        ..crate::Received::default()
    };
    assert_eq!(json(&answer(&provider, &asked))["sub"], "somebody else");
    provider.set_hooks(Hooks::new());
    assert_eq!(
        claims(&id_token(&provider))["aud"],
        "app",
        "it is honest again"
    );
}

#[test]
fn a_token_can_say_one_thing_twice_and_be_signed_by_anybody() {
    let provider = provider();
    let stranger = Arc::new(Key::generate("stranger", Algorithm::Rs256).unwrap());
    let key = Arc::clone(&stranger);
    provider.set_hooks(Hooks::new().id_token(move |draft| {
        draft.sign_with(&key);
        draft.claims_text = Some(
            draft
                .claims
                .to_string()
                .replacen('{', "{\"sub\":\"twice\",", 1),
        );
    }));
    let token = id_token(&provider);
    let (input, signature) = token.rsplit_once('.').unwrap();
    assert!(stranger.verifies(
        input.as_bytes(),
        &URL_SAFE_NO_PAD.decode(signature).unwrap()
    ));
    let (header, claims) = input.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(
        header,
        json!({"alg": "RS256", "kid": "stranger", "typ": "JWT"})
    );
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims.matches("\"sub\":").count(), 2, "{claims}");
    provider.set_hooks(Hooks::new().id_token(|draft| {
        draft.header_text = Some("{\"alg\":\"none\"}".to_owned());
        draft.signer = Arc::new(|_| Ok(Vec::new()));
    }));
    let token = id_token(&provider);
    let unsigned = format!("{}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"));
    assert!(
        token.starts_with(&unsigned) && token.ends_with('.'),
        "{token}"
    );
}

#[test]
fn the_bytes_and_the_pace_of_an_answer_can_be_changed() {
    let running = Running::start(config()).unwrap();
    running.set_hooks(Hooks::new().answer(|received, answer| {
        if received.path == "/jwks" {
            answer.status = 418;
            answer.headers = vec![("X-Odd".to_owned(), "yes".to_owned())];
            answer.body = b"{".to_vec();
            answer.wait = Duration::from_millis(1);
            answer.later = vec![
                (Duration::from_millis(1), b"\"late".to_vec()),
                (Duration::ZERO, b"\"}".to_vec()),
            ];
        }
    }));
    let mut stream = TcpStream::connect(running.address()).unwrap();
    stream
        .write_all(b"GET /jwks?a=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 418 "), "{text}");
    assert!(
        text.contains("x-odd: yes") && text.contains("1\r\n{\r\n5\r\n\"late\r\n2\r\n\"}\r\n0\r\n"),
        "{text}"
    );
    let received = running.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        (received[0].path.as_str(), received[0].query().get("a")),
        ("/jwks", Some("1"))
    );
}

#[test]
fn a_provider_ends_with_its_owner() {
    let running = Running::start(config()).unwrap();
    let address = running.address();
    assert_eq!(running.issuer(), format!("http://{address}"));
    TcpStream::connect(address).unwrap();
    drop(running);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_provider_listens_on_loopback_addresses_only() {
    let refused = Running::start_at(config(), "0.0.0.0:0".parse().unwrap()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}
