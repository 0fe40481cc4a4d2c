//! Providers and links: what is born through them, and who wins where two want the same.

use std::sync::Barrier;

use curfew_policy::lifetime::Credential;
use curfew_policy::limits::BoundSince;
use curfew_policy::status::{DeathCause, OwnerStatus, ProviderKind};
use curfew_policy::upstream::ProviderSettings;
use curfew_protocol::{
    ClientKey, DEFAULT_TENANT, LinkId, NodeId, ProviderId, Redacted, TokenId, TokenKind, UserId,
};
use curfew_store::codes::{ApprovalBasis, NewApproval};
use curfew_store::link_proofs::{NewLinkProof, ProvedIdentity};
use curfew_store::links::{NewLink, Subject};
use curfew_store::nodes::{Ancestor, Birth, BornThrough};
use curfew_store::providers::{NewProvider, ProviderDescription};
use curfew_store::sessions::{NewSession, UpstreamSession};
use curfew_store::tokens::NewToken;
use curfew_store::upstream_logins::{LoginSecrets, NewUpstreamLogin, Purpose};

use crate::on_both_backends;
use crate::support::{TestStore, birth, end, is_alive};

const ISSUER: &str = "https://idp.example";

fn provider(test: &TestStore, slug: &str) -> ProviderId {
    let new = NewProvider {
        tenant_id: DEFAULT_TENANT,
        slug: slug.to_owned(),
        kind: ProviderKind::OpenId,
        configured: false,
        description: ProviderDescription {
            name: slug.to_owned(),
            issuer: ISSUER.to_owned(),
            client_id: "curfew".to_owned(),
            settings: ProviderSettings::default(),
        },
    };
    let secret = Redacted(format!("secret of {slug}"));
    test.write(move |write| write.provider_insert(&new, Some(&secret)))
}

fn subject(subject: &str) -> Subject {
    Subject {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
    }
}

fn link(test: &TestStore, provider: ProviderId, user: UserId, of: Option<Subject>) -> LinkId {
    let new = NewLink {
        provider_id: provider,
        user_id: user,
        subject: of,
        display: "ada".to_owned(),
    };
    test.write(move |write| write.link_insert(&new))
}

/// A session born through the link, an approval of which it is only the provenance, and a token on that.
fn token_through(
    test: &TestStore,
    (user, client): (UserId, ClientKey),
    link: LinkId,
    sid: Option<&str>,
) -> (NodeId, TokenId) {
    let sid = sid.map(str::to_owned);
    test.write(move |write| {
        let now = write.now();
        let found = write.link(link)?.unwrap();
        let provider = write.provider(found.provider_id)?.unwrap();
        let birth = Birth {
            link: Some(BornThrough {
                link,
                link_epoch: found.epoch,
                provider_epoch: provider.epoch,
            }),
            bound_since: BoundSince::default(),
            ..birth(write, user, None)?
        };
        let (session, _) = write.session_insert(&NewSession {
            birth,
            expires_at: end(Credential::Session, now, &[]),
            idle_lifetime: curfew_protocol::Lifetime::from_seconds(3_600),
            ip: String::new(),
            user_agent: String::new(),
            upstream: Some(UpstreamSession {
                sid: sid.clone(),
                bound: false,
            }),
        })?;
        let found = write.session(session)?.unwrap();
        let client_epoch = write.client(client)?.unwrap().epoch;
        let era = found.node.era;
        let approval_end = end(Credential::Approval, now, &[]);
        let approval = write.approval_insert(&NewApproval {
            birth: Birth::recorded_below(&found.node, era).for_client(Some((client, client_epoch))),
            ancestor: Ancestor::Recorded(session),
            parent_token: None,
            session_id: None,
            expires_at: approval_end,
            scopes: curfew_protocol::ScopeSet::parse("notes:read").unwrap(),
            audiences: curfew_protocol::Audiences::default(),
            basis: ApprovalBasis::Asked,
            device: None,
        })?;
        let (token, _) = write.token_insert(&NewToken {
            node_id: approval,
            node_expires_at: approval_end.timestamp(),
            scopes: curfew_protocol::ScopeSet::default(),
            audiences: curfew_protocol::Audiences::default(),
            expires_at: end(Credential::AccessToken, now, &[approval_end.timestamp()]),
        })?;
        Ok((session, token))
    })
}

fn session_lives(test: &TestStore, session: NodeId) -> bool {
    test.store
        .read_blocking(|read| {
            let now = read.now();
            Ok(read.session(session)?.unwrap().node.judge(now).is_ok())
        })
        .unwrap()
}

on_both_backends! {
    fn b43_what_was_born_through_a_provider_dies_with_it_and_stays_dead(test) {
        let (ada, app) = (test.user("ada"), test.client("app"));
        let (google, okta) = (provider(test, "google"), provider(test, "okta"));
        let through_google = link(test, google, ada, Some(subject("1")));
        let through_okta = link(test, okta, ada, Some(subject("1")));
        let (session, token) = token_through(test, (ada, app), through_google, None);
        let (other_session, other_token) = token_through(test, (ada, app), through_okta, None);
        assert!(session_lives(test, session) && is_alive(test, token));
        test.write(move |write| write.provider_set_status(google, OwnerStatus::Disabled));
        assert!(!session_lives(test, session) && !is_alive(test, token));
        test.write(move |write| write.provider_set_status(google, OwnerStatus::Active));
        assert!(!session_lives(test, session) && !is_alive(test, token));
        assert!(session_lives(test, other_session) && is_alive(test, other_token));
    }

    fn a_link_that_is_taken_away_takes_along_what_it_bore(test) {
        let (ada, app) = (test.user("ada"), test.client("app"));
        let google = provider(test, "google");
        let (first, second) = (link(test, google, ada, Some(subject("1"))), link(test, google, ada, Some(subject("2"))));
        let (session, token) = token_through(test, (ada, app), first, None);
        let (other_session, other_token) = token_through(test, (ada, app), second, None);
        test.write(move |write| write.link_set_status(first, OwnerStatus::Deleted));
        assert!(!session_lives(test, session) && !is_alive(test, token));
        assert!(session_lives(test, other_session) && is_alive(test, other_token));
        // Brought back, it is a link again, but nothing comes back with it.
        test.write(move |write| write.link_set_status(first, OwnerStatus::Active));
        assert!(!session_lives(test, session) && !is_alive(test, token));
    }

    fn a_session_upstream_that_ends_there_ends_here_and_no_other(test) {
        let (ada, app) = (test.user("ada"), test.client("app"));
        let (google, okta) = (provider(test, "google"), provider(test, "okta"));
        let through_google = link(test, google, ada, Some(subject("1")));
        let through_okta = link(test, okta, ada, Some(subject("1")));
        let (ended, _) = token_through(test, (ada, app), through_google, Some("sid"));
        let (other, _) = token_through(test, (ada, app), through_google, Some("other"));
        let (elsewhere, _) = token_through(test, (ada, app), through_okta, Some("sid"));
        let sessions = test.write(move |write| write.sessions_end_upstream(google, "sid", None));
        assert_eq!(sessions, [ended]);
        assert!(!session_lives(test, ended));
        assert!(session_lives(test, other) && session_lives(test, elsewhere));
        let again = test.write(move |write| write.sessions_end_upstream(google, "sid", None));
        assert!(again.is_empty());
        let cause = test.store.read_blocking(|read| Ok(read.node_chain(ended)?.unwrap().facts.ended)).unwrap();
        assert_eq!(cause, Some(DeathCause::LoggedOutUpstream));
    }

    fn b19_issuer_and_subject_never_run_into_each_other(test) {
        let (ada, bob) = (test.user("ada"), test.user("bob"));
        let google = provider(test, "google");
        let (one, other) = (
            Subject { issuer: "a||b".to_owned(), subject: "c".to_owned() },
            Subject { issuer: "a".to_owned(), subject: "b||c".to_owned() },
        );
        let first = link(test, google, ada, Some(one.clone()));
        let second = link(test, google, bob, Some(other.clone()));
        let found = test.store.read_blocking(move |read| {
            Ok((read.link_by_subject(google, &one)?.unwrap().id, read.link_by_subject(google, &other)?.unwrap().id))
        });
        assert_eq!(found.unwrap(), (first, second));
    }

    fn b20_a_subject_is_found_by_exactly_its_bytes(test) {
        let ada = test.user("ada");
        let google = provider(test, "google");
        link(test, google, ada, Some(subject("Stra\u{df}e-\u{e9}")));
        for near in ["stra\u{df}e-\u{e9}", "Strasse-\u{e9}", "Stra\u{df}e-e\u{301}", "Stra\u{df}e-\u{e9} ", ""] {
            let found = test.store.read_blocking(move |read| read.link_by_subject(google, &subject(near)));
            assert_eq!(found.unwrap(), None, "{near:?}");
        }
    }

    fn b27_one_subject_at_two_providers_is_two_identities(test) {
        let (ada, bob) = (test.user("ada"), test.user("bob"));
        let (github, enterprise) = (provider(test, "github"), provider(test, "ghes"));
        link(test, github, ada, Some(subject("100")));
        link(test, enterprise, bob, Some(subject("100")));
        let owner = |of: ProviderId| test.store.read_blocking(move |read| Ok(read.link_by_subject(of, &subject("100"))?.unwrap().user_id)).unwrap();
        assert_eq!((owner(github), owner(enterprise)), (ada, bob));
    }

    fn one_identity_of_a_provider_belongs_to_one_account(test) {
        let (ada, bob) = (test.user("ada"), test.user("bob"));
        let google = provider(test, "google");
        let first = link(test, google, ada, Some(subject("1")));
        let new = NewLink { provider_id: google, user_id: bob, subject: Some(subject("1")), display: String::new() };
        let again = new.clone();
        let refused = test.store.write_blocking(move |write| write.link_insert(&new).map(Ok::<_, ()>));
        assert!(refused.unwrap_err().is_unique_violation());
        let ever = test.store.read_blocking(move |read| Ok(read.user(bob)?.unwrap().ever_linked));
        assert!(!ever.unwrap(), "nothing is left of the refused link");
        // Taken away, the identity is free again, and the tombstone is no way back.
        test.write(move |write| write.link_set_status(first, OwnerStatus::Deleted));
        test.write(move |write| write.link_insert(&again));
        let back = test.store.write_blocking(move |write| write.link_set_status(first, OwnerStatus::Active).map(Ok::<_, ()>));
        assert!(back.unwrap_err().is_unique_violation());
    }

    fn b14_of_two_subjects_that_race_for_an_empty_link_one_gets_it(test) {
        let google = provider(test, "google");
        for trial in 0..1_000 {
            let user = test.user(&format!("ada-{trial}"));
            let empty = link(test, google, user, None);
            let start = Barrier::new(2);
            let race = |name: &'static str| {
                let of = subject(&format!("{name}-{trial}"));
                start.wait();
                test.write(move |write| {
                    write.user_held(user)?;
                    write.link_backfill(empty, &of, name)
                })
            };
            let won = std::thread::scope(|scope| {
                let (one, other) = (scope.spawn(|| race("one")), scope.spawn(|| race("other")));
                (one.join().unwrap(), other.join().unwrap())
            });
            assert!(won.0 ^ won.1, "trial {trial}: {won:?}");
            let stored = test.store.read_blocking(move |read| Ok(read.link(empty)?.unwrap().subject.unwrap())).unwrap();
            assert_eq!(stored, subject(&format!("{}-{trial}", if won.0 { "one" } else { "other" })));
        }
    }

    fn b15_a_link_that_is_no_longer_empty_is_not_filled(test) {
        let ada = test.user("ada");
        let google = provider(test, "google");
        let bound = link(test, google, ada, Some(subject("1")));
        assert!(!test.write(move |write| write.link_backfill(bound, &subject("2"), "thief")));
        let kept = test.store.read_blocking(move |read| read.link(bound)).unwrap().unwrap();
        assert_eq!((kept.subject, kept.display.as_str()), (Some(subject("1")), "ada"));
        let empty = link(test, google, ada, None);
        for gone in [OwnerStatus::Disabled, OwnerStatus::Deleted] {
            test.write(move |write| write.link_set_status(empty, gone));
            assert!(!test.write(move |write| write.link_backfill(empty, &subject("2"), "thief")));
        }
    }

    fn a_link_opens_an_account_while_somebody_can_come_who_is_it(test) {
        let ada = test.user("ada");
        let google = provider(test, "google");
        let (bound, empty) = (link(test, google, ada, Some(subject("1"))), link(test, google, ada, None));
        let state = |of: LinkId| test.store.read_blocking(move |read| {
            let (link, provider) = (read.link(of)?.unwrap(), read.provider(google)?.unwrap());
            Ok((link.opens(&provider), link.is_waiting()))
        }).unwrap();
        assert_eq!((state(bound), state(empty)), ((true, false), (false, true)));
        for of in [bound, empty] {
            test.write(move |write| write.link_set_status(of, OwnerStatus::Disabled));
            assert_eq!(state(of), (false, false));
            test.write(move |write| write.link_set_status(of, OwnerStatus::Active));
        }
        test.write(move |write| write.provider_set_status(google, OwnerStatus::Disabled));
        assert_eq!(state(bound), (false, false));
        test.write(move |write| write.provider_set_status(google, OwnerStatus::Active));
        let renamed = |issuer: &'static str| test.write(move |write| {
            let mut description = write.provider(google)?.unwrap().description();
            description.issuer = issuer.to_owned();
            write.provider_update(google, &description)
        });
        renamed("https://new.example");
        assert_eq!(state(bound), (false, false), "it stays under the issuer that it was made with");
        renamed(ISSUER);
        assert_eq!(state(bound), (true, false));
        let okta = provider(test, "okta");
        let elsewhere = test.store.read_blocking(move |read| {
            Ok(read.link(bound)?.unwrap().opens(&read.provider(okta)?.unwrap()))
        });
        assert!(!elsewhere.unwrap());
    }

    fn b17_links_move_to_another_issuer_all_together(test) {
        let (ada, bob) = (test.user("ada"), test.user("bob"));
        let (google, okta) = (provider(test, "google"), provider(test, "okta"));
        let moved = link(test, google, ada, Some(subject("1")));
        let gone = link(test, google, bob, Some(subject("2")));
        let other = link(test, okta, ada, Some(subject("1")));
        test.write(move |write| write.link_set_status(gone, OwnerStatus::Deleted));
        assert_eq!(test.write(move |write| write.links_rebind(google, ISSUER, "https://new.example")), 2);
        let issuer = |of: LinkId| test.store.read_blocking(move |read| Ok(read.link(of)?.unwrap().subject.unwrap().issuer)).unwrap();
        assert_eq!(issuer(moved), "https://new.example");
        assert_eq!(issuer(other), ISSUER);
        let provider = test.store.read_blocking(move |read| read.provider(google)).unwrap().unwrap();
        assert_eq!(provider.issuer, "https://new.example");
    }

    fn a_clients_secret_opens_in_its_own_row_only(test) {
        let (google, okta) = (provider(test, "google"), provider(test, "okta"));
        let secret = |of: ProviderId| test.store.read_blocking(move |read| {
            let keys = read.keys();
            read.provider(of)?.unwrap().client_secret(keys)
        });
        assert_eq!(secret(google).unwrap().unwrap().0, "secret of google");
        let statement = format!(
            "UPDATE providers SET sealed_client_secret = (SELECT sealed_client_secret FROM providers WHERE id = {}) WHERE id = {}",
            test.literal(google.as_bytes()), test.literal(okta.as_bytes()),
        );
        assert_eq!(test.tamper(&statement), 1);
        assert!(secret(okta).is_err());
    }

    fn b40_a_state_is_used_once_and_in_its_own_browser(test) {
        let google = provider(test, "google");
        let (id, state) = test.write(move |write| {
            let expires_at = end(Credential::UpstreamLogin, write.now(), &[]);
            write.upstream_login_insert(&NewUpstreamLogin {
                tenant_id: DEFAULT_TENANT,
                provider_id: google,
                provider_epoch: 1,
                purpose: Purpose::SignIn,
                browser: "this browser".to_owned(),
                secrets: LoginSecrets { nonce: "nonce".to_owned(), code_verifier: "verifier".to_owned() },
                reauthenticate: false,
                return_to: "/account".to_owned(),
                expires_at,
            })
        });
        let keys = test.store.keys();
        let stored = test.store.read_blocking(move |read| read.upstream_login(id)).unwrap().unwrap();
        assert!(keys.verify(TokenKind::UpstreamState, id.as_bytes(), state.secret(), stored.digest));
        assert!(stored.is_of_browser(keys, "this browser"));
        assert!(!stored.is_of_browser(keys, "another"));
        let secrets = stored.secrets(keys).unwrap();
        assert_eq!((secrets.nonce.as_str(), secrets.code_verifier.as_str()), ("nonce", "verifier"));
        assert!(test.write(move |write| write.upstream_login_consume(id)));
        assert!(!test.write(move |write| write.upstream_login_consume(id)));
    }

    fn an_identity_waits_sealed_and_is_used_once(test) {
        let (ada, google) = (test.user("ada"), provider(test, "google"));
        let identity = ProvedIdentity {
            issuer: ISSUER.to_owned(),
            subject: "1".to_owned(),
            display: "ada@harbour.example".to_owned(),
            name: None,
            verified_email: Some("ada@harbour.example".to_owned()),
            sid: Some("sid".to_owned()),
            ends_at: None,
            auth_time: None,
        };
        let kept = identity.clone();
        let id = test.write(move |write| {
            let expires_at = end(Credential::LinkProof, write.now(), &[]);
            write.link_proof_insert(&NewLinkProof {
                tenant_id: DEFAULT_TENANT,
                provider_id: google,
                provider_epoch: 1,
                user: (ada, 1),
                session_id: None,
                browser: "this browser".to_owned(),
                identity: identity.clone(),
                return_to: "/account".to_owned(),
                expires_at,
            })
        });
        let proof = test.store.read_blocking(move |read| read.link_proof(id)).unwrap().unwrap();
        assert_eq!(proof.identity(test.store.keys()).unwrap(), kept);
        assert!(proof.is_of_browser(test.store.keys(), "this browser"));
        assert!(!proof.is_of_browser(test.store.keys(), "another"));
        assert!(test.write(move |write| write.link_proof_consume(id)));
        assert!(!test.write(move |write| write.link_proof_consume(id)));
    }

    fn a_logout_token_is_obeyed_once_for_each_provider(test) {
        let (google, okta) = (provider(test, "google"), provider(test, "okta"));
        let obey = |of: ProviderId| test.write(move |write| {
            let until = write.now().after(curfew_protocol::Lifetime::from_seconds(600));
            write.upstream_logout_insert(of, "jti", until)
        });
        assert!(obey(google));
        assert!(!obey(google));
        assert!(obey(okta));
    }

    fn the_doctor_finds_what_was_born_through_somebody_elses_link(test) {
        let (ada, app) = (test.user("ada"), test.client("app"));
        let google = provider(test, "google");
        let own = link(test, google, ada, Some(subject("1")));
        token_through(test, (ada, app), own, None);
        let violations = || test.store.read_blocking(|read| {
            let invariant = curfew_store::Invariant::ALL.iter().find(|invariant| invariant.name == "links_bind_their_own_user");
            Ok(read.invariant_check(invariant.unwrap())?.violations)
        }).unwrap();
        assert_eq!(violations(), 0);
        let bob = test.user("bob");
        let statement = format!("UPDATE links SET user_id = {}", test.literal(bob.as_bytes()));
        assert_eq!(test.tamper(&statement), 1);
        assert_eq!(violations(), 2, "the session and the approval");
    }
}
