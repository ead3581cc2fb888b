//! Whose certificates the servers show and for how long they are good, and the same of those
//! in the configuration.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use secret::{Endpoint, Secret, Tls};
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::finding::Finding;

/// Time enough to notice, and to have another one signed.
const NOTICE: Duration = Duration::days(21);

/// How PostgreSQL is asked for TLS on the port where it speaks in the clear.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// How a server is asked for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It speaks nothing else.
    None,
    /// As PostgreSQL is, which may offer none.
    Postgres,
}

/// A server, as `check` names it, and what the configuration says of its TLS.
pub(super) struct Server {
    pub(super) check: &'static str,
    pub(super) key: &'static str,
    pub(super) endpoint: Endpoint,
    pub(super) greeting: Greeting,
}

/// The certificate that a server shows, whether or not it is trusted: the checks of its
/// section say that.
pub(super) async fn check(server: &Server) -> Vec<Finding> {
    let Endpoint { host, port, .. } = &server.endpoint;
    match shown(server).await {
        Ok(Some(chain)) => chain
            .first()
            .map(|leaf| {
                judge(
                    server.check,
                    &format!("{host}:{port} shows"),
                    leaf,
                    task::now(),
                )
            })
            .into_iter()
            .collect(),
        Ok(None) => Vec::new(),
        // What cannot be reached is said by the checks of its section.
        Err(error) => vec![Finding::warn(
            server.check,
            format!(
                "{host}:{port} showed no certificate ({error}); expected TLS there: correct \
                 `{}.url`",
                server.key
            ),
        )],
    }
}

/// The certificates of a `tls` table.
pub(super) fn own(check: &'static str, key: &str, tls: &Tls) -> Vec<Finding> {
    let each = [("ca", &tls.ca), ("certificate", &tls.certificate)];
    let each = each
        .into_iter()
        .filter_map(|(name, pem)| Some((name, pem.as_ref()?)));
    let now = task::now();
    each.flat_map(|(name, pem)| {
        let what = format!("`{key}.tls.{name}` is");
        let read = read(pem);
        read.into_iter()
            .map(move |it| judge(check, &what, &it, now))
    })
    .collect()
}

/// What cannot be read is a fault of the configuration, and said there.
fn read(pem: &Secret) -> Vec<CertificateDer<'static>> {
    let pem = pem.reveal();
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .filter_map(Result::ok)
        .collect()
}

fn judge(
    check: &'static str,
    whose: &str,
    certificate: &CertificateDer<'_>,
    now: OffsetDateTime,
) -> Finding {
    let Ok((_, read)) = X509Certificate::from_der(certificate) else {
        let text = format!("{whose} a certificate that cannot be read; expected X.509: renew it");
        return Finding::fail(check, text);
    };
    let validity = read.validity();
    let (from, until) = (
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    );
    let certificate = format!(
        "{whose} a certificate of `{}`, signed by `{}`",
        read.subject(),
        read.issuer()
    );
    if from > now {
        let text = format!(
            "{certificate}, that is good from {} on; look at the clocks",
            from.date()
        );
        return Finding::fail(check, text);
    }
    let left = until - now;
    let days = left.whole_days();
    if left.is_negative() {
        let text = format!("{certificate}, that ended at {}; renew it", until.date());
        return Finding::fail(check, text);
    }
    let text = format!(
        "{certificate}, good for {days} day(s) more, until {}",
        until.date()
    );
    if left < NOTICE {
        return Finding::warn(check, format!("{text}; renew it"));
    }
    Finding::ok(check, text)
}

/// What a server shows; `None` where it offers no TLS and need not.
async fn shown(server: &Server) -> io::Result<Option<Vec<CertificateDer<'static>>>> {
    let Endpoint {
        host,
        port,
        encrypted,
    } = &server.endpoint;
    let host = host.trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, *port)).await?;
    if server.greeting == Greeting::Postgres {
        stream.write_all(&SSL_REQUEST).await?;
        if stream.read_u8().await? != b'S' {
            let refused = || io::Error::other("it offers none");
            return if *encrypted { Err(refused()) } else { Ok(None) };
        }
    }
    let witness = Arc::new(Witness::default());
    let config = ClientConfig::builder_with_provider(Arc::clone(&witness.provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as _)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let greeted = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    match (witness.chain(), greeted) {
        (Some(chain), _) => Ok(Some(chain)),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(io::Error::other("none was needed")),
    }
}

/// Takes every certificate and notes it. Danger: whoever uses it knows nothing of the other
/// side, so nothing is sent on such a connection.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Vec<CertificateDer<'static>>>>,
}

impl Default for Witness {
    fn default() -> Self {
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            seen: Mutex::default(),
        }
    }
}

impl Witness {
    fn chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(leaf).chain(others);
        let chain = chain.map(|it| it.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::super::finding::Grade;
    use super::*;

    fn certificate(from: OffsetDateTime, until: OffsetDateTime) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["mq.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (from, until);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_is_judged_by_the_time_it_has_left() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let day = Duration::days(1);
        for (from, until, grade, said) in [
            (now - day, now + day * 90, Grade::Ok, "90 day(s) more"),
            (now - day, now + day * 10, Grade::Warn, "renew it"),
            (now - day * 2, now - day, Grade::Fail, "ended at 2027-01-14"),
            (now + day, now + day * 90, Grade::Fail, "look at the clocks"),
        ] {
            let found = judge("c", "it shows", &certificate(from, until), now);
            assert_eq!(found.grade, grade, "{}", found.text);
            assert!(found.text.contains(said), "{}", found.text);
        }
        let none = judge("c", "it shows", &CertificateDer::from(vec![1, 2, 3]), now);
        assert_eq!(none.grade, Grade::Fail);
    }
}
