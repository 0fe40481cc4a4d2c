//! What a read or a transition works with: the connection, one reading of the clock, keys and randomness.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use curfew_protocol::{Clock, Entropy, SecretBytes, Timestamp};

use crate::AnyConnection;
use crate::StoreOptions;
use crate::audit::LinkName;
use crate::audit::chain::{Trail, Writing};
use crate::keys::ServerKeys;

pub(crate) struct Shared {
    pub(crate) keys: Arc<ServerKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The link of the audit trail that this process committed last, for the other connections to name.
    pub(crate) newest_link: Mutex<Option<LinkName>>,
}

impl Shared {
    pub(crate) fn of(options: &StoreOptions) -> Self {
        Self {
            keys: Arc::clone(&options.keys),
            clock: Arc::clone(&options.clock),
            entropy: Arc::clone(&options.entropy),
            newest_link: Mutex::new(None),
        }
    }
}

/// Reads. Its functions return `Option` for "not found" and never filter by time or status: judging is not theirs.
pub struct Read<'c> {
    pub(crate) connection: &'c mut AnyConnection,
    pub(crate) shared: &'c Shared,
    now: Timestamp,
    millis: u64,
}

impl<'c> Read<'c> {
    pub(crate) fn new(connection: &'c mut AnyConnection, shared: &'c Shared) -> Self {
        let (now, millis) = (shared.clock.now(), shared.clock.now_millis());
        Self {
            connection,
            shared,
            now,
            millis,
        }
    }

    /// The one reading of the clock for everything that happens here.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Milliseconds, for time-ordered identifiers only.
    pub const fn millis(&self) -> u64 {
        self.millis
    }

    pub fn keys(&self) -> &'c ServerKeys {
        &self.shared.keys
    }

    pub fn entropy(&self) -> &'c dyn Entropy {
        self.shared.entropy.as_ref()
    }

    /// A fresh 256-bit secret.
    pub fn secret(&self) -> SecretBytes {
        SecretBytes::random(self.entropy())
    }
}

/// A transition: reads and writes inside one transaction.
pub struct Write<'c> {
    read: Read<'c>,
    pub(crate) trail: &'c mut Trail,
}

impl<'c> Write<'c> {
    pub(crate) fn new(writing: &'c mut Writing, shared: &'c Shared) -> Self {
        Self {
            read: Read::new(&mut writing.connection, shared),
            trail: &mut writing.trail,
        }
    }

    /// What audit rows are written with: the reads of this transaction, and its place in the audit trail.
    pub(crate) const fn parts(&mut self) -> (&mut Read<'c>, &mut Trail) {
        (&mut self.read, self.trail)
    }
}

impl<'c> Deref for Write<'c> {
    type Target = Read<'c>;

    fn deref(&self) -> &Read<'c> {
        &self.read
    }
}

impl<'c> DerefMut for Write<'c> {
    fn deref_mut(&mut self) -> &mut Read<'c> {
        &mut self.read
    }
}
