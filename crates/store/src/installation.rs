//! The installation's own row: its epoch, and whether the keys at hand are its keys.

use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::keys::KeyId;
use crate::on;
use crate::schema::{installation, key_checks};

impl Read<'_> {
    pub fn installation_epoch(&mut self) -> Result<i64, StoreError> {
        Ok(on!(&mut *self.connection, c => installation::table
            .filter(installation::id.eq(1_i16))
            .select(installation::epoch)
            .get_result(c)?))
    }

    /// Is the device flow switched on for the whole installation?
    pub fn installation_device_flow(&mut self) -> Result<bool, StoreError> {
        Ok(on!(&mut *self.connection, c => installation::table
            .filter(installation::id.eq(1_i16))
            .select(installation::device_flow)
            .get_result(c)?))
    }

    pub(crate) fn key_checks(
        &mut self,
    ) -> Result<Vec<(KeyId, Db<curfew_protocol::Digest>)>, StoreError> {
        Ok(on!(&mut *self.connection, c => key_checks::table
            .select((key_checks::key_id, key_checks::digest))
            .load(c)?))
    }

    /// The database's own clock, in seconds.
    pub fn database_clock(&mut self) -> Result<i64, StoreError> {
        use diesel::sql_types::BigInt;
        let sqlite = diesel::dsl::sql::<BigInt>("CAST(strftime('%s', 'now') AS INTEGER)");
        let postgres =
            diesel::dsl::sql::<BigInt>("CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)");
        Ok(match &mut *self.connection {
            crate::AnyConnection::Sqlite(c) => diesel::select(sqlite).get_result(c)?,
            crate::AnyConnection::Postgres(c) => diesel::select(postgres).get_result(c)?,
        })
    }
}

impl Write<'_> {
    /// Moves the installation's epoch to at least `floor`, and by one at least: everything ever issued is dead.
    pub fn installation_epoch_raise(&mut self, floor: i64) -> Result<i64, StoreError> {
        let next = (self.installation_epoch()? + 1).max(floor);
        on!(&mut *self.connection, c => diesel::update(installation::table)
            .set(installation::epoch.eq(next))
            .execute(c)?);
        Ok(next)
    }

    /// Throws the installation's switch of the device flow.
    pub fn installation_set_device_flow(&mut self, on: bool) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(installation::table)
            .set(installation::device_flow.eq(on))
            .execute(c)?);
        Ok(())
    }

    pub(crate) fn installation_create(&mut self) -> Result<(), StoreError> {
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(installation::table)
            .values((
                installation::id.eq(1_i16),
                installation::epoch.eq(1_i64),
                installation::device_flow.eq(true),
                installation::created_at.eq(Db(now)),
            ))
            .execute(c)?);
        Ok(())
    }

    pub(crate) fn key_check_insert(&mut self, id: KeyId) -> Result<(), StoreError> {
        let Some(digest) = self.keys().key_check(id) else {
            return Ok(());
        };
        on!(&mut *self.connection, c => diesel::insert_into(key_checks::table)
            .values((key_checks::key_id.eq(id), key_checks::digest.eq(Db(digest))))
            .execute(c)?);
        Ok(())
    }
}
