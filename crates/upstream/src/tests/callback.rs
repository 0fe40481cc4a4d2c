use curfew_policy::status::{EmailOrigin, OwnerStatus, UserStatus};
use curfew_policy::upstream::SignUps;
use curfew_protocol::Redacted;
use serde_json::json;

use super::support::{Place, Query, person};
use crate::testing::NOW;

const ADA: &str = "ada@harbour.example";

fn open() -> Place {
    Place::with_policy(|policy| policy.sign_ups = SignUps::On)
}

#[actix_web::test]
async fn somebody_new_gets_an_account_and_is_known_by_the_subject_from_then_on() {
    let place = open();
    place.add_user("ada", "another@harbour.example");
    let mut browser = place.browser();
    browser
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    let user = place.user_named("ada-2").expect("a user");
    assert_eq!(
        (user.name.as_str(), user.email.as_deref()),
        ("Ada L.", Some(ADA))
    );
    assert_eq!(user.email_origin, EmailOrigin::Upstream);
    assert!(user.ever_linked && user.password_hash.is_none() && !user.administrator);
    assert!(!user.quarantined);
    let links = place.links(user.id);
    assert_eq!(links[0].subject, Some(place.subject("u-1")));
    assert_eq!(place.audited("user.added"), ["signed_up idp"]);
    assert_eq!(place.audited("identity.linked"), ["idp"]);
    assert_eq!(place.audited("session.started"), ["idp"]);

    // With another address, or none at all, they are the same person.
    let bare = json!({"sub": "u-1"});
    place
        .browser()
        .come_back_as(&place, &bare)
        .await
        .expect_sign_in("/app");
    assert_eq!((place.user_count(), place.living_sessions(user.id)), (2, 2));
    assert_eq!(place.user(user.id).email.as_deref(), Some(ADA));
    assert_eq!(place.links(user.id)[0].display, "u-1");
}

#[actix_web::test]
async fn b11_a_first_link_is_made_at_once_for_an_account_that_has_nothing_else() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    place
        .browser()
        .come_back_as(&place, &person("u-1", "Ada@Harbour.Example"))
        .await
        .expect_sign_in("/app");
    let links = place.links(ada);
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].subject, Some(place.subject("u-1")));
    assert_eq!(links[0].provider_id, place.provider);
    assert_eq!(place.user(ada).email_origin, EmailOrigin::Stated);
    assert_eq!(place.living_sessions(ada), 1);
}

/// B01, B02, B03: sign-ups on or off.
#[actix_web::test]
async fn b01_another_subject_with_the_same_address_is_turned_away() {
    for sign_ups in [SignUps::Off, SignUps::On, SignUps::Invite] {
        let place = Place::with_policy(|policy| policy.sign_ups = sign_ups);
        let ada = place.add_user("ada", ADA);
        place
            .browser()
            .come_back_as(&place, &person("u-1", ADA))
            .await
            .expect_sign_in("/app");
        let before = place.links(ada);
        let answer = place
            .browser()
            .come_back_as(&place, &person("u-2", ADA))
            .await;
        answer.expect_refusal(403, "identity_already_bound");
        let told = answer.body.to_lowercase();
        for inside in ["constraint", "column", "sql", "u-2", "u-1", ADA, "ada"] {
            assert!(!told.contains(inside), "{inside}: {answer:?}");
        }
        assert_eq!((place.links(ada), place.user_count()), (before, 1));
        assert_eq!(place.living_sessions(ada), 1);
        let refused = place.audited("identity.refused");
        assert!(
            refused[0].starts_with("identity_already_bound idp sub="),
            "{refused:?}"
        );
        assert!(!refused[0].contains("u-2"), "{refused:?}");
        let row = place.read(|read| read.audit_latest(1)).remove(0);
        assert_eq!((row.user_id, row.succeeded), (Some(ada), false));
    }
}

#[actix_web::test]
async fn b04_b05_an_address_that_is_not_verified_finds_nobody() {
    let place = open();
    let ada = place.add_user("ada", ADA);
    let denied = json!({"sub": "u-1", "email": ADA, "email_verified": false});
    let answer = place.browser().come_back_as(&place, &denied).await;
    answer.expect_refusal(403, "email_not_verified");
    let unstated = json!({"sub": "u-1", "email": ADA});
    place
        .browser()
        .come_back_as(&place, &unstated)
        .await
        .expect_sign_in("/app");
    assert!(place.links(ada).is_empty());
    let made = place.user_named("ada-2").expect("a new account");
    assert_eq!((made.email, made.ever_linked), (None, true));
}

#[actix_web::test]
async fn a05_a09_who_is_suspended_or_deleted_stays_so() {
    let place = open();
    let ada = place.add_user("ada", ADA);
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    for (status, code) in [
        (UserStatus::Suspended, "account_suspended"),
        (UserStatus::Deleted, "account_deleted"),
    ] {
        place.write(move |write| write.user_set_status(ada, status));
        let answer = place
            .browser()
            .come_back_as(&place, &person("u-1", ADA))
            .await;
        answer.expect_refusal(403, code);
        assert_eq!((place.user(ada).status, place.user_count()), (status, 1));
    }
    // A10: somebody else with the address of a deleted account gets an account of their own.
    place
        .browser()
        .come_back_as(&place, &person("u-2", ADA))
        .await
        .expect_sign_in("/app");
    assert_eq!(place.user_count(), 2);
    assert_eq!(place.links(ada).len(), 1);
}

#[actix_web::test]
async fn a06_signing_in_wakes_a_dormant_account() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, Some("u-1"));
    place.write(move |write| write.user_set_status(ada, UserStatus::Dormant));
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    assert_eq!(place.user(ada).status, UserStatus::Active);
    assert_eq!(place.living_sessions(ada), 1);
}

#[actix_web::test]
async fn b40_b44_a_state_is_good_once_in_one_browser_at_one_provider() {
    let place = open();
    place.add_provider("twin");
    let claims = person("u-1", ADA);
    let mut browser = place.browser();
    for state in ["", "&state=", "&state=cfus_x", "&state=x%00"] {
        let answer = browser
            .get(&format!("/upstream/idp/callback?code=x{state}"))
            .await;
        answer.expect_refusal(400, "upstream_state_invalid");
    }
    let twice = "/upstream/idp/callback?code=x&state=a&state=b";
    browser
        .get(twice)
        .await
        .expect_refusal(400, "upstream_state_invalid");

    // Another browser, with and without a cookie of its own.
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &claims);
    place
        .browser()
        .get(&back)
        .await
        .expect_refusal(400, "upstream_state_invalid");
    browser
        .get(&back)
        .await
        .expect_refusal(400, "upstream_state_invalid");
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &claims);
    let mut other = place.browser();
    other.leave().await;
    other
        .get(&back)
        .await
        .expect_refusal(400, "upstream_state_invalid");

    // Another provider, another tenant.
    let left = browser.leave().await;
    let back = place
        .idp
        .let_in(left.location(), &claims)
        .replace("/idp/", "/twin/");
    browser
        .get(&back)
        .await
        .expect_refusal(400, "upstream_state_invalid");

    // Too late.
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &claims);
    place.clock.advance(600);
    browser
        .get(&back)
        .await
        .expect_refusal(400, "upstream_state_invalid");
    assert_eq!(place.user_count(), 0);

    // Rightly, and once more.
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &claims);
    browser.get(&back).await.expect_sign_in("/app");
    let answer = browser.get(&back).await;
    answer.expect_refusal(400, "upstream_state_invalid");
    let words: Vec<_> = place.audited("identity.refused");
    assert!(
        words
            .iter()
            .any(|word| word.ends_with("state_of_another_browser")),
        "{words:?}"
    );
    assert!(
        words
            .iter()
            .any(|word| word.ends_with("state_of_another_provider")),
        "{words:?}"
    );
    for reason in ["state_expired", "state_replayed"] {
        assert!(words.iter().any(|word| word.ends_with(reason)), "{words:?}");
    }
}

#[actix_web::test]
async fn b43_a_provider_that_is_disabled_meanwhile_lets_nobody_in() {
    let place = open();
    let mut browser = place.browser();
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &person("u-1", ADA));
    place.disable_provider();
    browser
        .get(&back)
        .await
        .expect_refusal(403, "provider_disabled");
    // Enabled again, it is not the one that the person was sent to.
    let left_before = {
        let id = place.provider;
        place.write(move |write| write.provider_set_status(id, OwnerStatus::Active));
        let left = browser.leave().await;
        place.write(move |write| write.provider_set_status(id, OwnerStatus::Active));
        left
    };
    let back = place
        .idp
        .let_in(left_before.location(), &person("u-1", ADA));
    browser
        .get(&back)
        .await
        .expect_refusal(403, "provider_disabled");
    assert_eq!(place.user_count(), 0);
}

#[actix_web::test]
async fn b53_an_error_of_the_provider_is_named_by_our_own_words_only() {
    let place = open();
    let mut browser = place.browser();
    let left = browser.leave().await;
    let state = Query::of(left.location()).get("state").to_owned();
    let words =
        "error=access_denied&error_description=%3Cscript%3Ealert%281%29%3C%2Fscript%3E%0D%0Aevil";
    let answer = browser
        .get(&format!("/upstream/idp/callback?{words}&state={state}"))
        .await;
    answer.expect_refusal(400, "upstream_denied");
    assert!(
        !answer.body.contains("alert") && !answer.body.contains("evil"),
        "{answer:?}"
    );
    assert_eq!(place.audited("identity.refused"), ["upstream_denied idp"]);
    // The state is used up by it.
    let answer = browser
        .get(&format!("/upstream/idp/callback?code=x&state={state}"))
        .await;
    answer.expect_refusal(400, "upstream_state_invalid");
}

#[actix_web::test]
async fn answers_that_cannot_be_believed_are_400_and_those_that_do_not_come_503() {
    let place = open();
    let mut browser = place.browser();
    let wrong = json!({"sub": "u-1", "nonce": "another"});
    browser
        .come_back_as(&place, &wrong)
        .await
        .expect_refusal(400, "upstream_answer_invalid");
    let left = browser.leave().await;
    let state = Query::of(left.location()).get("state").to_owned();
    let unknown_code = format!("/upstream/idp/callback?code=never&state={state}");
    browser
        .get(&unknown_code)
        .await
        .expect_refusal(400, "upstream_answer_invalid");
    let left = browser.leave().await;
    let state = Query::of(left.location()).get("state").to_owned();
    let no_code = format!("/upstream/idp/callback?state={state}");
    browser
        .get(&no_code)
        .await
        .expect_refusal(400, "upstream_answer_invalid");
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &person("u-1", ADA));
    place.idp.be_silent(true);
    let answer = browser.get(&back).await;
    answer.expect_refusal(503, "upstream_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(place.user_count(), 0);
}

#[actix_web::test]
async fn b13_b16_an_imported_link_is_filled_as_the_provider_is_set() {
    use curfew_policy::upstream::LegacyLinks;
    let place = Place::with_policy(|policy| policy.legacy_links = LegacyLinks::Backfill);
    let ada = place.add_user("ada", ADA);
    let empty = place.add_link(ada, None);
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    let links = place.links(ada);
    assert_eq!((links.len(), links[0].id), (1, empty.id));
    assert_eq!(links[0].subject, Some(place.subject("u-1")));
    assert_eq!(place.audited("identity.backfilled"), ["idp"]);
    let without_address = json!({"sub": "u-1"});
    place
        .browser()
        .come_back_as(&place, &without_address)
        .await
        .expect_sign_in("/app");

    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, None);
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await;
    assert_eq!(
        (answer.status, answer.starts_session()),
        (403, false),
        "{answer:?}"
    );
    assert!(answer.body.contains("proof-sign-in"), "{answer:?}");
    assert_eq!(place.links(ada)[0].subject, None);

    place.change_policy(|policy| policy.legacy_links = LegacyLinks::Refuse);
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await;
    answer.expect_refusal(403, "legacy_link_refused");
}

#[actix_web::test]
async fn b17_the_same_subject_of_another_issuer_is_somebody_else() {
    let place = open();
    let ada = place.add_user("ada", ADA);
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    let before = place.links(ada);
    let moved = Place::with_policy(|policy| policy.sign_ups = SignUps::On);
    let mut description = place.provider().description();
    description.issuer = moved.idp.server.url.clone();
    let id = place.provider;
    place.write(move |write| write.provider_update(id, &description));
    let mut browser = place.browser();
    let left = browser.leave().await;
    let back = moved.idp.let_in(left.location(), &person("u-1", ADA));
    browser
        .get(&back)
        .await
        .expect_refusal(403, "identity_already_bound");
    assert_eq!(place.links(ada), before);
}

#[actix_web::test]
async fn b32_b33_the_address_follows_the_provider_only_where_nobody_else_vouches_for_it() {
    let place = open();
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    let ada = place.user_named("ada").expect("a user").id;
    place.add_user("bob", "bob@harbour.example");
    let address = |place: &Place| place.user(ada).email.unwrap_or_default();
    // B32: somebody else has it.
    let taken = person("u-1", "bob@harbour.example");
    place
        .browser()
        .come_back_as(&place, &taken)
        .await
        .expect_sign_in("/app");
    assert_eq!(address(&place), ADA);
    // B33: it is not verified.
    let unverified = json!({"sub": "u-1", "email": "x@harbour.example", "email_verified": false});
    place
        .browser()
        .come_back_as(&place, &unverified)
        .await
        .expect_sign_in("/app");
    assert_eq!(address(&place), ADA);
    let moved = person("u-1", "ada@shore.example");
    place
        .browser()
        .come_back_as(&place, &moved)
        .await
        .expect_sign_in("/app");
    assert_eq!(address(&place), "ada@shore.example");
    assert_eq!(place.audited("address.changed"), ["by_upstream idp"]);
    assert_eq!(place.living_sessions(ada), 1, "those of before ended");
    // The mailbox vouches for it from now on.
    place.write(move |write| {
        let own = ("ada@own.example", Some("ada@own.example"));
        write.user_set_email(ada, own, EmailOrigin::Mailbox)
    });
    place
        .browser()
        .come_back_as(&place, &moved)
        .await
        .expect_sign_in("/app");
    assert_eq!(address(&place), "ada@own.example");
}

/// Whoever holds somebody's account at the provider for a while, and can set its address there, gets no mailbox into the account here that
/// would outlast that.
#[actix_web::test]
async fn e10_e11_no_address_follows_into_quarantine_or_beside_a_password() {
    let place = Place::with_mail();
    place.change_policy(|policy| {
        policy.sign_ups = SignUps::On;
        policy.quarantine = true;
    });
    let come = async |email: &str| {
        let claims = person("u-1", email);
        let answer = place.browser().come_back_as(&place, &claims).await;
        answer.expect_sign_in("/app");
    };
    come(ADA).await;
    let ada = place.user_named("ada").expect("a user").id;
    let address = || place.user(ada).email.unwrap_or_default();
    come("thief@shore.example").await;
    assert_eq!(address(), ADA, "in quarantine");
    place.write(move |write| write.user_lift_quarantine(ada));
    let password = Redacted("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned());
    place.write(move |write| write.user_set_password(ada, &password));
    come("thief@shore.example").await;
    assert_eq!(address(), ADA, "beside a password");
    place.write(move |write| write.user_forget_password(ada));
    come("ada@shore.example").await;
    assert_eq!(address(), "ada@shore.example");
    let told = place.read(|read| read.mails_due(10)).pop().expect("a mail");
    assert_eq!(told.recipient, ADA);
}

#[actix_web::test]
async fn b36_an_account_that_had_a_link_is_found_by_no_address_again() {
    let place = open();
    let ada = place.add_user("ada", ADA);
    let link = place.add_link(ada, Some("u-1")).id;
    place.write(move |write| write.link_set_status(link, OwnerStatus::Deleted));
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-2", ADA))
        .await;
    answer.expect_refusal(403, "identity_already_bound");
    // The removed link is no way in either.
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await;
    answer.expect_refusal(403, "identity_already_bound");
    assert_eq!(place.links(ada).len(), 1);
}

#[actix_web::test]
async fn b50_a_bound_session_ends_no_later_than_the_one_upstream() {
    let place = Place::with_policy(|policy| policy.bind_to_upstream = true);
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, Some("u-1"));
    let mut claims = person("u-1", ADA);
    let now = NOW.seconds();
    claims["exp"] = json!(now + 120);
    place
        .browser()
        .come_back_as(&place, &claims)
        .await
        .expect_sign_in("/app");
    let session = place.read(move |read| read.session_list(ada)).remove(0);
    assert_eq!(session.expires_at.seconds(), now + 120);
    let stored = place.read(move |read| read.session(session.id)).unwrap();
    assert!(stored.upstream_bound);
    place.clock.advance(120);
    assert_eq!(place.living_sessions(ada), 0);
}

#[actix_web::test]
async fn b51_the_dangerous_sign_in_by_address_binds_nothing_and_is_marked() {
    let place = Place::with_policy(|policy| policy.dangerous_sign_in_by_email = true);
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, Some("u-1"));
    let before = place.links(ada);
    place
        .browser()
        .come_back_as(&place, &person("u-2", ADA))
        .await
        .expect_sign_in("/app");
    assert_eq!(place.links(ada), before);
    assert_eq!(
        place.audited("session.started"),
        ["dangerous_sign_in_by_email idp"]
    );
    let unverified = json!({"sub": "u-2", "email": ADA, "email_verified": "true"});
    let answer = place.browser().come_back_as(&place, &unverified).await;
    answer.expect_refusal(403, "email_not_verified");
    place.write(move |write| write.user_set_status(ada, UserStatus::Suspended));
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-2", ADA))
        .await;
    answer.expect_refusal(403, "account_suspended");
}

#[actix_web::test]
async fn b45_b47_domains_and_sign_ups_are_kept() {
    let place = Place::with_policy(|policy| policy.domains = vec!["harbour.example".to_owned()]);
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", "a@evilharbour.example"))
        .await;
    answer.expect_refusal(403, "email_domain_not_allowed");
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await;
    answer.expect_refusal(403, "sign_ups_off");
    place.change_policy(|policy| policy.sign_ups = SignUps::Invite);
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await;
    answer.expect_refusal(403, "invitation_needed");
    assert_eq!(place.user_count(), 0);
    place.change_policy(|policy| {
        policy.sign_ups = SignUps::On;
        policy.quarantine = true;
    });
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    assert!(place.user_named("ada").expect("a user").quarantined);
}

#[actix_web::test]
async fn disabling_a_provider_or_a_link_ends_what_was_born_through_it() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    let link = place.add_link(ada, Some("u-1")).id;
    let (_, local) = place.signed_in(ada);
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    assert_eq!(place.living_sessions(ada), 2);
    place.write(move |write| write.link_set_status(link, OwnerStatus::Disabled));
    let alive = |place: &Place| {
        let sessions = place.read(move |read| read.session_list(ada)).into_iter();
        let alive: Vec<_> = sessions.filter(|session| session.alive).collect();
        alive
            .into_iter()
            .map(|session| session.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(alive(&place), [local]);
    let answer = place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await;
    answer.expect_refusal(403, "link_disabled");
    place.write(move |write| write.link_set_status(link, OwnerStatus::Active));
    assert_eq!(alive(&place), [local]);
    place
        .browser()
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    place.disable_provider();
    assert_eq!(alive(&place), [local]);
}

#[actix_web::test]
async fn being_let_through_upstream_is_no_proof_of_this_moment() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, Some("u-1"));
    // A provider that does not say when it was may have asked nothing: that is not fresh from the first second.
    let not_fresh = -place.edge.lifetimes.fresh_sign_in.seconds();
    for (auth_time, expected) in [
        (Some(-600), -600),
        (Some(0), 0),
        (Some(60), 0),
        (None, not_fresh),
    ] {
        let mut claims = person("u-1", ADA);
        claims["auth_time"] = json!(auth_time.map(|told| NOW.seconds() + told));
        if auth_time.is_none() {
            claims.as_object_mut().unwrap().remove("auth_time");
        }
        let answer = place.browser().come_back_as(&place, &claims).await;
        answer.expect_sign_in("/app");
        let session = place.read(move |read| read.session_list(ada)).remove(0);
        let authenticated_at = session.authenticated_at.seconds();
        assert_eq!(authenticated_at, NOW.seconds() + expected);
    }
}

#[actix_web::test]
async fn the_session_that_the_browser_had_ends() {
    let place = Place::new();
    let ada = place.add_user("ada", ADA);
    place.add_link(ada, Some("u-1"));
    let (mut browser, _) = place.signed_in(ada);
    browser
        .come_back_as(&place, &person("u-1", ADA))
        .await
        .expect_sign_in("/app");
    assert_eq!(place.living_sessions(ada), 1);
}

#[actix_web::test]
async fn tenants_do_not_share_providers_or_people() {
    let place = open();
    place.write(|write| write.tenant_insert("acme", "ACME").map(|_| ()));
    let ada = place.add_user("ada", ADA);
    let answer = place.browser().get("/t/acme/upstream/idp/start").await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let mut browser = place.browser();
    let left = browser.leave().await;
    let back = place.idp.let_in(left.location(), &person("u-1", ADA));
    let answer = browser.get(&format!("/t/acme{back}")).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert!(place.links(ada).is_empty());
}
