//! Device codes: the draw of the user code, the claim of the decision, the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_protocol::{
    Audiences, ClientKey, Clock, DEFAULT_TENANT, Entropy, ScopeSet, Timestamp, UserCodeLength,
};
use curfew_store::device_codes::{DeviceRequest, MintedDeviceCode, NewDeviceCode};
use curfew_store::{StoreError, SystemEntropy, Write};

use crate::on_both_backends;
use crate::support::START;

fn insert(
    write: &mut Write<'_>,
    client: ClientKey,
) -> Result<Option<MintedDeviceCode>, StoreError> {
    let rules = LifetimeRules::default();
    let expires_at = rules
        .expires_at(Credential::DeviceCode, write.now(), Caps::default())
        .unwrap();
    write.device_code_insert(&NewDeviceCode {
        tenant_id: DEFAULT_TENANT,
        client,
        client_epoch: 1,
        request: DeviceRequest {
            scopes: ScopeSet::default(),
            audiences: Audiences::default(),
            requested_lifetime: None,
            ip: None,
            user_agent: None,
        },
        code_challenge: None,
        poll_interval: rules.device_poll_interval,
        expires_at,
        user_code_length: UserCodeLength::Usual,
    })
}

/// Draws the same user code for ever; everything else is as random as it must be.
struct SameCode(AtomicBool);

impl Entropy for SameCode {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() == 16 && self.0.load(Ordering::SeqCst) {
            bytes.fill(7);
        } else {
            SystemEntropy.fill(bytes);
        }
    }
}

/// Another second at every look.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

on_both_backends! {
    fn c25_a_user_code_that_is_outstanding_is_not_given_out_again(test) {
        let client = test.client("tv");
        let entropy = Arc::new(SameCode(AtomicBool::new(true)));
        let store = test.open_again(|options| options.entropy = entropy.clone()).unwrap();
        let draw = || store.write_blocking(move |write| Ok(Ok::<_, ()>(insert(write, client)?))).unwrap().unwrap();
        let first = draw().unwrap();
        assert!(draw().is_none(), "every draw was the same, and taken");
        // One that expired makes room.
        test.clock.advance(600);
        let second = draw().unwrap();
        assert_eq!(first.user_code, second.user_code);
        assert!(draw().is_none());
        entropy.0.store(false, Ordering::SeqCst);
        assert_ne!(draw().unwrap().user_code, second.user_code);
    }

    fn c28_a_decision_is_claimed_once(test) {
        let client = test.client("tv");
        let id = test.write(move |write| Ok(insert(write, client)?.unwrap().id));
        let claims = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| test.write(move |write| write.device_request_claim(id)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|claimed| *claimed).count()
        });
        assert_eq!(claims, 1);
    }

    fn c13_a_transaction_reads_the_clock_once(test) {
        let ticking = Arc::new(Ticking(AtomicI64::new(START)));
        let store = test.open_again(|options| options.clock = ticking.clone()).unwrap();
        let (first, second) = store.write_blocking(|write| {
            let first = write.now();
            write.installation_epoch()?;
            Ok(Ok::<_, ()>((first, write.now())))
        }).unwrap().unwrap();
        assert_eq!(first, second);
        let later = store.read_blocking(|read| Ok(read.now())).unwrap();
        assert!(later > second, "the clock ticks");
    }
}
