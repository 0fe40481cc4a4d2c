use serde_json::json;

use super::*;
use crate::upstream::StrictError;

/// `length` bytes, the first and the last as given.
fn part(length: usize, first: u8, last: u8) -> String {
    let mut bytes = vec![0x55; length];
    bytes[0] = first;
    bytes[length - 1] = last;
    URL_SAFE_NO_PAD.encode(bytes)
}

fn modulus(length: usize) -> String {
    part(length, 0xc0, 1)
}

fn rsa_key() -> Value {
    json!({"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": modulus(256), "e": "AQAB"})
}

fn p256_key() -> Value {
    json!({"kty": "EC", "kid": "e", "crv": "P-256", "x": part(32, 0, 0), "y": part(32, 1, 1)})
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

fn parse(keys: &[Value]) -> Result<KeySet, AnswerError> {
    KeySet::parse(json!({"keys": keys, "other": 1}).to_string().as_bytes())
}

fn only(key: Value) -> Option<PublicKey> {
    let set = parse(std::slice::from_ref(&key)).expect("a set");
    assert_eq!(set.keys.len() + set.left_out, 1, "{key}");
    set.keys.into_iter().next()
}

#[test]
fn every_kind_that_verifies_is_kept_with_its_parts() {
    let rsa = only(rsa_key()).expect("RSA");
    let (n, e) = (modulus(256), "AQAB".to_owned());
    assert_eq!(rsa.material, KeyMaterial::Rsa { n, e });
    assert_eq!(rsa.kid.as_deref(), Some("r"));
    assert!(rsa.fits(SignatureAlgorithm::Rs256) && !rsa.fits(SignatureAlgorithm::Ps256));

    let p256 = only(p256_key()).expect("P-256");
    let (x, y) = (part(32, 0, 0), part(32, 1, 1));
    assert_eq!(p256.material, KeyMaterial::P256 { x, y });
    assert!(p256.fits(SignatureAlgorithm::Es256) && !p256.fits(SignatureAlgorithm::Es384));

    let p384 = json!({"kty": "EC", "crv": "P-384", "x": part(48, 1, 1), "y": part(48, 1, 1), "key_ops": ["verify"]});
    assert!(only(p384).is_some_and(|key| key.fits(SignatureAlgorithm::Es384)));

    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": part(32, 1, 1), "alg": "EdDSA"});
    let ed25519 = only(ed25519).expect("Ed25519");
    let x = part(32, 1, 1);
    assert_eq!(ed25519.material, KeyMaterial::Ed25519 { x });
    assert!(ed25519.fits(SignatureAlgorithm::EdDsa));
}

#[test]
fn a_leading_zero_of_a_number_is_taken_off() {
    let padded = {
        let mut bytes = vec![0];
        bytes.extend(URL_SAFE_NO_PAD.decode(modulus(256)).expect("base64url"));
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let key = with(with(rsa_key(), "n", json!(padded)), "e", json!("AAEAAQ"));
    let (n, e) = (modulus(256), "AQAB".to_owned());
    assert_eq!(
        only(key).map(|key| key.material),
        Some(KeyMaterial::Rsa { n, e })
    );
}

#[test]
fn b42_a_secret_or_a_private_key_is_never_one_of_the_set() {
    let symmetric = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0"});
    assert_eq!(only(symmetric), None);
    for name in PRIVATE {
        assert_eq!(only(with(rsa_key(), name, json!("AQAB"))), None, "{name}");
        assert_eq!(only(with(p256_key(), name, json!(null))), None, "{name}");
    }
}

#[test]
fn a_key_that_verifies_nothing_of_ours_is_left_out() {
    let long = "A".repeat(MAX_PART + 1);
    let cases = [
        json!("key"),
        json!(null),
        json!({}),
        json!({"kty": "PQC", "x": "AQAB"}),
        with(rsa_key(), "kty", json!(["RSA"])),
        with(rsa_key(), "use", json!("enc")),
        with(rsa_key(), "use", json!(["sig"])),
        with(rsa_key(), "key_ops", json!(["encrypt"])),
        with(rsa_key(), "key_ops", json!("verify")),
        with(rsa_key(), "alg", json!("RSA-OAEP")),
        with(rsa_key(), "alg", json!("ES256")),
        with(rsa_key(), "alg", json!("HS256")),
        with(rsa_key(), "alg", json!(1)),
        with(rsa_key(), "kid", json!(7)),
        with(rsa_key(), "n", json!(modulus(255))),
        with(rsa_key(), "n", json!(modulus(128))),
        with(rsa_key(), "n", json!(modulus(1_025))),
        // 2047 bits, and an even number
        with(rsa_key(), "n", json!(part(256, 0x7f, 1))),
        with(rsa_key(), "n", json!(part(256, 0xc0, 2))),
        with(rsa_key(), "n", json!("")),
        with(rsa_key(), "n", json!("AAAA")),
        with(rsa_key(), "n", json!(long)),
        with(rsa_key(), "n", json!(modulus(256) + "=")),
        with(rsa_key(), "n", json!(modulus(256).replacen('V', "+", 1))),
        with(rsa_key(), "e", json!("AQ")),
        with(rsa_key(), "e", json!("AA")),
        with(rsa_key(), "e", json!("AQAA")),
        with(rsa_key(), "e", json!(part(5, 2, 1))),
        with(rsa_key(), "e", json!(part(9, 1, 1))),
        with(rsa_key(), "e", json!(65_537)),
        with(p256_key(), "crv", json!("P-384")),
        with(p256_key(), "crv", json!("secp256k1")),
        with(p256_key(), "crv", json!("P-521")),
        with(p256_key(), "x", json!(part(31, 1, 1))),
        with(p256_key(), "y", json!(part(33, 0, 1))),
        with(p256_key(), "alg", json!("ES384")),
        json!({"kty": "OKP", "crv": "X25519", "x": part(32, 1, 1)}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": part(31, 1, 1)}),
    ];
    for key in cases {
        assert_eq!(only(key.clone()), None, "{key}");
    }
    let mixed = parse(&[json!({"kty": "PQC"}), p256_key(), json!(1)]).expect("a set");
    assert_eq!((mixed.keys.len(), mixed.left_out), (1, 2));
}

#[test]
fn b07_a_set_with_a_repeated_member_is_refused_as_a_whole() {
    for text in [
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kid":"a","kid":"b"}]}"#,
        r#"{"keys":[{"kty":"PQC"},{"kty":"oct","kty":"RSA"}]}"#,
    ] {
        let refused = AnswerError::Unreadable(StrictError::Duplicate);
        assert_eq!(KeySet::parse(text.as_bytes()), Err(refused), "{text}");
    }
}

#[test]
fn a_set_of_the_wrong_shape_is_refused() {
    let cases = [
        (json!([]), AnswerError::NotAnObject),
        (json!({}), AnswerError::Missing("keys")),
        (json!({"keys": {}}), AnswerError::WrongType("keys")),
        (
            json!({"keys": vec![p256_key(); 101]}),
            AnswerError::TooMany("keys"),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(KeySet::parse(body.to_string().as_bytes()), Err(expected));
    }
    assert!(parse(&vec![p256_key(); 100]).is_ok_and(|set| set.keys.len() == 100));
}

#[test]
fn b42_a_token_is_verified_with_the_key_it_names_and_of_its_kind() {
    let set = parse(&[
        rsa_key(),
        with(p256_key(), "kid", json!("r")),
        with(rsa_key(), "kid", json!("r2")),
        p256_key(),
    ])
    .expect("a set");
    let found = |kid, algorithm| set.candidates(kid, algorithm).len();
    assert_eq!(found(Some("r"), SignatureAlgorithm::Rs256), 1);
    assert_eq!(found(Some("r"), SignatureAlgorithm::Es256), 1);
    assert_eq!(found(Some("e"), SignatureAlgorithm::Rs256), 0);
    assert_eq!(found(Some("unknown"), SignatureAlgorithm::Rs256), 0);
    assert_eq!(found(Some("R"), SignatureAlgorithm::Rs256), 0);
    // Two keys would do, and the token does not say which.
    assert_eq!(found(None, SignatureAlgorithm::Rs256), 0);
    let one = parse(&[rsa_key(), p256_key()]).expect("a set");
    assert_eq!(one.candidates(None, SignatureAlgorithm::Es256).len(), 1);
}
