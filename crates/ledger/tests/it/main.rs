//! The ledger on a real PostgreSQL.

mod schema;
