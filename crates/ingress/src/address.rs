//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address a request counts as coming from.
///
/// Each proxy of ours appends whom it heard from, so the sender is the entry that many
/// places from the right; what stands further left was written by the sender. Without a
/// readable entry there, the other end of the connection counts.
#[must_use]
pub fn sender(peer: SocketAddr, headers: &HeaderMap, proxies: u8) -> IpAddr {
    let forwarded = usize::from(proxies)
        .checked_sub(1)
        .and_then(|place| {
            headers
                .get_all(FORWARDED_FOR)
                .iter()
                .rev()
                .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',').map(read))
                .nth(place)
        })
        .flatten();
    // A listener on `::` sees IPv4 clients as IPv6 ones.
    forwarded.unwrap_or_else(|| peer.ip()).to_canonical()
}

/// An address, with or without a port.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    text.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn from(entries: &[&'static str], proxies: u8) -> String {
        let name = HeaderName::from_static(FORWARDED_FOR);
        let mut headers = HeaderMap::new();
        for entry in entries {
            headers.append(&name, HeaderValue::from_static(entry));
        }
        sender("[::ffff:10.0.0.1]:4000".parse().unwrap(), &headers, proxies).to_string()
    }

    #[test]
    fn the_header_counts_only_behind_proxies_of_our_own() {
        assert_eq!(from(&["34.102.38.178"], 0), "10.0.0.1");
        assert_eq!(from(&["34.102.38.178"], 1), "34.102.38.178");
    }

    #[test]
    fn entries_are_counted_from_the_right_over_all_headers() {
        let entries = ["6.6.6.6, 5.5.5.5", "4.4.4.4,3.3.3.3:80"];
        assert_eq!(from(&entries, 1), "3.3.3.3");
        assert_eq!(from(&entries, 2), "4.4.4.4");
        assert_eq!(from(&entries, 3), "5.5.5.5");
        assert_eq!(from(&["[2001:db8::1]:80"], 1), "2001:db8::1");
    }

    #[test]
    fn without_a_readable_entry_the_connection_counts() {
        assert_eq!(from(&[], 1), "10.0.0.1");
        assert_eq!(from(&["3.3.3.3"], 2), "10.0.0.1");
        assert_eq!(from(&["6.6.6.6, unknown"], 1), "10.0.0.1");
    }
}
