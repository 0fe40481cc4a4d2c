//! The one-time secret with which the first administrator is made.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{Digest, OpaqueToken, SecretBytes, Timestamp, TokenKind};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::on;
use crate::schema::bootstraps;

/// There is only one, so its selector is fixed.
const SELECTOR: [u8; 16] = [0; 16];

#[derive(Clone, Debug)]
pub struct Bootstrap {
    digest: KeyedDigest,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
}

impl Read<'_> {
    pub fn bootstrap(&mut self) -> Result<Option<Bootstrap>, StoreError> {
        type Row = (Db<Digest>, i16, Db<Timestamp>, Option<Db<Timestamp>>);
        let row: Option<Row> = on!(&mut *self.connection, c => bootstraps::table
            .filter(bootstraps::id.eq(1_i16))
            .select((
                bootstraps::secret_digest, bootstraps::secret_key_id, bootstraps::expires_at,
                bootstraps::consumed_at,
            ))
            .get_result(c)
            .optional()?);
        Ok(row.map(|row| Bootstrap {
            digest: KeyedDigest {
                digest: row.0.0,
                key_id: row.1,
            },
            expires_at: row.2.0,
            consumed_at: opt(row.3),
        }))
    }

    /// Is `secret` the one that was handed out?
    pub fn is_bootstrap_secret(&self, bootstrap: &Bootstrap, secret: &SecretBytes) -> bool {
        self.keys().verify(
            TokenKind::BootstrapSecret,
            &SELECTOR,
            secret,
            bootstrap.digest,
        )
    }
}

impl Write<'_> {
    /// Makes a new bootstrap secret in place of an older one.
    pub fn bootstrap_put(&mut self, expires_at: ExpiresAt) -> Result<OpaqueToken, StoreError> {
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::BootstrapSecret, &SELECTOR, &secret);
        let now = self.now();
        on!(&mut *self.connection, c => {
            diesel::delete(bootstraps::table).execute(c)?;
            diesel::insert_into(bootstraps::table).values((
                bootstraps::id.eq(1_i16),
                bootstraps::secret_digest.eq(Db(stored.digest)),
                bootstraps::secret_key_id.eq(stored.key_id),
                bootstraps::created_at.eq(Db(now)),
                bootstraps::expires_at.eq(Db(expires_at.timestamp())),
            )).execute(c)?
        });
        Ok(OpaqueToken::new(
            TokenKind::BootstrapSecret,
            SELECTOR,
            secret,
        ))
    }

    /// Uses it up. True for exactly one caller, ever.
    pub fn bootstrap_consume(&mut self) -> Result<bool, StoreError> {
        let now = self.now();
        let consumed = on!(&mut *self.connection, c => diesel::update(bootstraps::table.filter(
            bootstraps::id.eq(1_i16).and(bootstraps::consumed_at.is_null()),
        )).set(bootstraps::consumed_at.eq(Db(now))).execute(c)?);
        Ok(consumed == 1)
    }
}
