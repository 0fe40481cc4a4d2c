//! Proves the invariants of the chain of life on the live database, and finds what an operator should know.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::context::Read;
use crate::error::StoreError;
use crate::on;

/// An invariant, as SQL that counts its violations; the same text on both backends.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    pub name: &'static str,
    pub meaning: &'static str,
    sql: &'static str,
}

/// What a check found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub meaning: &'static str,
    pub violations: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    violations: i64,
}

impl Invariant {
    pub const ALL: &'static [Self] = &[
        Self {
            name: "no_orphan",
            meaning: "every credential has an ancestor",
            sql: "SELECT (SELECT count(*) FROM tokens t WHERE NOT EXISTS \
                    (SELECT 1 FROM nodes n WHERE n.id = t.node_id)) \
                + (SELECT count(*) FROM nodes c WHERE c.parent_id IS NOT NULL AND NOT EXISTS \
                    (SELECT 1 FROM nodes p WHERE p.id = c.parent_id)) \
                + (SELECT count(*) FROM nodes n WHERE n.user_id IS NULL AND n.client_id IS NULL) AS violations",
        },
        Self {
            name: "home_before_the_parent",
            meaning: "no credential outlives what binds it",
            sql: "SELECT (SELECT count(*) FROM tokens t JOIN nodes n ON n.id = t.node_id \
                    WHERE t.expires_at > n.expires_at) \
                + (SELECT count(*) FROM nodes c JOIN nodes p ON p.id = c.parent_id \
                    WHERE c.expires_at > p.expires_at) AS violations",
        },
        Self {
            name: "dead_ancestor_dead_subtree",
            meaning: "below an ended node nothing is left alive",
            sql: "SELECT count(*) AS violations FROM nodes c JOIN nodes p ON p.id = c.parent_id \
                WHERE p.ended_at IS NOT NULL AND c.ended_at IS NULL",
        },
        Self {
            name: "what_a_token_begot_dies_with_it",
            meaning: "no node lives on, or longer, than the token that made it",
            sql: "SELECT count(*) AS violations FROM nodes n JOIN tokens t ON t.id = n.parent_token_id \
                WHERE n.expires_at > t.expires_at OR n.parent_id <> t.node_id \
                    OR (t.ended_at IS NOT NULL AND n.ended_at IS NULL)",
        },
        Self {
            name: "maxima_count_from_the_oldest",
            meaning: "no node forgot since when a tenant's maximum binds what binds it",
            sql: "SELECT count(*) AS violations FROM nodes c JOIN nodes p ON p.id = c.parent_id \
                WHERE c.era <> p.era \
                    OR (p.session_since IS NOT NULL AND (c.session_since IS NULL OR c.session_since > p.session_since)) \
                    OR (p.approval_since IS NOT NULL AND (c.approval_since IS NULL OR c.approval_since > p.approval_since)) \
                    OR (p.refresh_family_since IS NOT NULL AND (c.refresh_family_since IS NULL \
                        OR c.refresh_family_since > p.refresh_family_since)) \
                    OR (p.access_token_since IS NOT NULL AND (c.access_token_since IS NULL \
                        OR c.access_token_since > p.access_token_since)) \
                    OR (p.personal_access_token_since IS NOT NULL AND (c.personal_access_token_since IS NULL \
                        OR c.personal_access_token_since > p.personal_access_token_since))",
        },
        Self {
            name: "every_credential_expires",
            meaning: "no credential is stored without an end after its birth",
            sql: "SELECT (SELECT count(*) FROM tokens WHERE expires_at <= created_at) \
                + (SELECT count(*) FROM nodes WHERE expires_at <= created_at) AS violations",
        },
        Self {
            name: "epochs_never_run_ahead",
            meaning: "no node remembers an epoch that its owner has not reached",
            sql: "SELECT (SELECT count(*) FROM nodes n JOIN users u ON u.id = n.user_id WHERE n.user_epoch > u.epoch) \
                + (SELECT count(*) FROM nodes n JOIN clients c ON c.id = n.client_id \
                    WHERE n.client_epoch > c.epoch) \
                + (SELECT count(*) FROM nodes n JOIN tenants t ON t.id = n.tenant_id \
                    WHERE n.tenant_epoch > t.epoch) \
                + (SELECT count(*) FROM nodes n JOIN links l ON l.id = n.link_id JOIN providers p ON p.id = l.provider_id \
                    WHERE n.link_epoch > l.epoch OR n.provider_epoch > p.epoch) \
                + (SELECT count(*) FROM nodes n JOIN installation i ON i.id = 1 \
                    WHERE n.installation_epoch > i.epoch) AS violations",
        },
        Self {
            name: "deleted_users_hold_nothing",
            meaning: "no node of a deleted user was born under the user's present epoch",
            sql: "SELECT count(*) AS violations FROM nodes n JOIN users u ON u.id = n.user_id \
                WHERE u.status = 4 AND n.user_epoch >= u.epoch",
        },
        Self {
            name: "links_bind_their_own_user",
            meaning: "no node was born through the link of another user",
            sql: "SELECT count(*) AS violations FROM nodes n JOIN links l ON l.id = n.link_id \
                WHERE n.user_id IS NULL OR n.user_id <> l.user_id",
        },
        Self {
            name: "deleted_users_use_nothing",
            meaning: "no credential of a deleted user was used under the user's present epoch",
            sql: "SELECT count(*) AS violations FROM last_uses l JOIN users u ON u.id = l.user_id \
                WHERE u.status = 4 AND l.user_epoch >= u.epoch",
        },
    ];
}

impl Read<'_> {
    /// Counts the violations of one invariant. This reads every row, so on PostgreSQL it may take longer than a request.
    pub fn invariant_check(&mut self, invariant: &Invariant) -> Result<Finding, StoreError> {
        let count: Count = self.connection.patiently(|connection| {
            Ok(on!(connection, c => diesel::sql_query(invariant.sql).get_result(c)?))
        })?;
        Ok(Finding {
            name: invariant.name,
            meaning: invariant.meaning,
            violations: count.violations,
        })
    }
}
