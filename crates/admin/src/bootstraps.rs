//! The secret with which the first administrator is made.

use curfew_policy::lifetime::{Caps, Credential};
use curfew_protocol::{DEFAULT_TENANT, OpaqueToken};
use curfew_store::audit::{AuditEntry, AuditEvent};

use crate::{Admin, AdminError};

impl Admin {
    /// Makes the one secret, in place of an older one. It is shown once.
    pub fn bootstrap_make(&self) -> Result<OpaqueToken, AdminError> {
        let rules = self.rules;
        let entry = self.entry(AuditEvent::InvitationMade);
        self.write(move |write| {
            let expires_at = rules
                .expires_at(Credential::Bootstrap, write.now(), Caps::default())
                .map_err(|refusal| AdminError::invalid(refusal.to_string()))?;
            let secret = write.bootstrap_put(expires_at)?;
            write.audit(&AuditEntry {
                tenant_id: Some(DEFAULT_TENANT),
                expires_at: Some(expires_at.timestamp()),
                detail: Some("bootstrap".to_owned()),
                ..entry.clone()
            })?;
            Ok(secret)
        })
    }
}
