use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::status::UserStatus;
use curfew_policy::upstream::SignUps;
use curfew_protocol::UserId;
use curfew_store::mailed_links::LinkKind;

use super::support::{Place, person};

fn inviting() -> Place {
    Place::with_policy(|policy| policy.sign_ups = SignUps::Invite)
}

fn invite(place: &Place, user: UserId, kind: LinkKind) -> String {
    place.write(move |write| {
        let rules = LifetimeRules::default();
        let until = rules.expires_at(Credential::Invitation, write.now(), Caps::default());
        let epoch = write.user(user)?.unwrap().epoch;
        let link = write.mailed_link_insert(user, epoch, &kind, until.unwrap())?;
        Ok(link.reveal())
    })
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
    let left = browser
        .get(&format!("/upstream/idp/start?invitation={first}"))
        .await;
    // Whatever the address is upstream: the invitation says who it is.
    let claims = person("u-1", "private@shore.example");
    let back = place.idp.let_in(left.location(), &claims);
    browser.get(&back).await.expect_sign_in("/account");
    assert_eq!(place.links(ada)[0].subject, Some(place.subject("u-1")));
    assert_eq!((place.user_count(), place.living_sessions(ada)), (1, 1));
    // Neither this nor any other invitation of the account is good any more.
    for used in [first, second] {
        let answer = browser
            .get(&format!("/upstream/idp/start?invitation={used}"))
            .await;
        answer.expect_refusal(403, "invitation_invalid");
    }
}

#[actix_web::test]
async fn an_invitation_that_is_used_or_overtaken_on_the_way_lets_nobody_in() {
    let place = inviting();
    let ada = place.add_user("ada", "ada@harbour.example");
    let link = invite(&place, ada, LinkKind::Invitation);
    let mut browser = place.browser();
    let left = browser
        .get(&format!("/upstream/idp/start?invitation={link}"))
        .await;
    let back = place
        .idp
        .let_in(left.location(), &person("u-1", "a@shore.example"));
    let mut faster = place.browser();
    let left = faster
        .get(&format!("/upstream/idp/start?invitation={link}"))
        .await;
    let claims = person("u-2", "b@shore.example");
    let fast = place.idp.let_in(left.location(), &claims);
    faster.get(&fast).await.expect_sign_in("/account");
    browser
        .get(&back)
        .await
        .expect_refusal(403, "invitation_invalid");
    assert_eq!(place.links(ada).len(), 1);

    let bob = place.add_user("bob", "bob@harbour.example");
    let link = invite(&place, bob, LinkKind::Invitation);
    let left = browser
        .get(&format!("/upstream/idp/start?invitation={link}"))
        .await;
    let back = place
        .idp
        .let_in(left.location(), &person("u-3", "c@shore.example"));
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
        let path = format!("/upstream/idp/start?invitation={link}");
        let answer = place.browser().get(&path).await;
        answer.expect_refusal(403, "invitation_invalid");
    }
    place.change_policy(|policy| policy.sign_ups = SignUps::Off);
    let link = invite(&place, ada, LinkKind::Invitation);
    let mut browser = place.browser();
    let left = browser
        .get(&format!("/upstream/idp/start?invitation={link}"))
        .await;
    let back = place
        .idp
        .let_in(left.location(), &person("u-1", "a@shore.example"));
    browser.get(&back).await.expect_refusal(403, "sign_ups_off");
    assert!(place.links(ada).is_empty());
}
