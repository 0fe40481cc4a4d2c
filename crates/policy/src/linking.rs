//! Who is it that comes back from an upstream provider? The one place that says so.
//!
//! Everything here is a function of its facts: the store finds them, the caller carries out what is decided, and nobody else has an
//! opinion. An administrator sets the rules of each provider in its [`ProviderPolicy`]; this is how they are read, and the first
//! rule that applies decides:
//!
//! 1. **The domain list.** If the provider has one, only people with a verified address in one of its domains get any further, at
//!    every login. The domain alone lets nobody in: it takes away and never gives.
//! 2. **The subject.** If the provider's issuer and subject are bound to an account, that account is the one, whatever the address
//!    is, whoever owns it, and whatever has become of it. A deleted or suspended account and a disabled link are refused; a dormant
//!    account wakes. The address of somebody who is bound is never looked at again.
//! 3. **Nobody is bound, and somebody signed in asked to add the identity** on the account page: they are asked to confirm it.
//! 4. **Nobody is bound, and the person came from an invitation:** the identity is bound to the invited account, unless sign-ups are
//!    `off`.
//! 5. **The address.** From here on only a verified address of an existing account chooses that account. "Verified" is what the
//!    provider says with the JSON value `true`; a provider that says anything else is refused, and one that says nothing has given
//!    no address.
//!    * The account is suspended: refused.
//!    * `dangerous_sign_in_by_email` is set: signed in, and nothing is bound.
//!    * Another subject of this provider is bound to the account, or was until its owner removed it: refused with
//!      `identity_already_bound`, sign-ups on or off. The same person with a second identity adds it on the account page.
//!    * The account was imported with a link that has no subject yet: `legacy_links` decides. `confirm` asks for a proof,
//!      `backfill` binds the first who comes, `refuse` refuses.
//!    * `email_fallback` is `off`: refused with `account_exists`. It is `confirm`: a proof is asked for.
//!    * It is `first_link`: an account that never had a link, a password or a factor, one that an administrator or provisioning made,
//!      is bound at once. For any other a proof is asked for.
//! 6. **Somebody new.** `sign_ups` decides: an account is made, or the person is told that there are no sign-ups, or that an
//!    invitation is needed.
//!
//! A *proof* is the mailbox of the account, or a live session of it in the same browser.

use curfew_protocol::upstream::{EmailClaims, EmailVerified};
use curfew_protocol::{LinkId, UserId};

use crate::email::{canonical, canonical_domain};
use crate::status::{OwnerStatus, UserStatus};
use crate::upstream::{EmailFallback, LegacyLinks, ProviderPolicy, SignUps};

/// Why the person went to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    SignIn,
    /// `by` is signed in and adds an identity to the own account.
    Link {
        by: UserId,
    },
    /// With the secret of an invitation to `user`, which is redeemed in the same transaction and only for an account in order.
    Invitation {
        user: UserId,
    },
}

/// The link with exactly this provider, issuer and subject. Links that were removed are not found; those of deleted users are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkFacts {
    pub user: UserId,
    pub user_status: UserStatus,
    pub link_status: OwnerStatus,
}

/// What the provider says about the address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EmailFact {
    /// There is none that could be used.
    None,
    /// There is one, and nothing is said about whose it is.
    Unstated,
    /// There is one, and the provider does not say that it is verified, although it says something.
    Denied,
    /// It is verified. `key` is its canonical form.
    Verified { key: String },
}

impl EmailFact {
    /// Reads the claims of one object by the rules of the provider.
    pub fn of(claims: &EmailClaims, policy: &ProviderPolicy) -> Self {
        let Some(email) = claims.email.as_deref() else {
            return Self::None;
        };
        let verified = match claims.verified {
            EmailVerified::No => return Self::Denied,
            EmailVerified::Text if !policy.email_verified_as_text => return Self::Denied,
            EmailVerified::Absent => false,
            EmailVerified::Yes | EmailVerified::Text => true,
        };
        match canonical(email) {
            None => Self::None,
            Some(key) if verified => Self::Verified { key },
            Some(_) => Self::Unstated,
        }
    }
}

/// What binds an account to the provider of this login, whatever binds it to others (B54).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkHere {
    None,
    /// Another subject.
    Bound,
    /// An imported link without a subject.
    Legacy(LinkId),
    /// A link that is gone.
    Removed,
}

/// The account, not deleted, whose canonical address is the verified one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountFacts {
    pub user: UserId,
    pub status: UserStatus,
    pub here: LinkHere,
    /// It has or had a link to any provider.
    pub ever_linked: bool,
    pub has_password: bool,
    pub has_factor: bool,
}

/// All that the decision depends on.
#[derive(Clone, Debug)]
pub struct Facts<'p> {
    pub purpose: Purpose,
    pub link: Option<LinkFacts>,
    pub email: EmailFact,
    /// Looked up for a verified address only, and not looked at for any other.
    pub account: Option<AccountFacts>,
    pub policy: &'p ProviderPolicy,
}

/// How an account was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FoundBy {
    Subject,
    /// By `dangerous_sign_in_by_email`; every such login is marked in the audit trail (B51).
    DangerousEmail,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    SignIn {
        user: UserId,
        by: FoundBy,
    },
    /// Store the link, or fill the empty one if it is still empty, and sign in.
    BindAndSignIn {
        user: UserId,
        legacy: Option<LinkId>,
    },
    /// Make an account with a link.
    Create,
    /// Ask for the mailbox or a live session of `user`, and bind only then.
    AskProof {
        user: UserId,
        legacy: Option<LinkId>,
    },
    /// Ask the signed-in `user` to confirm the new link.
    ConfirmLink {
        user: UserId,
    },
    /// Nothing to do: the signed-in `user` has this identity already.
    AlreadyLinked {
        user: UserId,
    },
    Refuse(LinkRefusal),
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkRefusal {
    AccountDeleted,
    AccountSuspended,
    LinkDisabled,
    EmailNotVerified,
    EmailDomainNotAllowed,
    IdentityAlreadyBound,
    IdentityBoundElsewhere,
    LegacyLinkRefused,
    AccountExists,
    SignUpsOff,
    InvitationNeeded,
}

impl LinkRefusal {
    pub const ALL: &'static [Self] = &[
        Self::AccountDeleted,
        Self::AccountSuspended,
        Self::LinkDisabled,
        Self::EmailNotVerified,
        Self::EmailDomainNotAllowed,
        Self::IdentityAlreadyBound,
        Self::IdentityBoundElsewhere,
        Self::LegacyLinkRefused,
        Self::AccountExists,
        Self::SignUpsOff,
        Self::InvitationNeeded,
    ];

    /// The stable word on the page, in the log and in the audit trail.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountDeleted => "account_deleted",
            Self::AccountSuspended => "account_suspended",
            Self::LinkDisabled => "link_disabled",
            Self::EmailNotVerified => "email_not_verified",
            Self::EmailDomainNotAllowed => "email_domain_not_allowed",
            Self::IdentityAlreadyBound => "identity_already_bound",
            Self::IdentityBoundElsewhere => "identity_bound_elsewhere",
            Self::LegacyLinkRefused => "legacy_link_refused",
            Self::AccountExists => "account_exists",
            Self::SignUpsOff => "sign_ups_off",
            Self::InvitationNeeded => "invitation_needed",
        }
    }
}

/// Applies the rules in the order of the list above.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let decided = within_domains(facts).and_then(|()| match (facts.link, facts.purpose) {
        (Some(link), purpose) => by_subject(link, purpose),
        (None, Purpose::Link { by }) => Ok(Decision::ConfirmLink { user: by }),
        (None, Purpose::Invitation { user }) => by_invitation(user, facts.policy),
        (None, Purpose::SignIn) => by_address(facts),
    });
    decided.unwrap_or_else(Decision::Refuse)
}

/// Rule 1.
fn within_domains(facts: &Facts<'_>) -> Result<(), LinkRefusal> {
    let domains = &facts.policy.domains;
    match &facts.email {
        _ if domains.is_empty() => Ok(()),
        EmailFact::Verified { key } if domain_allowed(key, domains) => Ok(()),
        EmailFact::Verified { .. } => Err(LinkRefusal::EmailDomainNotAllowed),
        EmailFact::None | EmailFact::Unstated | EmailFact::Denied => {
            Err(LinkRefusal::EmailNotVerified)
        }
    }
}

/// Rule 2.
fn by_subject(link: LinkFacts, purpose: Purpose) -> Result<Decision, LinkRefusal> {
    let user = link.user;
    let expected = match purpose {
        Purpose::SignIn => user,
        Purpose::Link { by } => by,
        Purpose::Invitation { user } => user,
    };
    if user != expected {
        return Err(LinkRefusal::IdentityBoundElsewhere);
    }
    in_order(link.user_status)?;
    match (link.link_status, purpose) {
        (OwnerStatus::Disabled | OwnerStatus::Deleted, _) => Err(LinkRefusal::LinkDisabled),
        (OwnerStatus::Active, Purpose::Link { .. }) => Ok(Decision::AlreadyLinked { user }),
        (OwnerStatus::Active, Purpose::SignIn | Purpose::Invitation { .. }) => {
            let by = FoundBy::Subject;
            Ok(Decision::SignIn { user, by })
        }
    }
}

/// May the account be signed in to?
fn in_order(status: UserStatus) -> Result<(), LinkRefusal> {
    match status {
        UserStatus::Active | UserStatus::Dormant => Ok(()),
        UserStatus::Suspended => Err(LinkRefusal::AccountSuspended),
        UserStatus::Deleted => Err(LinkRefusal::AccountDeleted),
    }
}

/// Rule 4.
fn by_invitation(user: UserId, policy: &ProviderPolicy) -> Result<Decision, LinkRefusal> {
    match policy.sign_ups {
        SignUps::On | SignUps::Invite => Ok(Decision::BindAndSignIn { user, legacy: None }),
        SignUps::Off => Err(LinkRefusal::SignUpsOff),
    }
}

/// Rule 5, and rule 6 when the address chooses nobody.
fn by_address(facts: &Facts<'_>) -> Result<Decision, LinkRefusal> {
    match (&facts.email, facts.account) {
        (EmailFact::Denied, _) => Err(LinkRefusal::EmailNotVerified),
        (EmailFact::Verified { .. }, Some(account)) => to_account(account, facts.policy),
        (EmailFact::Verified { .. }, None) | (EmailFact::None | EmailFact::Unstated, _) => {
            somebody_new(facts.policy)
        }
    }
}

/// The verified address chose `account`.
fn to_account(account: AccountFacts, policy: &ProviderPolicy) -> Result<Decision, LinkRefusal> {
    let user = account.user;
    in_order(account.status)?;
    if policy.dangerous_sign_in_by_email {
        let by = FoundBy::DangerousEmail;
        return Ok(Decision::SignIn { user, by });
    }
    let legacy = match account.here {
        LinkHere::Bound | LinkHere::Removed => return Err(LinkRefusal::IdentityAlreadyBound),
        LinkHere::Legacy(link) => Some(link),
        LinkHere::None => None,
    };
    let at_once = match legacy {
        Some(_) => match policy.legacy_links {
            LegacyLinks::Confirm => false,
            LegacyLinks::Backfill => true,
            LegacyLinks::Refuse => return Err(LinkRefusal::LegacyLinkRefused),
        },
        None => match policy.email_fallback {
            EmailFallback::Off => return Err(LinkRefusal::AccountExists),
            EmailFallback::Confirm => false,
            EmailFallback::FirstLink => {
                !account.ever_linked && !account.has_password && !account.has_factor
            }
        },
    };
    Ok(if at_once {
        Decision::BindAndSignIn { user, legacy }
    } else {
        Decision::AskProof { user, legacy }
    })
}

/// Rule 6.
fn somebody_new(policy: &ProviderPolicy) -> Result<Decision, LinkRefusal> {
    match policy.sign_ups {
        SignUps::On => Ok(Decision::Create),
        SignUps::Off => Err(LinkRefusal::SignUpsOff),
        SignUps::Invite => Err(LinkRefusal::InvitationNeeded),
    }
}

/// Is the domain of a canonical address one of `domains`? A whole A-label domain equals a whole A-label domain; neither a part of it
/// nor what stands before it counts (B45).
pub fn domain_allowed(email_key: &str, domains: &[String]) -> bool {
    match email_key.split_once('@') {
        Some((local, domain)) if !local.is_empty() => domains.iter().any(|own| own == domain),
        _ => false,
    }
}

/// A domain as an administrator writes it, in the form that [`domain_allowed`] compares. `None` for what is no domain name of at
/// least two labels: an address, a name with a leading `@`, a pattern.
pub fn parse_domain(text: &str) -> Option<String> {
    canonical_domain(text)
}

#[cfg(test)]
#[path = "linking_tests.rs"]
mod tests;
