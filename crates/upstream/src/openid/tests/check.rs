//! `curfew upstream test`.

use serde_json::{Value, json};

use super::Idp;
use crate::check::{CheckLine, Verdict};
use crate::client::{Contact, check};
use crate::testing::keys::Key;

async fn lines(idp: &Idp) -> Vec<CheckLine> {
    check(idp.contact()).await
}

fn line<'l>(lines: &'l [CheckLine], what: &str) -> &'l CheckLine {
    lines
        .iter()
        .find(|line| line.what == what)
        .unwrap_or_else(|| panic!("{what}: {lines:?}"))
}

/// The loopback server writes the date of the machine, so the clock is looked at elsewhere.
fn verdicts(lines: &[CheckLine]) -> Vec<(&str, Verdict)> {
    let others = lines.iter().filter(|line| line.what != "clock");
    others.map(|line| (line.what, line.verdict)).collect()
}

#[actix_web::test]
async fn a_good_provider_is_good_in_every_line() {
    let idp = Idp::start();
    let found = lines(&idp).await;
    let expected = [
        "discovery",
        "issuer",
        "endpoints",
        "PKCE",
        "client authentication",
        "keys",
        "algorithms",
    ]
    .map(|what| (what, Verdict::Good));
    assert_eq!(verdicts(&found), expected, "{found:#?}");
    // The clock of the tests stands still in 2027; the provider's does not.
    assert!(line(&found, "clock").words.contains("time server"));
    // Nothing is remembered: the second look asks again.
    lines(&idp).await;
    assert_eq!(idp.server.requests().len(), 4);
}

/// What is wrong, where it shows, how bad it is, and what must be said.
type Row = (
    fn(&mut Value),
    &'static str,
    Verdict,
    &'static [&'static str],
);

const ROWS: &[Row] = &[
    (
        |m| m["issuer"] = json!("https://other.example"),
        "issuer",
        Verdict::Bad,
        &["https://other.example", "is configured", "rebind-issuer"],
    ),
    (
        |m| {
            drop(
                m.as_object_mut()
                    .unwrap()
                    .remove("code_challenge_methods_supported"),
            )
        },
        "PKCE",
        Verdict::Warning,
        &["does not announce S256"],
    ),
    (
        |m| m["code_challenge_methods_supported"] = json!(["plain"]),
        "PKCE",
        Verdict::Warning,
        &["does not announce S256"],
    ),
    (
        |m| m["id_token_signing_alg_values_supported"] = json!(["HS256", "RS256"]),
        "algorithms",
        Verdict::Bad,
        &["HS256, RS256", "RS256 or ES256"],
    ),
    (
        |m| m["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]),
        "client authentication",
        Verdict::Warning,
        &["client_secret_basic"],
    ),
    (
        |m| m["jwks_uri"] = json!("https://10.0.0.1/jwks"),
        "keys",
        Verdict::Bad,
        &["10.0.0.1", "outbound.allowed_addresses"],
    ),
    (
        |m| m["token_endpoint"] = json!("http://idp.example/token"),
        "discovery",
        Verdict::Bad,
        &["'token_endpoint'"],
    ),
    (
        |m| *m = json!({}),
        "discovery",
        Verdict::Bad,
        &["'issuer' is missing", "another kind of server"],
    ),
];

#[actix_web::test]
async fn what_is_wrong_with_a_provider_is_said_with_its_remedy() {
    for (change, what, verdict, words) in ROWS {
        let idp = Idp::start();
        idp.change(|answers| change(&mut answers.metadata));
        let found = lines(&idp).await;
        let line = line(&found, what);
        assert_eq!(line.verdict, *verdict, "{line:?}");
        for part in *words {
            assert!(line.words.contains(part), "{part:?}: {line:?}");
        }
    }
}

#[actix_web::test]
async fn a_provider_without_a_usable_key_cannot_be_used() {
    let idp = Idp::start();
    let mut private = Key::ed25519().jwk("k1");
    private["d"] = json!("AA");
    idp.change(|answers| answers.keys = vec![private]);
    let found = lines(&idp).await;
    assert_eq!(
        line(&found, "keys").words.split(';').next(),
        Some("0 can be used, 1 cannot")
    );
    assert_eq!(line(&found, "algorithms").verdict, Verdict::Bad);
}

#[actix_web::test]
async fn a_provider_that_is_not_there_is_one_line() {
    let mut idp = Idp::start();
    idp.provider.issuer = format!("{}/nowhere", idp.server.url);
    let found = lines(&idp).await;
    assert_eq!(verdicts(&found), [("discovery", Verdict::Bad)]);
    assert!(found[0].words.contains("letter by letter"), "{found:?}");
    let strict = curfew_http::outbound::Outbound::new(&Default::default()).unwrap();
    let contact = Contact {
        outbound: &strict,
        ..idp.contact()
    };
    let found = check(contact).await;
    assert!(
        found[0].words.contains("outbound.allowed_addresses"),
        "{found:?}"
    );
}
