//! One guess at a password, counted before it is answered.
//!
//! Both budgets (the account's, the address's) are taken before the password is looked at, so that guesses in parallel count too,
//! and given back when the guess was right. An account that does not exist has a budget like any other.

use curfew_http::edge::Edge;
use curfew_http::rates::Bucket;
use curfew_protocol::{Lifetime, TenantId, UserId};
use curfew_store::audit::Origin;
use curfew_store::rate_limits::Rate;
use curfew_store::{StoreError, Write};

/// The budgets that a guess is counted in.
#[derive(Clone, Debug)]
pub(crate) struct Guess {
    budgets: [(Bucket, Rate); 2],
}

/// The budget of an account.
pub(crate) fn account_bucket(user: UserId) -> Bucket {
    Bucket::new("password_failures_account", &[&user.to_string()])
}

impl Guess {
    /// At the password of a known user.
    pub(crate) fn at_user(edge: &Edge, user: UserId, origin: &Origin) -> Self {
        Self::new(edge, account_bucket(user), origin)
    }

    /// At the password of nobody.
    pub(crate) fn at_nobody(edge: &Edge, tenant: TenantId, typed: &str, origin: &Origin) -> Self {
        let whom = format!("{tenant} {}", typed.to_ascii_lowercase());
        Self::new(
            edge,
            Bucket::hidden("password_failures_name", &whom),
            origin,
        )
    }

    fn new(edge: &Edge, account: Bucket, origin: &Origin) -> Self {
        let ip = origin.ip.as_deref().unwrap_or("");
        let address = Bucket::new("password_failures_address", &[ip]);
        let (of_account, of_address) = (
            edge.rates.password_failures_account,
            edge.rates.password_failures_address,
        );
        Self {
            budgets: [(account, of_account), (address, of_address)],
        }
    }

    /// Counts the guess. `Err`: a budget is used up, for that long.
    pub(crate) async fn take(&self, edge: &Edge) -> Result<Result<(), Lifetime>, StoreError> {
        take(edge, self.budgets.to_vec()).await
    }

    /// The guess was right.
    pub(crate) fn give_back(&self, write: &mut Write<'_>) -> Result<(), StoreError> {
        self.budgets
            .iter()
            .try_for_each(|(bucket, _)| write.rate_give_back(bucket.as_str()))
    }
}

/// Takes one from every budget, or nothing and the time to wait. Used-up budgets are found by a read, so that a flood writes
/// nothing. No node remembers them: a right guess gives back what it took, and whoever comes then must not be told of old
/// exhaustion.
pub(crate) async fn take(
    edge: &Edge,
    budgets: Vec<(Bucket, Rate)>,
) -> Result<Result<(), Lifetime>, StoreError> {
    let peeked = budgets.clone();
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

fn refused(wait: Lifetime) -> Result<(), Lifetime> {
    metrics::counter!("curfew_budget_exhausted_total").increment(1);
    Err(wait)
}
