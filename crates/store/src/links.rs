//! Links between people and their identities at upstream providers. Who owns a link never changes: there is no function for it.

use curfew_policy::status::OwnerStatus;
use curfew_protocol::{LinkId, ProviderId, TenantId, Timestamp, UserId};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, Deleted, EmptyText};
use crate::error::StoreError;
use crate::on;
use crate::providers::Provider;
use crate::schema::{links, providers, users};

/// Who somebody is upstream: issuer and subject, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Subject {
    pub issuer: String,
    pub subject: String,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Link {
    pub id: LinkId,
    pub provider_id: ProviderId,
    pub user_id: UserId,
    /// `None`: it was imported without, and its person has not come yet.
    pub subject: Option<Subject>,
    /// What the person recognises it by.
    pub display: String,
    pub status: OwnerStatus,
    pub epoch: i64,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub created_at: Timestamp,
}

impl Link {
    /// Does it sign its person in at that provider, which is its own? One without a subject does not, nor one under an issuer that the
    /// provider has no more: nobody can come who is it.
    pub fn opens(&self, provider: &Provider) -> bool {
        let named = self.subject.as_ref();
        self.provider_id == provider.id
            && self.status == OwnerStatus::Active
            && provider.status == OwnerStatus::Active
            && named.is_some_and(|subject| subject.issuer == provider.issuer)
    }

    /// Was it imported without a subject, and may it still get one? One that was disabled is as good as gone.
    pub fn is_waiting(&self) -> bool {
        self.status == OwnerStatus::Active && self.subject.is_none()
    }
}

/// A link to be stored.
#[derive(Clone, Debug)]
pub struct NewLink {
    pub provider_id: ProviderId,
    pub user_id: UserId,
    pub subject: Option<Subject>,
    pub display: String,
}

/// How many links a provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LinkCounts {
    /// With a subject.
    pub bound: i64,
    /// Imported without, and still waiting for their person.
    pub empty: i64,
}

type Row = (
    (Db<LinkId>, Db<ProviderId>, Db<UserId>),
    (String, String, String),
    (Db<OwnerStatus>, i64, Db<Timestamp>),
);

fn link((own, (issuer, subject, display), (status, epoch, created_at)): Row) -> Link {
    Link {
        id: own.0.0,
        provider_id: own.1.0,
        user_id: own.2.0,
        subject: (!subject.is_empty()).then_some(Subject { issuer, subject }),
        display,
        status: status.0,
        epoch,
        created_at: created_at.0,
    }
}

macro_rules! link_query {
    () => {
        links::table.select((
            (links::id, links::provider_id, links::user_id),
            (links::issuer, links::subject, links::display),
            (links::status, links::epoch, links::created_at),
        ))
    };
}

impl Read<'_> {
    pub fn link(&mut self, id: LinkId) -> Result<Option<Link>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => link_query!()
            .filter(links::id.eq(Db(id))).get_result(c).optional()?);
        Ok(row.map(link))
    }

    /// The link of that identity that was not taken away. Its owner may be deleted: a tombstone still answers for its subject.
    pub fn link_by_subject(
        &mut self,
        provider: ProviderId,
        subject: &Subject,
    ) -> Result<Option<Link>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => link_query!()
            .filter(links::provider_id.eq(Db(provider))
                .and(links::issuer.eq(&subject.issuer))
                .and(links::subject.eq(&subject.subject))
                .and(links::status.ne(Deleted))
                .and(links::subject.ne(EmptyText)))
            .get_result(c).optional()?);
        Ok(row.map(link))
    }

    /// A user's links at all providers, those that were taken away included, oldest first.
    pub fn links_of_user(&mut self, user: UserId) -> Result<Vec<Link>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => link_query!()
            .filter(links::user_id.eq(Db(user)))
            .order((links::created_at, links::id))
            .load(c)?);
        Ok(rows.into_iter().map(link).collect())
    }

    /// Those whom a change of the issuer would make two of: links under the new issuer whose subject is bound under the old one, too.
    pub fn links_bound_twice(
        &mut self,
        provider: ProviderId,
        old: &str,
        new: &str,
    ) -> Result<Vec<Link>, StoreError> {
        let former = diesel::alias!(links as former);
        let rows: Vec<Row> = on!(&mut *self.connection, c => link_query!()
            .filter(links::provider_id.eq(Db(provider))
                .and(links::issuer.eq(new))
                .and(links::status.ne(Deleted))
                .and(links::subject.eq_any(former
                    .filter(former.field(links::provider_id).eq(Db(provider))
                        .and(former.field(links::issuer).eq(old))
                        .and(former.field(links::status).ne(Deleted)))
                    .select(former.field(links::subject)))))
            .order((links::created_at, links::id))
            .load(c)?);
        Ok(rows.into_iter().map(link).collect())
    }

    /// The links of a provider that were not taken away.
    pub fn link_counts(&mut self, provider: ProviderId) -> Result<LinkCounts, StoreError> {
        let [empty, all] = on!(&mut *self.connection, c => {
            let of_provider = || links::table
                .filter(links::provider_id.eq(Db(provider)).and(links::status.ne(Deleted)))
                .count();
            [of_provider().filter(links::subject.eq(EmptyText)).get_result(c)?, of_provider().get_result::<i64>(c)?]
        });
        Ok(LinkCounts {
            bound: all - empty,
            empty,
        })
    }

    /// How many imported links of a tenant still wait for their person, by the slug of the provider, which is not deleted.
    pub fn links_empty(&mut self, tenant: TenantId) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(on!(&mut *self.connection, c => links::table
            .inner_join(providers::table.on(providers::id.eq(links::provider_id)))
            .filter(providers::tenant_id.eq(Db(tenant))
                .and(providers::status.ne(Deleted))
                .and(links::subject.eq(EmptyText))
                .and(links::status.ne(Deleted)))
            .group_by(providers::slug)
            .order(providers::slug)
            .select((providers::slug, diesel::dsl::count_star()))
            .load(c)?))
    }
}

impl Write<'_> {
    /// Stores a link, and that its owner had one. A unique violation: somebody else was faster with the same identity.
    pub fn link_insert(&mut self, new: &NewLink) -> Result<LinkId, StoreError> {
        let id = LinkId::random(self.entropy());
        let now = self.now();
        let (issuer, subject) = new.subject.as_ref().map_or(("", ""), |subject| {
            (subject.issuer.as_str(), subject.subject.as_str())
        });
        on!(&mut *self.connection, c => {
            diesel::insert_into(links::table).values((
                links::id.eq(Db(id)),
                links::provider_id.eq(Db(new.provider_id)),
                links::user_id.eq(Db(new.user_id)),
                links::issuer.eq(issuer),
                links::subject.eq(subject),
                links::display.eq(&new.display),
                links::status.eq(Db(OwnerStatus::Active)),
                links::epoch.eq(1_i64),
                links::created_at.eq(Db(now)),
            )).execute(c)?;
            diesel::update(users::table.filter(users::id.eq(Db(new.user_id))))
                .set(users::ever_linked.eq(true))
                .execute(c)?;
        });
        Ok(id)
    }

    /// Gives a link that waits its identity. True for exactly one caller, ever (B14, B15).
    pub fn link_backfill(
        &mut self,
        id: LinkId,
        subject: &Subject,
        display: &str,
    ) -> Result<bool, StoreError> {
        let filled = on!(&mut *self.connection, c => diesel::update(links::table.filter(
            links::id.eq(Db(id))
                .and(links::subject.eq(EmptyText))
                .and(links::status.eq(Db(OwnerStatus::Active))),
        ))
        .set((
            links::issuer.eq(&subject.issuer),
            links::subject.eq(&subject.subject),
            links::display.eq(display),
        ))
        .execute(c)?);
        Ok(filled == 1)
    }

    /// What the person recognises it by, as the provider says it now.
    pub fn link_set_display(&mut self, id: LinkId, display: &str) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(links::table.filter(links::id.eq(Db(id))))
            .set(links::display.eq(display)).execute(c)?);
        Ok(())
    }

    /// Sets the status and moves the epoch: every session born through it is dead, with what it approved. A unique violation: the
    /// identity was bound anew while this link was away.
    pub fn link_set_status(&mut self, id: LinkId, status: OwnerStatus) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(links::table.filter(links::id.eq(Db(id))))
            .set((links::status.eq(Db(status)), links::epoch.eq(links::epoch + 1)))
            .execute(c)?);
        Ok(())
    }

    /// Ends every session born through it, and what those approved; the link stays.
    pub fn link_epoch_raise(&mut self, id: LinkId) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(links::table.filter(links::id.eq(Db(id))))
            .set(links::epoch.eq(links::epoch + 1)).execute(c)?);
        Ok(())
    }

    /// The provider goes under another issuer from now on, and its links move along. Returns how many; tombstones move too. Nobody's
    /// session ends: an administrator says that it is the same provider with the same people, who only goes by another name.
    pub fn links_rebind(
        &mut self,
        provider: ProviderId,
        old: &str,
        new: &str,
    ) -> Result<usize, StoreError> {
        Ok(on!(&mut *self.connection, c => {
            diesel::update(providers::table.filter(providers::id.eq(Db(provider))))
                .set(providers::issuer.eq(new))
                .execute(c)?;
            diesel::update(links::table.filter(
                links::provider_id.eq(Db(provider)).and(links::issuer.eq(old)),
            ))
            .set(links::issuer.eq(new))
            .execute(c)?
        }))
    }
}
