use std::collections::BTreeSet;

use curfew_policy::upstream::{EmailFallback, SignUps};
use curfew_policy::upstream_presets::{IssuerWords, Preset};
use curfew_store::links::{NewLink, Subject};

use super::*;
use crate::configured::{ConfiguredProvider, ProviderName, Reconciled};
use crate::testing::{ISSUER, Installation, TENANT, openid};

const WORK: (&str, &str) = (TENANT, "work");

fn secret(text: &str) -> Option<Redacted<String>> {
    Some(Redacted(text.to_owned()))
}

fn told<T: std::fmt::Debug>(refused: Result<T, AdminError>) -> String {
    refused.expect_err("it was done").to_string()
}

#[test]
fn a_provider_is_added_shown_changed_and_ended() {
    let it = Installation::new();
    let admin = &it.admin;
    let added = admin
        .provider_add(WORK, openid(), secret("hunter2"))
        .unwrap();
    assert!(added.has_client_secret && !added.provider.configured);
    assert_eq!(added.links, LinkCounts { bound: 0, empty: 0 });
    let stored = admin.provider_show(WORK).unwrap().provider;
    let opened = stored.client_secret(admin.store().keys()).unwrap();
    assert_eq!(opened.unwrap().0, "hunter2");
    assert!(!serde_json::to_string(&added).unwrap().contains("hunter2"));

    let change = ProviderDraft {
        sign_ups: Some(SignUps::Invite),
        domains: Some(vec!["Example.com".to_owned()]),
        ..ProviderDraft::default()
    };
    let changed = admin.provider_change(WORK, change).unwrap().shown.provider;
    assert_eq!(changed.settings.policy.domains, ["example.com"]);
    assert_eq!(changed.epoch, added.provider.epoch);
    let another_client = ProviderDraft {
        client_id: Some("curfew-2".to_owned()),
        ..ProviderDraft::default()
    };
    let done = admin.provider_change(WORK, another_client).unwrap();
    assert!(done.ended && done.old_issuer.is_none());
    assert_eq!(done.shown.provider.epoch, added.provider.epoch + 1);

    admin.provider_set_secret(WORK, None).unwrap();
    assert!(!admin.provider_show(WORK).unwrap().has_client_secret);
    for next in [
        OwnerStatus::Disabled,
        OwnerStatus::Active,
        OwnerStatus::Deleted,
    ] {
        admin.provider_set_status(WORK, next).unwrap();
    }
    assert!(told(admin.provider_show(WORK)).contains("curfew upstream list"));
    assert!(admin.provider_list(TENANT).unwrap().is_empty());
    let again = admin.provider_add(WORK, openid(), None).unwrap().provider;
    assert_ne!(again.id, added.provider.id);

    let trail: Vec<(String, String)> = it.trail();
    let expected = [
        ("provider.added", "work"),
        ("provider.changed", "work: sign_ups domains"),
        ("provider.changed", "work: client_id"),
        ("provider.changed", "work: client_secret"),
        ("provider.status_changed", "work: disabled"),
        ("provider.status_changed", "work: active"),
        ("provider.status_changed", "work: deleted"),
        ("provider.added", "work"),
    ];
    assert_eq!(
        trail,
        expected.map(|(event, detail)| (event.to_owned(), detail.to_owned()))
    );
}

#[test]
fn what_cannot_work_is_told_by_the_options_of_the_command_line() {
    let it = Installation::with_provider();
    let admin = &it.admin;
    let draft = ProviderDraft {
        preset: Preset::by_word("github"),
        client_id: Some("x".to_owned()),
        ..ProviderDraft::default()
    };
    let lacking = admin.provider_add((TENANT, "gh"), draft, None);
    assert!(told(lacking).starts_with("--client-secret-stdin: it is missing"));
    for slug in ["", "Work", "a b", "-a", "a/b"] {
        let refused = admin.provider_add((TENANT, slug), openid(), None);
        assert!(told(refused).contains("lower-case letters"), "{slug:?}");
    }
    assert!(told(admin.provider_add(WORK, openid(), None)).contains("already exists"));
    assert!(told(admin.provider_add(("nope", "x"), openid(), None)).contains("no tenant"));
    let change = ProviderDraft {
        domains: Some(vec!["@example.com".to_owned()]),
        name: Some(String::new()),
        ..ProviderDraft::default()
    };
    let refused = told(admin.provider_change(WORK, change));
    assert!(
        refused.starts_with("--domain: `@example.com`") && refused.contains("\n--name: "),
        "{refused}"
    );
    assert!(told(admin.provider_set_secret(WORK, secret(" "))).contains("it is empty"));
    assert!(told(admin.provider_set_status(WORK, OwnerStatus::Active)).contains("nothing to do"));
    assert_eq!(it.trail().len(), 1, "a refusal leaves nothing behind");
}

fn configured(name: &str, change: impl FnOnce(&mut ProviderDraft)) -> ConfiguredProvider {
    let mut draft = openid();
    change(&mut draft);
    ConfiguredProvider {
        tenant: TENANT.to_owned(),
        slug: name.to_owned(),
        checked: draft.complete(name).unwrap(),
        secret: secret("hunter2"),
    }
}

#[test]
fn the_database_says_what_the_configuration_says() {
    let it = Installation::new();
    let admin = &it.admin;
    let first = configured("work", |_| {});
    assert_eq!(admin.provider_reconcile(&first).unwrap(), Reconciled::Added);
    assert_eq!(admin.provider_reconcile(&first).unwrap(), Reconciled::Same);
    let stored = admin.provider_show(WORK).unwrap();
    assert!(stored.provider.configured && stored.has_client_secret);
    let mut second = configured("work", |draft| {
        draft.email_fallback = Some(EmailFallback::Off)
    });
    second.secret = secret("another");
    assert_eq!(
        admin.provider_reconcile(&second).unwrap(),
        Reconciled::Changed
    );
    assert_eq!(admin.provider_reconcile(&second).unwrap(), Reconciled::Same);
    let stored = admin.provider_show(WORK).unwrap().provider;
    assert_eq!(stored.settings.policy.email_fallback, EmailFallback::Off);
    let details: Vec<String> = it.trail().into_iter().map(|(_, detail)| detail).collect();
    let expected = [
        "work, by the configuration",
        "work: email_fallback client_secret, by the configuration",
    ];
    assert_eq!(details, expected);
    // A provider that was made here is taken over.
    admin
        .provider_add((TENANT, "home"), openid(), secret("hunter2"))
        .unwrap();
    let own = configured("home", |_| {});
    assert_eq!(admin.provider_reconcile(&own).unwrap(), Reconciled::Changed);
    // What is another provider now is so for those, too, who are signed in.
    let before = admin.provider_show(WORK).unwrap().provider.epoch;
    let mut third = configured("work", |draft| {
        draft.email_fallback = Some(EmailFallback::Off);
        draft.client_id = Some("curfew-2".to_owned());
    });
    third.secret = secret("another");
    admin.provider_reconcile(&third).unwrap();
    let after = admin.provider_show(WORK).unwrap().provider.epoch;
    assert_eq!(after, before + 1);
    admin.provider_reconcile(&second).unwrap();
    // What it is disabled to stays.
    admin
        .provider_set_status(WORK, OwnerStatus::Disabled)
        .unwrap();
    assert_eq!(admin.provider_reconcile(&second).unwrap(), Reconciled::Same);
    assert_eq!(
        admin.provider_show(WORK).unwrap().provider.status,
        OwnerStatus::Disabled
    );
}

#[test]
fn the_people_of_one_kind_are_not_those_of_another() {
    let it = Installation::new();
    it.admin
        .provider_reconcile(&configured("work", |_| {}))
        .unwrap();
    let github = configured("work", |draft| {
        draft.preset = Preset::by_word("github");
        draft.issuer = IssuerWords::default();
    });
    let refused = told(it.admin.provider_reconcile(&github));
    assert!(refused.contains("[upstream.work]"), "{refused}");
}

/// What is done well or badly.
type Act<'a> = &'a dyn Fn(bool) -> Result<(), AdminError>;

#[test]
fn what_vanished_from_the_configuration_is_changed_here_and_a_refusal_leaves_it_as_it_is() {
    let it = Installation::new();
    let admin = &it.admin;
    let described = configured("work", |_| {});
    let name = ProviderName {
        tenant: TENANT.to_owned(),
        slug: "work".to_owned(),
    };
    let vanished = || admin.providers_vanished(&[]).unwrap();
    let change = |name: &str| {
        let draft = ProviderDraft {
            name: Some(name.to_owned()),
            ..ProviderDraft::default()
        };
        admin.provider_change(WORK, draft).map(drop)
    };
    let acts: [(Act<'_>, &str); 2] = [
        (&|good| change(if good { "Work" } else { "" }), "name"),
        (
            &|good| admin.provider_set_secret(WORK, secret(if good { "s" } else { " " })),
            "client_secret",
        ),
    ];
    for (act, part) in acts {
        admin.provider_reconcile(&described).unwrap();
        assert_eq!(
            admin
                .providers_vanished(std::slice::from_ref(&described))
                .unwrap(),
            []
        );
        let before = it.trail().len();
        told(act(false));
        assert_eq!(it.trail().len(), before);
        assert_eq!(vanished(), std::slice::from_ref(&name));
        act(true).unwrap();
        assert_eq!(vanished(), []);
        // The rows of one transaction have no order among them.
        let told: BTreeSet<String> = it
            .trail()
            .drain(before..)
            .map(|(_, detail)| detail)
            .collect();
        let expected = ["no longer in the configuration", part];
        assert_eq!(told, expected.map(|what| format!("work: {what}")).into());
    }
    admin.provider_reconcile(&described).unwrap();
    for (next, kept) in [
        (OwnerStatus::Disabled, true),
        (OwnerStatus::Active, true),
        (OwnerStatus::Deleted, false),
    ] {
        let stored = admin.provider_show(WORK).unwrap().provider;
        admin.provider_set_status(WORK, next).unwrap();
        let id = stored.id;
        let stored = admin.read(|read| Ok(read.provider(id)?)).unwrap().unwrap();
        assert_eq!(stored.configured, kept, "{next}");
    }
}

#[test]
fn b51_dangerous_providers_are_found_while_they_are_active() {
    let it = Installation::new();
    let dangerous = ProviderDraft {
        dangerous_sign_in_by_email: Some(true),
        ..openid()
    };
    it.admin.provider_add(WORK, dangerous, None).unwrap();
    it.admin
        .provider_add((TENANT, "home"), openid(), None)
        .unwrap();
    let found = it.admin.providers_dangerous().unwrap();
    assert_eq!(
        found
            .iter()
            .map(|name| name.slug.as_str())
            .collect::<Vec<_>>(),
        ["work"]
    );
    it.admin
        .provider_set_status(WORK, OwnerStatus::Disabled)
        .unwrap();
    assert_eq!(it.admin.providers_dangerous().unwrap(), []);
}

fn bound(it: &Installation, username: &str, issuer: &str, subject: &str) {
    let [username, issuer, subject] = [username, issuer, subject].map(str::to_owned);
    let template = it.admin.entry(AuditEvent::IdentityLinked);
    let done = it.admin.write(move |write| {
        let owner = tenant(write, TENANT)?;
        let own = provider(write, owner.id, "work")?;
        let user_id = match write.user_by_username(owner.id, &username)? {
            Some(user) => user.id,
            None => write.user_insert(&curfew_store::users::NewUser {
                tenant_id: owner.id,
                username: username.clone(),
                name: username.clone(),
                email: None,
                email_key: None,
                email_origin: curfew_policy::status::EmailOrigin::Stated,
                quarantined: false,
                administrator: false,
                password_hash: None,
            })?,
        };
        write.link_insert(&NewLink {
            provider_id: own.id,
            user_id,
            subject: Some(Subject {
                issuer: issuer.clone(),
                subject: subject.clone(),
            }),
            display: String::new(),
        })?;
        write.audit(&template)?;
        Ok(())
    });
    done.unwrap();
}

#[test]
fn b17_links_move_with_the_issuer_in_one_audited_step() {
    const NEW: &str = "https://id.example.com/";
    let it = Installation::with_provider();
    let admin = &it.admin;
    bound(&it, "ada", ISSUER, "1");
    bound(&it, "bob", ISSUER, "2");
    assert!(told(admin.provider_rebind(WORK, (ISSUER, ISSUER), false)).contains("the same"));
    let elsewhere = admin.provider_rebind(WORK, ("https://a.example", "https://b.example"), false);
    assert!(told(elsewhere).contains("neither of the two"));
    assert!(
        told(admin.provider_rebind(WORK, (ISSUER, "http://id.example.com"), false))
            .contains("cannot be an issuer")
    );
    let before = it.trail().len();
    let dry = admin.provider_rebind(WORK, (ISSUER, NEW), true).unwrap();
    assert_eq!(
        dry,
        Rebound {
            links: 2,
            dry_run: true
        }
    );
    assert_eq!(admin.provider_show(WORK).unwrap().provider.issuer, ISSUER);
    assert_eq!(it.trail().len(), before);
    let done = admin.provider_rebind(WORK, (ISSUER, NEW), false).unwrap();
    assert_eq!(
        done,
        Rebound {
            links: 2,
            dry_run: false
        }
    );
    let provider = admin.provider_show(WORK).unwrap().provider;
    assert_eq!((provider.issuer.as_str(), provider.epoch), (NEW, 1));
    let told_last = it.trail().pop().unwrap();
    assert_eq!(told_last.0, "provider.rebound");
    assert_eq!(told_last.1, format!("work: 2 links from {ISSUER} to {NEW}"));
    // Whoever was bound under both is named, and nothing moves.
    bound(&it, "carol", ISSUER, "1");
    for dry_run in [true, false] {
        let refused = told(admin.provider_rebind(WORK, (ISSUER, NEW), dry_run));
        assert!(
            refused.contains("curfew user unlink") && !refused.contains("more, which"),
            "{refused}"
        );
    }
    for number in 10..32 {
        for issuer in [ISSUER, NEW] {
            bound(&it, "dan", issuer, &number.to_string());
        }
    }
    let refused = told(admin.provider_rebind(WORK, (ISSUER, NEW), true));
    assert_eq!(refused.matches("curfew user unlink").count(), 20);
    assert!(refused.contains("\n  and 3 more, "), "{refused}");
}
