//! Undoing by the link in the mail that told of something. The link is the proof, so it works for whoever holds the mailbox, signed in or
//! not; looking at it uses nothing up, because mail programs open links to preview them.
//!
//! 1. The person's account is held, and the link is judged: it works once. A thief's sign-out everywhere voids neither the link that takes
//!    an identity away nor the one that brings an address back ([`LinkKind::outlives_the_epoch`]).
//! 2. What it undoes is looked at as it is now. What is over already is only written down.
//! 3. An approval is disowned. A link that was made is taken away, and every session ends, whoever's it is; one that was taken away comes
//!    back, unless its identity is bound anew.
//! 4. An address comes back, unless another account has it, and takes back every way in that the new mailbox may have made: the password
//!    is forgotten, identities linked since are taken away, later links about an address are void, every session ends.

use curfew_http::mailed_link::good_link;
use curfew_http::notice::{IdentityChange, IdentityNotice};
use curfew_policy::email;
use curfew_policy::status::{EmailOrigin, NodeKind, OwnerStatus};
use curfew_protocol::{MailedLinkId, NodeId, ParsedToken, TenantId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::links::Link;
use curfew_store::mailed_links::{LinkKind, MailedLink};
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use super::address::is_taken;
use super::ending::disown;
use super::identities::{HeldIdentity, identity, is_own, slug_of};
use super::listing::{Clients, HeldApproval, held_approval};
use super::{Outcome, is_of};

/// What a link would undo.
#[derive(Clone, Debug)]
pub struct Undo {
    pub username: String,
    pub what: Undoable,
    /// It is as the link would make it already, so that there is only something to be written down.
    pub over: bool,
}

#[derive(Clone, Debug)]
pub enum Undoable {
    Approval(HeldApproval),
    /// An identity that was linked.
    Linked(HeldIdentity),
    /// An identity that was unlinked.
    Unlinked(HeldIdentity),
    /// The address before the last change.
    Address(String),
}

/// Why nothing was undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoRefusal {
    /// The link is used, expired, unknown, foreign or overtaken by events; nobody is told which.
    LinkIsDead,
    /// The identity is bound anew; the link is not used up.
    IdentityTaken,
    /// Another account has the address; the link is not used up.
    AddressTaken,
}

/// A good link, with the rows that it is about.
struct Found {
    link: MailedLink,
    user: User,
    undo: Undo,
    identity: Option<Link>,
}

/// What a good link would undo.
pub fn undo_look(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<Undo>, StoreError> {
    Ok(found(read, tenant, presented)?.map(|found| found.undo))
}

/// Uses the link up and undoes what it tells of. A unique violation: somebody took the identity or the address at this moment.
pub fn undo(
    write: &mut Write<'_>,
    (tenant, notice): (TenantId, Option<&IdentityNotice>),
    presented: &ParsedToken,
    origin: &Origin,
) -> Outcome<Undo, UndoRefusal> {
    // Held first: of two links made under one epoch, the second must see the epoch that the first moved.
    if let Some(link) = write.mailed_link(MailedLinkId::from_bytes(presented.selector))? {
        write.user_held(link.user_id)?;
    }
    let Some(found) = found(write, tenant, presented)? else {
        return Ok(Err(UndoRefusal::LinkIsDead));
    };
    if let Some(refusal) = found.refusal(write)? {
        return Ok(Err(refusal));
    }
    if !write.mailed_link_consume(found.link.id)? {
        return Ok(Err(UndoRefusal::LinkIsDead));
    }
    let entry = AuditEntry {
        tenant_id: Some(tenant),
        user_id: Some(found.user.id),
        ..AuditEntry::new(
            AuditEvent::IdentityChangeUndone,
            AuthenticatedBy::MailedLink(found.link.id),
            origin.clone(),
        )
    };
    let done = match (&found.undo.what, &found.identity) {
        (Undoable::Approval(approval), _) => undo_approval(write, approval.id, entry)?,
        (Undoable::Linked(_), Some(link)) => {
            // The session that linked it may be a thief's, and would link it again.
            write.user_epoch_raise(found.user.id)?;
            let undone = ("linked", link, OwnerStatus::Deleted);
            undo_identity(write, undone, found.undo.over, entry).map(Ok)?
        }
        (Undoable::Unlinked(_), Some(link)) => {
            let undone = ("unlinked", link, OwnerStatus::Active);
            undo_identity(write, undone, found.undo.over, entry).map(Ok)?
        }
        (Undoable::Address(old), _) => undo_address(write, (&found, old), notice, entry).map(Ok)?,
        (Undoable::Linked(_) | Undoable::Unlinked(_), None) => Err(UndoRefusal::LinkIsDead),
    };
    Ok(done.map(|()| found.undo))
}

impl Found {
    /// What stands in the way, before the link is used up.
    fn refusal(&self, read: &mut Read<'_>) -> Result<Option<UndoRefusal>, StoreError> {
        Ok(match &self.undo.what {
            Undoable::Address(old) if is_taken(read, &self.user, old)? => {
                Some(UndoRefusal::AddressTaken)
            }
            Undoable::Unlinked(_) if !self.undo.over => {
                let Some(link) = &self.identity else {
                    return Ok(Some(UndoRefusal::LinkIsDead));
                };
                let holder = match &link.subject {
                    Some(subject) => read.link_by_subject(link.provider_id, subject)?,
                    None => None,
                };
                holder.map(|_| UndoRefusal::IdentityTaken)
            }
            Undoable::Approval(_)
            | Undoable::Linked(_)
            | Undoable::Unlinked(_)
            | Undoable::Address(_) => None,
        })
    }
}

fn undo_approval(
    write: &mut Write<'_>,
    approval: NodeId,
    entry: AuditEntry,
) -> Outcome<(), UndoRefusal> {
    let entry = AuditEntry {
        event: AuditEvent::IncidentReported,
        node_id: Some(approval),
        ..entry
    };
    let Some(chain) = write.node_chain(approval)? else {
        return Ok(Err(UndoRefusal::LinkIsDead));
    };
    if !disown(write, &chain, entry.clone())? {
        write.audit(&AuditEntry {
            client: chain.client.as_ref().map(|client| client.key),
            detail: Some(OVER.to_owned()),
            ..entry
        })?;
    }
    Ok(Ok(()))
}

/// What the audit trail says where nothing was left to be undone.
const OVER: &str = "over_already";

/// Either way the link's epoch moves: what was born through it is over.
fn undo_identity(
    write: &mut Write<'_>,
    (word, link, to): (&str, &Link, OwnerStatus),
    over: bool,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    if !over {
        write.link_set_status(link.id, to)?;
    }
    let slug = slug_of(write, link)?;
    let word = if over { OVER } else { word };
    write.audit(&AuditEntry {
        detail: Some(format!("{word} {slug}")),
        ..entry
    })
}

/// The mailbox has proved itself by the link, so the address is as good as one that was confirmed. Whoever had the other one could choose
/// a password and link identities meanwhile, and was the one who was told.
fn undo_address(
    write: &mut Write<'_>,
    (found, old): (&Found, &str),
    notice: Option<&IdentityNotice>,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let (user, since) = (found.user.id, found.link.user_epoch);
    for id in write.identities_linked_since(user, since)? {
        let linked = write.link(id)?;
        if let Some(link) = linked.filter(|link| link.status == OwnerStatus::Active) {
            let undone = ("linked", &link, OwnerStatus::Deleted);
            undo_identity(write, undone, false, entry.clone())?;
        }
    }
    write.address_undoing_void(user, since)?;
    let key = email::canonical(old);
    write.user_set_email(user, (old, key.as_deref()), EmailOrigin::Mailbox)?;
    write.user_forget_password(user)?;
    let replaced = found.user.email.as_deref().filter(|_| !found.undo.over);
    if let (Some(notice), Some(replaced)) = (notice, replaced) {
        notice.queue(write, IdentityChange::AddressPutBack { user, replaced })?;
    }
    write.audit(&AuditEntry {
        detail: Some("address".to_owned()),
        ..entry
    })
}

fn found(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<Found>, StoreError> {
    let Some((link, user)) = good_link(read, tenant, presented)? else {
        return Ok(None);
    };
    let mut identity = None;
    let seen = match &link.kind {
        LinkKind::Undo(id) => approval(read, &user, *id)?,
        LinkKind::UndoLinked(id) => {
            identity = read.link(*id)?.filter(|link| is_own(link, (tenant, &user)));
            // What an administrator disabled stays so, or it could be linked anew past them.
            look_at(read, identity.as_ref(), Undoable::Linked)?
                .map(|(what, status)| (what, status != OwnerStatus::Active))
        }
        LinkKind::UndoUnlinked(id) => {
            identity = read.link(*id)?.filter(|link| is_own(link, (tenant, &user)));
            look_at(read, identity.as_ref(), Undoable::Unlinked)?
                .map(|(what, status)| (what, status != OwnerStatus::Deleted))
        }
        LinkKind::UndoAddress(old) => {
            let over = user.email.as_ref() == Some(old);
            Some((Undoable::Address(old.clone()), over))
        }
        LinkKind::Invitation
        | LinkKind::PasswordReset
        | LinkKind::LinkProof(_)
        | LinkKind::Address(_) => None,
    };
    Ok(seen.map(|(what, over)| Found {
        undo: Undo {
            username: user.username.clone(),
            what,
            over,
        },
        link,
        user,
        identity,
    }))
}

type Seen = Option<(Undoable, bool)>;

fn approval(read: &mut Read<'_>, user: &User, id: NodeId) -> Result<Seen, StoreError> {
    let approval = read.approval(id)?.filter(|approval| {
        approval.node.kind == NodeKind::Approval && is_of(&approval.node, user.id)
    });
    let Some(approval) = approval else {
        return Ok(None);
    };
    let over = approval.node.judge(read.now()).is_err();
    let held = held_approval(read, &approval, &mut Clients::default())?;
    Ok(Some((Undoable::Approval(held), over)))
}

fn look_at(
    read: &mut Read<'_>,
    link: Option<&Link>,
    undoable: fn(HeldIdentity) -> Undoable,
) -> Result<Option<(Undoable, OwnerStatus)>, StoreError> {
    let Some(link) = link else { return Ok(None) };
    Ok(identity(read, link)?.map(|held| (undoable(held), link.status)))
}
