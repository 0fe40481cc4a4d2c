//! The tree around a token or node of one's own.

use curfew_policy::standing::{Kind, Standing};
use curfew_policy::status::NodeKind;
use curfew_protocol::{Timestamp, UserId};
use curfew_store::tree::{Edge, Subject, TreeBounds, TreeRow};
use curfew_store::{Read, StoreError};

use super::identities::HeldIdentity;
use super::listing::{Clients, HeldClient, Through};
use super::{is_of, own};

/// What a page, or an answer of the API, can hold.
const BOUNDS: TreeBounds = TreeBounds {
    rows: 200,
    tokens: 10,
};

/// A token or node of one's own with what it hangs on and what hangs on it.
#[derive(Clone, Debug)]
pub struct OwnTree {
    pub rows: Vec<OwnTreeRow>,
    /// There is more than is shown.
    pub cut: bool,
}

#[derive(Clone, Debug)]
pub struct OwnTreeRow {
    pub depth: usize,
    pub edge: Edge,
    pub kind: Kind,
    pub id: String,
    /// A personal access token's.
    pub name: Option<String>,
    pub client: Option<HeldClient>,
    /// Of a session: the upstream identity that was signed in with.
    pub through: Option<HeldIdentity>,
    pub standing: Standing,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The one that was asked about.
    pub asked: bool,
}

/// The tree around the person's own token or node of that id. `None`: there is none, or it is someone else's.
pub fn tree(read: &mut Read<'_>, user: UserId, id: &str) -> Result<Option<OwnTree>, StoreError> {
    let Some(subject) = own(read, user, id)? else {
        return Ok(None);
    };
    let tree = read.tree(subject, BOUNDS)?;
    let mut names = (Clients::default(), Through::default());
    let mut rows: Vec<OwnTreeRow> = Vec::new();
    let mut merged: Vec<usize> = Vec::new();
    for mut row in tree.rows {
        if !is_of(row.subject.node(), user) {
            continue;
        }
        merged.retain(|depth| *depth < row.depth);
        // A personal access token and its node are one thing to its owner, and go by the token's id.
        if let (Some(above), Subject::Token(token)) = (rows.last_mut(), &row.subject)
            && token.node.kind == NodeKind::PersonalAccessToken
        {
            merged.push(row.depth);
            above.id = token.id.to_string();
            above.asked |= row.asked;
            continue;
        }
        row.depth -= merged.len();
        rows.push(own_row(read, row, &mut names)?);
    }
    Ok(Some(OwnTree {
        rows,
        cut: tree.cut,
    }))
}

fn own_row(
    read: &mut Read<'_>,
    row: TreeRow,
    (clients, through): &mut (Clients, Through),
) -> Result<OwnTreeRow, StoreError> {
    let node = row.subject.node();
    let name = match &row.subject {
        Subject::Node { chain, .. } if chain.kind == NodeKind::PersonalAccessToken => {
            read.personal_access_token_name(chain.id)?
        }
        Subject::Token(_) | Subject::Node { .. } => None,
    };
    let link = node.link.filter(|_| row.subject.kind() == Kind::Session);
    let link = link.map(|through| through.link);
    let (created_at, expires_at) = row.subject.span();
    Ok(OwnTreeRow {
        depth: row.depth,
        edge: row.edge,
        kind: row.subject.kind(),
        id: row.subject.id(),
        name,
        client: clients.of(read, node)?,
        through: through.of(read, link)?,
        standing: row.subject.standing(read.now()),
        created_at,
        expires_at,
        asked: row.asked,
    })
}
