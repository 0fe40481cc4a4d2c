//! A file of people, read into rows that do not contradict each other.

use std::collections::HashMap;

use curfew_http::password::is_usable_hash;
use curfew_protocol::Redacted;

use super::{ImportedRow, csv, json};
use crate::AdminError;
use crate::users::email_key;
use crate::words::{check_display, check_name};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// A header line, then one row for each person, and further rows of the same username for further links.
    Csv,
    /// An array of objects, or one object after the other.
    Json,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct ImportFile {
    pub(super) entries: Vec<Entry>,
}

impl ImportFile {
    /// `provider` is meant by rows that name none.
    pub fn read(
        bytes: &[u8],
        format: ImportFormat,
        provider: Option<&str>,
    ) -> Result<Self, AdminError> {
        let written = match format {
            ImportFormat::Csv => csv::read(bytes)?,
            ImportFormat::Json => json::read(bytes)?,
        };
        let mut seen = Seen::default();
        let entries = written
            .into_iter()
            .map(|row| seen.entry(row.and_then(|row| check(row, provider))));
        Ok(Self {
            entries: entries.collect(),
        })
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.entries.len()
    }
}

/// A row as it stands in the file.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) line: u64,
    pub(super) username: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) administrator: Option<bool>,
    pub(super) status: Option<String>,
    pub(super) password_hash: Option<String>,
    /// `None`: nothing is said of links.
    pub(super) links: Option<Vec<WrittenLink>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WrittenLink {
    pub(super) provider: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
}

/// A row that is right as far as can be said without the database, or the report of one that is not.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Row(Row),
    Failed(ImportedRow),
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) username: String,
    /// Only in the first row of a person.
    pub(super) person: Option<Person>,
    pub(super) links: Vec<RowLink>,
}

/// What is said about a person; `None` says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: Option<String>,
    /// With its canonical form.
    pub(super) email: Option<(String, String)>,
    pub(super) administrator: Option<bool>,
    pub(super) suspended: Option<bool>,
    pub(super) password_hash: Option<Redacted<String>>,
}

#[derive(Clone, Debug)]
pub(super) struct RowLink {
    pub(super) provider: String,
    pub(super) issuer: Option<String>,
    /// `None`: it waits for its person.
    pub(super) subject: Option<String>,
}

impl Entry {
    pub(super) fn username(&self) -> Option<&str> {
        match self {
            Self::Row(row) => Some(&row.username),
            Self::Failed(failed) => failed.username.as_deref(),
        }
    }

    /// Is it about the same person as the entry before?
    pub(super) fn belongs_to(&self, before: &Self) -> bool {
        self.username().is_some() && self.username() == before.username()
    }
}

/// What can be checked about one row by itself.
fn check(written: Written, provider: Option<&str>) -> Result<Row, ImportedRow> {
    let (line, username) = (written.line, written.username.clone());
    let failed = |error: AdminError| {
        let named = (!username.is_empty()).then(|| username.clone());
        ImportedRow::failed(line, named, error.to_string())
    };
    checked(written, provider).map_err(failed)
}

fn checked(written: Written, provider: Option<&str>) -> Result<Row, AdminError> {
    if written.username.is_empty() {
        return Err(AdminError::invalid("the username is missing"));
    }
    check_name("username", &written.username)?;
    if let Some(name) = &written.name {
        check_display("name", name)?;
    }
    let email = match written.email {
        Some(email) => {
            let key = email_key(&email)?;
            Some((email, key))
        }
        None => None,
    };
    let suspended = match written.status.as_deref() {
        None => None,
        Some("active") => Some(false),
        Some("suspended") => Some(true),
        Some(other) => {
            return Err(AdminError::Invalid(format!(
                "the status `{}` is neither active nor suspended",
                other.escape_debug()
            )));
        }
    };
    if written
        .password_hash
        .as_deref()
        .is_some_and(|hash| !is_usable_hash(hash))
    {
        return Err(AdminError::invalid(
            "the password hash is no Argon2id hash in the PHC form ($argon2id$v=19$m=…,t=…,p=…$salt$hash) of at most 256 MiB, 16 \
             passes and 16 lanes; leave it out, and invite the person to choose a password",
        ));
    }
    let standard = || {
        provider
            .map(|_| vec![WrittenLink::default()])
            .unwrap_or_default()
    };
    Ok(Row {
        line: written.line,
        links: links(written.links.unwrap_or_else(standard), provider)?,
        username: written.username,
        person: Some(Person {
            name: written.name,
            email,
            administrator: written.administrator,
            suspended,
            password_hash: written.password_hash.map(Redacted),
        }),
    })
}

fn links(written: Vec<WrittenLink>, standard: Option<&str>) -> Result<Vec<RowLink>, AdminError> {
    let mut links: Vec<RowLink> = Vec::with_capacity(written.len());
    for link in written {
        let Some(provider) = link.provider.or_else(|| standard.map(str::to_owned)) else {
            return Err(AdminError::invalid(
                "a link names no provider; write its slug, or name one for all rows with --provider",
            ));
        };
        let mixed = links.iter().any(|other| {
            other.provider == provider && (other.subject.is_none() || link.subject.is_none())
        });
        if mixed {
            return Err(AdminError::Invalid(format!(
                "it names `{provider}` more than once, and once without a subject; write each identity with its subject",
            )));
        }
        links.push(RowLink {
            provider,
            issuer: link.issuer,
            subject: link.subject,
        });
    }
    Ok(links)
}

/// What earlier rows named, with their lines.
#[derive(Default)]
struct Seen {
    usernames: HashMap<String, u64>,
    emails: HashMap<String, u64>,
    identities: HashMap<(String, String), u64>,
    /// The person of the last row; `None` for a row that failed.
    last: Option<(String, Option<Person>)>,
}

impl Seen {
    fn entry(&mut self, row: Result<Row, ImportedRow>) -> Entry {
        let entry = match row {
            Err(failed) => Entry::Failed(failed),
            Ok(row) => match self.check(&row) {
                Err(reason) => {
                    Entry::Failed(ImportedRow::failed(row.line, Some(row.username), reason))
                }
                Ok(goes_on) => Entry::Row(self.remember(row, goes_on)),
            },
        };
        if let Some(username) = entry.username()
            && !self.is_last(username)
        {
            let person = match &entry {
                Entry::Row(row) => row.person.clone(),
                Entry::Failed(_) => None,
            };
            self.last = Some((username.to_owned(), person));
        }
        entry
    }

    fn is_last(&self, username: &str) -> bool {
        self.last.as_ref().is_some_and(|(last, _)| last == username)
    }

    /// Does the row agree with those before it? Answers whether it goes on about the person of the last one.
    fn check(&self, row: &Row) -> Result<bool, String> {
        let goes_on = self.is_last(&row.username);
        if let (false, Some(line)) = (goes_on, self.usernames.get(&row.username)) {
            return Err(format!(
                "line {line} is about this user already; write the rows of a user one below the other"
            ));
        }
        let person = row.person.clone().unwrap_or_default();
        if let (true, Some((_, Some(first)))) = (goes_on, &self.last)
            && person != Person::default()
            && person != *first
        {
            return Err(
                "it says something else about the user than the first row of the same user"
                    .to_owned(),
            );
        }
        if let Some((address, key)) = &person.email
            && let Some(line) = self.emails.get(key).filter(|_| !goes_on)
        {
            return Err(format!(
                "line {line} gives the address `{address}` to another user"
            ));
        }
        for link in &row.links {
            let Some(subject) = &link.subject else {
                continue;
            };
            let identity = (link.provider.clone(), subject.clone());
            if let Some(line) = self.identities.get(&identity) {
                return Err(format!(
                    "line {line} names the same identity at `{}`, and an identity is one person's",
                    link.provider
                ));
            }
        }
        Ok(goes_on)
    }

    fn remember(&mut self, mut row: Row, goes_on: bool) -> Row {
        self.usernames
            .entry(row.username.clone())
            .or_insert(row.line);
        if let Some((_, key)) = row.person.as_ref().and_then(|person| person.email.as_ref()) {
            self.emails.entry(key.clone()).or_insert(row.line);
        }
        for link in &row.links {
            if let Some(subject) = &link.subject {
                self.identities
                    .insert((link.provider.clone(), subject.clone()), row.line);
            }
        }
        if goes_on {
            row.person = None;
        }
        row
    }
}
