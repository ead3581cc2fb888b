//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// The address a request counts as coming from.
///
/// The other end of the TCP connection: a header that anybody can write is no evidence.
pub(crate) fn client(peer: SocketAddr) -> IpAddr {
    // A listener on `::` sees IPv4 clients as IPv6 ones.
    peer.ip().to_canonical()
}

/// An address, or all addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    first: IpAddr,
    prefix_bits: u32,
}

/// A text that is no block of addresses.
#[derive(Debug, thiserror::Error)]
#[error("expected an address such as 34.102.38.178 or a block such as 185.30.20.0/24")]
pub struct AddressError;

impl AddressBlock {
    /// Whether `address` lies in the block.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differing = u32::from(first) ^ u32::from(address);
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = u128::from(first) ^ u128::from(address);
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for AddressBlock {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| AddressError)?;
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| AddressError)?,
            None => bits,
        };
        if prefix_bits > bits {
            return Err(AddressError);
        }
        Ok(Self { first, prefix_bits })
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

impl<'de> Deserialize<'de> for AddressBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(block: &str, address: &str) -> bool {
        let block: AddressBlock = block.parse().unwrap();
        block.contains(address.parse().unwrap())
    }

    #[test]
    fn a_block_ends_where_its_prefix_says() {
        assert!(contains("185.30.20.0/24", "185.30.20.255"));
        assert!(!contains("185.30.20.0/24", "185.30.21.0"));
        assert!(contains("34.102.38.178", "34.102.38.178"));
        assert!(!contains("34.102.38.178", "34.102.38.179"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("2001:db8::/32", "2001:db8:7::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "1.2.3.4/-1"] {
            assert!(text.parse::<AddressBlock>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_listener_is_an_ipv4_client() {
        let peer = "[::ffff:34.102.38.178]:4000".parse().unwrap();
        assert_eq!(client(peer), "34.102.38.178".parse::<IpAddr>().unwrap());
    }
}
