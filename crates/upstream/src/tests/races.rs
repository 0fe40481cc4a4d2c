//! Two at once, on both databases: the transaction alone, without a provider.

use curfew_policy::linking::EmailFact;
use curfew_policy::upstream::{LegacyLinks, SignUps};
use curfew_protocol::{
    DEFAULT_TENANT, MailedLinkId, ParsedToken, TokenKind, UpstreamLoginId, UserId,
};
use curfew_store::audit::{AuthenticatedBy, Origin};
use curfew_store::link_proofs::ProvedIdentity;
use curfew_store::mailed_links::LinkKind;
use curfew_store::upstream_logins::Purpose;

use super::support::{Backend, Place, on_both_backends};
use crate::linking::bind::Entrance;
use crate::linking::{self, Arrived, Linking, NotDone, Outcome};
use crate::refusal::Refusal;

/// Trials of each race; B14 wants a thousand.
const TRIALS: usize = 1_000;
const FEWER_TRIALS: usize = 200;

/// Somebody with a verified address who has just come back.
fn arriving(place: &Place, subject: &str, email: &str) -> Linking {
    let identity = ProvedIdentity {
        issuer: place.idp.server.url.clone(),
        subject: subject.to_owned(),
        display: subject.to_owned(),
        name: None,
        verified_email: Some(email.to_owned()),
        sid: None,
        ends_at: None,
        auth_time: None,
    };
    Linking {
        tenant_id: DEFAULT_TENANT,
        provider: (place.provider, 1),
        purpose: Purpose::SignIn,
        arrived: Arrived {
            identity,
            email: EmailFact::Verified {
                key: email.to_owned(),
            },
            known_as: vec![email.to_owned()],
        },
        return_to: "/app".to_owned(),
        browser: "b".repeat(43),
        previous: None,
        rules: place.edge.lifetimes,
        by: AuthenticatedBy::UpstreamLogin(UpstreamLoginId::from_bytes([1; 16])),
        origin: Origin::default(),
        notice: None,
    }
}

fn invitation(place: &Place, user: UserId) -> MailedLinkId {
    let link = super::invitation::invite(place, user, LinkKind::Invitation);
    let parsed = ParsedToken::parse(TokenKind::MailedLink, &link).expect("a link");
    MailedLinkId::from_bytes(parsed.selector)
}

async fn both(place: &Place, one: Linking, other: Linking) -> [Result<Outcome, Refusal>; 2] {
    let (one, other) = tokio::join!(
        linking::link(&place.edge, one),
        linking::link(&place.edge, other)
    );
    [one, other].map(|ended| {
        let ended = ended.expect("the store works").expect("it is decided");
        ended.map_err(|turned| turned.refusal)
    })
}

fn winners(ended: &[Result<Outcome, Refusal>]) -> usize {
    let won = |ended: &&Result<Outcome, Refusal>| matches!(ended, Ok(Outcome::SignedIn(..)));
    ended.iter().filter(won).count()
}

fn losers(ended: &[Result<Outcome, Refusal>], refusal: Refusal) -> usize {
    let lost = |ended: &&Result<Outcome, Refusal>| matches!(ended, Err(own) if *own == refusal);
    ended.iter().filter(lost).count()
}

on_both_backends! {
    async fn race_b14_two_subjects_on_one_imported_link_have_one_winner(backend) {
        let place = Place::made(backend, |policy| policy.legacy_links = LegacyLinks::Backfill, |_| {});
        for trial in 0..TRIALS {
            let email = format!("u{trial}@harbour.example");
            let user = place.add_user(&format!("u{trial}"), &email);
            let empty = place.add_link(user, None).id;
            let (one, other) = (format!("{trial}-a"), format!("{trial}-b"));
            let ended = both(&place, arriving(&place, &one, &email), arriving(&place, &other, &email)).await;
            assert_eq!((winners(&ended), losers(&ended, Refusal::IdentityAlreadyBound)), (1, 1), "{ended:?}");
            let winner = if ended[0].is_ok() { one } else { other };
            let links = place.links(user);
            assert_eq!((links.len(), links[0].id), (1, empty));
            assert_eq!(links[0].subject, Some(place.subject(&winner)));
            assert_eq!(place.living_sessions(user), 1);
        }
    }

    async fn race_two_logins_of_somebody_new_make_one_account(backend) {
        let place = Place::made(backend, |policy| policy.sign_ups = SignUps::On, |_| {});
        for trial in 0..FEWER_TRIALS {
            let email = format!("u{trial}@harbour.example");
            let subject = format!("u-{trial}");
            let ended = both(&place, arriving(&place, &subject, &email), arriving(&place, &subject, &email)).await;
            assert_eq!(winners(&ended), 2, "{ended:?}");
            assert_eq!(place.user_count(), trial + 1);
            let user = place.user_named(&format!("u{trial}")).expect("one account");
            assert_eq!((place.links(user.id).len(), place.living_sessions(user.id)), (1, 2));
        }
    }

    async fn race_two_subjects_with_one_new_address_make_one_account(backend) {
        let place = Place::made(backend, |policy| policy.sign_ups = SignUps::On, |_| {});
        for trial in 0..FEWER_TRIALS {
            let email = format!("u{trial}@harbour.example");
            let (one, other) = (format!("{trial}-a"), format!("{trial}-b"));
            let ended = both(&place, arriving(&place, &one, &email), arriving(&place, &other, &email)).await;
            assert_eq!((winners(&ended), losers(&ended, Refusal::IdentityAlreadyBound)), (1, 1), "{ended:?}");
            assert_eq!(place.user_count(), trial + 1);
        }
    }

    async fn race_two_people_who_would_be_called_the_same_are_not(backend) {
        let place = Place::made(backend, |policy| policy.sign_ups = SignUps::On, |_| {});
        for trial in 0..FEWER_TRIALS {
            let [one, other] = ["harbour", "shore"].map(|site| format!("u{trial}@{site}.example"));
            let ended = both(&place, arriving(&place, &one, &one), arriving(&place, &other, &other)).await;
            assert_eq!(winners(&ended), 2, "{ended:?}");
            assert!(place.user_named(&format!("u{trial}")).is_some());
            assert!(place.user_named(&format!("u{trial}-2")).is_some());
        }
    }

    /// The first to be accepted moves the epoch that the others hang on, also for whoever waits for the account meanwhile.
    async fn race_of_two_invitations_of_one_account_one_is_accepted(backend) {
        let place = Place::made(backend, |policy| policy.sign_ups = SignUps::Invite, |_| {});
        for trial in 0..FEWER_TRIALS {
            let email = format!("u{trial}@harbour.example");
            let user = place.add_user(&format!("u{trial}"), &email);
            let invited = ["a", "b"].map(|name| {
                let link = invitation(&place, user);
                let arriving = arriving(&place, &format!("{trial}-{name}"), &email);
                Linking { purpose: Purpose::Invitation(link), ..arriving }
            });
            let [one, other] = invited;
            let ended = both(&place, one, other).await;
            assert_eq!((winners(&ended), losers(&ended, Refusal::InvitationInvalid)), (1, 1), "{ended:?}");
            assert_eq!((place.links(user).len(), place.living_sessions(user)), (1, 1));
        }
    }

    async fn race_a15_a_login_against_the_deletion_of_its_user_leaves_nothing_alive(backend) {
        use curfew_policy::status::UserStatus;
        let place = Place::made(backend, |_| {}, |_| {});
        for trial in 0..FEWER_TRIALS {
            let email = format!("u{trial}@harbour.example");
            let user = place.add_user(&format!("u{trial}"), &email);
            let subject = format!("u-{trial}");
            place.add_link(user, Some(&subject));
            let deletion = place.edge.store.write(move |write| {
                write.user_held(user)?;
                write.user_set_status(user, UserStatus::Deleted).map(Ok::<_, ()>)
            });
            let (ended, deleted) = tokio::join!(
                linking::link(&place.edge, arriving(&place, &subject, &email)),
                deletion
            );
            assert!(deleted.expect("the store works").is_ok());
            let ended = ended.expect("the store works").expect("it is decided");
            let fits = match &ended {
                Ok(Outcome::SignedIn(..)) => true,
                Ok(_) => false,
                Err(turned) => turned.refusal == Refusal::AccountDeleted,
            };
            assert!(fits, "{ended:?}");
            assert_eq!(place.living_sessions(user), 0);
        }
    }

    async fn b15_a_link_that_is_not_empty_any_more_is_compared_and_not_filled(backend) {
        let place = Place::made(backend, |_| {}, |_| {});
        let user = place.add_user("ada", "ada@harbour.example");
        let link = place.add_link(user, Some("u-1"));
        for (subject, good) in [("u-1", true), ("u-2", false)] {
            let identity = arriving(&place, subject, "ada@harbour.example").arrived.identity;
            let (provider, rules, waiting) = (place.provider(), place.edge.lifetimes, Some(link.id));
            let bound = place.write(move |write| {
                let tenant = write.tenant(DEFAULT_TENANT)?.expect("a tenant");
                let (by, origin) = (AuthenticatedBy::Nobody, Origin::default());
                let entrance = Entrance {
                    tenant: &tenant, provider: &provider, identity: &identity, rules: &rules, previous: None, by, origin: &origin,
                };
                entrance.bind(write, user, waiting)
            });
            match bound {
                Ok(bound) => assert!(good && bound == link),
                Err(NotDone::Refused(turned)) => {
                    assert!(!good);
                    assert_eq!((turned.refusal, turned.victim), (Refusal::IdentityAlreadyBound, Some(user)));
                }
                Err(NotDone::Overtaken) => panic!("nobody else was there"),
            }
            assert_eq!(place.links(user).as_slice(), std::slice::from_ref(&link));
        }
    }
}
