//! Mail on its way out. Queued in the transaction that causes it, sent by a job, sealed while it waits.

use curfew_policy::lifetime::ExpiresAt;
use curfew_protocol::{MailId, Redacted, Timestamp};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::mails;

/// What is sealed.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Content {
    subject: String,
    body: String,
}

/// A mail that waits.
#[derive(Clone, Debug)]
pub struct Mail {
    pub id: MailId,
    pub recipient: String,
    pub subject: String,
    pub body: Redacted<String>,
    pub attempts: i32,
    pub expires_at: Timestamp,
}

impl Read<'_> {
    /// Mails whose next attempt is due, oldest first.
    pub fn mails_due(&mut self, limit: i64) -> Result<Vec<Mail>, StoreError> {
        type Row = (Db<MailId>, String, Vec<u8>, i32, Db<Timestamp>);
        let now = self.now();
        let rows: Vec<Row> = on!(&mut *self.connection, c => mails::table
            .filter(mails::next_attempt_at.le(Db(now)))
            .order(mails::id)
            .limit(limit)
            .select((
                mails::id, mails::recipient, mails::sealed_content, mails::attempts, mails::expires_at,
            ))
            .load(c)?);
        rows.into_iter()
            .map(|row| {
                let plain = self.keys().open(row.0.0.as_bytes(), &row.2)?;
                let content: Content =
                    serde_json::from_slice(&plain).map_err(|_| StoreError::Sealed)?;
                Ok(Mail {
                    id: row.0.0,
                    recipient: row.1,
                    subject: content.subject,
                    body: Redacted(content.body),
                    attempts: row.3,
                    expires_at: row.4.0,
                })
            })
            .collect()
    }
}

impl Write<'_> {
    pub fn mail_insert(
        &mut self,
        recipient: &str,
        subject: &str,
        body: &Redacted<String>,
        expires_at: ExpiresAt,
    ) -> Result<MailId, StoreError> {
        let id = MailId::ordered(self.millis(), self.entropy());
        let content = Content {
            subject: subject.to_owned(),
            body: body.0.clone(),
        };
        let plain = serde_json::to_vec(&content).map_err(|_| StoreError::Sealed)?;
        let sealed = self.keys().seal(id.as_bytes(), &plain)?;
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(mails::table).values((
            mails::id.eq(Db(id)),
            mails::recipient.eq(recipient),
            mails::sealed_content.eq(sealed),
            mails::attempts.eq(0),
            mails::next_attempt_at.eq(Db(now)),
            mails::created_at.eq(Db(now)),
            mails::expires_at.eq(Db(expires_at.timestamp())),
        )).execute(c)?);
        Ok(id)
    }

    /// Takes a mail for one attempt: nobody else tries before `next_attempt_at`. False when another node was faster.
    pub fn mail_claim(
        &mut self,
        mail: &Mail,
        next_attempt_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimed = on!(&mut *self.connection, c => diesel::update(mails::table.filter(
            mails::id.eq(Db(mail.id)).and(mails::attempts.eq(mail.attempts)),
        ))
        .set((
            mails::attempts.eq(mail.attempts + 1),
            mails::next_attempt_at.eq(Db(next_attempt_at)),
        ))
        .execute(c)?);
        Ok(claimed == 1)
    }

    /// The mail was delivered, or given up.
    pub fn mail_delete(&mut self, id: MailId) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::delete(mails::table.filter(mails::id.eq(Db(id)))).execute(c)?);
        Ok(())
    }
}
