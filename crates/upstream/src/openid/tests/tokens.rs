//! ID tokens: every way in which one may be wrong.

use curfew_protocol::Timestamp;
use serde_json::{Value, json};

use super::{Idp, KEYS, is_invalid};
use crate::client::Callback;
use crate::testing::keys::{Key, encode};
use crate::testing::{CALLBACK, NOW};

#[actix_web::test]
async fn every_announced_algorithm_is_verified() {
    for (key, algorithms) in [
        (
            Key::rsa(),
            &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..],
        ),
        (Key::p256(), &["ES256"]),
        (Key::p384(), &["ES384"]),
        (Key::ed25519(), &["EdDSA", "Ed25519"]),
    ] {
        let idp = Idp::with_key(key);
        for algorithm in algorithms {
            let announced = json!([algorithm]);
            let mut fresh = Idp::with_key(Key::p256());
            fresh.change(|answers| {
                answers.metadata["id_token_signing_alg_values_supported"] = announced;
                answers.keys = vec![idp.key.jwk("k1")];
            });
            let header = json!({"alg": algorithm, "kid": "k1"});
            let token = |claims: &Value| idp.key.token(&header, &claims.to_string());
            fresh.hand_out(&token(&fresh.claims()));
            assert!(fresh.identify().await.is_ok(), "{algorithm}");
            // The same token with one claim changed and the signature kept.
            let [good, evil] = ["u-1", "u-2"].map(|sub| {
                let mut claims = fresh.claims();
                claims["sub"] = json!(sub);
                token(&claims)
            });
            let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
            let forged = [part(&good, 0), part(&evil, 1), part(&good, 2)].join(".");
            fresh.hand_out(&forged);
            assert_eq!(fresh.failure().await, "token_signature", "{algorithm}");
            fresh.now = NOW;
        }
    }
}

/// What is changed about the claims, and the word of the refusal.
type Row = (&'static str, fn(&mut Value), &'static str);

const CLAIMS: &[Row] = &[
    (
        "another issuer",
        |c| c["iss"] = json!("https://evil.example"),
        "claim_iss",
    ),
    (
        "a slash more",
        |c| c["iss"] = json!(format!("{}/", c["iss"].as_str().unwrap())),
        "claim_iss",
    ),
    ("for another", |c| c["aud"] = json!("other"), "claim_aud"),
    (
        "for a longer name",
        |c| c["aud"] = json!("curfew2"),
        "claim_aud",
    ),
    (
        "for nobody",
        |c| c["aud"] = json!([]),
        "member_not_acceptable",
    ),
    (
        "for two without azp",
        |c| c["aud"] = json!(["curfew", "other"]),
        "claim_azp",
    ),
    (
        "for the other of two",
        |c| {
            c["aud"] = json!(["curfew", "other"]);
            c["azp"] = json!("other");
        },
        "claim_azp",
    ),
    (
        "by another party",
        |c| c["azp"] = json!("other"),
        "claim_azp",
    ),
    (
        "expired",
        |c| c["exp"] = json!(NOW.seconds() - 10),
        "claim_exp",
    ),
    (
        "exp as text",
        |c| c["exp"] = json!("1800000300"),
        "member_of_wrong_type",
    ),
    (
        "without exp",
        |c| {
            c.as_object_mut().unwrap().remove("exp");
        },
        "member_missing",
    ),
    (
        "iat as text",
        |c| c["iat"] = json!("1800000000"),
        "member_of_wrong_type",
    ),
    (
        "iat in the future",
        |c| c["iat"] = json!(NOW.seconds() + 11),
        "claim_iat",
    ),
    (
        "nbf as text",
        |c| c["nbf"] = json!("1800000000"),
        "member_of_wrong_type",
    ),
    (
        "nbf in the future",
        |c| c["nbf"] = json!(NOW.seconds() + 11),
        "claim_nbf",
    ),
    (
        "without nonce",
        |c| {
            c.as_object_mut().unwrap().remove("nonce");
        },
        "claim_nonce",
    ),
    (
        "another nonce",
        |c| c["nonce"] = json!("n-2"),
        "claim_nonce",
    ),
    (
        "the nonce and more",
        |c| c["nonce"] = json!("n-1 "),
        "claim_nonce",
    ),
    (
        "at_hash of another token",
        |c| c["at_hash"] = json!("77QmUPtjPfzWtF2AnpK9RQ"),
        "claim_at_hash",
    ),
    (
        "at_hash as a list",
        |c| c["at_hash"] = json!([]),
        "member_of_wrong_type",
    ),
    (
        "without sub",
        |c| {
            c.as_object_mut().unwrap().remove("sub");
        },
        "member_missing",
    ),
    (
        "an empty sub",
        |c| c["sub"] = json!(""),
        "member_not_acceptable",
    ),
    (
        "sub as a number",
        |c| c["sub"] = json!(1),
        "member_of_wrong_type",
    ),
];

#[actix_web::test]
async fn b42_a_token_that_is_not_for_us_now_is_refused() {
    let idp = Idp::start();
    for (name, change, word) in CLAIMS {
        idp.issue_with(change);
        let failure = idp.identify().await.unwrap_err();
        assert_eq!(failure.as_str(), *word, "{name}");
        assert!(is_invalid(&failure), "{name}");
    }
}

#[actix_web::test]
async fn b42_a_token_at_the_edge_of_what_is_allowed_is_taken() {
    let idp = Idp::start();
    type Edge = (&'static str, fn(&mut Value));
    let cases: &[Edge] = &[
        ("just not expired", |c| c["exp"] = json!(NOW.seconds() - 9)),
        ("issued by a fast clock", |c| {
            c["iat"] = json!(NOW.seconds() + 10)
        }),
        ("valid by a fast clock", |c| {
            c["nbf"] = json!(NOW.seconds() + 10)
        }),
        ("for two, with azp", |c| {
            c["aud"] = json!(["other", "curfew"]);
            c["azp"] = json!("curfew");
        }),
        ("for one in a list", |c| c["aud"] = json!(["curfew"])),
        // SHA-256 of `at-1`, the left half.
        ("at_hash", |c| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"at-1");
            c["at_hash"] = json!(encode(&digest.as_ref()[..16]));
        }),
    ];
    for (name, change) in cases {
        idp.issue_with(change);
        let outcome = idp.identify().await;
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}

#[actix_web::test]
async fn b41_a_fresh_sign_in_is_shown_by_auth_time() {
    let idp = Idp::start();
    let asked = Timestamp::from_seconds(NOW.seconds() - 60);
    let callback = Callback {
        fresh_since: Some(asked),
        ..CALLBACK
    };
    for (auth_time, fresh) in [
        (json!(NOW.seconds()), true),
        (json!(NOW.seconds() - 70), true),
        (json!(NOW.seconds() - 71), false),
        (json!(NOW.seconds() + 11), false),
        (Value::Null, false),
    ] {
        idp.issue_with(|claims| {
            if !auth_time.is_null() {
                claims["auth_time"] = auth_time.clone();
            }
        });
        let outcome = idp.identify_with(callback).await;
        assert_eq!(outcome.is_ok(), fresh, "{auth_time} {outcome:?}");
        if let Err(failure) = outcome {
            assert_eq!(failure.as_str(), "claim_auth_time");
        }
    }
}

#[actix_web::test]
async fn b42_the_header_chooses_neither_key_nor_algorithm() {
    let idp = Idp::start();
    let jwk = Key::p256().jwk("k1");
    for (header, word) in [
        (json!({"alg": "none", "kid": "k1"}), "member_not_acceptable"),
        (json!({"kid": "k1"}), "member_missing"),
        (json!({"alg": "ES384", "kid": "k1"}), "token_algorithm"),
        (json!({"alg": "RS256", "kid": "k1"}), "token_algorithm"),
        (
            json!({"alg": "ES256", "kid": "k1", "jku": "https://evil.example/jwks"}),
            "member_forbidden",
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "jwk": jwk}),
            "member_forbidden",
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "x5u": "https://evil.example/"}),
            "member_forbidden",
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "x5c": ["MII"]}),
            "member_forbidden",
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "crit": ["exp"]}),
            "member_forbidden",
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}),
            "token_type",
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}),
            "token_type",
        ),
        (json!({"alg": "ES256", "kid": "k2"}), "token_key"),
    ] {
        idp.hand_out(&idp.key.token(&header, &idp.claims().to_string()));
        let failure = idp.identify().await.unwrap_err();
        assert_eq!(failure.as_str(), word, "{header}");
        assert!(is_invalid(&failure), "{header}");
    }
    // An unsigned token, and one signed by somebody else under the provider's name of the key.
    let claims = encode(idp.claims().to_string());
    for unsigned in [
        format!("{}.{claims}.", encode(r#"{"alg":"none"}"#)),
        format!("{}.{claims}", encode(r#"{"alg":"none"}"#)),
        "e30.e30.e30.e30.e30".to_owned(),
    ] {
        idp.hand_out(&unsigned);
        assert!(is_invalid(&idp.identify().await.unwrap_err()), "{unsigned}");
    }
    let header = json!({"alg": "ES256", "kid": "k1"});
    idp.hand_out(&Key::p256().token(&header, &idp.claims().to_string()));
    assert_eq!(idp.failure().await, "token_signature");
}

#[actix_web::test]
async fn b42_a_public_key_is_no_secret() {
    let idp = Idp::with_key(Key::rsa());
    idp.change(|answers| {
        answers.metadata["id_token_signing_alg_values_supported"] = json!(["RS256", "HS256"]);
    });
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","kid":"k1"}"#),
        encode(idp.claims().to_string())
    );
    let published = idp.key.jwk("k1");
    for secret in [
        published["n"].as_str().unwrap().as_bytes(),
        published.to_string().as_bytes(),
    ] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        idp.hand_out(&format!("{signed}.{}", encode(tag)));
        assert_eq!(idp.failure().await, "member_not_acceptable");
    }
}

#[actix_web::test]
async fn b07_claims_that_are_there_twice_are_refused() {
    let idp = Idp::start();
    let header = json!({"alg": "ES256", "kid": "k1"});
    for twice in [
        r#""sub":"u-2","#,
        r#""email_verified":false,"#,
        r#""s\u0075b":"u-2","#,
    ] {
        let payload = idp
            .claims()
            .to_string()
            .replacen('{', &format!("{{{twice}"), 1);
        idp.hand_out(&idp.key.token(&header, &payload));
        assert_eq!(idp.failure().await, "json_duplicate_member", "{twice}");
    }
}

#[actix_web::test]
async fn b42_an_unknown_key_makes_us_ask_again_at_most_once_a_minute() {
    let mut idp = Idp::start();
    assert!(idp.identify().await.is_ok());
    assert_eq!(idp.server.count(KEYS), 1);
    // The provider changes its key: the next login finds out.
    let renewed = Key::p256();
    idp.change(|answers| answers.keys = vec![renewed.jwk("k2")]);
    let token = |idp: &Idp, kid: &str| {
        let header = json!({"alg": "ES256", "kid": kid});
        idp.hand_out(&renewed.token(&header, &idp.claims().to_string()));
    };
    token(&idp, "k2");
    assert!(idp.identify().await.is_ok());
    assert_eq!(idp.server.count(KEYS), 2);
    // Then tokens come with keys that nobody has.
    token(&idp, "k3");
    for seconds in 0..60 {
        idp.now = Timestamp::from_seconds(NOW.seconds() + seconds);
        assert_eq!(idp.failure().await, "token_key");
    }
    assert_eq!(idp.server.count(KEYS), 2);
    idp.now = Timestamp::from_seconds(NOW.seconds() + 60);
    for _ in 0..3 {
        assert_eq!(idp.failure().await, "token_key");
    }
    assert_eq!(idp.server.count(KEYS), 3);
}

#[actix_web::test]
async fn a_token_without_a_key_name_is_verified_only_where_there_is_no_choice() {
    let idp = Idp::start();
    let header = json!({"alg": "ES256"});
    let token = idp.key.token(&header, &idp.claims().to_string());
    // A key of another kind, and one that is not for signatures, are no choice.
    let mut encryption = Key::p256().jwk("k2");
    encryption["use"] = json!("enc");
    let own = idp.key.jwk("k1");
    idp.change(|answers| {
        answers.keys = vec![own.clone(), Key::ed25519().jwk("k3"), encryption];
    });
    idp.hand_out(&token);
    assert!(idp.identify().await.is_ok());
    let undecided = Idp::start();
    undecided.change(|answers| answers.keys = vec![own, Key::p256().jwk("k4")]);
    let header = json!({"alg": "ES256"});
    let claims = undecided.claims().to_string();
    undecided.hand_out(&idp.key.token(&header, &claims));
    assert_eq!(undecided.failure().await, "token_key");
}
