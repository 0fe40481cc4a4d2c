//! What the machines say, case by case: if another version of oxide-auth says something else, these tables tell.

use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const URI: &str = "https://app.example/cb";

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn authorization() -> AuthorizationRequest<'static> {
    AuthorizationRequest {
        client_id: "app",
        redirect_uri: URI,
        response_type: Some("code"),
        scope: Some("read"),
        code_challenge: Some(CHALLENGE),
        code_challenge_method: Some("S256"),
    }
}

#[test]
fn an_authorization_request_is_judged_in_the_order_of_the_rfc() {
    use MachineRefusal::{InvalidScope, Pkce, UnsupportedResponseType};
    let good = authorization();
    let cases: &[(AuthorizationRequest<'_>, Result<&str, MachineRefusal>)] = &[
        (good, Ok("granted")),
        (
            AuthorizationRequest {
                scope: None,
                ..good
            },
            Ok("granted"),
        ),
        (
            AuthorizationRequest {
                redirect_uri: "com.example.app:/cb",
                ..good
            },
            Ok("granted"),
        ),
        (
            AuthorizationRequest {
                response_type: Some("token"),
                ..good
            },
            Err(UnsupportedResponseType),
        ),
        (
            AuthorizationRequest {
                response_type: Some("code token"),
                ..good
            },
            Err(UnsupportedResponseType),
        ),
        (
            AuthorizationRequest {
                response_type: None,
                ..good
            },
            Err(UnsupportedResponseType),
        ),
        (
            AuthorizationRequest {
                scope: Some("a\"b"),
                ..good
            },
            Err(InvalidScope),
        ),
        (
            AuthorizationRequest {
                code_challenge: None,
                ..good
            },
            Err(Pkce),
        ),
        (
            AuthorizationRequest {
                code_challenge_method: None,
                ..good
            },
            Err(Pkce),
        ),
        (
            AuthorizationRequest {
                code_challenge_method: Some("plain"),
                ..good
            },
            Err(Pkce),
        ),
        (
            AuthorizationRequest {
                code_challenge_method: Some("s256"),
                ..good
            },
            Err(Pkce),
        ),
    ];
    for (request, expected) in cases {
        let said = authorize(request, || Ok::<_, MachineRefusal>(set("granted")));
        assert_eq!(said, expected.map(set), "{request:?}");
    }
}

#[test]
fn our_own_refusal_comes_back_as_it_is() {
    let said = authorize(&authorization(), || Err(MachineRefusal::InvalidGrant));
    assert_eq!(said, Err(MachineRefusal::InvalidGrant));
    let request = ClientRequest {
        client_id: "robot",
        scope: None,
    };
    let said = client_credentials(&request, || Err(MachineRefusal::InvalidGrant));
    assert_eq!(said, Err(MachineRefusal::InvalidGrant));
}

#[test]
fn a_code_needs_its_client_its_redirect_uri_and_its_verifier() {
    use MachineRefusal::{InvalidGrant, Pkce};
    let scopes = set("b a");
    let good = CodeRedemption {
        client_id: "app",
        presented_redirect_uri: Some(URI),
        code_verifier: Some(VERIFIER),
        issued_to: "app",
        redirect_uri: URI,
        code_challenge: CHALLENGE,
        scopes: &scopes,
    };
    let other = VERIFIER.replace('d', "e");
    let long = "a".repeat(129);
    let cases: &[(CodeRedemption<'_>, Result<&str, MachineRefusal>)] = &[
        (good, Ok("a b")),
        (
            CodeRedemption {
                presented_redirect_uri: None,
                ..good
            },
            Ok("a b"),
        ),
        (
            CodeRedemption {
                issued_to: "other",
                ..good
            },
            Err(InvalidGrant),
        ),
        (
            CodeRedemption {
                presented_redirect_uri: Some("https://x.example/"),
                ..good
            },
            Err(InvalidGrant),
        ),
        // Equal as a parsed URL, and yet another string.
        (
            CodeRedemption {
                presented_redirect_uri: Some("https://app.example:443/cb"),
                ..good
            },
            Err(InvalidGrant),
        ),
        (
            CodeRedemption {
                code_verifier: None,
                ..good
            },
            Err(Pkce),
        ),
        (
            CodeRedemption {
                code_verifier: Some(&other),
                ..good
            },
            Err(Pkce),
        ),
        (
            CodeRedemption {
                code_verifier: Some(CHALLENGE),
                ..good
            },
            Err(Pkce),
        ),
        (
            CodeRedemption {
                code_verifier: Some(&long),
                ..good
            },
            Err(Pkce),
        ),
        (
            CodeRedemption {
                code_verifier: Some("short"),
                ..good
            },
            Err(Pkce),
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(redeem_code(request), expected.map(set), "{request:?}");
    }
}

#[test]
fn e05_a_refresh_narrows_and_never_widens() {
    use MachineRefusal::{InvalidGrant, InvalidScope};
    let scopes = set("a b");
    let good = RefreshRequest {
        client_id: "app",
        scope: None,
        issued_to: "app",
        scopes: &scopes,
    };
    let cases: &[(RefreshRequest<'_>, Result<&str, MachineRefusal>)] = &[
        (good, Ok("a b")),
        (
            RefreshRequest {
                scope: Some("b"),
                ..good
            },
            Ok("b"),
        ),
        (
            RefreshRequest {
                scope: Some("b a"),
                ..good
            },
            Ok("a b"),
        ),
        (
            RefreshRequest {
                scope: Some("a c"),
                ..good
            },
            Err(InvalidScope),
        ),
        (
            RefreshRequest {
                scope: Some("a\\"),
                ..good
            },
            Err(InvalidScope),
        ),
        (
            RefreshRequest {
                issued_to: "other",
                ..good
            },
            Err(InvalidGrant),
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(refresh(request), expected.map(set), "{request:?}");
    }
}

#[test]
fn a_client_gets_what_was_negotiated() {
    for scope in [None, Some("anything")] {
        let request = ClientRequest {
            client_id: "robot",
            scope,
        };
        let said = client_credentials(&request, || Ok::<_, MachineRefusal>(set("b a")));
        assert_eq!(said, Ok(set("a b")));
    }
}
