//! Which scopes a request gets (RFC 6749 §3.3).
//!
//! * What is asked for must be registered for the client and exist in the tenant; one foreign word refuses the request.
//! * Who asks for nothing gets little: the registered scopes without the risky ones (those with a maximum lifetime of their own)
//!   and without [`OFFLINE_ACCESS`]. Never "all" (E01).

use curfew_protocol::ScopeSet;
use curfew_store::clients::Client;

use crate::catalogue::Catalogue;

pub(crate) use curfew_http::catalogue::OFFLINE_ACCESS;

/// Why scopes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeRefusal {
    /// Characters that no scope has.
    Syntax,
    /// Not registered for the client, or unknown to the tenant.
    NotRegistered,
}

/// The registered scopes that still exist.
pub(crate) fn available(client: &Client, catalogue: &Catalogue) -> ScopeSet {
    let exists = |name: &&str| *name == OFFLINE_ACCESS || catalogue.knows(name);
    client
        .registration
        .scopes
        .iter()
        .filter(exists)
        .map(str::to_owned)
        .collect()
}

/// Decides what `client` gets for the `scope` parameter it sent.
pub(crate) fn grant(
    requested: Option<&str>,
    client: &Client,
    catalogue: &Catalogue,
) -> Result<ScopeSet, ScopeRefusal> {
    let requested = ScopeSet::parse(requested.unwrap_or("")).map_err(|_| ScopeRefusal::Syntax)?;
    let available = available(client, catalogue);
    if requested.is_empty() {
        return Ok(harmless(&available, catalogue));
    }
    if requested.is_subset_of(&available) {
        Ok(requested)
    } else {
        Err(ScopeRefusal::NotRegistered)
    }
}

fn harmless(available: &ScopeSet, catalogue: &Catalogue) -> ScopeSet {
    let is_harmless = |name: &&str| {
        catalogue
            .scope(name)
            .is_some_and(|scope| scope.max_lifetime.is_none())
    };
    available
        .iter()
        .filter(is_harmless)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
#[path = "scopes_tests.rs"]
mod tests;
