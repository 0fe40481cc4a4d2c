//! A tenant's maximum lifetimes, and since when they bind a credential.
//!
//! Maxima act on what exists: a credential is dead as soon as it, or whatever binds it, is older than its kind may become. So that one
//! look-up can tell at any depth, a node remembers for each kind the birth of the oldest of that kind that binds it, itself included.

use curfew_protocol::{Lifetime, Timestamp};

use crate::status::NodeKind;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $field:ident,)*) => {
        /// What a tenant has a maximum lifetime for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum LimitKind { $($(#[$doc])* $kind,)* }

        /// The tenant's maxima for one era; none where there is no value.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct TenantLimits { $($(#[$doc])* pub $field: Option<Lifetime>,)* }

        impl TenantLimits {
            pub const fn of(&self, kind: LimitKind) -> Option<Lifetime> {
                match kind { $(LimitKind::$kind => self.$field,)* }
            }

            /// The smaller one of each: what was lowered is lowered for what exists, what was raised is not raised for it.
            #[must_use]
            pub fn smaller(&self, other: &Self) -> Self {
                Self { $($field: self.$field.into_iter().chain(other.$field).min(),)* }
            }
        }

        /// Since when each maximum binds a credential.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct BoundSince { $(pub $field: Option<Timestamp>,)* }

        impl BoundSince {
            /// What is born at `born` below what these bind.
            #[must_use]
            pub fn and(mut self, kind: Option<LimitKind>, born: Timestamp) -> Self {
                match kind {
                    $(Some(LimitKind::$kind) => { self.$field.get_or_insert(born); })*
                    None => {}
                }
                self
            }

            /// When the first of the maxima is reached.
            pub fn end(&self, limits: &TenantLimits) -> Timestamp {
                let ends = [$(self.$field.zip(limits.$field),)*];
                let ends = ends.into_iter().flatten().map(|(since, limit)| since.after(limit));
                ends.min().unwrap_or(Timestamp::from_seconds(i64::MAX))
            }
        }
    };
}

kinds! {
    /// An access token.
    AccessToken access_token,
    /// A refresh token and all that it turns into.
    RefreshFamily refresh_family,
    /// A browser session.
    Session session,
    /// What a person allowed a client.
    Approval approval,
    /// A token that a person made for their own programs.
    PersonalAccessToken personal_access_token,
}

impl LimitKind {
    /// The maximum that a node of `kind` is held to.
    pub const fn of_node(kind: NodeKind) -> Option<Self> {
        match kind {
            NodeKind::Session => Some(Self::Session),
            NodeKind::Approval => Some(Self::Approval),
            NodeKind::Family => Some(Self::RefreshFamily),
            NodeKind::PersonalAccessToken => Some(Self::PersonalAccessToken),
            NodeKind::ClientGrant | NodeKind::Exchange => None,
        }
    }

    /// The maximum that a token on a node of `kind` is held to.
    pub const fn of_token_on(kind: NodeKind) -> Self {
        match kind {
            NodeKind::PersonalAccessToken => Self::PersonalAccessToken,
            NodeKind::Session
            | NodeKind::Approval
            | NodeKind::Family
            | NodeKind::ClientGrant
            | NodeKind::Exchange => Self::AccessToken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_oldest_of_a_kind_counts_and_every_kind_does() {
        let since = BoundSince::default()
            .and(Some(LimitKind::AccessToken), at(100))
            .and(Some(LimitKind::Approval), at(200))
            .and(Some(LimitKind::AccessToken), at(300))
            .and(None, at(0));
        let limits = TenantLimits {
            access_token: Some(Lifetime::from_seconds(600)),
            approval: Some(Lifetime::from_seconds(550)),
            ..TenantLimits::default()
        };
        assert_eq!(since.access_token, Some(at(100)));
        assert_eq!(since.end(&limits), at(700));
        assert_eq!(since.end(&TenantLimits::default()), at(i64::MAX));
    }

    #[test]
    fn c12_the_smaller_maximum_of_two_eras_holds_and_none_is_no_maximum() {
        let some = |seconds| Some(Lifetime::from_seconds(seconds));
        let old = TenantLimits {
            access_token: some(600),
            session: some(10),
            ..TenantLimits::default()
        };
        let new = TenantLimits {
            access_token: some(900),
            approval: some(50),
            ..TenantLimits::default()
        };
        let both = old.smaller(&new);
        assert_eq!(
            (both.access_token, both.session, both.approval),
            (some(600), some(10), some(50))
        );
    }
}
