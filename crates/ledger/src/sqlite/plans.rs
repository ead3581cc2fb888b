//! How SQLite finds what is asked for: by the index that was made for it.
//!
//! Left to itself it has no statistics, takes the primary key, and reads all that a project
//! has for each order; so these statements name their index. The one that reads all of an index
//! reads what is paid and not granted, which is little.

use rusqlite::Connection;

use super::{notices, orders, survey, traces};
use crate::LedgerError;

#[tokio::test]
async fn what_an_order_or_a_player_has_is_found_without_reading_all_of_the_project() {
    let folder = testkit::Folder::new();
    let file = sqlite::File::open(&folder.join("line.db")).unwrap();
    for sql in [
        notices::ABOUT,
        notices::OF_PLAYER,
        orders::OF_PLAYER,
        survey::PAID,
        traces::FIRST,
    ] {
        let steps = file.read(move |it| steps(it, sql)).await.unwrap();
        let reads_all = |step: &&String| {
            let scans = step.starts_with("SCAN") && !step.contains("(subquery");
            let of_one = step.contains(" INDEX ") && step.contains("=? AND ");
            let searches = step.starts_with("SEARCH");
            (scans && !step.ends_with(" USING INDEX orders_paid_not_granted"))
                || (searches && !of_one)
        };
        assert_eq!(steps.iter().find(reads_all), None, "{steps:?} for {sql}");
    }
}

fn steps(connection: &Connection, sql: &str) -> Result<Vec<String>, LedgerError> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
    let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail"))?;
    Ok(steps.collect::<Result<_, _>>()?)
}
