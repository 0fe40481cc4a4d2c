//! The endpoints over a temporary SQLite database, on a clock that moves when told to.

mod account;
mod bootstrap;
mod holding_pages;
mod holdings;
mod links;
mod login;
mod logout;
mod service;
mod support;
