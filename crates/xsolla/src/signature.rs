//! The signature of a webhook: SHA-1 over the raw body followed by the project's secret.
//!
//! Not an HMAC, and only as good as the secret is long; Xsolla offers nothing else. The
//! comparison runs over the 20 bytes in constant time, and every secret is tried however
//! early one matches, so the time taken tells nothing about a secret or its slot.

use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq;

const SCHEME: &str = "Signature";
const BYTES: usize = 20;

/// The digest of a body and a secret.
#[derive(Clone, Copy)]
pub struct Digest([u8; BYTES]);

/// Why a header value is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Another scheme than `Signature`, or none.
    #[error("expected the scheme `Signature`")]
    Scheme,
    /// Not 40 hexadecimal digits.
    #[error("expected 40 hexadecimal digits after the scheme")]
    Hex,
}

impl Digest {
    /// Reads the value of an `Authorization` header: `Signature <40 hex>`, in any case.
    ///
    /// # Errors
    /// When it has another scheme or no 40 hexadecimal digits.
    pub fn from_header(value: &str) -> Result<Self, DigestError> {
        let (scheme, hex) = value.trim().split_once(' ').ok_or(DigestError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(DigestError::Scheme);
        }
        let mut bytes = [0; BYTES];
        hex::decode_to_slice(hex.trim_start(), &mut bytes).map_err(|_| DigestError::Hex)?;
        Ok(Self(bytes))
    }

    /// The digest that was stored as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for storing it. They do not belong in a log.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Signs a body as Xsolla does.
    #[must_use]
    pub fn sign(body: &[u8], secret: &[u8]) -> Self {
        Self(
            Sha1::new()
                .chain_update(body)
                .chain_update(secret)
                .finalize()
                .into(),
        )
    }
}

impl std::fmt::Debug for Digest {
    /// Says nothing: a digest in a log lets its reader replay the notice.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The slot of the secret that `body` was signed with; the first, where several match.
///
/// The body is hashed once, whatever the number of secrets. An empty secret matches
/// nothing: anybody could sign with it.
#[must_use]
pub fn verify<'a>(
    body: &[u8],
    digest: &Digest,
    secrets: impl Iterator<Item = &'a [u8]>,
) -> Option<usize> {
    let over_body = Sha1::new_with_prefix(body);
    let mut matched = None;
    for (slot, secret) in secrets.enumerate() {
        let expected: [u8; BYTES] = over_body.clone().chain_update(secret).finalize().into();
        let equal = bool::from(expected.ct_eq(&digest.0)) && !secret.is_empty();
        // No early exit: see the module's head.
        if equal && matched.is_none() {
            matched = Some(slot);
        }
    }
    matched
}

/// The value of the `Authorization` header that Xsolla would send with `body`.
#[must_use]
pub fn authorization_header(body: &[u8], secret: &[u8]) -> String {
    format!("{SCHEME} {}", hex::encode(Digest::sign(body, secret).0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"notification_type":"user_validation"}"#;

    fn slot(body: &[u8], header: &str, secrets: &[&[u8]]) -> Option<usize> {
        let digest = Digest::from_header(header).unwrap();
        verify(body, &digest, secrets.iter().copied())
    }

    #[test]
    fn the_secret_follows_the_body_in_a_plain_sha1() {
        // The well-known SHA-1 of "abc".
        assert_eq!(
            authorization_header(b"ab", b"c"),
            "Signature a9993e364706816aba3e25717850c26c9cd0d89d"
        );
    }

    #[test]
    fn scheme_and_digits_are_read_in_any_case() {
        let header = authorization_header(BODY, b"s1");
        for header in [
            header.clone(),
            header.to_uppercase(),
            header.to_lowercase(),
            header.replace(' ', "   "),
        ] {
            assert_eq!(slot(BODY, &header, &[b"s1"]), Some(0), "{header}");
        }
    }

    #[test]
    fn other_schemes_and_lengths_are_refused() {
        let digits = "a9993e364706816aba3e25717850c26c9cd0d89d";
        for (header, error) in [
            (String::new(), DigestError::Scheme),
            (digits.to_owned(), DigestError::Scheme),
            (format!("Bearer {digits}"), DigestError::Scheme),
            ("Signature ".to_owned(), DigestError::Scheme),
            (format!("Signature {digits}00"), DigestError::Hex),
            (format!("Signature {}", &digits[1..]), DigestError::Hex),
            (
                format!("Signature {}", digits.replace('a', "g")),
                DigestError::Hex,
            ),
            (format!("Signature {digits} {digits}"), DigestError::Hex),
        ] {
            assert_eq!(Digest::from_header(&header).unwrap_err(), error, "{header}");
        }
    }

    #[test]
    fn the_matching_slot_is_known_and_the_first_one_wins() {
        let header = authorization_header(BODY, b"s2");
        assert_eq!(slot(BODY, &header, &[b"s1", b"s2", b"s3"]), Some(1));
        assert_eq!(slot(BODY, &header, &[b"s2", b"s2"]), Some(0));
        assert_eq!(slot(BODY, &header, &[b"s1"]), None);
        assert_eq!(slot(BODY, &header, &[]), None);
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        assert_eq!(
            slot(BODY, &authorization_header(BODY, b""), &[b"", b"s1"]),
            None
        );
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(
            body in proptest::collection::vec(any::<u8>(), 1..300),
            secret in proptest::collection::vec(any::<u8>(), 1..40),
            bit: prop::sample::Index,
        ) {
            let header = authorization_header(&body, &secret);
            prop_assert_eq!(slot(&body, &header, &[&secret]), Some(0));

            let mut other = body.clone();
            let at = bit.index(body.len() * 8);
            other[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(slot(&other, &header, &[&secret]), None);

            let mut other = secret.clone();
            let at = bit.index(secret.len() * 8);
            other[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(slot(&body, &header, &[&other]), None);
        }

        #[test]
        fn no_header_panics(value in ".*", digits in "[Ss]ignature +[0-9a-zA-Z]{0,60}") {
            let _ = Digest::from_header(&value);
            let _ = Digest::from_header(&digits);
        }
    }
}
