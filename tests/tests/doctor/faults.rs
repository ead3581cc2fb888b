//! What is broken on purpose.

use std::net::TcpListener;

use hyper::{Method, StatusCode};
use serde_json::json;
use sqlx::Executor as _;
use testkit::{Postgres, StudioService};

use crate::program::{API_KEY, LOGIN_SECRET, PROJECT, Settings, WEBHOOK_SECRET, closed_port};
use crate::{Scene, Told, as_user, place, serve};

#[tokio::test]
async fn a_server_that_is_away_or_refuses_is_named_and_hides_no_other() {
    let scene = Scene::new().await;
    let good = scene.settings();
    let nobody = format!("127.0.0.1:{}", closed_port());
    let elsewhere = |url: &str| url.replacen(place(url), &nobody, 1);
    let strange = |url: &str| as_user(url, "stranger", "canary");

    let away = Settings {
        ledger: elsewhere(&good.ledger),
        broker: elsewhere(&good.broker),
        redis: elsewhere(&good.redis),
        ..good.clone()
    };
    let told = Told::of(&away, &[]).await;
    let at = format!("cannot use the database at {nobody}");
    told.fails("ledger.reach", &[&at, "check `ledger.url`", "refused"]);
    let at = format!("cannot reach RabbitMQ at {nobody}");
    told.fails("broker.reach", &[&at, "correct `broker.url`"]);
    let at = format!("cannot reach Redis at {nobody}");
    told.fails("claim.reach", &[&at, "correct `claim.url`"]);
    // The management API is elsewhere, and there.
    told.finds("broker.topology", "ok", &["as this version needs them"]);

    let refused = Settings {
        ledger: strange(&good.ledger),
        broker: strange(&good.broker),
        redis: strange(&good.redis),
        ..good.clone()
    };
    let told = Told::of(&refused, &[]).await;
    told.fails(
        "ledger.reach",
        &["stranger", "user, password and database exist"],
    );
    told.fails("broker.reach", &["refuses user `stranger`", "`broker.url`"]);
    told.fails("claim.reach", &["refuses user or password", "`claim.url`"]);

    let no_api = Settings {
        management: format!("http://{nobody}"),
        ..good.clone()
    };
    let told = Told::of(&no_api, &[]).await;
    told.is_well();
    let parts = [
        "were not compared",
        "`rabbitmq_management`",
        nobody.as_str(),
    ];
    told.finds("broker.topology", "warn", &parts);
    told.finds("broker.reach", "ok", &[]);
    told.finds("ledger.schema", "ok", &[]);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_the_others_are_looked_at() {
    let scene = Scene::new().await;
    // It takes connections, as far as the kernel does, and never a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().unwrap().to_string();
    let good = scene.settings();
    let settings = Settings {
        ledger: good.ledger.replacen(place(&good.ledger), &mute, 1),
        ..good
    };
    let told = Told::of(&settings, &["--timeout", "2s"]).await;
    told.fails("ledger", &["no answer within 2s", "--timeout"]);
    told.finds("broker.rights", "ok", &[]);
    told.finds("claim.rights", "ok", &[]);
}

#[tokio::test]
async fn a_schema_of_another_version_or_half_moved_is_named() {
    let scene = Scene::new().await;
    let empty = Postgres::empty_database().await;
    let settings = Settings::of(&empty, &scene.vhost);
    let told = Told::of(&settings, &[]).await;
    told.fails(
        "ledger.schema",
        &["has schema 0", "run `grantline migrate`"],
    );

    let settings = scene.settings();
    let pool = scene.database.pool();
    let unfinished = "INSERT INTO move (id, begun_at) VALUES ('m', now())";
    pool.execute(unfinished).await.unwrap();
    let told = Told::of(&settings, &[]).await;
    told.fails(
        "ledger.schema",
        &["unfinished copy", "`grantline migrate-to`"],
    );
    pool.execute("DELETE FROM move").await.unwrap();

    let newer = "INSERT INTO _sqlx_migrations SELECT 99, description, installed_on, success,
                 checksum, execution_time FROM _sqlx_migrations LIMIT 1";
    pool.execute(newer).await.unwrap();
    let told = Told::of(&settings, &[]).await;
    told.is_well();
    told.finds("ledger.schema", "warn", &["has schema 99", "newer version"]);
}

#[tokio::test]
async fn commits_that_do_not_wait_for_the_disk_are_named() {
    let scene = Scene::new().await;
    let database = scene.database.url().rsplit_once('/').unwrap().1;
    let name = database.split('?').next().unwrap();
    let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    let off = sqlx::AssertSqlSafe(off);
    scene.database.pool().execute(off).await.unwrap();
    let told = Told::of(&scene.settings(), &[]).await;
    let parts = ["`synchronous_commit` is off", "expected on"];
    told.fails("ledger.durability", &parts);
}

#[tokio::test]
async fn queues_that_are_missing_or_otherwise_are_named() {
    let scene = Scene::new().await;
    let settings = scene.settings();
    let api = async |method, what: &str, rest: &str, body| {
        scene.vhost.call_api(method, what, rest, body).await
    };
    let (grant, revoke) = ("grantline.grant.v1", "grantline.revoke.v1");
    api(Method::DELETE, "policies", revoke, None).await;
    let told = Told::of(&settings, &[]).await;
    let object = format!("policy {revoke}: missing");
    told.fails("broker.topology", &[&object, "run `grantline migrate`"]);
    told.finds("broker.queues", "ok", &[]);

    api(Method::DELETE, "queues", grant, None).await;
    let told = Told::of(&settings, &[]).await;
    told.fails("broker.queues", &[grant, "run `grantline migrate`"]);
    let object = format!("queue {grant}: missing");
    told.fails("broker.topology", &[&object]);
    told.finds("broker.rights", "ok", &[]);

    let classic = json!({"durable": true, "arguments": {"x-queue-type": "classic"}});
    api(Method::PUT, "queues", grant, Some(classic)).await;
    let told = Told::of(&settings, &[]).await;
    let object = format!("queue {grant}: found");
    told.fails("broker.topology", &[&object, "classic", "delete it"]);
    told.finds("broker.queues", "ok", &[]);
}

#[tokio::test]
async fn secrets_that_were_swapped_are_named_and_not_shown() {
    let scene = Scene::new().await;
    let with = |from: &str, to: &str| {
        let text = scene.settings().text().replace(from, to);
        Settings {
            whole: Some(text),
            ..scene.settings()
        }
    };
    let webhook = format!("projects.{PROJECT}.webhook_secrets[0]");
    let told = Told::of(&with(WEBHOOK_SECRET, API_KEY), &[]).await;
    let parts = ["api.keys.tests.secret", &webhook, "one and the same"];
    told.fails("secrets", &parts);
    let told = Told::of(&with(WEBHOOK_SECRET, LOGIN_SECRET), &[]).await;
    let login = format!("projects.{PROJECT}.publisher.secret");
    told.fails("secrets", &[&login, &webhook, "not the API key"]);
    let blank = format!("{WEBHOOK_SECRET}\\n");
    let told = Told::of(&with(WEBHOOK_SECRET, &blank), &[]).await;
    told.fails(
        "secrets",
        &[&webhook, "a line's end", "take the blank away"],
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_be_loaded_is_told_key_by_key() {
    let scene = Scene::new().await;
    let settings = Settings {
        more: "[worker]\nprefech = 1\nbatch_max = 0\n".to_owned(),
        ..scene.settings()
    };
    let told = Told::of(&settings, &[]).await;
    told.fails("configuration", &["worker.prefech", "did you mean"]);
    assert_eq!(
        told.texts("configuration", "fail").len(),
        2,
        "{:#}",
        told.report
    );
    assert_eq!(told.texts("ledger.reach", "ok").len(), 0);
}

#[tokio::test]
async fn an_ingress_with_another_secret_or_that_believes_everybody_is_named() {
    let scene = Scene::new().await;
    let settings = scene.settings();
    let (mut process, ingress) = serve(&settings).await;
    let elsewhere = Settings {
        whole: Some(
            settings
                .text()
                .replace(WEBHOOK_SECRET, "canary-secret-of-yesterday"),
        ),
        ..settings.clone()
    };
    let told = Told::of(&elsewhere, &["--ingress-url", &ingress]).await;
    let key = format!("`projects.{PROJECT}.webhook_secrets[0]`");
    told.fails(
        "ingress.question",
        &[&key, "400 INVALID_SIGNATURE", "Webhooks"],
    );
    told.finds("ingress.forgery", "ok", &[]);
    assert_eq!(process.stop().await, Some(0), "{}", process.text());

    let told = Told::of(&settings, &["--ingress-url", &ingress]).await;
    told.fails(
        "ingress.question",
        &["nobody can be reached", "--ingress-url"],
    );

    let yes_to_all = StudioService::start().await;
    yes_to_all.answer("/webhooks/xsolla/271904", StatusCode::NO_CONTENT, "");
    let url = yes_to_all.url();
    let told = Told::of(&settings, &["--ingress-url", &url]).await;
    told.fails(
        "ingress.question",
        &["says yes", "expected 400 INVALID_USER"],
    );
    told.fails("ingress.forgery", &["believes a forged question"]);

    let another_server = StudioService::start().await;
    let url = another_server.url();
    let told = Told::of(&settings, &["--ingress-url", &url]).await;
    told.fails(
        "ingress.question",
        &["answered 404", "something else listens there"],
    );
}
