//! Counted attempts, in the database, so that restarts and other nodes count too.
//!
//! A window begins with the first attempt and ends a fixed time later. An attempt is counted before it is answered, in a
//! transaction of its own.

use curfew_protocol::{Lifetime, Timestamp};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::rate_limits;

/// How many in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub limit: u32,
    pub window: Lifetime,
}

/// The budget of a bucket is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    pub until: Timestamp,
}

impl Read<'_> {
    /// Is there budget left? Counts nothing.
    pub fn rate_peek(
        &mut self,
        bucket: &str,
        rate: Rate,
    ) -> Result<Result<(), Exhausted>, StoreError> {
        let now = self.now();
        Ok(match self.rate_row(bucket)? {
            Some((used, until)) if !now.has_reached(until) && used >= i64::from(rate.limit) => {
                Err(Exhausted { until })
            }
            _ => Ok(()),
        })
    }

    fn rate_row(&mut self, bucket: &str) -> Result<Option<(i64, Timestamp)>, StoreError> {
        let row: Option<(i64, Db<Timestamp>)> = on!(&mut *self.connection, c => rate_limits::table
            .filter(rate_limits::bucket.eq(bucket))
            .select((rate_limits::used, rate_limits::expires_at))
            .get_result(c)
            .optional()?);
        Ok(row.map(|(used, until)| (used, until.0)))
    }
}

impl Write<'_> {
    /// Counts one attempt, or tells that the budget is used up.
    pub fn rate_take(
        &mut self,
        bucket: &str,
        rate: Rate,
    ) -> Result<Result<(), Exhausted>, StoreError> {
        Ok(self.rate_take_block(bucket, rate, 1)?.map(|_| ()))
    }

    /// Takes `size` attempts at once, for a node that serves them without asking again. Answers when the window ends. Atomic on
    /// both backends: the row is changed first and read from the change.
    pub fn rate_take_block(
        &mut self,
        bucket: &str,
        rate: Rate,
        size: u32,
    ) -> Result<Result<Timestamp, Exhausted>, StoreError> {
        let now = self.now();
        let fresh_until = now.after(rate.window);
        let room = i64::from(rate.limit) - i64::from(size);
        on!(&mut *self.connection, c => {
            diesel::insert_into(rate_limits::table)
                .values((
                    rate_limits::bucket.eq(bucket),
                    rate_limits::used.eq(0_i64),
                    rate_limits::expires_at.eq(Db(fresh_until)),
                ))
                .on_conflict_do_nothing()
                .execute(c)?;
            diesel::update(rate_limits::table.filter(
                rate_limits::bucket.eq(bucket).and(rate_limits::expires_at.le(Db(now))),
            ))
            .set((rate_limits::used.eq(0_i64), rate_limits::expires_at.eq(Db(fresh_until))))
            .execute(c)?
        });
        let taken = on!(&mut *self.connection, c => diesel::update(rate_limits::table.filter(
            rate_limits::bucket.eq(bucket).and(rate_limits::used.le(room)),
        )).set(rate_limits::used.eq(rate_limits::used + i64::from(size))).execute(c)?);
        let until = self
            .rate_row(bucket)?
            .map_or(fresh_until, |(_, until)| until);
        Ok(if taken == 1 {
            Ok(until)
        } else {
            Err(Exhausted { until })
        })
    }

    /// Gives one attempt back: it was a success after all.
    pub fn rate_give_back(&mut self, bucket: &str) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(rate_limits::table.filter(
            rate_limits::bucket.eq(bucket).and(rate_limits::used.gt(0_i64)),
        )).set(rate_limits::used.eq(rate_limits::used - 1)).execute(c)?);
        Ok(())
    }

    /// Forgets all attempts of a bucket: whoever was meant to be slowed down has proved to be the right one.
    pub fn rate_forget(&mut self, bucket: &str) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::delete(
            rate_limits::table.filter(rate_limits::bucket.eq(bucket)),
        ).execute(c)?);
        Ok(())
    }
}
