//! TLS with an authority that nobody else knows, and servers that demand a certificate.

use std::path::Path;

use crate::Told;
use crate::certificates::{Authority, Folder};
use crate::program::{Process, Settings};
use crate::servers::{Server, Servers};

const ALL: [&str; 3] = ["ledger", "broker", "claim"];

fn tls(ca: &Path, certificate: &Path, key: &Path) -> String {
    let table = |section: &str| {
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        format!(
            "[{section}.tls]\nca_file = '{ca}'\ncertificate_file = '{certificate}'\n\
             key_file = '{key}'\n"
        )
    };
    ALL.into_iter().map(table).collect()
}

#[tokio::test]
async fn encrypted_connections_are_told_with_their_authority_and_how_long_they_are_good() {
    let folder = Folder::new();
    let ours = Authority::new("ours");
    ours.serve(&folder);
    let (certificate, key) = ours.client(&folder, "grantline");
    let ca = folder.path().join("ca.pem");
    let servers = Servers::start_encrypted(folder.path(), &Server::ALL, folder.path()).await;
    let by_name = |url: &str| url.replacen("@127.0.0.1:", "@localhost:", 1);
    let mut settings = Settings::at(
        &by_name(servers.url("DATABASE_URL")),
        [
            servers.url("AMQPS_URL"),
            servers.url("RABBITMQ_API_TLS_URL"),
        ],
        servers.url("REDIS_TLS_URL"),
    );
    settings.more = tls(&ca, &certificate, &key);
    let mut migrate = Process::start(&["migrate"], &settings);
    assert_eq!(migrate.ends().await, Some(0), "{}", migrate.text());

    let told = Told::of(&settings, &[]).await;
    told.is_well();
    told.finds("ledger.encryption", "ok", &["TLSv1", "is verified"]);
    for check in ["broker.encryption", "claim.encryption"] {
        told.finds(check, "ok", &["TLS to localhost"]);
    }
    for section in ALL {
        let check = format!("{section}.certificate");
        let parts = [
            "localhost:",
            "`CN=localhost`",
            "signed by `CN=ours`",
            "good for",
        ];
        told.finds(&check, "ok", &parts);
        let own = format!("`{section}.tls.certificate` is a certificate of `CN=grantline`");
        told.finds(&check, "ok", &[&own]);
    }
    assert_eq!(
        told.texts("broker.certificate", "ok").len(),
        4,
        "two ports, two files"
    );

    // In the clear, to a server that has TLS: on this machine that may be so.
    settings.more = String::new();
    settings.ledger = format!("{}?sslmode=disable", servers.url("DATABASE_URL"));
    let told = Told::of(&settings, &[]).await;
    told.finds(
        "ledger.encryption",
        "ok",
        &["in the clear, on this machine"],
    );
    // Nobody of the system's authorities knows ours; what they show is told all the same.
    told.fails("broker.reach", &["ertificate", "`broker.tls`"]);
    told.fails("claim.reach", &["ertificate", "`claim.tls`"]);
    told.finds("broker.certificate", "ok", &["signed by `CN=ours`"]);
    told.finds(
        "broker.topology",
        "warn",
        &["https://localhost", "ertificate"],
    );
}
