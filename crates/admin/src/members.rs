//! Who may use a restricted client, and the switch of the device flow for the whole installation.

use curfew_policy::status::DeathCause;
use curfew_store::audit::{AuditEntry, AuditEvent};

use crate::clients::client;
use crate::users::user;
use crate::{Admin, AdminError, taken, tenant};

impl Admin {
    /// Lets a user use a restricted client.
    pub fn client_admit(&self, at: (&str, &str), username: &str) -> Result<(), AdminError> {
        self.client_member_write(at, username, "admitted", |write, client, member| {
            taken(
                write.client_member_insert(client, member),
                "member",
                "that user",
            )
        })
    }

    /// Takes that back, and ends what the client has of the user (A23).
    pub fn client_expel(&self, at: (&str, &str), username: &str) -> Result<(), AdminError> {
        self.client_member_write(at, username, "expelled", |write, client, member| {
            if !write.client_member_delete(client, member)? {
                return Err(AdminError::invalid(
                    "that user is no member of the client; `curfew client members` lists them",
                ));
            }
            write.node_end_of_user_and_client(member, client, DeathCause::EndedByAdministrator)?;
            write.consent_delete(member, client)?;
            Ok(())
        })
    }

    /// The usernames of a client's members.
    pub fn client_members(
        &self,
        (tenant_slug, client_id): (&str, &str),
    ) -> Result<Vec<String>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let found = client(read, owner.id, client_id)?;
            let mut names = Vec::new();
            for id in read.client_member_ids(found.key)? {
                names.extend(read.user(id)?.map(|member| member.username));
            }
            Ok(names)
        })
    }

    fn client_member_write(
        &self,
        (tenant_slug, client_id): (&str, &str),
        username: &str,
        detail: &'static str,
        change: impl Fn(
            &mut curfew_store::Write<'_>,
            curfew_protocol::ClientKey,
            curfew_protocol::UserId,
        ) -> Result<(), AdminError>
        + Send
        + 'static,
    ) -> Result<(), AdminError> {
        let names = (
            tenant_slug.to_owned(),
            client_id.to_owned(),
            username.to_owned(),
        );
        let entry = self.entry(AuditEvent::ClientChanged);
        self.write(move |write| {
            let owner = tenant(write, &names.0)?;
            let found = client(write, owner.id, &names.1)?;
            let member = user(write, owner.id, &names.2)?;
            change(write, found.key, member.id)?;
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                client: Some(found.key),
                user_id: Some(member.id),
                detail: Some(detail.to_owned()),
                ..entry.clone()
            })?;
            Ok(())
        })
    }

    pub fn device_flow(&self) -> Result<bool, AdminError> {
        self.read(|read| Ok(read.installation_device_flow()?))
    }

    /// Switches the device flow on or off for every tenant (C35). It acts on the next request.
    pub fn device_flow_set(&self, on: bool) -> Result<(), AdminError> {
        let entry = self.entry(AuditEvent::DeviceFlowSwitched);
        self.write(move |write| {
            write.installation_set_device_flow(on)?;
            write.audit(&AuditEntry {
                detail: Some(if on { "on" } else { "off" }.to_owned()),
                ..entry.clone()
            })?;
            Ok(())
        })
    }
}
