use actix_web::http::StatusCode;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::status::UserStatus;
use curfew_store::mailed_links::LinkKind;

use super::support::{Answer, App, Browser, OTHER, PASSWORD};

const BOTH: [(&str, &str); 2] = [("password", OTHER), ("password_again", OTHER)];

/// Asks for a link and takes it from the mail.
async fn mailed_link(app: &App) -> String {
    let mut browser = app.browser();
    browser.get("/login/forgot").await;
    let answer = browser
        .submit("/login/forgot", &[("username", "ada")])
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let mail = app.mails().pop().unwrap();
    // Mails are kept in the order of their milliseconds.
    app.clock.advance(1);
    let line = mail
        .body
        .0
        .lines()
        .find(|line| line.contains("?link="))
        .unwrap()
        .to_owned();
    line.strip_prefix("http://127.0.0.1:8080")
        .unwrap()
        .to_owned()
}

async fn set(browser: &mut Browser, link: &str, fields: &[(&str, &str)]) -> Answer {
    let value = link.split_once("link=").unwrap().1;
    let mut all = vec![("link", value)];
    all.extend_from_slice(fields);
    browser.submit("/login/password", &all).await
}

fn link(app: &App, kind: LinkKind, credential: Credential) -> String {
    let ada = app.ada;
    let secret = app.write(move |write| {
        let user = write.user(ada)?.unwrap();
        let rules = LifetimeRules::default();
        let until = rules
            .expires_at(credential, write.now(), Caps::default())
            .unwrap();
        write.mailed_link_insert(ada, user.epoch, &kind, until)
    });
    format!("/login/password?link={}", secret.reveal())
}

#[actix_web::test]
async fn a24_a_forgotten_password_is_set_by_a_mailed_link_once() {
    let app = App::with_mail();
    let mut elsewhere = app.signed_in().await;
    for _ in 0..6 {
        app.browser().sign_in("ada", "forgotten").await;
    }
    let path = mailed_link(&app).await;
    let mut browser = app.browser();
    let page = browser.get(&path).await;
    assert!(
        page.body.contains("For the account <strong>ada</strong>"),
        "{}",
        page.body
    );
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    // Looking at it, and mistakes, leave it alive.
    browser.get(&path).await;
    for (password, again) in [(OTHER, PASSWORD), ("short", "short"), ("", "")] {
        let fields = [("password", password), ("password_again", again)];
        assert_eq!(
            set(&mut browser, &path, &fields).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    let answer = set(&mut browser, &path, &BOTH).await;
    assert_eq!(
        answer.location(),
        "/login?told=password_set",
        "{}",
        answer.body
    );
    assert!(
        browser
            .get(answer.location())
            .await
            .body
            .contains("You can sign in now")
    );
    assert!(!elsewhere.is_signed_in().await);
    // The guesses from before are forgiven.
    assert_eq!(
        app.browser().sign_in("ada", OTHER).await.status,
        StatusCode::SEE_OTHER
    );
    // Used up.
    browser.get("/login").await;
    assert_eq!(
        set(&mut browser, &path, &BOTH).await.status,
        StatusCode::BAD_REQUEST
    );
    let again = browser.get(&path).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.body.contains("no longer works"));
}

#[actix_web::test]
async fn of_two_links_the_second_dies_with_the_first() {
    let app = App::with_mail();
    let (one, two) = (mailed_link(&app).await, mailed_link(&app).await);
    assert_ne!(one, two);
    let mut browser = app.browser();
    browser.get(&one).await;
    assert_eq!(
        set(&mut browser, &one, &BOTH).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        app.browser().get(&two).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[actix_web::test]
async fn one_link_used_by_ten_at_once_sets_one_password() {
    let app = App::with_mail();
    let path = mailed_link(&app).await;
    let mut browser = app.browser();
    browser.get(&path).await;
    let uses: Vec<_> = (0..10)
        .map(|_| {
            let (mut browser, path) = (browser.clone(), path.clone());
            actix_web::rt::spawn(async move { set(&mut browser, &path, &BOTH).await })
        })
        .collect();
    let mut won = 0;
    for one in uses {
        won += usize::from(one.await.unwrap().status == StatusCode::SEE_OTHER);
    }
    assert_eq!(won, 1);
    assert_eq!(app.user().epoch, 2);
}

#[actix_web::test]
async fn a_link_dies_of_time_of_epochs_and_of_the_users_state() {
    let app = App::with_mail();
    let path = mailed_link(&app).await;
    app.clock.advance(898);
    assert_eq!(app.browser().get(&path).await.status, StatusCode::OK);
    app.clock.advance(1);
    assert_eq!(
        app.browser().get(&path).await.status,
        StatusCode::BAD_REQUEST
    );

    let path = link(&app, LinkKind::PasswordReset, Credential::PasswordReset);
    for end in ["", "x", "cfml_", &path[..path.len() - 1], "&link=x"] {
        let answer = app
            .browser()
            .get(&format!("/login/password?link={end}"))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{end}");
    }
    app.set_status(UserStatus::Suspended);
    app.set_status(UserStatus::Active);
    assert_eq!(
        app.browser().get(&path).await.status,
        StatusCode::BAD_REQUEST,
        "user epoch"
    );

    let path = link(&app, LinkKind::PasswordReset, Credential::PasswordReset);
    app.write(|write| write.tenant_insert("acme", "ACME"));
    assert_eq!(
        app.browser().get(&format!("/t/acme{path}")).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(app.browser().get(&path).await.status, StatusCode::OK);
    app.write(|write| write.installation_epoch_raise(0).map(drop));
    assert_eq!(
        app.browser().get(&path).await.status,
        StatusCode::BAD_REQUEST,
        "installation epoch"
    );
}

#[actix_web::test]
async fn an_invitation_gives_a_new_account_its_password() {
    let app = App::new();
    let path = link(&app, LinkKind::Invitation, Credential::Invitation);
    app.clock.advance(604_799);
    let mut browser = app.browser();
    let page = browser.get(&path).await;
    assert!(
        page.body.contains("<h1>Welcome</h1>") && page.body.contains("invited to Curfew"),
        "{}",
        page.body
    );
    assert_eq!(
        set(&mut browser, &path, &BOTH).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        app.browser().sign_in("ada", OTHER).await.status,
        StatusCode::SEE_OTHER
    );
}

#[actix_web::test]
async fn asking_for_a_link_tells_nobody_who_exists() {
    let app = App::with_mail();
    let mut bodies = Vec::new();
    for name in [
        "ada",
        "ada@harbour.example",
        "nobody",
        "nobody@harbour.example",
    ] {
        let mut browser = app.browser();
        browser.get("/login/forgot").await;
        let answer = browser.submit("/login/forgot", &[("username", name)]).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.body.contains(name));
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(app.mails().len(), 2);
    // The third link is the last for an hour, and the page does not tell; a suspended user gets none.
    for _ in 0..3 {
        let mut browser = app.browser();
        browser.get("/login/forgot").await;
        let answer = browser
            .submit("/login/forgot", &[("username", "ada")])
            .await;
        assert_eq!(answer.body, bodies[0]);
    }
    assert_eq!(app.mails().len(), 3);
    app.clock.advance(3_600);
    app.set_status(UserStatus::Suspended);
    let mut browser = app.browser();
    browser.get("/login/forgot").await;
    browser
        .submit("/login/forgot", &[("username", "ada")])
        .await;
    assert_eq!(app.mails().len(), 3);
}

#[actix_web::test]
async fn an_address_gets_so_many_links_an_hour() {
    let app = App::with_mail();
    let mut browser = app.browser();
    browser.get("/login/forgot").await;
    for _ in 0..20 {
        let answer = browser
            .clone()
            .submit("/login/forgot", &[("username", "x")])
            .await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let answer = browser.submit("/login/forgot", &[("username", "x")]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "3600");
}

#[actix_web::test]
async fn without_mail_the_page_says_whom_to_ask() {
    let app = App::new();
    let mut browser = app.browser();
    let page = browser.get("/login/forgot").await;
    assert!(page.body.contains("Ask your administrator") && !page.body.contains("forgot-submit"));
    browser.get("/login").await;
    let answer = browser
        .submit("/login/forgot", &[("username", "ada")])
        .await;
    assert!(answer.status == StatusCode::OK && answer.body.contains("Ask your administrator"));
    assert!(app.mails().is_empty());
}

#[actix_web::test]
async fn the_mail_speaks_the_visitors_language() {
    let app = App::with_mail();
    let mut browser = app.browser();
    browser.get("/login/forgot").await;
    browser.language = "de";
    browser
        .submit("/login/forgot", &[("username", "ada")])
        .await;
    let mail = app.mails().pop().unwrap();
    assert_eq!(mail.subject, "Neues Passwort für Curfew");
    assert!(
        mail.body.0.contains("endet nach 15 Minuten"),
        "{}",
        mail.body.0
    );
}
