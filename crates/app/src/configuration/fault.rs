//! What is wrong with a configuration, in words for the person who wrote it.
//!
//! Invariant: no fault holds a secret's value. What is shown of a value is decided where the
//! fault is made, from the shape of its key.

use std::fmt;

use super::Contradiction;
use super::tree::Origin;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The key with its sections, such as `projects.44056.publisher.issuer`; empty for a
    /// file that cannot be read as TOML.
    pub(crate) key: String,
    /// Where the value was written; none where it is missing everywhere.
    pub(crate) origin: Option<Origin>,
    /// What is wrong with it.
    pub(crate) problem: Problem,
}

/// What is wrong with a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// The file is no TOML.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What the TOML parser expected.
        message: String,
    },
    /// No key has this name.
    #[error("unknown key{}", nearest.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default())]
    Unknown {
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A key without a default is not given.
    #[error("missing, here and in {variable}; expected {expected}. {meaning}")]
    Missing {
        /// What the key is for.
        meaning: String,
        /// What belongs there.
        expected: String,
        /// The environment variable that could set it.
        variable: String,
    },
    /// The value is not what the key takes.
    #[error("found {found}; expected {expected}")]
    Wrong {
        /// What was found; of a secret, never its value.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// The owner of the key, or a rule over several keys, refuses the value.
    #[error("{0}")]
    Refused(String),
    /// Two variables, or a key and its twin, say the same thing in one source.
    #[error("given twice, also by `{other}`; keep one of them")]
    Twice {
        /// The other spelling.
        other: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.problem) {
            (Some(Origin::File { path, .. }), Problem::Syntax { .. }) => {
                write!(f, "{}: {}", path.display(), self.problem)
            }
            (Some(origin), problem) => write!(f, "{} ({origin}): {problem}", self.key),
            (None, problem) => write!(f, "{}: {problem}", self.key),
        }
    }
}

/// All that is wrong, found in one go. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// Rules that do not hold and whose keys are not there.
    ///
    /// # Errors
    /// All of `broken`, if there are any.
    pub(super) fn of(broken: Vec<Contradiction>) -> Result<(), Self> {
        if broken.is_empty() {
            return Ok(());
        }
        let faults = broken.into_iter().map(|broken| Fault {
            key: broken.path.join("."),
            origin: None,
            problem: Problem::Refused(broken.rule),
        });
        Err(Self(faults.collect()))
    }

    /// Each fault, in the order of the keys.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {count} {noun}")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}
