//! What is wrong at the start is said in one line: what, where, what was expected, what to
//! do. What waiting cannot mend ends the process with 1; for a server that is away a role
//! waits, and ends with 0 when asked to.

use std::net::TcpListener;

use hyper::Method;
use testkit::{Database, Postgres, RabbitMq, Vhost};

use crate::process::{Process, Settings, closed_port};

struct Scene {
    database: Database,
    vhost: Vhost,
}

impl Scene {
    async fn new() -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        Self { database, vhost }
    }

    fn settings(&self) -> Settings {
        Settings::of(&self.database, &self.vhost)
    }
}

/// `host:port` of a URL, and the path behind it.
fn place(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

/// The URL with this instead of its host and port.
fn elsewhere(url: &str, to: &str) -> String {
    url.replacen(place(url).0, to, 1)
}

/// The URL with a user that nobody knows.
fn as_a_stranger(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://stranger:canary@{rest}")
}

/// Runs it to its end and insists on one line with all of `parts`, and on exit code 1.
async fn fails(arguments: &[&str], settings: &Settings, parts: &[&str]) {
    let mut process = Process::start(arguments, settings);
    let code = process.ends().await;
    process.says(parts).await;
    let text = process.text();
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

/// Starts it and insists on one line with all of `parts`, on its patience, and on exit code
/// 0 once it is asked to stop.
async fn waits(arguments: &[&str], settings: &Settings, parts: &[&str]) {
    let mut process = Process::start(arguments, settings);
    process.says(parts).await;
    let code = process.stop().await;
    let text = process.text();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_ends_migrate_and_holds_up_a_worker() {
    let scene = Scene::new().await;
    let good = scene.settings();
    let with = |ledger: String| Settings {
        ledger,
        ..good.clone()
    };
    let no_url = with("mysql://ann:canary@host/db".to_owned());
    let parts = [
        "`ledger.url` is not",
        "expected postgres://user:password@host:port/database",
    ];
    for role in ["migrate", "serve", "ingress"] {
        fails(&[role], &no_url, &parts).await;
    }

    let nobody = format!("127.0.0.1:{}", closed_port());
    let gone = with(elsewhere(&good.ledger, &nobody));
    let (server, name) = place(&good.ledger);
    let nowhere = good.ledger.replacen(name, &format!("{name}_x"), 1);
    for (settings, at, why) in [
        (gone, nobody.as_str(), "refused"),
        (with(as_a_stranger(&good.ledger)), server, "stranger"),
        (with(nowhere), server, "does not exist"),
    ] {
        let at = format!("cannot use the database at {at}/{name}");
        let parts = [
            &at,
            "check `ledger.url`",
            "user, password and database exist",
            why,
        ];
        fails(&["migrate"], &settings, &parts).await;
        waits(&["worker"], &settings, &parts).await;
    }
}

#[tokio::test]
async fn an_old_schema_ends_a_role_but_the_ingress_and_a_newer_one_warns() {
    let scene = Scene::new().await;
    let empty = Postgres::empty_database().await;
    let settings = Settings::of(&empty, &scene.vhost);
    let (server, name) = place(&settings.ledger);
    let at = format!("the database at {server}/{name} has schema 0");
    let parts = [&at, "this version needs", "run `grantline migrate`"];
    for role in ["worker", "publisher", "api"] {
        fails(&[role], &settings, &parts).await;
    }
    // Notices go to the broker whatever the ledger is like.
    waits(&["ingress"], &settings, &parts).await;

    sqlx::query("UPDATE _sqlx_migrations SET version = version + 9000")
        .execute(scene.database.pool())
        .await
        .unwrap();
    let settings = scene.settings();
    let (server, name) = place(&settings.ledger);
    let at = format!("WARN grantline::roles: the database at {server}/{name} has schema 9");
    let parts = [&at, "this version knows only", "run the newer version"];
    waits(&["publisher"], &settings, &parts).await;
}

#[tokio::test]
async fn a_broker_that_cannot_be_used_ends_migrate_and_holds_up_a_role() {
    let scene = Scene::new().await;
    let good = scene.settings();
    let with = |broker: String| Settings {
        broker,
        ..good.clone()
    };
    let away = "No connection to the broker";
    let no_url = with("http://ann:canary@host".to_owned());
    let parts = [
        "`broker.url` is not",
        "expected amqp://user:password@host:5672/vhost",
    ];
    fails(&["migrate"], &no_url, &parts).await;
    waits(&["ingress"], &no_url, &parts).await;

    let nobody = format!("127.0.0.1:{}", closed_port());
    let (server, vhost) = place(&good.broker);
    let gone = with(elsewhere(&good.broker, &nobody));
    let at = format!("cannot reach RabbitMQ at {nobody}");
    let parts = [
        away,
        &at,
        "refused",
        "expected a running broker",
        "correct `broker.url`",
    ];
    waits(&["ingress"], &gone, &parts).await;

    let strange = with(as_a_stranger(&good.broker));
    let at = format!("RabbitMQ at {server} refuses user `stranger`");
    let parts = [
        away,
        &at,
        "expected a user of this broker",
        "`broker.url`: correct it",
    ];
    waits(&["worker"], &strange, &parts).await;

    let nowhere = with(format!("{}x", good.broker));
    let at = format!("RabbitMQ at {server} has no virtual host `{vhost}x`");
    let parts = [
        away,
        &at,
        "expected the one in `broker.url`",
        "rabbitmqctl add_vhost",
    ];
    waits(&["publisher"], &nowhere, &parts).await;
    let at = format!("virtual host `{vhost}x` is not known");
    let parts = [
        &at,
        place(&good.management).0,
        "expected the one in `broker.url`",
        "add_vhost",
    ];
    fails(&["migrate"], &nowhere, &parts).await;
}

#[tokio::test]
async fn a_management_api_that_cannot_be_used_ends_migrate() {
    let scene = Scene::new().await;
    let good = scene.settings();
    let with = |management: String| Settings {
        management,
        ..good.clone()
    };
    let no_url = with("ftp://ann:canary@host".to_owned());
    let parts = [
        "`broker.management_url` is not",
        "expected http://user:password@host:15672",
    ];
    fails(&["migrate"], &no_url, &parts).await;

    let nobody = format!("127.0.0.1:{}", closed_port());
    let gone = with(elsewhere(&good.management, &nobody));
    let at = format!("cannot reach RabbitMQ's management API at http://{nobody}");
    let parts = [
        &at,
        "expected the plugin",
        "correct `broker.management_url`",
    ];
    fails(&["migrate"], &gone, &parts).await;

    let strange = with(as_a_stranger(&good.management));
    let parts = [
        place(&good.management).0,
        "refuses user `stranger`",
        "check the password",
    ];
    fails(&["migrate", "--check"], &strange, &parts).await;
}

#[tokio::test]
async fn a_missing_policy_or_queue_is_named_with_what_makes_it() {
    let scene = Scene::new().await;
    let settings = scene.settings();
    let (server, vhost) = place(&settings.broker);
    let at = format!("broker at {server}/{vhost}");
    let queue = "grantline.grant.v1";
    for (what, object) in [("policies", "policy"), ("queues", "queue")] {
        let gone = scene.vhost.call_api(Method::DELETE, what, queue, None);
        gone.await;
        let object = format!("{object} {queue}: missing");
        let parts = [&at, &object, "expected {", "run `grantline migrate`"];
        fails(&["migrate", "--check"], &settings, &parts).await;
    }
    let missing = format!("`{queue}` is missing in virtual host `{vhost}` of RabbitMQ at {server}");
    let parts = [
        "No connection",
        &missing,
        "expected the topology",
        "run `grantline migrate`",
    ];
    waits(&["ingress"], &settings, &parts).await;
}

#[tokio::test]
async fn a_redis_that_cannot_be_used_is_passed_over_and_said() {
    let scene = Scene::new().await;
    let good = scene.settings();
    let with = |redis: String| Settings {
        redis,
        ..good.clone()
    };
    let nobody = format!("127.0.0.1:{}", closed_port());
    let gone = format!("cannot reach Redis at {nobody}");
    let strange = format!("Redis at {} refuses user or password", place(&good.redis).0);
    for (redis, what, expected, mend) in [
        (
            "http://ann:canary@host".to_owned(),
            "`claim.url` is not",
            "expected redis://user:password@host:6379/0",
            "or rediss://",
        ),
        (
            elsewhere(&good.redis, &nobody),
            gone.as_str(),
            "expected a running one there",
            "or correct `claim.url`",
        ),
        (
            as_a_stranger(&good.redis),
            strange.as_str(),
            "expected those of `claim.url`",
            "correct it",
        ),
    ] {
        let parts = ["Redis is passed over", what, expected, mend];
        waits(&["worker"], &with(redis), &parts).await;
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_role() {
    let scene = Scene::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let ingress = taken.local_addr().unwrap();
    let settings = Settings {
        ingress,
        ..scene.settings()
    };
    let at = format!("cannot listen on {ingress}");
    let parts = [
        "`ingress.listen` cannot be used",
        &at,
        "another process has this port",
        "stop it or choose another port",
    ];
    for role in ["ingress", "serve"] {
        fails(&[role], &settings, &parts).await;
    }
}
