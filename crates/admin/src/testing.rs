//! An installation of its own for a test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::upstream_draft::ProviderDraft;
use curfew_policy::upstream_presets::IssuerWords;
use curfew_protocol::{Clock, ManualClock, Timestamp};
use curfew_store::audit::AuditRow;
use curfew_store::{DatabaseUrl, ServerKeys, Store, StoreOptions, SystemEntropy};
use zeroize::Zeroizing;

use crate::Admin;

pub(crate) const TENANT: &str = "default";
pub(crate) const ISSUER: &str = "https://id.example.com";

pub(crate) struct Installation {
    pub(crate) admin: Admin,
    _folder: tempfile::TempDir,
}

/// Milliseconds that grow with every look, so that audit rows keep their order.
struct Ticking(ManualClock, AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn now_millis(&self) -> u64 {
        self.0.now_millis() + self.1.fetch_add(1, Ordering::SeqCst)
    }
}

impl Installation {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = BTreeMap::from([(1, Zeroizing::new([7; 32]))]);
        let clock = ManualClock::at(Timestamp::from_seconds(1_800_000_000));
        let options = StoreOptions {
            database: DatabaseUrl::Sqlite(folder.path().join("curfew.db")),
            pool_size: 1,
            epoch_mark: None,
            keys: Arc::new(ServerKeys::new(&keys).unwrap().unwrap()),
            clock: Arc::new(Ticking(clock, AtomicU64::new(0))),
            entropy: Arc::new(SystemEntropy),
        };
        Store::migrate(&options).unwrap();
        let store = Store::open(options).unwrap();
        Self {
            admin: Admin::for_command_line(store, LifetimeRules::default()),
            _folder: folder,
        }
    }

    /// With the provider `work`.
    pub(crate) fn with_provider() -> Self {
        let it = Self::new();
        it.admin
            .provider_add((TENANT, "work"), openid(), None)
            .unwrap();
        it
    }

    /// What the audit trail says, oldest first: event and detail.
    pub(crate) fn trail(&self) -> Vec<(String, String)> {
        let rows = self
            .admin
            .store()
            .read_blocking(|read| read.audit_latest(1_000));
        let told = |row: AuditRow| (row.event, row.detail.unwrap_or_default());
        rows.unwrap().into_iter().rev().map(told).collect()
    }
}

/// An OpenID provider and nothing special about it.
pub(crate) fn openid() -> ProviderDraft {
    ProviderDraft {
        issuer: IssuerWords {
            issuer: Some(ISSUER.to_owned()),
            ..IssuerWords::default()
        },
        client_id: Some("curfew".to_owned()),
        ..ProviderDraft::default()
    }
}
