//! The pages in a real browser: Chromium, headless, by WebDriver. A violation of the content security policy fails the test, and
//! every page that was seen is kept as a picture in `target/screenshots/`.

#[expect(dead_code, reason = "each binary uses its part of the stage")]
mod stage;

use conformance_tests::{Client, Device, PASSWORD, World};
use stage::{Chrome, Stage, play, usual, with_mail};
use thirtyfour::prelude::*;

#[test]
fn browser_signs_in_approves_and_comes_back_with_a_code() {
    play("approve", usual(), |stage| async move {
        let request = stage.request();
        stage.go(&request.target()).await;
        stage.expect_heading("Sign in").await;
        stage.picture("sign-in").await;
        stage.sign_in(PASSWORD).await;
        assert!(stage.has("consent-approve").await && stage.has("consent-deny").await);
        let text = stage.driver.source().await.expect("a page");
        assert!(
            text.contains("Use your notes"),
            "the scope is not said in words"
        );
        stage.picture("consent").await;
        stage.click("consent-approve").await;
        let brought = stage.wait_for_app(1).await;
        assert!(
            brought.starts_with("GET /cb?")
                && brought.contains("code=cfac_")
                && brought.contains("iss="),
            "{brought}"
        );
        // RFC 9700 §4.2.4, S9700-25: where the browser came from is nobody's business.
        assert!(!brought.to_lowercase().contains("referer:"), "{brought}");
        stage.go("/account").await;
        stage.picture("account").await;
    });
}

#[test]
fn browser_is_told_of_a_wrong_password_and_may_try_again() {
    play("wrong-password", usual(), |stage| async move {
        stage.go("/login").await;
        stage.sign_in("not my password").await;
        stage.expect_heading("Sign in").await;
        assert!(stage.has("problem").await);
        let name = stage
            .driver
            .query(By::Id("username"))
            .first()
            .await
            .expect("a field")
            .value()
            .await
            .expect("its value");
        assert_eq!(
            name.as_deref(),
            Some("ada"),
            "the name has to be typed again"
        );
        stage.picture("told").await;
        stage.sign_in(PASSWORD).await;
        assert!(
            stage
                .driver
                .current_url()
                .await
                .expect("a URL")
                .path()
                .ends_with("/account")
        );
    });
}

#[test]
fn browser_denies_and_the_client_hears_of_it() {
    play("deny", usual(), |stage| async move {
        stage.go(&stage.request().target()).await;
        stage.sign_in(PASSWORD).await;
        stage.click("consent-deny").await;
        let brought = stage.wait_for_app(1).await;
        assert!(
            brought.contains("error=access_denied") && !brought.contains("code="),
            "{brought}"
        );
    });
}

#[test]
fn browser_stays_at_the_authorization_error_when_client_or_redirect_uri_is_bad() {
    play("authorization-error", usual(), |stage| async move {
        for request in [
            stage.request().set("client_id", "unknown"),
            stage.request().set("redirect_uri", "https://evil.example/"),
        ] {
            stage.go(&request.target()).await;
            stage.expect_heading("Authorization error").await;
            let here = stage.driver.current_url().await.expect("a URL");
            assert!(here.as_str().starts_with(stage.world.issuer()), "{here}");
        }
        stage.picture("page").await;
        assert!(stage.app.brought().is_empty());
    });
}

/// A form that lay open for too long says so, and the way on is one click.
#[test]
fn browser_gets_the_expired_page_when_a_form_lay_open_too_long() {
    play("expired", usual().time_travel(), |stage| async move {
        stage.go(&stage.request().target()).await;
        stage.sign_in(PASSWORD).await;
        assert!(stage.has("consent-approve").await);
        stage.world.advance(1_000);
        stage.click("consent-approve").await;
        stage.picture("page").await;
        assert!(stage.app.brought().is_empty(), "an expired form was taken");
        let heading = stage.heading().await;
        assert!(
            !heading.is_empty() && !heading.contains("error"),
            "{heading}"
        );
        let way_on = stage
            .driver
            .query(By::Css("main a.button"))
            .first()
            .await
            .expect("a way to start again");
        way_on.click().await.expect("a click");
        assert!(stage.has("consent-approve").await || stage.has("login-submit").await);
    });
}

/// A consent sent twice, by haste or by the back button, gives one code or two that are both good, never an error page.
#[test]
fn browser_may_submit_twice_and_go_back() {
    play("twice", usual(), |stage| async move {
        stage.go(&stage.request().target()).await;
        stage.sign_in(PASSWORD).await;
        stage.click("consent-approve").await;
        stage.wait_for_app(1).await;
        stage.driver.back().await.expect("the page before");
        // The page may not come from a cache: it is asked for again, and consent is given already.
        stage.picture("after-back").await;
        if stage.has("consent-approve").await {
            stage.click("consent-approve").await;
            let brought = stage.wait_for_app(2).await;
            assert!(
                brought.contains("code=") || brought.contains("error="),
                "{brought}"
            );
        }
        for request in stage.app.brought() {
            assert!(request.contains("code=cfac_"), "{request}");
        }
        // Two clicks on one button.
        stage.go("/logout").await;
        let double = "const b = document.getElementById('logout-confirm'); b.click(); b.click();";
        stage
            .driver
            .execute(double, Vec::new())
            .await
            .expect("two clicks");
        stage.expect_heading("You are signed out").await;
        stage.picture("signed-out").await;
        // Back after signing out shows nothing of the account.
        stage.go("/account").await;
        stage.expect_heading("Sign in").await;
    });
}

#[test]
fn browser_posts_the_response_by_form_post() {
    play("form-post", usual(), |stage| async move {
        let request = stage.request().set("response_mode", "form_post");
        stage.go(&request.target()).await;
        stage.sign_in(PASSWORD).await;
        stage.click("consent-approve").await;
        let brought = stage.wait_for_app(1).await;
        assert!(brought.starts_with("POST /cb "), "{brought}");
        assert!(
            brought.contains("code=cfac_")
                && brought.contains("iss=")
                && brought.contains("state="),
            "{brought}"
        );
    });
}

#[test]
fn browser_changes_the_password_and_the_forgotten_one() {
    play("password", with_mail(), |stage| async move {
        stage.go("/login").await;
        stage.press("login-submit").await;
        // Empty required fields: the browser itself keeps the form back.
        stage.expect_heading("Sign in").await;
        stage.sign_in(PASSWORD).await;
        let new = "a completely different passphrase";
        stage.fill("current_password", PASSWORD).await;
        stage.fill("password", new).await;
        stage.fill("password_again", "not the same").await;
        stage.click("password-submit").await;
        assert!(stage.has("problem").await);
        stage.picture("mismatch").await;
        stage.fill("current_password", PASSWORD).await;
        stage.fill("password", new).await;
        stage.fill("password_again", new).await;
        stage.click("password-submit").await;
        stage.picture("changed").await;
        assert!(!stage.has("problem").await);
        stage.go("/login/forgot").await;
        stage.fill("username", "ada").await;
        stage.picture("forgot").await;
        stage.click("forgot-submit").await;
        stage.picture("link-sent").await;
        // Without an address the link is handed over.
        let added = stage.world.cli(&["user", "add", "eve"]);
        stage
            .go(added["invitation_url"].as_str().expect("a link"))
            .await;
        stage.picture("invitation").await;
        stage.fill("password", new).await;
        stage.fill("password_again", new).await;
        stage.click("password-submit").await;
        assert!(!stage.has("problem").await);
    });
}

/// The night side of every page, and a wide window.
#[test]
fn browser_shows_the_pages_in_the_dark_and_on_a_desk() {
    play("night", usual(), |stage| async move {
        stage
            .driver
            .set_window_rect(0, 0, 1280, 900)
            .await
            .expect("a window");
        stage.go("/login").await;
        stage.picture("desk-sign-in").await;
        stage.go(&stage.request().target()).await;
        stage.sign_in(PASSWORD).await;
        stage.picture("desk-consent").await;
        stage.go("/bootstrap").await;
        stage.picture("desk-bootstrap").await;
        stage
            .go("/logout?client_id=app&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F")
            .await;
        stage.expect_heading("Logout error").await;
        stage.picture("desk-logout-error").await;
        stage.go("/nothing-is-here").await;
        stage.picture("desk-not-found").await;
    });
}

/// A device's own screen: another browser, which shows the picture of the link.
async fn device_screen(stage: &Stage, device: &Device) {
    let chrome = Chrome::start();
    let screen = chrome.open(true).await;
    let picture = format!(
        "{}/device/qr.svg?user_code={}",
        stage.world.issuer(),
        device.user_code
    );
    screen.goto(&picture).await.expect("a picture");
    let drawn = "return document.documentElement.tagName";
    let root = screen.execute(drawn, Vec::new()).await.expect("a script");
    assert_eq!(root.json(), "svg");
    screen.quit().await.expect("the browser ends");
}

fn television(world: &World) -> Client {
    let options = ["--public", "--grant", "device_code", "--scope", "notes"];
    world.add_client("television", "", &options)
}

fn start_device(stage: &Stage, client: &Client) -> Device {
    let asked = [("scope", "notes")];
    stage.world.http().start_device(client, &asked)
}

/// S8628-06, C31: two browsers, the link from the device's, the decision in the person's.
#[test]
fn browser_walks_the_whole_device_flow_with_two_browsers() {
    play("device", usual(), |stage| async move {
        let client = television(&stage.world);
        let device = start_device(&stage, &client);
        device_screen(&stage, &device).await;
        let link = device.answer["verification_uri_complete"].clone();
        stage.go(link.as_str().expect("a link")).await;
        stage.expect_heading("Sign in").await;
        stage.sign_in(PASSWORD).await;
        stage.expect_heading("Connect a device").await;
        stage.picture("entry").await;
        // The code came with the link; the person only goes on.
        stage.click("device-submit").await;
        assert!(stage.has("device-approve").await && stage.has("device-deny").await);
        let text = stage.driver.source().await.expect("a page");
        assert!(
            text.contains(&device.user_code),
            "the code is there to be compared"
        );
        stage.picture("confirm").await;
        stage.click("device-approve").await;
        stage.expect_heading("The device is connected").await;
        stage.picture("connected").await;
        let token = stage.world.http().poll(&device).expect(200);
        let token = token.member("access_token");
        stage.world.assert_alive(&token);
        // Going back and pressing again changes nothing.
        stage.driver.back().await.expect("the page before");
        if stage.has("device-approve").await {
            stage.click("device-approve").await;
            stage.expect_heading("Nothing is waiting any more").await;
        }
        stage.world.assert_alive(&token);
    });
}

/// C21, C22, C26: deny, expiry, and wrong codes up to the limit.
#[test]
fn browser_denies_a_device_comes_too_late_and_guesses_in_vain() {
    let setup = usual().default_limits().time_travel();
    play("device-no", setup, |stage| async move {
        let client = television(&stage.world);
        let (denied, late) = (start_device(&stage, &client), start_device(&stage, &client));
        stage.go("/device").await;
        stage.sign_in(PASSWORD).await;
        stage
            .fill("user_code", &denied.user_code.to_lowercase())
            .await;
        stage.click("device-submit").await;
        stage.click("device-deny").await;
        stage.expect_heading("The device was not connected").await;
        stage.picture("denied").await;
        stage
            .world
            .http()
            .poll(&denied)
            .expect_error(400, "access_denied");
        stage.go("/device").await;
        stage.fill("user_code", &late.user_code).await;
        stage.click("device-submit").await;
        stage.world.advance(600);
        stage.click("device-approve").await;
        stage.picture("too-late").await;
        stage
            .world
            .http()
            .poll(&late)
            .expect_error(400, "expired_token");
        stage.go("/device").await;
        for code in [
            "BCDF-GHJK",
            "BCDF-GHJL",
            "BCDF-GHJM",
            "BCDF-GHJN",
            "BCDF-GHJP",
        ] {
            stage.fill("user_code", code).await;
            stage.click("device-submit").await;
            assert!(stage.has("problem").await, "{code}");
        }
        stage.picture("wrong").await;
        stage.fill("user_code", "BCDF-GHJQ").await;
        stage.click("device-submit").await;
        let text = stage.driver.source().await.expect("a page");
        assert!(text.contains("too many wrong codes"), "{text}");
        stage.picture("too-many").await;
    });
}
