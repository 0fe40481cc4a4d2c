//! Adding an identity on the account page.

use curfew_protocol::UserId;

use super::support::{Answer, Browser, Place, person};

const ADA: &str = "ada@harbour.example";

/// A signed-in browser with a form of the session, as the account page has one.
async fn form(place: &Place, user: UserId) -> (Browser, String) {
    let (browser, session) = place.signed_in(user);
    let owner = curfew_http::csrf::FormOwner::Session(session);
    let token = owner.token(&place.edge, place.edge.store.clock().now());
    (browser, token)
}

async fn post(browser: &mut Browser, token: &str) -> Answer {
    browser.post("/upstream/idp/link", &[("csrf", token)]).await
}

#[actix_web::test]
async fn b28_sup_03_an_identity_is_added_by_the_session_that_began_it_after_a_yes() {
    let place = Place::new();
    let ada = place.add_user_with_password("ada", ADA);
    let (mut browser, token) = form(&place, ada).await;
    let answer = post(&mut browser, &token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // No page needs an exception for where its form may lead.
    assert!(
        answer
            .header("content-security-policy")
            .ends_with("form-action 'self'"),
        "{answer:?}"
    );
    // Another address than the account's: the session is what counts.
    let claims = person("u-1", "private@shore.example");
    let back = place.idp.let_in(&answer.leads_to(), &claims);
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(
        place.links(ada).is_empty(),
        "B39: nothing is linked without a yes"
    );
    let question = answer.location().to_owned();

    // Whoever else is signed in there does not get it.
    let bob = place.add_user("bob", "bob@harbour.example");
    let mut other = browser.clone();
    place.sign_in(&mut other, bob);
    other
        .get(&question)
        .await
        .expect_refusal(400, "proof_invalid");
    // Nor does another session of the same person.
    place.sign_in(&mut other, ada);
    other
        .get(&question)
        .await
        .expect_refusal(400, "proof_invalid");

    let page = browser.get(&question).await;
    assert!(
        page.status == 200 && page.body.contains("proof-confirm"),
        "{page:?}"
    );
    let request = browser.field("request");
    let fields = [("act", "confirm"), ("request", request.as_str())];
    let answer = browser.submit("/upstream/proof", &fields).await;
    let (status, location) = (answer.status, answer.location());
    assert_eq!(
        (status, location),
        (303, "/account/identities?told=linked"),
        "{answer:?}"
    );
    assert_eq!(place.links(ada)[0].subject, Some(place.subject("u-1")));
    assert_eq!(place.user(ada).email.as_deref(), Some(ADA));
    for event in ["identity.link_begun", "identity.proof_asked"] {
        assert_eq!(place.audited(event), ["idp"], "{event}");
    }

    // Once more: it is there already.
    let (mut browser, token) = form(&place, ada).await;
    let answer = post(&mut browser, &token).await;
    let back = place.idp.let_in(&answer.leads_to(), &claims);
    let answer = browser.get(&back).await;
    assert_eq!(
        answer.location(),
        "/account/identities?told=already_linked",
        "{answer:?}"
    );
    assert_eq!(place.links(ada).len(), 1);

    // Somebody else wants it.
    let (mut browser, token) = form(&place, bob).await;
    let answer = post(&mut browser, &token).await;
    let back = place.idp.let_in(&answer.leads_to(), &claims);
    browser
        .get(&back)
        .await
        .expect_refusal(403, "identity_bound_elsewhere");
    assert!(place.links(bob).is_empty());
}

#[actix_web::test]
async fn adding_an_identity_needs_a_form_of_ours_and_a_fresh_sign_in() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    let (mut browser, token) = form(&place, ada).await;
    let forged = post(&mut browser, "x").await;
    assert_eq!(forged.status, 403, "{forged:?}");
    let stranger = post(&mut place.browser(), &token).await;
    assert_eq!(stranger.status, 303, "{stranger:?}");
    assert!(
        stranger.location().starts_with("/login?return_to="),
        "{stranger:?}"
    );
    place.clock.advance(300);
    let stale = post(&mut browser, &token).await;
    let location = "/login?return_to=%2Faccount%2Fidentities&reauth=1";
    assert_eq!(
        (stale.status, stale.location()),
        (303, location),
        "{stale:?}"
    );
    place.clock.advance(300);
    let expired = post(&mut browser, &token).await;
    assert_eq!(
        expired.location(),
        "/account/identities?told=expired",
        "{expired:?}"
    );
    let (mut browser, token) = form(&place, ada).await;
    place.disable_provider();
    let answer = post(&mut browser, &token).await;
    answer.expect_refusal(403, "provider_disabled");
    assert!(goes_back_to_the_account(&answer), "{answer:?}");
}

/// Whoever is signed in already is not sent to sign in.
fn goes_back_to_the_account(refused: &Answer) -> bool {
    refused
        .body
        .contains(r#"href="&#x2f;account&#x2f;identities""#)
}

#[actix_web::test]
async fn a_silent_provider_leaves_whoever_wanted_to_add_an_identity_signed_in() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    let (mut browser, token) = form(&place, ada).await;
    place.idp.be_silent(true);
    let answer = post(&mut browser, &token).await;
    answer.expect_refusal(503, "upstream_unavailable");
    assert!(goes_back_to_the_account(&answer), "{answer:?}");
}

#[actix_web::test]
async fn b39_a_session_that_ended_meanwhile_links_nothing() {
    use curfew_policy::status::DeathCause;
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    let (mut browser, session) = place.signed_in(ada);
    let owner = curfew_http::csrf::FormOwner::Session(session);
    let token = owner.token(&place.edge, place.edge.store.clock().now());
    let answer = post(&mut browser, &token).await;
    let back = place.idp.let_in(&answer.leads_to(), &person("u-1", ADA));
    place.write(move |write| write.node_end(session, DeathCause::LoggedOut));
    browser
        .get(&back)
        .await
        .expect_refusal(403, "session_ended");
    assert!(place.links(ada).is_empty());
}
