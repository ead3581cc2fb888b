//! Backup, restore and a new epoch.

use std::fs;

use rusqlite::Connection;

use crate::line::{Line, paid};

fn epoch(path: &std::path::Path) -> String {
    let file = Connection::open(path).unwrap();
    let sql = "SELECT id FROM identity";
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_the_server_can_be_gone_back_to() {
    let line = Line::new();
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    line.holds("mira", &["blade-1"]).await;
    let config = ["--config", "embedded.toml"];
    let backup = line
        .run(&[&["backup", "copy.db"], &config[..]].concat())
        .await;
    assert_eq!(backup.code, Some(0), "{}", backup.text);
    assert!(
        backup.text.contains("copy.db is a whole copy of"),
        "{}",
        backup.text
    );
    let again = [&["backup", "copy.db"], &config[..]].concat();
    line.fails(&again, &["copy.db exists", "overwrites nothing"])
        .await;

    line.deliver(&paid(2, "mira")).await;
    line.holds("mira", &["blade-1", "blade-2"]).await;
    let restore = [&["restore", "copy.db"], &config[..]].concat();
    for refused in [restore.clone(), [&["epoch", "new"], &config[..]].concat()] {
        let parts = ["line.db is served by another process (pid", "stop that one"];
        line.fails(&refused, &parts).await;
    }
    line.holds("mira", &["blade-1", "blade-2"]).await;
    served.stop().await;

    let before = epoch(&line.file());
    let restored = line.run(&restore).await;
    assert_eq!(restored.code, Some(0), "{}", restored.text);
    assert_ne!(epoch(&line.file()), before);
    let served = line.serve("embedded.toml").await;
    line.holds("mira", &["blade-1"]).await;
    line.deliver(&paid(2, "mira")).await;
    line.holds("mira", &["blade-1", "blade-2"]).await;
    served.stop().await;

    // What was replaced is kept, whole, and can be gone back to as well.
    let aside = fs::read_dir(line.join("data")).unwrap();
    let aside = aside.map(|entry| entry.unwrap().path());
    let mut aside = aside.filter(|path| path.to_string_lossy().contains("-replaced-"));
    let aside = aside.next().expect("what was replaced");
    assert_eq!(epoch(&aside), before);
    let aside = aside.to_str().unwrap();
    let back = line.run(&[&["restore", aside], &config[..]].concat()).await;
    assert_eq!(back.code, Some(0), "{}", back.text);

    let before = epoch(&line.file());
    let drawn = line.run(&[&["epoch", "new"], &config[..]].concat()).await;
    assert_eq!(drawn.code, Some(0), "{}", drawn.text);
    let after = epoch(&line.file());
    assert_ne!(after, before);
    let said = format!("was {before} and is {after}");
    assert!(drawn.text.contains(&said), "{}", drawn.text);
}

#[tokio::test]
async fn a_database_restored_from_a_snapshot_gets_another_epoch() {
    let line = Line::new();
    let (database, vhost) = tokio::join!(testkit::Postgres::database(), testkit::RabbitMq::vhost());
    line.on_servers(&database, &vhost);
    let before = database.ledger().epoch().await.unwrap();
    let drawn = line
        .run(&["epoch", "new", "--config", "cluster.toml"])
        .await;
    assert_eq!(drawn.code, Some(0), "{}", drawn.text);
    let after = database.ledger().epoch().await.unwrap();
    assert_ne!(after, before);
    let said = format!("was {before} and is {after}");
    assert!(drawn.text.contains(&said), "{}", drawn.text);

    // Rolled back by a version, the roles work on the newer schema, too.
    sqlx::query("UPDATE _sqlx_migrations SET version = version + 9000")
        .execute(database.pool())
        .await
        .unwrap();
    let drawn = line
        .run(&["epoch", "new", "--config", "cluster.toml"])
        .await;
    assert_eq!(drawn.code, Some(0), "{}", drawn.text);
    let said = format!("was {after} and is ");
    assert!(drawn.text.contains(&said), "{}", drawn.text);
    let parts = ["the configuration of servers", "--file", "`pg_dump`"];
    line.fails(&["backup", "copy.db", "--config", "cluster.toml"], &parts)
        .await;
}
