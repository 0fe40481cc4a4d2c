//! Logout tokens of a provider.

use curfew_policy::status::ProviderKind;
use curfew_protocol::Timestamp;
use curfew_protocol::upstream::claims::LogoutOf;
use serde_json::{Value, json};

use super::Idp;
use crate::failure::UpstreamFailure;
use crate::openid::LogoutToken;
use crate::testing::NOW;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn claims(idp: &Idp) -> Value {
    json!({
        "iss": idp.server.url, "aud": "curfew", "iat": NOW.seconds(), "exp": NOW.seconds() + 120,
        "jti": "j-1", "sub": "u-1", "sid": "s-1", "events": {EVENT: {}},
    })
}

async fn verify(idp: &Idp, header: &Value, claims: &Value) -> Result<LogoutToken, UpstreamFailure> {
    let token = idp.key.token(header, &claims.to_string());
    idp.client.verify_logout_token(idp.contact(), &token).await
}

#[actix_web::test]
async fn a_logout_token_tells_whom_it_ends() {
    let idp = Idp::start();
    for typ in [
        json!("logout+jwt"),
        json!("LOGOUT+JWT"),
        json!("JWT"),
        Value::Null,
    ] {
        let mut header = json!({"alg": "ES256", "kid": "k1"});
        if !typ.is_null() {
            header["typ"] = typ;
        }
        let logout = verify(&idp, &header, &claims(&idp)).await.unwrap();
        let expected = LogoutToken {
            of: LogoutOf::SessionOfSubject {
                sub: "u-1".to_owned(),
                sid: "s-1".to_owned(),
            },
            jti: "j-1".to_owned(),
            iat: NOW,
            exp: Timestamp::from_seconds(NOW.seconds() + 120),
        };
        assert_eq!(logout, expected);
    }
}

/// What is changed about the claims, and the word of the refusal.
type Row = (&'static str, fn(&mut Value), &'static str);

const CLAIMS: &[Row] = &[
    (
        "another issuer",
        |c| c["iss"] = json!("https://evil.example"),
        "claim_iss",
    ),
    ("for another", |c| c["aud"] = json!("other"), "claim_aud"),
    (
        "expired",
        |c| c["exp"] = json!(NOW.seconds() - 10),
        "claim_exp",
    ),
    (
        "of the future",
        |c| c["iat"] = json!(NOW.seconds() + 11),
        "claim_iat",
    ),
    (
        "an ID token",
        |c| c["nonce"] = json!("n-1"),
        "member_forbidden",
    ),
    (
        "without its event",
        |c| c["events"] = json!({"x": {}}),
        "member_not_acceptable",
    ),
    (
        "without jti",
        |c| {
            c.as_object_mut().unwrap().remove("jti");
        },
        "member_missing",
    ),
    (
        "of nobody",
        |c| {
            c.as_object_mut().unwrap().remove("sub");
            c.as_object_mut().unwrap().remove("sid");
        },
        "member_missing",
    ),
];

#[actix_web::test]
async fn b42_a_logout_token_that_is_not_one_for_us_is_refused() {
    let idp = Idp::start();
    let header = json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"});
    for (name, change, word) in CLAIMS {
        let mut claims = claims(&idp);
        change(&mut claims);
        let failure = verify(&idp, &header, &claims).await.unwrap_err();
        assert_eq!(failure.as_str(), *word, "{name}");
    }
    for (header, word) in [
        (
            json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}),
            "token_type",
        ),
        (json!({"alg": "ES256", "kid": "k9"}), "token_key"),
        (json!({"alg": "RS256", "kid": "k1"}), "token_algorithm"),
    ] {
        let failure = verify(&idp, &header, &claims(&idp)).await.unwrap_err();
        assert_eq!(failure.as_str(), word, "{header}");
    }
    let failure = idp
        .client
        .verify_logout_token(idp.contact(), "no token")
        .await;
    assert_eq!(failure.unwrap_err().as_str(), "not_a_token");
}

#[actix_web::test]
async fn github_sends_no_logout_tokens() {
    let mut idp = Idp::start();
    idp.provider.kind = ProviderKind::GitHub;
    let header = json!({"alg": "ES256", "kid": "k1"});
    let failure = verify(&idp, &header, &claims(&idp)).await.unwrap_err();
    assert_eq!(failure.as_str(), "logout_token_unsupported");
    assert!(idp.server.requests().is_empty());
}
