use serde_json::{Value, json};

use super::*;
use crate::upstream::EmailVerified;

fn id_token() -> Value {
    json!({
        "iss": "https://idp.example", "sub": "u-1", "aud": "curfew", "exp": 1_800_000_600, "iat": 1_800_000_000,
        "nonce": "n-1",
    })
}

fn logout_token() -> Value {
    json!({
        "iss": "https://idp.example", "aud": "curfew", "iat": 1_800_000_000, "exp": 1_800_000_120, "jti": "j-1",
        "events": {LOGOUT_EVENT: {}}, "sub": "u-1", "sid": "s-1",
    })
}

/// `base` with one member set.
fn with(mut base: Value, name: &str, value: Value) -> Vec<u8> {
    base[name] = value;
    base.to_string().into_bytes()
}

/// `base` with one member taken out.
fn without(mut base: Value, name: &str) -> Vec<u8> {
    base.as_object_mut().expect("an object").remove(name);
    base.to_string().into_bytes()
}

#[test]
fn an_id_token_comes_out_as_it_was_written() {
    let mut value = id_token();
    for (name, more) in [
        ("aud", json!(["curfew", "other"])),
        ("azp", json!("curfew")),
        ("nbf", json!(1)),
        ("auth_time", json!(0)),
        ("at_hash", json!("h")),
        ("sid", json!("s")),
        ("acr", json!("1")),
        ("amr", json!(["pwd", "otp"])),
        ("email", json!("a@b.example")),
        ("email_verified", json!(true)),
        ("name", json!("Ann")),
        ("unknown", json!({"sub": "x"})),
    ] {
        value[name] = more;
    }
    let claims = IdTokenClaims::parse(value.to_string().as_bytes()).expect("claims");
    let text = |text: &str| Some(text.to_owned());
    let expected = IdTokenClaims {
        iss: "https://idp.example".to_owned(),
        sub: "u-1".to_owned(),
        aud: vec!["curfew".to_owned(), "other".to_owned()],
        azp: text("curfew"),
        exp: 1_800_000_600,
        iat: 1_800_000_000,
        nbf: Some(1),
        auth_time: Some(0),
        nonce: text("n-1"),
        at_hash: text("h"),
        sid: text("s"),
        acr: text("1"),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        email: EmailClaims {
            email: text("a@b.example"),
            verified: EmailVerified::Yes,
        },
        name: text("Ann"),
        preferred_username: None,
    };
    assert_eq!(claims, expected);
}

#[test]
fn b20_a_subject_is_text_that_is_there_and_not_too_long() {
    use AnswerError::{BadValue, WrongType};
    let long = "x".repeat(256);
    // 128 characters, 256 bytes
    let long_in_bytes = "ä".repeat(128);
    let cases = [
        (json!(""), BadValue("sub")),
        (json!(" "), BadValue("sub")),
        (json!(" \u{a0}\u{2003}\u{3000}"), BadValue("sub")),
        (json!("\t"), BadValue("sub")),
        (json!("a\u{0}"), BadValue("sub")),
        (json!("a\nb"), BadValue("sub")),
        (json!("a\u{7f}"), BadValue("sub")),
        (json!(long), BadValue("sub")),
        (json!(long_in_bytes), BadValue("sub")),
        (json!(7), WrongType("sub")),
        (json!(0), WrongType("sub")),
        (json!(null), WrongType("sub")),
        (json!(true), WrongType("sub")),
        (json!(["u-1"]), WrongType("sub")),
        (json!({"sub": "u-1"}), WrongType("sub")),
    ];
    for (sub, expected) in cases {
        let token = IdTokenClaims::parse(&with(id_token(), "sub", sub.clone()));
        assert_eq!(token, Err(expected), "{sub}");
        let info = UserInfo::parse(json!({"sub": sub}).to_string().as_bytes());
        assert_eq!(info, Err(expected), "{sub}");
    }
    let missing = AnswerError::Missing("sub");
    assert_eq!(
        IdTokenClaims::parse(&without(id_token(), "sub")),
        Err(missing)
    );
    assert_eq!(UserInfo::parse(b"{}"), Err(missing));
}

#[test]
fn b20_a_subject_is_kept_byte_for_byte() {
    let longest = "x".repeat(255);
    for sub in [
        "Alice",
        "alice",
        " a ",
        "\u{e9}",
        "e\u{301}",
        "\u{212a}",
        "0",
        "true",
        "a||b",
        "\u{1f511}",
        "'; --",
        &longest,
    ] {
        let claims = IdTokenClaims::parse(&with(id_token(), "sub", json!(sub))).expect(sub);
        assert_eq!(claims.sub.as_bytes(), sub.as_bytes());
    }
}

#[test]
fn b42_times_are_integers_and_nothing_that_looks_like_one() {
    use AnswerError::{BadValue, WrongType};
    for name in ["exp", "iat", "nbf", "auth_time"] {
        let cases = [
            (json!("1800000000"), WrongType(name)),
            (json!(null), WrongType(name)),
            (json!(true), WrongType(name)),
            (json!([1_800_000_000]), WrongType(name)),
            (json!({}), WrongType(name)),
            (json!(1_800_000_000.0), BadValue(name)),
            (json!(1_800_000_000.5), BadValue(name)),
            (json!(1e300), BadValue(name)),
            (json!(-1), BadValue(name)),
            (json!(-0.0), BadValue(name)),
            (json!(i64::MIN), BadValue(name)),
            (json!(u64::MAX), BadValue(name)),
            (json!(i64::MAX), BadValue(name)),
            (json!(253_402_300_800_u64), BadValue(name)),
        ];
        for (time, expected) in cases {
            let token = IdTokenClaims::parse(&with(id_token(), name, time.clone()));
            assert_eq!(token, Err(expected), "{name} {time}");
        }
        assert!(IdTokenClaims::parse(&with(id_token(), name, json!(253_402_300_799_u64))).is_ok());
    }
    // An integer that the writer spelled as a power of ten is a float to every reader.
    let text = String::from_utf8(without(id_token(), "exp")).expect("text");
    let text = text.replacen('{', r#"{"exp":1e3,"#, 1);
    assert_eq!(IdTokenClaims::parse(text.as_bytes()), Err(BadValue("exp")));
}

#[test]
fn b42_what_must_be_there_is_there() {
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let token = IdTokenClaims::parse(&without(id_token(), name));
        assert_eq!(token, Err(AnswerError::Missing(name)), "{name}");
    }
}

#[test]
fn b42_every_claim_has_its_type() {
    use AnswerError::{BadValue, TooMany, WrongType};
    let cases = [
        ("iss", json!(""), BadValue("iss")),
        ("iss", json!(7), WrongType("iss")),
        ("iss", json!(["https://idp.example"]), WrongType("iss")),
        ("aud", json!([]), BadValue("aud")),
        ("aud", json!(""), BadValue("aud")),
        ("aud", json!([""]), BadValue("aud")),
        ("aud", json!(["curfew", 7]), WrongType("aud")),
        ("aud", json!([["curfew"]]), WrongType("aud")),
        ("aud", json!({"curfew": true}), WrongType("aud")),
        ("aud", json!(vec!["curfew"; 101]), TooMany("aud")),
        ("azp", json!(["curfew"]), WrongType("azp")),
        ("azp", json!(null), WrongType("azp")),
        ("nonce", json!(7), WrongType("nonce")),
        ("nonce", json!(["n-1"]), WrongType("nonce")),
        ("nonce", json!(""), BadValue("nonce")),
        ("at_hash", json!(false), WrongType("at_hash")),
        ("sid", json!(1), WrongType("sid")),
        ("acr", json!(1), WrongType("acr")),
        ("amr", json!("pwd"), WrongType("amr")),
        ("amr", json!([1]), WrongType("amr")),
    ];
    for (name, value, expected) in cases {
        let token = IdTokenClaims::parse(&with(id_token(), name, value.clone()));
        assert_eq!(token, Err(expected), "{name} {value}");
    }
    for body in ["[]", "\"x\"", "null", "1"] {
        let refused = Err(AnswerError::NotAnObject);
        assert_eq!(IdTokenClaims::parse(body.as_bytes()), refused, "{body}");
    }
}

#[test]
fn b07_a_claim_that_is_there_twice_refuses_token_and_userinfo() {
    let twice = [
        r#"{"sub":"a","email":"a@b.example","email_verified":false,"email_verified":true}"#,
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"sub":"a","address":{"country":"x","country":"y"}}"#,
    ];
    for text in twice {
        let refused = AnswerError::Unreadable(crate::upstream::StrictError::Duplicate);
        assert_eq!(UserInfo::parse(text.as_bytes()), Err(refused), "{text}");
        let token = text.replacen(
            '{',
            r#"{"iss":"https://idp.example","aud":"c","exp":2,"iat":1,"#,
            1,
        );
        assert_eq!(
            IdTokenClaims::parse(token.as_bytes()),
            Err(refused),
            "{token}"
        );
    }
}

#[test]
fn b06_what_is_said_about_an_address_never_refuses_the_person() {
    for said in [
        "null", "[]", "{}", "0", "1", "1.0", "\"yes\"", "\"TRUE\"", "[true]",
    ] {
        let body = format!(r#"{{"sub":"u","email":"a@b.example","email_verified":{said}}}"#);
        let info = UserInfo::parse(body.as_bytes()).expect(said);
        assert_eq!(info.email.verified, EmailVerified::No, "{said}");
    }
}

#[test]
fn names_that_are_only_shown_refuse_nobody() {
    for name in [
        json!(null),
        json!(7),
        json!("a\r\nb"),
        json!("x".repeat(256)),
        json!(""),
    ] {
        let body = json!({"sub": "u", "name": name, "preferred_username": name});
        let info = UserInfo::parse(body.to_string().as_bytes()).expect("an answer");
        assert_eq!((info.name, info.preferred_username), (None, None), "{name}");
    }
}

#[test]
fn a_logout_token_names_a_subject_or_a_session_or_both() {
    let parse = |bytes: Vec<u8>| LogoutTokenClaims::parse(&bytes).map(|claims| claims.of);
    let (sub, sid) = ("u-1".to_owned(), "s-1".to_owned());
    assert_eq!(
        parse(without(logout_token(), "sid")),
        Ok(LogoutOf::Subject(sub.clone()))
    );
    assert_eq!(
        parse(without(logout_token(), "sub")),
        Ok(LogoutOf::Session(sid.clone()))
    );
    assert_eq!(
        parse(logout_token().to_string().into_bytes()),
        Ok(LogoutOf::SessionOfSubject { sub, sid })
    );
    let mut neither = logout_token();
    neither.as_object_mut().expect("an object").remove("sub");
    assert_eq!(
        parse(without(neither, "sid")),
        Err(AnswerError::Missing("sub"))
    );
}

#[test]
fn b42_what_is_no_logout_token_ends_nothing() {
    use AnswerError::{BadValue, Forbidden, Missing, WrongType};
    for name in ["iss", "aud", "iat", "exp", "jti", "events"] {
        let token = LogoutTokenClaims::parse(&without(logout_token(), name));
        assert_eq!(token, Err(Missing(name)), "{name}");
    }
    let cases = [
        ("nonce", json!("n"), Forbidden("nonce")),
        ("nonce", json!(null), Forbidden("nonce")),
        ("events", json!([LOGOUT_EVENT]), WrongType("events")),
        ("events", json!({}), BadValue("events")),
        ("events", json!({"x": {}}), BadValue("events")),
        ("events", json!({LOGOUT_EVENT: true}), BadValue("events")),
        ("events", json!({LOGOUT_EVENT: []}), BadValue("events")),
        ("events", json!({LOGOUT_EVENT: null}), BadValue("events")),
        ("sub", json!(7), WrongType("sub")),
        ("sub", json!(""), BadValue("sub")),
        ("sid", json!(null), WrongType("sid")),
        ("sid", json!("x".repeat(256)), BadValue("sid")),
        ("jti", json!(1), WrongType("jti")),
        ("iat", json!("1"), WrongType("iat")),
        ("exp", json!(1.0), BadValue("exp")),
        ("nbf", json!("1"), WrongType("nbf")),
        ("aud", json!([]), BadValue("aud")),
    ];
    for (name, value, expected) in cases {
        let token = LogoutTokenClaims::parse(&with(logout_token(), name, value.clone()));
        assert_eq!(token, Err(expected), "{name} {value}");
    }
    let id_token = LogoutTokenClaims::parse(id_token().to_string().as_bytes());
    assert_eq!(id_token, Err(Forbidden("nonce")));
    let id_token = without(self::id_token(), "nonce");
    assert_eq!(LogoutTokenClaims::parse(&id_token), Err(Missing("events")));
    let twice = br#"{"events":{"http://schemas.openid.net/event/backchannel-logout":{},"http://schemas.openid.net/event/backchannel-logout":{}}}"#;
    let code = LogoutTokenClaims::parse(twice).map_err(AnswerError::code);
    assert_eq!(code, Err("json_duplicate_member"));
}
