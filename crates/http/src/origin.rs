//! Where a request comes from: its id, its address, its user agent.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, USER_AGENT};
use actix_web::{HttpMessage as _, HttpRequest};
use curfew_policy::addresses::AddressRange;
use curfew_protocol::RequestId;
use curfew_store::audit::Origin;

use crate::edge::Edge;

/// How much of a user agent is kept.
const USER_AGENT_BYTES: usize = 200;

/// The proxies whose `X-Forwarded-For` is believed. Empty by default: then the header is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<AddressRange>);

impl TrustedProxies {
    /// `Err` is the entry that is no address range.
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        AddressRange::parse_all(entries).map(Self)
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(ip))
    }

    /// The client's address: the peer's, or, when the peer is a trusted proxy, the last address in `X-Forwarded-For` that
    /// is not itself one.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contains(peer) {
            return peer;
        }
        let hops = headers
            .get_all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok());
        let addresses: Vec<IpAddr> = hops
            .flat_map(|value| value.split(','))
            .map_while(|hop| hop.trim().parse().ok())
            .collect();
        addresses
            .into_iter()
            .rev()
            .find(|ip| !self.contains(*ip))
            .unwrap_or(peer)
    }
}

/// The address a request comes from.
pub fn client_ip(request: &HttpRequest, edge: &Edge) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
    edge.proxies.client(peer, request.headers())
}

/// The id of this request; made at its first use.
pub fn request_id(request: &HttpRequest, edge: &Edge) -> RequestId {
    if let Some(id) = request.extensions().get::<RequestId>() {
        return *id;
    }
    let id = RequestId::ordered(edge.store.clock().now_millis(), edge.store.entropy());
    request.extensions_mut().insert(id);
    id
}

/// Everything the audit trail wants to know of a request's origin.
pub fn of(request: &HttpRequest, edge: &Edge) -> Origin {
    let user_agent = request
        .headers()
        .get(USER_AGENT)
        .map(|value| clean(value.as_bytes()));
    Origin {
        request_id: Some(request_id(request, edge)),
        ip: Some(client_ip(request, edge).to_string()),
        user_agent,
    }
}

/// Text from outside, cut and cleaned for storage and logs.
fn clean(bytes: &[u8]) -> String {
    let kept = bytes.iter().take(USER_AGENT_BYTES);
    kept.map(|b| {
        if (0x20..=0x7e).contains(b) {
            char::from(*b)
        } else {
            '?'
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn client(trusted: &[&str], peer: &str, forwarded: &str) -> String {
        let entries: Vec<String> = trusted.iter().map(|t| (*t).to_owned()).collect();
        let proxies = TrustedProxies::parse(&entries).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(
            HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_str(forwarded).unwrap(),
        );
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn s9700_22_forwarded_addresses_are_believed_from_trusted_proxies_only() {
        assert_eq!(client(&[], "10.0.0.1", "1.2.3.4"), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "1.2.3.4"), "1.2.3.4");
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9"),
            "1.2.3.4"
        );
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(client(&["::1"], "::1", "2001:db8::7"), "2001:db8::7");
        assert_eq!(client(&["10.0.0.0/8"], "11.0.0.1", "1.2.3.4"), "11.0.0.1");
    }

    #[test]
    fn a_bad_range_is_named() {
        let bad = ["10.0.0.0/33".to_owned()];
        assert_eq!(TrustedProxies::parse(&bad), Err("10.0.0.0/33".to_owned()));
    }
}
