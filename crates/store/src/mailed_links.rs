//! Links sent by mail, or handed over when no mail is configured.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{
    Digest, LinkId, LinkProofId, MailedLinkId, NodeId, OpaqueToken, Timestamp, TokenKind, UserId,
};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::on;
use crate::schema::mailed_links;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    Invitation,
    PasswordReset,
    /// Undoes the approval that the mail tells of.
    Undo(NodeId),
    /// Proves that the account is whose upstream identity wants to be bound to it.
    LinkProof(LinkProofId),
    /// Proves that the address is its reader's.
    Address(String),
    /// Takes away an upstream link that was just made.
    UndoLinked(LinkId),
    /// Brings back an upstream link that was just taken away.
    UndoUnlinked(LinkId),
    /// Brings back the address before the last change.
    UndoAddress(String),
}

/// What a link is about, in columns of which at most one is set.
#[derive(Default)]
struct About {
    node: Option<NodeId>,
    proof: Option<LinkProofId>,
    link: Option<LinkId>,
    address: Option<String>,
}

impl LinkKind {
    fn columns(&self) -> (i16, About) {
        let mut about = About::default();
        let code = match self {
            Self::Invitation => 1,
            Self::PasswordReset => 2,
            Self::Undo(approval) => {
                about.node = Some(*approval);
                3
            }
            Self::LinkProof(proof) => {
                about.proof = Some(*proof);
                4
            }
            Self::Address(address) => {
                about.address = Some(address.clone());
                5
            }
            Self::UndoLinked(link) => {
                about.link = Some(*link);
                UNDO_LINKED
            }
            Self::UndoUnlinked(link) => {
                about.link = Some(*link);
                7
            }
            Self::UndoAddress(address) => {
                about.address = Some(address.clone());
                UNDO_ADDRESS
            }
        };
        (code, about)
    }

    /// Does the link stay good when the user's epoch moves?
    ///
    /// Whoever is in somebody's account can end every session in it. That must not void the way back: the link that takes an identity
    /// away, which gives nothing, and the link that brings an address back, for which its mailbox answers.
    pub const fn outlives_the_epoch(&self) -> bool {
        match self {
            Self::UndoLinked(_) | Self::UndoAddress(_) => true,
            Self::Invitation
            | Self::PasswordReset
            | Self::Undo(_)
            | Self::LinkProof(_)
            | Self::Address(_)
            | Self::UndoUnlinked(_) => false,
        }
    }

    fn from_columns(code: i16, about: About) -> Option<Self> {
        match code {
            1 => Some(Self::Invitation),
            2 => Some(Self::PasswordReset),
            3 => about.node.map(Self::Undo),
            4 => about.proof.map(Self::LinkProof),
            5 => about.address.map(Self::Address),
            UNDO_LINKED => about.link.map(Self::UndoLinked),
            7 => about.link.map(Self::UndoUnlinked),
            UNDO_ADDRESS => about.address.map(Self::UndoAddress),
            _ => None,
        }
    }
}

/// A link as it was made. It is good only under the installation's epoch that it was made under, and most kinds only under the user's.
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

type AboutColumns = (
    Option<Db<NodeId>>,
    Option<Db<LinkProofId>>,
    Option<Db<LinkId>>,
    Option<String>,
);

/// The kinds as they are stored.
const UNDO_LINKED: i16 = 6;
const UNDO_ADDRESS: i16 = 8;

impl Read<'_> {
    /// The identities that the user was told of by mail as linked, under this epoch of theirs or a later one.
    pub fn identities_linked_since(
        &mut self,
        user: UserId,
        epoch: i64,
    ) -> Result<Vec<LinkId>, StoreError> {
        let ids: Vec<Option<Db<LinkId>>> = on!(&mut *self.connection, c => mailed_links::table
            .filter(mailed_links::user_id.eq(Db(user)))
            .filter(mailed_links::kind.eq(UNDO_LINKED))
            .filter(mailed_links::user_epoch.ge(epoch))
            .select(mailed_links::link_id)
            .distinct()
            .load(c)?);
        Ok(ids.into_iter().flatten().map(|id| id.0).collect())
    }

    /// The addresses that links could still bring back, each with the user's epoch that its link was made under; the oldest first.
    pub fn addresses_before(&mut self, user: UserId) -> Result<Vec<(String, i64)>, StoreError> {
        let now = self.now();
        let rows: Vec<(Option<String>, i64)> = on!(&mut *self.connection, c => mailed_links::table
            .filter(mailed_links::user_id.eq(Db(user)))
            .filter(mailed_links::kind.eq(UNDO_ADDRESS))
            .filter(mailed_links::consumed_at.is_null())
            .filter(mailed_links::expires_at.gt(Db(now)))
            .order(mailed_links::user_epoch)
            .select((mailed_links::address, mailed_links::user_epoch))
            .load(c)?);
        let known = rows
            .into_iter()
            .filter_map(|(address, epoch)| Some((address?, epoch)));
        Ok(known.collect())
    }

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
            AboutColumns,
        );
        let row: Option<Row> = on!(&mut *self.connection, c => mailed_links::table
            .filter(mailed_links::id.eq(Db(id)))
            .select((
                mailed_links::user_id, mailed_links::kind, mailed_links::secret_digest,
                mailed_links::secret_key_id, mailed_links::user_epoch,
                mailed_links::installation_epoch, mailed_links::expires_at,
                mailed_links::consumed_at,
                (
                    mailed_links::node_id, mailed_links::proof_id, mailed_links::link_id,
                    mailed_links::address,
                ),
            ))
            .get_result(c)
            .optional()?);
        row.map(|row| {
            let (node, proof, link, address) = row.8;
            let about = About {
                node: opt(node),
                proof: opt(proof),
                link: opt(link),
                address,
            };
            Ok(MailedLink {
                id,
                user_id: row.0.0,
                kind: LinkKind::from_columns(row.1, about)
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
        kind: &LinkKind,
        expires_at: ExpiresAt,
    ) -> Result<OpaqueToken, StoreError> {
        let id = MailedLinkId::ordered(self.millis(), self.entropy());
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::MailedLink, id.as_bytes(), &secret);
        let installation_epoch = self.installation_epoch()?;
        let (now, (code, about)) = (self.now(), kind.columns());
        on!(&mut *self.connection, c => diesel::insert_into(mailed_links::table).values((
            mailed_links::id.eq(Db(id)),
            mailed_links::user_id.eq(Db(user)),
            mailed_links::kind.eq(code),
            mailed_links::node_id.eq(about.node.map(Db)),
            mailed_links::proof_id.eq(about.proof.map(Db)),
            mailed_links::link_id.eq(about.link.map(Db)),
            mailed_links::address.eq(about.address.as_ref()),
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

    /// Voids the links that would bring back an address of the user, those made under this epoch of theirs or a later one.
    pub fn address_undoing_void(&mut self, user: UserId, epoch: i64) -> Result<(), StoreError> {
        let now = self.now();
        on!(&mut *self.connection, c => diesel::update(mailed_links::table.filter(
            mailed_links::user_id.eq(Db(user))
                .and(mailed_links::kind.eq(UNDO_ADDRESS))
                .and(mailed_links::user_epoch.ge(epoch))
                .and(mailed_links::consumed_at.is_null()),
        )).set(mailed_links::consumed_at.eq(Db(now))).execute(c)?);
        Ok(())
    }
}
