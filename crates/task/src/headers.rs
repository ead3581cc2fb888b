//! Headers of a task: short texts by name, whatever the broker.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Headers as texts. The broker's own types stay in `broker`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

/// A header that is missing or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not there.
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    /// There, with an impossible value.
    #[error("header `{name}` is not readable: {fault}")]
    Unreadable {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// The message is of a format that another version writes.
    #[error("this version reads format {}, found {found}", crate::task::VERSION)]
    Format {
        /// That format.
        found: String,
    },
}

impl Headers {
    /// Sets one.
    pub fn set(&mut self, name: impl Into<String>, value: &(impl ToString + ?Sized)) {
        self.0.insert(name.into(), value.to_string());
    }

    /// Sets one if there is a value.
    pub fn set_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.set(name, &value);
        }
    }

    /// Reads one that may be absent.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn optional<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, HeaderError> {
        let parse = |value: &String| {
            value
                .parse()
                .map_err(|fault: T::Err| HeaderError::Unreadable {
                    name,
                    fault: fault.to_string(),
                })
        };
        self.0.get(name).map(parse).transpose()
    }

    /// Reads one that must be there.
    ///
    /// # Errors
    /// When it is absent or cannot be read.
    pub fn required<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<T, HeaderError> {
        self.optional(name)?.ok_or(HeaderError::Missing(name))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}
