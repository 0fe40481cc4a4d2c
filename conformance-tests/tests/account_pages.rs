//! The account pages in a real browser: what a person holds, and its end.

#[expect(dead_code, reason = "each binary uses its part of the stage")]
mod stage;

use std::time::Duration;

use conformance_tests::{MailServer, PASSWORD, Tokens, World};
use stage::{Chrome, Stage, play, usual};
use thirtyfour::prelude::*;

/// The first id on the page that begins with `prefix`.
async fn first(stage: &Stage, prefix: &str) -> String {
    let found = By::Css(format!("[id^='{prefix}']"));
    let element = stage.driver.query(found).first().await.expect(prefix);
    element.id().await.expect("an answer").expect("an id")
}

async fn text_of(driver: &WebDriver, id: &str) -> String {
    let element = driver.query(By::Id(id)).first().await.expect("an element");
    element.text().await.expect("its text")
}

async fn source(stage: &Stage) -> String {
    stage.driver.source().await.expect("a page")
}

/// People may put `notes` into their tokens; there are an application and a device that may use the account.
fn furnish(world: &World) -> Tokens {
    world.run(&["scope", "change", "notes", "--personal", "true"], "");
    world.tokens(&mut world.browser(), &world.app);
    let options = ["--public", "--grant", "device_code", "--scope", "notes"];
    let client = world.add_client("television", "", &options);
    let device = world.http().start_device(&client, &[("scope", "notes")]);
    world.browser().approve_device(&device);
    Tokens::of(&world.http().poll(&device))
}

async fn sign_in(stage: &Stage) {
    stage.go("/login").await;
    stage.sign_in(PASSWORD).await;
}

#[test]
fn c37_a_person_makes_a_token_sees_it_once_and_ends_it() {
    play("holdings", usual(), |stage| async move {
        furnish(&stage.world);
        sign_in(&stage).await;
        stage.go("/account").await;
        stage.picture("account").await;
        stage.click("to-tokens").await;
        stage.picture("tokens").await;
        stage.click("pat-new").await;
        stage.fill("pat-name", "back-up").await;
        stage.picture("token-new").await;
        // A mistake is told, and what was typed stays.
        stage.click("pat-submit").await;
        assert!(stage.has("problem").await);
        stage.picture("token-new-problem").await;
        stage.press("pat-scope-1").await;
        stage.click("pat-submit").await;
        stage.expect_heading("Your new token").await;
        stage.picture("token-made").await;
        let token = text_of(&stage.driver, "pat-secret").await;
        stage.world.assert_alive(&token);
        stage.driver.refresh().await.expect("a reload");
        stage.expect_heading("Tokens").await;
        assert!(!source(&stage).await.contains("cfpt_"), "it is shown once");
        let button = first(&stage, "token-revoke-").await;
        let id = button.trim_start_matches("token-revoke-").to_owned();
        stage.go(&format!("/account/tokens/{id}")).await;
        stage.expect_heading("Where it comes from").await;
        stage.picture("token").await;
        stage.click(&button).await;
        stage.expect_heading("Tokens").await;
        stage.world.assert_dead(&token);
    });
}

#[test]
fn d05_a_person_ends_a_session_an_application_and_a_device() {
    play("ending", usual(), |stage| async move {
        let device = furnish(&stage.world);
        stage.world.signed_in("ada");
        sign_in(&stage).await;
        stage.go("/account").await;
        stage.click(&first(&stage, "device-disown-").await).await;
        assert!(source(&stage).await.contains("it was noted"));
        stage.picture("disowned").await;
        stage.world.assert_dead(&device.access);
        stage.click("to-sessions").await;
        stage.picture("sessions").await;
        let other = By::Css(".held > li:not(.this) button");
        let other = stage.driver.query(other).first().await.expect("a button");
        let other = other.id().await.expect("an answer").expect("an id");
        stage.click(&other).await;
        assert!(source(&stage).await.contains("The session was ended"));
        stage.go("/account/applications").await;
        stage.picture("applications").await;
        stage.click("application-withdraw-app").await;
        assert!(source(&stage).await.contains("may no longer use"));
        // Going back and pressing again ends nothing twice.
        stage.driver.back().await.expect("the page before");
        if stage.has("application-withdraw-app").await {
            stage.click("application-withdraw-app").await;
            assert!(source(&stage).await.contains("over already"));
        }
        stage.go("/account/tokens").await;
        stage.click("tokens-revoke-all").await;
        stage.picture("confirm-tokens").await;
        stage.click("tokens-revoke-all-confirm").await;
        stage.expect_heading("Tokens").await;
        stage.go("/account/sessions").await;
        stage.click("logout-everywhere").await;
        stage.picture("confirm-logout").await;
        stage.click("logout-everywhere-confirm").await;
        stage.expect_heading("Sign in").await;
        stage.picture("signed-out-everywhere").await;
        stage.sign_in(PASSWORD).await;
        stage.expect_heading("Your account").await;
    });
}

#[test]
fn sxd_04_the_mailed_link_undoes_a_device_without_signing_in() {
    let mails = MailServer::start();
    let setup = usual()
        .env("CURFEW_MAIL_SMTP_URL", &mails.url())
        .env("CURFEW_MAIL_FROM", "Curfew <no-reply@example.test>");
    play("undo", setup, |stage| async move {
        let device = furnish(&stage.world);
        let mail = mails.next(Duration::from_secs(30)).text;
        let link = mail.lines().find(|line| line.contains("/account/undo?"));
        let link = link.expect("a link").trim().to_owned();
        stage.go(&link).await;
        stage.expect_heading("Was this not you?").await;
        stage.picture("asked").await;
        stage.world.assert_alive(&device.access);
        stage.click("undo-confirm").await;
        stage.expect_heading("It is undone").await;
        stage.picture("done").await;
        stage.world.assert_dead(&device.access);
        stage.go(&link).await;
        stage.expect_heading("This link no longer works").await;
        stage.picture("invalid").await;
        stage.go("/account/undone?what=device").await;
        stage.click("logout-everywhere").await;
        stage.expect_heading("Sign in").await;
        stage.sign_in(PASSWORD).await;
        stage.expect_heading("Sign out everywhere").await;
    });
}

#[test]
fn the_account_pages_in_the_dark_and_on_a_desk() {
    play("night-holdings", usual(), |stage| async move {
        furnish(&stage.world);
        let window = stage.driver.set_window_rect(0, 0, 1280, 1400);
        window.await.expect("a window");
        sign_in(&stage).await;
        for (path, what) in [
            ("/account", "account"),
            ("/account/sessions", "sessions"),
            ("/account/applications", "applications"),
            ("/account/tokens", "tokens"),
            ("/account/tokens/new", "token-new"),
            ("/account/tokens/end-all", "confirm"),
        ] {
            stage.go(path).await;
            stage.picture(what).await;
        }
        stage.go("/account/tokens").await;
        let button = first(&stage, "token-revoke-").await;
        let id = button.trim_start_matches("token-revoke-").to_owned();
        stage.go(&format!("/account/tokens/{id}")).await;
        stage.picture("token").await;
    });
}

/// A browser that runs no scripts at all makes a token and ends everything.
#[test]
fn the_account_pages_need_no_scripts() {
    play("scriptless", usual(), |stage| async move {
        furnish(&stage.world);
        let chrome = Chrome::start();
        let driver = chrome.open_without_scripts().await;
        let open = async |path: &str| {
            let url = format!("{}{path}", stage.world.issuer());
            driver.goto(url).await.expect("a page");
        };
        let press = async |id: &str| {
            let element = driver.query(By::Id(id)).first().await.expect(id);
            element.click().await.expect("a click");
        };
        let fill = async |id: &str, text: &str| {
            let field = driver.query(By::Id(id)).first().await.expect(id);
            field.send_keys(text).await.expect("typing");
        };
        open("/login").await;
        fill("username", "ada").await;
        fill("password", PASSWORD).await;
        press("login-submit").await;
        driver
            .query(By::Id("to-tokens"))
            .first()
            .await
            .expect("the account");
        open("/account/tokens/new").await;
        fill("pat-name", "plain").await;
        press("pat-scope-1").await;
        press("pat-submit").await;
        let token = text_of(&driver, "pat-secret").await;
        stage.world.assert_alive(&token);
        open("/account/sessions").await;
        press("logout-everywhere").await;
        press("logout-everywhere-confirm").await;
        driver
            .query(By::Id("login-submit"))
            .first()
            .await
            .expect("the sign-in");
        stage.world.assert_dead(&token);
        driver.quit().await.expect("the browser ends");
    });
}
