use curfew_policy::upstream_draft::ProviderDraft;
use curfew_policy::upstream_presets::Preset;
use curfew_protocol::Redacted;

use super::*;
use crate::import::{ImportFile, ImportFormat};
use crate::testing::{ISSUER, Installation, TENANT, openid};

/// With `ada` and `bob`, who have links that wait at `work`.
fn furnished() -> Installation {
    let it = Installation::with_provider();
    let text = "username,email\nada,ada@example.com\nbob,bob@example.com\n";
    let file = ImportFile::read(text.as_bytes(), ImportFormat::Csv, Some("work")).unwrap();
    let done = it.admin.import_users(TENANT, &file, false, |_| {}).unwrap();
    assert_eq!(done.added, 2);
    it
}

fn identity(subject: &str) -> IdentityRequest {
    IdentityRequest {
        provider: "work".to_owned(),
        issuer: Some(ISSUER.to_owned()),
        subject: subject.to_owned(),
    }
}

fn told<T: std::fmt::Debug>(refused: Result<T, AdminError>) -> String {
    refused.expect_err("it was done").to_string()
}

#[test]
fn b28_an_administrator_binds_what_no_sign_in_binds_by_itself() {
    let it = furnished();
    let admin = &it.admin;
    let filled = admin.user_link((TENANT, "ada"), identity("1")).unwrap();
    let second = admin.user_link((TENANT, "ada"), identity("2")).unwrap();
    let links = admin.user_links(TENANT, "ada").unwrap();
    assert_eq!(
        links.len(),
        2,
        "the link that waited got the first: {links:?}"
    );
    let subjects: Vec<_> = links
        .iter()
        .map(|shown| shown.link.subject.clone().unwrap())
        .collect();
    let subject = |subject: &str| Subject {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
    };
    assert!(
        subjects.contains(&subject("1")) && subjects.contains(&subject("2")),
        "{subjects:?}"
    );
    let trail = it.trail();
    let last: Vec<_> = trail.iter().rev().take(2).rev().cloned().collect();
    let expected = [
        (
            "identity.backfilled".to_owned(),
            format!("work {}", filled.link.id),
        ),
        (
            "identity.linked".to_owned(),
            format!("work {}", second.link.id),
        ),
    ];
    assert_eq!(last, expected);
    assert!(told(admin.user_link((TENANT, "ada"), identity("1"))).contains("already"));
}

#[test]
fn b15_a_link_that_was_filled_meanwhile_is_compared_and_not_filled() {
    let it = furnished();
    let waiting = it.admin.user_links(TENANT, "ada").unwrap().remove(0).link;
    let subject = |subject: &str| Subject {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
    };
    let try_to_fill = |with: Subject| it.admin.write(move |write| fill(write, waiting.id, &with));
    assert_eq!(try_to_fill(subject("1")).unwrap(), Bound::Filled);
    assert_eq!(try_to_fill(subject("1")).unwrap(), Bound::Already);
    assert!(told(try_to_fill(subject("2"))).contains("at this moment"));
    let stored = it.admin.user_links(TENANT, "ada").unwrap().remove(0).link;
    assert_eq!(stored.subject, Some(subject("1")));
}

#[test]
fn b37_a_link_never_changes_its_owner_and_is_taken_away_and_made_anew() {
    let it = furnished();
    let admin = &it.admin;
    let link = admin
        .user_link((TENANT, "ada"), identity("1"))
        .unwrap()
        .link;
    let refused = told(admin.user_link((TENANT, "bob"), identity("1")));
    let remedy = format!("curfew user unlink {} {}", link.user_id, link.id);
    assert!(
        refused.contains("user `ada`") && refused.contains(&remedy),
        "{refused}"
    );
    let id = link.id.to_string();
    assert!(told(admin.user_unlink((TENANT, "bob"), &id)).contains("no such link"));
    assert!(told(admin.user_unlink((TENANT, "ada"), "nonsense")).contains("22 letters"));
    let done = admin.user_unlink((TENANT, "ada"), &id).unwrap();
    assert!(done.no_way_in);
    assert!(told(admin.user_unlink((TENANT, "ada"), &id)).contains("no such link"));
    let anew = admin
        .user_link((TENANT, "bob"), identity("1"))
        .unwrap()
        .link;
    assert_ne!(anew.id, link.id);
    let of_ada = admin.user_links(TENANT, "ada").unwrap().remove(0).link;
    assert_eq!(
        (of_ada.status, of_ada.epoch),
        (OwnerStatus::Deleted, link.epoch + 1)
    );
}

#[test]
fn b43_a_link_is_disabled_and_enabled_and_nothing_comes_back() {
    let it = furnished();
    let admin = &it.admin;
    let link = admin
        .user_link((TENANT, "ada"), identity("1"))
        .unwrap()
        .link;
    let id = link.id.to_string();
    let set = |name: &str, next| admin.user_set_link_status((TENANT, name), &id, next);
    let stored = || admin.user_links(TENANT, "ada").unwrap().remove(0).link;
    assert!(told(set("ada", OwnerStatus::Active)).contains("nothing to do"));
    assert!(told(set("bob", OwnerStatus::Disabled)).contains("no such link"));
    let before = it.trail().len();
    assert!(set("ada", OwnerStatus::Disabled).unwrap().no_way_in);
    let disabled = stored();
    assert_eq!(
        (disabled.status, disabled.epoch, &disabled.subject),
        (OwnerStatus::Disabled, link.epoch + 1, &link.subject)
    );
    assert!(told(set("ada", OwnerStatus::Disabled)).contains("nothing to do"));
    assert!(told(admin.user_link((TENANT, "bob"), identity("1"))).contains("user `ada`"));
    assert!(!set("ada", OwnerStatus::Active).unwrap().no_way_in);
    let enabled = stored();
    assert_eq!(
        (enabled.status, enabled.epoch),
        (OwnerStatus::Active, link.epoch + 2)
    );
    admin.user_unlink((TENANT, "ada"), &id).unwrap();
    assert!(told(set("ada", OwnerStatus::Active)).contains("no such link"));
    let expected = [
        (
            "identity.status_changed".to_owned(),
            format!("work {id}: disabled"),
        ),
        (
            "identity.status_changed".to_owned(),
            format!("work {id}: active"),
        ),
        ("identity.unlinked".to_owned(), format!("work {id}")),
    ];
    assert_eq!(it.trail()[before..], expected);
}

#[test]
fn whoever_is_left_without_a_way_in_is_told_of() {
    let it = furnished();
    let admin = &it.admin;
    let id_of = |subject: &str| {
        let linked = admin.user_link((TENANT, "ada"), identity(subject));
        linked.unwrap().link.id.to_string()
    };
    let unlinked = |id: &str| admin.user_unlink((TENANT, "ada"), id).unwrap().no_way_in;
    let (one, other) = (id_of("1"), id_of("2"));
    assert!(!unlinked(&one), "the other link opens the account");
    // A link that waits is somebody's whom nobody knows yet, and one at a disabled provider opens nothing.
    admin
        .provider_add((TENANT, "home"), openid(), None)
        .unwrap();
    let text = "username,provider\nada,home\n";
    let file = ImportFile::read(text.as_bytes(), ImportFormat::Csv, None).unwrap();
    admin.import_users(TENANT, &file, false, |_| {}).unwrap();
    let last = id_of("3");
    assert!(!unlinked(&other));
    assert!(unlinked(&last), "only a link that waits is left");
    let elsewhere = IdentityRequest {
        provider: "home".to_owned(),
        ..identity("4")
    };
    admin.user_link((TENANT, "ada"), elsewhere).unwrap();
    let last = id_of("5");
    admin
        .provider_set_status((TENANT, "home"), OwnerStatus::Disabled)
        .unwrap();
    assert!(unlinked(&last), "the other link is at a disabled provider");
}

#[test]
fn the_identity_of_a_deleted_account_stays_its_own_until_it_is_taken_away() {
    let it = furnished();
    let admin = &it.admin;
    let link = admin
        .user_link((TENANT, "ada"), identity("1"))
        .unwrap()
        .link;
    admin
        .user_set_status((TENANT, "ada"), UserStatus::Deleted)
        .unwrap();
    let refused = told(admin.user_link((TENANT, "bob"), identity("1")));
    assert!(refused.contains("the deleted user"), "{refused}");
    let tombstone = link.user_id.to_string();
    assert!(told(admin.user_link((TENANT, &tombstone), identity("3"))).contains("restore"));
    admin
        .user_unlink((TENANT, &tombstone), &link.id.to_string())
        .unwrap();
    admin.user_link((TENANT, "bob"), identity("1")).unwrap();
}

#[test]
fn b18_issuer_and_subject_must_be_those_of_the_provider() {
    let it = furnished();
    let admin = &it.admin;
    let github = ProviderDraft {
        preset: Preset::by_word("github"),
        client_id: Some("x".to_owned()),
        ..ProviderDraft::default()
    };
    admin
        .provider_add((TENANT, "gh"), github, Some(Redacted("s".to_owned())))
        .unwrap();
    for issuer in [
        "https://id.example.com/",
        "https://ID.example.com",
        "https://id.example.com:443",
    ] {
        let request = IdentityRequest {
            issuer: Some(issuer.to_owned()),
            ..identity("1")
        };
        assert!(
            told(admin.user_link((TENANT, "ada"), request)).contains("byte for byte"),
            "{issuer}"
        );
    }
    let of = |provider: &str, subject: &str| IdentityRequest {
        provider: provider.to_owned(),
        issuer: None,
        subject: subject.to_owned(),
    };
    for bad in ["", "  ", "a\nb", &"x".repeat(256)] {
        assert!(
            told(admin.user_link((TENANT, "ada"), of("work", bad))).contains("cannot be one"),
            "{bad:?}"
        );
    }
    for bad in [
        "octocat",
        "0",
        "-1",
        "01",
        "+1",
        "1.0",
        "9007199254740993",
        "",
    ] {
        assert!(
            told(admin.user_link((TENANT, "ada"), of("gh", bad))).contains("the account's number"),
            "{bad:?}"
        );
    }
    admin
        .user_link((TENANT, "ada"), of("gh", "9007199254740992"))
        .unwrap();
    // Case and Unicode form make another subject.
    for subject in ["Ada", "ada", "ad\u{e4}", "ada\u{308}"] {
        admin
            .user_link((TENANT, "bob"), of("work", subject))
            .unwrap();
    }
    assert!(
        told(admin.user_link((TENANT, "ada"), of("nope", "1"))).contains("curfew upstream list")
    );
    assert!(
        told(admin.user_link((TENANT, "nobody"), of("work", "1"))).contains("curfew user list")
    );
}

#[test]
fn a_quarantine_is_lifted_once() {
    let it = furnished();
    let refused = told(it.admin.user_lift_quarantine((TENANT, "ada")));
    assert!(refused.contains("nothing to do"), "{refused}");
}
