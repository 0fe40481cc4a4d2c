//! Transitions that end something.

use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::NodeId;
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::nodes::NodeChain;
use curfew_store::tree::Subject;
use curfew_store::{StoreError, Write};

use super::{Actor, HoldingRefusal, Outcome, is_of, own};

/// Ends one browser session with everything bound to it; the others stay (D05).
pub fn session_end(write: &mut Write<'_>, actor: &Actor, id: NodeId) -> Outcome<()> {
    if !actor.may_act(write)? {
        return Ok(Err(HoldingRefusal::SignedOut));
    }
    let now = write.now();
    let found = write.node_chain(id)?.filter(|chain| {
        chain.kind == NodeKind::Session && is_of(chain, actor.user_id) && chain.judge(now).is_ok()
    });
    if found.is_none() || write.node_end(id, DeathCause::EndedByOwner)? == 0 {
        return Ok(Err(HoldingRefusal::NotFound));
    }
    write.audit(&AuditEntry {
        node_id: Some(id),
        ..actor.entry(AuditEvent::SessionEnded)
    })?;
    Ok(Ok(()))
}

/// Ends all sessions and tokens of the person, however many there are: one row (D03). No password is asked, so that whoever notices
/// a thief can act at once; a thief who does it locks himself out too (D04). No session is started in their place.
pub fn everything_end(write: &mut Write<'_>, actor: &Actor) -> Outcome<()> {
    // Held first: of two who do it at once, the second is signed out already.
    let user = write.user_held(actor.user_id)?;
    if user.is_none() || !actor.may_act(write)? {
        return Ok(Err(HoldingRefusal::SignedOut));
    }
    write.user_epoch_raise(actor.user_id)?;
    write.audit(&actor.entry(AuditEvent::UserLoggedOutEverywhere))?;
    Ok(Ok(()))
}

/// Withdraws all that an application may do in the person's name, and forgets that it was ever allowed.
pub fn application_withdraw(write: &mut Write<'_>, actor: &Actor, client_id: &str) -> Outcome<()> {
    if !actor.may_act(write)? {
        return Ok(Err(HoldingRefusal::SignedOut));
    }
    let client = write
        .client_by_client_id(client_id)?
        .filter(|client| client.tenant_id == actor.tenant_id);
    let Some(client) = client else {
        return Ok(Err(HoldingRefusal::NotFound));
    };
    let cause = DeathCause::ConsentWithdrawn;
    let ended = write.node_end_of_user_and_client(actor.user_id, client.key, cause)?;
    let forgotten = write.consent_delete(actor.user_id, client.key)?;
    if ended == 0 && !forgotten {
        return Ok(Err(HoldingRefusal::NotFound));
    }
    write.audit(&AuditEntry {
        client: Some(client.key),
        ..actor.entry(AuditEvent::ConsentWithdrawn)
    })?;
    Ok(Ok(()))
}

/// Ends one token, refresh family, approval, personal access token or exchange. A session has its own door.
pub fn token_end(write: &mut Write<'_>, actor: &Actor, id: &str) -> Outcome<()> {
    if !actor.may_act(write)? {
        return Ok(Err(HoldingRefusal::SignedOut));
    }
    let now = write.now();
    let found = own(write, actor.user_id, id)?
        .filter(|subject| subject.node().kind != NodeKind::Session && subject.standing(now).alive);
    let Some(subject) = found else {
        return Ok(Err(HoldingRefusal::NotFound));
    };
    if !end(write, &subject)? {
        return Ok(Err(HoldingRefusal::NotFound));
    }
    let node = subject.node();
    let token_id = match &subject {
        Subject::Token(token) => Some(token.id),
        Subject::Node { .. } => None,
    };
    write.audit(&AuditEntry {
        client: node.client.as_ref().map(|client| client.key),
        node_id: Some(node.id),
        token_id,
        ..actor.entry(AuditEvent::TokenRevoked)
    })?;
    Ok(Ok(()))
}

/// A personal access token and its node are one thing to its owner; any other token leaves its node alone.
fn end(write: &mut Write<'_>, subject: &Subject) -> Result<bool, StoreError> {
    let cause = DeathCause::EndedByOwner;
    match subject {
        Subject::Token(token) if token.node.kind != NodeKind::PersonalAccessToken => {
            write.token_end(token.id, cause)
        }
        Subject::Token(_) | Subject::Node { .. } => {
            Ok(write.node_end(subject.node().id, cause)? > 0)
        }
    }
}

/// Ends every approval and token of the person; the browser sessions stay. What was consented to is forgotten as well, or the next
/// visit to an application would bring its tokens back without a question. Answers how many nodes of the chain ended.
pub fn tokens_end(write: &mut Write<'_>, actor: &Actor) -> Outcome<usize> {
    if !actor.may_act(write)? {
        return Ok(Err(HoldingRefusal::SignedOut));
    }
    let ended = write.node_end_grants_of_user(actor.user_id, DeathCause::EndedByOwner)?;
    write.consents_delete_of_user(actor.user_id)?;
    write.audit(&AuditEntry {
        detail: Some("all".to_owned()),
        ..actor.entry(AuditEvent::TokenRevoked)
    })?;
    Ok(Ok(ended))
}

/// "This was not me": ends an approval with everything below it, and writes the incident down.
pub fn approval_disown(write: &mut Write<'_>, actor: &Actor, id: NodeId) -> Outcome<()> {
    if !actor.may_act(write)? {
        return Ok(Err(HoldingRefusal::SignedOut));
    }
    let now = write.now();
    let found = write.node_chain(id)?.filter(|chain| {
        chain.kind == NodeKind::Approval && is_of(chain, actor.user_id) && chain.judge(now).is_ok()
    });
    let Some(chain) = found else {
        return Ok(Err(HoldingRefusal::NotFound));
    };
    if !disown(write, &chain, actor.entry(AuditEvent::IncidentReported))? {
        return Ok(Err(HoldingRefusal::NotFound));
    }
    Ok(Ok(()))
}

/// Ends an approval that was not the person's own, together with the consent that the same hand may have left behind. False when it
/// was over already; then nothing is written down either.
pub(super) fn disown(
    write: &mut Write<'_>,
    approval: &NodeChain,
    entry: AuditEntry,
) -> Result<bool, StoreError> {
    if write.node_end(approval.id, DeathCause::Disowned)? == 0 {
        return Ok(false);
    }
    if let (Some(user), Some(client)) = (&approval.user, &approval.client) {
        write.consent_delete(user.id, client.key)?;
    }
    write.audit(&AuditEntry {
        client: approval.client.as_ref().map(|client| client.key),
        node_id: Some(approval.id),
        ..entry
    })?;
    Ok(true)
}
