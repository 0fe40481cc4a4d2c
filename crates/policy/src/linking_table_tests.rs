//! The decisions that the requirements name, one a line.

use super::*;

/// A provider as it is when an administrator decides nothing, with sign-ups on, so that a refusal is one for its own sake.
fn policy() -> ProviderPolicy {
    ProviderPolicy {
        sign_ups: SignUps::On,
        ..ProviderPolicy::default()
    }
}

fn verified() -> EmailFact {
    EmailFact::Verified {
        key: "a@corp.example".to_owned(),
    }
}

/// An account that an administrator made: no link, no password, no factor.
const UNTOUCHED: AccountFacts = AccountFacts {
    user: OWNER,
    status: UserStatus::Active,
    here: LinkHere::None,
    ever_linked: false,
    has_password: false,
    has_factor: false,
};

const LINK: LinkFacts = LinkFacts {
    user: ME,
    user_status: UserStatus::Active,
    link_status: OwnerStatus::Active,
};

/// A login with a verified address that changes `change`.
fn login(change: impl FnOnce(&mut Facts<'_>, &mut ProviderPolicy)) -> Decision {
    let (mut policy, nobody) = (policy(), ProviderPolicy::default());
    let mut facts = Facts {
        purpose: Purpose::SignIn,
        link: None,
        email: verified(),
        account: None,
        policy: &nobody,
    };
    change(&mut facts, &mut policy);
    decide(&Facts {
        policy: &policy,
        ..facts
    })
}

/// A login with the verified address of `account`.
fn meets(
    account: AccountFacts,
    change: impl FnOnce(&mut Facts<'_>, &mut ProviderPolicy),
) -> Decision {
    login(|facts, policy| {
        facts.account = Some(account);
        change(facts, policy);
    })
}

/// A login of the subject of `link`.
fn returns(link: LinkFacts, change: impl FnOnce(&mut Facts<'_>, &mut ProviderPolicy)) -> Decision {
    login(|facts, policy| {
        facts.link = Some(link);
        change(facts, policy);
    })
}

const SIGN_IN: Decision = Decision::SignIn {
    user: ME,
    by: FoundBy::Subject,
};

fn bind(legacy: Option<LinkId>) -> Decision {
    Decision::BindAndSignIn {
        user: OWNER,
        legacy,
    }
}

fn proof(legacy: Option<LinkId>) -> Decision {
    Decision::AskProof {
        user: OWNER,
        legacy,
    }
}

fn with(change: impl FnOnce(&mut AccountFacts)) -> AccountFacts {
    let mut account = UNTOUCHED;
    change(&mut account);
    account
}

/// One line of the table: what happens, what is decided, and what should be.
type Line = (&'static str, Decision, Decision);

fn holds(lines: &[Line]) {
    for (what, decided, expected) in lines {
        assert_eq!(decided, expected, "{what}");
    }
}

#[test]
fn a05_a06_a09_a_bound_subject_is_signed_in_unless_account_or_link_is_out_of_order() {
    use LinkRefusal::{AccountDeleted, AccountSuspended, LinkDisabled};
    let user = |user_status| LinkFacts {
        user_status,
        ..LINK
    };
    let link = |link_status| LinkFacts {
        link_status,
        ..LINK
    };
    holds(&[
        ("an active account", returns(LINK, |_, _| ()), SIGN_IN),
        (
            "a dormant account wakes",
            returns(user(UserStatus::Dormant), |_, _| ()),
            SIGN_IN,
        ),
        (
            "a suspended account",
            returns(user(UserStatus::Suspended), |_, _| ()),
            refuse(AccountSuspended),
        ),
        (
            "a deleted account, sign-ups on: no new one is made",
            returns(user(UserStatus::Deleted), |_, _| ()),
            refuse(AccountDeleted),
        ),
        (
            "a disabled link",
            returns(link(OwnerStatus::Disabled), |_, _| ()),
            refuse(LinkDisabled),
        ),
        (
            "no sign-ups",
            returns(LINK, |_, p| p.sign_ups = SignUps::Off),
            SIGN_IN,
        ),
    ]);
}

#[test]
fn b05_b32_b33_b34_the_address_of_a_bound_subject_is_not_looked_at() {
    holds(&[
        (
            "B05: nothing is said",
            returns(LINK, |f, _| f.email = EmailFact::Unstated),
            SIGN_IN,
        ),
        (
            "B33: it changed and is not verified",
            returns(LINK, |f, _| f.email = EmailFact::Denied),
            SIGN_IN,
        ),
        (
            "B32, B34: it is another account's now",
            returns(LINK, |f, _| f.account = Some(UNTOUCHED)),
            SIGN_IN,
        ),
        (
            "there is none",
            returns(LINK, |f, _| f.email = EmailFact::None),
            SIGN_IN,
        ),
    ]);
}

/// The issuer is a part of the subject: under a new issuer, or with the number of another GitHub account, the same person is another
/// subject. So is whoever bought the domain (B35), and the same person with a second identity (B28).
#[test]
fn b01_b02_b28_b35_another_subject_never_gets_a_bound_account() {
    use LinkRefusal::IdentityAlreadyBound;
    let bound = with(|a| {
        a.here = LinkHere::Bound;
        a.ever_linked = true;
    });
    let refused = refuse(IdentityAlreadyBound);
    holds(&[
        (
            "B01: sign-ups off",
            meets(bound, |_, p| p.sign_ups = SignUps::Off),
            refused,
        ),
        ("B02: sign-ups on", meets(bound, |_, _| ()), refused),
        (
            "invitations",
            meets(bound, |_, p| p.sign_ups = SignUps::Invite),
            refused,
        ),
        (
            "B35: the domain is on the list",
            meets(bound, |_, p| p.domains = vec!["corp.example".into()]),
            refused,
        ),
        (
            "imported links are filled",
            meets(bound, |_, p| p.legacy_links = LegacyLinks::Backfill),
            refused,
        ),
        (
            "a dormant account",
            meets(
                AccountFacts {
                    status: UserStatus::Dormant,
                    ..bound
                },
                |_, _| (),
            ),
            refused,
        ),
    ]);
}

#[test]
fn b36_an_account_that_had_a_link_is_not_found_by_its_address_again() {
    let removed = with(|a| {
        a.here = LinkHere::Removed;
        a.ever_linked = true;
    });
    let elsewhere = with(|a| a.ever_linked = true);
    holds(&[
        (
            "the link was here",
            meets(removed, |_, _| ()),
            refuse(LinkRefusal::IdentityAlreadyBound),
        ),
        (
            "the link was elsewhere",
            meets(elsewhere, |_, _| ()),
            proof(None),
        ),
    ]);
}

#[test]
fn b11_b12_b38_a_first_link_is_silent_only_for_an_untouched_account() {
    holds(&[
        ("B11: untouched", meets(UNTOUCHED, |_, _| ()), bind(None)),
        (
            "B11: untouched, no sign-ups",
            meets(UNTOUCHED, |_, p| p.sign_ups = SignUps::Off),
            bind(None),
        ),
        (
            "B12, B38: a password",
            meets(with(|a| a.has_password = true), |_, _| ()),
            proof(None),
        ),
        (
            "B12: a factor",
            meets(with(|a| a.has_factor = true), |_, _| ()),
            proof(None),
        ),
        (
            "B12: a link to another provider",
            meets(with(|a| a.ever_linked = true), |_, _| ()),
            proof(None),
        ),
        (
            "untouched, but always confirm",
            meets(UNTOUCHED, |_, p| p.email_fallback = EmailFallback::Confirm),
            proof(None),
        ),
        (
            "untouched, but no fallback",
            meets(UNTOUCHED, |_, p| p.email_fallback = EmailFallback::Off),
            refuse(LinkRefusal::AccountExists),
        ),
        (
            "suspended",
            meets(with(|a| a.status = UserStatus::Suspended), |_, _| ()),
            refuse(LinkRefusal::AccountSuspended),
        ),
    ]);
}

#[test]
fn b13_b16_an_imported_link_waits_for_a_proof_unless_it_is_to_be_filled() {
    let legacy = with(|a| {
        a.here = LinkHere::Legacy(LEGACY);
        a.ever_linked = true;
        a.has_password = true;
    });
    let set = |legacy_links| meets(legacy, move |_, p| p.legacy_links = legacy_links);
    holds(&[
        (
            "B16: the default",
            meets(legacy, |_, _| ()),
            proof(Some(LEGACY)),
        ),
        (
            "B13: backfill",
            set(LegacyLinks::Backfill),
            bind(Some(LEGACY)),
        ),
        (
            "refuse",
            set(LegacyLinks::Refuse),
            refuse(LinkRefusal::LegacyLinkRefused),
        ),
        (
            "backfill, and the address is not verified",
            meets(legacy, |f, p| {
                p.legacy_links = LegacyLinks::Backfill;
                f.email = EmailFact::Denied;
            }),
            refuse(LinkRefusal::EmailNotVerified),
        ),
    ]);
}

#[test]
fn b04_b05_b47_without_a_verified_address_one_is_somebody_new() {
    use LinkRefusal::{EmailNotVerified, InvitationNeeded, SignUpsOff};
    let say = |email: EmailFact, sign_ups| {
        meets(UNTOUCHED, move |f, p| {
            f.email = email;
            p.sign_ups = sign_ups;
        })
    };
    holds(&[
        (
            "B04: not verified",
            say(EmailFact::Denied, SignUps::On),
            refuse(EmailNotVerified),
        ),
        (
            "B05: nothing is said",
            say(EmailFact::Unstated, SignUps::On),
            Decision::Create,
        ),
        (
            "no address",
            say(EmailFact::None, SignUps::On),
            Decision::Create,
        ),
        (
            "B47: no address, no sign-ups",
            say(EmailFact::None, SignUps::Off),
            refuse(SignUpsOff),
        ),
        (
            "B47: a verified address that nobody has, no sign-ups",
            login(|_, p| p.sign_ups = SignUps::Off),
            refuse(SignUpsOff),
        ),
        (
            "a verified address that nobody has, invitations",
            login(|_, p| p.sign_ups = SignUps::Invite),
            refuse(InvitationNeeded),
        ),
        (
            "a verified address that nobody has",
            login(|_, _| ()),
            Decision::Create,
        ),
    ]);
}

#[test]
fn b51_the_dangerous_setting_signs_in_by_address_and_binds_nothing() {
    let dangerous = |account: AccountFacts, email: EmailFact| {
        meets(account, move |f, p| {
            f.email = email;
            p.dangerous_sign_in_by_email = true;
        })
    };
    let signed_in = Decision::SignIn {
        user: OWNER,
        by: FoundBy::DangerousEmail,
    };
    holds(&[
        (
            "bound to another subject",
            dangerous(with(|a| a.here = LinkHere::Bound), verified()),
            signed_in,
        ),
        (
            "an imported link stays empty",
            dangerous(with(|a| a.here = LinkHere::Legacy(LEGACY)), verified()),
            signed_in,
        ),
        (
            "not verified",
            dangerous(UNTOUCHED, EmailFact::Denied),
            refuse(LinkRefusal::EmailNotVerified),
        ),
        (
            "nothing is said",
            dangerous(UNTOUCHED, EmailFact::Unstated),
            Decision::Create,
        ),
        (
            "suspended",
            dangerous(with(|a| a.status = UserStatus::Suspended), verified()),
            refuse(LinkRefusal::AccountSuspended),
        ),
        (
            "deleted",
            dangerous(with(|a| a.status = UserStatus::Deleted), verified()),
            refuse(LinkRefusal::AccountDeleted),
        ),
    ]);
}

#[test]
fn b39_who_is_signed_in_confirms_and_takes_nothing_from_others() {
    let by_me = |change: fn(&mut Facts<'_>)| {
        login(move |f, p| {
            f.purpose = Purpose::Link { by: ME };
            p.sign_ups = SignUps::Off;
            change(f);
        })
    };
    let others = LinkFacts {
        user: OTHER,
        ..LINK
    };
    assert_eq!(
        by_me(|_| ()),
        Decision::ConfirmLink { user: ME },
        "nobody has it"
    );
    holds(&[
        (
            "B28: the address is another account's",
            by_me(|f| f.account = Some(UNTOUCHED)),
            Decision::ConfirmLink { user: ME },
        ),
        (
            "the address is not verified",
            by_me(|f| f.email = EmailFact::Denied),
            Decision::ConfirmLink { user: ME },
        ),
        (
            "mine already",
            by_me(|f| f.link = Some(LINK)),
            Decision::AlreadyLinked { user: ME },
        ),
        (
            "somebody else's",
            login(|f, _| {
                f.purpose = Purpose::Link { by: ME };
                f.link = Some(others);
            }),
            refuse(LinkRefusal::IdentityBoundElsewhere),
        ),
    ]);
}

#[test]
fn an_invitation_binds_the_invited_account_and_no_other() {
    let invited = |link: Option<LinkFacts>, sign_ups| {
        login(move |f, p| {
            f.purpose = Purpose::Invitation { user: ME };
            f.link = link;
            p.sign_ups = sign_ups;
        })
    };
    let bound = Decision::BindAndSignIn {
        user: ME,
        legacy: None,
    };
    let others = LinkFacts {
        user: OTHER,
        ..LINK
    };
    holds(&[
        ("sign-ups on", invited(None, SignUps::On), bound),
        ("invitations", invited(None, SignUps::Invite), bound),
        (
            "no sign-ups",
            invited(None, SignUps::Off),
            refuse(LinkRefusal::SignUpsOff),
        ),
        (
            "came before, no sign-ups",
            invited(Some(LINK), SignUps::Off),
            SIGN_IN,
        ),
        (
            "is somebody else",
            invited(Some(others), SignUps::Invite),
            refuse(LinkRefusal::IdentityBoundElsewhere),
        ),
    ]);
}

#[test]
fn b35_b45_the_domain_list_takes_away_and_never_gives() {
    use LinkRefusal::{EmailDomainNotAllowed, EmailNotVerified};
    let listed = |p: &mut ProviderPolicy| p.domains = vec!["corp.example".into()];
    let outside = || EmailFact::Verified {
        key: "a@elsewhere.example".to_owned(),
    };
    holds(&[
        (
            "a bound subject of the domain",
            returns(LINK, |_, p| listed(p)),
            SIGN_IN,
        ),
        (
            "a bound subject of another domain",
            returns(LINK, |f, p| {
                listed(p);
                f.email = outside();
            }),
            refuse(EmailDomainNotAllowed),
        ),
        (
            "a bound subject whose address is not verified",
            returns(LINK, |f, p| {
                listed(p);
                f.email = EmailFact::Unstated;
            }),
            refuse(EmailNotVerified),
        ),
        (
            "somebody new of the domain, no sign-ups",
            login(|_, p| {
                listed(p);
                p.sign_ups = SignUps::Off;
            }),
            refuse(LinkRefusal::SignUpsOff),
        ),
        (
            "who adds an identity of another domain",
            login(|f, p| {
                listed(p);
                f.purpose = Purpose::Link { by: ME };
                f.email = outside();
            }),
            refuse(EmailDomainNotAllowed),
        ),
    ]);
}
