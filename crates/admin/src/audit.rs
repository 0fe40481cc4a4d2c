//! The audit trail: searched, handed out whole, proved.

use curfew_protocol::{AuditId, ClientKey, TenantId, Timestamp, TokenId};
use curfew_store::Read;
use curfew_store::audit::proof::{TrailEvent, TrailProof};
use curfew_store::audit::{AuditEvent, AuditQuery, AuditRow, LinkName};

use crate::users::user;
use crate::{Admin, AdminError, tenant};

/// Rows that an export reads at once.
const PAGE: i64 = 1_000;

/// What to look for, as it is typed.
#[derive(Clone, Debug, Default)]
pub struct AuditSearch {
    /// A name, or the id of anybody who ever was.
    pub user: Option<String>,
    /// Rows about people who are deleted today.
    pub deleted_users: bool,
    pub client: Option<String>,
    /// Events by name, or by the beginning of it, such as `token.`
    pub events: Vec<String>,
    /// The id of a token or of a node.
    pub subject: Option<String>,
    pub credential: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub ip: Option<String>,
    pub succeeded: Option<bool>,
}

/// An id that is typed. What is typed never goes into the error: it may be a secret.
fn id<T: std::str::FromStr>(what: &str, text: Option<&String>) -> Result<Option<T>, AdminError> {
    text.map(|text| text.parse())
        .transpose()
        .map_err(|_| {
            AdminError::invalid(format!(
                "the {what} is no id; an id is 22 letters and digits, and of a token's value the part after its prefix, \
                 such as cfat_"
            ))
        })
}

fn events(wanted: &[String]) -> Result<Vec<AuditEvent>, AdminError> {
    let mut found = Vec::new();
    for name in wanted {
        let before = found.len();
        let matching = AuditEvent::ALL.iter().filter(|event| {
            event.as_str() == name || (name.ends_with('.') && event.as_str().starts_with(name))
        });
        found.extend(matching);
        if found.len() == before {
            let known: Vec<&str> = AuditEvent::ALL.iter().map(|event| event.as_str()).collect();
            return Err(AdminError::invalid(format!(
                "there is no event `{}`; name one of these, or the beginning up to the dot: {}",
                name.escape_debug(),
                known.join(", ")
            )));
        }
    }
    Ok(found)
}

/// The client of that `client_id`, or of that key when it was deleted.
fn client(read: &mut Read<'_>, owner: TenantId, name: &str) -> Result<ClientKey, AdminError> {
    let by_key = |read: &mut Read<'_>| match name.parse::<ClientKey>() {
        Ok(key) => read.client(key),
        Err(_) => Ok(None),
    };
    let found = match read.client_by_client_id(name)? {
        Some(client) => Some(client),
        None => by_key(read)?,
    };
    let found = found.filter(|client| client.tenant_id == owner);
    found.map(|client| client.key).ok_or_else(|| {
        AdminError::invalid(format!(
            "there is no client `{}`; `curfew client list` shows what there is, and a client that was deleted is named by its \
             `client_key`, as the audit trail has it",
            name.escape_debug()
        ))
    })
}

fn query(
    read: &mut Read<'_>,
    tenant_slug: &str,
    search: &AuditSearch,
) -> Result<AuditQuery, AdminError> {
    let owner = tenant(read, tenant_slug)?;
    let user = match &search.user {
        None => None,
        Some(name) => Some(user(read, owner.id, name).map_err(|error| match error {
            AdminError::NotFound { .. } => AdminError::invalid(format!(
                "there is no user `{}`; `curfew user list` shows who there is, and who was deleted is named by the id that \
                 `curfew user list --deleted` shows",
                name.escape_debug()
            )),
            other => other,
        })?),
    };
    Ok(AuditQuery {
        user: user.map(|user| user.id),
        deleted_users: search.deleted_users,
        client: match &search.client {
            None => None,
            Some(name) => Some(client(read, owner.id, name)?),
        },
        events: events(&search.events)?,
        subject: id::<TokenId>("token", search.subject.as_ref())?,
        credential: id::<AuditId>("credential", search.credential.as_ref())?,
        since: search.since,
        until: search.until,
        ip: search.ip.clone(),
        succeeded: search.succeeded,
    })
}

impl Admin {
    /// The latest rows that were asked for, newest first. Names are looked up in the tenant; rows of all tenants are found.
    pub fn audit_search(
        &self,
        tenant_slug: &str,
        search: &AuditSearch,
        limit: u32,
    ) -> Result<Vec<AuditRow>, AdminError> {
        self.read(|read| {
            let query = query(read, tenant_slug, search)?;
            Ok(read.audit_search(&query, i64::from(limit))?)
        })
    }

    /// Every row of a time, oldest first, page by page. `each` says whether to go on.
    pub fn audit_export(
        &self,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        each: &mut dyn FnMut(&AuditRow) -> bool,
    ) -> Result<(), AdminError> {
        let query = AuditQuery {
            since,
            until,
            ..AuditQuery::default()
        };
        let mut after = None;
        loop {
            let rows = self.read(|read| Ok(read.audit_after(&query, after, PAGE)?))?;
            if !rows.iter().all(&mut *each) {
                return Ok(());
            }
            match rows.last() {
                Some(last) => after = Some(last.id),
                None => return Ok(()),
            }
        }
    }

    /// Proves the trail, and that it still holds what was kept of it.
    pub fn audit_verify(
        &self,
        expected: &[LinkName],
        watch: &mut dyn FnMut(TrailEvent<'_>),
    ) -> Result<TrailProof, AdminError> {
        Ok(self.store().audit_prove(expected, watch)?)
    }
}
