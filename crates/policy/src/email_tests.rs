use super::canonical;

#[path = "email_cases.rs"]
mod cases;

use cases::CASES;

#[test]
fn b30_only_ascii_is_lowered_and_the_domain_becomes_an_a_label() {
    for (class, address, expected) in CASES {
        assert_eq!(
            canonical(address).as_deref(),
            *expected,
            "{class}: {address:?}"
        );
    }
}

#[test]
fn b30_a_canonical_form_is_its_own() {
    for (class, _, key) in CASES {
        if let Some(key) = key {
            assert_eq!(canonical(key).as_deref(), Some(*key), "{class}");
            assert!(key.is_ascii(), "{class}");
        }
    }
}

/// RFC 5321 §4.5.3.1: 64 bytes before the at, 254 in all, in the form that travels.
#[test]
fn b10_an_address_is_as_long_as_a_mail_server_must_take() {
    let local = |length: usize| format!("{}@example.com", "a".repeat(length));
    assert!(canonical(&local(64)).is_some());
    assert_eq!(canonical(&local(65)), None);
    let labels = |count: usize, rest: usize| {
        let label = format!("{}.", "x".repeat(61));
        format!("a@{}{}.example", label.repeat(count), "y".repeat(rest))
    };
    assert_eq!(labels(3, 58).len(), 254);
    assert!(canonical(&labels(3, 58)).is_some());
    assert_eq!(canonical(&labels(3, 59)), None);
    assert_eq!(canonical(&format!("a@{}.example", "x".repeat(64))), None);
    // Short as it is written, too long as an A-label.
    let wide = format!("a@{}example", "\u{e4}\u{f6}\u{fc}\u{df}.".repeat(24));
    assert!(wide.len() < 254 && canonical(&wide).is_none(), "{wide}");
}
