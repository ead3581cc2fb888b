//! The webhook secrets of one project.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
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

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The configuration key of the secret that `body` was signed with.
    ///
    /// A proxy in front may add an `Authorization` header of its own, and refusing a signed
    /// order for that would be final: any one that holds will do.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<&str, SignatureFault> {
        let secrets: Vec<Revealed> = self.0.iter().map(|slot| slot.secret.reveal()).collect();
        let mut fault = SignatureFault::Missing;
        for value in headers.get_all(AUTHORIZATION) {
            match Self::matched(value, body, &secrets) {
                Ok(index) => {
                    let slot = self.0.get(index).ok_or(SignatureFault::Mismatch)?;
                    return Ok(slot.label.as_str());
                }
                Err(this) => fault = this,
            }
        }
        Err(fault)
    }

    fn matched(
        value: &HeaderValue,
        body: &[u8],
        secrets: &[Revealed],
    ) -> Result<usize, SignatureFault> {
        let value = value.to_str().map_err(|_| SignatureFault::NotText)?;
        let digest = Digest::from_header(value).map_err(SignatureFault::Malformed)?;
        let secrets = secrets.iter().map(|secret| secret.as_bytes());
        verify(body, &digest, secrets).ok_or(SignatureFault::Mismatch)
    }
}

#[cfg(test)]
mod tests {
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
}
