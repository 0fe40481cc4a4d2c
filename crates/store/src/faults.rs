//! Faults for the checker of revocation histories to find. Compiled in by the feature `seeded-faults` only, which release
//! builds refuse; chosen by `CURFEW_SEEDED_FAULT` when the process starts.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use curfew_protocol::TokenId;

use crate::introspection::IntrospectionFacts;

/// For how long a fault makes the server believe what was.
const STALE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Introspection answers from a cache.
    PositiveCache,
    /// A write is answered before it is committed.
    AcknowledgeBeforeCommit,
    /// A code is used up without asking whether it was.
    UnguardedCode,
    /// Owners' epochs are those of a moment ago.
    StaleEpochs,
}

static CHOSEN: LazyLock<Option<Fault>> = LazyLock::new(|| {
    let chosen = match std::env::var("CURFEW_SEEDED_FAULT").ok()?.as_str() {
        "positive_cache" => Fault::PositiveCache,
        "acknowledge_before_commit" => Fault::AcknowledgeBeforeCommit,
        "unguarded_code" => Fault::UnguardedCode,
        "stale_epochs" => Fault::StaleEpochs,
        _ => return None,
    };
    tracing::error!(fault = ?chosen, "a fault is seeded: this server breaks its promises on purpose");
    Some(chosen)
});

pub(crate) fn is(fault: Fault) -> bool {
    *CHOSEN == Some(fault)
}

type Remembered = HashMap<TokenId, (Instant, IntrospectionFacts)>;

static MEMORY: LazyLock<Mutex<Remembered>> = LazyLock::new(Mutex::default);

#[expect(
    clippy::disallowed_methods,
    reason = "a fault has no business with the product's clock"
)]
fn now() -> Instant {
    Instant::now()
}

/// What introspection answered for this token a moment ago, under the faults that make it remember.
pub(crate) fn recall(token: Option<TokenId>) -> Option<IntrospectionFacts> {
    if !is(Fault::PositiveCache) {
        return None;
    }
    let memory = MEMORY.lock().ok()?;
    let (at, facts) = memory.get(&token?)?;
    (now().duration_since(*at) < STALE).then(|| facts.clone())
}

/// Remembers, and under [`Fault::StaleEpochs`] puts the owners of a moment ago in place of today's.
pub(crate) fn remember(
    token: Option<TokenId>,
    mut facts: IntrospectionFacts,
) -> IntrospectionFacts {
    let Some(id) = token else { return facts };
    let Ok(mut memory) = MEMORY.lock() else {
        return facts;
    };
    let old = memory
        .get(&id)
        .filter(|(at, _)| now().duration_since(*at) < STALE);
    match old {
        Some((_, old)) if is(Fault::StaleEpochs) => {
            if let (Some(new), Some(old)) = (&mut facts.token, &old.token) {
                let (new, old) = (&mut new.node.facts, &old.node.facts);
                new.tenant = old.tenant;
                new.user = old.user;
                new.client = old.client;
                new.installation_epoch_now = old.installation_epoch_now;
            }
        }
        Some(_) => {}
        None => {
            memory.insert(id, (now(), facts.clone()));
        }
    }
    facts
}
