//! A process that is killed in the middle of its work.
