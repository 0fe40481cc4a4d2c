//! A token that is taken can be sent in a header, and what a provider says about an error is one short line.
#![no_main]

use curfew_protocol::upstream::TokenAnswer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match TokenAnswer::parse(data) {
        Ok(TokenAnswer::Granted(tokens)) => {
            let token = &tokens.access_token.0;
            assert!(!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
            assert!(tokens.expires_in.is_none_or(|seconds| seconds >= 0));
            assert!(!format!("{tokens:?}").contains(token.as_str()) || token.len() < 16);
        }
        Ok(TokenAnswer::Refused(refusal)) => {
            assert!(!refusal.error.is_empty() && refusal.error.is_ascii());
            let description = refusal.description.unwrap_or_default();
            assert!(!description.contains(char::is_control) && description.chars().count() <= 300);
        }
        Err(_) => (),
    }
});
