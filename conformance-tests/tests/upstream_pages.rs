//! Signing in through somebody else, in a real browser: Chromium, headless, by WebDriver. Every page that was seen is kept as a picture in
//! `target/screenshots/`.

#[expect(dead_code, reason = "each binary uses its part of the stage")]
mod stage;

use conformance_tests::oidc_provider::OidcProvider;
use conformance_tests::upstream::{CLIENT_ID, Upstream};
use conformance_tests::wire::encode;
use conformance_tests::{PASSWORD, Setup, pkce};
use demo_provider::{Client, Config, Person, Running};
use serde_json::{Value, json};
use stage::{Stage, play, usual, with_mail};
use thirtyfour::prelude::*;

/// The button of the sign-in page.
const TO_THE_OTHER_SIDE: &str = ".providers a[href*='/upstream/work']";

/// Everybody at the other side.
fn people() -> Value {
    let person =
        |name: &str, email: &str| json!({"email": email, "email_verified": true, "name": name});
    json!({
        "s-ada": person("Ada Lovelace", "ada@example.test"),
        "s-vic": person("Victor", "vic@example.test"),
        "s-eve": person("Eve", "vic@example.test"),
        "s-grace": person("Grace Hopper", "grace.hopper.of.the.department.of.computing@elsewhere.example.test"),
        "s-other": person("Ada at home", "ada@home.example.test"),
    })
}

fn setup() -> Setup {
    usual().with_upstreams()
}

/// The other side, with the usual people.
fn provider(stage: &Stage, options: &[&str]) -> Upstream<OidcProvider> {
    let named = ["--name", "Harbour Identity"];
    stage
        .world
        .oidc_provider("work", &people(), &[&named[..], options].concat())
}

/// The words of the whole page.
async fn words(stage: &Stage) -> String {
    let body = stage.driver.query(By::Css("body")).first().await;
    body.expect("a body").text().await.expect("its text")
}

/// From the sign-in page to the other side, where `subject` signs in.
async fn come_as(stage: &Stage, subject: &str) {
    stage.go("/login").await;
    stage.click_on(By::Css(TO_THE_OTHER_SIDE)).await;
    stage.sign_in_at_oidc_provider(subject).await;
}

/// Is gone from here and from there: both sides live at one host name, whose cookies they share.
async fn forget(stage: &Stage) {
    stage.driver.delete_all_cookies().await.expect("no cookies");
}

async fn expect_path(stage: &Stage, wanted: &str) {
    let here = stage.driver.current_url().await.expect("a URL");
    assert_eq!(here.path(), wanted, "{here}: {}", words(stage).await);
}

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

/// An account that an administrator made is linked at once; another subject with the same address is turned away with the code.
#[test]
fn browser_is_linked_at_the_first_sign_in_and_another_subject_is_refused() {
    play("upstream-first", setup(), |stage| async move {
        let _provider = provider(&stage, &[]);
        stage
            .world
            .cli(&["user", "add", "vic", "--email", "vic@example.test"]);
        stage.go("/login").await;
        stage.picture("sign-in").await;
        come_as(&stage, "s-vic").await;
        expect_path(&stage, "/account").await;
        stage.picture("account").await;
        stage.go("/account/identities").await;
        stage.picture("identities").await;
        // It is the only way in: there is no button that takes it away.
        assert!(!stage.has("identity-unlink").await);
        forget(&stage).await;
        come_as(&stage, "s-eve").await;
        stage.expect_heading("You were not signed in").await;
        let told = words(&stage).await;
        assert!(
            told.contains("identity_already_bound") && told.contains("Harbour Identity"),
            "{told}"
        );
        stage.picture("already-bound").await;
        stage.click("upstream-back").await;
        stage.expect_heading("Sign in").await;
        assert_eq!(stage.world.query("SELECT subject FROM links"), "s-vic");
    });
}

/// Somebody new; and somebody new where there are no sign-ups.
#[test]
fn browser_signs_up_through_a_provider_where_that_is_allowed() {
    play("upstream-sign-up", setup(), |stage| async move {
        let _provider = provider(&stage, &["--sign-ups", "on"]);
        come_as(&stage, "s-grace").await;
        expect_path(&stage, "/account").await;
        stage.picture("account").await;
        stage.go(&stage.request().target()).await;
        stage.picture("consent").await;
        stage.click("consent-approve").await;
        assert!(stage.wait_for_app(1).await.contains("code="));
        forget(&stage).await;
        stage
            .world
            .run(&["upstream", "change", "work", "--sign-ups", "off"], "");
        come_as(&stage, "s-other").await;
        let told = words(&stage).await;
        assert!(told.contains("sign_ups_off"), "{told}");
        stage.picture("no-sign-ups").await;
    });
}

/// The account has a password: whoever knows it, and nobody else, links the identity.
#[test]
fn browser_proves_by_signing_in_that_the_account_is_theirs() {
    play("night-upstream-proof", setup(), |stage| async move {
        let _provider = provider(&stage, &[]);
        come_as(&stage, "s-ada").await;
        stage.expect_heading("Is this your account?").await;
        stage.picture("asked").await;
        assert_eq!(stage.world.query("SELECT count(*) FROM links"), "0");
        stage.click("proof-sign-in").await;
        stage.sign_in(PASSWORD).await;
        stage.expect_heading("Link this identity?").await;
        stage.picture("confirm").await;
        assert_eq!(stage.world.query("SELECT count(*) FROM links"), "0");
        stage.click("proof-confirm").await;
        expect_path(&stage, "/account").await;
        stage.picture("linked").await;
        assert_eq!(stage.world.query("SELECT subject FROM links"), "s-ada");
        forget(&stage).await;
        come_as(&stage, "s-ada").await;
        expect_path(&stage, "/account").await;
    });
}

/// The same by the mailbox: the page that says where to look.
#[test]
fn browser_asks_for_a_mail_that_proves_the_account() {
    play(
        "upstream-mail",
        with_mail().with_upstreams(),
        |stage| async move {
            let _provider = provider(&stage, &[]);
            come_as(&stage, "s-ada").await;
            stage.picture("asked").await;
            stage.click("proof-mail").await;
            stage.expect_heading("Check your e-mail").await;
            stage.picture("sent").await;
            assert_eq!(stage.world.query("SELECT count(*) FROM links"), "0");
        },
    );
}

/// On the account page: a fresh sign-in, the way out, the last question; and the way back.
#[test]
fn browser_links_an_identity_on_the_account_page_and_unlinks_it() {
    play(
        "upstream-account",
        setup().time_travel(),
        |stage| async move {
            let _provider = provider(&stage, &[]);
            stage.go("/account/identities").await;
            stage.sign_in(PASSWORD).await;
            stage.expect_heading("Linked identities").await;
            stage.picture("none").await;
            // Whoever signed in a while ago is asked again.
            stage.world.advance(400);
            stage.click("identity-link-work").await;
            stage.expect_heading("Sign in").await;
            stage.picture("fresh").await;
            stage.sign_in(PASSWORD).await;
            stage.expect_heading("Linked identities").await;
            stage.click("identity-link-work").await;
            stage.expect_heading("One more step").await;
            stage.picture("continue").await;
            stage.click("upstream-continue").await;
            stage.sign_in_at_oidc_provider("s-other").await;
            stage.expect_heading("Link this identity?").await;
            stage.picture("confirm").await;
            assert_eq!(stage.world.query("SELECT count(*) FROM links"), "0");
            stage.click("proof-confirm").await;
            stage.expect_heading("Linked identities").await;
            let told = words(&stage).await;
            assert!(told.contains("It is linked"), "{told}");
            stage.picture("linked").await;
            assert_eq!(stage.world.query("SELECT subject FROM links"), "s-other");
            // Once more: the other side remembers who this is, and nothing is left to do.
            stage.click("identity-link-work").await;
            stage.click("upstream-continue").await;
            let told = words(&stage).await;
            assert!(told.contains("linked to your account before"), "{told}");
            stage.picture("already-linked").await;
            stage.click("identity-unlink").await;
            stage.expect_heading("Linked identities").await;
            let told = words(&stage).await;
            assert!(told.contains("It was unlinked"), "{told}");
            stage.picture("unlinked").await;
            assert_eq!(
                stage
                    .world
                    .query("SELECT count(*) FROM links WHERE status = 1"),
                "0"
            );
        },
    );
}

/// A page that lay open while the other way in went away: the last one stays.
#[test]
fn browser_cannot_unlink_the_last_way_in() {
    play("upstream-last", setup(), |stage| async move {
        let _work = provider(&stage, &["--sign-ups", "on"]);
        let home =
            OidcProvider::start("x", "http://127.0.0.1:9/", "http://127.0.0.1:9/", &people());
        let issuer = home.issuer().to_owned();
        stage.world.run(
            &[
                "upstream",
                "add",
                "home",
                "--name",
                "Home",
                "--issuer",
                &issuer,
                "--client-id",
                "x",
                "--no-client-secret",
            ],
            "",
        );
        come_as(&stage, "s-grace").await;
        let name = stage
            .world
            .query("SELECT username FROM users WHERE ever_linked");
        stage.world.run(
            &[
                "user",
                "link",
                &name,
                "--provider",
                "home",
                "--subject",
                "grace",
            ],
            "",
        );
        // A link by an administrator may end what was begun before.
        stage.go("/account/identities").await;
        if stage.heading().await == "Sign in" {
            forget(&stage).await;
            come_as(&stage, "s-grace").await;
            stage.go("/account/identities").await;
        }
        assert!(stage.has("identity-unlink").await && stage.has("identity-unlink-2").await);
        stage.picture("two").await;
        let id = stage.world.link_id(&name, "home");
        stage.world.run(&["user", "unlink", &name, &id], "");
        let own = "return [...document.querySelectorAll('.held li')].findIndex(li => li.textContent.includes('Harbour'))";
        let place = stage
            .driver
            .execute(own, Vec::new())
            .await
            .expect("a script")
            .json()
            .as_u64();
        stage
            .click(if place == Some(0) {
                "identity-unlink"
            } else {
                "identity-unlink-2"
            })
            .await;
        let told = words(&stage).await;
        assert!(told.contains("Nothing was unlinked"), "{told}");
        stage.picture("last-way").await;
        assert_eq!(
            stage
                .world
                .query("SELECT subject FROM links WHERE status = 1"),
            "s-grace"
        );
    });
}

/// Somebody who was invited takes an identity instead of a password.
#[test]
fn browser_accepts_an_invitation_with_an_identity() {
    play("upstream-invited", setup(), |stage| async move {
        let _work = provider(&stage, &["--sign-ups", "invite"]);
        let invited = stage.world.cli(&["user", "add", "grace"]);
        let url = invited["invitation_url"].as_str().expect("a link");
        stage.go(url.trim_start_matches(stage.world.issuer())).await;
        stage.picture("page").await;
        stage.click_on(By::Css(".providers button")).await;
        stage.expect_heading("One more step").await;
        stage.picture("continue").await;
        stage.click("upstream-continue").await;
        stage.sign_in_at_oidc_provider("s-grace").await;
        expect_path(&stage, "/account").await;
        stage.picture("account").await;
        let links = stage.world.links();
        assert_eq!(links.len(), 1, "{links:?}");
        assert_eq!((&*links[0][2], &*links[0][3]), ("s-grace", "grace"));
    });
}

/// The provider is away, and the person goes away at the provider.
#[test]
fn browser_is_told_when_a_provider_does_not_answer_or_says_no() {
    play("upstream-away", setup(), |stage| async move {
        let upstream = provider(&stage, &[]);
        let (callback, start) = (upstream.path("callback"), upstream.path("start"));
        stage.go(&format!("{callback}?state=nothing")).await;
        assert!(words(&stage).await.contains("upstream_state_invalid"));
        stage.picture("state").await;
        drop(upstream);
        stage.go("/login").await;
        stage.click_on(By::Css(TO_THE_OTHER_SIDE)).await;
        let told = words(&stage).await;
        assert!(told.contains("upstream_unavailable"), "{told}");
        stage.picture("unavailable").await;
        stage.world.run(&["upstream", "disable", "work"], "");
        stage.go(&start).await;
        assert!(words(&stage).await.contains("provider_disabled"));
        stage.picture("disabled").await;
    });
}
