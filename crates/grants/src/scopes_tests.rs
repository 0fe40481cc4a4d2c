use super::*;
use crate::testing::{catalogue, client};

#[test]
fn e01_who_asks_for_nothing_gets_little_and_who_asks_for_too_much_gets_nothing() {
    use ScopeRefusal::{NotRegistered, Syntax};
    let catalogue = catalogue();
    let client = client("mine:read mine:pay gone offline_access common", &[]);
    let cases: &[(Option<&str>, Result<&str, ScopeRefusal>)] = &[
        (None, Ok("common mine:read")),
        (Some("  "), Ok("common mine:read")),
        (Some("mine:pay"), Ok("mine:pay")),
        (
            Some("mine:read offline_access"),
            Ok("mine:read offline_access"),
        ),
        (Some("mine:read mine:read"), Ok("mine:read")),
        // Registered, but no longer there.
        (Some("gone"), Err(NotRegistered)),
        // There, but not registered.
        (Some("other:read"), Err(NotRegistered)),
        (Some("mine:read unheard-of"), Err(NotRegistered)),
        (Some("*"), Err(NotRegistered)),
        (Some("a\"b"), Err(Syntax)),
    ];
    for (requested, expected) in cases {
        let expected = expected.map(|text| ScopeSet::parse(text).unwrap());
        assert_eq!(
            grant(*requested, &client, &catalogue),
            expected,
            "{requested:?}"
        );
    }
}

#[test]
fn a_client_without_scopes_gets_a_token_without_scopes() {
    assert_eq!(
        grant(None, &client("", &[]), &catalogue()),
        Ok(ScopeSet::default())
    );
}
