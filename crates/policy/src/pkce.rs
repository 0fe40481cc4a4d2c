//! The shape of PKCE values (RFC 7636 §4.1 and §4.2). The comparison itself is oxide-auth's.

/// A `code_verifier`: 43 to 128 unreserved characters.
pub fn is_verifier(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

/// An S256 `code_challenge`: the base64url spelling of 32 bytes.
pub fn is_s256_challenge(text: &str) -> bool {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    text.len() == 43 && text.bytes().all(base64url)
}
