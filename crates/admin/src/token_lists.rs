//! Tokens as lists: what was issued to whom, refresh families and access tokens alike, and when it was last used (E14).

use curfew_policy::standing::{Kind, Standing};
use curfew_policy::status::NodeKind;
use curfew_store::last_uses::Used;
use curfew_store::node_lists::NodeListing;
use curfew_store::tokens::TokenChain;
use curfew_store::tree::Subject;
use curfew_store::{Read, StoreError};

use crate::clients::client;
use crate::users::user;
use crate::{Admin, AdminError, tenant};

#[derive(Clone, Debug, serde::Serialize)]
pub struct ListedToken {
    pub id: String,
    pub kind: Kind,
    /// What it hangs on.
    pub node: String,
    pub node_kind: Kind,
    pub client_id: Option<String>,
    pub scopes: String,
    pub expires_at: i64,
    /// As far as the store was told; a server tells it once a minute.
    pub last_used_at: Option<i64>,
    #[serde(flatten)]
    pub standing: Standing,
}

impl Admin {
    /// The refresh families of a user or a client, each before its newest access tokens, at most `limit` a node.
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
            let mut rows: Vec<(Used, ListedToken)> = Vec::new();
            for node in nodes {
                rows.extend(listed_family(read, &node)?);
                for id in read.token_ids_latest(node.id, i64::from(limit))? {
                    rows.extend(
                        read.token_chain(id)?
                            .map(|token| listed_token(read, &token)),
                    );
                }
            }
            let mut listed = with_last_uses(read, rows)?;
            if let (Some(_), Some(client_id)) = (username, client_id) {
                listed.retain(|token| token.client_id.as_deref() == Some(client_id));
            }
            Ok(listed)
        })
    }
}

fn with_last_uses(
    read: &mut Read<'_>,
    rows: Vec<(Used, ListedToken)>,
) -> Result<Vec<ListedToken>, StoreError> {
    let asked: Vec<Used> = rows.iter().map(|(used, _)| *used).collect();
    let uses = read.last_uses(&asked)?;
    let listed = rows.into_iter().map(|(used, row)| ListedToken {
        last_used_at: uses.get(&used).map(|last| last.used_at.seconds()),
        ..row
    });
    Ok(listed.collect())
}

/// A refresh family, when the node is one.
fn listed_family(
    read: &mut Read<'_>,
    listing: &NodeListing,
) -> Result<Option<(Used, ListedToken)>, AdminError> {
    if listing.kind != NodeKind::Family {
        return Ok(None);
    }
    let (Some(family), Some(Subject::Node { chain, standing })) =
        (read.family(listing.id)?, read.node_subject(listing.id)?)
    else {
        return Ok(None);
    };
    let parent = listing.parent_id.unwrap_or(listing.id);
    let row = ListedToken {
        id: listing.id.to_string(),
        kind: Kind::RefreshFamily,
        node: parent.to_string(),
        node_kind: Kind::Approval,
        client_id: chain.client.as_ref().map(|client| client.client_id.clone()),
        scopes: family.scopes.to_string(),
        expires_at: listing.expires_at.seconds(),
        last_used_at: None,
        standing,
    };
    Ok(Some((Used::Node(listing.id), row)))
}

fn listed_token(read: &Read<'_>, token: &TokenChain) -> (Used, ListedToken) {
    let client = token.node.client.as_ref();
    let row = ListedToken {
        id: token.id.to_string(),
        kind: Kind::AccessToken,
        node: token.node.id.to_string(),
        node_kind: Kind::of_node(token.node.kind),
        client_id: client.map(|client| client.client_id.clone()),
        scopes: token.scopes.clone(),
        expires_at: token.facts.expires_at.seconds(),
        last_used_at: None,
        standing: Standing::of(token.judge(read.now())),
    };
    (Used::Token(token.id), row)
}
