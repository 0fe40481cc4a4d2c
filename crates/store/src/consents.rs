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
    pub client: ClientKey,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub user_epoch: i64,
    pub client_epoch: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Consent {
    /// Is it still what the person gave: under the same epochs, and in time?
    pub const fn holds(&self, user_epoch: i64, client_epoch: i64, now: Timestamp) -> bool {
        self.user_epoch == user_epoch
            && self.client_epoch == client_epoch
            && !now.has_reached(self.expires_at)
    }
}

type Row = (
    Db<ClientKey>,
    String,
    Json<Audiences>,
    i64,
    i64,
    Db<Timestamp>,
    Db<Timestamp>,
);

macro_rules! consent_query {
    ($user:expr) => {
        consents::table
            .filter(consents::user_id.eq(Db($user)))
            .select((
                consents::client_id,
                consents::scopes,
                consents::audiences,
                consents::user_epoch,
                consents::client_epoch,
                consents::created_at,
                consents::expires_at,
            ))
    };
}

fn consent(row: Row) -> Result<Consent, StoreError> {
    Ok(Consent {
        client: row.0.0,
        scopes: stored_scopes(&row.1)?,
        audiences: row.2.0,
        user_epoch: row.3,
        client_epoch: row.4,
        created_at: row.5.0,
        expires_at: row.6.0,
    })
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
        let row: Option<Row> = on!(&mut *self.connection, c => consent_query!(user)
            .filter(consents::client_id.eq(Db(client)))
            .get_result(c)
            .optional()?);
        row.map(consent).transpose()
    }

    /// All that a user's consents remember.
    pub fn consent_list(&mut self, user: UserId) -> Result<Vec<Consent>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => consent_query!(user).load(c)?);
        rows.into_iter().map(consent).collect()
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

    /// Forgets all that a user consented to. Returns how many there were.
    pub fn consents_delete_of_user(&mut self, user: UserId) -> Result<usize, StoreError> {
        Ok(on!(&mut *self.connection, c => diesel::delete(
            consents::table.filter(consents::user_id.eq(Db(user))),
        ).execute(c)?))
    }
}
