//! A canonical form is its own, plain ASCII, and a mailbox; only the case of ASCII letters and the spelling of the domain are lost.
#![no_main]

use curfew_policy::email::canonical;

libfuzzer_sys::fuzz_target!(|address: &str| {
    let Some(key) = canonical(address) else {
        return;
    };
    assert_eq!(canonical(&key).as_ref(), Some(&key));
    assert!(key.len() <= 254 && key.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    assert!(!key.bytes().any(|byte| byte.is_ascii_uppercase()));
    let (local, domain) = key.split_once('@').expect("an at");
    assert!(!domain.contains('@') && domain.contains('.') && !domain.ends_with('.'));
    let (written, _) = address.split_once('@').expect("an at");
    assert!(written.eq_ignore_ascii_case(local));
    assert_eq!(
        canonical(&address.to_ascii_uppercase()).as_ref(),
        Some(&key)
    );
});
