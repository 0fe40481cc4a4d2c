//! Signing out at the provider, and who is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;
use url::form_urlencoded;

use super::support::*;
use crate::{Algorithm, Provider, Told};

const AFTERWARDS: &str = "https://app.example.test/bye";

/// A client that takes one logout token and answers with this status. Returns its address, and the request's target and body.
fn listening_client(status: u16) -> (String, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!(
        "http://{}/upstream/demo/backchannel-logout?a=b",
        listener.local_addr().unwrap()
    );
    let listening = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.to_ascii_lowercase());
        }
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        (lines[0].clone(), String::from_utf8(body).unwrap())
    });
    (uri, listening)
}

/// The claims of a logout token, verified with the provider's key by a library that others wrote.
fn verified(provider: &Provider, body: &str) -> Value {
    let mut fields = form_urlencoded::parse(body.as_bytes());
    let (name, token) = fields.next().unwrap();
    assert_eq!(name, "logout_token");
    let header = jsonwebtoken::decode_header(token.as_bytes()).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let jwk = serde_json::from_value(provider.key(Algorithm::Es256).jwk()).unwrap();
    let mut rules = Validation::new(header.alg);
    rules.set_audience(&["app"]);
    rules.validate_exp = false;
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::decode::<Value>(token.as_bytes(), &key, &rules)
        .unwrap()
        .claims
}

#[test]
fn signing_out_here_tells_the_clients() {
    let provider = provider();
    let (uri, client) = listening_client(200);
    provider.clients()[0].backchannel_logout_uri = Some(uri);
    let visitor = Visitor::default();
    let back = brought_back(&visitor.sign_in(&provider, &request(&[]), "s-ada"));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    let id_token = claims(given["id_token"].as_str().unwrap());
    let page = text(&visitor.get(&provider, "/", ""));
    assert!(
        page.contains("Ada Lovelace") && page.contains("Sign out here"),
        "{page}"
    );
    let page = text(&visitor.post(&provider, "/end_session", &[]));
    assert!(page.contains("<li>app knows.</li>"), "{page}");
    let (target, body) = client.join().unwrap();
    assert_eq!(
        target.trim(),
        "post /upstream/demo/backchannel-logout?a=b http/1.1"
    );
    let told = verified(&provider, &body);
    assert_eq!(
        (&told["sub"], &told["sid"], &told["iss"]),
        (&id_token["sub"], &id_token["sid"], &id_token["iss"])
    );
    assert!(told["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert_eq!(
        (told["iat"].as_i64(), told["exp"].as_i64()),
        (Some(NOW), Some(NOW + 120))
    );
    assert!(told["jti"].is_string() && told["nonce"].is_null());
    let page = text(&visitor.get(&provider, "/", ""));
    assert!(page.contains("Nobody is signed in here"), "{page}");
    assert!(
        visitor
            .get(&provider, "/authorize", &request(&[("prompt", "none")]))
            .headers
            .iter()
            .any(|(_, value)| value.contains("login_required"))
    );
}

#[test]
fn a_person_can_be_signed_out_everywhere_and_it_is_known_how_the_clients_took_it() {
    let provider = provider();
    let (uri, client) = listening_client(400);
    provider.clients()[0].backchannel_logout_uri = Some(uri);
    Visitor::default().sign_in(&provider, &request(&[]), "s-eve");
    Visitor::default().sign_in(&provider, &request(&[]), "s-ada");
    let told = |status| {
        vec![Told {
            client_id: "app".to_owned(),
            status,
        }]
    };
    assert_eq!(provider.sign_out("s-eve").unwrap(), told(Some(400)));
    client.join().unwrap();
    assert_eq!(provider.sign_out("s-eve").unwrap(), [], "she is signed out");
    // Nobody listens any more.
    assert_eq!(provider.sign_out("s-ada").unwrap(), told(None));
}

#[test]
fn a_person_who_signs_out_comes_back_to_registered_addresses_only() {
    let provider = provider();
    provider.clients()[0].post_logout_redirect_uris = vec![AFTERWARDS.to_owned()];
    let visitor = Visitor::default();
    let back = brought_back(&visitor.sign_in(&provider, &request(&[]), "s-ada"));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    let hint = given["id_token"].as_str().unwrap();
    let refused: &[&[(&str, &str)]] = &[
        &[
            ("client_id", "app"),
            ("post_logout_redirect_uri", "https://evil.test/"),
        ],
        &[("post_logout_redirect_uri", AFTERWARDS)],
        &[
            ("id_token_hint", "x.y.z"),
            ("post_logout_redirect_uri", AFTERWARDS),
        ],
        &[
            ("id_token_hint", hint),
            ("client_id", "other"),
            ("post_logout_redirect_uri", AFTERWARDS),
        ],
    ];
    for fields in refused {
        assert_eq!(
            visitor
                .get(&provider, "/end_session", &encode(fields))
                .status,
            400,
            "{fields:?}"
        );
        assert_eq!(
            visitor.post(&provider, "/end_session", fields).status,
            400,
            "{fields:?}"
        );
    }
    let fields = [
        ("id_token_hint", hint),
        ("post_logout_redirect_uri", AFTERWARDS),
        ("state", "a b"),
    ];
    let page = text(&visitor.get(&provider, "/end_session", &encode(&fields)));
    assert!(
        page.contains("Sign out here") && page.contains(hint),
        "the form carries everything along: {page}"
    );
    let gone = visitor.post(&provider, "/end_session", &fields);
    assert_eq!(
        header(&gone, "Location"),
        Some("https://app.example.test/bye?state=a+b")
    );
}
