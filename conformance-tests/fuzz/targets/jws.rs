//! A token that is taken apart is the parts that it came as.
#![no_main]

use curfew_protocol::upstream::{CompactJws, JwsHeader};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = JwsHeader::parse(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(jws) = CompactJws::parse(text) {
        assert_eq!(format!("{}.{}", jws.signed, jws.signature), text);
        assert_eq!(text.matches('.').count(), 2);
        assert!(!jws.payload.is_empty());
    }
});
