//! A refresh family is founded below an approval.

use curfew_policy::lifetime::{Caps, Credential};
use curfew_policy::status::DeathCause;
use curfew_protocol::RefreshToken;
use curfew_store::codes::Approval;
use curfew_store::nodes::NodeChain;
use curfew_store::{StoreError, Write};

use super::caller::Caller;
use super::refusal::TokenRefusal;

/// What a token of `approval` is minted on: a refresh family founded for it, or the approval itself.
pub(super) fn home(
    write: &mut Write<'_>,
    caller: &Caller,
    approval: &Approval,
    may_refresh: bool,
) -> Result<Result<(NodeChain, Option<RefreshToken>), TokenRefusal>, StoreError> {
    if !may_refresh {
        return Ok(Ok((approval.node.clone(), None)));
    }
    let founded = found(write, caller, approval)?;
    Ok(founded.map(|(family, token)| (family, Some(token))))
}

/// Founds it under the epochs that the approval remembers: what killed the approval meanwhile kills the family too.
fn found(
    write: &mut Write<'_>,
    caller: &Caller,
    approval: &Approval,
) -> Result<Result<(NodeChain, RefreshToken), TokenRefusal>, StoreError> {
    let (now, rules) = (write.now(), &caller.rules);
    let end = match approval.node.judge(now) {
        Ok(alive) => alive.expires_at(),
        Err(because) => return Ok(Err(TokenRefusal::Dead(because))),
    };
    let caps = Caps {
        client: caller.client.registration.refresh_lifetime,
        tenant: approval.node.facts.limits.refresh_family,
        ancestors: &[end],
        ..Caps::default()
    };
    let Ok(expires_at) = rules.expires_at(Credential::RefreshFamily, now, caps) else {
        return Ok(Err(TokenRefusal::NoLifetime));
    };
    let idle_at = rules.refresh_idle_at(now, expires_at.timestamp());
    let (id, token) = write.family_insert(approval, expires_at, idle_at)?;
    // The insert holds the approval. Only now is it certain that nobody ended it since it was read.
    let still = write
        .node_chain(approval.node.id)?
        .map(|node| node.judge(now));
    if let Some(Err(because)) = still {
        write.node_end(id, DeathCause::AncestorDied)?;
        return Ok(Err(TokenRefusal::Dead(because)));
    }
    match write.node_chain(id)? {
        Some(family) => Ok(Ok((family, token))),
        None => Err(StoreError::Corrupt("a family vanished".to_owned())),
    }
}
