//! Undoing an approval by the link in the mail that told of it. The link is the proof, so it works for whoever holds the mailbox, signed in
//! or not; looking at it uses nothing up, because mail programs open links to preview them.

use curfew_policy::status::NodeKind;
use curfew_protocol::{ParsedToken, TenantId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::mailed_links::{LinkKind, MailedLink};
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use super::ending::disown;
use super::listing::{Clients, HeldApproval, held_approval};
use super::{Outcome, is_of};
use curfew_http::mailed_link::good_link;

/// What a link would undo.
#[derive(Clone, Debug)]
pub struct Undo {
    pub username: String,
    pub approval: HeldApproval,
    /// It is over already, so that there is only the incident to be written down.
    pub over: bool,
}

/// The link is used, expired, unknown, foreign or overtaken by events; nobody is told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkIsDead;

/// What a good link would undo.
pub fn undo_look(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<Undo>, StoreError> {
    Ok(found(read, tenant, presented)?.map(|(_, _, undo)| undo))
}

/// Uses the link up and disowns the approval.
pub fn undo(
    write: &mut Write<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
    origin: &Origin,
) -> Outcome<Undo, LinkIsDead> {
    let Some((link, user, undo)) = found(write, tenant, presented)? else {
        return Ok(Err(LinkIsDead));
    };
    if !write.mailed_link_consume(link.id)? {
        return Ok(Err(LinkIsDead));
    }
    let entry = AuditEntry {
        tenant_id: Some(tenant),
        user_id: Some(user.id),
        node_id: Some(undo.approval.id),
        ..AuditEntry::new(
            AuditEvent::IncidentReported,
            AuthenticatedBy::MailedLink(link.id),
            origin.clone(),
        )
    };
    let Some(chain) = write.node_chain(undo.approval.id)? else {
        return Ok(Err(LinkIsDead));
    };
    if !disown(write, &chain, entry.clone())? {
        write.audit(&AuditEntry {
            client: chain.client.as_ref().map(|client| client.key),
            detail: Some("over_already".to_owned()),
            ..entry
        })?;
    }
    Ok(Ok(undo))
}

fn found(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(MailedLink, User, Undo)>, StoreError> {
    let Some((link, user)) = good_link(read, tenant, presented)? else {
        return Ok(None);
    };
    let LinkKind::Undo(id) = link.kind else {
        return Ok(None);
    };
    let approval = read.approval(id)?.filter(|approval| {
        approval.node.kind == NodeKind::Approval && is_of(&approval.node, user.id)
    });
    let Some(approval) = approval else {
        return Ok(None);
    };
    let undo = Undo {
        username: user.username.clone(),
        over: approval.node.judge(read.now()).is_err(),
        approval: held_approval(read, &approval, &mut Clients::default())?,
    };
    Ok(Some((link, user, undo)))
}
