use std::net::IpAddr;

use super::{may_be_called, special_use};
use crate::addresses::AddressRange;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// The first and the last address of each range, and its neighbours where they are plain.
const SPECIAL: &[&str] = &[
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::",
    "64:ff9b:1:ffff:ffff:ffff:808:808",
    "100::",
    "100::ffff:ffff:ffff:ffff",
    "100:0:0:1::1",
    "2001::",
    "2001::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::",
    "fd12:3456::1",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::",
    "fe80::1",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fec0::1",
    "ff00::",
    "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

const PLAIN: &[&str] = &[
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2002:808:808::1",
    "2606:4700::1111",
    "2a00:1450::1",
];

#[test]
fn b52_addresses_that_no_server_on_the_internet_has_are_special() {
    for text in SPECIAL {
        assert!(special_use(ip(text)).is_some(), "{text}");
        assert!(!may_be_called(ip(text), &[]), "{text}");
    }
    for text in PLAIN {
        assert_eq!(special_use(ip(text)), None, "{text}");
        assert!(may_be_called(ip(text), &[]), "{text}");
    }
}

#[test]
fn b52_a_listed_special_address_may_be_called_and_its_neighbours_may_not() {
    let allowed = [
        AddressRange::parse("127.0.0.0/8").unwrap(),
        AddressRange::parse("fd12::/16").unwrap(),
    ];
    for text in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1"] {
        assert!(may_be_called(ip(text), &allowed), "{text}");
    }
    // The translator's and the tunnel's addresses are other ways to the same host, and were not listed.
    for text in ["::1", "10.0.0.1", "fd13::1", "64:ff9b::127.0.0.1"] {
        assert!(!may_be_called(ip(text), &allowed), "{text}");
    }
}
