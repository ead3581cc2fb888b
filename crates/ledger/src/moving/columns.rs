//! What is moved: every column of every table, the same on both stores.

/// A table. The ones it refers to come before it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Sort)],
    /// Whether its rows are numbered, never with the same number twice.
    pub(crate) is_numbered: bool,
}

/// How a value stands in the file, and in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Number,
    /// 0 or 1 in the file.
    Flag,
    Text,
    Bytes,
    /// Microseconds since 1970 in the file.
    Instant,
}

use Sort::{Bytes, Flag, Instant, Number, Text};

const fn table(name: &'static str, columns: &'static [(&'static str, Sort)]) -> Table {
    Table {
        name,
        columns,
        is_numbered: false,
    }
}

const fn numbered(name: &'static str, columns: &'static [(&'static str, Sort)]) -> Table {
    Table {
        name,
        columns,
        is_numbered: true,
    }
}

/// All of them but `identity`.
pub(crate) static TABLES: [Table; 13] = [
    table(
        "players",
        &[
            ("project", Number),
            ("player", Text),
            ("registered_at", Instant),
        ],
    ),
    table(
        "notices",
        &[
            ("project", Number),
            ("kind", Text),
            ("ref", Text),
            ("message_id", Bytes),
            ("fingerprint", Bytes),
            ("seen", Number),
            ("first_at", Instant),
            ("last_at", Instant),
            ("outcome", Text),
            ("reason", Text),
            ("parked_id", Number),
            ("order_id", Number),
            ("transaction_id", Number),
            ("player", Text),
            ("trace_id", Text),
        ],
    ),
    table(
        "transactions",
        &[
            ("project", Number),
            ("transaction_id", Number),
            ("order_id", Number),
            ("player", Text),
            ("payment", Flag),
            ("refund", Flag),
            ("refund_code", Number),
            ("sandbox", Flag),
        ],
    ),
    table(
        "orders",
        &[
            ("project", Number),
            ("order_id", Number),
            ("player", Text),
            ("transaction_id", Number),
            ("sandbox", Flag),
            ("created", Flag),
            ("paid", Flag),
            ("payment", Flag),
            ("canceled", Flag),
            ("refunded", Flag),
            ("status", Text),
            ("shown", Text),
            ("content", Text),
            ("first_at", Instant),
            ("last_at", Instant),
        ],
    ),
    table(
        "bookings",
        &[
            ("project", Number),
            ("source", Text),
            ("direction", Text),
            ("part", Text),
            ("player", Text),
            ("kind", Text),
            ("ref", Text),
            ("booked_at", Instant),
        ],
    ),
    table(
        "booking_lines",
        &[
            ("project", Number),
            ("source", Text),
            ("direction", Text),
            ("part", Text),
            ("line", Number),
            ("sku", Text),
            ("quantity", Number),
        ],
    ),
    table(
        "obligations",
        &[
            ("project", Number),
            ("source", Text),
            ("direction", Text),
            ("part", Text),
            ("state", Text),
            ("attempts", Number),
            ("due_at", Instant),
            ("settled_at", Instant),
        ],
    ),
    table(
        "balances",
        &[
            ("project", Number),
            ("player", Text),
            ("sku", Text),
            ("quantity", Number),
        ],
    ),
    table(
        "streams",
        &[
            ("project", Number),
            ("player", Text),
            ("last_offset", Number),
        ],
    ),
    table(
        "stream_rows",
        &[
            ("project", Number),
            ("player", Text),
            ("stream_offset", Number),
            ("order_id", Number),
            ("status", Text),
            ("at", Instant),
        ],
    ),
    numbered(
        "conflicts",
        &[
            ("id", Number),
            ("project", Number),
            ("kind", Text),
            ("ref", Text),
            ("order_id", Number),
            ("transaction_id", Number),
            ("what", Text),
            ("message_id", Bytes),
            ("at", Instant),
        ],
    ),
    numbered(
        "parked",
        &[
            ("id", Number),
            ("project", Number),
            ("kind", Text),
            ("ref", Text),
            ("message_id", Bytes),
            ("order_id", Number),
            ("transaction_id", Number),
            ("player", Text),
            ("reason", Text),
            ("detail", Text),
            ("attempts", Number),
            ("trace_id", Text),
            ("body", Bytes),
            ("received_at", Instant),
            ("parked_at", Instant),
            ("replayed_at", Instant),
            ("settled_at", Instant),
        ],
    ),
    numbered(
        "quarantine",
        &[
            ("id", Number),
            ("project", Number),
            ("digest", Bytes),
            ("key_id", Bytes),
            ("sealed", Bytes),
            ("received_at", Instant),
            ("expires_at", Instant),
            ("taken_until", Instant),
            ("unreadable_at", Instant),
        ],
    ),
];

impl Table {
    /// The columns' names, as in a statement.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::Connection;

    use super::*;

    /// Columns by table.
    type Columns = BTreeMap<String, Vec<String>>;

    /// Without what stays behind: the identity, the mark of the move itself, queues.
    fn moved(mut columns: Columns) -> Columns {
        let stays = |name: &String| {
            ["identity", "move", "move_sent", "_sqlx_migrations"].contains(&name.as_str())
                || name.starts_with("queue_")
                || name.starts_with("sqlite_")
        };
        columns.retain(|table, _| !stays(table));
        for names in columns.values_mut() {
            names.sort();
        }
        columns
    }

    fn collect(rows: Vec<(String, String)>) -> Columns {
        let mut columns = Columns::new();
        for (table, column) in rows {
            columns.entry(table).or_default().push(column);
        }
        columns
    }

    /// A new column, or a new table, has to be moved as well.
    #[tokio::test]
    async fn every_column_of_both_stores_is_moved() {
        let ours = TABLES.iter().flat_map(|table| {
            let column = |(column, _): &(&str, Sort)| (table.name.to_owned(), (*column).to_owned());
            table.columns.iter().map(column)
        });
        let ours = moved(collect(ours.collect()));

        let file = testkit::Embedded::new();
        let connection = Connection::open(file.file().path()).unwrap();
        let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                   WHERE t.type = 'table'";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: Result<Vec<_>, _> = rows.unwrap().collect();
        assert_eq!(moved(collect(rows.unwrap())), ours);

        let database = testkit::Postgres::database().await;
        let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns
                   WHERE table_schema = 'public'";
        let rows = sqlx::query_as(sql).fetch_all(database.pool()).await;
        assert_eq!(moved(collect(rows.unwrap())), ours);
    }
}
