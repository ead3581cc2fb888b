//! What is PostgreSQL's alone: its schema, its sessions, and how it can vanish.

mod outages;
mod read_only;
mod schema;
mod sessions;
