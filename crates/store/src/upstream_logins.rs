//! People on the way to an upstream provider and back, and the logout tokens that come from there.
//!
//! A row is made when somebody is sent off. Its secret is the state parameter; what only we may know, the nonce and the PKCE verifier, is
//! sealed; and the browser is known by a cookie, so that nobody can be sent back in another's place (RFC 9700 §4.7).

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{
    Digest, MailedLinkId, NodeId, OpaqueToken, ProviderId, TenantId, Timestamp, TokenKind,
    UpstreamLoginId,
};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::keys::{KeyedDigest, MacPurpose, ServerKeys};
use crate::on;
use crate::schema::{upstream_logins, upstream_logouts};

/// What somebody is sent to a provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    /// To add the identity to the account of this session.
    Link(NodeId),
    /// To accept this invitation.
    Invitation(MailedLinkId),
}

impl Purpose {
    const fn columns(self) -> (i16, Option<NodeId>, Option<MailedLinkId>) {
        match self {
            Self::SignIn => (1, None, None),
            Self::Link(session) => (2, Some(session), None),
            Self::Invitation(link) => (3, None, Some(link)),
        }
    }

    const fn from_columns(
        code: i16,
        session: Option<NodeId>,
        mailed_link: Option<MailedLinkId>,
    ) -> Option<Self> {
        match (code, session, mailed_link) {
            (1, None, None) => Some(Self::SignIn),
            (2, Some(session), None) => Some(Self::Link(session)),
            (3, None, Some(link)) => Some(Self::Invitation(link)),
            _ => None,
        }
    }
}

/// What must come back, and what proves that we asked: known to us alone.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct LoginSecrets {
    pub nonce: String,
    pub code_verifier: String,
}

impl std::fmt::Debug for LoginSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginSecrets([redacted])")
    }
}

/// Somebody to be sent off.
#[derive(Clone, Debug)]
pub struct NewUpstreamLogin {
    pub tenant_id: TenantId,
    pub provider_id: ProviderId,
    pub provider_epoch: i64,
    pub purpose: Purpose,
    /// The value of the cookie that the browser is known by.
    pub browser: String,
    pub secrets: LoginSecrets,
    pub reauthenticate: bool,
    /// A path of our own.
    pub return_to: String,
    pub expires_at: ExpiresAt,
}

/// Somebody who was sent off.
#[derive(Clone, Debug)]
pub struct UpstreamLogin {
    pub id: UpstreamLoginId,
    pub tenant_id: TenantId,
    pub provider_id: ProviderId,
    /// The provider's epoch when they left.
    pub provider_epoch: i64,
    pub purpose: Purpose,
    pub digest: KeyedDigest,
    browser_tag: Digest,
    sealed_secrets: Vec<u8>,
    pub reauthenticate: bool,
    pub return_to: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
}

fn seal_context(id: UpstreamLoginId) -> Vec<u8> {
    [b"upstream login".as_slice(), id.as_bytes()].concat()
}

impl UpstreamLogin {
    pub fn secrets(&self, keys: &ServerKeys) -> Result<LoginSecrets, StoreError> {
        let opened = keys.open(&seal_context(self.id), &self.sealed_secrets)?;
        serde_json::from_slice(&opened)
            .map_err(|_| StoreError::Corrupt("the secrets of an upstream login".to_owned()))
    }

    /// Is it the browser that was sent off?
    pub fn is_of_browser(&self, keys: &ServerKeys, cookie: &str) -> bool {
        is_browser(keys, cookie, &self.browser_tag)
    }
}

pub(crate) fn browser_tag(keys: &ServerKeys, cookie: &str) -> Digest {
    keys.mac(MacPurpose::UpstreamBrowser, &[cookie.as_bytes()])
}

pub(crate) fn is_browser(keys: &ServerKeys, cookie: &str, tag: &Digest) -> bool {
    keys.verify_mac(MacPurpose::UpstreamBrowser, &[cookie.as_bytes()], tag)
}

impl Read<'_> {
    pub fn upstream_login(
        &mut self,
        id: UpstreamLoginId,
    ) -> Result<Option<UpstreamLogin>, StoreError> {
        type Row = (
            (Db<TenantId>, Db<ProviderId>, i64),
            (i16, Option<Db<NodeId>>, Option<Db<MailedLinkId>>),
            (Db<Digest>, i16, Db<Digest>, Vec<u8>),
            (bool, String),
            (Db<Timestamp>, Db<Timestamp>, Option<Db<Timestamp>>),
        );
        let row: Option<Row> = on!(&mut *self.connection, c => upstream_logins::table
            .filter(upstream_logins::id.eq(Db(id)))
            .select((
                (
                    upstream_logins::tenant_id, upstream_logins::provider_id,
                    upstream_logins::provider_epoch,
                ),
                (
                    upstream_logins::purpose, upstream_logins::session_id,
                    upstream_logins::mailed_link_id,
                ),
                (
                    upstream_logins::secret_digest, upstream_logins::secret_key_id,
                    upstream_logins::browser_tag, upstream_logins::sealed_secrets,
                ),
                (upstream_logins::reauthenticate, upstream_logins::return_to),
                (
                    upstream_logins::created_at, upstream_logins::expires_at,
                    upstream_logins::consumed_at,
                ),
            ))
            .get_result(c)
            .optional()?);
        row.map(|(own, purpose, secret, way, span)| {
            Ok(UpstreamLogin {
                id,
                tenant_id: own.0.0,
                provider_id: own.1.0,
                provider_epoch: own.2,
                purpose: Purpose::from_columns(purpose.0, opt(purpose.1), opt(purpose.2))
                    .ok_or_else(|| StoreError::Corrupt("the purpose of a login".to_owned()))?,
                digest: KeyedDigest {
                    digest: secret.0.0,
                    key_id: secret.1,
                },
                browser_tag: secret.2.0,
                sealed_secrets: secret.3,
                reauthenticate: way.0,
                return_to: way.1,
                created_at: span.0.0,
                expires_at: span.1.0,
                consumed_at: opt(span.2),
            })
        })
        .transpose()
    }
}

impl Write<'_> {
    /// Stores that somebody is sent off. The token is the state parameter.
    pub fn upstream_login_insert(
        &mut self,
        new: &NewUpstreamLogin,
    ) -> Result<(UpstreamLoginId, OpaqueToken), StoreError> {
        let id = UpstreamLoginId::ordered(self.millis(), self.entropy());
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::UpstreamState, id.as_bytes(), &secret);
        let plain = serde_json::to_vec(&new.secrets).map_err(|_| StoreError::Sealed)?;
        let sealed = self.keys().seal(&seal_context(id), &plain)?;
        let tag = browser_tag(self.keys(), &new.browser);
        let (purpose, session, mailed_link) = new.purpose.columns();
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(upstream_logins::table).values((
            upstream_logins::id.eq(Db(id)),
            upstream_logins::tenant_id.eq(Db(new.tenant_id)),
            upstream_logins::provider_id.eq(Db(new.provider_id)),
            upstream_logins::provider_epoch.eq(new.provider_epoch),
            upstream_logins::purpose.eq(purpose),
            upstream_logins::session_id.eq(session.map(Db)),
            upstream_logins::mailed_link_id.eq(mailed_link.map(Db)),
            upstream_logins::secret_digest.eq(Db(stored.digest)),
            upstream_logins::secret_key_id.eq(stored.key_id),
            upstream_logins::browser_tag.eq(Db(tag)),
            upstream_logins::sealed_secrets.eq(sealed),
            upstream_logins::reauthenticate.eq(new.reauthenticate),
            upstream_logins::return_to.eq(&new.return_to),
            upstream_logins::created_at.eq(Db(now)),
            upstream_logins::expires_at.eq(Db(new.expires_at.timestamp())),
        )).execute(c)?);
        let state = OpaqueToken::new(TokenKind::UpstreamState, *id.as_bytes(), secret);
        Ok((id, state))
    }

    /// Uses the state up. True for exactly one caller, ever (B40).
    pub fn upstream_login_consume(&mut self, id: UpstreamLoginId) -> Result<bool, StoreError> {
        let now = self.now();
        let consumed = on!(&mut *self.connection, c => diesel::update(upstream_logins::table.filter(
            upstream_logins::id.eq(Db(id)).and(upstream_logins::consumed_at.is_null()),
        )).set(upstream_logins::consumed_at.eq(Db(now))).execute(c)?);
        Ok(consumed == 1)
    }

    /// Remembers a logout token until it expires. False: it was obeyed before.
    pub fn upstream_logout_insert(
        &mut self,
        provider: ProviderId,
        jti: &str,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let parts: [&[u8]; 2] = [provider.as_bytes(), jti.as_bytes()];
        let tag = self.keys().mac(MacPurpose::UpstreamLogout, &parts);
        let known: i64 = on!(&mut *self.connection, c => upstream_logouts::table
            .filter(upstream_logouts::provider_id.eq(Db(provider))
                .and(upstream_logouts::token_tag.eq(Db(tag))))
            .count()
            .get_result(c)?);
        if known > 0 {
            return Ok(false);
        }
        on!(&mut *self.connection, c => diesel::insert_into(upstream_logouts::table).values((
            upstream_logouts::provider_id.eq(Db(provider)),
            upstream_logouts::token_tag.eq(Db(tag)),
            upstream_logouts::expires_at.eq(Db(expires_at)),
        )).execute(c)?);
        Ok(true)
    }
}
