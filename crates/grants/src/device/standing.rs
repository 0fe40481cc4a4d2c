//! Whoever decides about a device, and what they may pass on to it.

use curfew_protocol::own_api::{OWN_API, OWN_API_EPOCH};
use curfew_protocol::{Audiences, OwnScope, ScopeSet, Timestamp, UserId};
use curfew_store::clients::Client;
use curfew_store::device_codes::DeviceRequest;
use curfew_store::nodes::NodeChain;
use curfew_store::sessions::Session;
use curfew_store::tokens::TokenChain;

use super::decide::DecisionRefusal;
use crate::catalogue::Catalogue;
use crate::{audience, scopes};

/// Whoever approves, as it is now: the chain that it hangs on, its end, and what it may pass on.
pub(super) struct Standing {
    pub(super) node: NodeChain,
    pub(super) user: UserId,
    pub(super) by: By,
}

/// The credential that approves.
pub(super) enum By {
    /// Passes on whatever the person may.
    Session(Box<Session>),
    Token(Box<TokenChain>),
}

impl Standing {
    /// Does what approves bind the approval? A token always does.
    pub(super) fn binds(&self, client: &Client) -> bool {
        match &self.by {
            By::Session(session) => session.binds(client),
            By::Token(_) => true,
        }
    }

    pub(super) fn token(&self) -> Option<&TokenChain> {
        match &self.by {
            By::Session(_) => None,
            By::Token(token) => Some(token),
        }
    }

    /// The end of what approves.
    pub(super) fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let alive = match &self.by {
            By::Session(session) => session.node.judge(now),
            By::Token(token) => token.judge(now),
        };
        alive.ok().map(|alive| alive.expires_at())
    }

    pub(super) fn is_quarantined(&self) -> bool {
        let user = self.node.user.as_ref();
        user.is_some_and(|user| user.quarantined)
    }
}

/// Was the token made for approving devices, and for our own API?
pub(super) fn may_approve(token: &TokenChain) -> bool {
    token.audiences.find(OWN_API).is_some_and(|audience| {
        audience.epoch == OWN_API_EPOCH
            && audience.scopes.contains(OwnScope::ApproveDevices.as_str())
    })
}

/// Is all of what the device asked for still allowed to the client, and within what the approving token has?
pub(super) fn still_to_be_had(
    request: &DeviceRequest,
    client: &Client,
    catalogue: &Catalogue,
    standing: &Standing,
) -> Result<(), DecisionRefusal> {
    let available = scopes::available(client, catalogue);
    let good = audience::still_good(&request.audiences, client, catalogue);
    if !request.scopes.is_subset_of(&available) || good != request.audiences {
        return Err(DecisionRefusal::Changed);
    }
    match standing.token() {
        Some(token) if !is_within(&request.scopes, &request.audiences, token) => {
            Err(DecisionRefusal::BeyondToken)
        }
        _ => Ok(()),
    }
}

fn is_within(scopes: &ScopeSet, audiences: &Audiences, token: &TokenChain) -> bool {
    let own = ScopeSet::parse(&token.scopes);
    own.is_ok_and(|own| scopes.is_subset_of(&own)) && audience::covers(&token.audiences, audiences)
}
