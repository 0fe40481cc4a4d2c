use curfew_policy::redirect::is_local_path;
use serde_json::json;

use super::support::{HERE, Place, Query, encoded, person};

#[actix_web::test]
async fn sup_02_a_browser_leaves_with_what_must_come_back_and_an_address_of_its_own() {
    let place = Place::new();
    let answer = place.browser().leave().await;
    let query = Query::of(answer.location());
    assert!(
        answer
            .location()
            .starts_with(&format!("{}/authorize?", place.idp.server.url))
    );
    assert_eq!(
        query.get("redirect_uri"),
        format!("{HERE}/upstream/idp/callback")
    );
    assert!(query.get("state").starts_with("cfus_") && query.get("nonce").len() == 43);
    assert_eq!(
        (
            query.get("code_challenge").len(),
            query.get("code_challenge_method")
        ),
        (43, "S256")
    );
    assert_eq!(query.get("prompt"), "");
    let again = place.browser().leave().await;
    let again = Query::of(again.location());
    for secret in ["state", "nonce", "code_challenge"] {
        assert_ne!(query.get(secret), again.get(secret), "{secret}");
    }
}

#[actix_web::test]
async fn b40_the_browser_gets_one_cookie_that_comes_along_from_elsewhere() {
    let place = Place::new();
    let mut browser = place.browser();
    let answer = browser.leave().await;
    let [cookie] = answer.cookies.as_slice() else {
        panic!("{answer:?}");
    };
    assert!(cookie.starts_with("__Host-curfew_upstream_"), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let again = browser.leave().await;
    assert!(again.cookies.is_empty(), "{again:?}");
}

#[actix_web::test]
async fn b48_afterwards_people_go_to_a_path_of_our_own_and_nowhere_else() {
    let place = Place::new();
    for (number, target) in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/%2f%2fevil.example",
        "/a\r\nSet-Cookie: x=y",
        "javascript:alert(1)",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!is_local_path(target));
        let path = format!("/upstream/idp/start?{}", encoded(&[("return_to", target)]));
        let mut browser = place.browser();
        let left = browser.get(&path).await;
        let subject = format!("u-{number}");
        place.change_policy(|policy| policy.sign_ups = curfew_policy::upstream::SignUps::On);
        let email = format!("u{number}@harbour.example");
        let back = place.idp.let_in(left.location(), &person(&subject, &email));
        browser.get(&back).await.expect_sign_in("/account");
    }
}

#[actix_web::test]
async fn unknown_providers_are_404_and_disabled_ones_403() {
    let place = Place::new();
    let mut browser = place.browser();
    for slug in ["other", "IDP", "..", "idp%2F..", "%00"] {
        let answer = browser.get(&format!("/upstream/{slug}/start")).await;
        assert_eq!(answer.status, 404, "{slug}: {answer:?}");
    }
    assert_eq!(
        browser.get("/t/nowhere/upstream/idp/start").await.status,
        404
    );
    place.disable_provider();
    let answer = browser.get("/upstream/idp/start").await;
    answer.expect_refusal(403, "provider_disabled");
    assert!(answer.body.contains("Orchard &lt;ID&gt;"), "{answer:?}");
}

#[actix_web::test]
async fn a_provider_that_does_not_answer_is_503_and_leaves_nothing_behind() {
    let place = Place::new();
    place.idp.be_silent(true);
    let answer = place.browser().get("/upstream/idp/start").await;
    answer.expect_refusal(503, "upstream_unavailable");
    assert!(
        !answer.header("retry-after").is_empty() && answer.cookies.is_empty(),
        "{answer:?}"
    );
    place.idp.be_silent(false);
    place.browser().leave().await;
}

#[actix_web::test]
async fn starts_are_limited_for_each_address() {
    let place = Place::new();
    let mut browser = place.browser();
    for _ in 0..30 {
        browser.leave().await;
    }
    let answer = browser.get("/upstream/idp/start").await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty());
    place.clock.advance(60);
    browser.leave().await;
}

#[actix_web::test]
async fn whoever_must_prove_anew_who_they_are_is_asked_to_upstream() {
    let place = Place::with_policy(|policy| policy.sign_ups = curfew_policy::upstream::SignUps::On);
    let mut browser = place.browser();
    let left = browser.get("/upstream/idp/start?reauth=1").await;
    assert_eq!(Query::of(left.location()).get("prompt"), "login");
    let mut stale = person("u-1", "ada@harbour.example");
    stale["auth_time"] = json!(crate::testing::NOW.seconds() - 600);
    let back = place.idp.let_in(left.location(), &stale);
    browser
        .get(&back)
        .await
        .expect_refusal(400, "upstream_answer_invalid");
    let left = browser.get("/upstream/idp/start?reauth=1").await;
    stale["auth_time"] = json!(crate::testing::NOW.seconds());
    let back = place.idp.let_in(left.location(), &stale);
    browser.get(&back).await.expect_sign_in("/account");
}
