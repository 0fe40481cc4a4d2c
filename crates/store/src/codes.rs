//! Approvals, and the authorization codes that are redeemed against them.

use std::collections::HashMap;

use curfew_policy::lifetime::ExpiresAt;
use curfew_policy::status::NodeKind;
use curfew_protocol::{
    Audiences, CodeId, Digest, Lifetime, NodeId, OpaqueToken, ScopeSet, Timestamp, TokenId,
    TokenKind,
};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, Json, opt};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::node_chain::{lifetime, node_chain};
use crate::nodes::{Ancestor, Birth, NewNode, NodeChain};
use crate::on;
use crate::schema::{approvals, codes, nodes};

/// What an approval rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalBasis {
    /// The person pressed the button.
    Asked,
    /// The person had pressed it before.
    Remembered,
    /// The administrator registered the client as one that needs no consent.
    Implicit,
    /// A person approved a device.
    Device,
}

impl ApprovalBasis {
    pub(crate) const fn from_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::Asked),
            2 => Some(Self::Remembered),
            3 => Some(Self::Implicit),
            4 => Some(Self::Device),
            _ => None,
        }
    }

    const fn code(self) -> i16 {
        match self {
            Self::Asked => 1,
            Self::Remembered => 2,
            Self::Implicit => 3,
            Self::Device => 4,
        }
    }
}

/// What an approval remembers of the device that it was given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedDevice {
    /// The lifetime that it asked for its tokens.
    pub requested_lifetime: Option<Lifetime>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// An approval to be stored.
#[derive(Clone, Debug)]
pub struct NewApproval {
    pub birth: Birth,
    /// The session that approved: binding when the client is session-bound, recorded otherwise. A token that approved binds.
    pub ancestor: Ancestor,
    pub parent_token: Option<TokenId>,
    pub session_id: Option<NodeId>,
    pub expires_at: ExpiresAt,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub basis: ApprovalBasis,
    pub device: Option<ApprovedDevice>,
}

#[derive(Clone, Debug)]
pub struct NewCode {
    pub expires_at: ExpiresAt,
    pub redirect_uri: String,
    /// Was `redirect_uri` in the authorization request? Then it must come again (RFC 6749 §4.1.3).
    pub redirect_uri_sent: bool,
    pub code_challenge: String,
}

/// An approval as it was given.
#[derive(Clone, Debug)]
pub struct Approval {
    pub node: NodeChain,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub basis: ApprovalBasis,
    pub device: Option<ApprovedDevice>,
}

/// A code with the approval behind it.
#[derive(Clone, Debug)]
pub struct Code {
    pub id: CodeId,
    pub digest: KeyedDigest,
    pub redirect_uri: String,
    pub redirect_uri_sent: bool,
    pub code_challenge: String,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
    pub approval: Approval,
}

pub(crate) fn stored_scopes(text: &str) -> Result<ScopeSet, StoreError> {
    ScopeSet::parse(text).map_err(|_| StoreError::Corrupt("scopes".to_owned()))
}

type ApprovalRow = (
    Db<NodeId>,
    (String, Json<Audiences>, i16),
    (Option<i64>, Option<String>, Option<String>),
);

fn approval(row: ApprovalRow, node: NodeChain) -> Result<Approval, StoreError> {
    let (_, (scopes, audiences, basis), device) = row;
    let basis = ApprovalBasis::from_code(basis)
        .ok_or_else(|| StoreError::Corrupt("the basis of an approval".to_owned()))?;
    let device = (basis == ApprovalBasis::Device).then(|| ApprovedDevice {
        requested_lifetime: lifetime(device.0),
        ip: device.1,
        user_agent: device.2,
    });
    Ok(Approval {
        node,
        scopes: stored_scopes(&scopes)?,
        audiences: audiences.0,
        basis,
        device,
    })
}

impl Read<'_> {
    pub fn approval(&mut self, id: NodeId) -> Result<Option<Approval>, StoreError> {
        let Some(node) = node_chain(self.connection, id)? else {
            return Ok(None);
        };
        Ok(self.approvals_on(vec![node])?.pop())
    }

    /// The approvals that these nodes are, in their order; nodes of other kinds are left out.
    pub fn approvals_on(&mut self, nodes: Vec<NodeChain>) -> Result<Vec<Approval>, StoreError> {
        let ids: Vec<Db<NodeId>> = nodes.iter().map(|node| Db(node.id)).collect();
        let rows: Vec<ApprovalRow> = on!(&mut *self.connection, c => approvals::table
            .filter(approvals::node_id.eq_any(ids))
            .select((
                approvals::node_id,
                (approvals::scopes, approvals::audiences, approvals::basis),
                (approvals::requested_lifetime, approvals::device_ip, approvals::device_user_agent),
            ))
            .load(c)?);
        let mut rows: HashMap<NodeId, ApprovalRow> =
            rows.into_iter().map(|row| (row.0.0, row)).collect();
        nodes
            .into_iter()
            .filter_map(|node| Some((rows.remove(&node.id)?, node)))
            .map(|(row, node)| approval(row, node))
            .collect()
    }

    /// Does a code that some other session approved carry this challenge? The same session may repeat its request.
    pub fn code_challenge_is_of_another_session(
        &mut self,
        challenge: &str,
        session: NodeId,
    ) -> Result<bool, StoreError> {
        type Parents = (Option<Db<NodeId>>, Option<Db<NodeId>>);
        let approved_by: Vec<Parents> = on!(&mut *self.connection, c => codes::table
            .inner_join(nodes::table.on(nodes::id.eq(codes::approval_id)))
            .filter(codes::code_challenge.eq(challenge))
            .select((nodes::parent_id, nodes::recorded_parent_id))
            .load(c)?);
        let own = Some(session);
        Ok(approved_by
            .into_iter()
            .any(|(bound, recorded)| opt(bound) != own && opt(recorded) != own))
    }

    pub fn code(&mut self, id: CodeId) -> Result<Option<Code>, StoreError> {
        type Row = (
            Db<NodeId>,
            Db<Digest>,
            i16,
            String,
            bool,
            String,
            Db<Timestamp>,
            Option<Db<Timestamp>>,
        );
        let row: Option<Row> = on!(&mut *self.connection, c => codes::table
            .filter(codes::id.eq(Db(id)))
            .select((
                codes::approval_id, codes::secret_digest, codes::secret_key_id, codes::redirect_uri,
                codes::redirect_uri_sent, codes::code_challenge, codes::expires_at, codes::consumed_at,
            ))
            .get_result(c)
            .optional()?);
        let Some(row) = row else { return Ok(None) };
        let Some(approval) = self.approval(row.0.0)? else {
            return Ok(None);
        };
        Ok(Some(Code {
            id,
            digest: KeyedDigest {
                digest: row.1.0,
                key_id: row.2,
            },
            redirect_uri: row.3,
            redirect_uri_sent: row.4,
            code_challenge: row.5,
            expires_at: row.6.0,
            consumed_at: opt(row.7),
            approval,
        }))
    }
}

impl Write<'_> {
    pub fn approval_insert(&mut self, new: &NewApproval) -> Result<NodeId, StoreError> {
        let id = self.node_insert(&NewNode {
            kind: NodeKind::Approval,
            birth: new.birth,
            ancestor: new.ancestor,
            parent_token: new.parent_token,
            session_id: new.session_id,
            expires_at: new.expires_at,
            actor: None,
        })?;
        let device = new.device.as_ref();
        on!(&mut *self.connection, c => diesel::insert_into(approvals::table).values((
            approvals::node_id.eq(Db(id)),
            approvals::scopes.eq(new.scopes.to_string()),
            approvals::audiences.eq(Json(&new.audiences)),
            approvals::basis.eq(new.basis.code()),
            approvals::requested_lifetime.eq(
                device.and_then(|device| device.requested_lifetime).map(Lifetime::seconds),
            ),
            approvals::device_ip.eq(device.and_then(|device| device.ip.as_ref())),
            approvals::device_user_agent.eq(device.and_then(|device| device.user_agent.as_ref())),
        )).execute(c)?);
        Ok(id)
    }

    /// Mints a code for an approval made in this transaction.
    pub fn code_insert(
        &mut self,
        approval: NodeId,
        approval_expires_at: ExpiresAt,
        new: &NewCode,
    ) -> Result<(CodeId, OpaqueToken), StoreError> {
        let id = CodeId::ordered(self.millis(), self.entropy());
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::AuthorizationCode, id.as_bytes(), &secret);
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(codes::table).values((
            codes::id.eq(Db(id)),
            codes::approval_id.eq(Db(approval)),
            codes::approval_expires_at.eq(Db(approval_expires_at.timestamp())),
            codes::secret_digest.eq(Db(stored.digest)),
            codes::secret_key_id.eq(stored.key_id),
            codes::redirect_uri.eq(&new.redirect_uri),
            codes::redirect_uri_sent.eq(new.redirect_uri_sent),
            codes::code_challenge.eq(&new.code_challenge),
            codes::created_at.eq(Db(now)),
            codes::expires_at.eq(Db(new.expires_at.timestamp())),
        )).execute(c)?);
        Ok((
            id,
            OpaqueToken::new(TokenKind::AuthorizationCode, *id.as_bytes(), secret),
        ))
    }

    /// Uses the code up. True for exactly one caller, ever.
    pub fn code_consume(&mut self, id: CodeId) -> Result<bool, StoreError> {
        #[cfg(feature = "seeded-faults")]
        if crate::faults::is(crate::faults::Fault::UnguardedCode) {
            return Ok(true);
        }
        let now = self.now();
        let consumed = on!(&mut *self.connection, c => diesel::update(
            codes::table.filter(codes::id.eq(Db(id)).and(codes::consumed_at.is_null())),
        ).set(codes::consumed_at.eq(Db(now))).execute(c)?);
        Ok(consumed == 1)
    }
}
