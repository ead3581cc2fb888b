//! The certificates of the connections.

use secret::Tls;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The same server, over TLS alone where there are certificates: by itself the client would
/// go on in the clear with a server that offers no TLS.
pub(super) fn encrypted(options: PgConnectOptions, tls: &Tls) -> PgConnectOptions {
    if tls.is_default() {
        return options;
    }
    let mut options = options.ssl_mode(PgSslMode::VerifyFull);
    if let Some(ca) = &tls.ca {
        options = options.ssl_root_cert_from_pem(ca.reveal().as_bytes().to_vec());
    }
    if let Some((certificate, key)) = tls.identity() {
        options = options
            .ssl_client_cert_from_pem(certificate.as_bytes())
            .ssl_client_key_from_pem(key.as_bytes());
    }
    options
}
