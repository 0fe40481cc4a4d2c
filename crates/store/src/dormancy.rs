//! Who has been away for so long that the account is made dormant: the epoch moves, and the next sign-in wakes it.
//!
//! People are walked in the order of their ids, a page at a time. Whoever seems due is looked at again in the transaction, so that
//! a sign-in or a use that was recorded meanwhile counts.

use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::UserStatus;
use curfew_protocol::{TenantId, Timestamp, UserId};
use diesel::prelude::*;

use crate::Store;
use crate::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use crate::context::{Read, Write};
use crate::db::{Db, opt};
use crate::error::StoreError;
use crate::on;
use crate::schema::{last_uses, users};

/// People in one page, and so in one transaction at the most.
const PAGE: i64 = 500;

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DormancyStep {
    pub made_dormant: usize,
    /// Where the next step goes on. `None`: everybody was looked at.
    pub next: Option<UserId>,
}

/// A person, and what tells of a sign of life.
#[derive(Clone, Copy, Debug)]
struct Activity {
    id: UserId,
    tenant_id: TenantId,
    status: UserStatus,
    created_at: Timestamp,
    status_changed_at: Timestamp,
    used_at: Option<Timestamp>,
}

impl Activity {
    /// Being added, unlocked or brought back counts as a sign of life: somebody means to use the account.
    fn is_due(&self, rules: &LifetimeRules, now: Timestamp) -> bool {
        let last_active = self
            .used_at
            .into_iter()
            .chain([self.status_changed_at])
            .fold(self.created_at, Timestamp::max);
        self.status.may_become(UserStatus::Dormant)
            && rules
                .dormant_at(last_active)
                .is_some_and(|at| now.has_reached(at))
    }
}

impl Store {
    /// Looks at one page of people. Call again with `next`, with pauses when others want to write.
    pub async fn dormancy_step(
        &self,
        rules: LifetimeRules,
        after: Option<UserId>,
    ) -> Result<DormancyStep, StoreError> {
        let (page, now) = self
            .read(move |read| Ok((read.activities(after)?, read.now())))
            .await?;
        let next = (page.len() as i64 == PAGE)
            .then(|| page.last().map(|last| last.id))
            .flatten();
        let due: Vec<UserId> = page
            .into_iter()
            .filter(|activity| activity.is_due(&rules, now))
            .map(|activity| activity.id)
            .collect();
        let mut made_dormant = 0;
        if !due.is_empty() {
            let written = self
                .write(move |write| write.make_dormant(&rules, &due).map(Ok::<_, ()>))
                .await?;
            made_dormant = written.unwrap_or_default();
        }
        Ok(DormancyStep { made_dormant, next })
    }
}

type Row = (
    Db<UserId>,
    Db<TenantId>,
    Db<UserStatus>,
    Db<Timestamp>,
    Db<Timestamp>,
    Option<Db<Timestamp>>,
);

fn activity(row: Row) -> Activity {
    Activity {
        id: row.0.0,
        tenant_id: row.1.0,
        status: row.2.0,
        created_at: row.3.0,
        status_changed_at: row.4.0,
        used_at: opt(row.5),
    }
}

macro_rules! activity_query {
    () => {
        users::table
            .left_join(last_uses::table.on(last_uses::credential_id.eq(users::id)))
            .select((
                users::id,
                users::tenant_id,
                users::status,
                users::created_at,
                users::status_changed_at,
                last_uses::used_at.nullable(),
            ))
    };
}

impl Read<'_> {
    fn activities(&mut self, after: Option<UserId>) -> Result<Vec<Activity>, StoreError> {
        let after = after.unwrap_or(UserId::from_bytes([0; 16]));
        let rows: Vec<Row> = on!(&mut *self.connection, c => activity_query!()
            .filter(users::id.gt(Db(after)))
            .order(users::id)
            .limit(PAGE)
            .load(c)?);
        Ok(rows.into_iter().map(activity).collect())
    }

    fn activity(&mut self, id: UserId) -> Result<Option<Activity>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => activity_query!()
            .filter(users::id.eq(Db(id)))
            .get_result(c)
            .optional()?);
        Ok(row.map(activity))
    }
}

impl Write<'_> {
    fn make_dormant(
        &mut self,
        rules: &LifetimeRules,
        seemingly_due: &[UserId],
    ) -> Result<usize, StoreError> {
        let (now, mut made_dormant) = (self.now(), 0);
        for id in seemingly_due {
            self.user_held(*id)?;
            let Some(due) = self
                .activity(*id)?
                .filter(|activity| activity.is_due(rules, now))
            else {
                continue;
            };
            self.user_set_status(due.id, UserStatus::Dormant)?;
            let by = AuthenticatedBy::Nobody;
            self.audit(&AuditEntry {
                tenant_id: Some(due.tenant_id),
                user_id: Some(due.id),
                detail: Some("dormant_for_lack_of_use".to_owned()),
                ..AuditEntry::new(AuditEvent::UserStatusChanged, by, Origin::default())
            })?;
            made_dormant += 1;
        }
        Ok(made_dormant)
    }
}
