use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use curfew_policy::status::{OwnerStatus, UserStatus};
use curfew_protocol::{DEFAULT_TENANT, Lifetime, Redacted};

use super::support::{App, OTHER, PASSWORD, add_user_with};

const REFUSED: &str = "do not match";

#[actix_web::test]
async fn a_person_signs_in_by_name_or_by_address_and_returns_to_where_he_was_going() {
    let app = App::new();
    for name in ["ada", "ada@harbour.example", " Ada@Harbour.EXAMPLE "] {
        let mut browser = app.browser();
        browser.get("/login").await;
        let fields = [
            ("username", name),
            ("password", PASSWORD),
            ("return_to", "/authorize?a=%20b"),
        ];
        let answer = browser.submit("/login", &fields).await;
        assert_eq!(
            (answer.status, answer.location()),
            (StatusCode::SEE_OTHER, "/authorize?a=%20b")
        );
        let cookie = &answer.cookies[0];
        for part in [
            "__Host-curfew_session_",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Path=/",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(
            !cookie.contains("Domain") && !cookie.contains("ada"),
            "{cookie}"
        );
        assert!(browser.is_signed_in().await);
    }
}

#[actix_web::test]
async fn every_refusal_reads_the_same_and_changes_no_status() {
    let app = App::new();
    add_user_with(&app.edge.store, "bare", None, None);
    let mut bodies = Vec::new();
    for (name, password) in [("ada", OTHER), ("nobody", OTHER), ("bare", OTHER)] {
        let answer = app.browser().sign_in(name, password).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert!(
            answer.body.contains(REFUSED) && answer.cookies.iter().all(|c| !c.contains("session"))
        );
        bodies.push(answer.body.len() - name.len());
    }
    assert!(
        bodies.iter().all(|length| *length == bodies[0]),
        "{bodies:?}"
    );
    // A05, A04: right password, wrong status.
    for status in [UserStatus::Suspended, UserStatus::Deleted] {
        app.set_status(status);
        let answer = app.browser().sign_in("ada", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.body.contains(REFUSED));
        assert_eq!(app.user().status, status);
    }
    let audit = app.audit();
    let has = |event: &str, detail: &str| {
        audit
            .iter()
            .any(|(e, d)| e == event && d.as_deref() == Some(detail))
    };
    assert!(has("login.failed", "wrong_password") && has("login.failed", "unknown_account"));
    assert!(has("login.failed", "no_password"));
    assert!(has("login.refused", "suspended"), "{audit:?}");
}

#[actix_web::test]
async fn a06_signing_in_wakes_a_dormant_account() {
    let app = App::new();
    app.set_status(UserStatus::Dormant);
    let epoch = app.user().epoch;
    let mut browser = app.signed_in().await;
    assert_eq!(app.user().status, UserStatus::Active);
    assert_eq!(app.user().epoch, epoch + 1);
    assert!(browser.is_signed_in().await);
    assert!(
        app.audit()
            .iter()
            .any(|(event, _)| event == "user.status_changed")
    );
}

#[actix_web::test]
async fn a04_suspending_ends_the_session_and_unsuspending_revives_nothing() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    app.set_status(UserStatus::Suspended);
    assert!(!browser.clone().is_signed_in().await);
    app.set_status(UserStatus::Active);
    assert!(!browser.is_signed_in().await);
}

#[actix_web::test]
async fn twenty_guesses_at_once_are_five_guesses() {
    let app = App::new();
    let mut browser = app.browser();
    browser.get("/login").await;
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let mut browser = browser.clone();
            let fields = [("username", "ada"), ("password", OTHER)];
            actix_web::rt::spawn(async move { browser.submit("/login", &fields).await })
        })
        .collect();
    let mut verified = 0;
    for guess in guesses {
        let answer = guess.await.unwrap();
        match answer.status {
            StatusCode::FORBIDDEN => verified += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                assert!(!answer.header("retry-after").is_empty());
                assert!(answer.body.contains("Too many attempts"));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(verified, 5);
    // The right password has to wait too, and then it is enough.
    assert_eq!(
        app.browser().sign_in("ada", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    app.clock.advance(900);
    app.signed_in().await;
}

#[actix_web::test]
async fn an_account_that_does_not_exist_has_the_same_budget() {
    let app = App::new();
    let mut statuses = Vec::new();
    for name in ["nobody", "Nobody", "nobody", "nobody", "NOBODY", "nobody"] {
        statuses.push(app.browser().sign_in(name, OTHER).await.status.as_u16());
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429]);
}

#[actix_web::test]
async fn an_address_that_guesses_at_many_accounts_is_stopped_too() {
    let app = App::with(|edge| edge.rates.password_failures_address.limit = 3);
    for name in ["a", "b", "c"] {
        assert_eq!(
            app.browser().sign_in(name, OTHER).await.status.as_u16(),
            403
        );
    }
    assert_eq!(
        app.browser().sign_in("ada", PASSWORD).await.status.as_u16(),
        429
    );
    let elsewhere = TestRequest::get()
        .uri("/login")
        .peer_addr("192.0.2.7:1".parse().unwrap());
    assert_eq!(app.browser().send(elsewhere).await.status.as_u16(), 200);
}

#[actix_web::test]
async fn success_gives_its_guess_back() {
    let app = App::new();
    for _ in 0..25 {
        app.signed_in().await;
    }
}

#[actix_web::test]
async fn d06_d07_a_session_ends_absolutely_and_when_idle() {
    let app = App::new();
    let mut busy = app.signed_in().await;
    let mut idle = app.signed_in().await;
    app.clock.advance(3_599);
    assert!(busy.is_signed_in().await);
    app.clock.advance(1);
    assert!(!idle.is_signed_in().await, "idle for an hour");
    // Used every half hour, it still ends 12 hours after the login.
    for _ in 0..21 {
        app.clock.advance(1_800);
        assert!(busy.is_signed_in().await);
    }
    app.clock.advance(43_200 - 3_600 - 21 * 1_800 - 1);
    assert!(busy.is_signed_in().await);
    app.clock.advance(1);
    assert!(!busy.is_signed_in().await);
}

/// Makes `ada` an administrator; nothing else of the account changes.
fn promote(app: &App) {
    let ada = app.ada;
    app.write(move |write| write.user_update(ada, "ada", None, true));
}

#[actix_web::test]
async fn d06_d07_an_administrators_session_keeps_its_short_idle_lifetime_when_it_is_used() {
    let app = App::new();
    promote(&app);
    let mut browser = app.signed_in().await;
    for _ in 0..3 {
        app.clock.advance(899);
        assert!(browser.clone().is_signed_in().await, "used in time");
    }
    app.clock.advance(900);
    assert!(
        !browser.is_signed_in().await,
        "a use lengthens it by 15 minutes, not by an hour"
    );
}

#[actix_web::test]
async fn d06_an_administrators_busy_session_ends_at_its_own_absolute_end() {
    let app = App::new();
    promote(&app);
    let mut browser = app.signed_in().await;
    for _ in 0..28_799 / 400 {
        app.clock.advance(400);
        assert!(browser.is_signed_in().await);
    }
    app.clock.advance(28_799 % 400);
    assert!(browser.is_signed_in().await, "to the last second");
    app.clock.advance(1);
    assert!(!browser.is_signed_in().await);
}

#[actix_web::test]
async fn d07_a_short_idle_lifetime_moves_with_each_use_too() {
    let app = App::with(|edge| edge.lifetimes.session_idle = Lifetime::from_seconds(100));
    let mut browser = app.signed_in().await;
    for _ in 0..20 {
        app.clock.advance(90);
        assert!(
            browser.is_signed_in().await,
            "a short idle lifetime moves too"
        );
    }
    app.clock.advance(100);
    assert!(!browser.is_signed_in().await);
}

#[actix_web::test]
async fn a_use_of_the_cookie_is_told_at_the_next_flush_and_a_crash_loses_no_more_than_that() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    let session = || {
        let ada = app.ada;
        let sessions = app
            .edge
            .store
            .read_blocking(move |read| read.session_list(ada));
        sessions.unwrap().remove(0)
    };
    let sign_in = app.edge.store.clock().now();
    assert_eq!(
        session().last_used_at,
        Some(sign_in),
        "a sign-in is written at once"
    );
    app.clock.advance(30);
    assert!(browser.is_signed_in().await);
    assert_eq!(session().last_used_at, Some(sign_in), "not yet told");
    let flushed = app.edge.uses.flush(&app.edge.store).await;
    flushed.unwrap();
    assert_eq!(app.edge.uses.waiting(), 0);
    let told = app.edge.store.clock().now();
    assert_eq!(session().last_used_at, Some(told));
    // What a crash leaves: the store as it is, without the uses that only this node knew of.
    app.clock.advance(30);
    assert!(browser.is_signed_in().await);
    assert_eq!(session().last_used_at, Some(told));
    assert!(session().alive);
}

#[actix_web::test]
async fn uses_that_the_store_does_not_take_wait_for_the_next_flush() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    assert!(browser.is_signed_in().await);
    let waiting = app.edge.uses.waiting();
    assert!(waiting > 0);
    app.break_store();
    assert!(app.edge.uses.flush(&app.edge.store).await.is_err());
    assert_eq!(app.edge.uses.waiting(), waiting);
}

#[actix_web::test]
async fn d15_a_worthless_cookie_is_nobody_and_is_taken_away() {
    let app = App::new();
    let good = app.signed_in().await;
    let (name, value) = good
        .cookies
        .iter()
        .find(|(name, _)| name.contains("_session_"))
        .unwrap();
    let mut altered = value.clone();
    altered.replace_range(30..31, if &value[30..31] == "x" { "y" } else { "x" });
    for bad in ["", "x", "cfss_", "%ff", &altered, &format!("{value}0")] {
        for path in ["/account", "/login", "/", "/logout"] {
            let mut browser = app.browser();
            browser.cookies.insert(name.clone(), bad.to_owned());
            let answer = browser.get(path).await;
            assert!(answer.status.as_u16() < 400, "{path} {bad}: {answer:?}");
            assert_eq!(
                browser.session_cookie(),
                None,
                "{path} {bad}: {:?}",
                answer.cookies
            );
        }
    }
}

#[actix_web::test]
async fn d16_each_sign_in_has_a_session_of_its_own_and_ends_the_one_before() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    let mut captured = browser.clone();
    assert_eq!(browser.get("/login?return_to=%2Fx").await.location(), "/x");
    assert_eq!(
        browser.get("/login?reauth=1&return_to=%2Fx").await.status,
        StatusCode::OK
    );
    let fields = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(
        browser.submit("/login", &fields).await.status,
        StatusCode::SEE_OTHER
    );
    assert_ne!(browser.session_cookie(), captured.session_cookie());
    assert!(browser.is_signed_in().await);
    assert!(!captured.is_signed_in().await);
}

#[actix_web::test]
async fn b48_nobody_is_sent_elsewhere_after_signing_in() {
    let app = App::new();
    for bad in [
        "https://h",
        "//h",
        "/\\h",
        "\\/h",
        "/%2f%2fh",
        "/a\r\nb: c",
        "javascript:alert(1)",
        "",
    ] {
        let mut browser = app.browser();
        browser.get("/login").await;
        let fields = [
            ("username", "ada"),
            ("password", PASSWORD),
            ("return_to", bad),
        ];
        assert_eq!(
            browser.submit("/login", &fields).await.location(),
            "/account",
            "{bad:?}"
        );
        let query: String = url::form_urlencoded::byte_serialize(bad.as_bytes()).collect();
        let answer = browser.get(&format!("/login?return_to={query}")).await;
        assert_eq!(answer.location(), "/account", "{bad:?}");
    }
}

#[actix_web::test]
async fn b39_a_form_from_elsewhere_is_refused_and_an_old_one_is_shown_again() {
    let app = App::new();
    let fields = [
        ("username", "ada"),
        ("password", PASSWORD),
        ("return_to", "/x"),
    ];
    // Made for another browser.
    let mut thief = app.browser();
    thief.get("/login").await;
    thief.cookies.clear();
    assert_eq!(
        thief.submit("/login", &fields).await.status,
        StatusCode::FORBIDDEN
    );
    // Sent from another site.
    let mut browser = app.browser();
    browser.get("/login").await;
    let request = TestRequest::post()
        .uri("/login")
        .insert_header(("origin", "https://evil.example"))
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload("username=ada");
    assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN);
    // Old.
    browser.get("/login").await;
    app.clock.advance(600);
    let answer = browser.submit("/login", &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("open for too long") && answer.body.contains("value=\"ada\""));
    assert!(!answer.body.contains(PASSWORD));
    assert_eq!(browser.submit("/login", &fields).await.location(), "/x");
}

#[actix_web::test]
async fn the_page_names_the_client_and_allows_its_registered_address_only() {
    let app = App::new();
    app.add_client();
    let mut browser = app.browser();
    let mut page = async |redirect_uri: &str, client: &str| {
        let request = format!("/authorize?client_id={client}&redirect_uri={redirect_uri}");
        let query: String = url::form_urlencoded::byte_serialize(request.as_bytes()).collect();
        let answer = browser.get(&format!("/login?return_to={query}")).await;
        (
            answer.header("content-security-policy").to_owned(),
            answer.body,
        )
    };
    let (policy, body) = page("https%3A%2F%2Forchard.example%2Fcb", "orchard").await;
    assert!(
        policy.ends_with("form-action 'self' https://orchard.example"),
        "{policy}"
    );
    assert!(
        body.contains("to continue to <strong>Orchard &lt;x&gt;</strong>"),
        "{body}"
    );
    let (policy, _) = page("https%3A%2F%2Fevil.example%2Fcb", "orchard").await;
    assert!(policy.ends_with("form-action 'self'"), "{policy}");
    let (policy, body) = page("https%3A%2F%2Forchard.example%2Fcb", "other").await;
    assert!(
        policy.ends_with("form-action 'self'") && !body.contains("to continue"),
        "{policy}"
    );
}

#[actix_web::test]
async fn a21_a_disabled_tenant_has_no_pages() {
    let app = App::new();
    app.write(|write| write.tenant_set_status(DEFAULT_TENANT, OwnerStatus::Disabled));
    assert_eq!(
        app.browser().get("/login").await.status,
        StatusCode::NOT_FOUND
    );
}

#[actix_web::test]
async fn a_hash_with_older_parameters_is_made_anew_at_the_sign_in() {
    let app = App::new();
    let params = Params::new(8_192, 1, 1, None).unwrap();
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let old = weak
        .hash_password_with_salt(PASSWORD.as_bytes(), &[1; 16])
        .unwrap();
    let old = Redacted(old.to_string());
    let ada = app.ada;
    let stored = old.clone();
    app.write(move |write| write.user_rehash_password(ada, &stored));
    let mut browser = app.signed_in().await;
    let now = app.user().password_hash.unwrap();
    assert!(
        now != old && now.0.starts_with("$argon2id$v=19$m=19456,"),
        "rehashed"
    );
    assert!(browser.is_signed_in().await, "the epoch stays");
    app.signed_in().await;
}

#[actix_web::test]
async fn an_overlong_password_is_not_hashed() {
    let app = App::with(|edge| edge.rates.password_failures_account.limit = 1);
    let long = "x".repeat(1_025);
    for _ in 0..3 {
        assert_eq!(
            app.browser().sign_in("ada", &long).await.status,
            StatusCode::FORBIDDEN
        );
    }
    app.signed_in().await;
}

#[actix_web::test]
async fn a_tenants_users_are_its_own() {
    let app = App::new();
    app.write(|write| write.tenant_insert("acme", "ACME"));
    let mut browser = app.signed_in().await;
    assert_eq!(
        browser.get("/t/acme/account").await.location(),
        "/t/acme/login?return_to=%2Ft%2Facme%2Faccount"
    );
    browser.get("/t/acme/login").await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(
        browser.submit("/t/acme/login", &fields).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        browser.get("/t/nowhere/login").await.status,
        StatusCode::NOT_FOUND
    );
}

#[actix_web::test]
async fn a_session_ends_within_the_tenants_maximum() {
    let app = App::new();
    app.write(|write| {
        let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
        let session = Some(Lifetime::from_seconds(60));
        let limits = curfew_store::nodes::TenantLimits {
            session,
            ..tenant.limits
        };
        write.tenant_set_limits(&tenant, &limits)
    });
    let mut browser = app.signed_in().await;
    app.clock.advance(60);
    assert!(!browser.is_signed_in().await);
}
