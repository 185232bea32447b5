//! Which addresses are of the public internet, and a resolver that finds no others.
//!
//! A webhook is named by whoever may write the configuration, and what is behind a name is decided
//! by whoever owns it. So it is the address that is judged, after the name was resolved and before
//! anything connects: a name that leads inside is as refused as an address that is written there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The name leads to no address of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses only")]
pub(super) struct OnlyPrivate;

/// Finds addresses of the public internet only.
#[derive(Debug, Default)]
pub(super) struct PublicResolver(DefaultResolver);

impl Resolver for PublicResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let mut public = self.empty();
        for address in found.iter().filter(|address| is_public(address.ip())) {
            public.push(*address);
        }
        if public.is_empty() { Err(Error::Other(Box::new(OnlyPrivate))) } else { Ok(public) }
    }
}

/// Finds all addresses but those that lead no further than the next wire.
#[derive(Debug, Default)]
pub(super) struct RoutedResolver(DefaultResolver);

impl Resolver for RoutedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let mut routed = self.empty();
        for address in found.iter().filter(|address| !is_link_local(address.ip())) {
            routed.push(*address);
        }
        if routed.is_empty() { Err(Error::Other(Box::new(OnlyPrivate))) } else { Ok(routed) }
    }
}

/// Returns whether an address leads no further than the next wire: nobody to be told is there, and
/// what gives away the secrets of machines in clouds (169.254.169.254) is.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let parts = address.segments();
            // fe80::/10; what Amazon has for the same as IPv6; and an IPv4 address within.
            parts[0] & 0xffc0 == 0xfe80
                || address == AMAZON_METADATA
                || within(parts).is_some_and(|address| address.is_link_local())
        }
    }
}

/// Returns whether an address is of the public internet (the registries of IANA for special
/// purposes, RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        // 240.0.0.0/4 is reserved, and its last address is everybody.
        || 240 <= a
        // Behind a provider's translation of addresses (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        // Measurements of devices (RFC 2544), and protocols of the IETF (RFC 6890).
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    if let Some(within) = within(parts) {
        return is_public_v4(within);
    }
    // Only 2000::/3 is given out; of it, 2001:db8::/32 is for examples, and 2001::/23 for protocols.
    let protocols = parts[0] == 0x2001 && parts[1] < 0x0200;
    let examples = parts[0] == 0x2001 && parts[1] == 0x0db8;
    parts[0] & 0xe000 == 0x2000 && !protocols && !examples
}

/// Returns the IPv4 address that an IPv6 address carries.
fn within(parts: [u16; 8]) -> Option<Ipv4Addr> {
    let (high, low) = match parts {
        // ::ffff:0:0/96, and ::/96, which is no longer used: an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => (high, low),
        // 64:ff9b::/96: translated to IPv4 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        // 2002::/16: carried over IPv4 (RFC 3056).
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Where machines at Amazon ask for their secrets.
const AMAZON_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

#[cfg(test)]
mod tests {
    use super::{is_link_local, is_public};

    #[test]
    fn what_leads_no_further_than_the_wire_is_known_in_every_spelling() {
        for local in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fd00:ec2::254",
        ] {
            assert!(is_link_local(local.parse().unwrap()), "{local}");
        }
        for other in ["10.0.0.1", "127.0.0.1", "169.253.1.1", "fec0::1", "fd00::1", "::1"] {
            assert!(!is_link_local(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for public in ["1.1.1.1", "93.184.216.34", "100.128.0.1", "198.20.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "240.0.0.1",
            "224.0.0.1",
            "192.0.2.1",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:1::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        // What carries a public address is public.
        assert!(is_public("::ffff:1.1.1.1".parse().unwrap()));
        assert!(is_public("64:ff9b::101:101".parse().unwrap()));
    }
}
