//! The keys that sign a project's tokens, in each form in which they come.
//!
//! Keys are read from their text at every use, so that a file that is exchanged counts at
//! once and nothing has to be kept in step with it.

use jsonwebtoken::DecodingKey;
use secret::Secret;
use serde::Deserialize;

use crate::config::{Algorithm, Project};

/// Keys that one text may hold: more would be a way to make every token expensive.
const KEYS_MAX: usize = 16;

#[derive(Debug)]
pub(super) enum Keys {
    Shared {
        secret: Secret,
        previous: Option<Secret>,
    },
    Rsa(Vec<Secret>),
    EllipticCurve(Vec<Secret>),
}

/// Why keys cannot be used. Names the key by its place, never by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// `HS256` without a secret.
    #[error("`HS256` needs `secret`, the shared secret of the Login project")]
    NoSecret,
    /// `RS256` or `ES256` without a key.
    #[error("`RS256` and `ES256` need at least one public key in `keys`")]
    NoKey,
    /// A text that holds no public key of the algorithm.
    #[error(
        "`keys` number {index} holds no public key of the algorithm: expected PEM, or the JSON that Xsolla Login serves"
    )]
    Unreadable {
        /// Its place in the list, from 0.
        index: usize,
    },
}

impl Keys {
    pub(super) fn of(project: &Project) -> Result<Self, KeyFault> {
        let keys = match project.algorithm {
            Algorithm::HS256 => {
                let secret = project.secret.clone().ok_or(KeyFault::NoSecret)?;
                let previous = project.previous_secret.clone();
                return Ok(Self::Shared { secret, previous });
            }
            Algorithm::RS256 => Self::Rsa(project.keys.clone()),
            Algorithm::ES256 => Self::EllipticCurve(project.keys.clone()),
        };
        let (Self::Rsa(texts) | Self::EllipticCurve(texts)) = &keys else {
            return Err(KeyFault::NoKey);
        };
        if texts.is_empty() {
            return Err(KeyFault::NoKey);
        }
        match texts.iter().position(|text| keys.read(text).is_empty()) {
            Some(index) => Err(KeyFault::Unreadable { index }),
            None => Ok(keys),
        }
    }

    /// The keys that may have signed a token whose header says `kid`.
    pub(super) fn candidates(&self, kid: Option<&str>) -> Vec<DecodingKey> {
        match self {
            Self::Shared { secret, previous } => [Some(secret), previous.as_ref()]
                .into_iter()
                .flatten()
                .map(|secret| DecodingKey::from_secret(secret.reveal().as_bytes()))
                .collect(),
            Self::Rsa(texts) | Self::EllipticCurve(texts) => texts
                .iter()
                .flat_map(|text| self.read(text))
                // A key without a name, as in a PEM, may be any.
                .filter(|key| match (&key.id, kid) {
                    (Some(id), Some(kid)) => id == kid,
                    (None, _) | (_, None) => true,
                })
                .map(|key| key.key)
                .collect(),
        }
    }

    /// Every usable key of one text.
    fn read(&self, text: &Secret) -> Vec<Key> {
        let text = text.reveal();
        let rsa = matches!(self, Self::Rsa(_));
        if text.trim_start().starts_with(['[', '{']) {
            let keys: Vec<Jwk> =
                serde_json::from_str(&text).map_or_else(|_| Vec::new(), Jwks::list);
            return keys
                .into_iter()
                .take(KEYS_MAX)
                .filter_map(|jwk| jwk.read(rsa))
                .collect();
        }
        let key = if rsa {
            DecodingKey::from_rsa_pem(text.as_bytes())
        } else {
            DecodingKey::from_ec_pem(text.as_bytes())
        };
        key.into_iter().map(|key| Key { id: None, key }).collect()
    }
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
}

/// Keys as JSON: Xsolla Login serves a bare array, RFC 7517 has a set.
#[derive(Deserialize)]
#[serde(untagged)]
enum Jwks {
    Array(Vec<Jwk>),
    Set { keys: Vec<Jwk> },
    One(Jwk),
}

impl Jwks {
    fn list(self) -> Vec<Jwk> {
        match self {
            Self::Array(keys) | Self::Set { keys } => keys,
            Self::One(key) => vec![key],
        }
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn read(self, rsa: bool) -> Option<Key> {
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let key = if rsa && self.kty == "RSA" {
            rsa_key(&self.n?, &self.e?)?
        } else if !rsa && self.kty == "EC" && self.crv.as_deref() == Some("P-256") {
            DecodingKey::from_ec_components(&self.x?, &self.y?).ok()?
        } else {
            return None;
        };
        Some(Key { id: self.kid, key })
    }
}

/// Xsolla Login writes both numbers in hexadecimal, RFC 7518 in base64url. The modulus
/// tells which: hundreds of base64url characters are never all hexadecimal digits.
fn rsa_key(modulus: &str, exponent: &str) -> Option<DecodingKey> {
    match from_hex(modulus) {
        Some(modulus) => Some(DecodingKey::from_rsa_raw_components(
            &modulus,
            &from_hex(exponent)?,
        )),
        None => DecodingKey::from_rsa_components(modulus, exponent).ok(),
    }
}

/// The bytes of a number without leading zeros, which the verification does not take.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let bytes = digits
        .rchunks(2)
        .rev()
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    let bytes: Vec<u8> = bytes.skip_while(|byte| *byte == 0).collect();
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn hexadecimal_numbers_may_be_odd_or_padded() {
        for text in ["10001", "010001", "00010001"] {
            assert_eq!(from_hex(text), Some(vec![1, 0, 1]), "{text}");
        }
        assert_eq!(from_hex("aF"), Some(vec![0xaf]));
        for text in ["", "00", "AQAB", "+1", "1 "] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
