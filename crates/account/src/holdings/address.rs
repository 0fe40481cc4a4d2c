//! The e-mail address of an account: asking for another one, or for the proof of the present one (E11, E10).
//!
//! 1. The session that asks is judged again. Another address wants a fresh sign-in; the proof of the present one does not.
//! 2. A mailed link goes to the address that is to be proved. If another account has it, none does, and nobody is told.
//! 3. The link alone suffices, once, and only under the epochs that it was made under. What it proves is looked at again: an account that
//!    is quarantined proves the address that it has, and gets no other one before.
//! 4. Another address moves the user's epoch: every session and token is over. The browser that is signed in gets a session in place of
//!    the one it had, in the same transaction; the old address is told, with a link that undoes it. Upstream links stay: nothing of them
//!    depends on the address.
//! 5. The proof of the account's own address lifts its quarantine.

use curfew_http::mailed_link::good_link;
use curfew_http::notice::{AddressMail, IdentityChange, IdentityNotice};
use curfew_http::session::{self, StartedSession, signed_in_again};
use curfew_http::sign_in::SignIn;
use curfew_policy::email;
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::{DeathCause, EmailOrigin, OwnerStatus};
use curfew_protocol::{MailedLinkId, NodeId, ParsedToken, TenantId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::mailed_links::{LinkKind, MailedLink};
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use super::{Acting, Actor, Outcome, is_of};

/// What is wanted.
#[derive(Clone, Debug)]
pub enum AddressWish {
    /// Another address; its canonical form is known to exist.
    Change(String),
    /// The proof of the present one.
    Confirm,
}

/// Why no link is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressAskRefusal {
    SignedOut,
    /// The sign-in is not fresh.
    Stale,
    /// It is the account's, and proved.
    Unchanged,
    /// The account must prove the address that it has first.
    Quarantined,
    /// There is none to be proved.
    NoAddress,
}

/// A link that was followed, and the browser it was followed in.
pub struct AddressProof {
    pub tenant_id: TenantId,
    pub presented: ParsedToken,
    /// The session of this browser, whosever it is.
    pub session_id: Option<NodeId>,
    pub rules: LifetimeRules,
    pub notice: Option<IdentityNotice>,
    pub origin: Origin,
}

/// What came of it.
#[derive(Debug)]
pub struct AddressSet {
    /// It was another address before.
    pub changed: bool,
    pub quarantine_lifted: bool,
    /// In place of the session that this browser had.
    pub renewed: Option<StartedSession>,
}

/// Why no address was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRefusal {
    /// The link is used, expired, unknown, foreign or overtaken by events; nobody is told which.
    LinkIsDead,
    /// Another account has it; the link is not used up.
    Taken,
}

/// Asks for the proof of an address.
pub fn address_ask(
    write: &mut Write<'_>,
    (actor, rules): (&Actor, &LifetimeRules),
    wish: &AddressWish,
    mail: &AddressMail,
) -> Outcome<(), AddressAskRefusal> {
    let user = write.user(actor.user_id)?;
    let (Some(user), Some(Acting::Session(session))) = (user, actor.acting(write)?) else {
        return Ok(Err(AddressAskRefusal::SignedOut));
    };
    let address = match wish {
        AddressWish::Confirm => user.email.as_deref().ok_or(AddressAskRefusal::NoAddress),
        AddressWish::Change(_) if !rules.is_fresh(session.authenticated_at, write.now()) => {
            Err(AddressAskRefusal::Stale)
        }
        AddressWish::Change(new) => may_change(&user, new).map(|()| new.as_str()),
    };
    let address = match address {
        Ok(address) => address,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let entry = actor.entry(AuditEvent::AddressLinkSent);
    if is_taken(write, &user, address)? {
        write.audit(&entry.refused("address_taken"))?;
        return Ok(Ok(()));
    }
    mail.queue(write, &user, address)?;
    write.audit(&entry)?;
    Ok(Ok(()))
}

fn may_change(user: &User, new: &str) -> Result<(), AddressAskRefusal> {
    let is_own = is_own_address(user, new);
    if is_own && user.email_origin == EmailOrigin::Mailbox {
        return Err(AddressAskRefusal::Unchanged);
    }
    if user.quarantined && !is_own {
        return Err(AddressAskRefusal::Quarantined);
    }
    Ok(())
}

/// Is it the address that the account has, however it is spelled?
pub fn is_own_address(user: &User, address: &str) -> bool {
    let own = user.email.as_deref();
    own.is_some_and(|own| is_same_address(own, address))
}

fn is_same_address(one: &str, other: &str) -> bool {
    let key = email::canonical(one);
    one == other || (key.is_some() && key == email::canonical(other))
}

/// Does another account of the tenant have the address?
pub(super) fn is_taken(
    read: &mut Read<'_>,
    user: &User,
    address: &str,
) -> Result<bool, StoreError> {
    let Some(key) = email::canonical(address) else {
        return Ok(false);
    };
    let holder = read.user_by_email_key(user.tenant_id, &key)?;
    Ok(holder.is_some_and(|holder| holder.id != user.id))
}

/// The account and the address that a good link is about.
pub fn address_look(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(User, String)>, StoreError> {
    Ok(found(read, tenant, presented)?.map(|(_, user, address)| (user, address)))
}

fn found(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(MailedLink, User, String)>, StoreError> {
    let found = good_link(read, tenant, presented)?;
    Ok(found.and_then(|(link, user)| match &link.kind {
        LinkKind::Address(address) if !user.quarantined || is_own_address(&user, address) => {
            let address = address.clone();
            Some((link, user, address))
        }
        LinkKind::Address(_)
        | LinkKind::Invitation
        | LinkKind::PasswordReset
        | LinkKind::Undo(_)
        | LinkKind::LinkProof(_)
        | LinkKind::UndoLinked(_)
        | LinkKind::UndoUnlinked(_)
        | LinkKind::UndoAddress(_) => None,
    }))
}

/// Uses the link up and sets the address. A unique violation: another account took it at this moment.
pub fn address_set(
    write: &mut Write<'_>,
    proof: &AddressProof,
) -> Outcome<AddressSet, AddressRefusal> {
    // Held first: of two links made under one epoch, the second must see the epoch that the first moved.
    let id = MailedLinkId::from_bytes(proof.presented.selector);
    if let Some(link) = write.mailed_link(id)? {
        write.user_held(link.user_id)?;
    }
    let found = found(write, proof.tenant_id, &proof.presented)?;
    let Some((link, user, address)) = found else {
        return Ok(Err(AddressRefusal::LinkIsDead));
    };
    if is_taken(write, &user, &address)? {
        return Ok(Err(AddressRefusal::Taken));
    }
    if !write.mailed_link_consume(link.id)? {
        return Ok(Err(AddressRefusal::LinkIsDead));
    }
    let by = AuthenticatedBy::MailedLink(link.id);
    if is_own_address(&user, &address) {
        return proof.confirm(write, (&user, &address), by).map(Ok);
    }
    proof.change(write, (&user, &address), by).map(Ok)
}

impl AddressProof {
    fn entry(&self, event: AuditEvent, user: &User, by: AuthenticatedBy) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.tenant_id),
            user_id: Some(user.id),
            ..AuditEntry::new(event, by, self.origin.clone())
        }
    }

    fn set(&self, write: &mut Write<'_>, user: &User, address: &str) -> Result<(), StoreError> {
        let key = email::canonical(address);
        write.user_set_email(user.id, (address, key.as_deref()), EmailOrigin::Mailbox)
    }

    /// The account's own address is proved. Nothing else changes, so no session ends.
    fn confirm(
        &self,
        write: &mut Write<'_>,
        (user, address): (&User, &str),
        by: AuthenticatedBy,
    ) -> Result<AddressSet, StoreError> {
        self.set(write, user, address)?;
        write.audit(&AuditEntry {
            detail: Some("confirmed".to_owned()),
            ..self.entry(AuditEvent::AddressChanged, user, by)
        })?;
        let quarantine_lifted = write.user_lift_quarantine(user.id)?;
        if quarantine_lifted {
            write.audit(&self.entry(AuditEvent::QuarantineLifted, user, by))?;
        }
        Ok(AddressSet {
            changed: false,
            quarantine_lifted,
            renewed: None,
        })
    }

    fn change(
        &self,
        write: &mut Write<'_>,
        (user, address): (&User, &str),
        by: AuthenticatedBy,
    ) -> Result<AddressSet, StoreError> {
        let session = match self.session_id {
            Some(id) => signed_in_again(write, id)?.filter(|own| is_of(&own.node, user.id)),
            None => None,
        };
        self.set(write, user, address)?;
        let epoch = write.user_epoch_raise(user.id)?;
        let changed = User {
            epoch,
            ..user.clone()
        };
        let renewed = match session {
            Some(session) => self.renew(write, &changed, &session)?,
            None => None,
        };
        self.tell(write, user, address)?;
        write.audit(&self.entry(AuditEvent::AddressChanged, user, by))?;
        Ok(AddressSet {
            changed: true,
            quarantine_lifted: false,
            renewed,
        })
    }

    /// Tells the mailbox that was the account's until now. Whoever puts an address of before back by hand does what its link would do, so
    /// the mailbox in between, which may be a thief's, gets no way back.
    fn tell(&self, write: &mut Write<'_>, user: &User, address: &str) -> Result<(), StoreError> {
        let before = write.addresses_before(user.id)?;
        let put_back = before
            .iter()
            .find(|(own, _)| is_same_address(own, address))
            .map(|(_, epoch)| *epoch);
        if let Some(epoch) = put_back {
            write.address_undoing_void(user.id, epoch)?;
        }
        let (Some(notice), Some(old)) = (&self.notice, &user.email) else {
            return Ok(());
        };
        let (user, replaced) = (user.id, old);
        let change = match put_back {
            Some(_) => IdentityChange::AddressPutBack { user, replaced },
            None => IdentityChange::Address { user, old },
        };
        notice.queue(write, change)
    }

    /// The epoch ended the session already; another takes its place, and this writes down why.
    fn renew(
        &self,
        write: &mut Write<'_>,
        user: &User,
        session: &curfew_store::sessions::Session,
    ) -> Result<Option<StartedSession>, StoreError> {
        let tenant = write
            .tenant(self.tenant_id)?
            .filter(|tenant| tenant.status == OwnerStatus::Active);
        let Some(tenant) = tenant else {
            return Ok(None);
        };
        let id = session.node.id;
        write.node_end(id, DeathCause::Rotated)?;
        let by = AuthenticatedBy::Session(id);
        let sign_in = SignIn {
            detail: Some("renewed".to_owned()),
            ..SignIn::here(&self.rules, &tenant, by, &self.origin)
        };
        session::renew(write, user, session, &sign_in)
    }
}
