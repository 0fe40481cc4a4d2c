//! Checks of single words: names, scopes, origins, lifetimes.

use curfew_policy::resource::{is_display, is_name};
use curfew_protocol::{OwnScope, ScopeSet};

use crate::AdminError;

/// The scope that asks for a refresh token; it belongs to no resource server and needs no registration.
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// Words so broad that a token with them could do anything (E02).
const TOO_BROAD: &[&str] = &[
    "admin",
    "administrator",
    "all",
    "everything",
    "root",
    "superuser",
    "full",
];

/// An identifier on the wire.
pub(crate) fn check_name(what: &str, text: &str) -> Result<(), AdminError> {
    if is_name(text) {
        return Ok(());
    }
    Err(AdminError::invalid(format!(
        "`{text}` cannot be a {what}; use 1 to 120 letters, digits and the characters - . _ ~ @ +"
    )))
}

/// What people read: any language, but no control characters.
pub(crate) fn check_display(what: &str, text: &str) -> Result<(), AdminError> {
    if is_display(text) {
        return Ok(());
    }
    Err(AdminError::invalid(format!(
        "the {what} is empty, longer than 200 characters, or has a line break in it; write one short line"
    )))
}

/// One scope, not too broad.
pub(crate) fn check_scope(name: &str) -> Result<(), AdminError> {
    let one = ScopeSet::parse(name).is_ok_and(|set| set.iter().count() == 1) && !name.contains(' ');
    if !one || name.len() > 120 {
        return Err(AdminError::invalid(format!(
            "`{name}` cannot be a scope; use 1 to 120 printable ASCII characters without space, quote and backslash"
        )));
    }
    if name.starts_with("curfew:") && OwnScope::parse(name).is_none() {
        return Err(AdminError::invalid(format!(
            "`{name}` cannot be a scope: names that begin with `curfew:` are those of Curfew's own API"
        )));
    }
    if name.contains('*') || TOO_BROAD.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(AdminError::invalid(format!(
            "`{name}` is too broad to be a scope; name what it allows and where, such as `notes:read`"
        )));
    }
    Ok(())
}

/// A web origin exactly as browsers send it: `https://host[:port]`, or http on a loopback address.
pub(crate) fn check_origin(text: &str) -> Result<(), AdminError> {
    let exact = url_origin(text).is_some_and(|origin| origin == text);
    let loopback = ["http://127.0.0.1", "http://[::1]", "http://localhost"]
        .iter()
        .any(|host| {
            text.strip_prefix(host)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
    if exact && (text.starts_with("https://") || loopback) {
        return Ok(());
    }
    Err(AdminError::invalid(format!(
        "`{text}` is no web origin; write it as browsers send it: https://host or https://host:port, without a path \
         (http only for 127.0.0.1, [::1] and localhost)"
    )))
}

fn url_origin(text: &str) -> Option<String> {
    let plain = text.bytes().all(|b| (0x21..=0x7e).contains(&b)) && !text.contains(['*', '@']);
    if plain {
        curfew_policy::redirect::origin(text)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e02_wildcards_and_words_for_everything_are_no_scopes() {
        for name in [
            "*", "notes:*", "admin", "Admin", "all", "root", "", "a b", "a\"b", "ä",
        ] {
            assert!(check_scope(name).is_err(), "{name:?}");
        }
        for name in ["notes:read", "admin:users:read", "offline_access"] {
            assert!(check_scope(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn origins_are_exact() {
        for origin in [
            "https://a.example",
            "https://a.example:8443",
            "http://127.0.0.1:8081",
            "http://[::1]:1",
        ] {
            assert!(check_origin(origin).is_ok(), "{origin}");
        }
        for text in [
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "http://a.example",
            "null",
            "*",
            "https://*.example",
            "com.example.app:",
            "http://127.0.0.1.evil.example",
            "https://u@a.example",
        ] {
            assert!(check_origin(text).is_err(), "{text}");
        }
    }
}
