//! A sale: many shoppers at once, everything that happens to them written down, and a
//! verdict over what was written.

pub mod findings;
pub mod journal;
pub mod oracle;

pub mod verdict;
