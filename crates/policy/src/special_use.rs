//! Addresses that no other server on the Internet has, and that a call to such a server must therefore not reach.
//!
//! The name of a provider is resolved by somebody else, and a document of a provider may name any host: without this judgement both
//! could point a call at the machine itself, at its neighbours, or at a cloud's metadata service (169.254.169.254). The list is IANA's
//! registry of special-use addresses (RFC 6890 and what was added since). IPv6 is judged the other way round: only global unicast
//! addresses are plain, and of those the special ones are listed. Where an IPv6 address carries an IPv4 address, that one is judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addresses::AddressRange;

/// Range and what it is for.
type Special = (AddressRange, &'static str);

const V4: &[Special] = &[
    (AddressRange::v4([0, 0, 0, 0], 8), "this network"),
    (AddressRange::v4([10, 0, 0, 0], 8), "private use"),
    (
        AddressRange::v4([100, 64, 0, 0], 10),
        "shared by a carrier's customers",
    ),
    (AddressRange::v4([127, 0, 0, 0], 8), "loopback"),
    (AddressRange::v4([169, 254, 0, 0], 16), "link-local"),
    (AddressRange::v4([172, 16, 0, 0], 12), "private use"),
    (AddressRange::v4([192, 0, 0, 0], 24), "protocol assignments"),
    (AddressRange::v4([192, 0, 2, 0], 24), "documentation"),
    (AddressRange::v4([192, 88, 99, 0], 24), "6to4 relays"),
    (AddressRange::v4([192, 168, 0, 0], 16), "private use"),
    (AddressRange::v4([198, 18, 0, 0], 15), "benchmarks"),
    (AddressRange::v4([198, 51, 100, 0], 24), "documentation"),
    (AddressRange::v4([203, 0, 113, 0], 24), "documentation"),
    (AddressRange::v4([224, 0, 0, 0], 4), "multicast"),
    // The limited broadcast address, 255.255.255.255, is the last one of this range.
    (AddressRange::v4([240, 0, 0, 0], 4), "reserved"),
];

/// Inside of [`GLOBAL_UNICAST`].
const V6: &[Special] = &[
    (
        AddressRange::v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
        "protocol assignments",
    ),
    (
        AddressRange::v6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
        "documentation",
    ),
    (
        AddressRange::v6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
        "documentation",
    ),
];

/// What IANA has given out to the Internet (RFC 4291 §2.4). Outside of it are `::`, `::1`, fc00::/7, fe80::/10, ff00::/8, 100::/64,
/// 64:ff9b:1::/48 and everything that has no use yet.
const GLOBAL_UNICAST: AddressRange =
    AddressRange::v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// IPv4 behind a translator (RFC 6052 §2.1): the last 32 bits.
const TRANSLATED: AddressRange =
    AddressRange::v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// 6to4 (RFC 3056 §2): the 32 bits behind the first 16.
const SIX_TO_FOUR: AddressRange = AddressRange::v6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// What `ip` is set aside for. `None`: a plain address of the Internet.
pub fn special_use(ip: IpAddr) -> Option<&'static str> {
    match carried(ip) {
        Some(v4) => listed(V4, IpAddr::V4(v4)),
        None if GLOBAL_UNICAST.contains(ip) => listed(V6, ip),
        None => Some("not for the Internet"),
    }
}

/// May a call be connected to `ip`? Special-use addresses only where an administrator listed them.
pub fn may_be_called(ip: IpAddr, allowed: &[AddressRange]) -> bool {
    special_use(ip).is_none() || allowed.iter().any(|range| range.contains(ip))
}

fn listed(list: &[Special], ip: IpAddr) -> Option<&'static str> {
    list.iter()
        .find(|(range, _)| range.contains(ip))
        .map(|(_, purpose)| *purpose)
}

/// The IPv4 address that `ip` is, or that packets to it arrive at.
fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
    let v6 = match ip {
        IpAddr::V4(v4) => return Some(v4),
        IpAddr::V6(v6) => v6,
    };
    let [_, first, second, .., seventh, eighth] = v6.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if TRANSLATED.contains(ip) {
        Some(join(seventh, eighth))
    } else if SIX_TO_FOUR.contains(ip) {
        Some(join(first, second))
    } else {
        v6.to_ipv4_mapped()
    }
}

#[cfg(test)]
#[path = "special_use_tests.rs"]
mod tests;
