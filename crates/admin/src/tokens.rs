//! Tokens under the magnifying glass: what is it, why is it dead, what hangs together with it, and end it.

use curfew_policy::status::DeathCause;
use curfew_protocol::{Audiences, NodeId, Timestamp, TokenId};
use curfew_store::Read;
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::nodes::NodeChain;

use crate::clients::client;
use crate::subject::{Kind, Standing, Subject, find, node};
use crate::users::user;
use crate::{Admin, AdminError, tenant};

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
    /// The one that was asked about.
    pub asked: bool,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct ListedToken {
    pub id: String,
    pub node: String,
    pub node_kind: Kind,
    pub client_id: Option<String>,
    pub scopes: String,
    pub expires_at: i64,
    #[serde(flatten)]
    pub standing: Standing,
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
    let chain = subject.node();
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
            let mut tree = Tree { rows: Vec::new() };
            tree.ancestors(read, &subject)?;
            tree.below(read, &subject)?;
            Ok(tree.rows)
        })
    }

    /// The newest tokens of a user or a client, at most `limit` a node.
    pub fn token_list(
        &self,
        tenant_slug: &str,
        username: Option<&str>,
        client_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ListedToken>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let nodes = match (username, client_id) {
                (Some(username), _) => {
                    let user = user(read, owner.id, username)?;
                    read.node_list_by_user(user.id)?
                }
                (None, Some(client_id)) => {
                    let client = client(read, owner.id, client_id)?;
                    read.node_list_by_client(client.key)?
                }
                (None, None) => {
                    return Err(AdminError::invalid("whose tokens? Add --user or --client"));
                }
            };
            let mut listed = Vec::new();
            for node in nodes {
                for id in read.token_ids_latest(node.id, i64::from(limit))? {
                    listed.extend(listed_token(read, id)?);
                }
            }
            if let (Some(_), Some(client_id)) = (username, client_id) {
                listed.retain(|token| token.client_id.as_deref() == Some(client_id));
            }
            Ok(listed)
        })
    }
}

fn listed_token(read: &mut Read<'_>, id: TokenId) -> Result<Option<ListedToken>, AdminError> {
    let Some(token) = read.token_chain(id)? else {
        return Ok(None);
    };
    Ok(Some(ListedToken {
        id: id.to_string(),
        node: token.node.id.to_string(),
        node_kind: Kind::of_node(token.node.kind),
        client_id: token
            .node
            .client
            .as_ref()
            .map(|client| client.client_id.clone()),
        scopes: token.scopes.clone(),
        expires_at: token.facts.expires_at.seconds(),
        standing: Standing::of(token.judge(read.now())),
    }))
}

struct Tree {
    rows: Vec<LineageRow>,
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
            asked: false,
        });
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
