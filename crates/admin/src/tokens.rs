//! Tokens under the magnifying glass: what is it, why is it dead, what hangs together with it, and end it.

use curfew_policy::standing::{Kind, Standing};
use curfew_policy::status::DeathCause;
use curfew_protocol::{Audiences, LinkId, Timestamp};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::last_uses::Used;
use curfew_store::nodes::NodeChain;
use curfew_store::tree::{Edge, Subject, TreeBounds, TreeRow};
use curfew_store::{Read, StoreError};

use crate::subject::find;
use crate::{Admin, AdminError};

/// Operators see the whole tree, but of each node the newest tokens only.
const BOUNDS: TreeBounds = TreeBounds {
    rows: usize::MAX,
    tokens: 20,
};

/// Everything about a token but its secret.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Inspection {
    pub kind: Kind,
    /// The token's or node's id, safe to write down.
    pub id: String,
    #[serde(flatten)]
    pub standing: Standing,
    pub tenant: String,
    pub username: Option<String>,
    pub client_id: Option<String>,
    pub scopes: Option<String>,
    pub audience: Vec<String>,
    pub created_at: i64,
    pub expires_at: i64,
    /// As far as the store was told; a server tells it once a minute.
    pub last_used_at: Option<i64>,
    /// The identifier of the resource server at which a token was used.
    pub last_used_for: Option<String>,
    /// The address of whoever used it.
    pub last_used_from: Option<String>,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct LineageRow {
    pub depth: usize,
    pub edge: Edge,
    pub kind: Kind,
    pub id: String,
    #[serde(flatten)]
    pub standing: Standing,
    pub expires_at: i64,
    pub last_used_at: Option<i64>,
    /// Of a session: the upstream link that its person came in through.
    pub through: Option<LineageLink>,
    /// The one that was asked about.
    pub asked: bool,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct LineageLink {
    pub provider: String,
    pub link: LinkId,
}

/// What a revocation did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Revoked {
    pub kind: Kind,
    pub id: String,
    /// False when it was over already.
    pub ended: bool,
}

fn inspection(read: &mut Read<'_>, subject: &Subject) -> Result<Inspection, AdminError> {
    let (scopes, audiences) = match subject {
        Subject::Token(token) => (Some(token.scopes.clone()), token.audiences.clone()),
        Subject::Node { chain, .. } => granted(read, chain)?,
    };
    let (created_at, expires_at) = subject.span();
    let last = read.last_uses(&[subject.used()])?.remove(&subject.used());
    let chain = subject.node();
    let server = match last.as_ref().and_then(|last| last.resource_server) {
        Some(key) => {
            let mut all = read.resource_server_list(chain.tenant_id)?.into_iter();
            all.find(|server| server.key == key)
        }
        None => None,
    };
    Ok(Inspection {
        kind: subject.kind(),
        id: subject.id(),
        standing: subject.standing(read.now()),
        tenant: chain.tenant_slug.clone(),
        username: chain.user.as_ref().map(|user| user.username.clone()),
        client_id: chain.client.as_ref().map(|client| client.client_id.clone()),
        scopes,
        audience: audiences
            .0
            .into_iter()
            .map(|audience| audience.identifier)
            .collect(),
        created_at: created_at.seconds(),
        expires_at: expires_at.seconds(),
        last_used_at: last.as_ref().map(|last| last.used_at.seconds()),
        last_used_for: server.map(|server| server.identifier),
        last_used_from: last.and_then(|last| last.ip),
    })
}

/// What an approval or a family allows.
fn granted(
    read: &mut Read<'_>,
    chain: &NodeChain,
) -> Result<(Option<String>, Audiences), AdminError> {
    if let Some(family) = read.family(chain.id)? {
        return Ok((Some(family.scopes.to_string()), family.audiences));
    }
    if let Some(approval) = read.approval(chain.id)? {
        return Ok((Some(approval.scopes.to_string()), approval.audiences));
    }
    Ok((None, Audiences::default()))
}

impl Admin {
    /// `text` is a token's value, or the id of a token or node.
    pub fn token_inspect(&self, text: &str) -> Result<Inspection, AdminError> {
        self.read(|read| {
            let subject = find(read, text)?;
            inspection(read, &subject)
        })
    }

    /// Ends a token, or a node and everything below it.
    pub fn token_revoke(&self, text: &str) -> Result<Revoked, AdminError> {
        let text = text.to_owned();
        let entry = self.entry(AuditEvent::TokenRevoked);
        self.write(move |write| {
            let subject = find(write, &text)?;
            let chain = subject.node();
            let mut row = AuditEntry {
                tenant_id: Some(chain.tenant_id),
                user_id: chain.user_id(),
                client: chain.client.as_ref().map(|client| client.key),
                node_id: Some(chain.id),
                ..entry.clone()
            };
            let revoked = match &subject {
                Subject::Token(token) => {
                    row.token_id = Some(token.id);
                    let ended = write.token_end(token.id, DeathCause::EndedByAdministrator)?;
                    Revoked {
                        kind: Kind::AccessToken,
                        id: token.id.to_string(),
                        ended,
                    }
                }
                Subject::Node { chain, .. } => {
                    let ended = write.node_end(chain.id, DeathCause::EndedByAdministrator)? > 0;
                    Revoked {
                        kind: Kind::of_node(chain.kind),
                        id: chain.id.to_string(),
                        ended,
                    }
                }
            };
            write.audit(&row)?;
            Ok(revoked)
        })
    }

    /// The tree around a token or node: its ancestors, and everything below it.
    pub fn token_lineage(&self, text: &str) -> Result<Vec<LineageRow>, AdminError> {
        self.read(|read| {
            let subject = find(read, text)?;
            let tree = read.tree(subject, BOUNDS)?;
            let now = read.now();
            let asked: Vec<Used> = tree.rows.iter().map(|row| row.subject.used()).collect();
            let uses = read.last_uses(&asked)?;
            let rows = tree.rows.iter().map(|row| {
                Ok(LineageRow {
                    last_used_at: uses
                        .get(&row.subject.used())
                        .map(|last| last.used_at.seconds()),
                    through: lineage_link(read, row)?,
                    ..lineage_row(row, now)
                })
            });
            rows.collect()
        })
    }
}

fn lineage_row(row: &TreeRow, now: Timestamp) -> LineageRow {
    LineageRow {
        depth: row.depth,
        edge: row.edge,
        kind: row.subject.kind(),
        id: row.subject.id(),
        standing: row.subject.standing(now),
        expires_at: row.subject.span().1.seconds(),
        last_used_at: None,
        through: None,
        asked: row.asked,
    }
}

/// The link behind a session. What hangs on the session remembers it as well, but that says nothing more.
fn lineage_link(read: &mut Read<'_>, row: &TreeRow) -> Result<Option<LineageLink>, StoreError> {
    let node = row.subject.node();
    let Some(through) = node.link.filter(|_| row.subject.kind() == Kind::Session) else {
        return Ok(None);
    };
    let provider = match read.link(through.link)? {
        Some(link) => read.provider(link.provider_id)?,
        None => None,
    };
    Ok(provider.map(|provider| LineageLink {
        provider: provider.slug,
        link: through.link,
    }))
}
