use curfew_policy::status::UserStatus;
use curfew_policy::upstream::EmailFallback;
use curfew_protocol::UserId;
use curfew_store::mails::Mail;

use super::support::{Browser, HERE, Place, person};

const ADA: &str = "ada@harbour.example";

/// A browser that came back as `u-1`, whose address is the one of an account with a password, and the page that it got.
async fn asked(place: &Place) -> (Browser, UserId) {
    let ada = place.add_user_with_password("ada", ADA);
    let mut browser = place.browser();
    let answer = browser.come_back_as(place, &person("u-1", ADA)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(
        !answer.starts_session() && answer.body.contains(ADA),
        "{answer:?}"
    );
    assert!(answer.body.contains("id=\"proof-sign-in\""), "{answer:?}");
    (browser, ada)
}

/// What somebody who came back was asked.
fn request_of(answer: &str) -> String {
    let (_, rest) = answer
        .split_once("request%3D")
        .expect("a link to the question");
    rest.split(['"', '&']).next().unwrap_or("").to_owned()
}

/// A browser that was asked, and where the question is.
async fn asked_at(place: &Place) -> (Browser, UserId, String) {
    let ada = place.add_user_with_password("ada", ADA);
    let mut browser = place.browser();
    let answer = browser.come_back_as(place, &person("u-1", ADA)).await;
    let path = format!("/upstream/proof?request={}", request_of(&answer.body));
    (browser, ada, path)
}

fn mails(place: &Place) -> Vec<Mail> {
    place.read(|read| read.mails_due(100))
}

/// The path of the link in a mail.
fn link_in(mail: &Mail) -> String {
    let line = mail.body.0.lines().find(|line| line.starts_with(HERE));
    line.expect("a link")
        .strip_prefix(HERE)
        .unwrap_or("")
        .to_owned()
}

async fn mailed(place: &Place, browser: &mut Browser) -> String {
    let request = browser.field("request");
    let fields = [("act", "mail"), ("request", request.as_str())];
    let answer = browser.submit("/upstream/proof", &fields).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sent = mails(place).into_iter();
    let mail = sent.rev().find(|mail| mail.recipient == ADA);
    link_in(&mail.expect("a mail"))
}

#[actix_web::test]
async fn b38_the_mailbox_links_and_signs_in_once_in_the_same_browser() {
    let place = Place::with_mail();
    let (mut browser, ada) = asked(&place).await;
    let link = mailed(&place, &mut browser).await;
    assert!(link.starts_with("/upstream/proof?token=cfml_"), "{link}");
    let mail = mails(&place).remove(0);
    assert!(
        mail.body.0.contains("Orchard <ID>") && mail.body.0.contains("ada"),
        "{mail:?}"
    );

    // A mail program, or whoever the mail was forwarded to.
    let mut other = place.browser();
    other
        .get(&link)
        .await
        .expect_refusal(403, "proof_in_another_browser");
    other.leave().await;
    other
        .get(&link)
        .await
        .expect_refusal(403, "proof_in_another_browser");

    let page = browser.get(&link).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("id=\"proof-confirm\"") && place.links(ada).is_empty());
    let token = browser.field("token");
    let fields = [("act", "prove"), ("token", token.as_str())];
    let mut stranger = other.clone();
    stranger
        .submit("/upstream/proof", &fields)
        .await
        .expect_refusal(403, "proof_in_another_browser");
    browser
        .clone()
        .submit("/upstream/proof", &fields)
        .await
        .expect_sign_in("/app");
    let links = place.links(ada);
    assert_eq!(links[0].subject, Some(place.subject("u-1")));
    assert_eq!(place.living_sessions(ada), 1);
    // It was used.
    browser
        .submit("/upstream/proof", &fields)
        .await
        .expect_refusal(400, "proof_invalid");
    assert_eq!(place.audited("identity.linked"), ["idp"]);
    assert_eq!(place.audited("identity.proof_asked"), ["mailed idp", "idp"]);
    // The owner is told, with a way back.
    let told = mails(&place).pop().expect("a notice");
    assert!(
        told.body
            .0
            .contains(&format!("{HERE}/account/undo?link=cfml_")),
        "{told:?}"
    );
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
}

#[actix_web::test]
async fn b38_a_live_session_of_the_account_links_after_a_yes() {
    let place = Place::new();
    let (mut browser, ada, path) = asked_at(&place).await;
    // Somebody else's session is no proof.
    let bob = place.add_user("bob", "bob@harbour.example");
    place.sign_in(&mut browser, bob);
    let page = browser.get(&path).await;
    assert!(
        page.status == 200 && page.body.contains("proof-sign-in"),
        "{page:?}"
    );
    assert!(!page.body.contains("proof-mail"), "there is no mail");
    let session = place.sign_in(&mut browser, ada);
    let page = browser.get(&path).await;
    assert!(
        page.body.contains("proof-confirm") && page.body.contains("ada"),
        "{page:?}"
    );
    let request = browser.field("request");
    let fields = [("act", "confirm"), ("request", request.as_str())];
    // Not without the form's token.
    let forged = browser.clone().post("/upstream/proof", &fields).await;
    assert_eq!(forged.status, 403, "{forged:?}");
    assert!(place.links(ada).is_empty());
    let answer = browser.submit("/upstream/proof", &fields).await;
    assert_eq!(
        (answer.status, answer.location()),
        (303, "/app"),
        "{answer:?}"
    );
    assert_eq!(place.links(ada)[0].subject, Some(place.subject("u-1")));
    // The session is the one that was there before.
    let sessions = place.read(move |read| read.session_list(ada));
    assert_eq!((sessions.len(), sessions[0].id), (1, session));
    browser
        .get(&path)
        .await
        .expect_refusal(400, "proof_invalid");
}

#[actix_web::test]
async fn whoever_is_signed_in_to_the_account_already_is_asked_to_say_yes_at_once() {
    let place = Place::new();
    let ada = place.add_user_with_password("ada", ADA);
    let (mut browser, _) = place.signed_in(ada);
    let answer = browser.come_back_as(&place, &person("u-1", ADA)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(
        answer.location().starts_with("/upstream/proof?request="),
        "{answer:?}"
    );
    // A session that began long ago is asked to sign in again.
    let path = answer.location().to_owned();
    place.clock.advance(300);
    let page = browser.get(&path).await;
    assert!(
        page.body.contains("proof-sign-in") && page.body.contains("reauth=1"),
        "{page:?}"
    );
}

#[actix_web::test]
async fn b12_no_account_that_has_something_is_linked_without_a_proof() {
    let place = Place::new();
    place.change_policy(|policy| policy.email_fallback = EmailFallback::FirstLink);
    let other = place.add_provider("twin");
    let bob = place.add_user("bob", "bob@harbour.example");
    let subject = place.subject("u-9");
    place.write(move |write| {
        write.link_insert(&curfew_store::links::NewLink {
            provider_id: other,
            user_id: bob,
            subject: Some(subject.clone()),
            display: "bob".to_owned(),
        })
    });
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", "bob@harbour.example"))
        .await;
    assert_eq!(
        (answer.status, answer.starts_session()),
        (403, false),
        "{answer:?}"
    );
    place.change_policy(|policy| policy.email_fallback = EmailFallback::Confirm);
    place.add_user("eve", "eve@harbour.example");
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-2", "eve@harbour.example"))
        .await;
    assert_eq!(
        (answer.status, answer.starts_session()),
        (403, false),
        "{answer:?}"
    );
    place.change_policy(|policy| policy.email_fallback = EmailFallback::Off);
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-2", "eve@harbour.example"))
        .await;
    answer.expect_refusal(403, "account_exists");
}

#[actix_web::test]
async fn a_proof_is_void_once_anything_changed() {
    type Change = fn(&Place, UserId);
    let changes: [(&str, Change); 5] = [
        ("the account's epoch", |place, ada| {
            place.write(move |write| write.user_epoch_raise(ada).map(|_| ()));
        }),
        ("the account's status", |place, ada| {
            place.write(move |write| write.user_set_status(ada, UserStatus::Suspended));
        }),
        ("the provider", |place, _| place.disable_provider()),
        ("time", |place, _| place.clock.advance(900)),
        ("the installation", |place, _| {
            place.write(|write| write.installation_epoch_raise(0).map(|_| ()));
        }),
    ];
    for (what, change) in changes {
        let place = Place::with_mail();
        let (mut browser, ada) = asked(&place).await;
        let link = mailed(&place, &mut browser).await;
        let page = browser.get(&link).await;
        assert_eq!(page.status, 200, "{what}: {page:?}");
        let token = browser.field("token");
        let fields = [("act", "prove"), ("token", token.as_str())];
        change(&place, ada);
        let answer = browser.submit("/upstream/proof", &fields).await;
        answer.expect_refusal(400, "proof_invalid");
        assert!(place.links(ada).is_empty(), "{what}");
    }
}

#[actix_web::test]
async fn a_mailbox_proves_nothing_once_another_identity_is_bound() {
    let place = Place::with_mail();
    let (mut browser, ada) = asked(&place).await;
    let link = mailed(&place, &mut browser).await;
    browser.get(&link).await;
    let token = browser.field("token");
    let fields = [("act", "prove"), ("token", token.as_str())];
    place.add_link(ada, Some("u-2"));
    let answer = browser.submit("/upstream/proof", &fields).await;
    answer.expect_refusal(403, "identity_already_bound");
    assert_eq!(place.links(ada).len(), 1);
    // Or once this very identity became somebody else's.
    let place = Place::with_mail();
    let (mut browser, ada) = asked(&place).await;
    let link = mailed(&place, &mut browser).await;
    browser.get(&link).await;
    let token = browser.field("token");
    let fields = [("act", "prove"), ("token", token.as_str())];
    let bob = place.add_user("bob", "bob@harbour.example");
    place.add_link(bob, Some("u-1"));
    let answer = browser.submit("/upstream/proof", &fields).await;
    answer.expect_refusal(400, "proof_invalid");
    assert!(place.links(ada).is_empty());
}

/// B16: the import left an empty link, and the proof fills it.
#[actix_web::test]
async fn b16_the_proof_fills_the_imported_link() {
    let place = Place::with_mail();
    let ada = place.add_user("ada", ADA);
    let empty = place.add_link(ada, None).id;
    let mut browser = place.browser();
    let answer = browser.come_back_as(&place, &person("u-1", ADA)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let link = mailed(&place, &mut browser).await;
    browser.get(&link).await;
    let token = browser.field("token");
    let fields = [("act", "prove"), ("token", token.as_str())];
    browser
        .submit("/upstream/proof", &fields)
        .await
        .expect_sign_in("/app");
    let links = place.links(ada);
    assert_eq!((links.len(), links[0].id), (1, empty));
    assert_eq!(links[0].subject, Some(place.subject("u-1")));
    assert_eq!(place.audited("identity.backfilled"), ["idp"]);
}

#[actix_web::test]
async fn mails_are_limited_for_each_account() {
    let place = Place::with_mail();
    let (mut browser, _) = asked(&place).await;
    let request = browser.field("request");
    let fields = [("act", "mail"), ("request", request.as_str())];
    let csrf = browser.field("csrf");
    let with_token = [&fields[..], &[("csrf", csrf.as_str())]].concat();
    for _ in 0..3 {
        let answer = browser.post("/upstream/proof", &with_token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = browser.post("/upstream/proof", &with_token).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    let wait: i64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=3_600).contains(&wait), "{answer:?}");
    assert!(answer.body.contains("proof-mail"), "{answer:?}");
    assert_eq!(mails(&place).len(), 3);
}

#[actix_web::test]
async fn garbage_is_answered_by_a_page() {
    let place = Place::new();
    let mut browser = place.browser();
    for query in [
        "",
        "?request=",
        "?request=x",
        "?token=cfml_x",
        "?request=%00",
        "?token=",
    ] {
        let answer = browser.get(&format!("/upstream/proof{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    let answer = browser
        .get("/upstream/proof?request=7Y4mZ0000000000000000a")
        .await;
    answer.expect_refusal(400, "proof_invalid");
    for fields in [
        &[("act", "mail")][..],
        &[("act", "prove"), ("token", "x")],
        &[("act", "confirm"), ("request", "x")],
        &[("act", "other")],
        &[],
    ] {
        let answer = browser.post("/upstream/proof", fields).await;
        assert_eq!(answer.status, 400, "{fields:?}: {answer:?}");
    }
}
