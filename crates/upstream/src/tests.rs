//! The endpoints end to end, with a provider on loopback; and the transaction alone, on both databases.

mod callback;
mod invitation;
mod linking;
mod logout;
mod proof;
mod races;
mod start;
mod support;
