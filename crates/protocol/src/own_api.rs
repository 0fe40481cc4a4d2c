//! Our own API as the resource server that it is: a token opens it only when it was made for it.

use crate::ids::ResourceServerKey;

/// The key that stands for our own API in the audiences of a token, in every tenant.
pub const OWN_API: ResourceServerKey = ResourceServerKey::from_bytes([0; 16]);

/// It is never disabled, so its epoch never moves.
pub const OWN_API_EPOCH: i64 = 1;

/// Its resource indicator (RFC 8707).
pub const OWN_API_IDENTIFIER: &str = "urn:curfew:api";
