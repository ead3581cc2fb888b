//! The line over TLS, on real servers that demand a certificate of their clients, with an
//! authority that nobody else knows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod certificates;
#[path = "../cluster/process.rs"]
#[expect(dead_code, reason = "the kill test ends roles, too")]
mod process;
#[path = "../binary/process.rs"]
#[expect(dead_code, reason = "the tests of start-up faults want more of it")]
mod program;
#[path = "../cluster/servers.rs"]
#[expect(dead_code, reason = "the kill test ends servers")]
mod servers;

use std::path::Path;

use sqlx::{Connection as _, PgConnection};

use crate::certificates::{Authority, Folder};
use crate::program::{Process, Settings};
use crate::servers::{Server, Servers};

const ALL: [&str; 3] = ["ledger", "broker", "claim"];

/// The servers by the names and ports that take TLS alone.
fn settings(servers: &Servers) -> Settings {
    let by_name = |url: &str| url.replacen("@127.0.0.1:", "@localhost:", 1);
    Settings::at(
        &by_name(servers.url("DATABASE_URL")),
        [
            servers.url("AMQPS_URL"),
            servers.url("RABBITMQ_API_TLS_URL"),
        ],
        servers.url("REDIS_TLS_URL"),
    )
}

/// The `tls` tables of these sections: this authority, and this client's certificate.
fn tls(sections: &[&str], ca: &Path, client: Option<(&Path, &Path)>) -> String {
    let table = |section: &&str| {
        let mut keys = vec![("ca_file", ca)];
        if let Some((certificate, key)) = client {
            keys.extend([("certificate_file", certificate), ("key_file", key)]);
        }
        let keys = keys
            .iter()
            .map(|(key, path)| format!("{key} = '{}'\n", path.display()));
        format!("[{section}.tls]\n{}", keys.collect::<String>())
    };
    sections.iter().map(table).collect()
}

/// Runs it to its end and insists on exit code 1 and on a line with all of `parts`.
async fn fails(settings: &Settings, parts: &[&str]) {
    let mut process = Process::start(&["migrate"], settings);
    let code = process.ends().await;
    process.says(parts).await;
    assert_eq!(code, Some(1), "{}", process.text());
}

#[tokio::test]
async fn every_connection_is_encrypted_and_known_by_its_certificate() {
    let folder = Folder::new();
    let ours = Authority::new("ours");
    ours.serve(&folder);
    let (certificate, key) = ours.client(&folder, "grantline");
    let stranger = Authority::new("a stranger's");
    let foreign_ca = stranger.write(&folder, "foreign.pem");
    let ca = folder.path().join("ca.pem");
    let servers = Servers::start_encrypted(folder.path(), &Server::ALL, folder.path()).await;
    let client = Some((certificate.as_path(), key.as_path()));

    let mut settings = settings(&servers);
    // The system's authorities did not sign the servers' certificates.
    fails(&settings, &["localhost", "certificate"]).await;
    settings.more = tls(&ALL, &foreign_ca, client);
    fails(&settings, &["localhost", "invalid peer certificate"]).await;
    settings.more = tls(&ALL, &ca, None);
    fails(
        &settings,
        &["localhost", "requires a valid client certificate"],
    )
    .await;
    settings.more = tls(&["ledger"], &ca, client) + &tls(&["broker", "claim"], &ca, None);
    fails(&settings, &["https://localhost", "certificate"]).await;

    settings.more = tls(&ALL, &ca, client);
    let mut migrate = Process::start(&["migrate"], &settings);
    assert_eq!(migrate.ends().await, Some(0), "{}", migrate.text());
    settings.more = tls(&["ledger"], &ca, client) + &tls(&["broker", "claim"], &ca, None);
    let mut waiting = Process::start(&["serve"], &settings);
    waiting
        .says(&["RabbitMQ at localhost", "ertificate", "broker.tls"])
        .await;
    waiting
        .says(&["Redis at localhost", "ertificate", "claim.tls"])
        .await;
    assert_eq!(waiting.stop().await, Some(0), "{}", waiting.text());

    settings.more = tls(&ALL, &ca, client);
    let mut serve = Process::start(&["serve"], &settings);
    serve.says(&["Connected to the broker", "publishing"]).await;
    serve.says(&["Connected to the broker", "consuming"]).await;
    serve.says(&["Connected to Redis"]).await;

    for (ssl, subject) in servers.broker_sessions().await {
        assert_eq!((ssl, subject.as_str()), (true, "CN=grantline"));
    }
    let mut database =
        PgConnection::connect(&format!("{}?sslmode=disable", servers.url("DATABASE_URL")))
            .await
            .unwrap();
    let sessions: Vec<(bool, Option<String>)> = sqlx::query_as(
        "SELECT ssl, client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'grantline'",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert!(!sessions.is_empty());
    for session in sessions {
        assert_eq!(session, (true, Some("/CN=grantline".to_owned())));
    }
    assert_eq!(serve.stop().await, Some(0), "{}", serve.text());
}
