//! What processes of roles and servers have had of the processor, and what the ledger grew by.

use std::fs;

use sqlx::PgPool;
use testkit::{Database, RabbitMq, Redis};

use crate::clock::{processor_seconds, processor_seconds_with_children};

const COLUMNS: [&str; 7] = [
    "ingress", "worker", "publ.", "2nd p.", "RabbitMQ", "Postgres", "Redis",
];
const ROLES: usize = 4;

/// The servers of this machine alone, or shared ones: then others' work is counted as well.
pub(super) struct Servers {
    broker: u32,
    /// The parent of all its sessions.
    postgres: u32,
    redis: u32,
    pool: PgPool,
}

/// Seconds by column.
pub(super) struct Spent([f64; COLUMNS.len()]);

/// Bytes of the database, and bytes written to its log so far.
pub(super) struct Ledger {
    holds: i64,
    logged: i64,
}

pub(super) fn head() {
    print!("  {:<28}", "µs of processor time each");
    for column in COLUMNS {
        print!(" {column:>9}");
    }
    println!();
}

impl Servers {
    pub(super) async fn find(database: &Database) -> Self {
        let pool = database.pool().clone();
        let session = sqlx::query_scalar("SELECT pg_backend_pid()");
        let session: i32 = session.fetch_one(&pool).await.unwrap();
        let mut redis = Redis::key_space().connection().await;
        let info = redis::cmd("INFO").arg("server").to_owned();
        let info: String = info.query_async(&mut redis).await.unwrap();
        let redis = info.lines().find_map(|it| it.strip_prefix("process_id:"));
        Self {
            broker: RabbitMq::process().await,
            postgres: parent(session),
            redis: redis.unwrap().trim().parse().unwrap(),
            pool,
        }
    }

    /// So far, by these roles and all servers. Who does not run yet has had nothing.
    pub(super) fn spent(&self, roles: [Option<u32>; ROLES]) -> Spent {
        let [ingress, worker, publisher, bystander] =
            roles.map(|process| process.map_or(0.0, processor_seconds));
        Spent([
            ingress,
            worker,
            publisher,
            bystander,
            processor_seconds(self.broker),
            processor_seconds_with_children(self.postgres),
            processor_seconds(self.redis),
        ])
    }

    pub(super) async fn ledger(&self) -> Ledger {
        let (holds, logged) = sqlx::query_as(
            "SELECT pg_database_size(current_database()), \
                    (pg_current_wal_insert_lsn() - '0/0')::bigint",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        Ledger { holds, logged }
    }
}

/// The process that has started this one.
fn parent(process: i32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    let stat = stat.expect("PostgreSQL runs on this machine");
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(1).unwrap().parse().unwrap()
}

impl Spent {
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut spent = self.0;
        for (spent, before) in spent.iter_mut().zip(before.0) {
            *spent -= before;
        }
        Self(spent)
    }

    /// Prints the share of each of so many.
    pub(super) fn print(&self, what: &str, count: u32) {
        print!("  {what:<28}");
        for seconds in self.0 {
            print!(" {:9.1}", seconds * 1e6 / f64::from(count));
        }
        println!();
    }
}

impl Ledger {
    /// Prints what came to it with so many orders.
    pub(super) fn print(before: &Self, after: &Self, orders: u32) {
        let each = |bytes: i64| bytes / i64::from(orders);
        println!(
            "  ledger, a payment and its order_paid: {} bytes with indexes, {} bytes of its log\n",
            each(after.holds - before.holds),
            each(after.logged - before.logged)
        );
    }
}
