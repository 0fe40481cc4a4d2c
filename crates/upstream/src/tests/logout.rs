use serde_json::json;

use super::support::{Answer, Place, person};

const ADA: &str = "ada@harbour.example";
const PATH: &str = "/upstream/idp/backchannel-logout";

async fn post(place: &Place, token: &str) -> Answer {
    place.browser().post(PATH, &[("logout_token", token)]).await
}

#[track_caller]
fn expect_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(
        (body["error"].as_str(), answer.header("cache-control")),
        (Some(code), "no-store")
    );
}

/// Two sessions of one person, born in two sessions upstream.
async fn with_sessions() -> (Place, curfew_protocol::UserId) {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, Some("u-1"));
    for sid in ["s-1", "s-2"] {
        let mut claims = person("u-1", ADA);
        claims["sid"] = json!(sid);
        place
            .browser()
            .come_back_as(&place, &claims)
            .await
            .expect_sign_in("/app");
    }
    place.signed_in(ada);
    assert_eq!(place.living_sessions(ada), 3);
    (place, ada)
}

#[actix_web::test]
async fn a_session_that_ended_upstream_ends_here_once() {
    let (place, ada) = with_sessions().await;
    let token = place.idp.logout_token(&json!({"sub": "u-1", "sid": "s-1"}));
    let answer = post(&place, &token).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, "no-store"),
        "{answer:?}"
    );
    assert_eq!(place.living_sessions(ada), 2);
    assert_eq!(place.audited("upstream.logout_received"), ["session 1 idp"]);
    assert_eq!(place.audited("session.ended"), ["logged_out_upstream idp"]);
    expect_error(&post(&place, &token).await, 400, "invalid_request");
    // A session that nobody knows is signed out.
    let unknown = place.idp.logout_token(&json!({"sid": "s-9", "jti": "j-9"}));
    assert_eq!(post(&place, &unknown).await.status, 200);
    assert_eq!(place.living_sessions(ada), 2);
}

/// An ID token need not name the session; any of them may be the one that ended.
#[actix_web::test]
async fn a_session_that_upstream_did_not_name_ends_with_any_of_its_person() {
    let (place, ada) = with_sessions().await;
    let unnamed = person("u-1", ADA);
    let mut browser = place.browser();
    browser
        .come_back_as(&place, &unnamed)
        .await
        .expect_sign_in("/app");
    assert_eq!(place.living_sessions(ada), 4);
    let token = place.idp.logout_token(&json!({"sub": "u-1", "sid": "s-9"}));
    assert_eq!(post(&place, &token).await.status, 200);
    assert_eq!(place.living_sessions(ada), 3);
    assert_eq!(place.audited("upstream.logout_received"), ["session 1 idp"]);
}

#[actix_web::test]
async fn a_person_who_is_signed_out_upstream_loses_every_session_of_the_link() {
    let (place, ada) = with_sessions().await;
    let token = place.idp.logout_token(&json!({"sub": "u-1"}));
    assert_eq!(post(&place, &token).await.status, 200);
    assert_eq!(place.living_sessions(ada), 1, "the local one stays");
    // The link is as good as before.
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    assert_eq!(place.living_sessions(ada), 2);
}

#[actix_web::test]
async fn what_is_no_logout_token_of_the_provider_ends_nothing() {
    let (place, ada) = with_sessions().await;
    let genuine = place.idp.logout_token(&json!({"sub": "u-1"}));
    let (signed, _) = genuine.rsplit_once('.').expect("three parts");
    let stranger = Place::new();
    for token in [
        "x".to_owned(),
        format!("{signed}.AAAA"),
        stranger.idp.logout_token(&json!({"sub": "u-1"})),
        place.idp.logout_token(&json!({"sub": "u-1", "nonce": "n"})),
        place.idp.logout_token(&json!({"sub": "u-1", "aud": "another"})),
        place.idp.logout_token(&json!({"sub": "u-1", "events": {}})),
        place.idp.logout_token(&json!({})),
        place.idp.logout_token(&json!({"sub": "u-1", "iat": crate::testing::NOW.seconds() - 300, "exp": crate::testing::NOW.seconds() + 9_999})),
    ] {
        expect_error(&post(&place, &token).await, 400, "invalid_request");
    }
    let answer = place.browser().post(PATH, &[]).await;
    expect_error(&answer, 400, "invalid_request");
    assert_eq!(place.living_sessions(ada), 3);
    assert_eq!(post(&place, &genuine).await.status, 200);
}

#[actix_web::test]
async fn failures_are_counted_and_a_provider_that_is_off_is_not_there() {
    let (place, ada) = with_sessions().await;
    for _ in 0..30 {
        expect_error(&post(&place, "x").await, 400, "invalid_request");
    }
    let token = place.idp.logout_token(&json!({"sub": "u-1"}));
    let answer = post(&place, &token).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    place.clock.advance(60);
    place.disable_provider();
    assert_eq!(post(&place, &token).await.status, 404);
    assert_eq!(
        place.living_sessions(ada),
        1,
        "the provider's end ended them"
    );
}
