use super::*;
use crate::testing::{catalogue, client};

const GOOD: &str = "response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=mine%3Aread&state=s\
     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn read(redirect_uri: &str, query: &str) -> Result<ValidatedRequest, AuthorizeRefusal> {
    let addressed = Addressed {
        client: client("mine:read mine:pay", &[]),
        redirect_uri: redirect_uri.to_owned(),
        redirect_uri_sent: true,
    };
    ValidatedRequest::read(addressed, &Parameters::parse(query).unwrap(), &catalogue())
}

#[test]
fn a_good_request_is_good() {
    let request = read("https://app.example/cb", GOOD).unwrap();
    assert_eq!(request.scopes().to_string(), "mine:read");
    assert_eq!(request.reply_to().state.as_deref(), Some("s"));
    assert_eq!(request.reply_to().mode, ResponseMode::Query);
    assert_eq!(request.audiences().0.len(), 1);
}

#[test]
fn every_refusal_of_a_request() {
    use AuthorizeRefusal::*;
    let state = format!("state={}", "x".repeat(2_001));
    let cases: &[(&str, &str, AuthorizeRefusal)] = &[
        ("state=s", "state=s&state=s", Repeated),
        ("state=s", "state=s&x=1&x=2", Repeated),
        ("state=s", &state, StateTooLong),
        ("state=s", "request=eyJ9", RequestObject),
        ("state=s", "request_uri=urn:x", RequestObject),
        ("state=s", "response_mode=fragment", ResponseModeUnsupported),
        (
            "state=s",
            "response_mode=web_message",
            ResponseModeUnsupported,
        ),
        ("state=s", "prompt=none+login", PromptUnsupported),
        ("state=s", "prompt=select_account", PromptUnsupported),
        ("response_type=code", "", ResponseTypeMissing),
        (
            "response_type=code",
            "response_type=token",
            ResponseTypeUnsupported,
        ),
        (
            "response_type=code",
            "response_type=code+token",
            ResponseTypeUnsupported,
        ),
        ("S256", "plain", Challenge),
        ("&code_challenge_method=S256", "", Challenge),
        ("code_challenge=E9", "code_challenge=", Challenge),
        ("code_challenge=E9", "code_challenge=E9E9", Challenge),
        ("scope=mine%3Aread", "scope=other%3Aread", Scope),
        ("scope=mine%3Aread", "scope=a%22b", Scope),
        ("state=s", "resource=https://other.example", Target),
    ];
    for (old, new, expected) in cases {
        let query = GOOD.replace(old, new);
        assert_ne!(query, GOOD);
        assert_eq!(
            read("https://app.example/cb", &query).err(),
            Some(*expected),
            "{new}"
        );
    }
}

#[test]
fn a_form_is_not_posted_to_a_private_scheme() {
    let query = format!("{GOOD}&response_mode=form_post");
    assert!(read("https://app.example/cb", &query).is_ok());
    let refused = read("com.example.app:/cb", &query).err();
    assert_eq!(refused, Some(AuthorizeRefusal::FormPostNeedsWeb));
}

#[test]
fn a_client_without_the_grant_is_told_so() {
    let mut without = client("mine:read", &[]);
    without.registration.grant_types.clear();
    let addressed = Addressed {
        client: without,
        redirect_uri: "https://app.example/cb".to_owned(),
        redirect_uri_sent: true,
    };
    let read = ValidatedRequest::read(addressed, &Parameters::parse(GOOD).unwrap(), &catalogue());
    assert_eq!(read.err(), Some(AuthorizeRefusal::GrantNotAllowed));
}

#[test]
fn only_one_registered_redirect_uri_may_be_left_out() {
    let mut client = client("", &[]);
    let only = client.registration.redirect_uris[0].clone();
    assert_eq!(redirect_uri(&client, None), Ok(only.clone()));
    assert_eq!(redirect_uri(&client, Some(&only)), Ok(only));
    let foreign = redirect_uri(&client, Some("https://app.example/cb/"));
    assert_eq!(foreign, Err(AddressRefusal::RedirectUriForeign));
    client
        .registration
        .redirect_uris
        .push("https://app.example/other".to_owned());
    assert_eq!(
        redirect_uri(&client, None),
        Err(AddressRefusal::RedirectUriMissing)
    );
    client.registration.redirect_uris.clear();
    assert_eq!(
        redirect_uri(&client, None),
        Err(AddressRefusal::RedirectUriMissing)
    );
}
