use actix_web::test::TestRequest;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::DEFAULT_TENANT;

use crate::support::{REDIRECT, Server, VERIFIER, authorize};

#[actix_web::test]
async fn a_code_gives_an_access_and_a_refresh_token() {
    let server = Server::start().await;
    let answer = server.tokens().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["scope"], "read write");
    // E04: `write` lives for two minutes at the most.
    assert_eq!(json["expires_in"], 120);
    assert!(server.is_alive(&answer.text("access_token")));
    assert!(answer.text("refresh_token").starts_with("cfrt_"));
    assert_eq!(server.audit()[..2], ["token.minted", "code.issued"]);
}

#[actix_web::test]
async fn a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let server = Server::start().await;
    let code = server.code("once", "read").await;
    let answer = server.redeem("once", &code).await;
    assert_eq!(answer.json()["refresh_token"], serde_json::Value::Null);
    assert_eq!(answer.json()["expires_in"], 600);
    assert!(server.is_alive(&answer.text("access_token")));
}

#[actix_web::test]
async fn s21_03_a_code_used_twice_kills_everything_it_gave() {
    let server = Server::start().await;
    let code = server.code("app", "read").await;
    let first = server.redeem("app", &code).await;
    let second = server.refresh(&first.text("refresh_token"), &[]).await;
    server
        .redeem("app", &code)
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "code.replayed!code_replayed");
    for answer in [&first, &second] {
        assert!(!server.is_alive(&answer.text("access_token")));
    }
    server
        .refresh(&second.text("refresh_token"), &[])
        .await
        .expect_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_stolen_code_is_of_no_use_to_another_client_and_stays_good_for_its_own() {
    let server = Server::start().await;
    let code = server.code("app", "read").await;
    server
        .redeem("once", &code)
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!code_of_another_client");
    assert_eq!(server.redeem("app", &code).await.status, 200);
    // Neither a second try of the other one is taken for a replay.
    server
        .redeem("once", &code)
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!code_of_another_client");
}

#[actix_web::test]
async fn s9700_05_a_wrong_verifier_ends_the_code() {
    let server = Server::start().await;
    for verifier in [VERIFIER.replace('d', "e").as_str(), "", "short"] {
        let code = server.code("app", "read").await;
        server
            .redeem_with("app", &code, verifier)
            .await
            .expect_error(400, "invalid_grant");
        assert_eq!(server.audit()[0], "token.refused!pkce");
        server
            .redeem("app", &code)
            .await
            .expect_error(400, "invalid_grant");
    }
}

#[actix_web::test]
async fn s21_13_the_redirect_uri_comes_again_when_it_was_sent_and_need_not_when_it_was_not() {
    let server = Server::start().await;
    let bare = |code: String, redirect_uri: &'static str| {
        let mut fields = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("client_id", "app".to_owned()),
            ("code", code),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        fields.push(("redirect_uri", redirect_uri.to_owned()));
        TestRequest::post().uri("/token").set_form(fields)
    };
    let code = server.code("app", "read").await;
    server
        .send(bare(code, ""))
        .await
        .expect_error(400, "invalid_grant");
    let code = server.code("app", "read").await;
    server
        .send(bare(code, "https://app.example:443/cb"))
        .await
        .expect_error(400, "invalid_grant");

    for (redirect_uri, status) in [("", 200), (REDIRECT, 200), ("https://x.example/", 400)] {
        let answer = server
            .page(&authorize("app", &[("redirect_uri", "")]))
            .await;
        let answer = server
            .send(bare(answer.parameter("code").unwrap(), redirect_uri))
            .await;
        assert_eq!(answer.status, status, "{redirect_uri}: {answer:?}");
    }
}

#[actix_web::test]
async fn s21_16_a_code_lives_for_sixty_seconds() {
    let server = Server::start().await;
    let (in_time, late) = (
        server.code("app", "read").await,
        server.code("app", "read").await,
    );
    server.clock.advance(59);
    assert_eq!(server.redeem("app", &in_time).await.status, 200);
    server.clock.advance(1);
    server
        .redeem("app", &late)
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!code_expired");
}

#[actix_web::test]
async fn garbage_never_reaches_the_store() {
    let server = Server::start().await;
    let before = server.audit().len();
    server
        .redeem("app", "cfac_nonsense")
        .await
        .expect_error(400, "invalid_grant");
    server
        .refresh("cfrt_nonsense", &[])
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit().len(), before);
}

#[actix_web::test]
async fn s9700_11_a_refresh_token_used_again_ends_the_family() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.text("refresh_token"), &[]).await;
    server.clock.advance(11);
    server
        .refresh(&first.text("refresh_token"), &[])
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "refresh.replayed!refresh_replayed");
    server
        .refresh(&second.text("refresh_token"), &[])
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!replayed");
    assert!(!server.is_alive(&second.text("access_token")));
}

#[actix_web::test]
async fn a_lost_answer_is_given_once_more_within_the_grace_window() {
    let server = Server::start().await;
    let first = server.tokens().await.text("refresh_token");
    let lost = server.refresh(&first, &[]).await.text("refresh_token");
    server.clock.advance(9);
    let replacement = server.refresh(&first, &[]).await;
    assert_eq!(replacement.status, 200);
    assert_ne!(replacement.text("refresh_token"), lost);
    assert_eq!(
        server
            .refresh(&replacement.text("refresh_token"), &[])
            .await
            .status,
        200
    );
    // The successor that was lost is dead; whoever shows it has it from elsewhere.
    server
        .refresh(&lost, &[])
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "refresh.replayed!refresh_replayed");
}

#[actix_web::test]
async fn s21_10_a_refresh_narrows_the_access_token_and_not_the_family() {
    let server = Server::start().await;
    let first = server.tokens().await.text("refresh_token");
    server
        .refresh(&first, &[("scope", "read admin")])
        .await
        .expect_error(400, "invalid_scope");
    let target = [("resource", "https://other.example")];
    server
        .refresh(&first, &target)
        .await
        .expect_error(400, "invalid_target");
    // Neither used it up.
    let narrowed = server.refresh(&first, &[("scope", "read")]).await;
    assert_eq!(narrowed.json()["scope"], "read");
    assert_eq!(narrowed.json()["expires_in"], 600);
    let whole = server.refresh(&narrowed.text("refresh_token"), &[]).await;
    assert_eq!(whole.json()["scope"], "read write");
}

#[actix_web::test]
async fn another_client_cannot_use_or_end_a_family() {
    let server = Server::start().await;
    let first = server.tokens().await.text("refresh_token");
    let second = server.refresh(&first, &[]).await;
    server.clock.advance(60);
    for token in [&first, &second.text("refresh_token")] {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "asking"),
            ("refresh_token", token),
        ];
        server
            .token(&fields)
            .await
            .expect_error(400, "invalid_grant");
    }
    assert_eq!(
        server
            .refresh(&second.text("refresh_token"), &[])
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn a23_what_was_taken_away_is_not_refreshed() {
    let server = Server::start().await;
    let first = server.tokens().await.text("refresh_token");
    server
        .write(|write| write.scope_delete(DEFAULT_TENANT, "write").map(|_| ()))
        .await;
    let narrowed = server.refresh(&first, &[]).await;
    assert_eq!(narrowed.json()["scope"], "read");
    server
        .write(|write| {
            let api = write.resource_server_by_resource_id("api")?.unwrap();
            write.resource_server_set_status(api.key, OwnerStatus::Disabled)?;
            write.resource_server_set_status(api.key, OwnerStatus::Active)
        })
        .await;
    let last = narrowed.text("refresh_token");
    server
        .refresh(&last, &[])
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!nothing_left");
}

#[actix_web::test]
async fn s9700_14_a_family_that_nobody_uses_goes_idle() {
    let server = Server::start().await;
    let token = server.tokens().await.text("refresh_token");
    server.clock.advance(30 * 86_400);
    server
        .refresh(&token, &[])
        .await
        .expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!refresh_idle");
}

#[actix_web::test]
async fn s21_14_a_confidential_client_acts_for_itself_and_no_other_does() {
    let server = Server::start().await;
    let grant = ("grant_type", "client_credentials");
    let own = [
        grant,
        ("client_id", "robot"),
        ("client_secret", server.secret.as_str()),
    ];
    let answer = server.token(&own).await;
    // E01: without the risky scope, because none was asked for.
    assert_eq!(
        (
            answer.json()["scope"].as_str(),
            answer.json()["expires_in"].as_i64()
        ),
        (Some("read"), Some(600))
    );
    assert_eq!(answer.json()["refresh_token"], serde_json::Value::Null);
    assert!(server.is_alive(&answer.text("access_token")));
    let more = [own[0], own[1], own[2], ("scope", "read write")];
    assert_eq!(server.token(&more).await.json()["expires_in"], 120);
    let unknown = [own[0], own[1], own[2], ("scope", "admin")];
    server
        .token(&unknown)
        .await
        .expect_error(400, "invalid_scope");
    assert_eq!(server.audit()[0], "token.refused!scope");
    server
        .token(&[grant, ("client_id", "app")])
        .await
        .expect_error(400, "unauthorized_client");
}

#[actix_web::test]
async fn the_grant_type_is_checked_behind_the_client() {
    let server = Server::start().await;
    let app = ("client_id", "app");
    server
        .token(&[app])
        .await
        .expect_error(400, "invalid_request");
    server
        .token(&[app, ("grant_type", "password")])
        .await
        .expect_error(400, "unsupported_grant_type");
    server
        .token(&[("grant_type", "password")])
        .await
        .expect_error(401, "invalid_client");
    server
        .token(&[app, ("grant_type", "authorization_code")])
        .await
        .expect_error(400, "invalid_request");
    let twice = [app, app];
    server
        .token(&twice)
        .await
        .expect_error(400, "invalid_request");
    // S21-06, S21-07: nothing is read from the query, and nothing but POST is answered.
    let request = TestRequest::post().uri("/token?client_id=app&grant_type=authorization_code");
    server
        .send(request.set_form([("x", "y")]))
        .await
        .expect_error(401, "invalid_client");
    assert_eq!(
        server.send(TestRequest::get().uri("/token")).await.status,
        405
    );
}

#[actix_web::test]
async fn the_page_of_a_public_client_may_read_the_answer_and_no_other_page() {
    let server = Server::start().await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://x.example", false),
        ("null", false),
    ] {
        let form = [("grant_type", "x"), ("client_id", "app")];
        let request = TestRequest::post()
            .uri("/token")
            .insert_header(("origin", origin));
        let answer = server.send(request.set_form(form)).await;
        let told = answer.headers.get("access-control-allow-origin");
        assert_eq!(told.is_some(), allowed, "{origin}: {answer:?}");
        assert!(
            answer
                .headers
                .get("access-control-allow-credentials")
                .is_none()
        );
    }
}
