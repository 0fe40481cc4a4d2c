//! A person's living tokens.

use std::collections::HashMap;

use curfew_policy::standing::Kind;
use curfew_policy::status::NodeKind;
use curfew_protocol::{Audiences, NodeId, Timestamp, UserId};
use curfew_store::codes::Approval;
use curfew_store::last_uses::Used;
use curfew_store::nodes::NodeChain;
use curfew_store::tokens::TokenChain;
use curfew_store::{Read, StoreError};

use super::listing::{
    Approved, Clients, Held, HeldClient, HeldId, approvals, approved, held_approval, living,
    parent_of,
};

/// Nodes whose tokens are listed, the newest; and how many of each.
const NODES_WITH_TOKENS: usize = 100;
const TOKENS_OF_A_NODE: i64 = 5;

/// A living token, refresh family, personal access token, or approval given to a device.
#[derive(Clone, Debug)]
pub struct HeldToken {
    pub id: HeldId,
    pub kind: Kind,
    /// What its owner calls a personal access token.
    pub name: Option<String>,
    pub client: Option<HeldClient>,
    pub scopes: String,
    pub audiences: Audiences,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// When a refresh family dies unless it is used.
    pub idle_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub approved: Approved,
    /// What it hangs on.
    pub parent: Option<HeldId>,
}

/// A person's living tokens: personal ones, approvals given to devices, refresh families, and the newest access tokens.
pub fn tokens(read: &mut Read<'_>, user: UserId) -> Result<Held<HeldToken>, StoreError> {
    let (approvals, more) = approvals(read, user)?;
    let mut list = TokenList {
        now: read.now(),
        clients: Clients::default(),
        approvals: HashMap::new(),
        items: Vec::new(),
    };
    let (personal, more_personal) = living(read, user, NodeKind::PersonalAccessToken)?;
    for node in &personal {
        list.personal(read, node)?;
    }
    for approval in approvals.iter().filter(|own| own.device.is_some()) {
        list.device(read, approval)?;
    }
    let mut holders: Vec<NodeChain> = approvals.iter().map(|own| own.node.clone()).collect();
    list.approvals = approvals
        .into_iter()
        .map(|own| (own.node.id, own))
        .collect();
    let (families, more_families) = living(read, user, NodeKind::Family)?;
    for node in &families {
        list.family(read, node)?;
    }
    let (exchanges, more_exchanges) = living(read, user, NodeKind::Exchange)?;
    holders.extend(families);
    holders.extend(exchanges);
    holders.sort_by_key(|node| std::cmp::Reverse(node.id));
    let cut = holders.len() > NODES_WITH_TOKENS;
    for node in holders.iter().take(NODES_WITH_TOKENS) {
        for token in read.tokens_latest(node, TOKENS_OF_A_NODE)? {
            list.access_token(read, &token)?;
        }
    }
    list.last_uses(read)?;
    Ok(Held {
        items: list.items,
        more: more || more_personal || more_families || more_exchanges || cut,
    })
}

struct TokenList {
    now: Timestamp,
    clients: Clients,
    approvals: HashMap<NodeId, Approval>,
    items: Vec<HeldToken>,
}

impl TokenList {
    /// When each was last used, as far as the store was told; of a refresh family its rotation tells besides.
    fn last_uses(&mut self, read: &mut Read<'_>) -> Result<(), StoreError> {
        let used = |item: &HeldToken| match item.id {
            HeldId::Token(id) => Used::Token(id),
            HeldId::Node(id) => Used::Node(id),
        };
        let asked: Vec<Used> = self.items.iter().map(used).collect();
        let uses = read.last_uses(&asked)?;
        for item in &mut self.items {
            let told = uses.get(&used(item)).map(|last| last.used_at);
            item.last_used_at = item.last_used_at.max(told);
        }
        Ok(())
    }

    fn personal(&mut self, read: &mut Read<'_>, node: &NodeChain) -> Result<(), StoreError> {
        let name = read.personal_access_token_name(node.id)?;
        for token in read.tokens_latest(node, 1)? {
            let Ok(alive) = token.judge(self.now) else {
                continue;
            };
            let parent = parent_of(read, node.id)?;
            self.items.push(HeldToken {
                id: HeldId::Token(token.id),
                kind: Kind::PersonalAccessToken,
                name: name.clone(),
                client: None,
                scopes: token.scopes,
                audiences: token.audiences,
                created_at: token.facts.created_at,
                expires_at: alive.expires_at(),
                idle_at: None,
                last_used_at: None,
                approved: approved(read, node.id, None)?,
                parent,
            });
        }
        Ok(())
    }

    fn device(&mut self, read: &mut Read<'_>, approval: &Approval) -> Result<(), StoreError> {
        let held = held_approval(read, approval, &mut self.clients)?;
        self.items.push(HeldToken {
            id: HeldId::Node(held.id),
            kind: Kind::Approval,
            name: None,
            client: held.client,
            scopes: held.scopes.to_string(),
            audiences: approval.audiences.clone(),
            created_at: held.created_at,
            expires_at: held.expires_at,
            idle_at: None,
            last_used_at: None,
            approved: held.approved,
            parent: parent_of(read, approval.node.id)?,
        });
        Ok(())
    }

    fn family(&mut self, read: &mut Read<'_>, node: &NodeChain) -> Result<(), StoreError> {
        let (Some(family), Ok(alive)) = (read.family(node.id)?, node.judge(self.now)) else {
            return Ok(());
        };
        if self.now.has_reached(family.idle_at) {
            return Ok(());
        }
        let parent = parent_of(read, node.id)?;
        let approval = self.approval(parent);
        self.items.push(HeldToken {
            id: HeldId::Node(node.id),
            kind: Kind::RefreshFamily,
            name: None,
            client: self.clients.of(read, node)?,
            scopes: family.scopes.to_string(),
            audiences: family.audiences,
            created_at: node.created_at,
            expires_at: alive.expires_at(),
            idle_at: Some(family.idle_at),
            last_used_at: Some(family.state.rotated_at),
            approved: approved(read, node.id, approval.as_ref())?,
            parent,
        });
        Ok(())
    }

    fn access_token(&mut self, read: &mut Read<'_>, token: &TokenChain) -> Result<(), StoreError> {
        let Ok(alive) = token.judge(self.now) else {
            return Ok(());
        };
        let node = &token.node;
        let on = match node.kind {
            NodeKind::Approval => Some(HeldId::Node(node.id)),
            NodeKind::Session
            | NodeKind::Family
            | NodeKind::ClientGrant
            | NodeKind::PersonalAccessToken
            | NodeKind::Exchange => parent_of(read, node.id)?,
        };
        let approval = self.approval(on);
        self.items.push(HeldToken {
            id: HeldId::Token(token.id),
            kind: Kind::AccessToken,
            name: None,
            client: self.clients.of(read, node)?,
            scopes: token.scopes.clone(),
            audiences: token.audiences.clone(),
            created_at: token.facts.created_at,
            expires_at: alive.expires_at(),
            idle_at: None,
            last_used_at: None,
            approved: approved(read, node.id, approval.as_ref())?,
            parent: Some(HeldId::Node(node.id)),
        });
        Ok(())
    }

    fn approval(&self, id: Option<HeldId>) -> Option<Approval> {
        match id {
            Some(HeldId::Node(id)) => self.approvals.get(&id).cloned(),
            Some(HeldId::Token(_)) | None => None,
        }
    }
}
