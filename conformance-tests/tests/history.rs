//! PROOF 1: revocation is linearizable. A recorded history of calls at every node, judged by the checker.
//!
//! The checker proves itself: `seeded_…` runs a server that was built to be wrong and expects the fault to be found. Such a server is
//! another binary, built with the feature `seeded-faults`; `CURFEW_SEEDED_BIN` names it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use conformance_tests::history::{Report, Rule, check};
use conformance_tests::load::{Cast, Recorder, run};
use conformance_tests::{Backend, Setup, World};

/// Fifteen seconds a topology, unless `CURFEW_HISTORY_SECONDS` says otherwise.
fn length() -> Duration {
    let seconds = std::env::var("CURFEW_HISTORY_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

fn record(setup: Setup, length: Duration, codes: usize) -> Report {
    let world = World::with(setup);
    let mut browser = world.signed_in("ada");
    let codes = (0..codes)
        .map(|_| world.code(&mut browser, &world.web))
        .collect();
    let doomed = world.add_robot("doomed");
    let cast = Cast {
        curfew: &world.curfew,
        doomed,
        nodes: world.nodes(),
        robot: world.robot.clone(),
        api: world.api.clone(),
        web: world.web.clone(),
        codes,
    };
    let recorder = Recorder::default();
    run(&cast, &recorder, length, &AtomicBool::new(false));
    // Whatever wrote at the same time, the audit trail is whole.
    world.run(&["audit", "verify"], "");
    check(&recorder.into_events(), &[])
}

fn linearizable(backend: Backend, nodes: usize) {
    let report = record(Setup::new(backend).nodes(nodes), length(), 60);
    println!("{backend:?}, {nodes} nodes: {report}");
    assert!(report.violations.is_empty(), "{report}");
    assert!(
        report.asked > 200 && report.revoked > 20 && report.redeemed > 40,
        "too little happened: {report}"
    );
}

#[test]
fn race_l1_to_l6_hold_on_one_node_with_sqlite() {
    linearizable(Backend::Sqlite, 1);
}

#[test]
fn race_l1_to_l6_hold_on_one_node_with_postgres() {
    linearizable(Backend::Postgres, 1);
}

/// A16, A27: what one node has acknowledged is dead at every other.
#[test]
fn race_a27_l1_to_l6_hold_on_three_nodes_with_postgres() {
    linearizable(Backend::Postgres, 3);
}

/// Runs the faulty server until the checker finds what was put in; PROOF allows it 60 seconds.
fn finds(fault: &str, backend: Backend, expected: &[Rule]) {
    let binary = std::env::var("CURFEW_SEEDED_BIN")
        .expect("CURFEW_SEEDED_BIN names a server built with the feature seeded-faults");
    let nodes = if backend == Backend::Postgres { 3 } else { 1 };
    let setup = Setup::new(backend)
        .nodes(nodes)
        .faulty_server(binary, fault);
    let report = record(setup, Duration::from_secs(20), 100);
    println!("{fault}: {report}");
    let found = report.rules();
    assert!(
        expected.iter().any(|rule| found.contains(rule)),
        "{fault} went unnoticed: {report}"
    );
}

#[test]
#[ignore = "needs a server built with the feature seeded-faults: CURFEW_SEEDED_BIN"]
fn seeded_a_positive_cache_of_50_ms_is_found() {
    finds(
        "positive_cache",
        Backend::Postgres,
        &[Rule::Stale, Rule::Flapping],
    );
    finds(
        "positive_cache",
        Backend::Sqlite,
        &[Rule::Stale, Rule::Flapping],
    );
}

#[test]
#[ignore = "needs a server built with the feature seeded-faults: CURFEW_SEEDED_BIN"]
fn seeded_an_answer_before_the_commit_is_found() {
    finds(
        "acknowledge_before_commit",
        Backend::Sqlite,
        &[Rule::Stale, Rule::Phantom],
    );
}

#[test]
#[ignore = "needs a server built with the feature seeded-faults: CURFEW_SEEDED_BIN"]
fn seeded_an_unguarded_update_on_code_redemption_is_found() {
    finds("unguarded_code", Backend::Postgres, &[Rule::ExactlyOnce]);
}

#[test]
#[ignore = "needs a server built with the feature seeded-faults: CURFEW_SEEDED_BIN"]
fn seeded_an_epoch_read_from_a_stale_snapshot_is_found() {
    finds(
        "stale_epochs",
        Backend::Postgres,
        &[Rule::Stale, Rule::Flapping],
    );
    finds(
        "stale_epochs",
        Backend::Sqlite,
        &[Rule::Stale, Rule::Flapping],
    );
}
