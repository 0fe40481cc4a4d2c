//! One guess at something secret, counted before it is answered.
//!
//! All budgets of a guess are taken before what was guessed is looked at, so that guesses in parallel count too, and given back when
//! the guess was right.

use curfew_protocol::Lifetime;
use curfew_store::rate_limits::Rate;
use curfew_store::{StoreError, Write};

use crate::edge::Edge;
use crate::rates::Bucket;

/// The budgets that a guess is counted in.
#[derive(Clone, Debug)]
pub struct Guess {
    budgets: Vec<(Bucket, Rate)>,
}

impl Guess {
    pub const fn new(budgets: Vec<(Bucket, Rate)>) -> Self {
        Self { budgets }
    }

    /// Counts the guess. `Err`: a budget is used up, for that long, and nothing was taken. Used-up budgets are found by a read, so
    /// that a flood writes nothing. No node remembers them: a right guess gives back what it took, and whoever comes then must
    /// not be told of old exhaustion.
    pub async fn take(&self, edge: &Edge) -> Result<Result<(), Lifetime>, StoreError> {
        let peeked = self.budgets.clone();
        let blocked = edge.store.read(move |read| {
            let now = read.now();
            for (bucket, rate) in &peeked {
                if let Err(exhausted) = read.rate_peek(bucket.as_str(), *rate)? {
                    return Ok(Some(exhausted.until.since(now)));
                }
            }
            Ok(None)
        });
        if let Some(wait) = blocked.await? {
            return Ok(refused(wait));
        }
        let budgets = self.budgets.clone();
        let taken = edge.store.write(move |write| {
            let now = write.now();
            for (at, (bucket, rate)) in budgets.iter().enumerate() {
                if let Err(exhausted) = write.rate_take(bucket.as_str(), *rate)? {
                    for (earlier, _) in &budgets[..at] {
                        write.rate_give_back(earlier.as_str())?;
                    }
                    return Ok(Err(exhausted.until.since(now)));
                }
            }
            Ok(Ok(()))
        });
        Ok(taken.await?.or_else(refused))
    }

    /// The guess was right.
    pub fn give_back(&self, write: &mut Write<'_>) -> Result<(), StoreError> {
        self.budgets
            .iter()
            .try_for_each(|(bucket, _)| write.rate_give_back(bucket.as_str()))
    }
}

fn refused(wait: Lifetime) -> Result<(), Lifetime> {
    metrics::counter!("curfew_budget_exhausted_total").increment(1);
    Err(wait)
}
