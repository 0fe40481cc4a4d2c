//! Claims that are taken are what every other JSON reader reads, and of the right types.
#![no_main]

use curfew_protocol::upstream::{IdTokenClaims, strict};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let strictly = strict::parse(data);
    let plainly: Result<Value, _> = serde_json::from_slice(data);
    if let Ok(strictly) = &strictly {
        assert_eq!(plainly.as_ref().ok(), Some(strictly));
    }
    let Ok(claims) = IdTokenClaims::parse(data) else {
        return;
    };
    let value = strictly.expect("claims are strict JSON");
    assert_eq!(value["sub"], claims.sub.as_str());
    assert_eq!(value["iss"], claims.iss.as_str());
    assert!((1..=255).contains(&claims.sub.len()) && !claims.sub.trim().is_empty());
    assert!(!claims.sub.contains(char::is_control) && !claims.iss.is_empty());
    assert!((1..=100).contains(&claims.aud.len()));
    for (name, time) in [
        ("exp", Some(claims.exp)),
        ("iat", Some(claims.iat)),
        ("nbf", claims.nbf),
        ("auth_time", claims.auth_time),
    ] {
        assert_eq!(value.get(name).map(Value::as_i64), time.map(Some), "{name}");
        assert!(time.is_none_or(|time| (0..=253_402_300_799).contains(&time)));
    }
    assert_eq!(
        value.get("nonce").map(Value::as_str),
        claims.nonce.as_deref().map(Some)
    );
    assert_eq!(
        value.get("azp").map(Value::as_str),
        claims.azp.as_deref().map(Some)
    );
});
