use actix_web::http::StatusCode;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::status::NodeKind;
use curfew_protocol::NodeId;
use curfew_store::nodes::{Ancestor, Birth, NewNode};

use super::support::{App, Browser};

const ASKED: &str = "/logout?client_id=orchard&post_logout_redirect_uri=https%3A%2F%2Forchard.example%2Fbye%3Fa%3D1&state=x%20y%26z";
const URI: &str = "https://orchard.example/bye?a=1";

fn session_id(app: &App) -> NodeId {
    let ada = app.ada;
    app.edge
        .store
        .read_blocking(move |read| read.session_list(ada))
        .unwrap()[0]
        .id
}

async fn sign_out(browser: &mut Browser) {
    let page = browser.get("/logout").await;
    assert!(
        page.body.contains("signed in as <strong>ada</strong>"),
        "{}",
        page.body
    );
    let answer = browser.submit("/logout", &[]).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, "/signed-out")
    );
    assert!(
        browser
            .get("/signed-out")
            .await
            .body
            .contains("You are signed out")
    );
}

#[actix_web::test]
async fn d01_d17_signing_out_kills_a_captured_cookie_and_asking_kills_nothing() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    let mut captured = browser.clone();
    browser.get("/logout").await;
    assert!(captured.is_signed_in().await, "a GET acts on nothing");
    sign_out(&mut browser).await;
    assert_eq!(browser.session_cookie(), None);
    assert!(!captured.is_signed_in().await);
    assert!(
        app.audit()
            .iter()
            .any(|(event, _)| event == "session.ended")
    );
}

#[actix_web::test]
async fn d05_other_browsers_stay_signed_in() {
    let app = App::new();
    let (mut one, mut other) = (app.signed_in().await, app.signed_in().await);
    sign_out(&mut one).await;
    assert!(other.is_signed_in().await);
}

#[actix_web::test]
async fn what_is_bound_to_the_session_ends_with_it() {
    let app = App::new();
    app.add_client();
    let mut browser = app.signed_in().await;
    let session = session_id(&app);
    let child = app.write(move |write| {
        let node = write.node_chain(session)?.unwrap();
        let expires_at = node.facts.expires_at;
        let caps = Caps {
            ancestors: &[expires_at],
            ..Caps::default()
        };
        let rules = LifetimeRules::default();
        let client = write.client_by_client_id("orchard")?.unwrap();
        write.node_insert(&NewNode {
            kind: NodeKind::Family,
            birth: Birth::below(&node).for_client(Some((client.key, client.epoch))),
            ancestor: Ancestor::Binding {
                id: session,
                expires_at,
            },
            parent_token: None,
            session_id: Some(session),
            expires_at: rules
                .expires_at(Credential::RefreshFamily, write.now(), caps)
                .unwrap(),
            actor: None,
        })
    });
    let alive = || {
        app.edge.store.read_blocking(move |read| {
            let now = read.now();
            Ok(read.node_chain(child)?.unwrap().judge(now).is_ok())
        })
    };
    assert!(alive().unwrap());
    sign_out(&mut browser).await;
    assert!(!alive().unwrap());
}

#[actix_web::test]
async fn a_client_gets_people_back_at_its_registered_address_with_its_state() {
    let app = App::new();
    app.add_client();
    let mut browser = app.signed_in().await;
    let page = browser.get(ASKED).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.ends_with("form-action 'self' https://orchard.example"),
        "{policy}"
    );
    assert!(page.body.contains("Orchard &lt;x&gt;"));
    let fields = [
        ("client_id", "orchard"),
        ("post_logout_redirect_uri", URI),
        ("state", "x y&z"),
    ];
    let back = "https://orchard.example/bye?a=1&state=x+y%26z";
    assert_eq!(browser.submit("/logout", &fields).await.location(), back);
    assert!(!browser.is_signed_in().await);
    // Sent twice, it ends at the same place.
    assert_eq!(browser.submit("/logout", &fields).await.location(), back);
}

#[actix_web::test]
async fn an_unregistered_address_is_a_logout_error_and_ends_nothing() {
    let app = App::new();
    app.add_client();
    let mut browser = app.signed_in().await;
    for query in [
        "client_id=orchard&post_logout_redirect_uri=https%3A%2F%2Forchard.example%2Fbye",
        "client_id=orchard&post_logout_redirect_uri=https%3A%2F%2Forchard.example%2Fbye%3Fa%3D1%26b",
        "client_id=orchard&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F",
        "client_id=nobody&post_logout_redirect_uri=https%3A%2F%2Forchard.example%2Fbye%3Fa%3D1",
        "client_id=nobody",
        "post_logout_redirect_uri=https%3A%2F%2Forchard.example%2Fbye%3Fa%3D1",
        "client_id=orchard&client_id=orchard",
    ] {
        let answer = browser.get(&format!("/logout?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.body.contains("<h1>Logout error</h1>"), "{query}");
    }
    browser.get("/logout").await;
    let fields = [
        ("client_id", "orchard"),
        ("post_logout_redirect_uri", "https://evil.example/"),
    ];
    assert_eq!(
        browser.submit("/logout", &fields).await.status,
        StatusCode::BAD_REQUEST
    );
    assert!(browser.is_signed_in().await);
}

#[actix_web::test]
async fn a_post_without_the_forms_token_ends_nothing_and_an_old_form_asks_again() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    assert_eq!(
        browser.post("/logout", &[]).await.status,
        StatusCode::FORBIDDEN
    );
    browser.get("/logout").await;
    app.clock.advance(600);
    let again = browser.submit("/logout", &[]).await;
    assert!(again.status == StatusCode::OK && again.body.contains("logout-confirm"));
    assert!(browser.clone().is_signed_in().await);
    assert_eq!(
        browser.submit("/logout", &[]).await.location(),
        "/signed-out"
    );
}

#[actix_web::test]
async fn without_a_session_there_is_nothing_to_end_and_no_cookie_to_take() {
    let app = App::new();
    let answer = app.browser().post("/logout", &[]).await;
    assert_eq!(answer.location(), "/signed-out");
    // From another site the cookie does not come along; an answer that removed it would sign people out by force.
    assert!(answer.cookies.is_empty(), "{:?}", answer.cookies);
}
