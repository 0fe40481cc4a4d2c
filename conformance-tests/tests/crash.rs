//! PROOF 3: what was acknowledged survives. `kill -9` under load, and the order of system calls, which a kill alone cannot show.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conformance_tests::{Backend, Cluster, Request, Setup, Tokens, World, on_both_backends, pkce};

/// What the server has said yes to.
#[derive(Debug, Default)]
struct Acknowledged {
    minted: Mutex<BTreeSet<String>>,
    revoked: Mutex<BTreeSet<String>>,
    /// The newest refresh token of each family, and whether its last use was answered.
    heads: Mutex<Vec<(Tokens, bool)>>,
    all: AtomicBool,
}

/// Mints and revokes until the server is gone.
fn mint_and_revoke(world: &World, seen: &Acknowledged) {
    let mut connection = world.http().keep();
    let mut number = 0_u32;
    while !seen.all.load(Ordering::Relaxed) {
        let Ok(answer) = connection.send(&Request::client_credentials(&world.robot)) else {
            return;
        };
        if answer.status != 200 {
            continue;
        }
        let token = answer.member("access_token");
        number += 1;
        if number.is_multiple_of(2) {
            seen.minted.lock().expect("no panic").insert(token);
            continue;
        }
        // Begun: from here on it may be dead, and when the answer comes it must be.
        match connection.send(&Request::revocation(&world.robot, &token)) {
            Ok(answer) if answer.status == 200 => {
                seen.revoked.lock().expect("no panic").insert(token)
            }
            Ok(_) => continue,
            Err(_) => return,
        };
    }
}

/// Refreshes one family again and again.
fn rotate(world: &World, family: Tokens, seen: &Acknowledged) {
    let mut connection = world.http().keep();
    let mut head = family;
    let mut answered = true;
    while !seen.all.load(Ordering::Relaxed) {
        match connection.send(&Request::refreshing(&world.web, head.refresh())) {
            Ok(answer) if answer.status == 200 => head = Tokens::of(&answer),
            Ok(answer) if answer.status == 503 => {}
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => {
                answered = false;
                break;
            }
        }
    }
    seen.heads.lock().expect("no panic").push((head, answered));
}

/// One round: load, a crash at a random instant, a restart, and everything acknowledged is still so.
fn round(world: &mut World, crash: impl FnOnce(&mut World), restart: impl FnOnce(&mut World)) {
    let mut browser = world.signed_in("ada");
    let families: Vec<_> = (0..2)
        .map(|_| world.tokens(&mut browser, &world.web))
        .collect();
    let seen = Acknowledged::default();
    // The crash needs the server to itself, while the load only reads where it is.
    let (http_world, seen_ref) = (&*world, &seen);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(move || mint_and_revoke(http_world, seen_ref));
        }
        for family in families {
            scope.spawn(move || rotate(http_world, family, seen_ref));
        }
        scope.spawn(move || {
            // When the load is at work, and then at some instant.
            let at_work = || {
                let minted = seen_ref.minted.lock().expect("no panic").len();
                minted > 10 && seen_ref.revoked.lock().expect("no panic").len() > 10
            };
            let started = Instant::now();
            while !at_work() {
                assert!(
                    started.elapsed() < Duration::from_secs(20),
                    "the load does not come to work"
                );
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(Duration::from_millis(pkce::random_below(500)));
            let kill = Command::new("kill")
                .args(["-STOP", &http_world.pid(0).to_string()])
                .status()
                .expect("kill runs");
            assert!(kill.success());
            // Stopped in the middle of whatever it did; the clients learn of it when the kill follows.
            let kill = Command::new("kill")
                .args(["-KILL", &http_world.pid(0).to_string()])
                .status()
                .expect("kill runs");
            assert!(kill.success());
        });
    });
    seen.all.store(true, Ordering::Relaxed);
    crash(world);
    restart(world);
    survived(world, &seen);
}

fn survived(world: &World, seen: &Acknowledged) {
    // First, because the window of grace is short.
    for (head, answered) in seen.heads.lock().expect("no panic").iter() {
        // The newest token works: as the current one, or within the grace window where its last use found no answer.
        let answer = world.refresh(&world.web, head.refresh());
        assert_eq!(
            answer.status, 200,
            "last use answered: {answered}: {answer:?}"
        );
    }
    let mut connection = world.http().keep();
    let mut is_active = |token: &str| {
        let answer = connection
            .send(&Request::introspection(&world.api, token))
            .expect("an answer")
            .expect(200);
        answer.json()["active"] == true
    };
    let (minted, revoked) = (
        seen.minted.lock().expect("no panic"),
        seen.revoked.lock().expect("no panic"),
    );
    assert!(
        minted.len() > 5 && revoked.len() > 5,
        "too little happened: {} minted, {} revoked",
        minted.len(),
        revoked.len()
    );
    let lost = minted.iter().filter(|token| !is_active(token)).count();
    let risen = revoked.iter().filter(|token| is_active(token)).count();
    assert_eq!(
        (lost, risen),
        (0, 0),
        "of {} minted and {} revoked: (lost, alive again)",
        minted.len(),
        revoked.len()
    );
    world.run(&["doctor", "--invariants"], "");
    world.run(&["audit", "verify"], "");
}

on_both_backends! {
    fn crash_kill_9_of_the_server_loses_nothing_that_was_acknowledged(backend) {
        let mut world = World::start(backend);
        for _ in 0..5 {
            round(&mut world, |world| world.kill_node(0), |world| {
                world.spawn_node(0);
                let took = world.wait_until_ready(0, Duration::from_secs(10));
                assert!(took < Duration::from_secs(2), "ready again after {took:?}");
            });
        }
    }

    /// A28: acknowledged by the command line or by a request, dead for good.
    fn crash_a28_a_deleted_user_stays_dead_after_kill_9(backend) {
        let mut world = World::start(backend);
        for number in 0..3 {
            let name = format!("user{number}");
            world.add_user(&name);
            let tokens = world.tokens(&mut world.signed_in(&name), &world.web);
            world.assert_alive(&tokens.access);
            world.run(&["user", "delete", &name], "");
            world.kill_node(0);
            world.start_node(0);
            world.assert_dead(&tokens.access);
            world.refresh(&world.web, tokens.refresh()).expect_error(400, "invalid_grant");
        }
    }

    fn crash_a_graceful_end_answers_what_was_asked(backend) {
        let mut world = World::start(backend);
        let token = world.robot_token();
        assert_eq!(world.stop_node(0), Some(0));
        world.start_node(0);
        world.assert_alive(&token);
    }
}

#[test]
fn crash_kill_9_of_postgres_and_of_the_server_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::start();
    let mut world = World::with(Setup::new(Backend::Postgres).postgres(cluster.url()));
    for _ in 0..2 {
        round(
            &mut world,
            |world| {
                cluster.crash();
                world.kill_node(0);
            },
            |world| {
                cluster.start_again();
                world.start_node(0);
            },
        );
    }
}

/// A26, D19, S7009-07, PROOF 3: a database that is gone is 503 with Retry-After, never "inactive", "invalid" or "signed out".
#[test]
fn crash_a26_without_its_database_the_server_says_503_and_recovers_by_itself() {
    let cluster = Cluster::start();
    let mut world = World::with(Setup::new(Backend::Postgres).postgres(cluster.url()));
    let mut browser = world.signed_in("ada");
    let tokens = world.tokens(&mut browser, &world.web);
    let code = world.code(&mut browser, &world.web);
    cluster.crash();
    let mut asked = browser.clone();
    let answers = [
        (
            "introspect",
            world.http().introspect(&world.api, &tokens.access),
        ),
        ("token", world.http().client_credentials(&world.robot)),
        ("refresh", world.refresh(&world.web, tokens.refresh())),
        ("redeem", world.redeem(&world.web, &code)),
        ("revoke", world.revoke(&world.web, &tokens.access)),
        // D19
        ("account", asked.get("/account")),
        ("authorize", asked.get(&world.request(&world.web).target())),
    ];
    for (what, answer) in answers {
        assert_eq!(answer.status, 503, "{what}: {answer:?}");
        assert!(answer.header("retry-after").is_some(), "{what}: {answer:?}");
        let text = answer.text().to_lowercase();
        assert!(
            !text.contains("postgres") && !text.contains("connection refused"),
            "{what}: {answer:?}"
        );
    }
    assert_eq!(world.http().get("/ready").status, 503);
    world.http().get("/health").expect(200);
    cluster.start_again();
    world.wait_until_ready(0, Duration::from_secs(10));
    world.assert_alive(&tokens.access);
    assert!(browser.is_signed_in());
    Tokens::of(&world.refresh(&world.web, tokens.refresh()));
}

/// PROOF 3: between the request and its 200 lies a sync of the write-ahead log.
#[test]
fn crash_strace_shows_a_sync_of_the_log_between_each_request_and_its_answer() {
    let world = World::start(Backend::Sqlite);
    let tokens = world.tokens(&mut world.signed_in("ada"), &world.web);
    let robot_token = world.robot_token();
    let changes = [
        ("mint", Request::client_credentials(&world.robot)),
        ("rotate", Request::refreshing(&world.web, tokens.refresh())),
        ("revoke", Request::revocation(&world.robot, &robot_token)),
    ];
    for (what, request) in changes {
        let trace = world.folder().join(format!("{what}.strace"));
        let mut tracer = Command::new("strace")
            .args([
                "-f",
                "-y",
                "-s",
                "64",
                "-e",
                "trace=fsync,fdatasync,read,recvfrom,write,writev,sendto",
                "-o",
            ])
            .arg(&trace)
            .args(["-p", &world.pid(0).to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace runs");
        wait_for_attachment(world.pid(0));
        world.http().send(&request).expect(200);
        // strace ends by itself on SIGINT, and has then written everything down.
        let asked = Command::new("kill")
            .args(["-INT", &tracer.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(asked.success());
        tracer.wait().expect("strace ends");
        let lines = std::fs::read_to_string(&trace).expect("a trace");
        let lines: Vec<_> = lines.lines().collect();
        let find = |from: usize, wanted: &dyn Fn(&str) -> bool| {
            lines[from..]
                .iter()
                .position(|line| wanted(line))
                .map(|at| at + from)
        };
        let asked = find(0, &|line| line.contains("POST /"))
            .unwrap_or_else(|| panic!("{what}: no request in {lines:#?}"));
        let answered = find(asked, &|line| line.contains("HTTP/1.1 200"))
            .unwrap_or_else(|| panic!("{what}: no answer in {lines:#?}"));
        let synced = find(asked, &|line| {
            line.contains("sync(") && line.contains("-wal")
        });
        assert!(
            synced.is_some_and(|synced| synced < answered),
            "{what}: no sync of the log before the answer: {lines:#?}"
        );
    }
}

/// Every thread of the server is traced.
fn wait_for_attachment(pid: u32) {
    let started = Instant::now();
    let traced = |task: &Path| {
        let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    };
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
        if tasks.flatten().all(|task| traced(&task.path())) {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "strace does not attach"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
