//! Browser sessions.

use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::NodeId;
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::sessions::SessionListing;

use crate::users::user;
use crate::{Admin, AdminError, tenant};

impl Admin {
    /// A user's sessions, newest first.
    pub fn session_list(
        &self,
        tenant_slug: &str,
        username: &str,
    ) -> Result<Vec<SessionListing>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let user = user(read, owner.id, username)?;
            Ok(read.session_list(user.id)?)
        })
    }

    /// Ends a session and everything bound to it. Answers how many nodes of the chain ended; none when it was over already.
    pub fn session_end(&self, id: NodeId) -> Result<usize, AdminError> {
        let entry = self.entry(AuditEvent::SessionEnded);
        self.write(move |write| {
            let chain = write
                .node_chain(id)?
                .filter(|chain| chain.kind == NodeKind::Session);
            let Some(chain) = chain else {
                return Err(AdminError::invalid(format!(
                    "there is no session {id}; `curfew session list --user …` shows what there is"
                )));
            };
            let ended = write.node_end(id, DeathCause::EndedByAdministrator)?;
            write.audit(&AuditEntry {
                tenant_id: Some(chain.tenant_id),
                user_id: chain.user.map(|user| user.id),
                node_id: Some(id),
                ..entry.clone()
            })?;
            Ok(ended)
        })
    }
}
