//! The `Authorization` header of a webhook, and what it proves.

use sha1::{Digest as _, Sha1};
use xsolla::signature::{authorization_header, verify};

use crate::parts;

/// A line with the header, a line with a secret, and the body.
///
/// A header is read exactly where it is the scheme and 40 digits, and proves exactly the
/// body and the secret whose SHA-1 those digits are.
///
/// # Panics
/// Where that does not hold.
pub fn check(input: &[u8]) {
    let (header, rest) = parts(input, b"\n");
    let (secret, body) = parts(rest, b"\n");
    let own = authorization_header(body, secret);
    assert_eq!(own, format!("Signature {}", sha1(body, secret)));
    proves(&own, body, secret);
    proves(&own.to_uppercase(), body, secret);
    if let Ok(header) = std::str::from_utf8(header) {
        proves(header, body, secret);
    }
}

fn proves(header: &str, body: &[u8], secret: &[u8]) {
    let read = xsolla::Digest::from_header(header);
    let plain = digits(header);
    assert_eq!(
        read.is_ok(),
        plain.is_some(),
        "{header:?} is read as {read:?}"
    );
    let (Ok(digest), Some(digits)) = (read, plain) else {
        return;
    };
    let fits = !secret.is_empty() && digits == sha1(body, secret);
    let others: [&[u8]; 4] = [b"", b"another", secret, secret];
    let slot = verify(body, &digest, others.into_iter());
    let expected = if secret == b"another" { 1 } else { 2 };
    // Nobody writes the digest of "another" by chance.
    if secret == b"another" || digits != sha1(body, b"another") {
        assert_eq!(slot, fits.then_some(expected), "{header:?}");
    }
}

/// The 40 digits behind the scheme, in lower case.
fn digits(header: &str) -> Option<String> {
    let words: Vec<&str> = header.trim().split(' ').collect();
    let (scheme, digits) = (*words.first()?, *words.last()?);
    // The padding may be of any blanks; the digits may not be two words.
    let padding = header.trim().get(scheme.len()..)?;
    let padding = padding.strip_suffix(digits.trim_start())?;
    let is_one = words.len() > 1 && padding.starts_with(' ') && padding.trim().is_empty();
    let digits = digits.trim_start().to_lowercase();
    let is_digest = digits.len() == 40 && digits.bytes().all(|it| it.is_ascii_hexdigit());
    (is_one && is_digest && scheme.to_lowercase() == "signature").then_some(digits)
}

fn sha1(body: &[u8], secret: &[u8]) -> String {
    hex::encode(Sha1::digest([body, secret].concat()))
}
