//! The network address of a client, as the limits count it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use twinkeep_app::CallerAddress;

/// One IPv4 address, or one IPv6 /64: what a single customer of a provider holds.
///
/// Counting single IPv6 addresses would give every client 2^64 separate allowances.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AddressKey(u128);

impl AddressKey {
    /// Returns the key of `address`; an IPv4 address inside IPv6 counts as IPv4.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Self(v6.to_bits() >> 64 << 64),
        }
    }
}

impl AddressKey {
    /// Returns what tells whether two callers ask from the same place.
    pub(crate) fn mark(self) -> CallerAddress {
        CallerAddress(self.0)
    }

    /// Returns the address, or the network, for an operator who must know it.
    pub(crate) fn reveal(self) -> String {
        let address = Ipv6Addr::from_bits(self.0);
        match address.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => format!("{address}/64"),
        }
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address can identify a person (HIPAA counts it among its identifiers).
        f.write_str("AddressKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::AddressKey;

    fn key(text: &str) -> AddressKey {
        AddressKey::of(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_ipv4_addresses_do_not() {
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(key("::ffff:192.0.2.1").reveal(), "192.0.2.1");
        assert_eq!(key("2001:db8:0:1::7").reveal(), "2001:db8:0:1::/64");
    }
}
