//! Identities that were proved upstream and wait until their person proves that the account is theirs, too.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{Digest, LinkProofId, NodeId, ProviderId, TenantId, Timestamp, UserId};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::keys::ServerKeys;
use crate::links::Subject;
use crate::on;
use crate::schema::link_proofs;
use crate::upstream_logins::{browser_tag, is_browser};

/// What an upstream provider said about somebody, after it was checked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProvedIdentity {
    pub issuer: String,
    pub subject: String,
    /// What the person recognises it by.
    pub display: String,
    pub name: Option<String>,
    /// An address that the provider vouches for.
    pub verified_email: Option<String>,
    /// The session upstream, as its provider names it.
    pub sid: Option<String>,
    /// When that session ends, in seconds since 1970.
    pub ends_at: Option<i64>,
    /// When the person proved to the provider who they are, in seconds since 1970.
    pub auth_time: Option<i64>,
}

impl ProvedIdentity {
    pub fn subject(&self) -> Subject {
        Subject {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
        }
    }
}

/// An identity that is to wait.
#[derive(Clone, Debug)]
pub struct NewLinkProof {
    pub tenant_id: TenantId,
    pub provider_id: ProviderId,
    pub provider_epoch: i64,
    /// The account, and its epoch: what changes it voids the proof.
    pub user: (UserId, i64),
    /// The session whose person began this on the account page.
    pub session_id: Option<NodeId>,
    /// The value of the cookie that the browser is known by.
    pub browser: String,
    pub identity: ProvedIdentity,
    /// A path of our own.
    pub return_to: String,
    pub expires_at: ExpiresAt,
}

/// An identity that waits.
#[derive(Clone, Debug)]
pub struct LinkProof {
    pub id: LinkProofId,
    pub tenant_id: TenantId,
    pub provider_id: ProviderId,
    pub provider_epoch: i64,
    pub user_id: UserId,
    pub user_epoch: i64,
    pub installation_epoch: i64,
    pub session_id: Option<NodeId>,
    browser_tag: Digest,
    sealed_identity: Vec<u8>,
    pub return_to: String,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
}

fn seal_context(id: LinkProofId) -> Vec<u8> {
    [b"link proof".as_slice(), id.as_bytes()].concat()
}

impl LinkProof {
    pub fn identity(&self, keys: &ServerKeys) -> Result<ProvedIdentity, StoreError> {
        let opened = keys.open(&seal_context(self.id), &self.sealed_identity)?;
        serde_json::from_slice(&opened)
            .map_err(|_| StoreError::Corrupt("the identity of a link proof".to_owned()))
    }

    /// Is it the browser that came back from the provider?
    pub fn is_of_browser(&self, keys: &ServerKeys, cookie: &str) -> bool {
        is_browser(keys, cookie, &self.browser_tag)
    }
}

impl Read<'_> {
    pub fn link_proof(&mut self, id: LinkProofId) -> Result<Option<LinkProof>, StoreError> {
        type Row = (
            (Db<TenantId>, Db<ProviderId>, i64),
            (Db<UserId>, i64, i64),
            (Option<Db<NodeId>>, Db<Digest>),
            (Vec<u8>, String),
            (Db<Timestamp>, Option<Db<Timestamp>>),
        );
        let row: Option<Row> = on!(&mut *self.connection, c => link_proofs::table
            .filter(link_proofs::id.eq(Db(id)))
            .select((
                (link_proofs::tenant_id, link_proofs::provider_id, link_proofs::provider_epoch),
                (link_proofs::user_id, link_proofs::user_epoch, link_proofs::installation_epoch),
                (link_proofs::session_id, link_proofs::browser_tag),
                (link_proofs::sealed_identity, link_proofs::return_to),
                (link_proofs::expires_at, link_proofs::consumed_at),
            ))
            .get_result(c)
            .optional()?);
        Ok(row.map(|(own, user, begun, kept, span)| LinkProof {
            id,
            tenant_id: own.0.0,
            provider_id: own.1.0,
            provider_epoch: own.2,
            user_id: user.0.0,
            user_epoch: user.1,
            installation_epoch: user.2,
            session_id: opt(begun.0),
            browser_tag: begun.1.0,
            sealed_identity: kept.0,
            return_to: kept.1,
            expires_at: span.0.0,
            consumed_at: opt(span.1),
        }))
    }
}

impl Write<'_> {
    pub fn link_proof_insert(&mut self, new: &NewLinkProof) -> Result<LinkProofId, StoreError> {
        let id = LinkProofId::ordered(self.millis(), self.entropy());
        let plain = serde_json::to_vec(&new.identity).map_err(|_| StoreError::Sealed)?;
        let sealed = self.keys().seal(&seal_context(id), &plain)?;
        let tag = browser_tag(self.keys(), &new.browser);
        let installation_epoch = self.installation_epoch()?;
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(link_proofs::table).values((
            link_proofs::id.eq(Db(id)),
            link_proofs::tenant_id.eq(Db(new.tenant_id)),
            link_proofs::provider_id.eq(Db(new.provider_id)),
            link_proofs::provider_epoch.eq(new.provider_epoch),
            link_proofs::user_id.eq(Db(new.user.0)),
            link_proofs::user_epoch.eq(new.user.1),
            link_proofs::installation_epoch.eq(installation_epoch),
            link_proofs::session_id.eq(new.session_id.map(Db)),
            link_proofs::browser_tag.eq(Db(tag)),
            link_proofs::sealed_identity.eq(sealed),
            link_proofs::return_to.eq(&new.return_to),
            link_proofs::created_at.eq(Db(now)),
            link_proofs::expires_at.eq(Db(new.expires_at.timestamp())),
        )).execute(c)?);
        Ok(id)
    }

    /// Uses the proof up. True for exactly one caller, ever.
    pub fn link_proof_consume(&mut self, id: LinkProofId) -> Result<bool, StoreError> {
        let now = self.now();
        let consumed = on!(&mut *self.connection, c => diesel::update(link_proofs::table.filter(
            link_proofs::id.eq(Db(id)).and(link_proofs::consumed_at.is_null()),
        )).set(link_proofs::consumed_at.eq(Db(now))).execute(c)?);
        Ok(consumed == 1)
    }
}
