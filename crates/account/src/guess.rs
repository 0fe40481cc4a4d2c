//! Guesses at passwords. An account that does not exist has a budget like any other.

use curfew_http::edge::Edge;
use curfew_http::guess::Guess;
use curfew_http::rates::Bucket;
use curfew_protocol::{TenantId, UserId};
use curfew_store::audit::Origin;

/// The budget of an account.
pub(crate) fn account_bucket(user: UserId) -> Bucket {
    Bucket::new("password_failures_account", &[&user.to_string()])
}

/// At the password of a known user.
pub(crate) fn at_user(edge: &Edge, user: UserId, origin: &Origin) -> Guess {
    at(edge, account_bucket(user), origin)
}

/// At the password of nobody.
pub(crate) fn at_nobody(edge: &Edge, tenant: TenantId, typed: &str, origin: &Origin) -> Guess {
    let whom = format!("{tenant} {}", typed.to_ascii_lowercase());
    at(
        edge,
        Bucket::hidden("password_failures_name", &whom),
        origin,
    )
}

fn at(edge: &Edge, account: Bucket, origin: &Origin) -> Guess {
    let ip = origin.ip.as_deref().unwrap_or("");
    let address = Bucket::new("password_failures_address", &[ip]);
    Guess::new(vec![
        (account, edge.rates.password_failures_account),
        (address, edge.rates.password_failures_address),
    ])
}
