use curfew_http::csrf::FormOwner;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::status::UserStatus;
use curfew_policy::upstream::SignUps;
use curfew_protocol::UserId;
use curfew_store::mailed_links::LinkKind;

use super::support::{Answer, Browser, Place, person};

fn inviting() -> Place {
    Place::with_policy(|policy| policy.sign_ups = SignUps::Invite)
}

pub(super) fn invite(place: &Place, user: UserId, kind: LinkKind) -> String {
    place.write(move |write| {
        let rules = LifetimeRules::default();
        let until = rules.expires_at(Credential::Invitation, write.now(), Caps::default());
        let epoch = write.user(user)?.unwrap().epoch;
        let link = write.mailed_link_insert(user, epoch, &kind, until.unwrap())?;
        Ok(link.reveal())
    })
}

/// Presses the button of the invitation's page.
async fn accept(place: &Place, browser: &mut Browser, link: &str) -> Answer {
    let known_by = "f".repeat(43);
    let name = place.edge.issuer.cookie_name("form", "");
    browser.cookies.insert(name, known_by.clone());
    let token = FormOwner::Browser(known_by).token(&place.edge, place.edge.store.clock().now());
    let fields = [("csrf", token.as_str()), ("link", link)];
    browser.post("/upstream/idp/invitation", &fields).await
}

/// Any page can send a browser there. The person's identity would end up in the account of whoever was invited.
#[actix_web::test]
async fn b39_no_link_and_no_foreign_form_accepts_an_invitation() {
    let place = inviting();
    let ada = place.add_user("ada", "ada@harbour.example");
    let link = invite(&place, ada, LinkKind::Invitation);
    let mut victim = place.browser();
    let path = format!("/upstream/idp/start?invitation={link}");
    let left = victim.get(&path).await;
    let back = place
        .idp
        .let_in(left.location(), &person("u-1", "eve@shore.example"));
    victim
        .get(&back)
        .await
        .expect_refusal(403, "invitation_needed");
    let got = victim.get("/upstream/idp/invitation").await;
    assert_eq!(got.status, 405, "{got:?}");
    let fields = [("csrf", "x"), ("link", link.as_str())];
    let forged = victim.post("/upstream/idp/invitation", &fields).await;
    assert_eq!(forged.status, 403, "{forged:?}");
    assert!(place.links(ada).is_empty());
}

#[actix_web::test]
async fn an_invitation_is_accepted_by_an_identity_once() {
    let place = inviting();
    let ada = place.add_user("ada", "ada@harbour.example");
    let (first, second) = (
        invite(&place, ada, LinkKind::Invitation),
        invite(&place, ada, LinkKind::Invitation),
    );
    let mut browser = place.browser();
    let left = accept(&place, &mut browser, &first).await;
    // Whatever the address is upstream: the invitation says who it is.
    let claims = person("u-1", "private@shore.example");
    let back = place.idp.let_in(&left.leads_to(), &claims);
    browser.get(&back).await.expect_sign_in("/account");
    assert_eq!(place.links(ada)[0].subject, Some(place.subject("u-1")));
    assert_eq!((place.user_count(), place.living_sessions(ada)), (1, 1));
    // Neither this nor any other invitation of the account is good any more.
    for used in [first, second] {
        let answer = accept(&place, &mut browser, &used).await;
        answer.expect_refusal(403, "invitation_invalid");
    }
}

#[actix_web::test]
async fn an_invitation_that_is_used_or_overtaken_on_the_way_lets_nobody_in() {
    let place = inviting();
    let ada = place.add_user("ada", "ada@harbour.example");
    let link = invite(&place, ada, LinkKind::Invitation);
    let mut browser = place.browser();
    let left = accept(&place, &mut browser, &link).await;
    let back = place
        .idp
        .let_in(&left.leads_to(), &person("u-1", "a@shore.example"));
    let mut faster = place.browser();
    let left = accept(&place, &mut faster, &link).await;
    let claims = person("u-2", "b@shore.example");
    let fast = place.idp.let_in(&left.leads_to(), &claims);
    faster.get(&fast).await.expect_sign_in("/account");
    browser
        .get(&back)
        .await
        .expect_refusal(403, "invitation_invalid");
    assert_eq!(place.links(ada).len(), 1);

    let bob = place.add_user("bob", "bob@harbour.example");
    let link = invite(&place, bob, LinkKind::Invitation);
    let left = accept(&place, &mut browser, &link).await;
    let back = place
        .idp
        .let_in(&left.leads_to(), &person("u-3", "c@shore.example"));
    place.write(move |write| write.user_set_status(bob, UserStatus::Suspended));
    browser
        .get(&back)
        .await
        .expect_refusal(403, "invitation_invalid");
    assert!(place.links(bob).is_empty());
}

#[actix_web::test]
async fn only_an_invitation_invites_and_only_where_sign_ups_allow_it() {
    let place = inviting();
    let ada = place.add_user("ada", "ada@harbour.example");
    let reset = invite(&place, ada, LinkKind::PasswordReset);
    for link in [reset.as_str(), "cfml_x", "x"] {
        let answer = accept(&place, &mut place.browser(), link).await;
        answer.expect_refusal(403, "invitation_invalid");
    }
    place.change_policy(|policy| policy.sign_ups = SignUps::Off);
    let link = invite(&place, ada, LinkKind::Invitation);
    let mut browser = place.browser();
    let left = accept(&place, &mut browser, &link).await;
    let back = place
        .idp
        .let_in(&left.leads_to(), &person("u-1", "a@shore.example"));
    browser.get(&back).await.expect_refusal(403, "sign_ups_off");
    assert!(place.links(ada).is_empty());
}
