//! Was every revocation linearizable? A checker over a recorded history of operations.
//!
//! A credential only ever goes from alive to dead, so the check needs no search: it sorts what happened to each credential on one
//! monotonic clock and looks for what cannot have been.
//!
//! | rule | violation |
//! | --- | --- |
//! | L1 stale | active, though asked after a revocation that covers the credential was acknowledged |
//! | L2 flapping | inactive, then active in a later call |
//! | L3 phantom | inactive, though its mint was acknowledged, nothing expired and no covering revocation was even begun |
//! | L4 unknown | a revocation without an answer may or may not have happened: only L2 applies |
//! | L5 exactly once | more than one success for a single-use artefact (one more within the grace window, where it has one) |
//! | L6 honesty | refusing service is allowed, but counted: under 0.1 % outside fault windows |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Time since the start of the recording.
pub type Instant = Duration;

/// Names a credential or something that owns credentials, such as `token:…`, `user:…` or `client:…`.
pub type Name = String;

/// What was asked of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A credential comes to life. Revoking it, or any of its `owners`, kills it.
    Mint {
        credential: Name,
        owners: Vec<Name>,
        expires_at: Option<Instant>,
    },
    /// Is the credential alive?
    Ask { credential: Name },
    /// Kills a credential, or all that hang on an owner at that time.
    Revoke { target: Name },
    /// Uses up a single-use artefact; a second success within `grace` of the first is allowed once.
    Redeem {
        artefact: Name,
        grace: Option<Duration>,
    },
}

/// What the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operation was done; for [`Operation::Ask`]: alive.
    Done,
    /// The operation was refused; for [`Operation::Ask`]: dead.
    Refused,
    /// 503
    Unavailable,
    /// No answer: it may or may not have happened.
    Unknown,
}

/// One call, from the moment before it was sent to the moment after it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub operation: Operation,
    pub node: usize,
    pub invoked: Instant,
    pub completed: Instant,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    Stale,
    Flapping,
    Phantom,
    ExactlyOnce,
    Honesty,
}

/// Something that cannot have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub subject: Name,
    pub explanation: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.rule, self.subject, self.explanation)
    }
}

/// What the checker saw.
#[derive(Debug, Default)]
pub struct Report {
    pub violations: Vec<Violation>,
    pub events: usize,
    pub asked: usize,
    pub revoked: usize,
    pub redeemed: usize,
    pub unavailable: usize,
}

impl Report {
    pub fn rules(&self) -> BTreeSet<Rule> {
        self.violations
            .iter()
            .map(|violation| violation.rule)
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            events,
            asked,
            revoked,
            redeemed,
            unavailable,
            ..
        } = self;
        write!(
            f,
            "{events} calls ({asked} questions, {revoked} revocations, {redeemed} redemptions), {unavailable} times 503, "
        )?;
        writeln!(f, "{} violations", self.violations.len())?;
        self.violations
            .iter()
            .take(10)
            .try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

struct Minted<'a> {
    credential: &'a str,
    owners: &'a [Name],
    expires_at: Option<Instant>,
    event: &'a Event,
}

/// Judges a history. `fault_windows` are the times in which refusing service is expected.
pub fn check(events: &[Event], fault_windows: &[(Instant, Instant)]) -> Report {
    let mut report = Report {
        events: events.len(),
        ..Report::default()
    };
    let mut revocations: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    let mut questions: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    let mut redemptions: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    let mut minted = Vec::new();
    for event in events {
        match &event.operation {
            Operation::Mint {
                credential,
                owners,
                expires_at,
            } => {
                minted.push(Minted {
                    credential,
                    owners,
                    expires_at: *expires_at,
                    event,
                });
            }
            Operation::Ask { credential } => questions.entry(credential).or_default().push(event),
            Operation::Revoke { target } => revocations.entry(target).or_default().push(event),
            Operation::Redeem { artefact, .. } => {
                redemptions.entry(artefact).or_default().push(event)
            }
        }
    }
    report.asked = questions.values().map(Vec::len).sum();
    report.revoked = revocations.values().map(Vec::len).sum();
    report.redeemed = redemptions.values().map(Vec::len).sum();
    for mint in &minted {
        let owners = mint
            .owners
            .iter()
            .map(String::as_str)
            .chain([mint.credential]);
        let covering: Vec<_> = owners
            .filter_map(|owner| revocations.get(owner))
            .flatten()
            .copied()
            .collect();
        let asked = questions
            .get(mint.credential)
            .map_or(&[][..], Vec::as_slice);
        stale(mint, &covering, asked, &mut report.violations);
        phantom(mint, &covering, asked, &mut report.violations);
    }
    for (credential, asked) in &questions {
        flapping(credential, asked, &mut report.violations);
    }
    for (artefact, redeemed) in &redemptions {
        exactly_once(artefact, redeemed, &mut report.violations);
    }
    honesty(events, fault_windows, &mut report);
    report
}

/// L1. A mint that was under way when its owner was revoked may have come after it; that one is no evidence.
fn stale(
    mint: &Minted<'_>,
    covering: &[&Event],
    asked: &[&Event],
    violations: &mut Vec<Violation>,
) {
    let killed = covering
        .iter()
        .filter(|kill| kill.outcome == Outcome::Done && mint.event.completed < kill.invoked);
    let Some(dead_since) = killed.map(|kill| kill.completed).min() else {
        return;
    };
    for question in asked {
        if question.outcome == Outcome::Done && question.invoked > dead_since {
            let late = question.invoked - dead_since;
            violations.push(Violation {
                rule: Rule::Stale,
                subject: mint.credential.to_owned(),
                explanation: format!(
                    "node {} says active {late:?} after a revocation was acknowledged",
                    question.node
                ),
            });
        }
    }
}

/// L3
fn phantom(
    mint: &Minted<'_>,
    covering: &[&Event],
    asked: &[&Event],
    violations: &mut Vec<Violation>,
) {
    if mint.event.outcome != Outcome::Done {
        return;
    }
    for question in asked {
        let minted_before = mint.event.completed < question.invoked;
        let expired = mint.expires_at.is_some_and(|end| end <= question.completed);
        let kill_begun = covering
            .iter()
            .any(|kill| kill.invoked < question.completed);
        if question.outcome == Outcome::Refused && minted_before && !expired && !kill_begun {
            violations.push(Violation {
                rule: Rule::Phantom,
                subject: mint.credential.to_owned(),
                explanation: format!(
                    "node {} says inactive, and nobody has touched it",
                    question.node
                ),
            });
        }
    }
}

/// L2
fn flapping(credential: &str, asked: &[&Event], violations: &mut Vec<Violation>) {
    let dead = asked
        .iter()
        .filter(|question| question.outcome == Outcome::Refused)
        .min_by_key(|question| question.completed);
    let Some(dead) = dead else { return };
    for question in asked {
        if question.outcome == Outcome::Done && question.invoked > dead.completed {
            violations.push(Violation {
                rule: Rule::Flapping,
                subject: credential.to_owned(),
                explanation: format!(
                    "node {} said inactive, then node {} says active",
                    dead.node, question.node
                ),
            });
        }
    }
}

/// L5
fn exactly_once(artefact: &str, redeemed: &[&Event], violations: &mut Vec<Violation>) {
    let mut successes: Vec<_> = redeemed
        .iter()
        .filter(|event| event.outcome == Outcome::Done)
        .collect();
    successes.sort_by_key(|event| event.invoked);
    let Some(first) = successes.first() else {
        return;
    };
    let Operation::Redeem { grace, .. } = &first.operation else {
        return;
    };
    let allowed = match (grace, successes.get(1)) {
        (Some(grace), Some(second)) if second.invoked <= first.completed + *grace => 2,
        _ => 1,
    };
    if successes.len() > allowed {
        violations.push(Violation {
            rule: Rule::ExactlyOnce,
            subject: artefact.to_owned(),
            explanation: format!("it was redeemed {} times with success", successes.len()),
        });
    }
}

/// L6
fn honesty(events: &[Event], fault_windows: &[(Instant, Instant)], report: &mut Report) {
    let in_window = |event: &Event| {
        fault_windows
            .iter()
            .any(|(from, to)| event.completed >= *from && event.invoked <= *to)
    };
    let outside: Vec<_> = events.iter().filter(|event| !in_window(event)).collect();
    report.unavailable = outside
        .iter()
        .filter(|event| event.outcome == Outcome::Unavailable)
        .count();
    if report.unavailable * 1_000 > outside.len() {
        report.violations.push(Violation {
            rule: Rule::Honesty,
            subject: "the server".to_owned(),
            explanation: format!(
                "{} of {} calls were answered with 503",
                report.unavailable,
                outside.len()
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(invoked: u64, completed: u64, operation: Operation, outcome: Outcome) -> Event {
        let (invoked, completed) = (
            Duration::from_millis(invoked),
            Duration::from_millis(completed),
        );
        Event {
            operation,
            node: 0,
            invoked,
            completed,
            outcome,
        }
    }

    fn mint() -> Operation {
        Operation::Mint {
            credential: "t".to_owned(),
            owners: vec!["user:u".to_owned()],
            expires_at: Some(Duration::from_millis(1_000)),
        }
    }

    fn ask() -> Operation {
        Operation::Ask {
            credential: "t".to_owned(),
        }
    }

    fn revoke(target: &str) -> Operation {
        Operation::Revoke {
            target: target.to_owned(),
        }
    }

    fn redeem(grace: Option<u64>) -> Operation {
        Operation::Redeem {
            artefact: "c".to_owned(),
            grace: grace.map(Duration::from_millis),
        }
    }

    fn rules(events: &[Event]) -> Vec<Rule> {
        check(events, &[]).rules().into_iter().collect()
    }

    #[test]
    fn l1_active_after_an_acknowledged_revocation_is_stale() {
        use Outcome::Done;
        for target in ["t", "user:u"] {
            let events = [
                at(0, 1, mint(), Done),
                at(2, 4, revoke(target), Done),
                at(5, 6, ask(), Done),
            ];
            assert_eq!(rules(&events), [Rule::Stale], "{target}");
            let while_revoking = [
                at(0, 1, mint(), Done),
                at(2, 4, revoke(target), Done),
                at(3, 9, ask(), Done),
            ];
            assert_eq!(rules(&while_revoking), []);
        }
        let another = [
            at(0, 1, mint(), Done),
            at(2, 4, revoke("user:v"), Done),
            at(5, 6, ask(), Done),
        ];
        assert_eq!(rules(&another), []);
    }

    #[test]
    fn l1_a_mint_that_overlaps_the_revocation_of_its_owner_proves_nothing() {
        use Outcome::Done;
        let events = [
            at(0, 3, mint(), Done),
            at(2, 4, revoke("user:u"), Done),
            at(5, 6, ask(), Done),
        ];
        assert_eq!(rules(&events), []);
    }

    #[test]
    fn l2_alive_after_dead_is_flapping() {
        use Outcome::{Done, Refused, Unknown};
        let unknown = at(2, 3, revoke("t"), Unknown);
        let events = [
            at(0, 1, mint(), Done),
            unknown.clone(),
            at(4, 5, ask(), Refused),
            at(6, 7, ask(), Done),
        ];
        assert_eq!(rules(&events), [Rule::Flapping]);
        let together = [
            at(0, 1, mint(), Done),
            unknown,
            at(4, 7, ask(), Refused),
            at(6, 8, ask(), Done),
        ];
        assert_eq!(rules(&together), []);
    }

    #[test]
    fn l3_dead_without_a_reason_is_a_phantom() {
        use Outcome::{Done, Refused};
        assert_eq!(
            rules(&[at(0, 1, mint(), Done), at(2, 3, ask(), Refused)]),
            [Rule::Phantom]
        );
        assert_eq!(
            rules(&[at(0, 1, mint(), Done), at(998, 1_001, ask(), Refused)]),
            [],
            "expired"
        );
        assert_eq!(
            rules(&[at(0, 9, mint(), Done), at(2, 3, ask(), Refused)]),
            [],
            "not yet acknowledged"
        );
        let begun = [
            at(0, 1, mint(), Done),
            at(2, 9, revoke("user:u"), Done),
            at(3, 4, ask(), Refused),
        ];
        assert_eq!(rules(&begun), []);
    }

    #[test]
    fn l4_a_revocation_without_an_answer_proves_neither_life_nor_death() {
        use Outcome::{Done, Refused, Unknown};
        for seen in [Done, Refused] {
            assert_eq!(
                rules(&[
                    at(0, 1, mint(), Done),
                    at(2, 3, revoke("t"), Unknown),
                    at(4, 5, ask(), seen)
                ]),
                []
            );
        }
    }

    #[test]
    fn l5_a_second_success_breaks_exactly_once() {
        use Outcome::{Done, Refused};
        let once = [
            at(0, 1, redeem(None), Done),
            at(0, 2, redeem(None), Refused),
        ];
        assert_eq!(rules(&once), []);
        let twice = [at(0, 5, redeem(None), Done), at(1, 5, redeem(None), Done)];
        assert_eq!(rules(&twice), [Rule::ExactlyOnce]);
    }

    #[test]
    fn l5_the_grace_window_allows_one_more() {
        use Outcome::Done;
        let grace = || redeem(Some(10));
        assert_eq!(
            rules(&[at(0, 1, grace(), Done), at(5, 6, grace(), Done)]),
            []
        );
        assert_eq!(
            rules(&[at(0, 1, grace(), Done), at(12, 13, grace(), Done)]),
            [Rule::ExactlyOnce]
        );
        let thrice = [
            at(0, 1, grace(), Done),
            at(5, 6, grace(), Done),
            at(7, 8, grace(), Done),
        ];
        assert_eq!(rules(&thrice), [Rule::ExactlyOnce]);
    }

    #[test]
    fn l6_too_much_refused_service_counts_outside_fault_windows_only() {
        use Outcome::{Done, Unavailable};
        let mut events: Vec<_> = (0..500).map(|n| at(n, n + 1, ask(), Done)).collect();
        events.push(at(600, 601, ask(), Unavailable));
        assert_eq!(rules(&events), [Rule::Honesty]);
        let window = (Duration::from_millis(590), Duration::from_millis(610));
        assert!(check(&events, &[window]).violations.is_empty());
    }
}
