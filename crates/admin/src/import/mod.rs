//! Accounts and identities that come from elsewhere, in a file.
//!
//! 1. [`file`] reads CSV or JSON into rows and checks what can be checked without the database; rows that contradict each other are
//!    found here. Every row keeps its line.
//! 2. The rows go to the database some hundred at a time, each batch in one transaction ([`rows`]). A row is done whole or not at all,
//!    and a bad row does not stand in the way of the others.
//! 3. A dry run does the same and takes every batch back. Rows of different batches have nothing to do with each other, so it tells
//!    the same.
//!
//! A link without a subject is a legacy link: whoever comes first with the account's verified address may get it, as the provider's
//! `legacy_links` says (B13, B16). Only this importer makes such links.

mod csv;
mod file;
mod json;
mod rows;
#[cfg(test)]
mod tests;

use curfew_store::Write;
use curfew_store::audit::AuditEvent;

use crate::{Admin, AdminError, tenant};

pub use file::{ImportFile, ImportFormat};

use file::Entry;
use rows::Rows;

/// Rows in one transaction. People with more rows than that get a transaction of their own.
const ROWS_AT_ONCE: usize = 200;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ImportedRow {
    /// Where it begins in the file; the first line is 1.
    pub line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    pub outcome: ImportOutcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<ImportedLink>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// The user was added, with the links.
    Added,
    /// The user was there already, and got a link.
    Linked,
    /// All of it is there already.
    Same,
    /// Nothing of it was done.
    Failed,
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ImportedLink {
    pub provider: String,
    pub outcome: LinkOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkOutcome {
    Bound,
    /// Without a subject; it waits for its person.
    Waits,
    /// A link that waited got its subject.
    Filled,
    Same,
}

/// How many rows came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportSummary {
    pub added: u64,
    pub linked: u64,
    pub same: u64,
    pub failed: u64,
}

impl ImportSummary {
    fn count(&mut self, row: &ImportedRow) {
        *match row.outcome {
            ImportOutcome::Added => &mut self.added,
            ImportOutcome::Linked => &mut self.linked,
            ImportOutcome::Same => &mut self.same,
            ImportOutcome::Failed => &mut self.failed,
        } += 1;
    }
}

impl ImportedRow {
    pub(crate) fn failed(line: u64, username: Option<String>, reason: impl Into<String>) -> Self {
        Self {
            line,
            username,
            outcome: ImportOutcome::Failed,
            reason: Some(reason.into()),
            links: Vec::new(),
        }
    }
}

impl Admin {
    /// Imports the file. `told` hears of the rows in their order, some at a time.
    pub fn import_users(
        &self,
        tenant_slug: &str,
        file: &ImportFile,
        dry_run: bool,
        mut told: impl FnMut(&[ImportedRow]),
    ) -> Result<ImportSummary, AdminError> {
        self.read(|read| tenant(read, tenant_slug).map(drop))?;
        let mut summary = ImportSummary::default();
        for batch in batches(&file.entries) {
            let done = self.import_batch(tenant_slug, batch, dry_run)?;
            done.iter().for_each(|row| summary.count(row));
            told(&done);
        }
        Ok(summary)
    }

    /// One transaction. If somebody else takes a name at this very moment, each person gets a transaction of their own, so that only
    /// the one concerned fails.
    fn import_batch(
        &self,
        tenant_slug: &str,
        batch: &[Entry],
        dry_run: bool,
    ) -> Result<Vec<ImportedRow>, AdminError> {
        match self.import_at_once(tenant_slug, batch, dry_run) {
            Err(AdminError::Store(error)) if error.is_unique_violation() => {}
            done => return done,
        }
        let mut done = Vec::with_capacity(batch.len());
        for person in people(batch) {
            match self.import_at_once(tenant_slug, person, dry_run) {
                Err(AdminError::Store(error)) if error.is_unique_violation() => {
                    done.extend(person.iter().map(outrun));
                }
                imported => done.extend(imported?),
            }
        }
        Ok(done)
    }

    fn import_at_once(
        &self,
        tenant_slug: &str,
        entries: &[Entry],
        dry_run: bool,
    ) -> Result<Vec<ImportedRow>, AdminError> {
        let (tenant_slug, entries) = (tenant_slug.to_owned(), entries.to_vec());
        let template = self.entry(AuditEvent::UserAdded);
        let job = move |write: &mut Write<'_>| {
            let owner = tenant(write, &tenant_slug)?;
            let mut rows = Rows::new(owner.id, template.clone());
            let done = entries.iter().map(|entry| rows.import(write, entry));
            done.collect()
        };
        if dry_run {
            self.rehearse(job)
        } else {
            self.write(job)
        }
    }
}

fn outrun(entry: &Entry) -> ImportedRow {
    match entry {
        Entry::Failed(failed) => failed.clone(),
        Entry::Row(row) => ImportedRow::failed(
            row.line,
            Some(row.username.clone()),
            "somebody else took the name, the address or the identity at this moment; import the row again",
        ),
    }
}

/// Some hundred rows at a time; the rows of one person stay together.
fn batches(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len().min(ROWS_AT_ONCE);
        while end < rest.len() && rest[end].belongs_to(&rest[end - 1]) {
            end += 1;
        }
        let (batch, others) = rest.split_at(end);
        rest = others;
        Some(batch)
    })
}

/// The rows of each person.
fn people(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(|before, entry| entry.belongs_to(before))
}
