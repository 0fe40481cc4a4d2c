use actix_web::http::{Method, StatusCode};
use actix_web::test::TestRequest;

use super::support::App;

#[actix_web::test]
async fn health_and_readiness_are_told_in_json() {
    let app = App::new();
    let mut browser = app.browser();
    assert_eq!(browser.get("/health").await.body, "{\"status\":\"ok\"}");
    let ready = browser.get("/ready").await;
    assert_eq!(ready.body, "{\"status\":\"ready\"}");
    assert_eq!(ready.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn assets_are_kept_under_their_version() {
    let app = App::new();
    let version = app.edge.pages.asset_version().to_owned();
    let mut browser = app.browser();
    for (path, mime) in [
        ("style.css", "text/css; charset=utf-8"),
        ("logo.svg", "image/svg+xml"),
    ] {
        let answer = browser.get(&format!("/assets/{path}?v={version}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, mime)
        );
        assert!(answer.header("cache-control").contains("immutable"));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        let request = TestRequest::get()
            .uri(&format!("/assets/{path}"))
            .insert_header(("if-none-match", format!("\"{version}\"")));
        let answer = browser.send(request).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );
        assert!(!answer.header("cache-control").contains("immutable"));
    }
    assert_eq!(
        browser.get("/assets/logo.png").await.status,
        StatusCode::NOT_FOUND
    );
}

#[actix_web::test]
async fn head_is_answered_like_get_and_other_methods_are_named() {
    let app = App::new();
    let mut browser = app.browser();
    for path in [
        "/login",
        "/login/forgot",
        "/logout",
        "/signed-out",
        "/health",
        "/assets/style.css",
    ] {
        let head = browser
            .send(TestRequest::default().method(Method::HEAD).uri(path))
            .await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
        let put = browser.send(TestRequest::put().uri(path)).await;
        assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(put.header("allow").starts_with("GET, HEAD"), "{path}");
    }
    let get = browser.get("/account/password").await;
    assert_eq!(
        (get.status, get.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
}

#[actix_web::test]
async fn what_is_not_there_is_a_page_for_people_and_json_for_programs() {
    let app = App::new();
    let mut browser = app.browser();
    let request = TestRequest::get()
        .uri("/nothing")
        .insert_header(("accept", "text/html,*/*"));
    let page = browser.send(request).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("There is nothing here") || page.body.contains("<h1>"));
    let json = browser.get("/t/acme/nothing").await;
    assert_eq!(json.status, StatusCode::NOT_FOUND);
    assert!(json.body.starts_with("{\"error\""), "{}", json.body);
}

#[actix_web::test]
async fn bodies_that_are_no_small_form_are_refused() {
    let app = App::new();
    let mut browser = app.browser();
    let form = "application/x-www-form-urlencoded";
    for (kind, body) in [
        ("application/json", "{}".to_owned()),
        ("text/plain", "username=ada".to_owned()),
        (form, "a=1&a=2".to_owned()),
        (form, "a=%zz".to_owned()),
        (form, format!("username={}", "x".repeat(70_000))),
    ] {
        for path in [
            "/login",
            "/login/forgot",
            "/login/password",
            "/logout",
            "/account/password",
        ] {
            let request = TestRequest::post()
                .uri(path)
                .insert_header(("content-type", kind))
                .set_payload(body.clone());
            let answer = browser.send(request).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {kind}");
        }
    }
}

#[actix_web::test]
async fn d19_a_store_that_fails_is_503_on_every_page() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    app.break_store();
    // A reader belongs to its thread; this one opens the database anew.
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            for path in ["/login", "/account", "/logout", "/bootstrap", "/ready"] {
                let answer = browser.get(path).await;
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
                assert_eq!(answer.header("retry-after"), "1", "{path}");
            }
            assert!(
                browser.session_cookie().is_some(),
                "nobody is signed out by a failing database"
            );
            assert_eq!(browser.get("/health").await.status, StatusCode::OK);
        });
    });
    thread.join().unwrap();
}
