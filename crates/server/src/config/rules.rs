//! Lifetimes and rate limits; their names and ranges belong to the crates that apply them.

use curfew_http::rates::RateRules;
use curfew_policy::lifetime::{LifetimeRules, SHORTEST_DORMANCY};

use super::raw::Raw;

pub(super) fn lifetimes(raw: &mut Raw) -> LifetimeRules {
    let mut rules = LifetimeRules::default();
    for rule in LifetimeRules::REFERENCE {
        let Some(seconds) = raw.number(&format!("lifetimes.{}", rule.name), rule.min..=rule.max)
        else {
            continue;
        };
        if let Some(Err(rule)) = rules.set(rule.name, seconds) {
            raw.wrong(
                &format!("lifetimes.{}", rule.name),
                "it is outside of its range",
            );
        }
    }
    for (idle, absolute) in [
        ("refresh_idle", "refresh_absolute"),
        ("session_idle", "session_absolute"),
        ("admin_session_idle", "admin_session_absolute"),
    ] {
        if rules.get(idle) > rules.get(absolute) {
            raw.wrong(
                &format!("lifetimes.{idle}"),
                &format!("it is longer than lifetimes.{absolute}, so it would never be reached; shorten it, or lengthen the other"),
            );
        }
    }
    if (1..SHORTEST_DORMANCY.seconds()).contains(&rules.dormancy.seconds()) {
        raw.wrong(
            "lifetimes.dormancy",
            &format!(
                "it is shorter than a day; write 0 to leave nobody dormant, or {} and more",
                SHORTEST_DORMANCY.seconds()
            ),
        );
    }
    rules
}

pub(super) fn rates(raw: &mut Raw) -> RateRules {
    let mut rules = RateRules::default();
    for (name, ..) in RateRules::REFERENCE {
        if let Some(limit) = raw.number(&format!("rate_limits.{name}"), 1..=1_000_000) {
            rules.set_limit(name, limit);
        }
    }
    rules
}
