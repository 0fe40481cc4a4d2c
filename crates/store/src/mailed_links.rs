//! Links sent by mail, or handed over when no mail is configured: invitations and password resets.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{Digest, MailedLinkId, NodeId, OpaqueToken, Timestamp, TokenKind, UserId};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::on;
use crate::schema::mailed_links;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    Invitation,
    PasswordReset,
    /// Undoes the approval that the mail tells of.
    Undo(NodeId),
}

impl LinkKind {
    const fn columns(self) -> (i16, Option<NodeId>) {
        match self {
            Self::Invitation => (1, None),
            Self::PasswordReset => (2, None),
            Self::Undo(approval) => (3, Some(approval)),
        }
    }

    const fn from_columns(code: i16, node: Option<NodeId>) -> Option<Self> {
        match (code, node) {
            (1, None) => Some(Self::Invitation),
            (2, None) => Some(Self::PasswordReset),
            (3, Some(approval)) => Some(Self::Undo(approval)),
            _ => None,
        }
    }
}

/// A link as it was made. It is good only under the epochs it was made under.
#[derive(Clone, Debug)]
pub struct MailedLink {
    pub id: MailedLinkId,
    pub user_id: UserId,
    pub kind: LinkKind,
    pub digest: KeyedDigest,
    pub user_epoch: i64,
    pub installation_epoch: i64,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
}

impl Read<'_> {
    pub fn mailed_link(&mut self, id: MailedLinkId) -> Result<Option<MailedLink>, StoreError> {
        type Row = (
            Db<UserId>,
            i16,
            Db<Digest>,
            i16,
            i64,
            i64,
            Db<Timestamp>,
            Option<Db<Timestamp>>,
            Option<Db<NodeId>>,
        );
        let row: Option<Row> = on!(&mut *self.connection, c => mailed_links::table
            .filter(mailed_links::id.eq(Db(id)))
            .select((
                mailed_links::user_id, mailed_links::kind, mailed_links::secret_digest,
                mailed_links::secret_key_id, mailed_links::user_epoch,
                mailed_links::installation_epoch, mailed_links::expires_at,
                mailed_links::consumed_at, mailed_links::node_id,
            ))
            .get_result(c)
            .optional()?);
        row.map(|row| {
            Ok(MailedLink {
                id,
                user_id: row.0.0,
                kind: LinkKind::from_columns(row.1, opt(row.8))
                    .ok_or_else(|| StoreError::Corrupt("the kind of a mailed link".to_owned()))?,
                digest: KeyedDigest {
                    digest: row.2.0,
                    key_id: row.3,
                },
                user_epoch: row.4,
                installation_epoch: row.5,
                expires_at: row.6.0,
                consumed_at: opt(row.7),
            })
        })
        .transpose()
    }
}

impl Write<'_> {
    pub fn mailed_link_insert(
        &mut self,
        user: UserId,
        user_epoch: i64,
        kind: LinkKind,
        expires_at: ExpiresAt,
    ) -> Result<OpaqueToken, StoreError> {
        let id = MailedLinkId::ordered(self.millis(), self.entropy());
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::MailedLink, id.as_bytes(), &secret);
        let installation_epoch = self.installation_epoch()?;
        let (now, (code, node)) = (self.now(), kind.columns());
        on!(&mut *self.connection, c => diesel::insert_into(mailed_links::table).values((
            mailed_links::id.eq(Db(id)),
            mailed_links::user_id.eq(Db(user)),
            mailed_links::kind.eq(code),
            mailed_links::node_id.eq(node.map(Db)),
            mailed_links::secret_digest.eq(Db(stored.digest)),
            mailed_links::secret_key_id.eq(stored.key_id),
            mailed_links::user_epoch.eq(user_epoch),
            mailed_links::installation_epoch.eq(installation_epoch),
            mailed_links::created_at.eq(Db(now)),
            mailed_links::expires_at.eq(Db(expires_at.timestamp())),
        )).execute(c)?);
        Ok(OpaqueToken::new(
            TokenKind::MailedLink,
            *id.as_bytes(),
            secret,
        ))
    }

    /// Uses the link up. True for exactly one caller, ever.
    pub fn mailed_link_consume(&mut self, id: MailedLinkId) -> Result<bool, StoreError> {
        let now = self.now();
        let consumed = on!(&mut *self.connection, c => diesel::update(mailed_links::table.filter(
            mailed_links::id.eq(Db(id)).and(mailed_links::consumed_at.is_null()),
        )).set(mailed_links::consumed_at.eq(Db(now))).execute(c)?);
        Ok(consumed == 1)
    }
}
