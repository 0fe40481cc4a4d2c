//! Which resource servers a token is for (RFC 8707).
//!
//! * What is asked for by `resource` must be the identifier of an active resource server that the client is registered for:
//!   by name, or because it owns one of the client's registered scopes.
//! * Who asks for nothing gets the registered ones that own a granted scope, or all registered ones when none does.
//! * Each comes with the epoch it has now and with the scopes that mean something to it, so that none sees another's.

use curfew_protocol::own_api::OWN_API;
use curfew_protocol::{Audience, Audiences, ScopeSet};
use curfew_store::clients::Client;

use crate::catalogue::{Catalogue, KnownServer};

/// A `resource` that is unknown, not active or not the client's: `invalid_target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidTarget;

/// The audiences of a fresh approval or of a client's own token.
pub(crate) fn choose(
    requested: &[String],
    client: &Client,
    scopes: &ScopeSet,
    catalogue: &Catalogue,
) -> Result<Audiences, InvalidTarget> {
    let registered: Vec<&KnownServer> = catalogue
        .resource_servers()
        .iter()
        .filter(|server| is_registered(client, server, catalogue))
        .collect();
    let chosen = if requested.is_empty() {
        implied(&registered, scopes, catalogue)
    } else {
        asked_for(&registered, requested)?
    };
    Ok(Audiences(
        chosen
            .into_iter()
            .map(|server| catalogue.audience(server, scopes))
            .collect(),
    ))
}

fn is_registered(client: &Client, server: &KnownServer, catalogue: &Catalogue) -> bool {
    let registration = &client.registration;
    server
        .resource_id
        .as_ref()
        .is_some_and(|resource_id| registration.resources.contains(resource_id))
        || owns_one_of(&registration.scopes, server, catalogue)
}

fn owns_one_of(scopes: &ScopeSet, server: &KnownServer, catalogue: &Catalogue) -> bool {
    let mut owners = scopes.iter().filter_map(|name| catalogue.owner_of(name));
    owners.any(|owner| owner == server.key)
}

fn asked_for<'a>(
    registered: &[&'a KnownServer],
    requested: &[String],
) -> Result<Vec<&'a KnownServer>, InvalidTarget> {
    let is_known = |wanted: &String| registered.iter().any(|server| server.identifier == *wanted);
    if !requested.iter().all(is_known) {
        return Err(InvalidTarget);
    }
    Ok(registered
        .iter()
        .copied()
        .filter(|server| requested.contains(&server.identifier))
        .collect())
}

fn implied<'a>(
    registered: &[&'a KnownServer],
    scopes: &ScopeSet,
    catalogue: &Catalogue,
) -> Vec<&'a KnownServer> {
    let owns_one = |server: &&KnownServer| owns_one_of(scopes, server, catalogue);
    let owners: Vec<_> = registered.iter().copied().filter(owns_one).collect();
    if owners.is_empty() {
        let all = registered.iter().copied();
        all.filter(|server| server.key != OWN_API).collect()
    } else {
        owners
    }
}

/// Those of the approved audiences that are still what they were when they were approved: active, in the same epoch, and
/// registered for the client (A23).
pub(crate) fn still_good(
    approved: &Audiences,
    client: &Client,
    catalogue: &Catalogue,
) -> Audiences {
    let is_good = |audience: &&Audience| {
        catalogue
            .resource_server(audience.key)
            .is_some_and(|server| {
                server.epoch == audience.epoch && is_registered(client, server, catalogue)
            })
    };
    Audiences(approved.0.iter().filter(is_good).cloned().collect())
}

/// What a token request makes of the approved audiences: all of them, or those it names (RFC 8707 §2.2). Each keeps only what
/// `scopes` leaves of its own.
pub(crate) fn narrow(
    approved: &Audiences,
    requested: &[String],
    scopes: &ScopeSet,
) -> Result<Audiences, InvalidTarget> {
    let is_approved = |wanted: &String| approved.0.iter().any(|own| own.identifier == *wanted);
    if !requested.iter().all(is_approved) {
        return Err(InvalidTarget);
    }
    let is_wanted = |own: &&Audience| requested.is_empty() || requested.contains(&own.identifier);
    let wanted = approved.0.iter().filter(is_wanted).cloned();
    Ok(keeping(&Audiences(wanted.collect()), scopes))
}

/// The same audiences, each with what `scopes` leaves of its own.
pub(crate) fn keeping(audiences: &Audiences, scopes: &ScopeSet) -> Audiences {
    let kept = audiences.0.iter().map(|own| Audience {
        scopes: own.scopes.intersection(scopes),
        ..own.clone()
    });
    Audiences(kept.collect())
}

/// Does `wide` hold every audience of `narrow`, in the same epoch?
pub(crate) fn covers(wide: &Audiences, narrow: &Audiences) -> bool {
    let is_held = |wanted: &Audience| {
        wide.find(wanted.key)
            .is_some_and(|own| own.epoch == wanted.epoch)
    };
    narrow.0.iter().all(is_held)
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
