//! The embedded stack's one file: opening it, one writer that commits groups, readers,
//! backup, restore, and the mark of a file whose content was moved away.
//!
//! Every write of the process runs on one thread. The thread takes all that wait into one
//! transaction and answers them after its commit, so that the disk is asked to flush once
//! a group and not once a write. Closures never cross an await, so nobody who goes away
//! can leave a transaction open.
//!
//! One process serves a file at a time, and a lock beside it says so; any number may read.
//!
//! The crate knows no table but `move`, which says whether the file may be served. The schema
//! is in `migrations/sqlite`.

mod backup;
mod error;
mod file;
mod lock;
mod moving;
mod open;
mod readers;
mod restore;
mod still;
mod work;
mod writer;

pub use backup::{BackupError, backup};
pub use error::{OpenError, ReadError, WriteError};
pub use file::File;
pub use moving::Move;
pub use readers::ReaderCount;
pub use restore::{RestoreError, Restored, restore};
