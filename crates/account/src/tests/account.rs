use actix_web::http::StatusCode;

use super::support::{App, OTHER, PASSWORD};

const CHANGE: [(&str, &str); 3] = [
    ("current_password", PASSWORD),
    ("password", OTHER),
    ("password_again", OTHER),
];

#[actix_web::test]
async fn the_account_page_is_for_those_who_are_signed_in() {
    let app = App::new();
    let mut browser = app.browser();
    assert_eq!(browser.get("/").await.location(), "/login");
    assert_eq!(
        browser.get("/account").await.location(),
        "/login?return_to=%2Faccount"
    );
    let mut browser = app.signed_in().await;
    assert_eq!(browser.get("/").await.location(), "/account");
    let page = browser.get("/account").await;
    assert!(page.body.contains("ada@harbour.example"));
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn a24_a_changed_password_ends_all_sessions_but_this_browsers_fresh_one() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    let (mut captured, mut elsewhere) = (browser.clone(), app.signed_in().await);
    browser.get("/account").await;
    let answer = browser.submit("/account/password", &CHANGE).await;
    assert_eq!(
        answer.location(),
        "/account?told=password_changed",
        "{}",
        answer.body
    );
    assert_ne!(browser.session_cookie(), captured.session_cookie());
    assert!(
        browser
            .get("/account?told=password_changed")
            .await
            .body
            .contains("was changed")
    );
    assert!(!captured.is_signed_in().await);
    assert!(!elsewhere.is_signed_in().await);
    assert_eq!(
        app.browser().sign_in("ada", PASSWORD).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        app.browser().sign_in("ada", OTHER).await.status,
        StatusCode::SEE_OTHER
    );
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].recipient, "ada@harbour.example");
    assert!(
        mails[0]
            .body
            .0
            .contains("http://127.0.0.1:8080/login/forgot"),
        "{}",
        mails[0].body.0
    );
}

#[actix_web::test]
async fn mistakes_are_named_and_change_nothing() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    let epoch = app.user().epoch;
    for (current, password, again, status, told) in [
        ("wrong", OTHER, OTHER, 403, "current password is not right"),
        ("", OTHER, OTHER, 403, "current password is not right"),
        (PASSWORD, OTHER, PASSWORD, 400, "passwords differ"),
        (PASSWORD, "short", "short", 400, "at least 10"),
        (PASSWORD, PASSWORD, PASSWORD, 400, "is the old one"),
        (
            PASSWORD,
            "Ada@Harbour.example",
            "Ada@Harbour.example",
            400,
            "is no password",
        ),
    ] {
        browser.get("/account").await;
        let fields = [
            ("current_password", current),
            ("password", password),
            ("password_again", again),
        ];
        let answer = browser.submit("/account/password", &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{told}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    assert_eq!(app.user().epoch, epoch);
    assert!(browser.is_signed_in().await);
}

#[actix_web::test]
async fn guesses_at_the_current_password_are_counted_like_any_other() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    let wrong = [("current_password", "wrong"), CHANGE[1], CHANGE[2]];
    let mut statuses = Vec::new();
    for _ in 0..6 {
        browser.get("/account").await;
        statuses.push(
            browser
                .submit("/account/password", &wrong)
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429]);
    assert_eq!(
        app.browser().sign_in("ada", PASSWORD).await.status.as_u16(),
        429
    );
}

#[actix_web::test]
async fn the_form_belongs_to_the_session() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    assert_eq!(
        browser.post("/account/password", &CHANGE).await.status,
        StatusCode::FORBIDDEN
    );
    browser.get("/account").await;
    app.clock.advance(600);
    let answer = browser.submit("/account/password", &CHANGE).await;
    assert!(answer.status == StatusCode::BAD_REQUEST && answer.body.contains("open for too long"));
    let mut stranger = app.browser();
    let answer = stranger.post("/account/password", &CHANGE).await;
    assert!(answer.location().starts_with("/login"));
}

#[actix_web::test]
async fn two_changes_at_once_are_one_change() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    browser.get("/account").await;
    let changes: Vec<_> = (0..4)
        .map(|_| {
            let mut browser = browser.clone();
            actix_web::rt::spawn(async move { browser.submit("/account/password", &CHANGE).await })
        })
        .collect();
    let mut changed = 0;
    for change in changes {
        changed += usize::from(
            change
                .await
                .unwrap()
                .location()
                .contains("password_changed"),
        );
    }
    assert_eq!(changed, 1);
    assert_eq!(app.user().epoch, 2);
}
