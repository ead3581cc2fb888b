//! The certificates of connections to servers.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Revealed, Secret};

/// Whose certificates are trusted, and which one is shown. Each is PEM text, mostly by the
/// twin key `…_file`. Each use is of the texts as they are then, so a changed file counts
/// from the next use on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates of the authorities that may have signed the server's. Without them
    /// those of the system count.
    pub ca: Option<Secret>,
    /// The certificate to show to a server that asks for one, and its chain.
    pub certificate: Option<Secret>,
    /// The private key of `certificate`.
    pub key: Option<Secret>,
}

/// Where a server of the configuration is, without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The name or address of its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the configuration insists on TLS.
    pub encrypted: bool,
}

impl Endpoint {
    /// Whether it is on this machine, so that nobody reads along on the way.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
    }
}

/// Why certificates cannot be used. Quotes nothing of them.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Only one of the two is there.
    #[error("`certificate` and `key` belong together; give both or neither")]
    Half,
    /// A text that holds none of what it should.
    #[error("`{member}` is not {expected} in PEM form, `-----BEGIN …`")]
    NotPem {
        /// Which of the three.
        member: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What the parser says.
        source: PemError,
    },
    /// Well-formed, and of no use.
    #[error("the certificates cannot be used")]
    Unusable(#[from] rustls::Error),
    /// Neither the configuration nor the system names an authority.
    #[error(
        "the system trusts no authority and `ca` names none; expected certificates in `ca`, or \
         the system's where `SSL_CERT_FILE` points"
    )]
    NoAuthority,
}

impl Tls {
    /// Whether nothing is configured, so that everything is as the system has it.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.ca.is_none() && self.certificate.is_none() && self.key.is_none()
    }

    /// Certificate and key to show, as of now.
    #[must_use]
    pub fn identity(&self) -> Option<(Revealed, Revealed)> {
        let (certificate, key) = (self.certificate.as_ref()?, self.key.as_ref()?);
        Some((certificate.reveal(), key.reveal()))
    }

    /// A client's side of a connection, as of now: it verifies the server's certificate and
    /// its name.
    ///
    /// # Errors
    /// When a text is no PEM, one of a pair is missing, or they do not fit each other.
    pub fn client_config(&self) -> Result<ClientConfig, TlsFault> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err(TlsFault::Half);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trusting = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.authorities()?);
        let Some((chain, key)) = self.identity() else {
            return Ok(trusting.with_no_client_auth());
        };
        let chain = certificates("certificate", &chain)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
        let key = key.map_err(|source| TlsFault::NotPem {
            member: "key",
            expected: "a private key",
            source,
        })?;
        Ok(trusting.with_client_auth_cert(chain, key)?)
    }

    fn authorities(&self) -> Result<RootCertStore, TlsFault> {
        let mut trusted = RootCertStore::empty();
        if let Some(ca) = &self.ca {
            for certificate in certificates("ca", &ca.reveal())? {
                trusted.add(certificate)?;
            }
        } else {
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if trusted.is_empty() {
            return Err(TlsFault::NoAuthority);
        }
        Ok(trusted)
    }
}

fn certificates(
    member: &'static str,
    pem: &Revealed,
) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let not_pem = |source| TlsFault::NotPem {
        member,
        expected: "a certificate",
        source,
    };
    match read.map_err(not_pem)? {
        none if none.is_empty() => Err(not_pem(PemError::NoItemsFound)),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    fn secret(text: &str) -> Secret {
        Secret::inline(text).unwrap()
    }

    #[test]
    fn half_an_identity_is_a_fault() {
        let half = Tls {
            key: Some(secret(KEY)),
            ..Tls::default()
        };
        assert!(matches!(half.client_config(), Err(TlsFault::Half)));
    }

    #[test]
    fn what_is_no_pem_is_named_and_not_quoted() {
        for text in ["canary-7f3a", KEY] {
            let tls = Tls {
                ca: Some(secret(text)),
                ..Tls::default()
            };
            let fault = tls.client_config().unwrap_err();
            let shown = format!("{fault} {fault:?}");
            assert!(shown.starts_with("`ca` is not a certificate"), "{shown}");
            assert!(
                !shown.contains("canary") && !shown.contains("AAAA"),
                "{shown}"
            );
        }
    }
}
