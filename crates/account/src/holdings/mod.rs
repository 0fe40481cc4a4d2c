//! What a person holds, and how they end it: sessions, applications, tokens.
//!
//! Pure of HTTP, so that the account page (a session) and the API (a bearer token) do the same. Lists are reads. Each transition runs in
//! one transaction of its caller's, in these steps:
//!
//! 1. The session or token that asks is judged again: what died since its request arrived changes nothing (D01).
//! 2. What is named must be the person's own and alive; anything else is "not found", and so is what was ended a moment ago (C37).
//! 3. It is ended with all that hangs on it, and the audit row says by which credential, from where (F01, F08).

mod address;
mod ending;
mod identities;
mod lineage;
mod listing;
mod making;
mod offer;
mod token_list;
mod undoing;

use curfew_http::session::signed_in_again;
use curfew_protocol::{NodeId, TenantId, TokenId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::nodes::NodeChain;
use curfew_store::tree::Subject;
use curfew_store::{Read, StoreError, Write};

pub use address::{
    AddressAskRefusal, AddressProof, AddressRefusal, AddressSet, AddressWish, address_ask,
    address_look, address_set, is_own_address,
};
pub use ending::{
    application_withdraw, approval_disown, everything_end, session_end, token_end, tokens_end,
};
pub use identities::{
    HeldIdentity, HeldProvider, Identities, UnlinkRefusal, Unlinked, identities, identity_unlink,
};
pub use lineage::{OwnTree, OwnTreeRow, tree};
pub use listing::{
    Application, Approved, ApprovedBy, Held, HeldApproval, HeldClient, HeldId, HeldSession,
    applications, devices, sessions,
};
pub use making::{MadeToken, MakeRefusal, Wish, personal_access_token_make};
pub use offer::{Offer, OfferedScope, offer};
pub use token_list::{HeldToken, tokens};
pub use undoing::{Undo, UndoRefusal, Undoable, undo, undo_look};

/// A person who acts on what is theirs: as whom, by which credential, from where.
#[derive(Clone, Debug)]
pub struct Actor {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    /// A session, or a token of which the caller has checked that it may do this.
    pub by: AuthenticatedBy,
    pub origin: Origin,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldingRefusal {
    #[error("the session or token that asks has ended; sign in again")]
    SignedOut,
    #[error("there is nothing of yours under this id that could be ended")]
    NotFound,
}

/// A refusal commits: it leaves nothing behind.
pub type Outcome<T, R = HoldingRefusal> = Result<Result<T, R>, StoreError>;

/// The credential that acts, judged inside the transaction.
enum Acting {
    Session(Box<curfew_store::sessions::Session>),
    Token(Box<curfew_store::tokens::TokenChain>),
}

impl Actor {
    /// Is the credential that asks alive, and the person's own? What it makes now cannot be missed by whoever ends it at the same time.
    fn acting(&self, write: &mut Write<'_>) -> Result<Option<Acting>, StoreError> {
        if let AuthenticatedBy::BearerToken(id) = self.by {
            write.token_hold(id)?;
        }
        self.seen(write)
    }

    /// The same, to look only.
    fn seen(&self, read: &mut Read<'_>) -> Result<Option<Acting>, StoreError> {
        let own = |node: &NodeChain| node.tenant_id == self.tenant_id && is_of(node, self.user_id);
        Ok(match self.by {
            AuthenticatedBy::Session(id) => signed_in_again(read, id)?
                .filter(|session| own(&session.node))
                .map(|session| Acting::Session(Box::new(session))),
            AuthenticatedBy::BearerToken(id) => {
                let now = read.now();
                read.token_chain(id)?
                    .filter(|token| own(&token.node) && token.judge(now).is_ok())
                    .map(|token| Acting::Token(Box::new(token)))
            }
            AuthenticatedBy::Nobody
            | AuthenticatedBy::CommandLine
            | AuthenticatedBy::ClientSecret(_)
            | AuthenticatedBy::Code(_)
            | AuthenticatedBy::RefreshToken(_)
            | AuthenticatedBy::MailedLink(_)
            | AuthenticatedBy::DeviceCode(_)
            | AuthenticatedBy::UpstreamLogin(_) => None,
        })
    }

    fn may_act(&self, write: &mut Write<'_>) -> Result<bool, StoreError> {
        Ok(self.acting(write)?.is_some())
    }

    fn entry(&self, event: AuditEvent) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.tenant_id),
            user_id: Some(self.user_id),
            ..AuditEntry::new(event, self.by, self.origin.clone())
        }
    }
}

/// The person's own token or node of that id, dead or alive.
fn own(read: &mut Read<'_>, user: UserId, id: &str) -> Result<Option<Subject>, StoreError> {
    let Ok(id) = id.parse::<TokenId>() else {
        return Ok(None);
    };
    let found = match read.token_chain(id)? {
        Some(token) => Some(Subject::Token(token)),
        None => read.node_subject(NodeId::from_bytes(*id.as_bytes()))?,
    };
    Ok(found.filter(|subject| is_of(subject.node(), user)))
}

fn is_of(node: &NodeChain, user: UserId) -> bool {
    node.user_id() == Some(user)
}
