//! What the audit trail says of back-ups.

use curfew_store::audit::{AuditEntry, AuditEvent};

use crate::{Admin, AdminError};

impl Admin {
    /// A copy of everything was made.
    pub fn backup_made(&self) -> Result<(), AdminError> {
        let entry = self.entry(AuditEvent::BackupMade);
        self.write(move |write| Ok(write.audit(&entry)?))
    }

    /// A copy was put in place, and everything ever issued was ended.
    pub fn restored(&self, epoch: i64) -> Result<(), AdminError> {
        let entry = self.entry(AuditEvent::Restored);
        self.write(move |write| {
            let detail = Some(format!("installation epoch {epoch}"));
            Ok(write.audit(&AuditEntry {
                detail,
                ..entry.clone()
            })?)
        })
    }
}
