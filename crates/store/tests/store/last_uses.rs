//! When credentials were last used, handed over by several nodes in any order, and who is dormant for lack of use.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use curfew_policy::lifetime::{HARD_CAP, LifetimeRules};
use curfew_policy::status::{DeathCause, EmailOrigin, UserStatus};
use curfew_protocol::{DEFAULT_TENANT, Lifetime, NodeId, Timestamp, TokenId, UserId};
use curfew_store::last_uses::{LastUse, Use, Used};
use curfew_store::users::NewUser;
use curfew_store::{DatabaseUrl, Invariant, Store};
use diesel::sql_types::{BigInt, Binary};
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};

use crate::on_both_backends;
use crate::support::{START, TestStore, chain, is_alive};

const DAY: i64 = 86_400;
const RETENTION: Lifetime = Lifetime::from_seconds(86_400);

fn used(of: Used, at: i64, user: Option<(UserId, i64)>) -> Use {
    let ip = Some(format!("192.0.2.{}", at % 250));
    Use::by_holder(of, Timestamp::from_seconds(at), user, ip)
}

fn record(store: &Store, uses: Vec<Use>) {
    let written = store.write_blocking(move |write| write.last_uses_record(&uses).map(Ok::<_, ()>));
    written.unwrap().unwrap();
}

fn last_uses(test: &TestStore, asked: &[Used]) -> HashMap<Used, LastUse> {
    test.store
        .read_blocking(|read| read.last_uses(asked))
        .unwrap()
}

fn last(test: &TestStore, of: Used) -> Option<LastUse> {
    last_uses(test, &[of]).remove(&of)
}

fn last_at(test: &TestStore, of: Used) -> Option<i64> {
    last(test, of).map(|last| last.used_at.seconds())
}

fn clean(test: &TestStore) {
    while test.store.clean_up_step_blocking(RETENTION).unwrap().more {}
}

fn violations(test: &TestStore) -> i64 {
    let counted = Invariant::ALL.iter().map(|invariant| {
        let found = test
            .store
            .read_blocking(|read| read.invariant_check(invariant));
        found.unwrap().violations
    });
    counted.sum()
}

/// A row that hangs on nothing, as a flush leaves it that runs beside clean-up.
fn insert_alone(test: &TestStore, id: [u8; 16], used_at: i64) {
    let statement =
        diesel::sql_query("INSERT INTO last_uses (credential_id, used_at) VALUES ($1, $2)")
            .bind::<Binary, _>(id.to_vec())
            .bind::<BigInt, _>(used_at);
    let inserted = match &test.options.database {
        DatabaseUrl::Sqlite(path) => {
            statement.execute(&mut SqliteConnection::establish(&path.to_string_lossy()).unwrap())
        }
        DatabaseUrl::Postgres(url) => statement.execute(&mut PgConnection::establish(url).unwrap()),
    };
    assert_eq!(inserted.unwrap(), 1);
}

fn status(test: &TestStore, user: UserId) -> (UserStatus, i64) {
    let user = test
        .store
        .read_blocking(|read| read.user(user))
        .unwrap()
        .unwrap();
    (user.status, user.epoch)
}

/// Looks at everybody once. How many were made dormant, and in how many steps.
fn look_for_dormant(test: &TestStore, days: u32) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let rules = LifetimeRules {
        dormancy: Lifetime::from_seconds(days * 86_400),
        ..LifetimeRules::default()
    };
    let (mut made, mut steps, mut after) = (0, 0, None);
    loop {
        let step = runtime
            .block_on(test.store.dormancy_step(rules, after))
            .unwrap();
        (made, steps, after) = (made + step.made_dormant, steps + 1, step.next);
        if after.is_none() {
            return (made, steps);
        }
    }
}

on_both_backends! {
    fn a30_two_nodes_hand_over_in_any_order_and_the_latest_use_stays(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, false);
        let other = test.open_again(|_| {}).unwrap();
        let token = Used::Token(chain.token);
        assert_eq!(last(test, token), None, "never used");
        let orders: [&[(i64, i64)]; 3] = [&[(10, 1), (20, 1)], &[(40, 1), (30, 2)], &[(40, 1), (39, 1)]];
        for order in orders {
            for (number, (second, epoch)) in order.iter().enumerate() {
                let store = [&test.store, &other][number % 2];
                record(store, vec![used(token, START + second, Some((user, *epoch)))]);
            }
        }
        let found = last(test, token).unwrap();
        assert_eq!(found.used_at.seconds(), START + 40);
        assert_eq!(found.ip.as_deref(), Some(format!("192.0.2.{}", (START + 40) % 250).as_str()));
        assert_eq!(found.user_epoch, Some(2), "the newest epoch that any use saw");
    }

    fn a30_nodes_that_hand_over_at_once_neither_lose_a_use_nor_wait_in_a_circle(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chains: Vec<_> = (0..40).map(|_| chain(test, user, client, false)).collect();
        let other = test.open_again(|_| {}).unwrap();
        let second = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (chains, second, store) = (&chains, &second, [&test.store, &other][writer % 2]);
                scope.spawn(move || {
                    for _ in 0..5 {
                        let now = START + second.fetch_add(1, Ordering::SeqCst);
                        let mut uses: Vec<Use> = chains
                            .iter()
                            .map(|chain| used(Used::Token(chain.token), now, Some((user, 1))))
                            .collect();
                        if writer % 3 == 0 {
                            uses.reverse();
                        }
                        record(store, uses);
                    }
                });
            }
        });
        for chain in &chains {
            assert_eq!(last_at(test, Used::Token(chain.token)), Some(START + 39));
        }
        assert_eq!(last_at(test, Used::User(user)), Some(START + 39));
    }

    fn e14_a_tokens_use_counts_for_family_approval_and_person_but_not_for_the_session(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, true);
        record(&test.store, vec![used(Used::Token(chain.token), START + 5, Some((user, 1)))]);
        let counted = [
            Used::Token(chain.token), Used::Node(chain.family), Used::Node(chain.approval), Used::User(user),
        ];
        let found = last_uses(test, &counted);
        assert!(counted.iter().all(|of| found[of].used_at.seconds() == START + 5), "{found:?}");
        assert_eq!(last(test, Used::Node(chain.session)), None, "its cookie was not seen");
        record(&test.store, vec![
            used(Used::Node(chain.session), START + 9, Some((user, 1))),
            used(Used::Node(chain.family), START + 7, Some((user, 1))),
        ]);
        assert_eq!(last_at(test, Used::Token(chain.token)), Some(START + 5), "a child is not used with its parent");
        assert_eq!(last_at(test, Used::Node(chain.approval)), Some(START + 7));
        let sessions = test.store.read_blocking(|read| read.session_list(user)).unwrap();
        assert_eq!(sessions[0].last_used_at, Some(Timestamp::from_seconds(START + 9)));
        assert_eq!(last_at(test, Used::User(user)), Some(START + 9));
    }

    fn d11_clean_up_takes_the_last_use_along_and_recording_revives_nothing(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, false);
        let uses: Vec<Use> = [Used::Token(chain.token), Used::Node(chain.session)]
            .map(|of| used(of, START + 5, Some((user, 1)))).to_vec();
        record(&test.store, uses.clone());
        test.clock.advance(600 + DAY);
        clean(test);
        assert_eq!(last(test, Used::Token(chain.token)), None);
        assert_eq!(last_at(test, Used::Node(chain.family)), Some(START + 5));
        test.clock.advance(40_000_000);
        clean(test);
        let (token, session) = (Used::Token(chain.token), Used::Node(chain.session));
        let gone = [token, session, Used::Node(chain.family), Used::Node(chain.approval)];
        assert_eq!(last_uses(test, &gone), HashMap::new());
        assert_eq!(last_at(test, Used::User(user)), Some(START + 5), "the person is still there");
        // A node of the cluster that was cut off for long hands over now.
        record(&test.store, uses);
        assert_eq!(last_uses(test, &gone), HashMap::new());
        let found = test.store.read_blocking(|read| {
            Ok((read.token_chain(chain.token)?.is_some(), read.node_chain(chain.session)?.is_some()))
        });
        assert_eq!(found.unwrap(), (false, false));
        assert_eq!(violations(test), 0);
    }

    fn a_use_of_what_was_ended_meanwhile_leaves_it_ended(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, false);
        test.write(move |write| write.node_end(chain.family, DeathCause::Revoked));
        record(&test.store, vec![used(Used::Token(chain.token), START, Some((user, 1)))]);
        assert!(!is_alive(test, chain.token));
        assert_eq!(last_at(test, Used::Token(chain.token)), Some(START));
    }

    fn what_was_left_alone_goes_when_it_is_older_than_any_life(test) {
        let mut old = [0; 16];
        old[..6].copy_from_slice(&(START.unsigned_abs() * 1_000).to_be_bytes()[2..]);
        let alone = Used::Token(TokenId::from_bytes(old));
        insert_alone(test, old, START);
        test.clock.advance(HARD_CAP.seconds() + RETENTION.seconds());
        let (user, client) = (test.user("alice"), test.client("app"));
        let young = Used::Token(chain(test, user, client, false).token);
        record(&test.store, vec![used(young, START, None)]);
        clean(test);
        assert_eq!(last_at(test, alone), Some(START), "to the second");
        test.clock.advance(1);
        clean(test);
        assert_eq!(last(test, alone), None);
        assert_eq!(last_at(test, young), Some(START), "what lives keeps its row, however old the use");
    }

    fn a29_doctor_compares_the_epoch_of_each_use_with_the_one_of_the_deletion(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, false);
        let (_, before) = status(test, user);
        let at = |second, epoch| used(Used::Token(chain.token), START + second, Some((user, epoch)));
        record(&test.store, vec![at(5, before)]);
        test.write(move |write| write.user_set_status(user, UserStatus::Deleted));
        let (_, after) = status(test, user);
        // Seen before the deletion, handed over after it, by a node whose clock goes ahead.
        record(&test.store, vec![at(5_000, before)]);
        assert_eq!(violations(test), 0);
        // What a defect would leave: a use that was allowed although the user was deleted.
        record(&test.store, vec![at(6, after)]);
        assert_eq!(violations(test), 4, "of token, family, approval and person");
    }

    fn a06_e14_whoever_uses_nothing_for_long_becomes_dormant(test) {
        let client = test.client("app");
        let [idle, busy, caller, visitor, locked, gone] =
            ["idle", "busy", "caller", "visitor", "locked", "gone"].map(|name| test.user(name));
        let chains = [idle, busy, caller, visitor].map(|user| chain(test, user, client, false));
        test.write(move |write| write.user_set_status(locked, UserStatus::Suspended));
        test.write(move |write| write.user_set_status(gone, UserStatus::Deleted));
        let seen = |of, user| vec![used(of, test.now().seconds(), Some((user, 1)))];
        for (chain, user) in chains.iter().zip([idle, busy, caller, visitor]) {
            record(&test.store, seen(Used::Node(chain.session), user));
        }
        test.clock.advance(DAY);
        record(&test.store, seen(Used::Token(chains[2].token), caller));
        record(&test.store, seen(Used::Node(chains[3].session), visitor));
        record(&test.store, seen(Used::Node(chains[1].family), busy));
        test.clock.advance(89 * DAY - 1);
        assert_eq!(look_for_dormant(test, 90), (0, 1), "to the second");
        test.clock.advance(1);
        // Rows of tokens and sessions may be gone by now; what they tell of the person stays.
        clean(test);
        assert_eq!(look_for_dormant(test, 0), (0, 1), "off");
        assert_eq!(look_for_dormant(test, 90), (1, 1));
        assert_eq!(status(test, idle), (UserStatus::Dormant, 2), "the epoch moves");
        for user in [busy, caller, visitor] {
            assert_eq!(status(test, user), (UserStatus::Active, 1));
        }
        let rows = test.store.read_blocking(|read| read.audit_latest(1)).unwrap();
        assert_eq!((rows[0].event.as_str(), rows[0].user_id), ("user.status_changed", Some(idle)));
        assert_eq!(rows[0].detail.as_deref(), Some("dormant_for_lack_of_use"));
        assert_eq!(look_for_dormant(test, 90), (0, 1), "once");
        test.clock.advance(DAY);
        assert_eq!(look_for_dormant(test, 90), (3, 1));
        // Unlocked after years: nobody is dormant before having had the time to come back.
        test.clock.advance(1_000 * DAY);
        test.write(move |write| write.user_set_status(locked, UserStatus::Active));
        assert_eq!(look_for_dormant(test, 90), (0, 1));
        assert_eq!(status(test, gone).0, UserStatus::Deleted);
        assert_eq!(violations(test), 0);
    }

    fn e14_everybody_is_looked_at_a_page_at_a_time(test) {
        test.write(|write| {
            for number in 0..1_001 {
                write.user_insert(&NewUser {
                    tenant_id: DEFAULT_TENANT,
                    username: format!("user{number}"),
                    name: String::new(),
                    email: None,
                    email_key: None,
                    email_origin: EmailOrigin::Stated,
                    quarantined: false,
                    administrator: false,
                    password_hash: None,
                })?;
            }
            Ok(())
        });
        test.clock.advance(DAY);
        assert_eq!(look_for_dormant(test, 1), (1_001, 3));
    }
}

#[test]
fn an_id_that_nobody_knows_was_never_used() {
    let test = TestStore::new(crate::support::Backend::Sqlite);
    let nobody = Used::Node(NodeId::from_bytes([1; 16]));
    record(&test.store, vec![used(nobody, START, None)]);
    assert_eq!(last(&test, nobody), None);
}
