//! The endpoints over a temporary SQLite database, on a clock that moves when told to.

mod account;
mod address;
mod bootstrap;
mod holding_pages;
mod holdings;
mod identities;
mod links;
mod login;
mod logout;
mod quarantine;
mod service;
mod support;
