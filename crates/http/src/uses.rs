//! The latest use of each credential, as this node saw it, until the store is told.
//!
//! Recording is a look into a map in memory under a lock of its own; nothing is written and nobody waits. Once a minute, and when
//! the server ends in an orderly way, the map is emptied into the store. A crash loses what was not handed over: the uses of the last
//! minute, and never anything that decides about life and death.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use curfew_store::last_uses::{Use, Used};
use curfew_store::{Store, StoreError};

/// Locks, so that workers seldom meet at one.
const SHARDS: usize = 16;
/// Credentials in one shard, at the most.
const SHARD_CAPACITY: usize = 4_096;
/// Uses in one transaction: a few milliseconds of the writer's time.
const BATCH: usize = 500;

static DROPPED: LazyLock<metrics::Counter> =
    LazyLock::new(|| metrics::counter!("curfew_last_uses_dropped_total"));

type Shard = Mutex<HashMap<Used, Use>>;

/// Where handlers leave word of a use.
#[derive(Debug, Default)]
pub struct Uses {
    shards: [Shard; SHARDS],
}

impl Uses {
    /// Credentials that are remembered between two flushes. What is used beyond that is counted and forgotten.
    pub const CAPACITY: usize = SHARDS * SHARD_CAPACITY;

    /// Notes a use of a credential that was found alive.
    pub fn record(&self, of: Use) {
        // The last byte is random in every id.
        let [.., last] = *of.used.as_bytes();
        let Ok(mut shard) = self.shards[usize::from(last) % SHARDS].lock() else {
            return;
        };
        if let Some(latest) = shard.get_mut(&of.used) {
            latest.merge(&of);
        } else if shard.len() < SHARD_CAPACITY {
            shard.insert(of.used, of);
        } else {
            drop(shard);
            DROPPED.increment(1);
        }
    }

    /// How many credentials wait for the next flush.
    pub fn waiting(&self) -> usize {
        let lengths = self
            .shards
            .iter()
            .map(|shard| shard.lock().map(|s| s.len()));
        lengths.map(Result::unwrap_or_default).sum()
    }

    /// Hands over all that waits, in small transactions. What the store does not take waits on.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let mut waiting = self.take();
        while !waiting.is_empty() {
            let batch = Arc::new(waiting.split_off(waiting.len().saturating_sub(BATCH)));
            let handed = Arc::clone(&batch);
            let written = store
                .write(move |write| write.last_uses_record(&handed).map(Ok::<_, ()>))
                .await;
            if let Err(error) = written {
                batch
                    .iter()
                    .cloned()
                    .chain(waiting)
                    .for_each(|of| self.record(of));
                return Err(error);
            }
        }
        Ok(())
    }

    fn take(&self) -> Vec<Use> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let taken = shard.lock().map(|mut shard| std::mem::take(&mut *shard));
            all.extend(taken.unwrap_or_default().into_values());
        }
        // Neighbours in the order of the ids lie on the same pages.
        all.sort_unstable_by_key(|of| of.used);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curfew_protocol::{Timestamp, TokenId, UserId};

    fn token(number: u32) -> Used {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id[15] = number.to_be_bytes()[3];
        Used::Token(TokenId::from_bytes(id))
    }

    fn at(number: u32, seconds: i64, epoch: i64) -> Use {
        let user = Some((UserId::from_bytes([7; 16]), epoch));
        Use::by_holder(token(number), Timestamp::from_seconds(seconds), user, None)
    }

    #[test]
    fn the_latest_use_stays_in_whatever_order_they_come() {
        let uses = Uses::default();
        for (seconds, epoch) in [(5, 1), (9, 1), (7, 2)] {
            uses.record(at(1, seconds, epoch));
        }
        let taken = uses.take();
        assert_eq!(taken, [at(1, 9, 2)]);
        assert_eq!(uses.waiting(), 0);
    }

    #[test]
    fn the_map_is_bounded_and_what_it_knows_is_still_updated_when_it_is_full() {
        let uses = Uses::default();
        let flood = u32::try_from(Uses::CAPACITY).unwrap_or(0) + 10_000;
        for number in 0..flood {
            uses.record(at(number, 5, 1));
        }
        assert_eq!(uses.waiting(), Uses::CAPACITY);
        uses.record(at(0, 6, 1));
        assert_eq!(uses.waiting(), Uses::CAPACITY);
        assert!(uses.take().contains(&at(0, 6, 1)));
        uses.record(at(flood, 5, 1));
        assert_eq!(uses.waiting(), 1);
    }
}
