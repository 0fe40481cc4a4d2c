//! Every identifier has its own type; this file is the one list of them.
//!
//! Identifiers of owners (tenants, users, clients, …) are random, so that none can be guessed or come back.
//! Identifiers of credentials are time-ordered, because a growing key keeps the write log of a large table small.

use std::fmt;
use std::str::FromStr;

use crate::base62;
use crate::secret::Entropy;

/// Text that is no identifier: not 22 base62 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 22 letters and digits")]
pub struct IdSyntax;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $order:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        ids!(@new $order $name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity(22);
                base62::encode(&self.0, &mut text);
                f.write_str(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdSyntax;

            fn from_str(text: &str) -> Result<Self, IdSyntax> {
                base62::decode(text.as_bytes()).map(Self).ok_or(IdSyntax)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
    (@new random $name:ident) => {
        impl $name {
            /// A random UUID (version 4, RFC 9562 §5.4).
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0u8; 16];
                entropy.fill(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
            }
        }
    };
    (@new ordered $name:ident) => {
        impl $name {
            /// A UUID ordered by `millis` since 1970 (version 7, RFC 9562 §5.7).
            pub fn ordered(millis: u64, entropy: &dyn Entropy) -> Self {
                let mut random = [0u8; 10];
                entropy.fill(&mut random);
                let id = uuid::Builder::from_unix_timestamp_millis(millis, &random);
                Self(id.into_uuid().into_bytes())
            }
        }
    };
}

ids! {
    /// A tenant: one issuer with its own users, clients and resource servers.
    TenantId: random,
    /// A person. Never used again, also not after deletion.
    UserId: random,
    /// The row of an OAuth client; its `client_id` is text of its own.
    ClientKey: random,
    /// The row of a resource server.
    ResourceServerKey: random,
    /// An upstream identity provider.
    ProviderId: random,
    /// The bond between a user and an upstream subject.
    LinkId: random,
    /// A node of the chain of life: browser session, approval, refresh family, client grant, personal access token or exchange.
    NodeId: ordered,
    /// The selector of an access token, a personal one included; safe to log.
    TokenId: ordered,
    /// An authorization code's selector.
    CodeId: ordered,
    /// A device code's selector.
    DeviceCodeId: ordered,
    /// A mailed link's selector.
    MailedLinkId: ordered,
    /// Somebody's way to an upstream provider and back: the selector of its state parameter.
    UpstreamLoginId: ordered,
    /// An upstream identity that waits for the proof that an account is its person's.
    LinkProofId: ordered,
    /// A queued mail.
    MailId: ordered,
    /// A row of the audit trail.
    AuditId: ordered,
    /// One of the chains that prove the audit trail: what one connection wrote.
    AuditChainId: ordered,
    /// One request, as logs, error pages and audit rows name it.
    RequestId: ordered,
}

/// The tenant that lives at the issuer's root; made by the first migration.
pub const DEFAULT_TENANT: TenantId = TenantId::from_bytes([0; 16]);
