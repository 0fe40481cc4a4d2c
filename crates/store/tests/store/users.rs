//! Addresses: the database compares the canonical form that we compute, byte for byte, and has no opinion of its own.

use std::collections::BTreeMap;

use curfew_policy::email::canonical;
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{DEFAULT_TENANT, UserId};
use curfew_store::StoreError;
use curfew_store::users::NewUser;

use crate::on_both_backends;
use crate::support::TestStore;

#[path = "../../../policy/src/email_cases.rs"]
mod email_cases;

use email_cases::CASES;

/// Adds a user with this address under this key; the number makes the user name.
fn add(
    test: &TestStore,
    number: usize,
    address: &str,
    email_key: Option<String>,
) -> Result<UserId, StoreError> {
    let username = format!("user-{number}");
    let new = NewUser {
        tenant_id: DEFAULT_TENANT,
        name: username.clone(),
        username,
        email: Some(address.to_owned()),
        email_key,
        email_origin: EmailOrigin::Stated,
        quarantined: false,
        administrator: false,
        password_hash: None,
    };
    test.store
        .write_blocking(move |write| write.user_insert(&new).map(Ok::<_, ()>))
        .map(|added| added.unwrap())
}

fn found(test: &TestStore, key: &str) -> Option<UserId> {
    let key = key.to_owned();
    test.store
        .read_blocking(move |read| read.user_by_email_key(DEFAULT_TENANT, &key))
        .unwrap()
        .map(|user| user.id)
}

/// What PostgreSQL can keep.
fn storable() -> impl Iterator<Item = (usize, &'static str, Option<&'static str>)> {
    let cases = CASES.iter().enumerate();
    cases
        .filter(|(_, (_, address, _))| !address.contains('\0'))
        .map(|(number, (_, address, key))| (number, *address, *key))
}

on_both_backends! {
    fn b29_two_users_whose_addresses_differ_in_ascii_case_cannot_both_exist(test) {
        let [first, second] = ["Alice@Example.com", "aLICE@eXAMPLE.COM"];
        let id = add(test, 1, first, canonical(first)).unwrap();
        let refused = add(test, 2, second, canonical(second)).unwrap_err();
        assert!(refused.is_unique_violation(), "{refused}");
        assert_eq!(found(test, "alice@example.com"), Some(id));
        let kept = test.store.read_blocking(move |read| read.user(id)).unwrap().unwrap();
        assert_eq!(kept.email.as_deref(), Some(first), "the address is kept as it was written");
    }

    fn b30_b31_the_table_of_addresses_means_the_same_on_every_database(test) {
        let mut owners: BTreeMap<&str, UserId> = BTreeMap::new();
        for (number, address, expected) in storable() {
            let key = canonical(address);
            assert_eq!(key.as_deref(), expected);
            let added = add(test, number, address, key);
            match expected.and_then(|key| owners.get(key)) {
                Some(_) => assert!(added.unwrap_err().is_unique_violation(), "{address:?}"),
                None => {
                    let id = added.unwrap_or_else(|error| panic!("{address:?}: {error}"));
                    if let Some(key) = expected {
                        owners.insert(key, id);
                    }
                }
            }
        }
        for (key, owner) in &owners {
            assert_eq!(found(test, key), Some(*owner), "{key}");
        }
        // What was written finds its owner through the canonical form, or nobody.
        for (_, address, expected) in storable() {
            let by_address = canonical(address).and_then(|key| found(test, &key));
            assert_eq!(by_address, expected.map(|key| owners[key]), "{address:?}");
        }
    }

    /// B31: no collation folds case, width or Unicode form behind our back. Were a key ever stored in another form, it would be
    /// another key.
    fn b31_the_index_compares_bytes(test) {
        let mut ids = BTreeMap::new();
        for (number, address, _) in storable() {
            let id = add(test, number, address, Some(address.to_owned()))
                .unwrap_or_else(|error| panic!("{address:?}: {error}"));
            ids.insert(address, id);
        }
        assert!(ids.len() > 40);
        for (address, id) in ids {
            assert_eq!(found(test, address), Some(id), "{address:?}");
        }
    }
}
