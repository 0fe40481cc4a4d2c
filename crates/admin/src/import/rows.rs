//! One row of the file, against what is stored: everything is looked at before anything is written.

use std::collections::HashMap;

use curfew_policy::email::canonical;
use curfew_policy::status::{EmailOrigin, OwnerStatus, UserStatus};
use curfew_protocol::{TenantId, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::links::{Link, NewLink, Subject};
use curfew_store::providers::Provider;
use curfew_store::users::{NewUser, User};
use curfew_store::{Read, Write};

use super::file::{Entry, Person, Row, RowLink};
use super::{ImportOutcome, ImportedLink, ImportedRow, LinkOutcome};
use crate::AdminError;
use crate::identities::{Bound, bind, check_issuer, check_subject, find_bound};
use crate::providers::provider;

/// The rows of one transaction.
pub(super) struct Rows {
    owner: TenantId,
    template: AuditEntry,
    providers: HashMap<String, Provider>,
    /// The person that the last row was about.
    person: Option<String>,
    /// The line of the person's first row, if that one failed.
    refused: Option<u64>,
}

/// What is to be done about a link.
enum Planned {
    Same,
    /// A link without a subject.
    Wait,
    Bind(Subject),
}

impl Rows {
    pub(super) fn new(owner: TenantId, template: AuditEntry) -> Self {
        Self {
            owner,
            template,
            providers: HashMap::new(),
            person: None,
            refused: None,
        }
    }

    /// Imports a row, or says why not. An error is the database's.
    pub(super) fn import(
        &mut self,
        write: &mut Write<'_>,
        entry: &Entry,
    ) -> Result<ImportedRow, AdminError> {
        let is_first = entry.username().is_none() || self.person.as_deref() != entry.username();
        if is_first {
            self.person = entry.username().map(str::to_owned);
            self.refused = None;
        }
        let done = match entry {
            Entry::Failed(failed) => failed.clone(),
            Entry::Row(row) => match self.row(write, row) {
                Ok(done) => done,
                Err(AdminError::Store(error)) => return Err(AdminError::Store(error)),
                Err(refusal) => {
                    let username = Some(row.username.clone());
                    ImportedRow::failed(row.line, username, refusal.to_string())
                }
            },
        };
        if is_first && done.outcome == ImportOutcome::Failed {
            self.refused = Some(done.line);
        }
        Ok(done)
    }

    fn row(&mut self, write: &mut Write<'_>, row: &Row) -> Result<ImportedRow, AdminError> {
        if let Some(line) = self.refused {
            return Err(AdminError::Invalid(format!(
                "line {line}, which is about the same user, failed"
            )));
        }
        let found = self.find(write, row)?;
        if let Some(person) = &row.person {
            check_person(write, self.owner, found.as_ref(), person)?;
        }
        let links = match &found {
            Some(user) => write.links_of_user(user.id)?,
            None => Vec::new(),
        };
        let mut planned = Vec::with_capacity(row.links.len());
        for link in &row.links {
            let provider = self.provider(write, &link.provider)?;
            let plan = plan(write, &provider, (found.as_ref(), &links), link)?;
            planned.push((provider, plan));
        }
        // From here on everything is written.
        let (user, added) = match found {
            Some(user) => (user.id, false),
            None => (self.add(write, row)?, true),
        };
        let mut done = Vec::with_capacity(planned.len());
        for (provider, plan) in planned {
            done.push(ImportedLink {
                outcome: self.link(write, &provider, (user, &row.username), plan)?,
                provider: provider.slug,
            });
        }
        let linked = done.iter().any(|link| link.outcome != LinkOutcome::Same);
        Ok(ImportedRow {
            line: row.line,
            username: Some(row.username.clone()),
            outcome: match (added, linked) {
                (true, _) => ImportOutcome::Added,
                (false, true) => ImportOutcome::Linked,
                (false, false) => ImportOutcome::Same,
            },
            reason: None,
            links: done,
        })
    }

    /// The row's user. Whose links may change is held, so that nobody who signs in meanwhile fills a link that waits.
    fn find(&self, write: &mut Write<'_>, row: &Row) -> Result<Option<User>, AdminError> {
        let found = write.user_by_username(self.owner, &row.username)?;
        let Some(user) = found.as_ref().filter(|_| !row.links.is_empty()) else {
            return Ok(found);
        };
        let held = write.user_held(user.id)?;
        Ok(held.filter(|user| user.status != UserStatus::Deleted))
    }

    fn provider(&mut self, read: &mut Read<'_>, slug: &str) -> Result<Provider, AdminError> {
        if let Some(known) = self.providers.get(slug) {
            return Ok(known.clone());
        }
        let found = provider(read, self.owner, slug)?;
        self.providers.insert(slug.to_owned(), found.clone());
        Ok(found)
    }

    fn audit(
        &self,
        write: &mut Write<'_>,
        event: AuditEvent,
        user: UserId,
        detail: String,
    ) -> Result<(), AdminError> {
        write.audit(&AuditEntry {
            event,
            tenant_id: Some(self.owner),
            user_id: Some(user),
            detail: Some(detail),
            ..self.template.clone()
        })?;
        Ok(())
    }

    fn add(&self, write: &mut Write<'_>, row: &Row) -> Result<UserId, AdminError> {
        let person = row.person.clone().unwrap_or_default();
        let (email, email_key) = person.email.unzip();
        let id = write.user_insert(&NewUser {
            tenant_id: self.owner,
            username: row.username.clone(),
            name: person.name.unwrap_or_else(|| row.username.clone()),
            email,
            email_key,
            email_origin: EmailOrigin::Stated,
            quarantined: false,
            administrator: person.administrator.unwrap_or(false),
            password_hash: person.password_hash,
        })?;
        let mut detail = "imported".to_owned();
        if person.suspended == Some(true) {
            write.user_set_status(id, UserStatus::Suspended)?;
            detail.push_str(" suspended");
        }
        self.audit(write, AuditEvent::UserAdded, id, detail)?;
        Ok(id)
    }

    fn link(
        &self,
        write: &mut Write<'_>,
        provider: &Provider,
        (user, username): (UserId, &str),
        plan: Planned,
    ) -> Result<LinkOutcome, AdminError> {
        let (id, event, outcome) = match plan {
            Planned::Same => return Ok(LinkOutcome::Same),
            Planned::Wait => {
                let id = write.link_insert(&NewLink {
                    provider_id: provider.id,
                    user_id: user,
                    subject: None,
                    display: username.to_owned(),
                })?;
                (id, AuditEvent::IdentityLinked, LinkOutcome::Waits)
            }
            Planned::Bind(subject) => {
                let (id, bound) = bind(write, provider, user, subject)?;
                let (event, outcome) = match bound {
                    Bound::Linked => (AuditEvent::IdentityLinked, LinkOutcome::Bound),
                    Bound::Filled => (AuditEvent::IdentityBackfilled, LinkOutcome::Filled),
                    Bound::Already => return Ok(LinkOutcome::Same),
                };
                (id, event, outcome)
            }
        };
        let waits = match outcome {
            LinkOutcome::Waits => " without a subject",
            LinkOutcome::Bound | LinkOutcome::Filled | LinkOutcome::Same => "",
        };
        let detail = format!("{} {id}, imported{waits}", provider.slug);
        self.audit(write, event, user, detail)?;
        Ok(outcome)
    }
}

/// Can the person be added, or is the stored one the same? Only what the row says is compared, and the password hash is not: a sign-in
/// may have renewed it.
fn check_person(
    read: &mut Read<'_>,
    owner: TenantId,
    found: Option<&User>,
    person: &Person,
) -> Result<(), AdminError> {
    if let Some((address, key)) = &person.email
        && let Some(other) = read.user_by_email_key(owner, key)?
        && found.is_none_or(|user| user.id != other.id)
    {
        return Err(AdminError::Invalid(format!(
            "the address `{address}` is that of user `{}`",
            other.username
        )));
    }
    let Some(user) = found else {
        return Ok(());
    };
    let stored_key = user.email.as_deref().and_then(canonical);
    let is_suspended = user.status == UserStatus::Suspended;
    let differing: Vec<&str> = [
        (
            "name",
            person.name.as_ref().is_some_and(|name| *name != user.name),
        ),
        (
            "email",
            person
                .email
                .as_ref()
                .is_some_and(|(_, key)| Some(key) != stored_key.as_ref()),
        ),
        (
            "administrator",
            person
                .administrator
                .is_some_and(|is| is != user.administrator),
        ),
        (
            "status",
            person.suspended.is_some_and(|is| is != is_suspended),
        ),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(column, _)| column)
    .collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(AdminError::Invalid(format!(
        "there is a user of that name, who differs in: {}; an import changes nobody",
        differing.join(", ")
    )))
}

/// What is to be done about a link, by what is stored about the identity and about the account.
fn plan(
    read: &mut Read<'_>,
    provider: &Provider,
    (user, links): (Option<&User>, &[Link]),
    link: &RowLink,
) -> Result<Planned, AdminError> {
    if let Some(issuer) = &link.issuer {
        check_issuer(provider, issuer)?;
    }
    let here = || links.iter().filter(|own| own.provider_id == provider.id);
    let alive = |own: &&Link| own.status != OwnerStatus::Deleted;
    let Some(subject) = &link.subject else {
        return match (here().find(alive), here().next()) {
            (Some(_), _) => Ok(Planned::Same),
            (None, Some(_)) => Err(taken_away(provider)),
            (None, None) => Ok(Planned::Wait),
        };
    };
    check_subject(provider.kind, subject)?;
    let subject = Subject {
        issuer: provider.issuer.clone(),
        subject: subject.clone(),
    };
    if find_bound(read, provider, &subject, user.map(|user| user.id))?.is_some() {
        return Ok(Planned::Same);
    }
    let was_removed = here().any(|own| own.subject.as_ref() == Some(&subject));
    if was_removed {
        return Err(taken_away(provider));
    }
    Ok(Planned::Bind(subject))
}

fn taken_away(provider: &Provider) -> AdminError {
    AdminError::Invalid(format!(
        "the link of this user at `{0}` was taken away, and an import does not bring it back; `curfew user link --provider {0}` does",
        provider.slug
    ))
}
