//! Lists of what lives. What has expired or was ended is not shown (C37).

use std::collections::HashMap;

use curfew_policy::lifetime::DEVICES_SHOWN;
use curfew_policy::status::NodeKind;
use curfew_protocol::{ClientKey, LinkId, NodeId, ScopeSet, Timestamp, TokenId, UserId};
use curfew_store::codes::{Approval, ApprovalBasis, ApprovedDevice};
use curfew_store::nodes::NodeChain;
use curfew_store::sessions::SessionListing;
use curfew_store::{Read, StoreError};

use super::identities::{HeldIdentity, identity};

/// Nodes of one look-up.
const PAGE: i64 = 500;

/// Nodes of a kind that are looked at, dead ones included.
const LOOKED_AT: usize = 10_000;

/// A list, and whether there is more than it shows.
#[derive(Clone, Debug)]
pub struct Held<T> {
    pub items: Vec<T>,
    pub more: bool,
}

/// What a token or node of a person's is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldId {
    Token(TokenId),
    Node(NodeId),
}

impl std::fmt::Display for HeldId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(id) => id.fmt(f),
            Self::Node(id) => id.fmt(f),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldClient {
    pub client_id: String,
    pub name: String,
}

/// How something came to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// `None` where nobody was asked for an approval: a personal access token, an exchange.
    pub basis: Option<ApprovalBasis>,
    pub by: Option<ApprovedBy>,
    pub device: Option<ApprovedDevice>,
}

/// The credential behind an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovedBy {
    Session(NodeId),
    Token(TokenId),
}

/// A living approval.
#[derive(Clone, Debug)]
pub struct HeldApproval {
    pub id: NodeId,
    pub client: Option<HeldClient>,
    pub scopes: ScopeSet,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub approved: Approved,
}

/// An application with living approvals, or with a consent that is remembered.
#[derive(Clone, Debug)]
pub struct Application {
    pub client: HeldClient,
    /// All that it may do in the person's name.
    pub scopes: ScopeSet,
    pub since: Timestamp,
    pub expires_at: Timestamp,
    /// Until when it is not asked again.
    pub remembered_until: Option<Timestamp>,
    /// Newest first.
    pub approvals: Vec<HeldApproval>,
}

/// A living session.
#[derive(Clone, Debug)]
pub struct HeldSession {
    pub session: SessionListing,
    /// The upstream identity that was signed in with.
    pub through: Option<HeldIdentity>,
}

/// A person's living sessions, newest first.
pub fn sessions(read: &mut Read<'_>, user: UserId) -> Result<Vec<HeldSession>, StoreError> {
    let mut through = Through::default();
    let sessions = read.session_list(user)?;
    let alive = sessions.into_iter().filter(|session| session.alive);
    alive
        .map(|session| {
            Ok(HeldSession {
                through: through.of(read, session.link)?,
                session,
            })
        })
        .collect()
}

/// Upstream identities already looked up.
#[derive(Default)]
pub(super) struct Through(HashMap<LinkId, Option<HeldIdentity>>);

impl Through {
    pub(super) fn of(
        &mut self,
        read: &mut Read<'_>,
        link: Option<LinkId>,
    ) -> Result<Option<HeldIdentity>, StoreError> {
        let Some(id) = link else { return Ok(None) };
        if let Some(known) = self.0.get(&id) {
            return Ok(known.clone());
        }
        let found = match read.link(id)? {
            Some(link) => identity(read, &link)?,
            None => None,
        };
        self.0.insert(id, found.clone());
        Ok(found)
    }
}

/// The applications that may do something in a person's name, the most recent first.
pub fn applications(read: &mut Read<'_>, user: UserId) -> Result<Held<Application>, StoreError> {
    let (approvals, more) = approvals(read, user)?;
    let mut clients = Clients::default();
    let mut found: Vec<(ClientKey, Application)> = Vec::new();
    for approval in approvals {
        let Some(key) = approval.node.client.as_ref().map(|client| client.key) else {
            continue;
        };
        let held = held_approval(read, &approval, &mut clients)?;
        match found.iter_mut().find(|(own, _)| *own == key) {
            Some((_, application)) => application.add(held),
            None => found.extend(Application::of(held).map(|application| (key, application))),
        }
    }
    remembered(read, user, &mut found, &mut clients)?;
    let items = found.into_iter().map(|(_, application)| application);
    Ok(Held {
        items: items.collect(),
        more,
    })
}

impl Application {
    fn of(approval: HeldApproval) -> Option<Self> {
        Some(Self {
            client: approval.client.clone()?,
            scopes: approval.scopes.clone(),
            since: approval.created_at,
            expires_at: approval.expires_at,
            remembered_until: None,
            approvals: vec![approval],
        })
    }

    fn add(&mut self, approval: HeldApproval) {
        self.scopes = self.scopes.union(&approval.scopes);
        self.since = self.since.min(approval.created_at);
        self.expires_at = self.expires_at.max(approval.expires_at);
        self.approvals.push(approval);
    }
}

/// Adds the consents that are remembered, to the applications found or as such.
fn remembered(
    read: &mut Read<'_>,
    user: UserId,
    found: &mut Vec<(ClientKey, Application)>,
    clients: &mut Clients,
) -> Result<(), StoreError> {
    let now = read.now();
    let Some(user) = read.user(user)? else {
        return Ok(());
    };
    for consent in read.consent_list(user.id)? {
        let Some((client, epoch)) = clients.by_key(read, consent.client)? else {
            continue;
        };
        if !consent.holds(user.epoch, epoch, now) {
            continue;
        }
        let until = consent.expires_at;
        match found.iter_mut().find(|(own, _)| *own == consent.client) {
            Some((_, application)) => {
                application.scopes = application.scopes.union(&consent.scopes);
                application.since = application.since.min(consent.created_at);
                application.remembered_until = Some(until);
            }
            None => found.push((
                consent.client,
                Application {
                    client,
                    scopes: consent.scopes,
                    since: consent.created_at,
                    expires_at: until,
                    remembered_until: Some(until),
                    approvals: Vec::new(),
                },
            )),
        }
    }
    Ok(())
}

/// The approvals of late that were given to devices, newest first: those that a person may want to disown.
pub fn devices(read: &mut Read<'_>, user: UserId) -> Result<Vec<HeldApproval>, StoreError> {
    let now = read.now();
    let mut clients = Clients::default();
    let (approvals, _) = approvals(read, user)?;
    approvals
        .iter()
        .filter(|approval| approval.device.is_some())
        .filter(|approval| !now.has_reached(approval.node.created_at.after(DEVICES_SHOWN)))
        .map(|approval| held_approval(read, approval, &mut clients))
        .collect()
}

/// A person's living approvals, newest first, and whether there may be more.
pub(super) fn approvals(
    read: &mut Read<'_>,
    user: UserId,
) -> Result<(Vec<Approval>, bool), StoreError> {
    let (nodes, more) = living(read, user, NodeKind::Approval)?;
    let mut approvals = Vec::with_capacity(nodes.len());
    let size = usize::try_from(PAGE).unwrap_or(usize::MAX);
    for page in nodes.chunks(size) {
        approvals.extend(read.approvals_on(page.to_vec())?);
    }
    Ok((approvals, more))
}

/// A person's living nodes of one kind, newest first.
pub(super) fn living(
    read: &mut Read<'_>,
    user: UserId,
    kind: NodeKind,
) -> Result<(Vec<NodeChain>, bool), StoreError> {
    let now = read.now();
    let (mut alive, mut looked_at, mut before) = (Vec::new(), 0, None);
    while looked_at < LOOKED_AT {
        let page = read.node_chains_of_user(user, kind, (before, PAGE))?;
        looked_at += page.len();
        before = page.last().map(|node| node.id);
        let full = i64::try_from(page.len()).is_ok_and(|length| length == PAGE);
        alive.extend(page.into_iter().filter(|node| node.judge(now).is_ok()));
        if !full {
            return Ok((alive, false));
        }
    }
    Ok((alive, true))
}

pub(super) fn held_approval(
    read: &mut Read<'_>,
    approval: &Approval,
    clients: &mut Clients,
) -> Result<HeldApproval, StoreError> {
    let node = &approval.node;
    let end = node.judge(read.now());
    Ok(HeldApproval {
        id: node.id,
        client: clients.of(read, node)?,
        scopes: approval.scopes.clone(),
        created_at: node.created_at,
        expires_at: end.map_or(node.facts.expires_at, |alive| alive.expires_at()),
        approved: approved(read, node.id, Some(approval))?,
    })
}

/// How what hangs on `node` came to be allowed; `approval` is the one above it, or itself.
pub(super) fn approved(
    read: &mut Read<'_>,
    node: NodeId,
    approval: Option<&Approval>,
) -> Result<Approved, StoreError> {
    let own = approval.map_or(node, |approval| approval.node.id);
    let by = match parent_of(read, own)? {
        Some(HeldId::Token(token)) => Some(ApprovedBy::Token(token)),
        Some(HeldId::Node(session)) => Some(ApprovedBy::Session(session)),
        None => None,
    };
    Ok(Approved {
        basis: approval.map(|approval| approval.basis),
        by,
        device: approval.and_then(|approval| approval.device.clone()),
    })
}

/// The token that minted a node, or the node that it hangs on.
pub(super) fn parent_of(read: &mut Read<'_>, node: NodeId) -> Result<Option<HeldId>, StoreError> {
    Ok(read.node_edges(node)?.and_then(|edges| {
        let above = edges.parent_id.or(edges.recorded_parent_id);
        let token = edges.parent_token_id.map(HeldId::Token);
        token.or(above.map(HeldId::Node))
    }))
}

/// Clients already looked up, with their epochs.
#[derive(Default)]
pub(super) struct Clients(HashMap<ClientKey, Option<(HeldClient, i64)>>);

impl Clients {
    /// The client of a node.
    pub(super) fn of(
        &mut self,
        read: &mut Read<'_>,
        node: &NodeChain,
    ) -> Result<Option<HeldClient>, StoreError> {
        match &node.client {
            Some(client) => Ok(self.by_key(read, client.key)?.map(|(held, _)| held)),
            None => Ok(None),
        }
    }

    fn by_key(
        &mut self,
        read: &mut Read<'_>,
        key: ClientKey,
    ) -> Result<Option<(HeldClient, i64)>, StoreError> {
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let found = read.client(key)?.map(|client| {
            let held = HeldClient {
                client_id: client.registration.client_id,
                name: client.registration.name,
            };
            (held, client.epoch)
        });
        self.0.insert(key, found.clone());
        Ok(found)
    }
}
