//! The tree around a credential: what it hangs on and what hangs on it, binding and recorded edges alike. Operators see it on the command
//! line, people on their account page.

use std::collections::HashSet;

use curfew_policy::standing::{Kind, Standing};
use curfew_policy::status::NodeKind;
use curfew_protocol::{NodeId, Timestamp, TokenId};

use crate::context::Read;
use crate::error::StoreError;
use crate::last_uses::Used;
use crate::nodes::NodeChain;
use crate::tokens::TokenChain;

/// A token or a node, with everything that bears on its life.
#[derive(Clone, Debug)]
pub enum Subject {
    Token(TokenChain),
    Node {
        chain: NodeChain,
        standing: Standing,
    },
}

impl Subject {
    /// The token's node, or the node itself.
    pub const fn node(&self) -> &NodeChain {
        match self {
            Self::Token(token) => &token.node,
            Self::Node { chain, .. } => chain,
        }
    }

    pub const fn kind(&self) -> Kind {
        match self {
            Self::Token(_) => Kind::AccessToken,
            Self::Node { chain, .. } => Kind::of_node(chain.kind),
        }
    }

    /// The token's or node's id, safe to write down.
    pub fn id(&self) -> String {
        match self {
            Self::Token(token) => token.id.to_string(),
            Self::Node { chain, .. } => chain.id.to_string(),
        }
    }

    pub fn standing(&self, now: Timestamp) -> Standing {
        match self {
            Self::Token(token) => Standing::of(token.judge(now)),
            Self::Node { standing, .. } => *standing,
        }
    }

    /// Under what its last use is kept.
    pub const fn used(&self) -> Used {
        match self {
            Self::Token(token) => Used::Token(token.id),
            Self::Node { chain, .. } => Used::Node(chain.id),
        }
    }

    /// Birth and expiry.
    pub const fn span(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::Token(token) => (token.facts.created_at, token.facts.expires_at),
            Self::Node { chain, .. } => (chain.created_at, chain.facts.expires_at),
        }
    }
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

#[derive(Clone, Debug)]
pub struct TreeRow {
    pub depth: usize,
    pub edge: Edge,
    pub subject: Subject,
    /// The one that was asked about.
    pub asked: bool,
}

/// How much of a tree is looked at.
#[derive(Clone, Copy, Debug)]
pub struct TreeBounds {
    pub rows: usize,
    /// Of one node, the newest.
    pub tokens: i64,
}

#[derive(Clone, Debug)]
pub struct Tree {
    pub rows: Vec<TreeRow>,
    /// There is more than the bounds allow.
    pub cut: bool,
}

/// What is still to be looked at.
enum Below {
    Token(TokenId),
    Node(NodeId),
}

impl Read<'_> {
    /// A node with its standing; a family also dies idle.
    pub fn node_subject(&mut self, id: NodeId) -> Result<Option<Subject>, StoreError> {
        let Some(chain) = self.node_chain(id)? else {
            return Ok(None);
        };
        let now = self.now();
        let mut standing = Standing::of(chain.judge(now));
        if standing.alive
            && chain.kind == NodeKind::Family
            && self
                .family(id)?
                .is_some_and(|family| now.has_reached(family.idle_at))
        {
            standing = Standing::dead("refresh_idle");
        }
        Ok(Some(Subject::Node { chain, standing }))
    }

    /// The ancestors of `subject` from the topmost down, itself, and everything below it, each right under what it hangs on.
    pub fn tree(&mut self, subject: Subject, bounds: TreeBounds) -> Result<Tree, StoreError> {
        let mut tree = Tree {
            rows: Vec::new(),
            cut: false,
        };
        let edge = tree.ancestors(self, &subject, bounds.rows / 2)?;
        let depth = tree.rows.len();
        let below = children(self, &subject, bounds)?;
        tree.rows.push(TreeRow {
            depth,
            edge,
            subject,
            asked: true,
        });
        tree.below(self, (below, depth + 1), bounds)?;
        Ok(tree)
    }

    /// What a subject hangs on, and how.
    fn parent_of(&mut self, subject: &Subject) -> Result<Option<(Subject, Edge)>, StoreError> {
        let chain = match subject {
            Subject::Token(token) => {
                let node = self.node_subject(token.node.id)?;
                return Ok(node.map(|parent| (parent, Edge::Binding)));
            }
            Subject::Node { chain, .. } => chain,
        };
        let Some(edges) = self.node_edges(chain.id)? else {
            return Ok(None);
        };
        if let Some(token) = edges.parent_token_id
            && let Some(token) = self.token_chain(token)?
        {
            return Ok(Some((Subject::Token(token), Edge::Minted)));
        }
        let (id, edge) = match (edges.parent_id, edges.recorded_parent_id) {
            (Some(id), _) => (id, Edge::Binding),
            (None, Some(id)) => (id, Edge::Recorded),
            (None, None) => return Ok(None),
        };
        Ok(self.node_subject(id)?.map(|parent| (parent, edge)))
    }
}

impl Tree {
    /// From the topmost ancestor down, one row each. Answers how the subject hangs on the last of them.
    fn ancestors(
        &mut self,
        read: &mut Read<'_>,
        subject: &Subject,
        limit: usize,
    ) -> Result<Edge, StoreError> {
        let mut path: Vec<(Subject, Edge)> = Vec::new();
        let mut above = read.parent_of(subject)?;
        while let Some((parent, edge)) = above {
            if path.len() == limit {
                self.cut = true;
                break;
            }
            above = read.parent_of(&parent)?;
            path.push((parent, edge));
        }
        // Each edge was noted with the parent; a row shows how it hangs on the one above it.
        let mut edge = Edge::Root;
        for (depth, (parent, edge_below)) in path.into_iter().rev().enumerate() {
            self.rows.push(TreeRow {
                depth,
                edge,
                subject: parent,
                asked: false,
            });
            edge = edge_below;
        }
        Ok(edge)
    }

    /// Walks with a stack of its own: how deep a chain is, is up to those who made it.
    fn below(
        &mut self,
        read: &mut Read<'_>,
        (first, depth): (Vec<(Below, Edge)>, usize),
        bounds: TreeBounds,
    ) -> Result<(), StoreError> {
        let at = |depth| move |(below, edge)| (below, edge, depth);
        let mut waiting: Vec<(Below, Edge, usize)> =
            first.into_iter().rev().map(at(depth)).collect();
        while let Some((below, edge, depth)) = waiting.pop() {
            if self.rows.len() >= bounds.rows {
                self.cut = true;
                return Ok(());
            }
            let subject = match below {
                Below::Token(id) => read.token_chain(id)?.map(Subject::Token),
                Below::Node(id) => read.node_subject(id)?,
            };
            let Some(subject) = subject else { continue };
            let next = children(read, &subject, bounds)?;
            waiting.extend(next.into_iter().rev().map(at(depth + 1)));
            self.rows.push(TreeRow {
                depth,
                edge,
                subject,
                asked: false,
            });
        }
        Ok(())
    }
}

/// What hangs on a subject. What one of the tokens shown made is shown below that token, and not below its node once more.
fn children(
    read: &mut Read<'_>,
    subject: &Subject,
    bounds: TreeBounds,
) -> Result<Vec<(Below, Edge)>, StoreError> {
    let chain = match subject {
        Subject::Token(token) => {
            let minted = read.node_ids_minted_by(token.id)?;
            let minted = minted.into_iter().map(|id| (Below::Node(id), Edge::Minted));
            return Ok(minted.collect());
        }
        Subject::Node { chain, .. } => chain,
    };
    let tokens = read.token_ids_latest(chain.id, bounds.tokens)?;
    let mut found: Vec<(Below, Edge)> = Vec::new();
    found.extend(tokens.iter().map(|id| (Below::Token(*id), Edge::Binding)));
    let shown: HashSet<TokenId> = tokens.into_iter().collect();
    for id in read.node_ids_below(chain.id, chain.user_id())? {
        let Some(edges) = read.node_edges(id)? else {
            continue;
        };
        if edges
            .parent_token_id
            .is_some_and(|token| shown.contains(&token))
        {
            continue;
        }
        let edge = if edges.parent_id == Some(chain.id) {
            Edge::Binding
        } else {
            Edge::Recorded
        };
        found.push((Below::Node(id), edge));
    }
    Ok(found)
}
