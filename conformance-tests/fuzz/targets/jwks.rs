//! A key that is kept is public, and of the length that its kind has.
#![no_main]

use curfew_protocol::SignatureAlgorithm;
use curfew_protocol::upstream::{KeyMaterial, KeySet};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(set) = KeySet::parse(data) else {
        return;
    };
    let value: Value = serde_json::from_slice(data).expect("JSON");
    let list = value["keys"].as_array().expect("a list");
    assert!(list.len() <= 100 && set.keys.len() + set.left_out == list.len());
    let private = |key: &Value| {
        ["d", "k", "p", "q"]
            .iter()
            .any(|name| key.get(name).is_some())
    };
    assert!(set.keys.len() <= list.iter().filter(|key| !private(key)).count());
    for key in &set.keys {
        // In base64url, without padding.
        match &key.material {
            KeyMaterial::Rsa { n, e } => assert!(n.len() >= 342 && (2..=7).contains(&e.len())),
            KeyMaterial::P256 { x, y } => assert_eq!((x.len(), y.len()), (43, 43)),
            KeyMaterial::P384 { x, y } => assert_eq!((x.len(), y.len()), (64, 64)),
            KeyMaterial::Ed25519 { x } => assert_eq!(x.len(), 43),
        }
        let fitting = SignatureAlgorithm::ALL
            .iter()
            .filter(|algorithm| key.fits(**algorithm));
        assert!(fitting.count() >= 1);
    }
    for algorithm in SignatureAlgorithm::ALL {
        assert!(set.candidates(None, *algorithm).len() <= 1);
        let named = set.candidates(Some("k"), *algorithm);
        assert!(
            named
                .iter()
                .all(|key| key.kid.as_deref() == Some("k") && key.fits(*algorithm))
        );
    }
});
