//! The three invariants, in the schema and in what moves it.

use curfew_policy::status::{DeathCause, OwnerStatus, UserStatus};
use curfew_protocol::{DEFAULT_TENANT, Lifetime, TokenId};
use curfew_store::Invariant;
use curfew_store::nodes::TenantLimits;

use crate::on_both_backends;
use crate::support::{TestStore, chain, is_alive};

fn prove(test: &TestStore) {
    for invariant in Invariant::ALL {
        let found = test
            .store
            .read_blocking(|read| read.invariant_check(invariant))
            .unwrap();
        assert_eq!(found.violations, 0, "{}", found.name);
    }
}

fn limits(access_token: Option<u32>) -> TenantLimits {
    TenantLimits {
        access_token: access_token.map(Lifetime::from_seconds),
        ..TenantLimits::default()
    }
}

fn set_limits(test: &TestStore, new: TenantLimits) {
    test.write(move |write| {
        let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
        write.tenant_set_limits(&tenant, &new)
    });
}

on_both_backends! {
    fn c18_a_dead_ancestor_is_a_dead_subtree(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        for (position, survivors) in [(0, 0), (1, 0), (2, 0)] {
            let chain = chain(test, user, client, true);
            assert!(is_alive(test, chain.token));
            let node = [chain.session, chain.approval, chain.family][position];
            let ended = test.write(move |write| write.node_end(node, DeathCause::Revoked));
            assert_eq!(ended, 3 - position);
            assert_eq!(usize::from(is_alive(test, chain.token)), survivors);
            let again = test.write(move |write| write.node_end(node, DeathCause::Revoked));
            assert_eq!(again, 0, "what is over cannot be ended again");
        }
        prove(test);
    }

    fn c04_a_session_that_is_only_recorded_takes_nothing_along(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, false);
        test.write(move |write| write.node_end(chain.session, DeathCause::LoggedOut));
        assert!(is_alive(test, chain.token));
        prove(test);
    }

    fn a01_a03_a04_every_order_of_suspending_and_deleting_kills_and_nothing_revives(test) {
        use UserStatus::{Active, Deleted, Suspended};
        let client = test.client("app");
        let orders: [&[UserStatus]; 5] = [
            &[Deleted],
            &[Suspended],
            &[Suspended, Deleted],
            &[Suspended, Active],
            &[Deleted, Active],
        ];
        for (number, order) in orders.into_iter().enumerate() {
            let user = test.user(&format!("user{number}"));
            let chain = chain(test, user, client, true);
            for status in order {
                let status = *status;
                test.write(move |write| write.user_set_status(user, status));
                assert!(!is_alive(test, chain.token), "{order:?}");
            }
        }
        prove(test);
    }

    fn a20_a21_disabling_a_client_or_tenant_kills_and_enabling_revives_nothing(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let first = chain(test, user, client, true);
        test.write(move |write| write.client_set_status(client, OwnerStatus::Disabled));
        assert!(!is_alive(test, first.token));
        test.write(move |write| write.client_set_status(client, OwnerStatus::Active));
        assert!(!is_alive(test, first.token));
        let second = chain(test, user, client, true);
        assert!(is_alive(test, second.token));
        test.write(|write| write.tenant_set_status(DEFAULT_TENANT, OwnerStatus::Disabled));
        assert!(!is_alive(test, second.token));
        test.write(|write| write.tenant_set_status(DEFAULT_TENANT, OwnerStatus::Active));
        assert!(!is_alive(test, second.token));
    }

    fn d03_ending_all_of_a_user_is_one_row_and_spares_the_others(test) {
        let (alice, bob, client) = (test.user("alice"), test.user("bob"), test.client("app"));
        let (hers, his) = (chain(test, alice, client, true), chain(test, bob, client, true));
        test.write(move |write| write.user_epoch_raise(alice));
        assert!(!is_alive(test, hers.token));
        assert!(is_alive(test, his.token));
        assert!(is_alive(test, chain(test, alice, client, true).token));
    }

    fn a08_a_recreated_account_has_a_new_id_and_gets_nothing_back(test) {
        let client = test.client("app");
        let old = test.user("alice");
        let chain = chain(test, old, client, true);
        test.write(move |write| write.user_set_status(old, UserStatus::Deleted));
        let new = test.user("alice");
        assert_ne!(old, new);
        assert!(!is_alive(test, chain.token));
        let found = test.store.read_blocking(|read| read.user_by_username(DEFAULT_TENANT, "alice"));
        assert_eq!(found.unwrap().unwrap().id, new);
    }

    fn d06_d07_a_session_ends_absolutely_however_often_it_is_used(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let session = chain(test, user, client, true).session;
        let absolute = test.now().seconds() + 43_200;
        while test.now().seconds() < absolute {
            let alive = test.store.read_blocking(|read| {
                let now = read.now();
                Ok(read.session(session)?.unwrap().node.judge(now).is_ok())
            });
            assert!(alive.unwrap());
            test.clock.advance(600);
            let idle_at = test.now().seconds() + 3_600;
            let idle_at = curfew_protocol::Timestamp::from_seconds(idle_at.min(absolute));
            test.write(move |write| write.session_touch(session, idle_at));
        }
        let dead = test.store.read_blocking(|read| {
            let now = read.now();
            Ok(read.session(session)?.unwrap().node.judge(now).is_err())
        });
        assert!(dead.unwrap());
    }

    fn c11_c12_lowering_a_limit_acts_on_what_exists_and_raising_it_lengthens_nothing(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let old = chain(test, user, client, true);
        test.clock.advance(100);
        set_limits(test, limits(Some(50)));
        assert!(!is_alive(test, old.token), "the limit acts on what exists");
        set_limits(test, limits(Some(10_000)));
        assert!(!is_alive(test, old.token), "raising it revives nothing");
        let young = chain(test, user, client, true);
        set_limits(test, limits(Some(300)));
        set_limits(test, limits(None));
        test.clock.advance(299);
        assert!(is_alive(test, young.token));
        test.clock.advance(1);
        assert!(!is_alive(test, young.token), "a limit that was there once stays for its era");
    }

    fn a25_the_schema_refuses_a_token_without_a_home_or_beyond_its_end(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, true);
        let now = test.now();
        let family_end = test.store.read_blocking(|read| {
            Ok(read.node_chain(chain.family)?.unwrap().facts.expires_at)
        }).unwrap();
        let too_late = crate::support::end(
            curfew_policy::lifetime::Credential::Consent, now, &[],
        );
        let in_time = crate::support::end(curfew_policy::lifetime::Credential::AccessToken, now, &[]);
        let mut stranger = *chain.family.as_bytes();
        stranger[15] ^= 1;
        let cases = [
            (chain.family, family_end, too_late),
            (chain.family, too_late.timestamp(), too_late),
            (curfew_protocol::NodeId::from_bytes(stranger), family_end, in_time),
        ];
        for (node_id, node_expires_at, expires_at) in cases {
            let refused = test.store.write_blocking(move |write| {
                write.token_insert(&curfew_store::tokens::NewToken {
                    node_id,
                    node_expires_at,
                    scopes: curfew_protocol::ScopeSet::default(),
                    audiences: curfew_protocol::Audiences::default(),
                    expires_at,
                }).map(|_| Ok::<(), ()>(()))
            });
            assert!(refused.is_err(), "{node_id:?} {node_expires_at:?}");
        }
        prove(test);
    }

    fn d11_clean_up_takes_what_is_over_and_revives_nothing(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let old = chain(test, user, client, false);
        let retention = Lifetime::from_seconds(86_400);
        let clean = || {
            let mut total = (0, 0);
            loop {
                let step = test.store.clean_up_step_blocking(retention).unwrap();
                total = (total.0 + step.tokens, total.1 + step.nodes);
                if !step.more { return total }
            }
        };
        assert_eq!(clean(), (0, 0));
        test.clock.advance(600 + 86_400);
        let young = chain(test, user, client, false);
        assert_eq!(clean().0, 1, "the old token only");
        assert!(!is_alive(test, old.token));
        assert!(is_alive(test, young.token));
        test.clock.advance(40_000_000);
        let (tokens, nodes) = clean();
        assert_eq!((tokens, nodes), (1, 6), "everything, children first");
        assert!(!is_alive(test, old.token) && !is_alive(test, young.token));
        prove(test);
    }
}

#[test]
fn a_token_id_that_nobody_issued_is_not_found() {
    let test = TestStore::new(crate::support::Backend::Sqlite);
    assert!(!is_alive(&test, TokenId::from_bytes([1; 16])));
}
