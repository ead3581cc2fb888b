//! The webhook secrets of one project.

use aws_lc_rs::digest::{Context, SHA256};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use secret::{Revealed, Secret};
use xsolla::signature::{Digest, DigestError, verify};

/// All secrets a notice of the project may be signed with.
///
/// One list, whatever the notice: which of them signs what is a setting of the Publisher
/// Account that may change at any time, and every one of them is the project's own.
#[derive(Debug)]
pub(crate) struct Keyring(Vec<Slot>);

#[derive(Debug)]
struct Slot {
    label: String,
    secret: Secret,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureFault {
    #[error("there is no Authorization header")]
    Missing,
    #[error("the Authorization header is not text")]
    NotText,
    #[error("the Authorization header holds no signature")]
    Malformed(#[source] DigestError),
    #[error("no secret of the project gives this signature")]
    Mismatch,
}

impl SignatureFault {
    /// Every value of the metric label `fault`.
    pub(crate) const LABELS: [&'static str; 3] = ["missing", "malformed", "mismatch"];

    /// The value of the metric label `fault`.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotText | Self::Malformed(_) => "malformed",
            Self::Mismatch => "mismatch",
        }
    }
}

impl Keyring {
    pub(crate) fn new(webhook: Vec<Secret>, order_webhook: Vec<Secret>) -> Self {
        let label = |list: &'static str| {
            move |(index, secret)| Slot {
                label: format!("{list}.{index}"),
                secret,
            }
        };
        let webhook = webhook.into_iter().enumerate();
        let order_webhook = order_webhook.into_iter().enumerate();
        Self(
            webhook
                .map(label("webhook_secrets"))
                .chain(order_webhook.map(label("order_webhook_secrets")))
                .collect(),
        )
    }

    /// The configuration keys of all secrets.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|slot| slot.label.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The configuration key of the secret that `body` was signed with.
    ///
    /// A proxy in front may add an `Authorization` header of its own, and refusing a signed
    /// order for that would be final: any one that holds will do.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<&str, SignatureFault> {
        let secrets = self.revealed();
        let mut fault = SignatureFault::Missing;
        for digest in digests(headers) {
            fault = match digest.map(|digest| self.matched(&secrets, body, &digest)) {
                Ok(Some(slot)) => return Ok(slot),
                // The only one of the faults that the sender's next attempt may mend.
                Ok(None) => SignatureFault::Mismatch,
                Err(_) if fault == SignatureFault::Mismatch => fault,
                Err(unreadable) => unreadable,
            };
        }
        Err(fault)
    }

    /// The configuration key of the secret that gives `digest` with `body`.
    pub(crate) fn fitting(&self, body: &[u8], digest: &Digest) -> Option<&str> {
        self.matched(&self.revealed(), body, digest)
    }

    /// Differs when any secret does. For this process's memory alone.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut over = Context::new(&SHA256);
        for secret in self.revealed() {
            over.update(&secret.len().to_be_bytes());
            over.update(secret.as_bytes());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(over.finish().as_ref());
        fingerprint
    }

    fn revealed(&self) -> Vec<Revealed> {
        self.0.iter().map(|slot| slot.secret.reveal()).collect()
    }

    fn matched(&self, secrets: &[Revealed], body: &[u8], digest: &Digest) -> Option<&str> {
        let secrets = secrets.iter().map(|secret| secret.as_bytes());
        let matched = verify(body, digest, secrets)?;
        self.0.get(matched).map(|slot| slot.label.as_str())
    }
}

/// What each `Authorization` header says, in their order.
pub(crate) fn digests(headers: &HeaderMap) -> impl Iterator<Item = Result<Digest, SignatureFault>> {
    headers.get_all(AUTHORIZATION).iter().map(|value| {
        let value = value.to_str().map_err(|_| SignatureFault::NotText)?;
        Digest::from_header(value).map_err(SignatureFault::Malformed)
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use xsolla::signature::authorization_header;

    use super::*;

    const BODY: &[u8] = br#"{"notification_type":"order_paid"}"#;

    fn secret(value: &str) -> Secret {
        Secret::inline(value).unwrap()
    }

    fn keyring() -> Keyring {
        Keyring::new(
            vec![secret("new"), secret("old")],
            vec![secret("order"), secret("old")],
        )
    }

    fn signed(secret: &str) -> HeaderMap {
        let value = authorization_header(BODY, secret.as_bytes());
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn every_slot_of_both_lists_verifies_and_is_named() {
        let keyring = keyring();
        for (secret, slot) in [
            ("new", "webhook_secrets.0"),
            ("old", "webhook_secrets.1"),
            ("order", "order_webhook_secrets.0"),
        ] {
            assert_eq!(keyring.verify(&signed(secret), BODY), Ok(slot));
        }
        assert_eq!(
            keyring.verify(&signed("other"), BODY),
            Err(SignatureFault::Mismatch)
        );
    }

    #[test]
    fn the_fingerprint_differs_with_any_secret_and_any_border_between_them() {
        let of = |webhook: &[&str], order: &[&str]| {
            let secrets = |list: &[&str]| list.iter().copied().map(secret).collect();
            Keyring::new(secrets(webhook), secrets(order)).fingerprint()
        };
        assert_eq!(of(&["new", "old"], &["a"]), of(&["new", "old"], &["a"]));
        for (webhook, order) in [
            (&["new"][..], &["a"][..]),
            (&["new", "old"], &["b"]),
            (&["new", "ol"], &["da"]),
            (&["newold"], &["a"]),
        ] {
            assert_ne!(
                of(webhook, order),
                of(&["new", "old"], &["a"]),
                "{webhook:?}"
            );
        }
    }

    #[test]
    fn one_header_that_holds_is_enough_beside_any_others() {
        let keyring = keyring();
        assert_eq!(
            keyring.verify(&HeaderMap::new(), BODY),
            Err(SignatureFault::Missing)
        );
        let garbage = HeaderValue::from_bytes(b"Signature \xff").unwrap();
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, garbage)]);
        assert_eq!(keyring.verify(&headers, BODY), Err(SignatureFault::NotText));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer of-a-proxy"));
        headers.append(AUTHORIZATION, signed("new")[AUTHORIZATION].clone());
        assert_eq!(keyring.verify(&headers, BODY), Ok("webhook_secrets.0"));
    }

    #[test]
    fn a_signature_that_does_not_fit_is_one_whatever_stands_beside_it() {
        let [bearer, other] = [
            HeaderValue::from_static("Bearer of-a-proxy"),
            signed("other")[AUTHORIZATION].clone(),
        ];
        for order in [[&bearer, &other], [&other, &bearer]] {
            let headers = order.map(|value| (AUTHORIZATION, value.clone()));
            let headers = HeaderMap::from_iter(headers);
            assert_eq!(
                keyring().verify(&headers, BODY),
                Err(SignatureFault::Mismatch)
            );
            assert_eq!(digests(&headers).flatten().count(), 1);
        }
    }
}
