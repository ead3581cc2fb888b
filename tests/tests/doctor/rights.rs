//! Users who may not do all that is needed; and that what the doctor asks for is enough.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use order::{OrderId, ProjectId, Status};
use rehearsal::Purchase;
use sqlx::{Connection as _, Executor as _, PgConnection};
use testkit::RedisServer;
use tests::Http;
use tokio::time::{sleep, timeout};
use xsolla::signature::authorization_header;

use crate::program::{PROJECT, Settings, WEBHOOK_SECRET};
use crate::{Scene, Told, as_user, serve};

const PATIENCE: Duration = Duration::from_mins(1);
const PASSWORD: &str = "canary";

/// Ends what a server would keep for ever.
struct Login(Option<Box<dyn FnOnce() + Send>>);

impl Drop for Login {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            let _ = std::thread::spawn(end).join();
        }
    }
}

fn blocking(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work);
}

fn name() -> String {
    format!("testkit_{:016x}", RandomState::new().hash_one(()))
}

async fn execute(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    // All names in it are our own.
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

/// A user of the database who may only connect.
async fn nobody_in_particular(url: &str) -> (String, Login) {
    let name = name();
    let made = format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'");
    execute(url, made).await;
    let (url, gone) = (
        url.to_owned(),
        format!("DROP OWNED BY {name}; DROP ROLE {name}"),
    );
    let end = move || blocking(execute(&url, gone));
    (name, Login(Some(Box::new(end))))
}

#[tokio::test]
async fn privileges_that_are_missing_are_named_and_those_named_are_enough_to_grant_an_order() {
    let scene = Scene::new().await;
    let admin = scene.database.url();
    let (user, _login) = nobody_in_particular(admin).await;
    execute(
        admin,
        format!("GRANT SELECT ON _sqlx_migrations, move TO {user}"),
    )
    .await;
    let settings = Settings {
        ledger: as_user(admin, &user, PASSWORD),
        ..scene.settings()
    };
    let told = Told::of(&settings, &[]).await;
    let insert = format!("GRANT INSERT ON bookings TO \"{user}\";");
    let text = told.fails("ledger.rights", &[&insert, "GRANT UPDATE ON orders"]);
    let grants = &text[text.find("GRANT ").unwrap()..];
    execute(admin, grants.to_owned()).await;
    let told = Told::of(&settings, &[]).await;
    told.is_well();
    told.finds("ledger.rights", "ok", &["may do all"]);

    let (mut process, ingress) = serve(&settings).await;
    let purchase = Purchase::draw(PROJECT, "mira");
    let body = purchase.order_paid_combined().to_string();
    let signed = authorization_header(body.as_bytes(), WEBHOOK_SECRET.as_bytes());
    let url = format!("{ingress}/webhooks/xsolla/{PROJECT}");
    let headers = [("authorization", signed.as_str())];
    let answer = Http::new().ask(Method::POST, &url, &headers, &body).await;
    assert_eq!(answer.unwrap().status, 204);
    let (project, order) = (
        ProjectId::try_from(PROJECT).unwrap(),
        OrderId::try_from(purchase.order).unwrap(),
    );
    let ledger = scene.database.ledger();
    let granted = async {
        while ledger
            .order(project, order)
            .await
            .unwrap()
            .is_none_or(|it| it.status != Status::Done)
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, granted)
        .await
        .unwrap_or_else(|_| panic!("not granted: {}", process.text()));
    assert_eq!(process.stop().await, Some(0), "{}", process.text());
    assert!(!process.text().contains("permission denied"));
}

#[tokio::test]
async fn a_publisher_needs_no_more_than_to_read() {
    let scene = Scene::new().await;
    let admin = scene.database.url();
    let (user, _login) = nobody_in_particular(admin).await;
    let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}");
    execute(admin, grant).await;
    let settings = Settings {
        ledger: as_user(admin, &user, PASSWORD),
        ..scene.settings()
    };
    let told = Told::of(&settings, &["--roles", "publisher"]).await;
    told.finds("ledger.rights", "ok", &["may do all"]);
    let told = Told::of(&settings, &["--roles", "publisher,worker"]).await;
    let text = told.fails("ledger.rights", &["GRANT UPDATE ON orders"]);
    assert!(!text.contains("players"), "{text}");
}

/// A user of the virtual host with these patterns, and the URL for them.
async fn somebody(settings: &Settings, patterns: [&str; 3]) -> (String, Login) {
    let name = name();
    let rest = settings.broker.split_once("://").unwrap().1;
    let (credentials, rest) = rest.rsplit_once('@').unwrap();
    let vhost = rest.split_once('/').unwrap().1;
    let basic = format!("Basic {}", STANDARD.encode(credentials));
    let api = settings.management.trim_end_matches('/').to_owned();
    let call = {
        let basic = basic.clone();
        async move |method, url: String, body: String| {
            let headers = [
                ("authorization", basic.as_str()),
                ("content-type", "application/json"),
            ];
            let answer = Http::new().ask(method, &url, &headers, &body).await;
            assert!(answer.unwrap().status.is_success(), "{url}");
        }
    };
    let user = format!("{api}/api/users/{name}");
    let body = format!(r#"{{"password": "{PASSWORD}", "tags": ""}}"#);
    call(Method::PUT, user.clone(), body).await;
    let [configure, write, read] = patterns;
    let body = serde_json::json!({"configure": configure, "write": write, "read": read});
    let permissions = format!("{api}/api/permissions/{vhost}/{name}");
    call(Method::PUT, permissions, body.to_string()).await;
    let end = move || blocking(call(Method::DELETE, user, String::new()));
    let url = as_user(&settings.broker, &name, PASSWORD);
    (url, Login(Some(Box::new(end))))
}

#[tokio::test]
async fn rights_at_the_broker_that_are_missing_are_named_role_by_role() {
    let scene = Scene::new().await;
    let good = scene.settings();
    let as_if = |broker: &str| Settings {
        broker: broker.to_owned(),
        ..good.clone()
    };
    let (writes, _login) = somebody(&good, ["", r"^grantline\.tasks\.v1$", ""]).await;
    let told = Told::of(&as_if(&writes), &["--roles", "ingress"]).await;
    told.finds("broker.rights", "ok", &["may do all"]);
    let told = Told::of(&as_if(&writes), &[]).await;
    let text = told.fails("broker.rights", &["set_permissions"]);
    let refused: BTreeSet<_> = text.split(['`', ' ']).collect();
    for name in [
        "grantline.grant.v1",
        "grantline.parked.v1",
        "grantline.unrouted.v1",
        "grantline.retry.5s.v1",
        "grantline.hints.v1",
        "grantline.hints.v1.*",
    ] {
        assert!(refused.contains(name), "{name}: {text}");
    }
    assert!(!refused.contains("grantline.tasks.v1"), "{text}");
    for verb in ["not configure", "not read", "not write"] {
        assert!(text.contains(verb), "{verb}: {text}");
    }

    let hears = [
        r"^grantline\.hints\.v1\.",
        r"^grantline\.hints\.v1\.",
        r"^grantline\.hints\.v1",
    ];
    let (hears, _login) = somebody(&good, hears).await;
    let told = Told::of(&as_if(&hears), &["--roles", "publisher"]).await;
    told.finds("broker.rights", "ok", &["may do all"]);
    let told = Told::of(&as_if(&hears), &["--roles", "ingress"]).await;
    told.fails("broker.rights", &["not write `grantline.tasks.v1`"]);
}

#[tokio::test]
async fn a_redis_that_refuses_what_workers_do_or_drops_marks_is_named() {
    let scene = Scene::new().await;
    let redis = RedisServer::start().await;
    let mut connection = redis.key_space().connection().await;
    let mut told_redis = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.exec_async(&mut connection).await.unwrap();
    };
    told_redis(&[
        "ACL", "SETUSER", "w", "on", ">canary", "~d:*", "+@all", "-eval",
    ])
    .await;
    let address = format!("redis://w:canary@127.0.0.1:{}", redis.port());
    let settings = Settings {
        redis: address,
        ..scene.settings()
    };
    let told = Told::of(&settings, &[]).await;
    let parts = ["key", "eval", "`ACL SETUSER`"];
    told.fails("claim.rights", &parts);
    told_redis(&["ACL", "SETUSER", "w", "~*", "+eval", "-info", "-time"]).await;
    let told = Told::of(&settings, &[]).await;
    told.is_well();
    told.finds("claim.version", "warn", &["may call INFO"]);
    told.finds("claim.rights", "ok", &[]);

    told_redis(&["ACL", "SETUSER", "w", "+@all"]).await;
    told_redis(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let told = Told::of(&settings, &[]).await;
    told.finds("claim.eviction", "warn", &["allkeys-lru", "noeviction"]);
}
