//! Breaks on purpose. Only a search that coverage guides gets here within seconds: `run` fails unless it does.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut rest = data.iter();
    for letter in b"CURFEW" {
        if rest.next() != Some(letter) {
            return;
        }
    }
    panic!("the canary was found");
});
