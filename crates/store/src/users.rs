//! People.

use curfew_policy::status::{EmailOrigin, UserStatus};
use curfew_protocol::{Redacted, TenantId, Timestamp, UserId};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, Deleted};
use crate::error::StoreError;
use crate::on;
use crate::schema::users;

#[derive(Clone, Debug, serde::Serialize)]
pub struct User {
    pub id: UserId,
    pub tenant_id: TenantId,
    pub username: String,
    pub name: String,
    pub email: Option<String>,
    /// Who vouches for the address.
    pub email_origin: EmailOrigin,
    pub status: UserStatus,
    pub epoch: i64,
    pub administrator: bool,
    #[serde(skip)]
    pub password_hash: Option<Redacted<String>>,
    /// An upstream identity was bound to it once.
    pub ever_linked: bool,
    /// No scope that writes, until a second proof.
    pub quarantined: bool,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub status_changed_at: Timestamp,
}

/// A user to be stored.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub tenant_id: TenantId,
    pub username: String,
    pub name: String,
    pub email: Option<String>,
    /// The canonical form of `email`, when it has one.
    pub email_key: Option<String>,
    pub email_origin: EmailOrigin,
    pub quarantined: bool,
    pub administrator: bool,
    pub password_hash: Option<Redacted<String>>,
}

type Row = (
    Db<UserId>,
    Db<TenantId>,
    String,
    String,
    Option<String>,
    Db<UserStatus>,
    i64,
    bool,
    Option<String>,
    (Db<Timestamp>, Db<Timestamp>),
    (Db<EmailOrigin>, bool, bool),
);

fn user(row: Row) -> User {
    User {
        id: row.0.0,
        tenant_id: row.1.0,
        username: row.2,
        name: row.3,
        email: row.4,
        status: row.5.0,
        epoch: row.6,
        administrator: row.7,
        password_hash: row.8.map(Redacted),
        created_at: row.9.0.0,
        status_changed_at: row.9.1.0,
        email_origin: row.10.0.0,
        ever_linked: row.10.1,
        quarantined: row.10.2,
    }
}

macro_rules! user_query {
    () => {
        users::table.select((
            users::id,
            users::tenant_id,
            users::username,
            users::name,
            users::email,
            users::status,
            users::epoch,
            users::administrator,
            users::password_hash,
            (users::created_at, users::status_changed_at),
            (users::email_origin, users::ever_linked, users::quarantined),
        ))
    };
}

impl Read<'_> {
    pub fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => user_query!()
            .filter(users::id.eq(Db(id))).get_result(c).optional()?);
        Ok(row.map(user))
    }

    /// The user of that name who is not deleted.
    pub fn user_by_username(
        &mut self,
        tenant: TenantId,
        username: &str,
    ) -> Result<Option<User>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => user_query!()
            .filter(users::tenant_id.eq(Db(tenant))
                .and(users::username.eq(username))
                .and(users::status.ne(Deleted)))
            .get_result(c).optional()?);
        Ok(row.map(user))
    }

    /// The user with that canonical e-mail address who is not deleted.
    pub fn user_by_email_key(
        &mut self,
        tenant: TenantId,
        email_key: &str,
    ) -> Result<Option<User>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => user_query!()
            .filter(users::tenant_id.eq(Db(tenant))
                .and(users::email_key.eq(email_key))
                .and(users::status.ne(Deleted)))
            .get_result(c).optional()?);
        Ok(row.map(user))
    }

    pub fn user_list(&mut self, tenant: TenantId) -> Result<Vec<User>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => user_query!()
            .filter(users::tenant_id.eq(Db(tenant))).order(users::username).load(c)?);
        Ok(rows.into_iter().map(user).collect())
    }
}

impl Write<'_> {
    pub fn user_insert(&mut self, new: &NewUser) -> Result<UserId, StoreError> {
        let id = UserId::random(self.entropy());
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(users::table).values((
            users::id.eq(Db(id)),
            users::tenant_id.eq(Db(new.tenant_id)),
            users::username.eq(&new.username),
            users::name.eq(&new.name),
            users::email.eq(new.email.as_ref()),
            users::email_key.eq(new.email_key.as_ref()),
            users::status.eq(Db(UserStatus::Active)),
            users::epoch.eq(1_i64),
            users::administrator.eq(new.administrator),
            users::password_hash.eq(new.password_hash.as_ref().map(|hash| &hash.0)),
            users::email_origin.eq(Db(new.email_origin)),
            users::ever_linked.eq(false),
            users::quarantined.eq(new.quarantined),
            users::created_at.eq(Db(now)),
            users::status_changed_at.eq(Db(now)),
        )).execute(c)?);
        Ok(id)
    }

    /// The user, held until the commit: whoever decides by the status, the epoch or the password and then changes one of them
    /// takes turns with all others who do. (SQLite has one writer, so there everybody takes turns anyway.)
    pub fn user_held(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        if let crate::AnyConnection::Postgres(c) = &mut *self.connection {
            users::table
                .filter(users::id.eq(Db(id)))
                .select(users::id)
                .for_update()
                .execute(c)?;
        }
        self.user(id)
    }

    /// Changes name, address and role, as an administrator states them. None of them is a credential, so the epoch stays.
    pub fn user_update(
        &mut self,
        id: UserId,
        name: &str,
        email: Option<(&str, Option<&str>)>,
        administrator: bool,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id)))).set((
            users::name.eq(name),
            users::email.eq(email.map(|(address, _)| address)),
            users::email_key.eq(email.and_then(|(_, key)| key)),
            users::email_origin.eq(Db(EmailOrigin::Stated)),
            users::administrator.eq(administrator),
        )).execute(c)?);
        Ok(())
    }

    /// Sets the address, and who vouches for it. A unique violation: another account has it.
    pub fn user_set_email(
        &mut self,
        id: UserId,
        (email, email_key): (&str, Option<&str>),
        origin: EmailOrigin,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id)))).set((
            users::email.eq(email),
            users::email_key.eq(email_key),
            users::email_origin.eq(Db(origin)),
        )).execute(c)?);
        Ok(())
    }

    /// Lifts the quarantine. False: there was none.
    pub fn user_lift_quarantine(&mut self, id: UserId) -> Result<bool, StoreError> {
        let lifted = on!(&mut *self.connection, c => diesel::update(
            users::table.filter(users::id.eq(Db(id)).and(users::quarantined.eq(true))),
        ).set(users::quarantined.eq(false)).execute(c)?);
        Ok(lifted == 1)
    }

    /// Sets the status and moves the epoch: one row, and every credential of the user is dead.
    pub fn user_set_status(&mut self, id: UserId, status: UserStatus) -> Result<(), StoreError> {
        let now = self.now();
        on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id)))).set((
            users::status.eq(Db(status)),
            users::status_changed_at.eq(Db(now)),
            users::epoch.eq(users::epoch + 1),
        )).execute(c)?);
        Ok(())
    }

    /// Ends all sessions and tokens of the user: one row, however many there are.
    pub fn user_epoch_raise(&mut self, id: UserId) -> Result<i64, StoreError> {
        Ok(
            on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id))))
            .set(users::epoch.eq(users::epoch + 1))
            .returning(users::epoch)
            .get_result(c)?),
        )
    }

    /// Sets the password and moves the epoch (A24).
    pub fn user_set_password(
        &mut self,
        id: UserId,
        hash: &Redacted<String>,
    ) -> Result<i64, StoreError> {
        Ok(
            on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id))))
            .set((users::password_hash.eq(&hash.0), users::epoch.eq(users::epoch + 1)))
            .returning(users::epoch)
            .get_result(c)?),
        )
    }

    /// Takes the password away and moves the epoch.
    pub fn user_forget_password(&mut self, id: UserId) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id)))).set((
            users::password_hash.eq(None::<String>),
            users::epoch.eq(users::epoch + 1),
        )).execute(c)?);
        Ok(())
    }

    /// Ends all sessions and tokens of the user at an administrator's word, and the mailed links that would bring an address back.
    pub fn user_end_by_administrator(&mut self, id: UserId) -> Result<(), StoreError> {
        self.user_epoch_raise(id)?;
        self.address_undoing_void(id, 0)
    }

    /// Replaces the stored hash of an unchanged password by one with today's parameters.
    pub fn user_rehash_password(
        &mut self,
        id: UserId,
        hash: &Redacted<String>,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(users::table.filter(users::id.eq(Db(id))))
            .set(users::password_hash.eq(&hash.0))
            .execute(c)?);
        Ok(())
    }
}
