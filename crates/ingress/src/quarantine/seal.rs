//! The key of a quarantine: AES-256-GCM over each body, with a random nonce in front.
//!
//! Project and signature are authenticated beside the body, so a stored row that is moved,
//! or given another signature, does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use order::ProjectId;
use secret::Secret;
use xsolla::signature::Digest;
use zeroize::Zeroizing;

const BYTES: usize = 32;
/// Room for the base64 of a key, and for telling a longer one from it.
const DECODED: usize = 2 * BYTES;
const ID_BYTES: usize = 8;
const PURPOSE: &[u8] = b"grantline quarantine v1";

/// Why a secret is no key. Never says what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is none.
    #[error("missing; `openssl rand -hex 32` makes one")]
    Missing,
    /// It has another form or length.
    #[error("expected 32 bytes, as 64 hexadecimal digits or as base64")]
    Malformed,
}

/// A key in use.
pub(crate) struct Key {
    cipher: RandomizedNonceKey,
    id: [u8; ID_BYTES],
}

impl Key {
    pub(crate) fn read(secret: &Secret) -> Result<Self, KeyFault> {
        let revealed = secret.reveal();
        let key = decode(revealed.trim())?;
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &key[..BYTES])
            .map_err(|_| KeyFault::Malformed)?;
        let mut named = Context::new(&SHA256);
        named.update(PURPOSE);
        named.update(&key[..BYTES]);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&named.finish().as_ref()[..ID_BYTES]);
        Ok(Self { cipher, id })
    }

    /// Names the key without telling anything about it: a key has no guessable part.
    pub(crate) const fn id(&self) -> [u8; ID_BYTES] {
        self.id
    }

    /// `None` when the machine gives no random bytes.
    pub(crate) fn seal(&self, project: ProjectId, digest: &Digest, body: &[u8]) -> Option<Vec<u8>> {
        let mut text = body.to_vec();
        let beside = Aad::from(beside(project, digest));
        let nonce = self
            .cipher
            .seal_in_place_append_tag(beside, &mut text)
            .ok()?;
        Some([nonce.as_ref().as_slice(), &text].concat())
    }

    /// `None` when anything of it is not as it was sealed.
    pub(crate) fn open(
        &self,
        project: ProjectId,
        digest: &Digest,
        mut sealed: Vec<u8>,
    ) -> Option<Bytes> {
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let beside = Aad::from(beside(project, digest));
        let body = self.cipher.open_in_place(nonce, beside, text).ok()?;
        Some(Bytes::copy_from_slice(body))
    }
}

fn decode(text: &str) -> Result<Zeroizing<[u8; DECODED]>, KeyFault> {
    let mut key = Zeroizing::new([0; DECODED]);
    let decoded = if text.len() == 2 * BYTES {
        hex::decode_to_slice(text, &mut key[..BYTES])
            .map(|()| BYTES)
            .ok()
    } else {
        STANDARD.decode_slice(text, key.as_mut_slice()).ok()
    };
    (decoded == Some(BYTES))
        .then_some(key)
        .ok_or(KeyFault::Malformed)
}

fn beside(project: ProjectId, digest: &Digest) -> Vec<u8> {
    [PURPOSE, &project.get().to_be_bytes(), digest.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
    const BODY: &[u8] = br#"{"notification_type":"order_paid","user":{"id":"canary"}}"#;

    fn key(text: &str) -> Result<Key, KeyFault> {
        Key::read(&Secret::inline(text).unwrap())
    }

    fn project(id: i64) -> ProjectId {
        id.try_into().unwrap()
    }

    fn digest() -> Digest {
        Digest::sign(BODY, b"secret")
    }

    #[test]
    fn a_key_is_32_bytes_in_either_form() {
        let hex = key(HEX).unwrap();
        let base64 = STANDARD.encode(hex::decode(HEX).unwrap());
        assert_eq!(key(&base64).unwrap().id(), hex.id());
        assert_eq!(key(&HEX.to_uppercase()).unwrap().id(), hex.id());
        let other = HEX.replace('0', "1");
        assert_ne!(key(&other).unwrap().id(), hex.id());
        let long = STANDARD.encode([7; 33]);
        let longer = STANDARD.encode([7; 500]);
        let short = STANDARD.encode([7; 31]);
        let no_hex = HEX.replace('0', "g");
        for text in [&HEX[1..], "***", "key", &long, &longer, &short, &no_hex] {
            assert_eq!(key(text).err(), Some(KeyFault::Malformed), "{text}");
        }
    }

    #[test]
    fn what_was_sealed_opens_and_shows_nothing_of_itself() {
        let key = key(HEX).unwrap();
        let sealed = key.seal(project(7), &digest(), BODY).unwrap();
        let shows = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
        assert!(!shows(b"canary") && !shows(b"order_paid"));
        let again = key.seal(project(7), &digest(), BODY).unwrap();
        assert_ne!(sealed, again, "one nonce was used twice");
        assert_eq!(key.open(project(7), &digest(), sealed).unwrap(), BODY);
        let nothing = key.seal(project(7), &digest(), b"").unwrap();
        assert_eq!(key.open(project(7), &digest(), nothing).unwrap(), "");
    }

    #[test]
    fn whatever_is_changed_it_does_not_open() {
        let own = key(HEX).unwrap();
        let sealed = own.seal(project(7), &digest(), BODY).unwrap();
        let open = |key: &Key, at, digest: Digest, sealed: &[u8]| {
            key.open(project(at), &digest, sealed.to_vec()).is_some()
        };
        assert!(open(&own, 7, digest(), &sealed));
        for place in 0..sealed.len() {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert!(!open(&own, 7, digest(), &other), "byte {place}");
            assert!(!open(&own, 7, digest(), &sealed[..place]), "cut at {place}");
        }
        assert!(!open(&own, 8, digest(), &sealed));
        assert!(!open(&own, 7, Digest::sign(BODY, b"other"), &sealed));
        let other = key(&HEX.replace('0', "1")).unwrap();
        assert!(!open(&other, 7, digest(), &sealed));
    }
}
