//! Where a call may go.
//!
//! Special-use addresses are refused unless the configuration lists them. A literal address is judged in the URL, because nobody looks
//! it up; the addresses of a name are judged as they are handed to the connection, so that a name that leads elsewhere the second time
//! (DNS rebinding) is judged the second time.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use curfew_policy::addresses::AddressRange;
use curfew_policy::special_use::{may_be_called, special_use};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, oneshot};
use url::{Host, Url};

use super::error::OutboundError;

/// How many names are looked up at a time. The system's look-up cannot be broken off and may hang for half a minute, so it gets
/// threads of its own: those of the runtime serve the database.
const LOOKUPS: usize = 8;

/// The one name that RFC 6761 §6.3 binds to the machine itself.
const LOCALHOST: &str = "localhost";

/// Finds the addresses of a name. It may block.
pub trait Lookup: Send + Sync {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = (name, 0).to_socket_addrs()?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Scheme, user name and literal address.
pub(super) fn check_url(url: &Url, allowed: &[AddressRange]) -> Result<(), OutboundError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundError::InsecureUrl);
    }
    let literal = match url.host() {
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
        Some(Host::Domain(_)) => None,
        None => return Err(OutboundError::InsecureUrl),
    };
    let loopback = literal.map_or_else(
        || url.host_str() == Some(LOCALHOST),
        |address| address.is_loopback(),
    );
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err(OutboundError::InsecureUrl),
    }
    match literal {
        Some(address) if !may_be_called(address, allowed) => Err(refused(address)),
        _ => Ok(()),
    }
}

fn refused(address: IpAddr) -> OutboundError {
    OutboundError::RefusedAddress {
        address,
        purpose: special_use(address).unwrap_or("not loopback"),
    }
}

/// A name that leads to no address that may be called.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to {0}, which is set aside")]
pub(super) struct RefusedName(IpAddr);

impl From<&RefusedName> for OutboundError {
    fn from(name: &RefusedName) -> Self {
        refused(name.0)
    }
}

/// Looks names up, and hands on the addresses that may be called.
pub(super) struct Guarded {
    lookup: Arc<dyn Lookup>,
    allowed: Arc<[AddressRange]>,
    threads: Arc<Semaphore>,
}

impl Guarded {
    pub(super) fn new(lookup: Arc<dyn Lookup>, allowed: Arc<[AddressRange]>) -> Self {
        Self {
            lookup,
            allowed,
            threads: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowed) = (self.lookup.clone(), self.allowed.clone());
        let threads = self.threads.clone();
        Box::pin(async move {
            // The caller's deadline ends the waiting, but not the look-up: the thread gives its permit back when it is done.
            let permit = threads.acquire_owned().await?;
            let (send, found) = oneshot::channel();
            let host = name.as_str().to_owned();
            std::thread::Builder::new()
                .name("name look-up".to_owned())
                .spawn(move || {
                    let _permit = permit;
                    let _ = send.send(lookup.addresses(&host));
                })?;
            let found = found.await??;
            Ok(judged(name.as_str(), &found, &allowed)?)
        })
    }
}

/// Those of the addresses of `name` that may be called.
fn judged(name: &str, found: &[IpAddr], allowed: &[AddressRange]) -> Result<Addrs, RefusedName> {
    let fit = |address: &IpAddr| {
        may_be_called(*address, allowed) && (name != LOCALHOST || address.is_loopback())
    };
    let kept: Vec<SocketAddr> = found
        .iter()
        .filter(|address| fit(address))
        .map(|address| SocketAddr::new(*address, 0))
        .collect();
    match (kept.is_empty(), found.first()) {
        (true, Some(first)) => Err(RefusedName(*first)),
        _ => Ok(Box::new(kept.into_iter())),
    }
}
