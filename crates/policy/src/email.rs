//! The canonical form of an e-mail address, computed once and stored beside it.
//!
//! ASCII letters are lowered, the domain goes through UTS-46 to its A-label, and nothing else is folded: Unicode case
//! folding or NFKC would make two different mailboxes equal. An address outside these rules has no canonical form and is
//! never used to find an account.

/// The longest address that a mail server must take (RFC 5321 §4.5.3.1.3, less the angle brackets).
const MAX_BYTES: usize = 254;

/// The canonical form of `address`, if it may be used to find an account.
pub fn canonical(address: &str) -> Option<String> {
    if address.len() > MAX_BYTES || address.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return None;
    }
    let (local, domain) = address.split_once('@')?;
    if domain.contains('@') || !is_dot_atom(local) {
        return None;
    }
    let domain = canonical_domain(domain)?;
    let key = format!("{}@{domain}", local.to_ascii_lowercase());
    // An A-label may be longer than what it stands for.
    (key.len() <= MAX_BYTES).then_some(key)
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
#[path = "email_tests.rs"]
mod tests;
