use actix_web::test::TestRequest;
use curfew_protocol::DEFAULT_TENANT;

use crate::support::{ISSUER, REDIRECT, Server, authorize, query};

#[actix_web::test]
async fn s9700_23_the_answer_carries_code_state_and_issuer() {
    let server = Server::start().await;
    let answer = server.page(&authorize("app", &[])).await;
    assert_eq!(answer.status, 303);
    assert!(
        answer
            .location()
            .starts_with(&format!("{REDIRECT}?code=cfac_")),
        "{answer:?}"
    );
    assert_eq!(answer.parameter("state").as_deref(), Some("a state"));
    assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
}

#[actix_web::test]
async fn a_form_post_answer_is_a_page_with_one_pinned_script() {
    let server = Server::start().await;
    let answer = server
        .page(&authorize("app", &[("response_mode", "form_post")]))
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.field("code").starts_with("cfac_"));
    assert_eq!(answer.field("iss"), ISSUER);
    let policy = answer
        .headers
        .get("content-security-policy")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(
        policy.contains("form-action 'self' https://app.example"),
        "{policy}"
    );
    assert!(policy.contains("script-src 'sha256-"), "{policy}");
}

#[actix_web::test]
async fn s9700_02_a_bad_address_is_never_redirected_to() {
    let server = Server::start().await;
    for (name, value) in [
        ("client_id", "nobody"),
        ("client_id", "app\u{0}"),
        ("client_id", ""),
        ("redirect_uri", "https://x.example/"),
    ] {
        let answer = server.page(&authorize("app", &[(name, value)])).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers.get("location")),
            (400, None),
            "{name}"
        );
        assert!(
            answer.body.contains("<h1>Authorization error</h1>"),
            "{answer:?}"
        );
    }
    let twice = format!("{}&client_id=app", authorize("app", &[]));
    assert_eq!(server.page(&twice).await.status, 400);
}

#[actix_web::test]
async fn s9700_03_a_stranger_signs_in_before_anything_else() {
    let server = Server::start().await;
    let stranger = |path: String| TestRequest::get().uri(&path);
    let answer = server
        .send(stranger(authorize("app", &[("scope", "unheard-of")])))
        .await;
    assert_eq!(answer.status, 303);
    assert!(
        answer
            .location()
            .starts_with("/login?return_to=%2Fauthorize%3F"),
        "{answer:?}"
    );
    let back = answer.parameter("return_to").unwrap();
    let told = server.page(&back).await;
    assert_eq!(told.parameter("error").as_deref(), Some("invalid_scope"));
    // The one exception.
    let quiet = server
        .send(stranger(authorize("app", &[("prompt", "none")])))
        .await;
    assert_eq!(quiet.parameter("error").as_deref(), Some("login_required"));
}

#[actix_web::test]
async fn a_form_does_what_a_query_does() {
    let server = Server::start().await;
    let body = query("app", &[]);
    let request = TestRequest::post()
        .uri("/authorize")
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .cookie(server.cookie.clone())
        .set_payload(body);
    assert!(server.send(request).await.parameter("code").is_some());
}

#[actix_web::test]
async fn prompt_login_is_satisfied_by_a_later_login_only() {
    let mut server = Server::start().await;
    let asked = server.page(&authorize("app", &[("prompt", "login")])).await;
    assert!(asked.location().starts_with("/login?"), "{asked:?}");
    assert_eq!(asked.parameter("reauth").as_deref(), Some("1"));
    let back = asked.parameter("return_to").unwrap();
    assert!(!back.contains("prompt="), "{back}");
    // Coming back without having signed in asks again.
    assert!(server.page(&back).await.location().starts_with("/login?"));
    server.sign_in_again().await;
    assert!(server.page(&back).await.parameter("code").is_some());
    // A ticket holds for its own request.
    let other = back.replace("scope=read", "scope=write");
    assert_ne!(other, back);
    assert!(server.page(&other).await.location().starts_with("/login?"));
}

#[actix_web::test]
async fn consent_is_asked_for_once_and_remembered() {
    let server = Server::start().await;
    let asked = server.page(&authorize("asking", &[])).await;
    assert!(asked.location().starts_with("/consent?"), "{asked:?}");
    let quiet = server
        .page(&authorize("asking", &[("prompt", "none")]))
        .await;
    assert_eq!(
        quiet.parameter("error").as_deref(),
        Some("consent_required")
    );

    let page = server.page(asked.location()).await;
    assert_eq!(page.status, 200, "{page:?}");
    let policy = page
        .headers
        .get("content-security-policy")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(
        policy.contains("form-action 'self' https://app.example"),
        "{policy}"
    );
    let fields = |decision| {
        [
            ("request", page.field("request")),
            ("csrf", page.field("csrf")),
            ("decision", decision),
        ]
    };
    let approve = fields("approve".to_owned());
    let approve: Vec<_> = approve
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = server.post_page("/consent", &approve).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.parameter("code").is_some());
    // In one transaction, so in no order.
    let mut rows = server.audit()[..2].to_vec();
    rows.sort();
    assert_eq!(rows, ["code.issued", "consent.given"]);

    assert!(
        server
            .page(&authorize("asking", &[]))
            .await
            .parameter("code")
            .is_some()
    );
    // More than was agreed to, or the wish to be asked, asks again.
    for change in [("scope", "read write"), ("prompt", "consent")] {
        let again = server.page(&authorize("asking", &[change])).await;
        assert!(again.location().starts_with("/consent?"), "{again:?}");
    }
    // A24: under another epoch of the user nothing is remembered.
    server
        .write(|write| {
            let ada = write.user_by_username(DEFAULT_TENANT, "ada")?.unwrap();
            write.user_epoch_raise(ada.id).map(|_| ())
        })
        .await;
    let mut server = server;
    server.sign_in_again().await;
    let again = server.page(&authorize("asking", &[])).await;
    assert!(again.location().starts_with("/consent?"), "{again:?}");
}

#[actix_web::test]
async fn a_denial_goes_back_to_the_client_and_leaves_a_row() {
    let server = Server::start().await;
    let page = server
        .page(&format!("/consent?{}", query("asking", &[])))
        .await;
    let (request, csrf) = (page.field("request"), page.field("csrf"));
    let fields = [
        ("request", request.as_str()),
        ("csrf", &csrf),
        ("decision", "deny"),
    ];
    let answer = server.post_page("/consent", &fields).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(server.audit()[0], "consent.denied!denied_by_user");
}

#[actix_web::test]
async fn a_foreign_or_stale_form_approves_nothing() {
    let mut server = Server::start().await;
    let page = server
        .page(&format!("/consent?{}", query("asking", &[])))
        .await;
    let (request, csrf) = (page.field("request"), page.field("csrf"));
    let post = |csrf: &str| {
        [
            ("request", request.clone()),
            ("csrf", csrf.to_owned()),
            ("decision", "approve".to_owned()),
        ]
    };
    let send = async |server: &Server, csrf: &str| {
        let fields = post(csrf);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        server.post_page("/consent", &fields).await
    };
    assert_eq!(send(&server, "").await.status, 403);
    assert_eq!(send(&server, "65.AAAA").await.status, 403);
    server.clock.advance(601);
    let stale = send(&server, &csrf).await;
    assert_eq!(stale.status, 400);
    assert!(
        stale.body.contains("/authorize?") || stale.body.contains("&#x2f;authorize?"),
        "{stale:?}"
    );
    // A form made for another session.
    server.sign_in_again().await;
    assert_eq!(send(&server, &csrf).await.status, 403);
    assert!(
        !server
            .audit()
            .iter()
            .any(|event| event.starts_with("consent.given"))
    );
}

#[actix_web::test]
async fn a12_a_code_of_a_user_who_is_gone_is_worth_nothing() {
    let server = Server::start().await;
    let code = server.code("app", "read").await;
    server
        .write(|write| {
            let ada = write.user_by_username(DEFAULT_TENANT, "ada")?.unwrap();
            write.user_set_status(ada.id, curfew_policy::status::UserStatus::Deleted)
        })
        .await;
    server
        .redeem("app", &code)
        .await
        .expect_error(400, "invalid_grant");
    let answer = server.page(&authorize("app", &[])).await;
    assert!(answer.location().starts_with("/login?"), "{answer:?}");
}

#[actix_web::test]
async fn a_session_bound_client_ends_with_the_session() {
    let server = Server::start().await;
    server
        .write(|write| {
            let client = write.client_by_client_id("app")?.unwrap();
            let mut registration = client.registration.clone();
            registration.session_bound = true;
            write.client_update(client.key, &registration, false)
        })
        .await;
    let tokens = server.tokens().await;
    assert!(server.is_alive(&tokens.text("access_token")));
    // The session goes idle, and with it everything below.
    server.clock.advance(3_601);
    let refused = server.refresh(&tokens.text("refresh_token"), &[]).await;
    refused.expect_error(400, "invalid_grant");
    assert_eq!(server.audit()[0], "token.refused!session_idle");
}

#[actix_web::test]
async fn another_tenant_is_another_issuer() {
    let server = Server::start().await;
    server
        .write(|write| write.tenant_insert("acme", "Acme").map(|_| ()))
        .await;
    let path = format!("/t/acme{}", authorize("app", &[]));
    // The client is the default tenant's.
    assert_eq!(server.page(&path).await.status, 400);
    let missing = format!("/t/nobody{}", authorize("app", &[]));
    assert_eq!(server.page(&missing).await.status, 404);
    let document = server
        .page("/.well-known/oauth-authorization-server/t/acme")
        .await
        .json();
    assert_eq!(document["issuer"], format!("{ISSUER}/t/acme"));
    assert_eq!(
        server
            .page("/.well-known/oauth-authorization-server/t/nobody")
            .await
            .status,
        404
    );
}

#[actix_web::test]
async fn s9700_09_a_challenge_that_another_session_used_is_refused() {
    let mut server = Server::start().await;
    let path = authorize("app", &[]);
    assert!(server.page(&path).await.parameter("code").is_some());
    // The same person may load the same address again.
    assert!(server.page(&path).await.parameter("code").is_some());
    server.sign_in_again().await;
    let answer = server.page(&path).await;
    assert_eq!(
        answer.parameter("error").as_deref(),
        Some("invalid_request")
    );
    let row = "authorization.refused!invalid_request";
    assert_eq!(server.audit().first().map(String::as_str), Some(row));
}

#[actix_web::test]
async fn a_refusal_of_somebody_who_is_signed_in_leaves_a_row() {
    let server = Server::start().await;
    let path = authorize("app", &[("scope", "nothing")]);
    let answer = server.page(&path).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_scope"));
    let row = "authorization.refused!invalid_scope";
    assert_eq!(server.audit().first().map(String::as_str), Some(row));
    let before = server.audit().len();
    server.send(TestRequest::get().uri(&path)).await;
    assert_eq!(server.audit().len(), before, "a stranger fills no trail");
}

#[actix_web::test]
async fn an_address_has_sixty_authorization_requests_a_minute() {
    let server = Server::start().await;
    let ask = || server.page("/authorize?client_id=nobody");
    for _ in 0..60 {
        assert_eq!(ask().await.status, 400);
    }
    for _ in 0..2 {
        let answer = ask().await;
        assert_eq!(answer.status, 429);
        assert!(answer.headers.contains_key("retry-after"));
    }
    server.clock.advance(60);
    assert_eq!(ask().await.status, 400);
}
