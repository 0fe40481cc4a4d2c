//! Providers and links: what is counted, what moves with the issuer.

use curfew_policy::status::{OwnerStatus, ProviderKind};
use curfew_policy::upstream::ProviderSettings;
use curfew_protocol::{DEFAULT_TENANT, LinkId, ProviderId, UserId};
use curfew_store::links::{LinkCounts, NewLink, Subject};
use curfew_store::providers::{NewProvider, ProviderDescription};
use curfew_store::{Read, StoreError};

use crate::on_both_backends;
use crate::support::TestStore;

const OLD: &str = "https://old.example";
const NEW: &str = "https://new.example";

fn provider(test: &TestStore, slug: &str) -> ProviderId {
    let new = NewProvider {
        tenant_id: DEFAULT_TENANT,
        slug: slug.to_owned(),
        kind: ProviderKind::OpenId,
        configured: false,
        description: ProviderDescription {
            name: slug.to_owned(),
            issuer: OLD.to_owned(),
            client_id: "curfew".to_owned(),
            settings: ProviderSettings::default(),
        },
    };
    test.write(move |write| write.provider_insert(&new, None))
}

fn read<T>(test: &TestStore, job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError>) -> T {
    test.store.read_blocking(job).unwrap()
}

/// `None`: an imported link that waits.
fn link(
    test: &TestStore,
    provider: ProviderId,
    user: UserId,
    bound: Option<(&str, &str)>,
) -> LinkId {
    let new = NewLink {
        provider_id: provider,
        user_id: user,
        subject: bound.map(|(issuer, subject)| Subject {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        }),
        display: String::new(),
    };
    test.write(move |write| write.link_insert(&new))
}

on_both_backends! {
    /// B17
    fn b17_links_that_would_meet_their_like_under_the_new_issuer_are_found(test) {
        let own = provider(test, "work");
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| test.user(name));
        link(test, own, alice, Some((OLD, "a")));
        link(test, own, bob, Some((OLD, "b")));
        let again = link(test, own, carol, Some((NEW, "b")));
        link(test, own, carol, Some((NEW, "c")));
        let twice = read(test, move |read| read.links_bound_twice(own, OLD, NEW));
        assert_eq!(twice.iter().map(|link| (link.id, link.user_id)).collect::<Vec<_>>(), [(again, carol)]);
        test.write(move |write| write.link_set_status(again, OwnerStatus::Deleted));
        assert_eq!(read(test, move |read| read.links_bound_twice(own, OLD, NEW)), []);
        assert_eq!(test.write(move |write| write.links_rebind(own, OLD, NEW)), 2);
        let moved = read(test, move |read| read.link_by_subject(own, &Subject { issuer: NEW.to_owned(), subject: "b".to_owned() }));
        assert_eq!(moved.map(|link| link.user_id), Some(bob));
    }

    fn links_are_counted_without_those_that_were_taken_away(test) {
        let (own, other) = (provider(test, "work"), provider(test, "home"));
        let [alice, bob] = ["alice", "bob"].map(|name| test.user(name));
        link(test, own, alice, None);
        let gone = link(test, own, bob, Some((OLD, "b")));
        link(test, own, bob, Some((OLD, "b2")));
        link(test, other, alice, None);
        test.write(move |write| write.link_set_status(gone, OwnerStatus::Deleted));
        assert_eq!(read(test, move |read| read.link_counts(own)), LinkCounts { bound: 1, empty: 1 });
        let waiting = || read(test, |read| read.links_empty(DEFAULT_TENANT));
        assert_eq!(waiting(), [("home".to_owned(), 1), ("work".to_owned(), 1)]);
        test.write(move |write| write.provider_set_status(other, OwnerStatus::Deleted));
        assert_eq!(waiting(), [("work".to_owned(), 1)], "nobody comes back from a provider that is gone");
    }
}
