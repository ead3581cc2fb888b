//! How SQLite finds what is asked for: by the index that was made for it.
//!
//! Left to itself it has no statistics, takes the primary key, and reads all that a project
//! has for each order; so these statements name their index.

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
        let without_index = |step: &&String| {
            let reads = step.starts_with("SCAN") || step.starts_with("SEARCH");
            reads && !step.contains(" INDEX ") && !step.contains("subquery")
        };
        assert_eq!(
            steps.iter().find(without_index),
            None,
            "{steps:?} for {sql}"
        );
    }
}

fn steps(connection: &Connection, sql: &str) -> Result<Vec<String>, LedgerError> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
    let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail"))?;
    Ok(steps.collect::<Result<_, _>>()?)
}
