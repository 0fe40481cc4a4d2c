//! People: added, changed, locked, deleted, brought back, invited, thrown out.

use std::sync::Arc;

use curfew_policy::email::canonical;
use curfew_policy::status::{EmailOrigin, UserStatus};
use curfew_protocol::{Redacted, TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::users::{NewUser, User};
use curfew_store::{Read, Write};

use crate::invitations::{Invitation, Invitations};
use crate::words::{check_display, check_name};
use crate::{Admin, AdminError, taken, tenant};

#[derive(Clone, Debug)]
pub struct NewUserRequest {
    pub username: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub administrator: bool,
    /// The Argon2id string of a password that was checked; without one an invitation is made.
    pub password_hash: Option<Redacted<String>>,
}

/// What changes; `Some(None)` takes the address away.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub email: Option<Option<String>>,
    pub administrator: Option<bool>,
}

/// A user just added, and how the password will be chosen, where there is none yet.
#[derive(Debug)]
pub struct AddedUser {
    pub user: User,
    pub invitation: Option<Invitation>,
}

/// The canonical form of an address, or a sentence.
pub(crate) fn email_key(address: &str) -> Result<String, AdminError> {
    canonical(address).ok_or_else(|| {
        AdminError::invalid(format!(
            "`{}` is no e-mail address that Curfew can use; write name@host.example in plain ASCII before the @",
            address.escape_debug()
        ))
    })
}

/// The living user of that name or id; with `deleted`, a tombstone too.
pub(crate) fn user(read: &mut Read<'_>, owner: TenantId, name: &str) -> Result<User, AdminError> {
    if let Some(found) = read.user_by_username(owner, name)? {
        return Ok(found);
    }
    let by_id = match name.parse::<UserId>() {
        Ok(id) => read.user(id)?.filter(|user| user.tenant_id == owner),
        Err(_) => None,
    };
    by_id.ok_or_else(|| AdminError::not_found("user", name))
}

/// The same, held until the commit: what is decided about the user is still so when it is written.
pub(crate) fn held_user(
    write: &mut Write<'_>,
    owner: TenantId,
    name: &str,
) -> Result<User, AdminError> {
    let found = user(write, owner, name)?;
    let held = write.user_held(found.id)?;
    held.ok_or_else(|| AdminError::not_found("user", name))
}

/// The tombstone of that name or id.
fn deleted_user(read: &mut Read<'_>, owner: TenantId, name: &str) -> Result<User, AdminError> {
    let matching = |user: &User| user.username == name || user.id.to_string() == name;
    let mut found: Vec<User> = read
        .user_list(owner)?
        .into_iter()
        .filter(|user| user.status == UserStatus::Deleted && matching(user))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(AdminError::invalid(format!(
            "several deleted users were called `{name}`; name the one by its id, which `curfew user list --deleted` shows"
        ))),
        (None, _) => Err(AdminError::invalid(format!(
            "no deleted user is called `{name}`; `curfew user list --deleted` shows who was deleted"
        ))),
    }
}

impl Admin {
    pub fn user_add(
        &self,
        tenant_slug: &str,
        new: NewUserRequest,
        invitations: &Arc<Invitations>,
    ) -> Result<AddedUser, AdminError> {
        check_name("username", &new.username)?;
        let name = new.name.clone().unwrap_or_else(|| new.username.clone());
        check_display("name", &name)?;
        let email_key = new.email.as_deref().map(email_key).transpose()?;
        let (tenant_slug, rules) = (tenant_slug.to_owned(), self.rules);
        let invitations = Arc::clone(invitations);
        let (added, invited) = (
            self.entry(AuditEvent::UserAdded),
            self.entry(AuditEvent::InvitationMade),
        );
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let inserted = write.user_insert(&NewUser {
                tenant_id: owner.id,
                username: new.username.clone(),
                name: name.clone(),
                email: new.email.clone(),
                email_key: email_key.clone(),
                email_origin: EmailOrigin::Stated,
                quarantined: false,
                administrator: new.administrator,
                password_hash: new.password_hash.clone(),
            });
            let id = taken(inserted, "user", &new.username)?;
            let row = AuditEntry {
                tenant_id: Some(owner.id),
                user_id: Some(id),
                ..added.clone()
            };
            write.audit(&row)?;
            let user = user(write, owner.id, &new.username)?;
            let invitation = match new.password_hash {
                Some(_) => None,
                None => {
                    write.audit(&AuditEntry {
                        event: invited.event,
                        ..row
                    })?;
                    Some(invitations.invite(write, &rules, (&owner, &user))?)
                }
            };
            Ok(AddedUser { user, invitation })
        })
    }

    /// Everybody; tombstones only when asked for.
    pub fn user_list(&self, tenant_slug: &str, deleted: bool) -> Result<Vec<User>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let mut users = read.user_list(owner.id)?;
            users.retain(|user| deleted == (user.status == UserStatus::Deleted));
            Ok(users)
        })
    }

    pub fn user_show(&self, tenant_slug: &str, name: &str) -> Result<User, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            user(read, owner.id, name)
        })
    }

    /// Finds one, holds it and works on it, with its audit row. The job answers what the audit row is to say.
    pub(crate) fn user_write<T: Send + 'static>(
        &self,
        (tenant_slug, name): (&str, &str),
        event: AuditEvent,
        job: impl Fn(&mut Write<'_>, &User) -> Result<(T, Option<String>), AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        let (tenant_slug, name) = (tenant_slug.to_owned(), name.to_owned());
        let entry = self.entry(event);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let found = held_user(write, owner.id, &name)?;
            let (done, detail) = job(write, &found)?;
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                user_id: Some(found.id),
                detail,
                ..entry.clone()
            })?;
            Ok(done)
        })
    }

    /// Changes name, address and role. A new address or role ends what was issued under the old one. Answers whether that happened.
    pub fn user_change(&self, at: (&str, &str), change: UserChange) -> Result<bool, AdminError> {
        if let Some(name) = &change.name {
            check_display("name", name)?;
        }
        let new_key = match &change.email {
            Some(Some(address)) => Some(email_key(address)?),
            Some(None) | None => None,
        };
        self.user_write(at, AuditEvent::UserChanged, move |write, found| {
            let kept = found
                .email
                .as_deref()
                .map(|address| (address, canonical(address)));
            let email = match &change.email {
                None => kept
                    .as_ref()
                    .map(|(address, key)| (*address, key.as_deref())),
                Some(None) => None,
                Some(Some(address)) => Some((address.as_str(), new_key.as_deref())),
            };
            let name = change.name.as_deref().unwrap_or(&found.name);
            let administrator = change.administrator.unwrap_or(found.administrator);
            let ends = administrator != found.administrator
                || email.map(|(address, _)| address) != found.email.as_deref();
            taken(
                write.user_update(found.id, name, email, administrator),
                "user",
                &found.username,
            )?;
            if ends {
                write.user_end_by_administrator(found.id)?;
            }
            Ok((ends, ends.then(|| "ended_credentials".to_owned())))
        })
    }

    /// Suspends, unsuspends or deletes. Every step moves the epoch, so none brings a credential back.
    pub fn user_set_status(&self, at: (&str, &str), next: UserStatus) -> Result<(), AdminError> {
        self.user_write(at, AuditEvent::UserStatusChanged, move |write, found| {
            if !found.status.may_become(next) {
                return Err(AdminError::invalid(format!(
                    "user `{}` is {} and cannot be made {next}",
                    found.username, found.status
                )));
            }
            write.user_set_status(found.id, next)?;
            write.address_undoing_void(found.id, 0)?;
            Ok(((), Some(next.to_string())))
        })
    }

    /// Brings a deleted user back: the account, not its credentials.
    pub fn user_restore(&self, tenant_slug: &str, name: &str) -> Result<User, AdminError> {
        let (tenant_slug, name) = (tenant_slug.to_owned(), name.to_owned());
        let entry = self.entry(AuditEvent::UserStatusChanged);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let found = deleted_user(write, owner.id, &name)?;
            taken(
                write.user_set_status(found.id, UserStatus::Active),
                "user",
                &found.username,
            )?;
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                user_id: Some(found.id),
                detail: Some("restored".to_owned()),
                ..entry.clone()
            })?;
            write
                .user(found.id)?
                .ok_or_else(|| AdminError::not_found("user", &name))
        })
    }

    /// A new link with which to choose a password.
    pub fn user_invite(
        &self,
        at: (&str, &str),
        invitations: &Arc<Invitations>,
    ) -> Result<Invitation, AdminError> {
        let (rules, invitations) = (self.rules, Arc::clone(invitations));
        self.user_write(at, AuditEvent::InvitationMade, move |write, found| {
            if !matches!(found.status, UserStatus::Active | UserStatus::Dormant) {
                return Err(AdminError::invalid(format!(
                    "user `{}` is {} and could not use an invitation",
                    found.username, found.status
                )));
            }
            let Some(owner) = write.tenant(found.tenant_id)? else {
                return Err(AdminError::not_found("tenant", "of that user"));
            };
            Ok((invitations.invite(write, &rules, (&owner, found))?, None))
        })
    }

    /// Sets a password that was checked and hashed, and ends what was issued before (A24).
    pub fn user_set_password(
        &self,
        at: (&str, &str),
        hash: Redacted<String>,
    ) -> Result<(), AdminError> {
        self.user_write(at, AuditEvent::PasswordChanged, move |write, found| {
            if found.status == UserStatus::Deleted {
                return Err(AdminError::invalid(
                    "a deleted user has no password; restore the user first",
                ));
            }
            write.user_set_password(found.id, &hash)?;
            write.address_undoing_void(found.id, 0)?;
            Ok(((), None))
        })
    }

    /// Ends every session and token of the user, however many there are.
    pub fn user_logout_everywhere(&self, at: (&str, &str)) -> Result<(), AdminError> {
        self.user_write(at, AuditEvent::UserLoggedOutEverywhere, |write, found| {
            write.user_end_by_administrator(found.id)?;
            Ok(((), None))
        })
    }
}
