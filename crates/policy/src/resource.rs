//! Resource indicators (RFC 8707 §2): an absolute URI without a fragment, compared byte for byte.

/// Is `text` fit to name a resource server?
pub fn is_indicator(text: &str) -> bool {
    text.len() <= 2_000
        && text.bytes().all(|b| (0x21..=0x7e).contains(&b))
        && !text.contains('#')
        && url::Url::parse(text).is_ok()
}

/// Is `text` fit to be a `client_id`, a resource server's id, a tenant's slug or a username on the wire?
/// Letters, digits and `-._~@+`, at most 120 characters.
pub fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~@+".contains(&b);
    (1..=120).contains(&text.len()) && text.bytes().all(allowed)
}

/// Is `text` fit for people to read: one line of at most 200 characters, in any language?
pub fn is_display(text: &str) -> bool {
    let length = text.chars().count();
    (1..=200).contains(&length) && !text.chars().any(char::is_control) && !text.trim().is_empty()
}

/// Is `text` fit to be a tenant's slug: lower-case letters, digits and inner hyphens, at most 63 characters.
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
