//! What a write promises: refusals stay, errors leave nothing, one winner, all or nothing for a group.

use std::sync::atomic::{AtomicUsize, Ordering};

use curfew_policy::lifetime::Credential;
use curfew_protocol::Lifetime;
use curfew_store::codes::NewCode;
use curfew_store::rate_limits::Rate;
use curfew_store::{DatabaseUrl, OpenRefusal, Store, StoreError};

use crate::on_both_backends;
use crate::support::{Backend, TestStore, chain, end, is_alive, keys};

fn slug_exists(test: &TestStore, slug: &'static str) -> bool {
    test.store
        .read_blocking(|read| read.tenant_by_slug(slug))
        .unwrap()
        .is_some()
}

on_both_backends! {
    fn a_refusal_keeps_what_it_wrote_and_an_error_keeps_nothing(test) {
        let refused = test.store.write_blocking(|write| {
            write.tenant_insert("kept", "Kept")?;
            Ok(Err::<(), _>("no"))
        });
        assert_eq!(refused.unwrap(), Err("no"));
        assert!(slug_exists(test, "kept"));
        let failed = test.store.write_blocking(|write| {
            write.tenant_insert("lost", "Lost")?;
            Err::<Result<(), ()>, _>(StoreError::Overloaded)
        });
        assert!(failed.is_err());
        assert!(!slug_exists(test, "lost"));
    }

    fn a_rehearsal_answers_like_the_real_thing_and_leaves_nothing(test) {
        let rehearse = |slug: &'static str| {
            test.store.rehearse_blocking(move |write| {
                write.tenant_insert(slug, "Rehearsed")?;
                Ok(if write.tenant_by_slug(slug)?.is_some() { Ok(slug) } else { Err("it is not there") })
            })
        };
        assert_eq!(rehearse("later").unwrap(), Ok("later"));
        assert!(!slug_exists(test, "later"));
        test.write(|write| write.tenant_insert("later", "Later"));
        assert!(rehearse("later").unwrap_err().is_unique_violation());
        assert_eq!(rehearse("another").unwrap(), Ok("another"));
        assert!(slug_exists(test, "later") && !slug_exists(test, "another"));
    }

    fn a_unique_rule_tells_the_second_one_that_it_came_late(test) {
        test.write(|write| write.tenant_insert("acme", "Acme"));
        let second = test.store.write_blocking(|write| {
            write.tenant_insert("acme", "Acme again").map(Ok::<_, ()>)
        });
        assert!(second.unwrap_err().is_unique_violation());
    }

    fn s9700_19_a_code_is_used_up_by_exactly_one_of_many(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let approval = chain(test, user, client, false).approval;
        for _ in 0..5 {
            let code = test.write(move |write| {
                let now = write.now();
                let approval_end = end(Credential::Approval, now, &[]);
                Ok(write.code_insert(approval, approval_end, &NewCode {
                    expires_at: end(Credential::AuthorizationCode, now, &[]),
                    redirect_uri: "https://app.example/cb".to_owned(),
                    redirect_uri_sent: true,
                    code_challenge: "c".repeat(43),
                })?.0)
            });
            let winners = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..32 {
                    scope.spawn(|| {
                        let won = test.store.write_blocking(move |write| {
                            write.code_consume(code).map(Ok::<_, ()>)
                        });
                        winners.fetch_add(usize::from(won.unwrap().unwrap()), Ordering::SeqCst);
                    });
                }
            });
            assert_eq!(winners.load(Ordering::SeqCst), 1);
        }
    }

    fn c26_every_attempt_is_counted_also_in_parallel(test) {
        let rate = Rate { limit: 7, window: Lifetime::from_seconds(60) };
        let granted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    let taken = test.store.write_blocking(move |write| {
                        write.rate_take("guess|alice", rate)
                    });
                    granted.fetch_add(usize::from(taken.unwrap().is_ok()), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(granted.load(Ordering::SeqCst), 7);
        test.clock.advance(60);
        let again = test.store.write_blocking(move |write| write.rate_take("guess|alice", rate));
        assert!(again.unwrap().is_ok());
    }

    fn sixty_four_writers_never_meet_a_locked_database(test) {
        let failures = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for writer in 0..64 {
                let failures = &failures;
                scope.spawn(move || {
                    for number in 0..10 {
                        let written = test.store.write_blocking(move |write| {
                            write.tenant_insert(&format!("t{writer}-{number}"), "T").map(Ok::<_, ()>)
                        });
                        failures.fetch_add(usize::from(written.is_err()), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(failures.load(Ordering::SeqCst), 0);
        assert_eq!(test.store.read_blocking(|read| read.tenant_list()).unwrap().len(), 641);
    }

    fn a_start_with_other_keys_is_refused(test) {
        let refused = test.open_again(|options| options.keys = keys(8));
        assert!(matches!(refused, Err(OpenRefusal::WrongKeys)));
    }

    fn d12_an_older_copy_put_back_is_refused_until_everything_issued_is_ended(test) {
        let (user, client) = (test.user("alice"), test.client("app"));
        let chain = chain(test, user, client, false);
        std::fs::write(test.folder.path().join("epoch"), "5\n").unwrap();
        let refused = test.open_again(|_| {});
        assert!(matches!(refused, Err(OpenRefusal::OlderThanMark { database: 1, mark: 5 })));
        assert_eq!(Store::accept_restored(&test.options).unwrap(), 6);
        test.open_again(|_| {}).unwrap();
        assert!(!is_alive(test, chain.token));
    }
}

#[test]
fn a_panicking_job_is_told_so_and_harms_nobody_else() {
    let test = TestStore::new(Backend::Sqlite);
    let panicked: Result<Result<(), ()>, _> = test.store.write_blocking(|write| {
        write.tenant_insert("lost", "Lost")?;
        panic!("as a defect of ours would")
    });
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    assert!(!slug_exists(&test, "lost"));
    test.write(|write| write.tenant_insert("next", "Next"));
}

#[test]
fn an_empty_or_unmigrated_database_is_not_opened_and_not_made() {
    let test = TestStore::new(Backend::Sqlite);
    let missing = test.folder.path().join("missing.db");
    let refused =
        test.open_again(|options| options.database = DatabaseUrl::Sqlite(missing.clone()));
    assert!(matches!(refused, Err(OpenRefusal::Empty)));
    assert!(!missing.exists());
}

#[test]
fn two_processes_take_turns_on_one_file() {
    let test = TestStore::new(Backend::Sqlite);
    let other = test.open_again(|_| {}).unwrap();
    std::thread::scope(|scope| {
        for (name, store) in [("a", &test.store), ("b", &other)] {
            scope.spawn(move || {
                for number in 0..100 {
                    let slug = format!("{name}{number}");
                    store
                        .write_blocking(move |write| {
                            write.tenant_insert(&slug, "T").map(Ok::<_, ()>)
                        })
                        .unwrap()
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(
        test.store
            .read_blocking(|read| read.tenant_list())
            .unwrap()
            .len(),
        201
    );
}
