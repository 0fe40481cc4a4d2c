//! Who may use a client that is not for everybody.

use curfew_protocol::{ClientKey, UserId};
use diesel::prelude::*;

use crate::AnyConnection;
use crate::clients::Client;
use crate::context::{Read, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::client_members;

impl Read<'_> {
    /// May this user use this client?
    pub fn client_admits(&mut self, client: &Client, user: UserId) -> Result<bool, StoreError> {
        if !client.registration.restricted {
            return Ok(true);
        }
        let member: Option<i64> = on!(&mut *self.connection, c => client_members::table
            .filter(client_members::client_id.eq(Db(client.key)).and(client_members::user_id.eq(Db(user))))
            .select(client_members::created_at)
            .get_result(c)
            .optional()?);
        Ok(member.is_some())
    }

    pub fn client_member_ids(&mut self, client: ClientKey) -> Result<Vec<UserId>, StoreError> {
        let rows: Vec<Db<UserId>> = on!(&mut *self.connection, c => client_members::table
            .filter(client_members::client_id.eq(Db(client)))
            .order(client_members::created_at)
            .select(client_members::user_id)
            .load(c)?);
        Ok(rows.into_iter().map(|id| id.0).collect())
    }
}

impl Write<'_> {
    /// The same, held until the commit: whoever expels the user meanwhile waits, and then finds what the membership was used for.
    /// (SQLite has one writer, so there everybody takes turns anyway.)
    pub fn client_admits_held(
        &mut self,
        client: &Client,
        user: UserId,
    ) -> Result<bool, StoreError> {
        if client.registration.restricted
            && let AnyConnection::Postgres(c) = &mut *self.connection
        {
            client_members::table
                .filter(
                    client_members::client_id
                        .eq(Db(client.key))
                        .and(client_members::user_id.eq(Db(user))),
                )
                .select(client_members::created_at)
                .for_share()
                .execute(c)?;
        }
        self.client_admits(client, user)
    }

    pub fn client_member_insert(
        &mut self,
        client: ClientKey,
        user: UserId,
    ) -> Result<(), StoreError> {
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(client_members::table).values((
            client_members::client_id.eq(Db(client)),
            client_members::user_id.eq(Db(user)),
            client_members::created_at.eq(Db(now)),
        )).execute(c)?);
        Ok(())
    }

    /// False when the user was no member.
    pub fn client_member_delete(
        &mut self,
        client: ClientKey,
        user: UserId,
    ) -> Result<bool, StoreError> {
        let deleted = on!(&mut *self.connection, c => diesel::delete(client_members::table.filter(
            client_members::client_id.eq(Db(client)).and(client_members::user_id.eq(Db(user))),
        )).execute(c)?);
        Ok(deleted == 1)
    }
}
