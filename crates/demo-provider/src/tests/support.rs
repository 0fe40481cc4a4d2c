//! A browser and a client, without a network between them and the provider.

use std::cell::RefCell;
use std::collections::BTreeMap;

use actix_web::rt::System;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::{Answer, Client, Clock, Config, Person, Provider, Received};

pub(super) const REDIRECT_URI: &str = "https://app.example.test/cb?tenant=a";
pub(super) const NOW: i64 = 1_800_000_000;
/// RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) fn config() -> Config {
    let people = vec![
        Person::new("s-ada", "Ada Lovelace", "ada@example.test"),
        Person::new("s-eve", "Eve <b>\"&'", "eve@example.test"),
    ];
    let client = Client::new("app", "a secret: with/signs", REDIRECT_URI);
    let mut config = Config::new("Demo", people, vec![client]);
    config.clock = Clock::new(|| NOW);
    config
}

pub(super) fn provider() -> Provider {
    Provider::honest(config(), "http://127.0.0.1:9").unwrap()
}

pub(super) fn answer(provider: &Provider, received: &Received) -> Answer {
    System::new().block_on(provider.answer(received))
}

pub(super) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", text(answer)))
}

pub(super) fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut found = answer.headers.iter().filter(|(own, _)| own == name);
    found.next().map(|(_, value)| value.as_str())
}

/// The parameters with which an answer sends the browser away.
#[track_caller]
pub(super) fn brought_back(answer: &Answer) -> BTreeMap<String, String> {
    let to = header(answer, "Location").unwrap_or_else(|| panic!("no redirect: {}", text(answer)));
    assert_eq!(answer.status, 303);
    assert!(to.starts_with(REDIRECT_URI), "{to}");
    Url::parse(to).unwrap().query_pairs().into_owned().collect()
}

pub(super) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A correct request, changed: a parameter with an empty value is left out.
pub(super) fn request(changed: &[(&str, &str)]) -> String {
    let mut all = BTreeMap::from([
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "s t&a=te"),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    all.extend(changed.iter().copied());
    let kept: Vec<_> = all
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    encode(&kept)
}

/// A browser with one cookie.
#[derive(Default)]
pub(super) struct Visitor {
    cookie: RefCell<Option<String>>,
}

impl Visitor {
    fn send(&self, provider: &Provider, mut received: Received) -> Answer {
        if let Some(cookie) = &*self.cookie.borrow() {
            received
                .headers
                .push(("Cookie".to_owned(), format!("other=1; {cookie}")));
        }
        let answer = answer(provider, &received);
        if let Some(set) = header(&answer, "Set-Cookie") {
            *self.cookie.borrow_mut() = set.split(';').next().map(str::to_owned);
        }
        answer
    }

    pub(super) fn get(&self, provider: &Provider, path: &str, query: &str) -> Answer {
        let received = Received {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            ..Received::default()
        };
        self.send(provider, received)
    }

    pub(super) fn post(&self, provider: &Provider, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(provider, form(path, fields))
    }

    /// The value that makes the page's form good.
    #[track_caller]
    pub(super) fn ticket(&self, page: &Answer) -> String {
        let page = text(page);
        let (_, rest) = page
            .split_once("name=\"request\" value=\"")
            .unwrap_or_else(|| panic!("no form in {page}"));
        rest.split('"').next().unwrap().to_owned()
    }

    /// Opens the page and signs in as `person`.
    #[track_caller]
    pub(super) fn sign_in(&self, provider: &Provider, query: &str, person: &str) -> Answer {
        let ticket = self.ticket(&self.get(provider, "/authorize", query));
        let fields = [
            ("request", ticket.as_str()),
            ("person", person),
            ("decision", "sign-in"),
        ];
        self.post(provider, "/authorize", &fields)
    }
}

pub(super) fn form(path: &str, fields: &[(&str, &str)]) -> Received {
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    Received {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![("Content-Type".to_owned(), kind.to_owned())],
        body: encode(fields).into_bytes(),
        ..Received::default()
    }
}

/// A redemption with the usual secret, changed like [`request`].
pub(super) fn redeem(provider: &Provider, changed: &[(&str, &str)]) -> Answer {
    let mut all = BTreeMap::from([
        ("grant_type", "authorization_code"),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ]);
    all.extend(changed.iter().copied());
    let kept: Vec<_> = all
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let mut received = form("/token", &kept);
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", part("app"), part("a secret: with/signs"));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    received.headers.push(("Authorization".to_owned(), basic));
    answer(provider, &received)
}

/// The claims of a JWT, unverified.
pub(super) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
