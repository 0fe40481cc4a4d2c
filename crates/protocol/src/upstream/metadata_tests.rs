use serde_json::json;

use super::*;

fn document() -> Value {
    json!({
        "issuer": "https://idp.example",
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        "jwks_uri": "https://keys.example/jwks?v=1",
        "id_token_signing_alg_values_supported": ["RS256", "none", "HS256", "EdDSA", "XX"],
    })
}

fn with(name: &str, value: Value) -> Result<ProviderMetadata, AnswerError> {
    let mut document = document();
    document[name] = value;
    ProviderMetadata::parse(document.to_string().as_bytes())
}

#[test]
fn a_document_says_what_it_says_and_the_rest_is_absent() {
    let metadata = ProviderMetadata::parse(document().to_string().as_bytes()).expect("metadata");
    assert_eq!(metadata.jwks_uri, "https://keys.example/jwks?v=1");
    assert_eq!(metadata.userinfo_endpoint, None);
    assert_eq!(metadata.code_challenge_methods_supported, None);
    assert!(!metadata.authorization_response_iss_parameter_supported);
    assert!(!metadata.backchannel_logout_supported);
    let algorithms = [SignatureAlgorithm::Rs256, SignatureAlgorithm::EdDsa];
    assert_eq!(metadata.algorithms(), algorithms);
    let metadata = with(
        "authorization_response_iss_parameter_supported",
        json!(true),
    );
    assert!(metadata.is_ok_and(|m| m.authorization_response_iss_parameter_supported));
}

#[test]
fn b18_an_issuer_is_compared_byte_for_byte() {
    let issuer = |text: &str| with("issuer", json!(text)).expect(text);
    for (stated, configured, expected) in [
        ("https://idp.example", "https://idp.example", true),
        ("https://idp.example", "https://idp.example/", false),
        ("https://idp.example/", "https://idp.example", false),
        ("https://idp.example", "https://IDP.example", false),
        ("https://idp.example", "HTTPS://idp.example", false),
        ("https://idp.example:443", "https://idp.example", false),
        (
            "https://idp.example/a%2Fb",
            "https://idp.example/a%2fb",
            false,
        ),
        ("https://idp.example/%61", "https://idp.example/a", false),
        (
            "https://idp.example/{tenantid}/v2.0",
            "https://idp.example/x/v2.0",
            false,
        ),
    ] {
        assert_eq!(
            issuer(stated).matches_issuer(configured),
            expected,
            "{stated} {configured}"
        );
    }
}

#[test]
fn endpoints_are_https_or_loopback_and_hide_nothing() {
    let cases = [
        ("https://idp.example/authorize", true),
        ("https://idp.example:8443/authorize?x=1", true),
        ("https://[2001:db8::1]/a", true),
        ("http://127.0.0.1/a", true),
        ("http://127.0.0.1:8080/a", true),
        ("http://[::1]:8080/a", true),
        ("http://localhost:8080/a", true),
        ("http://idp.example/a", false),
        ("http://127.0.0.2/a", false),
        ("http://127.0.0.1.evil.example/a", false),
        ("http://localhost.evil.example/a", false),
        ("http://127.0.0.1@evil.example/a", false),
        ("https://user@idp.example/a", false),
        ("https://user:pass@idp.example/a", false),
        ("https://@idp.example/a", false),
        ("https://idp.example/a#f", false),
        ("https://idp.example/a#", false),
        ("https:/idp.example", false),
        ("https:idp.example", false),
        ("https://", false),
        ("https:///a", false),
        ("//idp.example/a", false),
        ("/a", false),
        ("ftp://idp.example/a", false),
        ("javascript:alert(1)", false),
        ("file:///etc/passwd", false),
        ("https://idp.example/a b", false),
        ("https://idp.example\\@evil.example/a", false),
        ("https://idp.ex\u{e4}mple/a", false),
        ("https://idp.example:99999/a", false),
        ("HTTPS://idp.example/a", false),
    ];
    let names = [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
    ];
    for (url, expected) in cases {
        assert_eq!(is_endpoint(url), expected, "{url}");
        for name in names {
            let refused = with(name, json!(url)).err();
            let bad = (!expected).then_some(AnswerError::BadValue(name));
            assert_eq!(refused, bad, "{name} {url}");
        }
    }
    let query = with("issuer", json!("https://idp.example/?x=1"));
    assert_eq!(query, Err(AnswerError::BadValue("issuer")));
}

#[test]
fn a_document_of_the_wrong_shape_is_refused() {
    use AnswerError::{Missing, TooMany, WrongType};
    for name in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "id_token_signing_alg_values_supported",
    ] {
        let mut document = document();
        document.as_object_mut().expect("an object").remove(name);
        let parsed = ProviderMetadata::parse(document.to_string().as_bytes());
        assert_eq!(parsed, Err(Missing(name)), "{name}");
    }
    let cases = [
        (
            "issuer",
            json!(["https://idp.example"]),
            WrongType("issuer"),
        ),
        ("token_endpoint", json!(null), WrongType("token_endpoint")),
        (
            "userinfo_endpoint",
            json!({}),
            WrongType("userinfo_endpoint"),
        ),
        (
            "authorization_response_iss_parameter_supported",
            json!("true"),
            WrongType("authorization_response_iss_parameter_supported"),
        ),
        (
            "code_challenge_methods_supported",
            json!("S256"),
            WrongType("code_challenge_methods_supported"),
        ),
        (
            "scopes_supported",
            json!(vec!["openid"; 101]),
            TooMany("scopes_supported"),
        ),
    ];
    for (name, value, expected) in cases {
        assert_eq!(with(name, value.clone()), Err(expected), "{name} {value}");
    }
}

#[test]
fn b07_a_document_with_two_issuers_is_refused() {
    let text = document().to_string();
    let text = text.replacen('{', r#"{"issuer":"https://evil.example","#, 1);
    let code = ProviderMetadata::parse(text.as_bytes()).map_err(AnswerError::code);
    assert_eq!(code, Err("json_duplicate_member"));
}
