//! The states of owners, and which step from one to another exists.

use std::fmt;

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code that the database holds.
            pub const fn code(self) -> i16 {
                match self { $(Self::$variant => $code,)* }
            }

            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)* })
            }
        }
    )*};
}

states! {
    /// A person's account.
    UserStatus {
        Active = 1 "active",
        /// Unused for long; signing in wakes it.
        Dormant = 2 "dormant",
        /// Locked by an administrator; only an administrator unlocks it.
        Suspended = 3 "suspended",
        /// A tombstone.
        Deleted = 4 "deleted",
    }
    /// A tenant, client, resource server, upstream provider or the link to an identity there.
    OwnerStatus {
        Active = 1 "active",
        Disabled = 3 "disabled",
        /// A tombstone.
        Deleted = 4 "deleted",
    }
    /// Who vouches for a person's e-mail address.
    EmailOrigin {
        /// Whoever typed it: an administrator, or the person.
        Stated = 1 "stated",
        /// An upstream provider, which may also say that it changed.
        Upstream = 2 "upstream",
        /// The mailbox itself.
        Mailbox = 3 "mailbox",
    }
    /// What kind of upstream identity provider it is.
    ProviderKind {
        OpenId = 1 "openid",
        GitHub = 2 "github",
    }
    /// What a node of the chain of life is.
    NodeKind {
        /// A browser session, born by a login.
        Session = 1 "session",
        /// What a person allowed a client.
        Approval = 2 "approval",
        /// A refresh token and all that it turns into.
        Family = 3 "family",
        /// The standing grant under which a client acts for itself.
        ClientGrant = 4 "client_grant",
        /// What a person made for their own programs.
        PersonalAccessToken = 5 "personal_access_token",
        /// What a client got for another token (RFC 8693).
        Exchange = 6 "exchange",
    }
    /// Why a node or token was ended. Expiry is no cause of this list: it is never written down.
    DeathCause {
        Revoked = 1 "revoked",
        Replayed = 2 "replayed",
        LoggedOut = 3 "logged_out",
        AncestorDied = 4 "ancestor_died",
        Rotated = 5 "rotated",
        ConsentWithdrawn = 6 "consent_withdrawn",
        EndedByAdministrator = 7 "ended_by_administrator",
        /// Its owner ended it on the account page, or through the API.
        EndedByOwner = 8 "ended_by_owner",
        /// Its owner said that somebody else had made it.
        Disowned = 9 "disowned",
        /// The session upstream, which it was born in, was ended there.
        LoggedOutUpstream = 10 "logged_out_upstream",
    }
}

impl UserStatus {
    /// May a user who is `self` be made `next`? The epoch moves with every step, so no step back revives a credential.
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Active, Self::Dormant | Self::Suspended | Self::Deleted)
            | (Self::Dormant, Self::Active | Self::Suspended | Self::Deleted)
            | (Self::Suspended, Self::Active | Self::Deleted)
            | (Self::Deleted, Self::Active) => true,
            (Self::Active, Self::Active)
            | (Self::Dormant, Self::Dormant)
            | (Self::Suspended, Self::Suspended | Self::Dormant)
            | (Self::Deleted, Self::Deleted | Self::Dormant | Self::Suspended) => false,
        }
    }
}
