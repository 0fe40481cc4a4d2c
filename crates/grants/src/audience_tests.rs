use super::*;
use crate::testing::{catalogue, client, identifiers, owned};

const MINE: &str = "https://mine.example";
const OTHER: &str = "https://other.example";

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

#[test]
fn e07_a_token_is_for_whom_it_was_asked_or_for_the_owners_of_its_scopes() {
    let catalogue = catalogue();
    let client = client("mine:read common", &["other"]);
    type Case = (
        &'static [&'static str],
        &'static str,
        Result<&'static [&'static str], InvalidTarget>,
    );
    let cases: &[Case] = &[
        (&[], "mine:read", Ok(&[MINE])),
        (&[], "mine:read other:read", Ok(&[MINE, OTHER])),
        // Nobody's own: all that the client is registered for.
        (&[], "common", Ok(&[MINE, OTHER])),
        (&[], "", Ok(&[MINE, OTHER])),
        (&[OTHER], "mine:read", Ok(&[OTHER])),
        (&[OTHER, MINE], "common", Ok(&[MINE, OTHER])),
        (&["https://unknown.example"], "common", Err(InvalidTarget)),
        (
            &[MINE, "https://mine.example/"],
            "common",
            Err(InvalidTarget),
        ),
        (&["https://disabled.example"], "common", Err(InvalidTarget)),
        (&["https://stranger.example"], "common", Err(InvalidTarget)),
    ];
    for (requested, scopes, expected) in cases {
        let chosen = choose(&owned(requested), &client, &set(scopes), &catalogue);
        let expected = expected.map(owned);
        assert_eq!(
            chosen.map(|audiences| identifiers(&audiences)),
            expected,
            "{requested:?} {scopes}"
        );
    }
}

#[test]
fn each_audience_sees_its_own_scopes_and_nobodys() {
    let client = client("mine:read other:read common", &[]);
    let scopes = set("mine:read other:read common");
    let chosen = choose(&[], &client, &scopes, &catalogue()).unwrap();
    let seen: Vec<String> = chosen
        .0
        .iter()
        .map(|audience| audience.scopes.to_string())
        .collect();
    assert_eq!(seen, ["common mine:read", "common other:read"]);
}

#[test]
fn a_token_request_narrows_to_what_was_approved() {
    let client = client("mine:read other:read", &[]);
    let approved = choose(&[], &client, &set("mine:read other:read"), &catalogue()).unwrap();
    let narrowed = narrow(&approved, &owned(&[OTHER]), &set("other:read")).unwrap();
    assert_eq!(identifiers(&narrowed), [OTHER]);
    assert_eq!(
        narrow(&narrowed, &owned(&[MINE]), &set("mine:read")),
        Err(InvalidTarget)
    );
    let all = narrow(&approved, &[], &set("other:read")).unwrap();
    assert_eq!(identifiers(&all), [MINE, OTHER]);
    assert!(all.0[0].scopes.is_empty());
}

#[test]
fn a23_an_audience_whose_epoch_moved_is_gone() {
    let catalogue = catalogue();
    let client = client("mine:read other:read", &[]);
    let mut approved = choose(&[], &client, &set("mine:read other:read"), &catalogue).unwrap();
    assert_eq!(still_good(&approved, &client, &catalogue), approved);
    approved.0[0].epoch -= 1;
    assert_eq!(
        identifiers(&still_good(&approved, &client, &catalogue)),
        [OTHER]
    );
    // Taken out of the registration.
    let narrower = crate::testing::client("mine:read", &[]);
    assert!(still_good(&approved, &narrower, &catalogue).0.is_empty());
}

#[test]
fn a_consent_covers_the_same_audiences_in_the_same_epoch_only() {
    let client = client("mine:read other:read", &[]);
    let wide = choose(&[], &client, &set("mine:read other:read"), &catalogue()).unwrap();
    let mut narrow = Audiences(vec![wide.0[1].clone()]);
    assert!(covers(&wide, &narrow) && !covers(&narrow, &wide));
    narrow.0[0].epoch += 1;
    assert!(!covers(&wide, &narrow));
}
