//! The decision over every combination of the discrete facts: against a list of rules in plain words, and against what must hold
//! whatever the rules are.

use super::*;

#[path = "linking_email_tests.rs"]
mod email;
#[path = "linking_table_tests.rs"]
mod table;

/// Who signs in, is signed in, or is invited.
const ME: UserId = UserId::from_bytes([1; 16]);
/// Who else may have the identity.
const OTHER: UserId = UserId::from_bytes([2; 16]);
/// Who has the address.
const OWNER: UserId = UserId::from_bytes([3; 16]);
const LEGACY: LinkId = LinkId::from_bytes([4; 16]);

fn purposes() -> [Purpose; 3] {
    [
        Purpose::SignIn,
        Purpose::Link { by: ME },
        Purpose::Invitation { user: ME },
    ]
}

fn links() -> Vec<Option<LinkFacts>> {
    let mut links = vec![None];
    for user in [ME, OTHER] {
        for user_status in UserStatus::ALL {
            for link_status in OwnerStatus::ALL {
                links.push(Some(LinkFacts {
                    user,
                    user_status: *user_status,
                    link_status: *link_status,
                }));
            }
        }
    }
    links
}

fn emails() -> Vec<EmailFact> {
    let verified = |key: &str| EmailFact::Verified { key: key.into() };
    vec![
        EmailFact::None,
        EmailFact::Unstated,
        EmailFact::Denied,
        verified("a@corp.example"),
        verified("a@elsewhere.example"),
    ]
}

fn accounts() -> Vec<Option<AccountFacts>> {
    let mut accounts = vec![None];
    for status in UserStatus::ALL {
        for here in [
            LinkHere::None,
            LinkHere::Bound,
            LinkHere::Legacy(LEGACY),
            LinkHere::Removed,
        ] {
            for bits in 0..8 {
                accounts.push(Some(AccountFacts {
                    user: OWNER,
                    status: *status,
                    here,
                    ever_linked: bits & 1 != 0,
                    has_password: bits & 2 != 0,
                    has_factor: bits & 4 != 0,
                }));
            }
        }
    }
    accounts
}

fn policies() -> Vec<ProviderPolicy> {
    use {EmailFallback as E, LegacyLinks as L, SignUps as S};
    let mut policies: Vec<ProviderPolicy> = Vec::new();
    for email_fallback in [E::Off, E::Confirm, E::FirstLink] {
        for legacy_links in [L::Confirm, L::Backfill, L::Refuse] {
            for sign_ups in [S::On, S::Off, S::Invite] {
                for dangerous_sign_in_by_email in [false, true] {
                    for domains in [vec![], vec!["corp.example".to_owned()]] {
                        // What this decision does not ask for takes turns, and so must not matter.
                        let turn = policies.len();
                        policies.push(ProviderPolicy {
                            email_fallback,
                            legacy_links,
                            sign_ups,
                            dangerous_sign_in_by_email,
                            domains,
                            quarantine: turn.is_multiple_of(2),
                            bind_to_upstream: turn.is_multiple_of(3),
                            email_verified_as_text: turn.is_multiple_of(5),
                        });
                    }
                }
            }
        }
    }
    policies
}

/// Calls `check` with every combination and says how many there were.
fn every_combination(mut check: impl FnMut(&Facts<'_>)) -> usize {
    let (policies, links, accounts) = (policies(), links(), accounts());
    let mut count = 0;
    for policy in &policies {
        for purpose in purposes() {
            for email in emails() {
                let mut facts = Facts {
                    purpose,
                    link: None,
                    email,
                    account: None,
                    policy,
                };
                for link in &links {
                    for account in &accounts {
                        (facts.link, facts.account) = (*link, *account);
                        check(&facts);
                        count += 1;
                    }
                }
            }
        }
    }
    count
}

/// One rule: its words, when it applies, and what it decides.
type Rule = (&'static str, fn(&Facts<'_>) -> bool, Decision);

/// The address is verified and an account has it.
fn chosen(f: &Facts<'_>, is: impl Fn(&AccountFacts) -> bool) -> bool {
    matches!(f.email, EmailFact::Verified { .. }) && f.account.as_ref().is_some_and(is)
}

fn bound(f: &Facts<'_>, is: impl Fn(&LinkFacts) -> bool) -> bool {
    f.link.as_ref().is_some_and(is)
}

fn asked_by_me(f: &Facts<'_>) -> bool {
    f.purpose != Purpose::SignIn
}

fn refuse(refusal: LinkRefusal) -> Decision {
    Decision::Refuse(refusal)
}

/// The rules once more, as a flat list of which the first that applies decides. Where somebody is signed in by the subject, `ME`
/// stands for whoever is bound.
#[rustfmt::skip]
fn rules() -> Vec<Rule> {
    use {Decision::*, EmailFallback as E, LegacyLinks as L, LinkRefusal::*, SignUps as S};
    vec![
        ("a domain list, and no verified address", |f| !f.policy.domains.is_empty() && !matches!(f.email, EmailFact::Verified { .. }), refuse(EmailNotVerified)),
        ("a domain list, and another domain", |f| !f.policy.domains.is_empty() && matches!(&f.email, EmailFact::Verified { key } if key != "a@corp.example"), refuse(EmailDomainNotAllowed)),
        ("bound to somebody else than who asks", |f| asked_by_me(f) && bound(f, |l| l.user == OTHER), refuse(IdentityBoundElsewhere)),
        ("bound to a deleted account", |f| bound(f, |l| l.user_status == UserStatus::Deleted), refuse(AccountDeleted)),
        ("bound to a suspended account", |f| bound(f, |l| l.user_status == UserStatus::Suspended), refuse(AccountSuspended)),
        ("bound by a link that is not in order", |f| bound(f, |l| l.link_status != OwnerStatus::Active), refuse(LinkDisabled)),
        ("bound, and asked to be", |f| bound(f, |_| true) && matches!(f.purpose, Purpose::Link { .. }), AlreadyLinked { user: ME }),
        ("bound", |f| bound(f, |_| true), SignIn { user: ME, by: FoundBy::Subject }),
        ("asked to be bound", |f| matches!(f.purpose, Purpose::Link { .. }), ConfirmLink { user: ME }),
        ("invited, and no sign-ups", |f| asked_by_me(f) && f.policy.sign_ups == S::Off, refuse(SignUpsOff)),
        ("invited", asked_by_me, BindAndSignIn { user: ME, legacy: None }),
        ("an address that is not verified", |f| f.email == EmailFact::Denied, refuse(EmailNotVerified)),
        ("the address of a deleted account", |f| chosen(f, |a| a.status == UserStatus::Deleted), refuse(AccountDeleted)),
        ("the address of a suspended account", |f| chosen(f, |a| a.status == UserStatus::Suspended), refuse(AccountSuspended)),
        ("an address, and the dangerous setting", |f| chosen(f, |_| true) && f.policy.dangerous_sign_in_by_email, SignIn { user: OWNER, by: FoundBy::DangerousEmail }),
        ("the address of a bound account", |f| chosen(f, |a| a.here == LinkHere::Bound), refuse(IdentityAlreadyBound)),
        ("the address of an account that was bound", |f| chosen(f, |a| a.here == LinkHere::Removed), refuse(IdentityAlreadyBound)),
        ("an imported link, to be refused", |f| chosen(f, |a| a.here == LinkHere::Legacy(LEGACY)) && f.policy.legacy_links == L::Refuse, refuse(LegacyLinkRefused)),
        ("an imported link, to be filled", |f| chosen(f, |a| a.here == LinkHere::Legacy(LEGACY)) && f.policy.legacy_links == L::Backfill, BindAndSignIn { user: OWNER, legacy: Some(LEGACY) }),
        ("an imported link", |f| chosen(f, |a| a.here == LinkHere::Legacy(LEGACY)), AskProof { user: OWNER, legacy: Some(LEGACY) }),
        ("an address, and no fallback", |f| chosen(f, |_| true) && f.policy.email_fallback == E::Off, refuse(AccountExists)),
        ("the address of an untouched account", |f| chosen(f, |a| !(a.ever_linked || a.has_password || a.has_factor)) && f.policy.email_fallback == E::FirstLink, BindAndSignIn { user: OWNER, legacy: None }),
        ("the address of an account", |f| chosen(f, |_| true), AskProof { user: OWNER, legacy: None }),
        ("somebody new, and sign-ups", |f| f.policy.sign_ups == S::On, Create),
        ("somebody new, and no sign-ups", |f| f.policy.sign_ups == S::Off, refuse(SignUpsOff)),
        ("somebody new, and invitations", |_| true, refuse(InvitationNeeded)),
    ]
}

#[test]
fn every_combination_of_facts_is_decided_by_the_first_rule_that_applies() {
    let rules = rules();
    let mut applied = vec![0_usize; rules.len()];
    let count = every_combination(|facts| {
        let first = rules.iter().position(|(_, applies, _)| applies(facts));
        let first = first.expect("the last rule applies to everything");
        applied[first] += 1;
        let (words, _, decision) = rules[first];
        let expected = match (decision, facts.link) {
            (Decision::SignIn { by, .. }, Some(link)) => Decision::SignIn {
                user: link.user,
                by,
            },
            (decision, _) => decision,
        };
        assert_eq!(decide(facts), expected, "{words}: {facts:?}");
    });
    assert_eq!(count, 108 * 3 * 5 * 25 * 129);
    for ((words, ..), applied) in rules.iter().zip(applied) {
        assert!(applied > 0, "no combination meets: {words}");
    }
}

/// The account that a decision opens, or may open after a proof.
fn opened(decision: Decision) -> Option<UserId> {
    match decision {
        Decision::SignIn { user, .. }
        | Decision::BindAndSignIn { user, .. }
        | Decision::AskProof { user, .. } => Some(user),
        Decision::Create
        | Decision::ConfirmLink { .. }
        | Decision::AlreadyLinked { .. }
        | Decision::Refuse(_) => None,
    }
}

#[test]
fn a05_a09_whatever_the_rules_a_suspended_or_deleted_account_is_never_opened() {
    every_combination(|facts| {
        let Some(user) = opened(decide(facts)) else {
            return;
        };
        let by_link = facts.link.filter(|link| link.user == user);
        let by_email = facts.account.filter(|account| account.user == user);
        let status = by_link
            .map(|link| link.user_status)
            .or(by_email.map(|account| account.status));
        let in_order = matches!(status, Some(UserStatus::Active | UserStatus::Dormant));
        let invited = facts.purpose == (Purpose::Invitation { user });
        assert!(in_order || (invited && status.is_none()), "{facts:?}");
    });
}

#[test]
fn b01_b02_b36_whatever_the_rules_no_second_subject_is_bound_by_an_address() {
    every_combination(|facts| {
        let Some(account) = facts.account else {
            return;
        };
        if matches!(account.here, LinkHere::Bound | LinkHere::Removed) {
            let decision = decide(facts);
            let dangerous = Decision::SignIn {
                user: OWNER,
                by: FoundBy::DangerousEmail,
            };
            let asked = facts.policy.dangerous_sign_in_by_email && decision == dangerous;
            assert!(asked || opened(decision) != Some(OWNER), "{facts:?}");
        }
    });
}

#[test]
fn b05_b33_b32_an_address_changes_nothing_for_a_bound_subject() {
    let policies = policies();
    let open = policies.iter().filter(|policy| policy.domains.is_empty());
    for policy in open {
        for (purpose, link) in purposes()
            .into_iter()
            .flat_map(|purpose| links().into_iter().map(move |link| (purpose, link)))
            .filter(|(_, link)| link.is_some())
        {
            let plain = Facts {
                purpose,
                link,
                email: EmailFact::None,
                account: None,
                policy,
            };
            let expected = decide(&plain);
            for (email, account) in emails()
                .into_iter()
                .flat_map(|email| accounts().into_iter().map(move |a| (email.clone(), a)))
            {
                let facts = Facts {
                    email,
                    account,
                    ..plain.clone()
                };
                assert_eq!(decide(&facts), expected, "{facts:?}");
            }
        }
    }
}

#[test]
fn b04_b05_an_address_that_is_not_verified_chooses_no_account() {
    every_combination(|facts| {
        if facts.account.is_some() && !matches!(facts.email, EmailFact::Verified { .. }) {
            let without = Facts {
                account: None,
                ..facts.clone()
            };
            assert_eq!(decide(facts), decide(&without), "{facts:?}");
        }
    });
}

#[test]
fn b47_no_account_is_made_where_there_are_no_sign_ups() {
    every_combination(|facts| {
        if decide(facts) == Decision::Create {
            assert_eq!(facts.policy.sign_ups, SignUps::On, "{facts:?}");
            assert_eq!((facts.purpose, facts.link), (Purpose::SignIn, None));
        }
    });
}

#[test]
fn refusals_have_words_of_their_own() {
    let mut codes: Vec<_> = LinkRefusal::ALL.iter().map(|r| r.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), LinkRefusal::ALL.len());
}
