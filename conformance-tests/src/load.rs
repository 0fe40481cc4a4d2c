//! A load that records what it does: clients that mint, ask about and kill tokens at every node at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::history::{Event, Operation, Outcome};
use crate::server::Curfew;
use crate::wire::{Connection, Http, Request, Response};
use crate::world::{Client, Code, ResourceServer};

/// Writes events down on one monotonic clock.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    events: Mutex<Vec<Event>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            events: Mutex::new(Vec::new()),
        }
    }
}

impl Recorder {
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn record(&self, event: Event) {
        self.events
            .lock()
            .expect("no recording thread panics")
            .push(event);
    }

    /// Makes a call and records it; `operation` and outcome are told from the answer.
    fn call(
        &self,
        node: usize,
        connection: &mut Connection,
        request: &Request,
        judge: impl FnOnce(&Response) -> (Operation, Outcome),
    ) {
        let invoked = self.now();
        // Without an answer there is nothing to judge: the caller records unknown outcomes itself where they matter.
        let Ok(answer) = connection.send(request) else {
            return;
        };
        let completed = self.now();
        let (operation, outcome) = judge(&answer);
        let outcome = if answer.status == 503 {
            Outcome::Unavailable
        } else {
            outcome
        };
        self.record(Event {
            operation,
            node,
            invoked,
            completed,
            outcome,
        });
    }

    pub fn into_events(self) -> Vec<Event> {
        self.events
            .into_inner()
            .expect("no recording thread panics")
    }
}

/// Who works, and where.
#[derive(Debug)]
pub struct Cast<'a> {
    pub curfew: &'a Curfew,
    /// A client that is disabled and enabled again and again: what kills an owner kills its tokens.
    pub doomed: Client,
    pub nodes: Vec<Http>,
    pub robot: Client,
    pub api: ResourceServer,
    pub web: Client,
    /// Codes to be redeemed at several nodes at once.
    pub codes: Vec<Code>,
}

/// Runs until `length` is over or `enough` is set.
pub fn run(cast: &Cast<'_>, recorder: &Recorder, length: Duration, enough: &AtomicBool) {
    let end = recorder.now() + length;
    let going = || recorder.now() < end && !enough.load(Ordering::Relaxed);
    let (recorder, going) = (&recorder, &going);
    std::thread::scope(|scope| {
        // Each life is begun, watched and ended across different nodes.
        for worker in 0..3.max(cast.nodes.len()) {
            scope.spawn(move || {
                let mut connections: Vec<_> = cast.nodes.iter().map(Http::keep).collect();
                let mut round = worker;
                while going() {
                    life(cast, recorder, &mut connections, round);
                    round += 1;
                }
            });
        }
        scope.spawn(move || {
            while going() {
                downfall(cast, recorder);
            }
        });
        let codes = Mutex::new(cast.codes.iter());
        let next = move || codes.lock().expect("no redeeming thread panics").next();
        scope.spawn(move || {
            while let Some(code) = next().filter(|_| going()) {
                redeem(cast, recorder, code);
            }
        });
    });
}

/// Mint at one node, ask at all, revoke at another while a third is being asked, ask at all again.
fn life(cast: &Cast<'_>, recorder: &Recorder, connections: &mut [Connection], round: usize) {
    let nodes = connections.len();
    let (born, dies) = (round % nodes, (round + 1) % nodes);
    let invoked = recorder.now();
    let Ok(answer) = connections[born].send(&Request::client_credentials(&cast.robot)) else {
        return;
    };
    let completed = recorder.now();
    let json = answer.json();
    let Some(token) = json["access_token"].as_str() else {
        let operation = Operation::Mint {
            credential: "none".to_owned(),
            owners: Vec::new(),
            expires_at: None,
        };
        let outcome = if answer.status == 503 {
            Outcome::Unavailable
        } else {
            Outcome::Refused
        };
        recorder.record(Event {
            operation,
            node: born,
            invoked,
            completed,
            outcome,
        });
        return;
    };
    let lifetime = Duration::from_secs(json["expires_in"].as_u64().unwrap_or(0));
    let expires_at = Some(completed + lifetime.saturating_sub(Duration::from_secs(2)));
    let operation = Operation::Mint {
        credential: token.to_owned(),
        owners: vec!["client:robot".to_owned()],
        expires_at,
    };
    recorder.record(Event {
        operation,
        node: born,
        invoked,
        completed,
        outcome: Outcome::Done,
    });

    ask_everywhere(cast, recorder, connections, token);
    let watched = (round + 2) % nodes;
    let over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut own = cast.nodes[watched].keep();
        scope.spawn(move || {
            for _ in 0..20 {
                ask(cast, recorder, watched, &mut own, token);
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let target = token.to_owned();
        recorder.call(
            dies,
            &mut connections[dies],
            &Request::revocation(&cast.robot, token),
            |answer| {
                let outcome = if answer.status == 200 {
                    Outcome::Done
                } else {
                    Outcome::Refused
                };
                (Operation::Revoke { target }, outcome)
            },
        );
        ask_everywhere(cast, recorder, connections, token);
        over.store(true, Ordering::Relaxed);
    });
}

/// An owner falls, by the command line, while its token is being asked about at every node.
fn downfall(cast: &Cast<'_>, recorder: &Recorder) {
    let owner = format!("client:{}", cast.doomed.id);
    let mut connections: Vec<_> = cast.nodes.iter().map(Http::keep).collect();
    let invoked = recorder.now();
    let Ok(answer) = connections[0].send(&Request::client_credentials(&cast.doomed)) else {
        return;
    };
    let completed = recorder.now();
    let Some(token) = answer.json()["access_token"].as_str().map(str::to_owned) else {
        return;
    };
    let operation = Operation::Mint {
        credential: token.clone(),
        owners: vec![owner.clone()],
        expires_at: None,
    };
    recorder.record(Event {
        operation,
        node: 0,
        invoked,
        completed,
        outcome: Outcome::Done,
    });
    let over = &AtomicBool::new(false);
    let token = token.as_str();
    std::thread::scope(|scope| {
        for node in 0..cast.nodes.len() {
            scope.spawn(move || {
                let mut own = cast.nodes[node].keep();
                while !over.load(Ordering::Relaxed) {
                    ask(cast, recorder, node, &mut own, token);
                }
            });
        }
        let invoked = recorder.now();
        let done = cast
            .curfew
            .try_cli(&["client", "disable", &cast.doomed.id], "");
        let completed = recorder.now();
        let outcome = if done.status.success() {
            Outcome::Done
        } else {
            Outcome::Unknown
        };
        let operation = Operation::Revoke { target: owner };
        recorder.record(Event {
            operation,
            node: 0,
            invoked,
            completed,
            outcome,
        });
        for _ in 0..3 {
            ask_everywhere(cast, recorder, &mut connections, token);
        }
        over.store(true, Ordering::Relaxed);
    });
    cast.curfew.run(&["client", "enable", &cast.doomed.id], "");
    ask_everywhere(cast, recorder, &mut connections, token);
}

fn ask_everywhere(
    cast: &Cast<'_>,
    recorder: &Recorder,
    connections: &mut [Connection],
    token: &str,
) {
    for (node, connection) in connections.iter_mut().enumerate() {
        ask(cast, recorder, node, connection, token);
    }
}

fn ask(
    cast: &Cast<'_>,
    recorder: &Recorder,
    node: usize,
    connection: &mut Connection,
    token: &str,
) {
    recorder.call(
        node,
        connection,
        &Request::introspection(&cast.api, token),
        |answer| {
            let active = answer.json()["active"] == true;
            (
                Operation::Ask {
                    credential: token.to_owned(),
                },
                if active {
                    Outcome::Done
                } else {
                    Outcome::Refused
                },
            )
        },
    );
}

/// One code, redeemed by four connections at once.
fn redeem(cast: &Cast<'_>, recorder: &Recorder, code: &Code) {
    std::thread::scope(|scope| {
        for number in 0..4 {
            let node = number % cast.nodes.len();
            scope.spawn(move || {
                let mut connection = cast.nodes[node].keep();
                recorder.call(
                    node,
                    &mut connection,
                    &Request::redemption(&cast.web, code),
                    |answer| {
                        let outcome = if answer.status == 200 {
                            Outcome::Done
                        } else {
                            Outcome::Refused
                        };
                        (
                            Operation::Redeem {
                                artefact: code.value.clone(),
                                grace: None,
                            },
                            outcome,
                        )
                    },
                );
            });
        }
    });
}
