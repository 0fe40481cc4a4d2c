use actix_web::http::StatusCode;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_protocol::{OpaqueToken, SecretBytes, TokenKind};

use super::support::{App, OTHER, PASSWORD};

fn secret(app: &App) -> String {
    let secret = app.write(|write| {
        let rules = LifetimeRules::default();
        let until = rules
            .expires_at(Credential::Bootstrap, write.now(), Caps::default())
            .unwrap();
        write.bootstrap_put(until)
    });
    secret.reveal()
}

fn fields<'f>(secret: &'f str, username: &'f str) -> [(&'f str, &'f str); 5] {
    [
        ("secret", secret),
        ("username", username),
        ("email", "grace@harbour.example"),
        ("password", OTHER),
        ("password_again", OTHER),
    ]
}

#[actix_web::test]
async fn b46_of_ten_first_administrators_one_is_made() {
    let app = App::new();
    let secret = secret(&app);
    let mut browser = app.browser();
    assert!(
        browser
            .get("/bootstrap")
            .await
            .body
            .contains("bootstrap-submit")
    );
    let tries: Vec<_> = (0..10)
        .map(|n| {
            let (mut browser, secret, name) =
                (browser.clone(), secret.clone(), format!("owner{n}"));
            actix_web::rt::spawn(async move {
                let mut all = fields(&secret, &name);
                let email = format!("{name}@harbour.example");
                all[2].1 = &email;
                browser.submit("/bootstrap", &all).await
            })
        })
        .collect();
    let mut made = 0;
    for one in tries {
        let answer = one.await.unwrap();
        made += usize::from(answer.location() == "/login?told=bootstrapped");
        assert!(answer.status.as_u16() < 500, "{answer:?}");
    }
    assert_eq!(made, 1);
    let users = app
        .edge
        .store
        .read_blocking(|read| read.user_list(curfew_protocol::DEFAULT_TENANT))
        .unwrap();
    let owners: Vec<_> = users.iter().filter(|user| user.administrator).collect();
    assert_eq!(owners.len(), 1);
    assert_eq!(
        app.browser().get("/bootstrap").await.status,
        StatusCode::NOT_FOUND
    );
    let answer = app.browser().sign_in(&owners[0].username, OTHER).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn a_mistake_leaves_the_secret_good() {
    let app = App::new();
    let secret = secret(&app);
    let mut browser = app.browser();
    for (field, value, told) in [
        (0, "cfbs_nonsense", "not the one this server expects"),
        (1, "no spaces", "cannot be used"),
        (1, "", "cannot be used"),
        (1, "ada", "already"),
        (2, "not an address", "not an e-mail address"),
        (2, "ada@harbour.example", "already"),
        (4, PASSWORD, "passwords differ"),
        (3, "short", "at least 10"),
    ] {
        browser.get("/bootstrap").await;
        let mut all = fields(&secret, "grace");
        all[field].1 = value;
        let answer = browser.submit("/bootstrap", &all).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{told}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        assert!(!answer.body.contains(&secret) && !answer.body.contains(OTHER));
    }
    browser.get("/bootstrap").await;
    let answer = browser
        .submit("/bootstrap", &fields(&secret, "grace"))
        .await;
    assert_eq!(answer.location(), "/login?told=bootstrapped");
}

#[actix_web::test]
async fn wrong_secrets_are_counted_and_the_page_closes_with_its_time() {
    let app = App::new();
    let right = secret(&app);
    let wrong = OpaqueToken::new(
        TokenKind::BootstrapSecret,
        [0; 16],
        SecretBytes::from_bytes([9; 32]),
    );
    let wrong = wrong.reveal();
    let mut statuses = Vec::new();
    let mut browser = app.browser();
    browser.get("/bootstrap").await;
    for _ in 0..11 {
        let answer = browser.submit("/bootstrap", &fields(&wrong, "grace")).await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!((statuses[9], statuses[10]), (400, 429));
    app.clock.advance(3_600);
    browser.get("/bootstrap").await;
    app.clock.advance(86_400 - 3_600);
    let answer = browser.submit("/bootstrap", &fields(&right, "grace")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn without_a_secret_there_is_no_such_page() {
    let app = App::new();
    assert_eq!(
        app.browser().get("/bootstrap").await.status,
        StatusCode::NOT_FOUND
    );
    app.write(|write| write.tenant_insert("acme", "ACME"));
    secret(&app);
    assert_eq!(
        app.browser().get("/t/acme/bootstrap").await.status,
        StatusCode::NOT_FOUND
    );
}
