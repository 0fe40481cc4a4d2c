//! The e-mail address of an account: changed, proved, and put back.

use actix_web::http::StatusCode;
use curfew_http::notice::IdentityChange;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::status::{EmailOrigin, OwnerStatus};
use curfew_protocol::Timestamp;
use curfew_store::mailed_links::LinkKind;
use curfew_store::sessions::UpstreamSession;

use super::support::{Answer, App, Browser, PASSWORD, add_user, password_hash};

const PATH: &str = "/account/email";
const CONFIRM: &str = "/account/email/confirm";
const NEW: &str = "ada@elsewhere.example";

async fn ask(browser: &mut Browser, address: &str) -> Answer {
    browser.get(PATH).await;
    browser.submit(PATH, &[("email", address)]).await
}

async fn confirm(browser: &mut Browser, path: &str) -> Answer {
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let secret = path.split_once('=').unwrap().1;
    browser.submit(CONFIRM, &[("link", secret)]).await
}

/// Changes the address; the answer is the path of the link in the last mail, which undoes it.
async fn change(app: &App, browser: &mut Browser, address: &str) -> String {
    ask(browser, address).await;
    confirm(browser, &app.mailed_path()).await;
    let mail = app.mails().pop().unwrap();
    let link = mail
        .body
        .0
        .lines()
        .find(|line| line.contains("/account/undo?link="));
    link.map_or_else(String::new, |link| {
        link.replace("http://127.0.0.1:8080", "")
    })
}

async fn undo(browser: &mut Browser, path: &str) -> Answer {
    browser.get(path).await;
    let secret = path.split_once('=').unwrap().1;
    browser.submit("/account/undo", &[("link", secret)]).await
}

#[actix_web::test]
async fn e11_an_address_is_changed_by_a_link_to_the_new_one_and_the_old_one_is_told() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let mut browser = app.signed_in().await;
    let (mut captured, mut elsewhere) = (browser.clone(), app.signed_in().await);
    let asked = ask(&mut browser, NEW).await;
    assert_eq!(asked.location(), "/account/email?told=sent");
    assert!(
        browser
            .get(asked.location())
            .await
            .body
            .contains("15 minutes")
    );
    assert_eq!(app.user().email.as_deref(), Some("ada@harbour.example"));
    let mail = app.mails().pop().unwrap();
    assert_eq!(mail.recipient, NEW);
    let path = app.mailed_path();
    let shown = browser.get(&path).await.body;
    assert!(
        shown.contains(NEW) && shown.contains("<strong>ada</strong>"),
        "{shown}"
    );

    let done = confirm(&mut browser, &path).await;
    assert_eq!(done.location(), "/account/email/confirmed?outcome=changed");
    assert!(
        browser
            .get(done.location())
            .await
            .body
            .contains("address of your account now")
    );
    let user = app.user();
    assert_eq!(user.email.as_deref(), Some(NEW));
    assert_eq!(user.email_origin, EmailOrigin::Mailbox);
    assert_ne!(browser.session_cookie(), captured.session_cookie());
    assert!(browser.is_signed_in().await, "this browser stays signed in");
    assert!(!captured.is_signed_in().await && !elsewhere.is_signed_in().await);
    let told = app.mails().pop().unwrap();
    assert_eq!(told.recipient, "ada@harbour.example");
    assert!(
        told.body.0.contains("/account/undo?link=cfml_"),
        "{}",
        told.body.0
    );
    assert!(app.audit().iter().any(|row| row.0 == "address.changed"));
    let ada = app.ada;
    let links = app.look(move |read| read.links_of_user(ada));
    assert_eq!(
        (links.len(), links[0].id),
        (1, link),
        "links know no address"
    );
    let used = browser.get(&path).await;
    assert_eq!(used.status, StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn e11_the_old_mailbox_puts_its_address_back_once_and_ends_every_session() {
    let app = App::with_mail();
    let mut thief = app.signed_in().await;
    change(&app, &mut thief, NEW).await;
    assert!(thief.is_signed_in().await);
    let path = app.mailed_path();
    let mut owner = app.browser();
    let page = owner.get(&path).await;
    assert!(page.body.contains("ada@harbour.example"), "{}", page.body);
    assert!(thief.is_signed_in().await, "looking changes nothing");
    let secret = path.split_once('=').unwrap().1;
    let done = owner.submit("/account/undo", &[("link", secret)]).await;
    assert_eq!(done.location(), "/account/undone?what=address");
    assert!(!thief.is_signed_in().await);
    let user = app.user();
    assert_eq!(user.email.as_deref(), Some("ada@harbour.example"));
    assert_eq!(user.email_origin, EmailOrigin::Mailbox);
    let row = (
        "identity.change_undone".to_owned(),
        Some("address".to_owned()),
    );
    assert_eq!(app.audit()[0], row);
    assert_eq!(owner.get(&path).await.status, StatusCode::BAD_REQUEST);
}

/// Whoever got into an account changes its address twice, links an identity, chooses a password and signs out everywhere.
#[actix_web::test]
async fn the_oldest_mailbox_takes_back_every_way_in_that_came_after_it() {
    let app = App::with_mail();
    let (ada, company) = (app.ada, app.add_provider("company"));
    let own = app.add_link(ada, company, "ada");
    app.tell(IdentityChange::Linked(own));
    let mut thief = app.signed_in().await;
    let oldest = change(&app, &mut thief, NEW).await;
    let newer = change(&app, &mut thief, "ada@third.example").await;
    let foreign = app.add_link(ada, company, "thief");
    app.tell(IdentityChange::Linked(foreign));
    let password = password_hash();
    app.write(move |write| write.user_set_password(ada, &password));
    app.write(move |write| write.user_epoch_raise(ada));

    let mut owner = app.browser();
    let done = undo(&mut owner, &oldest).await;
    assert_eq!(done.location(), "/account/undone?what=address");
    let next = owner.get(done.location()).await.body;
    assert!(next.contains(r#"href="/login/forgot""#), "{next}");
    let user = app.user();
    assert_eq!(user.email.as_deref(), Some("ada@harbour.example"));
    assert!(user.password_hash.is_none());
    assert_eq!(app.link_status(foreign), OwnerStatus::Deleted);
    assert_eq!(app.link_status(own), OwnerStatus::Active);
    let void = app.browser().get(&newer).await;
    assert_eq!(void.status, StatusCode::BAD_REQUEST);
    let mail = app.mails().pop().unwrap();
    assert_eq!(mail.recipient, "ada@third.example");
    assert!(!mail.body.0.contains("http"), "{}", mail.body.0);
    let rows = app.audit();
    for detail in ["address", "linked company"] {
        let row = ("identity.change_undone".to_owned(), Some(detail.to_owned()));
        assert!(rows.contains(&row), "{rows:?}");
    }
}

/// The newer mailbox undoes what came after it, and the oldest still has the last word.
#[actix_web::test]
async fn a_newer_mailbox_does_not_void_the_link_of_an_older_one() {
    let app = App::with_mail();
    let mut thief = app.signed_in().await;
    let oldest = change(&app, &mut thief, NEW).await;
    let newer = change(&app, &mut thief, "ada@third.example").await;
    undo(&mut app.browser(), &newer).await;
    assert_eq!(app.user().email.as_deref(), Some(NEW));
    undo(&mut app.browser(), &oldest).await;
    assert_eq!(app.user().email.as_deref(), Some("ada@harbour.example"));
}

/// The owner puts the address back by the form. The mailbox in between was a thief's.
#[actix_web::test]
async fn a_mailbox_that_is_replaced_by_the_one_of_before_gets_no_way_back() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    let undo_link = change(&app, &mut browser, NEW).await;
    change(&app, &mut browser, "Ada@harbour.example").await;
    assert_eq!(app.user().email.as_deref(), Some("Ada@harbour.example"));
    let told = app.mails().pop().unwrap();
    assert_eq!(told.recipient, NEW);
    assert!(!told.body.0.contains("http"), "{}", told.body.0);
    let used = app.browser().get(&undo_link).await;
    assert_eq!(used.status, StatusCode::BAD_REQUEST, "it is done already");
    // From here on a change is one like any other.
    change(&app, &mut browser, NEW).await;
    assert!(
        app.mails()
            .pop()
            .unwrap()
            .body
            .0
            .contains("/account/undo?link=")
    );
}

#[actix_web::test]
async fn an_administrator_who_ends_everything_voids_the_link_that_brings_an_address_back() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    change(&app, &mut browser, NEW).await;
    let (path, ada) = (app.mailed_path(), app.ada);
    app.write(move |write| write.user_end_by_administrator(ada));
    let void = app.browser().get(&path).await;
    assert_eq!(void.status, StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn an_address_that_somebody_took_meanwhile_does_not_come_back() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    let path = change(&app, &mut browser, NEW).await;
    add_user(&app.edge.store, "eve", Some("ada@harbour.example"));
    let mut owner = app.browser();
    owner.get(&path).await;
    let secret = path.split_once('=').unwrap().1;
    let taken = owner.submit("/account/undo", &[("link", secret)]).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert_eq!(app.user().email.as_deref(), Some(NEW));
    assert!(browser.is_signed_in().await);
}

#[actix_web::test]
async fn e11_another_address_wants_a_fresh_sign_in_and_a_form_of_ours() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    app.clock.advance(300);
    let stale = ask(&mut browser, NEW).await;
    assert_eq!(
        stale.location(),
        "/login?return_to=%2Faccount%2Femail&reauth=1"
    );
    assert!(app.mails().is_empty());
    let foreign = browser.post(PATH, &[("email", NEW)]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let nobody = app.browser().post(PATH, &[("email", NEW)]).await;
    assert!(nobody.location().starts_with("/login"));
}

#[actix_web::test]
async fn an_address_that_is_none_or_taken_or_the_own_one_changes_nothing() {
    let app = App::with_mail();
    add_user(&app.edge.store, "eve", Some("eve@harbour.example"));
    let mut browser = app.signed_in().await;
    for bad in [
        "",
        "ada",
        "a@b@c.example",
        "a@c.example\r\nBcc: x@y.example",
    ] {
        let refused = ask(&mut browser, bad).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(refused.body.contains("not an e-mail address"), "{bad}");
    }
    let taken = ask(&mut browser, "Eve@Harbour.example").await;
    let free = ask(&mut browser, NEW).await;
    assert_eq!(taken.location(), free.location(), "the same words for both");
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].recipient, NEW);
    let audit = app.audit();
    let sent: Vec<_> = audit
        .iter()
        .filter(|row| row.0 == "address.link_sent")
        .collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].1.as_deref(), Some("address_taken"));
    assert_eq!(app.user().email.as_deref(), Some("ada@harbour.example"));
}

#[actix_web::test]
async fn a_link_to_an_address_that_was_taken_since_says_so_and_changes_nothing() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    ask(&mut browser, NEW).await;
    let path = app.mailed_path();
    add_user(&app.edge.store, "eve", Some(NEW));
    let taken = confirm(&mut browser, &path).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert!(browser.is_signed_in().await);
    assert_eq!(app.user().email.as_deref(), Some("ada@harbour.example"));
}

#[actix_web::test]
async fn links_that_prove_an_address_are_counted_for_the_account() {
    let app = App::with_mail();
    let mut browser = app.signed_in().await;
    for address in ["a@new.example", "b@new.example", "c@new.example"] {
        let asked = ask(&mut browser, address).await;
        assert_eq!(asked.location(), "/account/email?told=sent");
    }
    let refused = ask(&mut browser, "d@new.example").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.mails().len(), 3);
}

#[actix_web::test]
async fn links_that_prove_an_address_are_counted_for_whoever_gets_them() {
    let app = App::with_mail();
    let names = ["one", "two", "three", "four"];
    let mut last = None;
    for name in names {
        add_user(&app.edge.store, name, None);
        let mut browser = app.browser();
        browser.sign_in(name, PASSWORD).await;
        last = Some(ask(&mut browser, NEW).await.status);
    }
    assert_eq!(last, Some(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(app.mails().len(), 3);
}

#[actix_web::test]
async fn without_mail_no_address_is_changed() {
    let app = App::new();
    let mut browser = app.signed_in().await;
    assert!(!browser.get("/account").await.body.contains("to-email"));
    let page = browser.get(PATH).await.body;
    assert!(
        page.contains("sends no mail") && !page.contains("email-submit"),
        "{page}"
    );
    browser.get("/account").await;
    let asked = browser.submit(PATH, &[("email", NEW)]).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(asked.body.contains("sends no mail"));
    assert_eq!(app.user().email.as_deref(), Some("ada@harbour.example"));
}

#[actix_web::test]
async fn d06_a_changed_address_makes_no_session_longer_and_no_sign_in_fresh() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let upstream = UpstreamSession {
        sid: Some("s1".to_owned()),
        bound: true,
    };
    let (mut browser, old) = app.signed_in_through(app.ada, link, upstream);
    let before = app.look(move |read| read.session(old)).unwrap();
    ask(&mut browser, NEW).await;
    app.clock.advance(290);
    confirm(&mut browser, &app.mailed_path()).await;
    let ada = app.ada;
    let sessions = app.look(move |read| read.session_list(ada));
    let new = sessions.iter().find(|session| session.alive).unwrap();
    let (id, end) = (new.id, before.node.facts.expires_at);
    assert!(new.id != old && new.expires_at == end && new.link == Some(link));
    assert_eq!(new.authenticated_at, before.authenticated_at);
    let after = app.look(move |read| read.session(id)).unwrap();
    assert!(after.upstream_bound && after.upstream_sid.as_deref() == Some("s1"));
    let now: Timestamp = app.edge.store.clock().now();
    assert!(now > before.authenticated_at);
    app.clock.advance(10);
    let stale = ask(&mut browser, "third@elsewhere.example").await;
    assert!(
        stale.location().starts_with("/login"),
        "{}",
        stale.location()
    );
}

#[actix_web::test]
async fn e10_the_proof_of_its_own_address_opens_an_account_in_quarantine() {
    let app = App::with_mail();
    let quinn = app.add_quarantined("quinn", Some("quinn@harbour.example"));
    let mut browser = app.browser();
    browser.sign_in("quinn", PASSWORD).await;
    app.clock.advance(301);
    let page = browser.get("/account").await.body;
    assert!(
        page.contains("may only read") && page.contains("id=\"email-own\""),
        "{page}"
    );
    let asked = browser.submit("/account/email/own", &[]).await;
    assert_eq!(
        asked.location(),
        "/account/email?told=sent",
        "no fresh sign-in needed"
    );
    assert_eq!(
        app.mails().pop().unwrap().recipient,
        "quinn@harbour.example"
    );
    let path = app.mailed_path();
    let mut mailbox = app.browser();
    let done = confirm(&mut mailbox, &path).await;
    assert_eq!(done.location(), "/account/email/confirmed?outcome=lifted");
    let user = app.look(move |read| read.user(quinn)).unwrap();
    assert!(!user.quarantined && user.email_origin == EmailOrigin::Mailbox);
    assert!(browser.is_signed_in().await, "nothing else changed");
    assert!(!browser.get("/account").await.body.contains("may only read"));
    let mut events: Vec<_> = app.audit().into_iter().map(|row| row.0).take(2).collect();
    events.sort();
    assert_eq!(events, ["address.changed", "quarantine.lifted"]);
}

#[actix_web::test]
async fn e10_an_account_in_quarantine_gets_no_other_address() {
    let app = App::with_mail();
    let quinn = app.add_quarantined("quinn", Some("quinn@harbour.example"));
    let mut browser = app.browser();
    browser.sign_in("quinn", PASSWORD).await;
    // One that was sent before, say.
    let link = app.write(move |write| {
        let rules = LifetimeRules::default();
        let end = rules.expires_at(Credential::AddressLink, write.now(), Caps::default());
        let kind = LinkKind::Address(NEW.to_owned());
        write.mailed_link_insert(quinn, 1, &kind, end.unwrap())
    });
    let path = format!("{CONFIRM}?link={}", link.reveal());
    assert_eq!(browser.get(&path).await.status, StatusCode::BAD_REQUEST);
    let page = browser.get(PATH).await.body;
    assert!(
        !page.contains("id=\"email-submit\"") && page.contains("id=\"email-own\""),
        "{page}"
    );
    let refused = browser
        .submit(PATH, &[("email", "other@elsewhere.example")])
        .await;
    assert_eq!(refused.status, StatusCode::OK);
    assert!(app.mails().is_empty());
    let user = app.look(move |read| read.user(quinn)).unwrap();
    assert!(user.quarantined && user.email.as_deref() == Some("quinn@harbour.example"));
}
