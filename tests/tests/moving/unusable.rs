//! A file that cannot be served: one line says what is wrong, where, what was expected and
//! what to do, and the file stays as it is.

use std::fs;

use rusqlite::Connection;

use crate::line::{Line, paid};

const SERVE: [&str; 3] = ["serve", "--config", "embedded.toml"];
const BACKUP: [&str; 4] = ["backup", "copy.db", "--config", "embedded.toml"];

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_who_serves_the_file() {
    let line = Line::new();
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    // On ports of its own, for those are taken, too.
    let second = Line::new();
    second.on_file(&line.file());
    let parts = [
        "line.db is served by another process (pid",
        "a file has one server",
        "stop that one, or use another file",
    ];
    second.fails(&SERVE, &parts).await;
    line.holds("mira", &["blade-1"]).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_foreign_or_newer_file_is_named_and_left_alone() {
    let line = Line::new();
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    line.holds("mira", &["blade-1"]).await;
    served.stop().await;
    let file = line.file();
    let name = file.to_str().unwrap();
    let whole = fs::read(&file).unwrap();

    let mut damaged = whole.clone();
    damaged[100..4_096].fill(0xA5);
    let foreign = line.join("theirs.db");
    let theirs = Connection::open(&foreign).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(theirs);
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&999_u32.to_be_bytes());
    for (bytes, parts) in [
        (
            damaged,
            [
                "is damaged",
                "expected a whole data file",
                "restore a backup",
            ],
        ),
        (
            fs::read(&foreign).unwrap(),
            [
                "database of another program",
                "expected a data file of Grantline",
                "give another path",
            ],
        ),
        (
            b"Dear Mira".repeat(99),
            [
                "is no SQLite database",
                "expected a data file of Grantline",
                "give another path",
            ],
        ),
        (
            newer,
            [
                "is of version 999",
                "this program knows version",
                "use a newer program",
            ],
        ),
    ] {
        fs::write(&file, &bytes).unwrap();
        let parts = [&parts[..], &[name]].concat();
        line.fails(
            &SERVE,
            &[&parts[..], &["`embedded.file` cannot be served"]].concat(),
        )
        .await;
        line.fails(&BACKUP, &parts).await;
        assert!(fs::read(&file).unwrap() == bytes, "{parts:?}");
        assert!(!line.join("copy.db").exists());
    }
    fs::write(&file, &whole).unwrap();
    let served = line.serve("embedded.toml").await;
    line.holds("mira", &["blade-1"]).await;
    served.stop().await;
}

/// As a power cut leaves it in the moment in which it is made. There is nothing to lose.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_a_new_one() {
    let line = Line::new();
    fs::write(line.file(), "").unwrap();
    let parts = ["nothing was ever written into it"];
    line.fails(&BACKUP, &parts).await;
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    line.holds("mira", &["blade-1"]).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_or_a_lock_that_cannot_be_had_is_named() {
    let line = Line::new();
    line.on_file(&line.join("missing/line.db"));
    let parts = [
        "missing/line.db",
        "expected a folder that exists",
        "may write",
    ];
    line.fails(&SERVE, &parts).await;
    line.on_file(&line.file());
    fs::create_dir(line.join("data/line.db-lock")).unwrap();
    let parts = [
        "cannot open the lock",
        "line.db-lock",
        "expected a file that this user may write",
        "run as the user who served it before",
    ];
    line.fails(&SERVE, &parts).await;
}
