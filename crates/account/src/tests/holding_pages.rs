//! The pages on which people see what they hold, and end it.

use actix_web::http::StatusCode;
use curfew_protocol::{DEFAULT_TENANT, Lifetime};
use curfew_store::scopes::Scope;

use super::support::{App, Browser, PASSWORD};

/// The ids of the page's buttons that begin with `prefix`, without it.
fn buttons(page: &str, prefix: &str) -> Vec<String> {
    let start = format!("id=\"{prefix}");
    let rest = page.split(&start).skip(1);
    rest.map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

async fn press(browser: &mut Browser, path: &str, field: (&str, &str)) -> String {
    let answer = browser.submit(path, &[field]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    answer.location().to_owned()
}

impl App {
    fn add_personal_scope(&self) {
        self.write(|write| {
            let (id, url) = ("notes", "https://notes.example");
            let (key, _) = write.resource_server_insert(DEFAULT_TENANT, id, url, "Notes & more")?;
            for (name, max) in [("notes:read", None), ("notes:pay", Some(3_600))] {
                let scope = Scope {
                    name: name.to_owned(),
                    description: format!("May <{name}>"),
                    resource_server: Some(key),
                    max_lifetime: max.map(Lifetime::from_seconds),
                    personal: true,
                    read_only: false,
                };
                write.scope_insert(DEFAULT_TENANT, &scope)?;
            }
            Ok(())
        });
    }
}

#[actix_web::test]
async fn d05_a_session_ends_from_another_one_and_a_captured_cookie_with_it() {
    let app = App::new();
    let (mut here, mut there) = (app.signed_in().await, app.signed_in().await);
    let page = here.get("/account/sessions").await.body;
    let ids = buttons(&page, "session-end-");
    assert_eq!(ids.len(), 2, "{page}");
    assert_eq!(page.matches("class=\"this\"").count(), 1);
    // The page marks its own session; the other one is ended.
    let this = page.split("class=\"this\"").nth(1).unwrap();
    let this = &buttons(this, "session-end-")[0];
    let other = ids.iter().find(|id| *id != this).unwrap();
    let told = press(&mut here, "/account/sessions/end", ("id", other)).await;
    assert_eq!(told, "/account/sessions?told=session_ended");
    assert!(here.is_signed_in().await && !there.is_signed_in().await);
    assert!(here.get(&told).await.body.contains("The session was ended"));
    let told = press(&mut here, "/account/sessions/end", ("id", other)).await;
    assert_eq!(told, "/account/sessions?told=gone");
    here.get("/account/sessions").await;
    let mut captured = here.clone();
    let told = press(&mut here, "/account/sessions/end", ("id", this)).await;
    assert_eq!(told, "/signed-out");
    assert!(here.session_cookie().is_none() && !captured.is_signed_in().await);
}

#[actix_web::test]
async fn d03_signing_out_everywhere_asks_first_wants_no_password_and_ends_this_session_too() {
    let app = App::new();
    let (mut here, mut there) = (app.signed_in().await, app.signed_in().await);
    let mut captured = here.clone();
    let page = here.get("/account/sessions").await.body;
    assert!(
        page.contains("href=\"/account/sessions/end-all\""),
        "{page}"
    );
    let page = here.get("/account/sessions/end-all").await.body;
    assert!(page.contains("logout-everywhere-confirm") && !page.contains("type=\"password\""));
    assert!(here.is_signed_in().await, "looking ends nothing");
    here.get("/account/sessions/end-all").await;
    let told = here.submit("/account/sessions/end-all", &[]).await;
    assert_eq!(told.location(), "/login?told=logged_out_everywhere");
    assert!(here.session_cookie().is_none());
    for browser in [&mut captured, &mut there] {
        assert!(!browser.is_signed_in().await);
    }
    let page = here.get("/login?told=logged_out_everywhere").await.body;
    assert!(page.contains("signed out everywhere"), "{page}");
    assert_eq!(
        here.sign_in("ada", PASSWORD).await.status,
        StatusCode::SEE_OTHER,
        "a new login works with the same password"
    );
}

#[actix_web::test]
async fn d21_a_session_that_ended_renders_nothing() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    app.clock.advance(3_600);
    for path in [
        "/account",
        "/account/sessions",
        "/account/sessions/end-all",
        "/account/applications",
        "/account/tokens",
        "/account/tokens/new",
        "/account/tokens/end-all",
        "/account/tokens/made",
        "/account/tokens/0000000000000000000000",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.location().starts_with("/login?return_to="), "{path}");
    }
}

#[actix_web::test]
async fn a_personal_access_token_is_shown_once_and_listed_without_its_secret() {
    let app = App::new();
    app.add_personal_scope();
    let mut browser = app.signed_in().await;
    let form = browser.get("/account/tokens/new").await.body;
    for shown in [
        "May &lt;notes:read&gt;",
        "At Notes &amp; more.",
        "at the most",
        "sessions, applications and tokens here",
        "<option value=\"2592000\" selected>30 days",
        "<option value=\"7776000\">90 days",
    ] {
        assert!(form.contains(shown), "{shown}: {form}");
    }
    assert!(!form.contains("31536000") && !form.contains("curfew:users:end"));
    let fields = [
        ("name", "back-up <script>"),
        ("scope", "notes:read"),
        ("scope", "curfew:account:read"),
        ("lifetime", "604800"),
    ];
    let answer = browser.submit("/account/tokens/new", &fields).await;
    assert_eq!(answer.location(), "/account/tokens/made", "{}", answer.body);
    assert!(
        answer
            .cookies
            .iter()
            .all(|cookie| !cookie.contains("cfpt_"))
    );
    let mut elsewhere = app.signed_in().await;
    let cookies = browser.cookies.clone();
    let once = cookies.iter().find(|(name, _)| name.contains("_once_"));
    let (name, value) = once.unwrap();
    elsewhere.cookies.insert(name.clone(), value.clone());
    assert_eq!(
        elsewhere.get("/account/tokens/made").await.location(),
        "/account/tokens",
        "sealed for another session"
    );
    let page = browser.get("/account/tokens/made").await.body;
    let secret = page.split("<code id=\"pat-secret\">").nth(1).unwrap();
    assert!(secret.starts_with("cfpt_"), "{page}");
    assert!(page.contains("back-up &lt;script&gt;"));
    let reloaded = browser.get("/account/tokens/made").await;
    assert_eq!(reloaded.location(), "/account/tokens");
    let list = browser.get("/account/tokens").await.body;
    assert!(list.contains("back-up &lt;script&gt;") && !list.contains("cfpt_"));
    let id = buttons(&list, "token-revoke-").remove(0);
    let tree = browser.get(&format!("/account/tokens/{id}")).await;
    assert_eq!(tree.status, StatusCode::OK);
    assert!(
        tree.body
            .contains("Personal access token back-up &lt;script&gt;")
    );
    assert!(tree.body.contains("Browser session") && tree.body.contains("Begun there"));
    let told = press(&mut browser, "/account/tokens/end", ("id", &id)).await;
    assert_eq!(told, "/account/tokens?told=token_ended");
    let list = browser.get(&told).await.body;
    assert!(list.contains("It was ended") && !list.contains(&id));
    browser.get("/account").await;
    let told = press(&mut browser, "/account/tokens/end", ("id", &id)).await;
    assert_eq!(told, "/account/tokens?told=gone");
    let over = browser.get(&format!("/account/tokens/{id}")).await.body;
    assert!(over.contains("Ended by you"), "{over}");
}

#[actix_web::test]
async fn mistakes_in_the_form_of_a_token_are_named_and_what_was_typed_is_kept() {
    let app = App::new();
    app.add_personal_scope();
    let mut browser = app.signed_in().await;
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("scope", "notes:read")], "a name of 1 to 100"),
        (&[("name", "kept")], "at least one thing"),
        (&[("name", "kept"), ("scope", "notes:all")], "from the list"),
        (
            &[
                ("name", "kept"),
                ("scope", "notes:pay"),
                ("lifetime", "86400"),
            ],
            "one hour",
        ),
        (
            &[
                ("name", "kept"),
                ("scope", "notes:read"),
                ("lifetime", "7776001"),
            ],
            "90 days",
        ),
        (
            &[("name", "kept"), ("scope", "notes:read"), ("lifetime", "x")],
            "Choose how long",
        ),
    ];
    for (fields, told) in cases {
        browser.get("/account/tokens/new").await;
        let answer = browser.submit("/account/tokens/new", fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{told}");
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        assert!(fields[0].0 != "name" || answer.body.contains("value=\"kept\""));
    }
    let page = browser.get("/account/tokens").await.body;
    assert!(buttons(&page, "token-revoke-").is_empty());
}

#[actix_web::test]
async fn a_device_is_disowned_on_the_account_page_or_by_the_link_and_an_application_withdrawn() {
    let app = App::with_mail();
    app.add_client();
    let actor = app.actor(app.ada);
    let (first, second) = (app.grant(&actor, true), app.grant(&actor, true));
    let mut browser = app.signed_in().await;
    let page = browser.get("/account").await.body;
    assert_eq!(buttons(&page, "device-disown-").len(), 2, "{page}");
    assert!(page.contains("192.0.2.7") && page.contains("Orchard &lt;x&gt;"));
    let id = first.approval.to_string();
    let told = press(&mut browser, "/account/devices/disown", ("id", &id)).await;
    assert_eq!(told, "/account?told=device_disowned");
    let page = browser.get(&told).await.body;
    assert!(page.contains("it was noted") && !page.contains(&id));
    assert!(!app.alive(first.token) && app.alive(second.token));

    let page = browser.get("/account/applications").await.body;
    assert_eq!(buttons(&page, "application-withdraw-"), ["orchard"]);
    let field = ("client_id", "orchard");
    let told = press(&mut browser, "/account/applications/withdraw", field).await;
    assert_eq!(told, "/account/applications?told=application_withdrawn");
    let page = browser.get(&told).await.body;
    assert!(page.contains("No application may use your account"));
    assert!(!app.alive(second.token));
    browser.get("/account/tokens/end-all").await;
    assert_eq!(
        browser
            .submit("/account/tokens/end-all", &[])
            .await
            .location(),
        "/account/tokens?told=tokens_ended"
    );
    assert!(browser.is_signed_in().await);
}

#[actix_web::test]
async fn the_forms_belong_to_the_session_and_expire() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    let paths = [
        ("/account/sessions/end", "/account/sessions?told=expired"),
        (
            "/account/sessions/end-all",
            "/account/sessions?told=expired",
        ),
        (
            "/account/applications/withdraw",
            "/account/applications?told=expired",
        ),
        ("/account/devices/disown", "/account?told=expired"),
        ("/account/tokens/end", "/account/tokens?told=expired"),
        ("/account/tokens/end-all", "/account/tokens?told=expired"),
        ("/account/tokens/new", "/account/tokens/new?told=expired"),
    ];
    for (path, expired) in paths {
        assert_eq!(
            browser.post(path, &[]).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        let stranger = app.browser().post(path, &[]).await;
        assert!(stranger.location().starts_with("/login"), "{path}");
        browser.get("/account").await;
        app.clock.advance(600);
        let late = browser.submit(path, &[("id", "x")]).await;
        assert_eq!(late.location(), expired);
        let page = browser.get(expired).await.body;
        assert!(page.contains("open for too long"), "{path}");
    }
    for path in ["/account/sessions/end", "/account/tokens/end"] {
        let answer = browser.get(path).await;
        let shown_as_an_id = answer.status == StatusCode::NOT_FOUND;
        assert!(
            answer.status == StatusCode::METHOD_NOT_ALLOWED || shown_as_an_id,
            "{path}"
        );
    }
}

#[actix_web::test]
async fn the_mailed_link_shows_without_a_session_acts_once_and_says_what_to_do_next() {
    let app = App::with_mail();
    app.add_client();
    let grant = app.grant(&app.actor(app.ada), true);
    let (edge, ada, approval) = (app.edge.clone(), app.ada, grant.approval);
    app.write(move |write| {
        let realm = curfew_http::Realm::root();
        let device = curfew_http::mail_texts::DeviceFacts {
            client: "Orchard",
            at: write.now(),
            ip: Some("192.0.2.7"),
            user_agent: None,
        };
        let language = edge.pages.language(None);
        let notice =
            curfew_http::notice::DeviceNotice::of(&edge, &realm, &language, ("ada", device));
        notice.unwrap().queue(write, ada, approval)
    });
    let mail = app.mails().remove(0);
    assert_eq!(mail.recipient, "ada@harbour.example");
    assert!(mail.body.0.contains("192.0.2.7") && mail.body.0.contains("unknown"));
    let link = mail.body.0.lines().find(|line| line.starts_with("http"));
    let link = link.unwrap().trim_start_matches("http://127.0.0.1:8080");
    assert!(link.starts_with("/account/undo?link=cfml_"), "{link}");

    let mut browser = app.browser();
    let page = browser.get(link).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Orchard &lt;x&gt;") && page.body.contains("192.0.2.7"));
    assert!(app.alive(grant.token), "looking uses nothing up");
    let secret = link.split_once('=').unwrap().1;
    let mut elsewhere = app.browser();
    elsewhere.get("/login/forgot").await;
    let foreign = elsewhere.post("/account/undo", &[("link", secret)]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let mut late = browser.clone();
    app.clock.advance(600);
    let expired = late.submit("/account/undo", &[("link", secret)]).await;
    assert_eq!(expired.status, StatusCode::BAD_REQUEST);
    assert!(expired.body.contains("undo-confirm") && app.alive_node(grant.approval));
    let done = late.submit("/account/undo", &[("link", secret)]).await;
    assert_eq!(done.location(), "/account/undone?what=device");
    assert!(!app.alive_node(grant.approval));
    let next = late.get("/account/undone?what=device").await.body;
    assert!(next.contains("/account/sessions/end-all") && next.contains("change your password"));
    assert_eq!(app.audit()[0].0, "incident.reported");
    let mut bodies = Vec::new();
    for dead in [link, "/account/undo?link=cfml_x", "/account/undo"] {
        let answer = browser.get(dead).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{dead}");
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[actix_web::test]
async fn someone_elses_token_is_not_found() {
    let app = App::new();
    app.add_client();
    let grant = app.grant(&app.actor(app.ada), false);
    super::support::add_user(&app.edge.store, "eve", None);
    let mut eve = app.browser();
    eve.sign_in("eve", PASSWORD).await;
    for id in [grant.approval.to_string(), grant.token.to_string()] {
        let answer = eve.get(&format!("/account/tokens/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        eve.get("/account").await;
        let told = press(&mut eve, "/account/tokens/end", ("id", &id)).await;
        assert_eq!(told, "/account/tokens?told=gone");
    }
    assert!(app.alive(grant.token));
}
