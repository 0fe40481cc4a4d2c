//! Tokens under the magnifying glass: what is it, why is it dead, what hangs together with it, and end it.

use curfew_policy::status::DeathCause;
use curfew_protocol::{Audiences, NodeId, Timestamp, TokenId};
use curfew_store::Read;
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::last_uses::Used;
use curfew_store::nodes::NodeChain;

use crate::subject::{Kind, Standing, Subject, find, node};
use crate::{Admin, AdminError};

/// How many tokens of one node a tree shows.
const TOKENS_SHOWN: i64 = 20;

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

/// How a row of the tree hangs on the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Nothing is above it.
    Root,
    /// Its life ends with the one above.
    Binding,
    /// Provenance only.
    Recorded,
    /// The token above made it.
    Minted,
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
    /// The one that was asked about.
    pub asked: bool,
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
    let (kind, id, standing, scopes, audiences) = match subject {
        Subject::Token(token) => (
            Kind::AccessToken,
            token.id.to_string(),
            Standing::of(token.judge(read.now())),
            Some(token.scopes.clone()),
            token.audiences.clone(),
        ),
        Subject::Node { chain, standing } => {
            let (scopes, audiences) = granted(read, chain)?;
            (
                Kind::of_node(chain.kind),
                chain.id.to_string(),
                *standing,
                scopes,
                audiences,
            )
        }
    };
    let (created_at, expires_at) = span(subject);
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
        kind,
        id,
        standing,
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

const fn span(subject: &Subject) -> (Timestamp, Timestamp) {
    match subject {
        Subject::Token(token) => (token.facts.created_at, token.facts.expires_at),
        Subject::Node { chain, .. } => (chain.created_at, chain.facts.expires_at),
    }
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
                user_id: chain.user.as_ref().map(|user| user.id),
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
            let mut tree = Tree::default();
            tree.ancestors(read, &subject)?;
            tree.below(read, &subject)?;
            let uses = read.last_uses(&tree.used)?;
            for (row, used) in tree.rows.iter_mut().zip(&tree.used) {
                row.last_used_at = uses.get(used).map(|last| last.used_at.seconds());
            }
            Ok(tree.rows)
        })
    }
}

#[derive(Default)]
struct Tree {
    rows: Vec<LineageRow>,
    /// What each row is about.
    used: Vec<Used>,
}

impl Tree {
    fn push(&mut self, read: &Read<'_>, subject: &Subject, depth: usize, edge: Edge) {
        let (kind, id, standing) = match subject {
            Subject::Token(token) => (
                Kind::AccessToken,
                token.id.to_string(),
                Standing::of(token.judge(read.now())),
            ),
            Subject::Node { chain, standing } => {
                (Kind::of_node(chain.kind), chain.id.to_string(), *standing)
            }
        };
        let expires_at = span(subject).1.seconds();
        self.rows.push(LineageRow {
            depth,
            edge,
            kind,
            id,
            standing,
            expires_at,
            last_used_at: None,
            asked: false,
        });
        self.used.push(subject.used());
    }

    /// From the topmost ancestor down to the subject, one row each.
    fn ancestors(&mut self, read: &mut Read<'_>, subject: &Subject) -> Result<(), AdminError> {
        let mut path: Vec<(Subject, Edge)> = Vec::new();
        let mut above = parent_of(read, subject)?;
        while let Some((parent, edge)) = above {
            above = parent_of(read, &parent)?;
            path.push((parent, edge));
        }
        // Each edge was noted with the parent; a row shows how it hangs on the one above it.
        let mut edge = Edge::Root;
        let mut depth = 0;
        for (parent, edge_below) in path.into_iter().rev() {
            self.push(read, &parent, depth, edge);
            edge = edge_below;
            depth += 1;
        }
        self.push(read, subject, depth, edge);
        if let Some(row) = self.rows.last_mut() {
            row.asked = true;
        }
        Ok(())
    }

    fn below(&mut self, read: &mut Read<'_>, subject: &Subject) -> Result<(), AdminError> {
        let depth = self.rows.last().map_or(0, |row| row.depth);
        match subject {
            Subject::Token(token) => self.below_token(read, token.id, depth + 1),
            Subject::Node { chain, .. } => self.below_node(read, chain, depth + 1),
        }
    }

    fn below_token(
        &mut self,
        read: &mut Read<'_>,
        id: TokenId,
        depth: usize,
    ) -> Result<(), AdminError> {
        for child in read.node_ids_minted_by(id)? {
            self.child(read, child, depth, Edge::Minted)?;
        }
        Ok(())
    }

    fn below_node(
        &mut self,
        read: &mut Read<'_>,
        chain: &NodeChain,
        depth: usize,
    ) -> Result<(), AdminError> {
        for id in read.token_ids_latest(chain.id, TOKENS_SHOWN)? {
            if let Some(token) = read.token_chain(id)? {
                self.push(read, &Subject::Token(token), depth, Edge::Binding);
                self.below_token(read, id, depth + 1)?;
            }
        }
        for child in read.node_ids_below(chain.id, chain.user.as_ref().map(|user| user.id))? {
            let recorded = read
                .node_listing(child)?
                .is_some_and(|listing| listing.parent_id != Some(chain.id));
            self.child(
                read,
                child,
                depth,
                if recorded {
                    Edge::Recorded
                } else {
                    Edge::Binding
                },
            )?;
        }
        Ok(())
    }

    fn child(
        &mut self,
        read: &mut Read<'_>,
        id: NodeId,
        depth: usize,
        edge: Edge,
    ) -> Result<(), AdminError> {
        if let Some(subject) = node(read, id)? {
            self.push(read, &subject, depth, edge);
            self.below_node(read, subject.node(), depth + 1)?;
        }
        Ok(())
    }
}

/// What a subject hangs on, and how.
fn parent_of(
    read: &mut Read<'_>,
    subject: &Subject,
) -> Result<Option<(Subject, Edge)>, AdminError> {
    let chain = match subject {
        Subject::Token(token) => {
            return Ok(node(read, token.node.id)?.map(|parent| (parent, Edge::Binding)));
        }
        Subject::Node { chain, .. } => chain,
    };
    if let Some(token) = read.node_parent_token(chain.id)?
        && let Some(token) = read.token_chain(token)?
    {
        return Ok(Some((Subject::Token(token), Edge::Minted)));
    }
    let Some(listing) = read.node_listing(chain.id)? else {
        return Ok(None);
    };
    let (id, edge) = match (listing.parent_id, listing.recorded_parent_id) {
        (Some(id), _) => (id, Edge::Binding),
        (None, Some(id)) => (id, Edge::Recorded),
        (None, None) => return Ok(None),
    };
    Ok(node(read, id)?.map(|parent| (parent, edge)))
}
