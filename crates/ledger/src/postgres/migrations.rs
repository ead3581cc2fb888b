//! The schema that this build needs, as steps to it.

use std::sync::LazyLock;

use sqlx::migrate::{Migration, Migrator};

/// A newer version's steps, which this build does not know, are no fault: they leave the
/// schema usable for the version before, which may have to come back.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let released = sqlx::migrate!("../../migrations/postgres");
    let mut steps: Vec<Migration> = released.iter().cloned().collect();
    if cfg!(feature = "ahead") {
        steps.push(ahead(&steps));
    }
    let mut migrations = Migrator::with_migrations(steps);
    migrations.set_ignore_missing(true);
    migrations
});

/// What a next version may do to a schema that the one before goes on to use: expand it.
fn ahead(released: &[Migration]) -> Migration {
    let last = released.iter().map(|step| step.version).max();
    Migration::new(
        last.unwrap_or(0) + 1,
        "ahead".into(),
        sqlx::migrate::MigrationType::Simple,
        sqlx::SqlStr::from_static(
            "ALTER TABLE orders ADD COLUMN ahead text; CREATE TABLE ahead (since timestamptz)",
        ),
        false,
    )
}
