//! The canonical form of an e-mail address, computed once and stored beside it.
//!
//! ASCII letters are lowered, the domain goes through UTS-46 to its A-label, and nothing else is folded: Unicode case
//! folding or NFKC would make two different mailboxes equal. An address outside these rules has no canonical form and is
//! never used to find an account.

/// The canonical form of `address`, if it may be used to find an account.
pub fn canonical(address: &str) -> Option<String> {
    if address.len() > 254 || address.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return None;
    }
    let (local, domain) = address.split_once('@')?;
    if domain.contains('@') || !is_dot_atom(local) {
        return None;
    }
    let domain = canonical_domain(domain)?;
    Some(format!("{}@{domain}", local.to_ascii_lowercase()))
}

/// The A-label form of a domain name with at least two labels.
pub(crate) fn canonical_domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let plausible = ascii.contains('.') && !ascii.ends_with('.') && !ascii.starts_with('.');
    (plausible && ascii.len() <= 253).then_some(ascii)
}

/// An unquoted local part (RFC 5321 §4.1.2), ASCII only.
fn is_dot_atom(local: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    (1..=64).contains(&local.len())
        && local
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(atom))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn b30_only_ascii_is_lowered_and_the_domain_becomes_an_a_label() {
        let cases: &[(&str, Option<&str>)] = &[
            ("Alice@Example.COM", Some("alice@example.com")),
            ("a.b+tag@example.com", Some("a.b+tag@example.com")),
            ("a@b\u{fc}cher.example", Some("a@xn--bcher-kva.example")),
            ("a@xn--bcher-kva.example", Some("a@xn--bcher-kva.example")),
            ("a@bu\u{308}cher.example", Some("a@xn--bcher-kva.example")),
            ("\u{212a}@example.com", None),
            ("\u{130}@example.com", None),
            ("stra\u{df}e@example.com", None),
            ("\u{430}lice@example.com", None),
            ("\u{ff41}@example.com", None),
            ("a@example.com.", None),
            ("", None),
            ("   ", None),
            ("alice", None),
            ("a@b@example.com", None),
            ("\"a b\"@example.com", None),
            ("a@example.com\r\nBcc: x@y.example", None),
            ("a\u{0}@example.com", None),
            (" a@example.com", None),
            (".a@example.com", None),
            ("a..b@example.com", None),
            ("a@localhost", None),
        ];
        for (address, expected) in cases {
            assert_eq!(canonical(address).as_deref(), *expected, "{address:?}");
        }
        assert_eq!(canonical(&format!("a@{}.example", "x".repeat(250))), None);
    }
}
