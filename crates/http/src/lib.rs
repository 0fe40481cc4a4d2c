//! The edge kit: what every capability needs between HTTP and the store.
//!
//! A request passes [`body`] (form), [`client_auth`], [`session`] or [`bearer`] (who is asking), the capability's own stages, and leaves through
//! [`answer`]; [`problem`] is the one place where an error becomes HTTP.

pub mod answer;
pub mod asking;
pub mod bearer;
pub mod body;
pub mod catalogue;
pub mod client_auth;
pub mod cors;
pub mod csrf;
pub mod edge;
pub mod flash;
pub mod guess;
pub mod log;
pub mod mail_texts;
pub mod mailed_link;
pub mod mailer;
pub mod notice;
pub mod origin;
pub mod outbound;
pub mod pages;
pub mod password;
pub mod places;
pub mod problem;
pub mod rates;
pub mod realm;
pub mod session;
pub mod sign_in;
pub mod uses;
pub mod visit;

pub use edge::{Edge, Issuer};
pub use problem::{PageProblem, Problem};
pub use realm::Realm;
