//! The keyring of the operating system: the Secret Service on Linux and the BSDs, the keychain on macOS.

use keyring::{Entry, Error};

use super::credentials::Tokens;
use crate::failure::Failure;

/// The name under which the entries stand; the issuer stands beside it.
const SERVICE: &str = "curfew";

/// The error says why the tokens cannot be kept there.
pub(super) fn write(issuer: &str, tokens: &Tokens) -> Result<(), String> {
    let text = serde_json::to_string(tokens).map_err(|error| error.to_string())?;
    entry(issuer)
        .and_then(|entry| entry.set_password(&text))
        .map_err(|error| told(&error))
}

pub(super) fn read(issuer: &str) -> Result<Tokens, Failure> {
    let text = entry(issuer)
        .and_then(|entry| entry.get_password())
        .map_err(|error| match error {
            Error::NoEntry => Failure::told(format!(
                "the keyring does not hold the login at {issuer} any more; run `curfew login --issuer {issuer}`"
            )),
            other => Failure::told(format!(
                "the keyring holds the login at {issuer}, and cannot be reached: {}; unlock it, or sign in again with --no-keyring",
                told(&other)
            )),
        })?;
    serde_json::from_str(&text).map_err(|_| {
        Failure::told(format!(
            "the keyring's entry for {issuer} is damaged; run `curfew login --issuer {issuer}`"
        ))
    })
}

/// Removes an entry, if there is one.
pub(super) fn remove(issuer: &str) -> Result<(), Failure> {
    match entry(issuer).and_then(|entry| entry.delete_credential()) {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(Failure::told(format!(
            "the login at {issuer} cannot be removed from the keyring: {}",
            told(&error)
        ))),
    }
}

fn entry(issuer: &str) -> Result<Entry, Error> {
    Entry::new(SERVICE, issuer)
}

/// Where there is no keyring at all, the reason lies in how it was looked for.
fn told(error: &Error) -> String {
    match (error, Entry::store_status()) {
        (Error::NoDefaultStore, Err(reason)) => reason.to_string(),
        // It may hold the secret itself.
        (Error::BadEncoding(_) | Error::BadDataFormat(..), _) => "its entry is damaged".to_owned(),
        _ => error.to_string(),
    }
}
