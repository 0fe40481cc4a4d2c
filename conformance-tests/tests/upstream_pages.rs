//! Signing in through somebody else, in a real browser: Chromium, headless, by WebDriver. Every page that was seen is kept as a picture in
//! `target/screenshots/`.

#[expect(dead_code, reason = "each binary uses its part of the stage")]
mod stage;

use conformance_tests::oidc_provider::OidcProvider;
use conformance_tests::pkce;
use conformance_tests::upstream::CLIENT_ID;
use conformance_tests::wire::encode;
use demo_provider::{Client, Config, Person, Running};
use serde_json::json;
use stage::{Stage, play, usual};

/// An authorization request for the app on the stage.
fn asking(stage: &Stage, endpoint: &str) -> String {
    let query = encode(&[
        ("client_id", CLIENT_ID),
        ("redirect_uri", &stage.app.redirect_uri()),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "s-1"),
        ("nonce", "n-1"),
        ("code_challenge", &pkce::challenge(&pkce::random())),
        ("code_challenge_method", "S256"),
    ]);
    format!("{endpoint}?{query}")
}

/// The other side by itself: what the demo's provider shows.
#[test]
fn browser_the_demo_provider_asks_who_one_is_and_signs_out_again() {
    play("demo-provider", usual(), |stage| async move {
        let people = vec![
            Person::new("s-ada", "Ada Lovelace", "ada@example.test"),
            Person::new(
                "s-eve",
                "<b>Eve</b> with a name that is longer than any line of a telephone could ever hold",
                "eve@example.test",
            ),
        ];
        let client = Client::new(CLIENT_ID, "the secret", &stage.app.redirect_uri());
        let provider = Running::start(Config::new("Demo identity", people, vec![client]));
        let provider = provider.expect("the provider starts");
        let url = asking(&stage, &format!("{}/authorize", provider.issuer()));
        stage.go(&url).await;
        stage.expect_heading("Sign in with Demo identity").await;
        stage.picture("who").await;
        stage.press("person-1").await;
        stage.click("sign-in").await;
        let brought = stage.wait_for_app(1).await;
        assert!(
            brought.contains("code=") && brought.contains("state=s-1"),
            "{brought}"
        );
        assert!(!brought.to_lowercase().contains("referer:"), "{brought}");
        stage.go(&url).await;
        stage.click("refuse").await;
        let brought = stage.wait_for_app(2).await;
        assert!(brought.contains("error=access_denied"), "{brought}");
        stage.go(provider.issuer()).await;
        stage.picture("signed-in").await;
        stage.click("sign-out").await;
        stage.expect_heading("You are signed out").await;
        stage.picture("signed-out").await;
    });
}

/// The other side by itself: the development pages of `oidc-provider` are walked by what the tests walk them with.
#[test]
fn browser_oidc_provider_signs_people_in_on_its_own_pages() {
    play("oidc-provider", usual(), |stage| async move {
        let people =
            json!({"s-ada": {"email": "ada@example.test", "email_verified": true, "name": "Ada"}});
        let provider = OidcProvider::start(
            "the secret",
            &stage.app.redirect_uri(),
            "http://127.0.0.1:9/",
            &people,
        );
        let url = asking(&stage, &format!("{}/auth", provider.issuer()));
        stage.go(&url).await;
        stage.sign_in_at_oidc_provider("s-ada").await;
        let brought = stage.wait_for_app(1).await;
        assert!(
            brought.contains("code=") && brought.contains("iss="),
            "{brought}"
        );
        // It knows the browser again, and asks nothing.
        stage
            .go(&asking(&stage, &format!("{}/auth", provider.issuer())))
            .await;
        stage.wait_for_app(2).await;
    });
}
