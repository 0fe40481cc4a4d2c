//! Removes rows that can no longer matter: expired for longer than the retention, or hanging on nothing.
//!
//! Every row goes by its own expiry, in small batches, children before parents. A row that still refuses something (a tombstone, an
//! epoch, an ended node that has not expired) is never touched, so clean-up cannot revive anything (D11).
//!
//! A last use goes with the token or node that it tells of. The one of a person stays with the person.

use curfew_policy::lifetime::HARD_CAP;
use curfew_protocol::{Lifetime, NodeId, Timestamp, TokenId};
use diesel::prelude::*;

use crate::Store;
use crate::context::Write;
use crate::db::Db;
use crate::error::StoreError;
use crate::on;
use crate::schema::{
    approvals, codes, consents, device_codes, device_requests, families, last_uses, link_proofs,
    mailed_links, mails, nodes, personal_access_tokens, rate_limits, sessions, tokens,
    upstream_logins, upstream_logouts,
};

/// Rows in one transaction.
const BATCH: i64 = 500;

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CleanedUp {
    pub tokens: usize,
    pub nodes: usize,
    pub others: usize,
    /// There is more to do.
    pub more: bool,
}

impl Store {
    /// One small transaction. Call again while `more` is set, with pauses when others want to write.
    pub async fn clean_up_step(&self, retention: Lifetime) -> Result<CleanedUp, StoreError> {
        let answer = self
            .write(move |write| clean_up(write, retention).map(Ok::<_, ()>))
            .await?;
        Ok(answer.unwrap_or_default())
    }

    /// The same for callers that may wait.
    pub fn clean_up_step_blocking(&self, retention: Lifetime) -> Result<CleanedUp, StoreError> {
        let answer =
            self.write_blocking(move |write| clean_up(write, retention).map(Ok::<_, ()>))?;
        Ok(answer.unwrap_or_default())
    }
}

fn clean_up(write: &mut Write<'_>, retention: Lifetime) -> Result<CleanedUp, StoreError> {
    let before = Timestamp::from_seconds(write.now().seconds() - retention.seconds());
    let tokens = write.tokens_clean_up(before)?;
    let others = write.others_clean_up(before)? + write.last_uses_clean_up(before)?;
    let nodes = if tokens == 0 {
        write.nodes_clean_up(before)?
    } else {
        0
    };
    Ok(CleanedUp {
        tokens,
        nodes,
        others,
        more: tokens + nodes > 0,
    })
}

impl Write<'_> {
    /// Tokens are walked from the oldest key: they are stored in the order of their birth, so no index on expiry is kept, which
    /// would cost every mint.
    fn tokens_clean_up(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let oldest: Vec<(Db<TokenId>, Db<Timestamp>)> = on!(&mut *self.connection, c => tokens::table
            .order(tokens::id)
            .limit(BATCH)
            .select((tokens::id, tokens::expires_at))
            .load(c)?);
        let expired: Vec<Db<TokenId>> = oldest
            .into_iter()
            .filter(|(_, expires_at)| before.has_reached(expires_at.0))
            .map(|(id, _)| id)
            .collect();
        if expired.is_empty() {
            return Ok(0);
        }
        Ok(on!(&mut *self.connection, c => {
            diesel::delete(
                last_uses::table.filter(last_uses::credential_id.eq_any(expired.clone())),
            ).execute(c)?;
            diesel::delete(tokens::table.filter(tokens::id.eq_any(expired))).execute(c)?
        }))
    }

    fn others_clean_up(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let mut total = 0;
        on!(&mut *self.connection, c => {
            total += diesel::delete(
                device_requests::table.filter(device_requests::expires_at.le(Db(before))),
            ).execute(c)?;
            total += diesel::delete(
                device_codes::table.filter(device_codes::expires_at.le(Db(before))),
            ).execute(c)?;
            total += diesel::delete(codes::table.filter(codes::expires_at.le(Db(before)))).execute(c)?;
            total += diesel::delete(
                upstream_logins::table.filter(upstream_logins::expires_at.le(Db(before))),
            ).execute(c)?;
            total += diesel::delete(
                link_proofs::table.filter(link_proofs::expires_at.le(Db(before))),
            ).execute(c)?;
            total += diesel::delete(
                upstream_logouts::table.filter(upstream_logouts::expires_at.le(Db(before))),
            ).execute(c)?;
            total += diesel::delete(
                mailed_links::table.filter(mailed_links::expires_at.le(Db(before))),
            ).execute(c)?;
            total += diesel::delete(consents::table.filter(consents::expires_at.le(Db(before)))).execute(c)?;
            total += diesel::delete(mails::table.filter(mails::expires_at.le(Db(before)))).execute(c)?;
            total += diesel::delete(
                rate_limits::table.filter(rate_limits::expires_at.le(Db(before))),
            ).execute(c)?;
        });
        Ok(total)
    }

    /// A use may be recorded at the very moment in which clean-up removes its token, and then stays alone. Whatever is keyed and was
    /// used before the longest possible life began tells of nothing any more. Credentials are keyed by their birth, so this
    /// looks at the oldest end of the table only, and needs no index on the time, which would cost every use.
    fn last_uses_clean_up(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let before = Timestamp::from_seconds(before.seconds() - HARD_CAP.seconds());
        let alone: Vec<Vec<u8>> = on!(&mut *self.connection, c => last_uses::table
            .filter(last_uses::credential_id.lt(first_key(before).as_slice()))
            .filter(last_uses::used_at.le(Db(before)))
            .limit(BATCH)
            .select(last_uses::credential_id)
            .load(c)?);
        if alone.is_empty() {
            return Ok(0);
        }
        Ok(on!(&mut *self.connection, c => diesel::delete(
            last_uses::table.filter(last_uses::credential_id.eq_any(alone)),
        ).execute(c)?))
    }

    /// Expired nodes on which nothing hangs any more.
    fn nodes_clean_up(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let children = diesel::alias!(nodes as children);
        let expired: Vec<Db<NodeId>> = on!(&mut *self.connection, c => nodes::table
            .filter(nodes::expires_at.le(Db(before)))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                tokens::table.filter(tokens::node_id.eq(nodes::id)),
            )))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                children.filter(children.field(nodes::parent_id).eq(nodes::id.nullable())),
            )))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                codes::table.filter(codes::approval_id.eq(nodes::id)),
            )))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                device_codes::table.filter(device_codes::approval_id.eq(nodes::id.nullable())),
            )))
            .order(nodes::expires_at)
            .limit(BATCH)
            .select(nodes::id)
            .load(c)?);
        if expired.is_empty() {
            return Ok(0);
        }
        on!(&mut *self.connection, c => {
            diesel::delete(sessions::table.filter(sessions::node_id.eq_any(expired.clone()))).execute(c)?;
            diesel::delete(approvals::table.filter(approvals::node_id.eq_any(expired.clone()))).execute(c)?;
            diesel::delete(
                personal_access_tokens::table
                    .filter(personal_access_tokens::node_id.eq_any(expired.clone())),
            ).execute(c)?;
            diesel::delete(families::table.filter(families::node_id.eq_any(expired.clone()))).execute(c)?;
            diesel::delete(
                last_uses::table.filter(last_uses::credential_id.eq_any(expired.clone())),
            ).execute(c)?;
            Ok(diesel::delete(nodes::table.filter(nodes::id.eq_any(expired))).execute(c)?)
        })
    }
}

/// The smallest time-ordered key of that moment.
fn first_key(at: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(at.seconds())
        .unwrap_or(0)
        .saturating_mul(1_000);
    let mut key = [0; 16];
    key[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    key
}
