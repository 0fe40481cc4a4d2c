//! Consents that are remembered, so as not to ask twice. They carry epochs, so that a consent never survives what its tokens did not.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{Audiences, ClientKey, ScopeSet, Timestamp, UserId};
use diesel::prelude::*;

use crate::codes::stored_scopes;
use crate::context::{Read, Write};
use crate::db::{Db, Json};
use crate::error::StoreError;
use crate::on;
use crate::schema::consents;

#[derive(Clone, Debug)]
pub struct Consent {
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub user_epoch: i64,
    pub client_epoch: i64,
    pub expires_at: Timestamp,
}

/// A consent to be remembered.
#[derive(Clone, Debug)]
pub struct NewConsent {
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub user_epoch: i64,
    pub client_epoch: i64,
    pub expires_at: ExpiresAt,
}

impl Read<'_> {
    pub fn consent(
        &mut self,
        user: UserId,
        client: ClientKey,
    ) -> Result<Option<Consent>, StoreError> {
        type Row = (String, Json<Audiences>, i64, i64, Db<Timestamp>);
        let row: Option<Row> = on!(&mut *self.connection, c => consents::table
            .filter(consents::user_id.eq(Db(user)).and(consents::client_id.eq(Db(client))))
            .select((
                consents::scopes, consents::audiences, consents::user_epoch, consents::client_epoch,
                consents::expires_at,
            ))
            .get_result(c)
            .optional()?);
        row.map(|row| {
            Ok(Consent {
                scopes: stored_scopes(&row.0)?,
                audiences: row.1.0,
                user_epoch: row.2,
                client_epoch: row.3,
                expires_at: row.4.0,
            })
        })
        .transpose()
    }
}

impl Write<'_> {
    /// Remembers a consent in place of the one before.
    pub fn consent_put(
        &mut self,
        user: UserId,
        client: ClientKey,
        new: &NewConsent,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let values = (
            consents::scopes.eq(new.scopes.to_string()),
            consents::audiences.eq(serde_json::json!(new.audiences).to_string()),
            consents::user_epoch.eq(new.user_epoch),
            consents::client_epoch.eq(new.client_epoch),
            consents::created_at.eq(Db(now)),
            consents::expires_at.eq(Db(new.expires_at.timestamp())),
        );
        on!(&mut *self.connection, c => diesel::insert_into(consents::table)
            .values((
                consents::user_id.eq(Db(user)), consents::client_id.eq(Db(client)), values.clone(),
            ))
            .on_conflict((consents::user_id, consents::client_id))
            .do_update()
            .set(values)
            .execute(c)?);
        Ok(())
    }

    pub fn consent_delete(&mut self, user: UserId, client: ClientKey) -> Result<bool, StoreError> {
        let deleted = on!(&mut *self.connection, c => diesel::delete(consents::table.filter(
            consents::user_id.eq(Db(user)).and(consents::client_id.eq(Db(client))),
        )).execute(c)?);
        Ok(deleted == 1)
    }
}
