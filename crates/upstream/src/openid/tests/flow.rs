//! Sending off, coming back, redeeming the code; discovery on the way.

use curfew_protocol::upstream::EmailVerified;
use curfew_protocol::{Redacted, Timestamp};
use serde_json::{Value, json};

use super::{Idp, KEYS, METADATA, TOKEN, is_invalid, is_unavailable};
use crate::client::{AuthorizationRequest, Callback};
use crate::testing::{CALLBACK, NOW, REDIRECT, REQUEST};

async fn query(idp: &Idp, request: AuthorizationRequest<'_>) -> Vec<(String, String)> {
    let url = idp.client.authorization_url(idp.contact(), request).await;
    let url = url.unwrap();
    assert!(
        url.as_str()
            .starts_with(&format!("{}/authorize?", idp.server.url)),
        "{url}"
    );
    let mut pairs: Vec<_> = url.query_pairs().into_owned().collect();
    pairs.sort();
    pairs
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}

#[actix_web::test]
async fn the_browser_is_sent_off_with_state_nonce_and_pkce() {
    let mut idp = Idp::start();
    let expected = pairs(&[
        ("client_id", "curfew"),
        ("code_challenge", "ch"),
        ("code_challenge_method", "S256"),
        ("max_age", "31536000"),
        ("nonce", "n-1"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "st"),
        ("tenant", "1"),
    ]);
    assert_eq!(query(&idp, REQUEST).await, expected);
    idp.provider.scopes = vec!["groups".to_owned(), "openid".to_owned()];
    let request = AuthorizationRequest {
        reauthenticate: true,
        ..REQUEST
    };
    let sent = query(&idp, request).await;
    for pair in pairs(&[
        ("scope", "openid groups"),
        ("prompt", "login"),
        ("max_age", "0"),
    ]) {
        assert!(sent.contains(&pair), "{pair:?}: {sent:?}");
    }
    assert_eq!(idp.server.count(METADATA), 1);
}

#[actix_web::test]
async fn who_comes_back_is_told_as_the_provider_wrote_it() {
    let idp = Idp::start();
    let identity = idp.identify().await.unwrap();
    assert_eq!(identity.issuer(), idp.server.url);
    assert_eq!(identity.subject(), "u-1");
    assert_eq!(identity.email(), Some("ada@harbour.example"));
    assert_eq!(identity.email_verified(), EmailVerified::Yes);
    assert_eq!(identity.name(), Some("Ada"));
    assert_eq!(identity.display(), "ada@harbour.example");
    assert_eq!(identity.sid(), Some("s-1"));
    assert_eq!(identity.auth_time(), None);
    // The ID token had an address: nothing else is asked for.
    let lines: Vec<String> = idp.server.requests().into_iter().map(|r| r.line).collect();
    assert_eq!(lines, [METADATA, TOKEN, KEYS]);
}

#[actix_web::test]
async fn b50_the_end_upstream_is_that_of_the_access_token_else_of_the_id_token() {
    let idp = Idp::start();
    let at = |seconds| Some(Timestamp::from_seconds(NOW.seconds() + seconds));
    assert_eq!(idp.identify().await.unwrap().ends_at(), at(60));
    idp.change(|answers| {
        answers
            .token
            .1
            .as_object_mut()
            .unwrap()
            .remove("expires_in");
    });
    assert_eq!(idp.identify().await.unwrap().ends_at(), at(300));
}

#[actix_web::test]
async fn the_code_is_redeemed_with_the_secret_in_the_header_and_the_verifier() {
    let mut idp = Idp::start();
    idp.provider.client_id = "cur few:1".to_owned();
    idp.provider.client_secret = Some(Redacted("s/é+".to_owned()));
    idp.issue_with(|claims| claims["aud"] = json!("cur few:1"));
    idp.identify().await.unwrap();
    let request = token_request(&idp);
    // Both halves are form-encoded first (RFC 6749 §2.3.1): `cur+few%3A1:s%2F%C3%A9%2B`.
    let basic = "Basic Y3VyK2ZldyUzQTE6cyUyRiVDMyVBOSUyQg==";
    assert_eq!(request.0.as_deref(), Some(basic));
    let expected = [
        ("code", "c0de"),
        ("code_verifier", CALLBACK.code_verifier),
        ("grant_type", "authorization_code"),
        ("redirect_uri", REDIRECT),
    ];
    assert_eq!(request.1, pairs(&expected));
}

/// The `Authorization` header and the sorted fields of the last call of the token endpoint.
fn token_request(idp: &Idp) -> (Option<String>, Vec<(String, String)>) {
    let requests = idp.server.requests();
    let request = requests.into_iter().rfind(|r| r.line == TOKEN).unwrap();
    let parsed = url::form_urlencoded::parse(request.body.as_bytes());
    let mut fields: Vec<_> = parsed.into_owned().collect();
    fields.sort();
    (request.authorization, fields)
}

#[actix_web::test]
async fn the_secret_goes_into_the_form_only_where_that_alone_is_announced() {
    let in_form = ("client_secret".to_owned(), "s3cret".to_owned());
    for (methods, form) in [
        (json!(["client_secret_post"]), true),
        (json!(["client_secret_post", "private_key_jwt"]), true),
        (json!(["client_secret_post", "client_secret_basic"]), false),
        (json!(["private_key_jwt"]), false),
    ] {
        let idp = Idp::start();
        idp.change(|answers| {
            answers.metadata["token_endpoint_auth_methods_supported"] = methods.clone();
        });
        idp.identify().await.unwrap();
        let (header, fields) = token_request(&idp);
        assert_eq!(fields.contains(&in_form), form, "{methods}");
        assert_eq!(header.is_none(), form, "{methods}");
    }
    let mut public = Idp::start();
    public.provider.client_secret = None;
    public.identify().await.unwrap();
    let (header, fields) = token_request(&public);
    assert_eq!(header, None);
    assert!(fields.contains(&("client_id".to_owned(), "curfew".to_owned())));
    assert!(!fields.iter().any(|(name, _)| name == "client_secret"));
}

#[actix_web::test]
async fn b41_the_response_is_of_the_provider_that_was_asked() {
    let idp = Idp::start();
    let own = idp.server.url.clone();
    let came = |iss| Callback { iss, ..CALLBACK };
    let word = async |iss| match idp.identify_with(came(iss)).await {
        Ok(_) => "fine",
        Err(failure) => failure.as_str(),
    };
    assert_eq!(word(Some(&own)).await, "fine");
    for other in ["https://evil.example", &format!("{own}/"), ""] {
        assert_eq!(word(Some(other)).await, "response_issuer", "{other}");
    }
    let redeemed = idp.server.count(TOKEN);
    let announcing = Idp::start();
    announcing.change(|answers| {
        answers.metadata["authorization_response_iss_parameter_supported"] = json!(true);
    });
    assert_eq!(announcing.failure().await, "response_issuer_missing");
    // A code of another provider is not even shown to this one.
    assert_eq!((redeemed, announcing.server.count(TOKEN)), (1, 0));
}

#[actix_web::test]
async fn b18_a_document_of_another_issuer_is_refused_and_not_kept() {
    let idp = Idp::start();
    let own = idp.server.url.clone();
    for (other, is_issuer) in [
        (format!("{own}/"), true),
        (own.replace("127.0.0.1", "localhost"), true),
        (own.replace("http://", "HTTP://"), false),
        (format!("{own}/%61"), true),
    ] {
        idp.change(|answers| answers.metadata["issuer"] = json!(other));
        let failure = idp.identify().await.unwrap_err();
        assert_eq!(is_invalid(&failure), is_issuer, "{other}");
        assert_eq!(is_unavailable(&failure), !is_issuer, "{other}");
    }
    idp.change(|answers| answers.metadata["issuer"] = json!(own));
    assert!(idp.identify().await.is_ok());
    assert_eq!(
        (idp.server.count(METADATA), idp.server.count(TOKEN)),
        (5, 1)
    );
}

#[actix_web::test]
async fn documents_are_kept_for_an_hour_and_for_one_issuer() {
    let mut idp = Idp::start();
    idp.issue_with(|claims| claims["exp"] = json!(NOW.seconds() + 90_000));
    for seconds in [0, 1, 3_599] {
        idp.now = Timestamp::from_seconds(NOW.seconds() + seconds);
        idp.identify().await.unwrap();
    }
    let counts = |idp: &Idp| (idp.server.count(METADATA), idp.server.count(KEYS));
    assert_eq!(counts(&idp), (1, 1));
    idp.now = Timestamp::from_seconds(NOW.seconds() + 3_600);
    idp.identify().await.unwrap();
    assert_eq!(counts(&idp), (2, 2));
    // The same provider, set to another issuer: what is kept is of the other one.
    let other = Idp::start();
    idp.provider.issuer = other.server.url.clone();
    idp.now = NOW;
    let identity = idp.client.identify(idp.contact(), CALLBACK).await;
    assert_eq!(counts(&other).0, 1);
    assert_eq!(identity.unwrap().issuer(), other.server.url);
}

#[actix_web::test]
async fn who_needs_a_document_that_is_being_fetched_waits_for_it() {
    let idp = Idp::start();
    let (one, other) = tokio::join!(idp.identify(), idp.identify());
    assert!(one.is_ok() && other.is_ok());
    assert_eq!((idp.server.count(METADATA), idp.server.count(KEYS)), (1, 1));
}

#[actix_web::test]
async fn b52_an_endpoint_at_an_address_that_is_set_aside_is_not_called() {
    let idp = Idp::start();
    for (endpoint, address) in [
        ("token_endpoint", "https://169.254.169.254/token"),
        ("jwks_uri", "https://10.0.0.1/jwks"),
        ("jwks_uri", "https://[::ffff:10.0.0.1]/jwks"),
    ] {
        let idp = Idp::start();
        idp.change(|answers| answers.metadata[endpoint] = json!(address));
        let failure = idp.identify().await.unwrap_err();
        assert_eq!(failure.as_str(), "refused_address", "{address}");
        assert!(is_unavailable(&failure));
    }
    // Clear text is no endpoint at all.
    idp.change(|answers| answers.metadata["jwks_uri"] = json!("http://idp.example/jwks"));
    assert!(is_unavailable(&idp.identify().await.unwrap_err()));
}

#[actix_web::test]
async fn b53_a_refused_code_is_the_browsers_affair_and_an_unavailable_provider_is_not() {
    let idp = Idp::start();
    let refused = |error: &str| json!({"error": error, "error_description": "<b>no</b>\r\n"});
    for (status, answer, word, invalid) in [
        (400, refused("invalid_grant"), "code_refused", true),
        (200, refused("invalid_grant"), "code_refused", true),
        (401, refused("invalid_client"), "client_refused", false),
        (500, refused("invalid_grant"), "provider_status", false),
        (429, json!({}), "provider_status", false),
        (400, json!({"x": 1}), "provider_status", false),
        (200, json!({"x": 1}), "member_missing", true),
        (200, json!([]), "not_an_object", true),
        (
            200,
            json!({"access_token": "a", "token_type": "Bearer"}),
            "id_token_missing",
            true,
        ),
    ] {
        idp.change(|answers| answers.token = (status, answer.clone()));
        let failure = idp.identify().await.unwrap_err();
        assert_eq!(failure.as_str(), word, "{status} {answer}");
        assert_eq!(is_invalid(&failure), invalid, "{status} {answer}");
        assert!(!failure.to_string().contains('\n'));
    }
}

#[actix_web::test]
async fn a_provider_without_its_documents_is_unavailable() {
    let gone = Idp::start();
    gone.change(|answers| answers.metadata = Value::Null);
    assert!(is_unavailable(&gone.identify().await.unwrap_err()));
    let mut nowhere = Idp::start();
    nowhere.provider.issuer = format!("{}/elsewhere", nowhere.server.url);
    let failure = nowhere.identify().await.unwrap_err();
    assert!(is_unavailable(&failure), "{failure}");
    nowhere.provider.issuer = "no address".to_owned();
    assert_eq!(nowhere.failure().await, "provider_misconfigured");
}
