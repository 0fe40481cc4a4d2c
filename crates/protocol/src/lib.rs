//! The words of the protocol: identifiers, secrets, times, scopes, error codes and wire types.
//!
//! Nothing here reads a clock, draws a random number or touches the network: time and randomness come in
//! as values ([`Timestamp`]) or as the traits [`Clock`] and [`Entropy`], so every decision above can be replayed.

mod base62;
mod error;
mod form;
mod ids;
mod redacted;
mod refresh;
mod scope;
mod secret;
mod time;
mod token;
mod user_code;
mod words;

pub mod own_api;
pub mod upstream;
pub mod wire;

pub use error::{ErrorCode, OAuthError};
pub use form::{Form, FormError};
pub use ids::*;
pub use redacted::Redacted;
pub use refresh::{ParsedRefresh, RefreshToken};
pub use scope::{Audience, Audiences, ScopeSet, ScopeSyntax};
pub use secret::{Digest, Entropy, SecretBytes};
pub use time::{Clock, Lifetime, ManualClock, Timestamp};
pub use token::{OpaqueToken, ParsedToken, TokenKind, TokenSyntax};
pub use user_code::{UserCode, UserCodeLength};
pub use words::{ClientAuthMethod, GrantType, OwnScope, ResponseMode, SignatureAlgorithm};
