//! A code that a person typed reads back as itself, however it was typed.
#![no_main]

use curfew_protocol::UserCode;

libfuzzer_sys::fuzz_target!(|typed: &str| {
    let Some(code) = UserCode::parse(typed) else {
        return;
    };
    for again in [
        code.to_string(),
        code.to_string().to_lowercase(),
        code.to_string().replace('-', ""),
        format!(" {code} "),
    ] {
        assert_eq!(UserCode::parse(&again).as_ref(), Some(&code), "{again:?}");
    }
    assert!(code.as_bytes().iter().all(u8::is_ascii_uppercase));
});
