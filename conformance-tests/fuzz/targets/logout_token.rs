//! What ends sessions says so, names whom, and is no ID token.
#![no_main]

use curfew_protocol::upstream::LogoutTokenClaims;
use curfew_protocol::upstream::claims::LogoutOf;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(claims) = LogoutTokenClaims::parse(data) else {
        return;
    };
    let value: Value = serde_json::from_slice(data).expect("JSON");
    assert!(value.get("nonce").is_none());
    assert!(value["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    let (sub, sid) = match &claims.of {
        LogoutOf::Subject(sub) => (Some(sub.as_str()), None),
        LogoutOf::Session(sid) => (None, Some(sid.as_str())),
        LogoutOf::SessionOfSubject { sub, sid } => (Some(sub.as_str()), Some(sid.as_str())),
    };
    assert_eq!(value.get("sub").map(Value::as_str), sub.map(Some));
    assert_eq!(value.get("sid").map(Value::as_str), sid.map(Some));
    assert!(!claims.jti.is_empty() && !claims.aud.is_empty());
});
