//! Ranges of IP addresses, as configurations write them.

use std::net::{IpAddr, Ipv6Addr};

/// A range of addresses. An IPv4 address and its form inside IPv6 (`::ffff:10.0.0.1`) are the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    address: u128,
    bits: u32,
}

const fn as_v6(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl AddressRange {
    /// The IPv4 range whose first `bits` bits are those of `octets`.
    pub(crate) const fn v4(octets: [u8; 4], bits: u32) -> Self {
        let [a, b, c, d] = octets;
        Self {
            address: as_v6(IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))),
            bits: bits + 96,
        }
    }

    /// The IPv6 range whose first `bits` bits are those of `address`.
    pub(crate) const fn v6(address: Ipv6Addr, bits: u32) -> Self {
        Self {
            address: address.to_bits(),
            bits,
        }
    }

    /// This address and no other.
    pub const fn single(ip: IpAddr) -> Self {
        Self {
            address: as_v6(ip),
            bits: 128,
        }
    }

    /// `10.0.0.0/8`, `fd00::/8` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let ip: IpAddr = address.parse().ok()?;
        let (width, offset) = if ip.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits: u32 = bits.map_or(Some(width), |bits| bits.parse().ok())?;
        (bits <= width).then(|| Self {
            address: as_v6(ip),
            bits: bits + offset,
        })
    }

    /// All of `entries`; `Err` is the one that is no range.
    pub fn parse_all(entries: &[String]) -> Result<Vec<Self>, String> {
        entries
            .iter()
            .map(|entry| Self::parse(entry).ok_or_else(|| entry.clone()))
            .collect()
    }

    pub const fn contains(&self, ip: IpAddr) -> bool {
        let shift = 128 - self.bits;
        shift == 128 || (as_v6(ip) ^ self.address) >> shift == 0
    }
}
