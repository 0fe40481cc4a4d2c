//! Rate limits at the edge.
//!
//! The counts live in the store; success writes and reads nothing. A node that learned that a budget is used up remembers it
//! until the window ends, so that a flood costs it nothing more.

use std::collections::HashMap;
use std::sync::{Mutex, RwLock};

use curfew_protocol::{Lifetime, Timestamp};
use curfew_store::audit::Origin;
use curfew_store::rate_limits::Rate;
use curfew_store::{Store, StoreError};

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $field:ident = $limit:literal in $window:literal,)*) => {
        /// The configured budgets.
        #[derive(Debug)]
        pub struct RateRules {
            $($(#[doc = $doc])* pub $field: Rate,)*
            blocked: RwLock<HashMap<Bucket, Timestamp>>,
            leases: Mutex<HashMap<Bucket, Lease>>,
        }

        impl Default for RateRules {
            fn default() -> Self {
                Self {
                    $($field: Rate { limit: $limit, window: Lifetime::from_seconds($window) },)*
                    blocked: RwLock::default(),
                    leases: Mutex::default(),
                }
            }
        }

        impl RateRules {
            /// Name, default limit, window in seconds and meaning of each budget.
            pub const REFERENCE: &'static [(&'static str, u32, u32, &'static str)] =
                &[$((stringify!($field), $limit, $window, concat!($($doc,)*)),)*];

            /// Sets one limit by name; the windows are fixed. False: there is no such budget.
            pub fn set_limit(&mut self, name: &str, limit: u32) -> bool {
                match name {
                    $(stringify!($field) => self.$field.limit = limit,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

rules! {
    /// Failed client authentications a minute, for each client and address.
    client_failures = 30 in 60,
    /// Wrong passwords in 15 minutes, for each account.
    password_failures_account = 5 in 900,
    /// Wrong passwords an hour, for each address.
    password_failures_address = 20 in 3_600,
    /// Mailed links an hour, for each account.
    password_links = 3 in 3_600,
    /// Requests for mailed links an hour, for each address.
    password_links_address = 20 in 3_600,
    /// Mailed links an hour that prove an address, for each account and for each address that one goes to.
    address_links = 3 in 3_600,
    /// Requests for such links an hour, for each address that they come from.
    address_links_address = 20 in 3_600,
    /// Wrong bootstrap secrets an hour, in all.
    bootstrap_failures = 10 in 3_600,
    /// Authorization requests a minute, for each address.
    authorizations = 60 in 60,
    /// Revocations a minute, for each client and address.
    revocations = 600 in 60,
    /// Device authorization requests a minute, for each address.
    device_authorizations = 10 in 60,
    /// Device codes of a client that have not expired, at the most.
    device_codes_outstanding = 1_000 in 600,
    /// Wrong user codes in 15 minutes, for each account.
    device_guesses_account = 5 in 900,
    /// Wrong user codes an hour, for each address.
    device_guesses_address = 20 in 3_600,
    /// Wrong user codes in 50 seconds, in all.
    device_guesses = 50 in 50,
    /// Consents and denials a minute, for each account.
    consents = 60 in 60,
    /// Bearer tokens a minute that open nothing, for each address.
    bearer_failures = 120 in 60,
    /// Calls of our own API a minute, for each account.
    api_calls = 600 in 60,
    /// People sent to upstream providers a minute, for each address.
    upstream_starts = 30 in 60,
    /// Logout tokens a minute that were not obeyed, for each address.
    upstream_logout_failures = 30 in 60,
}

/// Attempts that this node took from a budget in advance.
#[derive(Debug)]
struct Lease {
    left: u32,
    until: Timestamp,
}

/// A node takes this part of a budget at once, but no more than a crash may lose.
const LEASES: u32 = 20;
const LEASE_LIMIT: u32 = 100;

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bucket(String);

impl Bucket {
    /// `kind` says which budget; `parts` say whose.
    pub fn new(kind: &str, parts: &[&str]) -> Self {
        let mut text = kind.to_owned();
        for part in parts {
            text.push('|');
            // Long or odd text from outside would make the key long or ambiguous: its digest will do.
            if part.len() > 64 || part.contains('|') {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, part.as_bytes());
                text.extend(
                    digest.as_ref()[..16]
                        .iter()
                        .map(|byte| format!("{byte:02x}")),
                );
            } else {
                text.push_str(part);
            }
        }
        Self(text)
    }

    /// The same for text that must not be readable in the store, such as the name in a failed sign-in: people type their
    /// password into the wrong field.
    pub fn hidden(kind: &str, text: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let hex: String = digest.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self::new(kind, &[&hex])
    }

    /// Failed client authentication, for a client and the address it came from.
    pub fn client_failures(client_id: &str, origin: &Origin) -> Vec<Self> {
        let ip = origin.ip.as_deref().unwrap_or("");
        vec![Self::new("client_failures", &[client_id, ip])]
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RateRules {
    /// Is any bucket known to be used up? The cheap question before the exact one.
    pub fn any_blocked(&self) -> bool {
        self.blocked.read().is_ok_and(|blocked| !blocked.is_empty())
    }

    /// Does this node know that one of the buckets is used up? Then how long it stays so.
    pub fn blocked(&self, buckets: &[Bucket], now: Timestamp) -> Option<Lifetime> {
        let blocked = self.blocked.read().ok()?;
        if blocked.is_empty() {
            return None;
        }
        let ends = buckets.iter().filter_map(|bucket| blocked.get(bucket));
        ends.filter(|until| !now.has_reached(**until))
            .map(|until| until.since(now))
            .max()
    }

    /// Spends one attempt of a budget that successes use up too. The node takes a block in advance, so that most
    /// attempts write nothing; several nodes share the budget all the same. `Err`: how long to wait.
    pub async fn spend(
        &self,
        store: &Store,
        bucket: Bucket,
        rate: Rate,
    ) -> Result<Result<(), Lifetime>, StoreError> {
        let now = store.clock().now();
        if let Some(wait) = self.blocked(std::slice::from_ref(&bucket), now) {
            return Ok(Err(wait));
        }
        if self.spend_leased(&bucket, now) {
            return Ok(Ok(()));
        }
        let (name, size) = (bucket.clone(), (rate.limit / LEASES).clamp(1, LEASE_LIMIT));
        let taken = store
            .write(move |write| write.rate_take_block(name.as_str(), rate, size))
            .await?;
        Ok(match taken {
            Ok(until) => {
                if let Ok(mut leases) = self.leases.lock() {
                    leases.retain(|_, lease| !now.has_reached(lease.until));
                    // Another request may have taken a block at the same time: both are ours.
                    let lease = leases.entry(bucket).or_insert(Lease { left: 0, until });
                    lease.left += size - 1;
                    lease.until = until;
                }
                Ok(())
            }
            Err(exhausted) => {
                self.block(vec![(bucket, exhausted.until)], now);
                Err(exhausted.until.since(now))
            }
        })
    }

    fn spend_leased(&self, bucket: &Bucket, now: Timestamp) -> bool {
        let Ok(mut leases) = self.leases.lock() else {
            return false;
        };
        match leases.get_mut(bucket) {
            Some(lease) if lease.left > 0 && !now.has_reached(lease.until) => {
                lease.left -= 1;
                true
            }
            _ => false,
        }
    }

    /// Remembers buckets that are used up, and forgets those whose window has ended.
    pub fn block(&self, exhausted: Vec<(Bucket, Timestamp)>, now: Timestamp) {
        if exhausted.is_empty() {
            return;
        }
        if let Ok(mut blocked) = self.blocked.write() {
            blocked.retain(|_, until| !now.has_reached(*until));
            blocked.extend(exhausted);
        }
    }
}
