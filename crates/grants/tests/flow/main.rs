//! The endpoints end to end, over a database of their own.

mod authorize;
mod support;
mod token;
