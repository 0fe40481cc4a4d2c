//! Accounts in quarantine make no token that writes, and a session that ends with one upstream makes none that outlives it.

use actix_web::http::StatusCode;
use curfew_protocol::{DEFAULT_TENANT, ResourceServerKey};
use curfew_store::audit::AuthenticatedBy;
use curfew_store::scopes::Scope;
use curfew_store::sessions::UpstreamSession;

use super::support::{App, PASSWORD};
use crate::holdings::{self, MakeRefusal};

impl App {
    /// A resource server with the personal scopes `berries:look`, which only reads, and `berries:pick`.
    fn add_berries(&self) -> ResourceServerKey {
        self.write(|write| {
            let (id, url) = ("berries", "https://berries.example");
            let (key, _) = write.resource_server_insert(DEFAULT_TENANT, id, url, "Berries")?;
            for (name, read_only) in [("berries:look", true), ("berries:pick", false)] {
                let scope = Scope {
                    name: name.to_owned(),
                    description: name.to_owned(),
                    resource_server: Some(key),
                    max_lifetime: None,
                    personal: true,
                    read_only,
                };
                write.scope_insert(DEFAULT_TENANT, &scope)?;
            }
            Ok(key)
        })
    }
}

#[test]
fn e10_a_quarantined_account_puts_only_what_reads_into_its_tokens() {
    let app = App::new();
    app.add_berries();
    let quinn = app.add_quarantined("quinn", None);
    let (actor, free) = (app.actor(quinn), app.actor(app.ada));
    let rules = curfew_policy::lifetime::LifetimeRules::default();
    let by = actor.clone();
    let offer = app
        .look(move |read| holdings::offer(read, &by, &rules))
        .unwrap();
    let offered: Vec<&str> = offer
        .scopes
        .iter()
        .map(|scope| scope.name.as_str())
        .collect();
    assert_eq!(offered, ["berries:look", "curfew:account:read"]);
    let read = app.make(&actor, "berries:look", None).unwrap();
    assert!(app.alive(read.id));
    for writing in [
        "berries:pick",
        "berries:look berries:pick",
        "curfew:tokens:create",
    ] {
        let refused = app.make(&actor, writing, None).unwrap_err();
        assert!(
            matches!(refused, MakeRefusal::Withheld(_)),
            "{writing}: {refused}"
        );
        app.make(&free, writing, None).unwrap();
    }
    assert_eq!(
        app.make(&actor, "nonsense", None).unwrap_err(),
        MakeRefusal::Scope("nonsense".to_owned())
    );
    app.write(move |write| write.user_lift_quarantine(quinn));
    app.make(&actor, "berries:pick", None).unwrap();
}

#[actix_web::test]
async fn e10_the_page_says_why_only_reading_is_offered() {
    let app = App::new();
    app.add_berries();
    app.add_quarantined("quinn", None);
    let mut browser = app.browser();
    browser.sign_in("quinn", PASSWORD).await;
    let page = browser.get("/account/tokens/new").await.body;
    assert!(
        page.contains("berries:look") && !page.contains("berries:pick"),
        "{page}"
    );
    assert!(page.contains("cut down to reading"), "{page}");
    let wish = [
        ("name", "x"),
        ("scope", "berries:pick"),
        ("lifetime", "3600"),
    ];
    let refused = browser.submit("/account/tokens/new", &wish).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.body.contains("more than reading"),
        "{}",
        refused.body
    );
}

#[test]
fn b50_a_token_made_in_a_session_bound_upstream_ends_with_it() {
    let app = App::new();
    app.add_berries();
    let company = app.add_provider("company");
    let link = app.add_link(app.ada, company, "ada");
    let born = |bound, sid: &str| {
        let upstream = UpstreamSession {
            sid: Some(sid.to_owned()),
            bound,
        };
        let (_, id) = app.signed_in_through(app.ada, link, upstream);
        app.acting(app.ada, AuthenticatedBy::Session(id))
    };
    let (bound, free) = (born(true, "s1"), born(false, "s2"));
    let in_bound = app.make(&bound, "berries:pick", None).unwrap();
    let in_free = app.make(&free, "berries:pick", None).unwrap();
    let AuthenticatedBy::Session(id) = bound.by else {
        panic!("{bound:?}")
    };
    let end = app.look(move |read| read.node_chain(id)).unwrap();
    let end = end.facts.expires_at;
    assert_eq!(in_bound.expires_at, end);
    assert!(in_free.expires_at > end);
    assert!(matches!(
        app.make(&bound, "berries:pick", Some(86_400)).unwrap_err(),
        MakeRefusal::TooLong { .. }
    ));
    app.write(move |write| write.sessions_end_upstream(company, "s1", None));
    assert!(!app.alive(in_bound.id) && app.alive(in_free.id));
    app.write(move |write| write.sessions_end_upstream(company, "s2", None));
    assert!(app.alive(in_free.id), "recorded, not bound");
    assert_eq!(
        app.make(&bound, "berries:pick", None).unwrap_err(),
        MakeRefusal::SignedOut
    );
}

#[test]
fn b50_a_token_of_a_session_bound_upstream_goes_idle_with_it() {
    let app = App::new();
    app.add_berries();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let upstream = UpstreamSession {
        sid: None,
        bound: true,
    };
    let (_, id) = app.signed_in_through(app.ada, link, upstream);
    let actor = app.acting(app.ada, AuthenticatedBy::Session(id));
    let made = app.make(&actor, "berries:look", None).unwrap();
    assert!(app.alive(made.id));
    app.clock.advance(3_600);
    assert!(!app.alive(made.id), "the session lay unused");
}
