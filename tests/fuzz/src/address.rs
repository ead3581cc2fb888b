//! Where a request comes from, and whether it may.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use ingress::{Network, sender};

use crate::parts;

const NAME: &str = "x-forwarded-for";

/// A byte with the number of proxies, a line with a network, and a line for each header.
///
/// What our own proxies wrote decides, whatever the sender wrote before it; a network is
/// the addresses whose first bits are its own.
///
/// # Panics
/// Where that does not hold.
pub fn check(input: &[u8]) {
    let Some((proxies, rest)) = input.split_first() else {
        return;
    };
    let proxies = proxies % 10;
    let (network, rest) = parts(rest, b"\n");
    let values: Vec<HeaderValue> = rest
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();

    let peer = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1], 4000));
    let found = sender(peer, &headers(&values), proxies);
    let entries: Vec<&[u8]> = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    let place = entries.len().checked_sub(proxies.into());
    let entry = place.filter(|_| proxies > 0).map(|place| entries[place]);
    let expected = entry.and_then(plain).unwrap_or(peer.ip()).to_canonical();
    assert_eq!(found, expected, "{proxies} proxies, {values:?}");

    if place.is_some() {
        let forged = HeaderValue::from_static("6.6.6.6, 7.7.7.7");
        let longer: Vec<_> = [forged].into_iter().chain(values).collect();
        let still = sender(peer, &headers(&longer), proxies);
        assert_eq!(still, found, "a sender can name itself: {longer:?}");
    }
    if let Ok(network) = std::str::from_utf8(network) {
        holds(network, found);
    }
}

fn headers(values: &[HeaderValue]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(NAME, value.clone());
    }
    headers
}

/// An address as a proxy writes it: alone, or with a port.
fn plain(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    match entry.parse::<SocketAddr>() {
        Ok(with_port) => Some(with_port.ip()),
        Err(_) => entry.parse().ok(),
    }
}

fn holds(text: &str, address: IpAddr) {
    let read = text.parse::<Network>();
    let plain = network(text);
    assert_eq!(
        read.is_ok(),
        plain.is_some(),
        "{text:?} is read as {read:?}"
    );
    let (Ok(read), Some((base, bits))) = (read, plain) else {
        return;
    };
    assert_eq!(read.to_string().parse(), Ok(read), "{text:?}");
    for address in [address, base] {
        let (own, other) = (bytes(base), bytes(address.to_canonical()));
        let same = own.len() == other.len()
            && (0..bits).all(|bit| {
                let mask = 0x80 >> (bit % 8);
                own[bit / 8] & mask == other[bit / 8] & mask
            });
        assert_eq!(read.contains(address), same, "{text:?}, {address}");
    }
}

fn network(text: &str) -> Option<(IpAddr, usize)> {
    let mut halves = text.splitn(2, '/');
    let base: IpAddr = halves.next()?.parse().ok()?;
    let width = bytes(base).len() * 8;
    let bits = match halves.next() {
        Some(bits) => bits.parse().ok()?,
        None => width,
    };
    (bits <= width).then_some((base, bits))
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
