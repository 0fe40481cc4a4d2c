//! Signing in, from discovery to userinfo.

use jsonwebtoken::{Algorithm as Alg, DecodingKey, Validation};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    PkceCodeChallenge, RedirectUrl, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
};
use serde_json::{Value, json};
use url::Url;

use super::support::*;
use crate::{Algorithm, Provider, Received};

/// Carries the crate's requests to the provider.
fn carry(provider: &Provider, request: HttpRequest) -> Result<HttpResponse, std::io::Error> {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
    let received = Received {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query: String::new(),
        headers: headers.collect(),
        body: request.body().clone(),
    };
    let answer = answer(provider, &received);
    let mut response = HttpResponse::new(answer.body.clone());
    *response.status_mut() = answer.status.try_into().unwrap();
    let kind = header(&answer, "Content-Type").unwrap().parse().unwrap();
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

/// The ID token's claims, verified with the published keys by a library that others wrote.
fn verified(provider: &Provider, token: &str) -> Value {
    let keys = json(&Visitor::default().get(provider, "/jwks", ""));
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = Validation::new(header.alg);
    rules.set_audience(&["app"]);
    rules.set_issuer(&["http://127.0.0.1:9"]);
    rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    // The provider's clock is not this machine's; the end is compared below.
    rules.validate_exp = false;
    let key = DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &rules)
        .unwrap()
        .claims
}

#[test]
fn the_oauth2_crate_signs_a_person_in() {
    let provider = provider();
    let told = json(&Visitor::default().get(&provider, "/.well-known/openid-configuration", ""));
    assert_eq!(told["issuer"], "http://127.0.0.1:9");
    let at = |member: &str| told[member].as_str().unwrap().to_owned();
    let client = BasicClient::new(ClientId::new("app".to_owned()))
        .set_client_secret(ClientSecret::new("a secret: with/signs".to_owned()))
        .set_auth_uri(AuthUrl::new(at("authorization_endpoint")).unwrap())
        .set_token_uri(TokenUrl::new(at("token_endpoint")).unwrap())
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (to, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("openid email".to_owned()))
        .add_extra_param("nonce", "n-0")
        .set_pkce_challenge(challenge)
        .url();
    let back = Visitor::default().sign_in(&provider, to.query().unwrap(), "s-ada");
    let back = brought_back(&back);
    assert_eq!(back["tenant"], "a");
    assert_eq!(back["state"], *state.secret());
    assert_eq!(back["iss"], "http://127.0.0.1:9");
    let http = |request: HttpRequest| carry(&provider, request);
    let tokens = client
        .exchange_code(AuthorizationCode::new(back["code"].clone()))
        .set_pkce_verifier(verifier)
        .request(&http)
        .unwrap();
    let asked = Received {
        method: "GET".to_owned(),
        path: "/userinfo".to_owned(),
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", tokens.access_token().secret()),
        )],
        ..Received::default()
    };
    let told = json(&answer(&provider, &asked));
    let wanted = json!({"sub": "s-ada", "email": "ada@example.test", "email_verified": true});
    assert_eq!(told, wanted);
    let again = client
        .exchange_code(AuthorizationCode::new(back["code"].clone()))
        .request(&http)
        .unwrap_err();
    assert!(
        matches!(again, RequestTokenError::ServerResponse(_)),
        "{again:?}"
    );
}

#[test]
fn an_id_token_says_who_when_and_for_whom() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let provider = provider();
        provider.clients()[0].algorithm = algorithm;
        let back = brought_back(&Visitor::default().sign_in(&provider, &request(&[]), "s-ada"));
        let given = json(&redeem(&provider, &[("code", &back["code"])]));
        let token = given["id_token"].as_str().unwrap();
        let alg = jsonwebtoken::decode_header(token).unwrap().alg;
        let wanted = match algorithm {
            Algorithm::Es256 => Alg::ES256,
            Algorithm::Rs256 => Alg::RS256,
        };
        assert_eq!(alg, wanted);
        let claims = verified(&provider, token);
        assert_eq!(claims["sub"], "s-ada");
        assert_eq!(claims["nonce"], "n-1");
        assert_eq!(claims["auth_time"], NOW);
        assert_eq!(claims["iat"], NOW);
        assert_eq!(claims["exp"], NOW + 300);
        assert_eq!(claims["name"], "Ada Lovelace");
        assert_eq!(claims["email_verified"], true);
        assert!(claims["sid"].as_str().is_some_and(|sid| sid.len() == 43));
        let hash = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            given["access_token"].as_str().unwrap().as_bytes(),
        );
        let half = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            &hash.as_ref()[..16],
        );
        assert_eq!(claims["at_hash"], half);
    }
}

#[test]
fn a_token_that_somebody_touched_is_not_verified() {
    let provider = provider();
    let back = brought_back(&Visitor::default().sign_in(&provider, &request(&[]), "s-ada"));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    let token = given["id_token"].as_str().unwrap().to_owned();
    let key = &**provider.key(Algorithm::Es256);
    assert!(crate::jwt::verified_claims(&token, &[key]).is_some());
    let stranger = crate::Key::generate("es256-1", Algorithm::Es256).unwrap();
    assert!(crate::jwt::verified_claims(&token, &[&stranger]).is_none());
    let (start, signature) = token.rsplit_once('.').unwrap();
    let longer = format!("{start}A.{signature}");
    assert!(crate::jwt::verified_claims(&longer, &[key]).is_none());
}

#[test]
fn a_code_is_good_once_for_its_client_its_redirect_uri_and_its_verifier() {
    let provider = provider();
    let mut other = provider.clients()[0].clone();
    other.id = "other".to_owned();
    provider.clients().push(other);
    let code = || {
        brought_back(&Visitor::default().sign_in(&provider, &request(&[]), "s-ada"))["code"].clone()
    };
    let wrong_verifier = "x".repeat(43);
    for changed in [
        [("code_verifier", wrong_verifier.as_str())],
        [("code_verifier", "")],
        [("redirect_uri", "https://app.example.test/cb")],
        [("redirect_uri", "")],
        [("code", "made-up")],
    ] {
        let code = code();
        let refused = redeem(
            &provider,
            &[&[("code", code.as_str())], &changed[..]].concat(),
        );
        assert_eq!(
            (refused.status, json(&refused)["error"].as_str()),
            (400, Some("invalid_grant")),
            "{changed:?}"
        );
    }
    let first = code();
    assert_eq!(redeem(&provider, &[("code", &first)]).status, 200);
    assert_eq!(redeem(&provider, &[("code", &first)]).status, 400);
    let refused = redeem(&provider, &[("code", &code()), ("grant_type", "password")]);
    assert_eq!(json(&refused)["error"], "unsupported_grant_type");
    let stolen = form(
        "/token",
        &[
            ("grant_type", "authorization_code"),
            ("code", &code()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
            ("client_id", "other"),
            ("client_secret", "a secret: with/signs"),
        ],
    );
    assert_eq!(json(&answer(&provider, &stolen))["error"], "invalid_grant");
}

#[test]
fn a_client_proves_who_it_is_by_basic_or_by_the_form_but_not_by_both() {
    let provider = provider();
    let code = brought_back(&Visitor::default().sign_in(&provider, &request(&[]), "s-ada"))["code"]
        .clone();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("client_id", "app"),
    ];
    for secret in ["", "wrong"] {
        let asked = form(
            "/token",
            &[&fields[..], &[("client_secret", secret)]].concat(),
        );
        let refused = answer(&provider, &asked);
        assert_eq!(
            (refused.status, json(&refused)["error"].as_str()),
            (401, Some("invalid_client"))
        );
        assert!(header(&refused, "WWW-Authenticate").is_some());
    }
    let both = redeem(
        &provider,
        &[("code", &code), ("client_secret", "a secret: with/signs")],
    );
    assert_eq!(json(&both)["error"], "invalid_request");
    // None of them used the code up.
    let asked = form(
        "/token",
        &[&fields[..], &[("client_secret", "a secret: with/signs")]].concat(),
    );
    assert_eq!(answer(&provider, &asked).status, 200);
}

#[test]
fn nothing_is_sent_to_an_address_that_is_not_registered() {
    let provider = provider();
    for changed in [
        [("redirect_uri", "https://app.example.test/cb")],
        [("redirect_uri", "https://app.example.test/cb?tenant=a&x")],
        [("redirect_uri", "")],
        [("client_id", "nobody")],
        [("client_id", "")],
    ] {
        let answer = Visitor::default().get(&provider, "/authorize", &request(&changed));
        assert_eq!(
            (answer.status, header(&answer, "Location")),
            (400, None),
            "{changed:?}"
        );
    }
}

#[test]
fn what_else_is_wrong_is_told_to_the_client() {
    let provider = provider();
    let told = |query: &str| {
        let answer = Visitor::default().get(&provider, "/authorize", query);
        let back = brought_back(&answer);
        assert_eq!(back["iss"], "http://127.0.0.1:9");
        assert_eq!(back["state"], "s t&a=te");
        back["error"].clone()
    };
    for (changed, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("scope", "repo"), "invalid_scope"),
        (("request", "x.y.z"), "request_not_supported"),
        (
            ("request_uri", "https://a.test"),
            "request_uri_not_supported",
        ),
        (("prompt", "none"), "login_required"),
    ] {
        assert_eq!(told(&request(&[changed])), error, "{changed:?}");
    }
    assert_eq!(
        told(&format!("{}&nonce=2", request(&[]))),
        "invalid_request"
    );
}

#[test]
fn whoever_refuses_goes_back_with_access_denied() {
    let provider = provider();
    let visitor = Visitor::default();
    let ticket = visitor.ticket(&visitor.get(&provider, "/authorize", &request(&[])));
    let fields = [
        ("request", ticket.as_str()),
        ("person", "s-ada"),
        ("decision", "refuse"),
    ];
    let back = brought_back(&visitor.post(&provider, "/authorize", &fields));
    assert_eq!(back["error"], "access_denied");
    assert!(!back.contains_key("code"));
    let late = visitor.post(&provider, "/authorize", &fields);
    assert_eq!(late.status, 400, "the form is good once");
}

#[test]
fn a_form_is_good_only_in_the_browser_that_it_was_shown_in() {
    let provider = provider();
    let (victim, attacker) = (Visitor::default(), Visitor::default());
    let ticket = attacker.ticket(&attacker.get(&provider, "/authorize", &request(&[])));
    victim.get(&provider, "/authorize", &request(&[]));
    let fields = [
        ("request", ticket.as_str()),
        ("person", "s-eve"),
        ("decision", "sign-in"),
    ];
    assert_eq!(victim.post(&provider, "/authorize", &fields).status, 400);
    assert_eq!(
        Visitor::default()
            .post(&provider, "/authorize", &fields)
            .status,
        400
    );
    assert_eq!(attacker.post(&provider, "/authorize", &fields).status, 303);
}

#[test]
fn the_page_shows_its_people_and_escapes_everything() {
    let provider = provider();
    provider.people()[1].subject = "\"><script>".to_owned();
    let page = Visitor::default().get(
        &provider,
        "/authorize",
        &request(&[("login_hint", "eve@example.test")]),
    );
    assert_eq!(page.status, 200);
    assert!(
        header(&page, "Content-Security-Policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'; style-src"))
    );
    let text = text(&page);
    assert!(
        text.contains("Eve &lt;b&gt;&quot;&amp;&#39;") && !text.contains("<script"),
        "{text}"
    );
    assert!(
        text.contains("value=\"&quot;&gt;&lt;script&gt;\" checked"),
        "the hint chooses: {text}"
    );
    assert!(text.contains("Ada Lovelace") && !text.contains("not verified"));
    provider.people()[1].email_verified = json!("true");
    let page = Visitor::default().get(&provider, "/authorize", &request(&[]));
    assert!(super::support::text(&page).contains("eve@example.test (not verified)"));
}

#[test]
fn many_people_write_who_they_are() {
    let provider = provider();
    for number in 0..20 {
        provider.people().push(crate::Person::new(
            &format!("s-{number}"),
            "Many",
            &format!("{number}@example.test"),
        ));
    }
    let visitor = Visitor::default();
    let page = visitor.get(&provider, "/authorize", &request(&[]));
    assert!(text(&page).contains("<input type=\"text\" id=\"person\" name=\"person\""));
    let ticket = visitor.ticket(&page);
    let unknown = [
        ("request", ticket.as_str()),
        ("person", "nobody"),
        ("decision", "sign-in"),
    ];
    let page = visitor.post(&provider, "/authorize", &unknown);
    assert_eq!(
        (page.status, visitor.ticket(&page)),
        (200, ticket.clone()),
        "it is asked again"
    );
    let known = [
        ("request", ticket.as_str()),
        ("person", "7@example.test"),
        ("decision", "sign-in"),
    ];
    assert!(brought_back(&visitor.post(&provider, "/authorize", &known)).contains_key("code"));
}

#[test]
fn prompt_none_needs_somebody_who_signed_in_not_too_long_ago() {
    let provider = provider();
    let visitor = Visitor::default();
    let ticket = |query: &str| brought_back(&visitor.get(&provider, "/authorize", query));
    visitor.sign_in(&provider, &request(&[]), "s-eve");
    let back = ticket(&request(&[("prompt", "none"), ("max_age", "0")]));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    assert_eq!(claims(given["id_token"].as_str().unwrap())["sub"], "s-eve");
    let back = ticket(&request(&[("prompt", "none"), ("max_age", "-1")]));
    assert_eq!(back["error"], "login_required");
}

#[test]
fn sessions_are_the_same_for_the_same_person_only() {
    let provider = provider();
    let visitor = Visitor::default();
    let sid = |person: &str| {
        let back = brought_back(&visitor.sign_in(&provider, &request(&[]), person));
        let given = json(&redeem(&provider, &[("code", &back["code"])]));
        claims(given["id_token"].as_str().unwrap())["sid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = sid("s-ada");
    assert_eq!(first, sid("s-ada"));
    assert_ne!(first, sid("s-eve"));
}

#[test]
fn without_openid_there_is_no_id_token_and_userinfo_tells_what_was_asked() {
    let provider = provider();
    let back = brought_back(&Visitor::default().sign_in(
        &provider,
        &request(&[("scope", "profile")]),
        "s-ada",
    ));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    assert_eq!(given["id_token"], Value::Null);
    let ask = |value: &str| {
        let asked = Received {
            method: "POST".to_owned(),
            path: "/userinfo".to_owned(),
            headers: vec![("authorization".to_owned(), value.to_owned())],
            ..Received::default()
        };
        answer(&provider, &asked)
    };
    let told = ask(&format!(
        "bearer {}",
        given["access_token"].as_str().unwrap()
    ));
    assert_eq!(json(&told), json!({"sub": "s-ada", "name": "Ada Lovelace"}));
    for wrong in ["Bearer made-up", "Basic YTpi", ""] {
        let refused = ask(wrong);
        assert_eq!(refused.status, 401);
        assert!(header(&refused, "WWW-Authenticate").is_some());
    }
    // Somebody who is gone is told about no more.
    provider.people().clear();
    assert_eq!(
        ask(&format!(
            "Bearer {}",
            given["access_token"].as_str().unwrap()
        ))
        .status,
        401
    );
}

#[test]
fn a_person_may_change_while_the_provider_runs() {
    let provider = provider();
    provider.people()[0].email = "ada@elsewhere.test".to_owned();
    provider.people()[0].email_verified = json!([true]);
    let back = brought_back(&Visitor::default().sign_in(&provider, &request(&[]), "s-ada"));
    let given = json(&redeem(&provider, &[("code", &back["code"])]));
    let claims = verified(&provider, given["id_token"].as_str().unwrap());
    assert_eq!(
        (&claims["email"], &claims["email_verified"]),
        (&json!("ada@elsewhere.test"), &json!([true]))
    );
}

#[test]
fn the_front_page_and_the_sign_in_page_lead_to_this_origin_only() {
    let provider = provider();
    let visitor = Visitor::default();
    visitor.sign_in(&provider, &request(&[]), "s-ada");
    for (path, query) in [("/authorize", request(&[])), ("/", String::new())] {
        let page = text(&visitor.get(&provider, path, &query));
        let actions = page
            .split("action=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        for action in actions {
            let url = Url::parse("http://127.0.0.1:9/")
                .unwrap()
                .join(action)
                .unwrap();
            assert_eq!(url.port(), Some(9), "{action}");
        }
    }
}
