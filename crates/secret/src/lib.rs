//! Secrets from the configuration: a value or a file that is read again when it changes.
//!
//! In TOML a secret is a text (`url = "amqp://…"`) or the path of a file. Every key that
//! takes a secret has a twin with `_file` behind its name: `url_file = "/run/secrets/amqp"`,
//! and for a list `webhook_secrets_file = ["/run/secrets/a", "/run/secrets/b"]`. The loader
//! in `app` turns the twin into the form `{ file = "…" }` before a section is read, so the
//! owner of a section declares one field: `url: Secret`.
//!
//! Invariant: nothing here prints a value. `Debug` shows `***`, there is no `Display` and no
//! `Serialize`, faults name the file alone, and the memory is wiped when the last user lets go.

mod file;
mod form;
mod tls;

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use file::Watched;

pub use tls::{Endpoint, Tls, TlsFault};

/// The largest secret file, in bytes: a key with its chain fits many times.
pub const MAX_FILE_BYTES: usize = 64 * 1024;

/// A secret of the configuration: never empty, cheap to clone, never printed.
///
/// Clones share one state: a file is read once for all of them.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Inline(Revealed),
    File(Arc<Watched>),
}

/// Why a secret cannot be used. Names the file, never what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// The text, or the file without its last newline, has no byte in it.
    #[error("the secret is empty")]
    Empty,
    /// The file does not exist or cannot be read by this process.
    #[error("the secret file {} cannot be read", path.display())]
    Unreadable {
        /// The path as configured.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file has no byte in it but perhaps a newline.
    #[error("the secret file {} is empty", path.display())]
    EmptyFile {
        /// The path as configured.
        path: PathBuf,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("the secret file {} is larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The path as configured.
        path: PathBuf,
    },
    /// The file is not UTF-8 text.
    #[error("the secret file {} is not UTF-8 text", path.display())]
    NotText {
        /// The path as configured.
        path: PathBuf,
    },
}

impl Secret {
    /// A secret given as a value.
    ///
    /// # Errors
    /// [`SecretFault::Empty`].
    pub fn inline(value: impl Into<String>) -> Result<Self, SecretFault> {
        let value = Zeroizing::new(value.into());
        if value.is_empty() {
            return Err(SecretFault::Empty);
        }
        Ok(Self(Source::Inline(Revealed::new(value))))
    }

    /// A secret that stands in a file, read now and again when it changes.
    ///
    /// # Errors
    /// The file is missing, unreadable, empty, too large or not text.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, SecretFault> {
        let watched = Watched::open(path.into(), Instant::now())?;
        Ok(Self(Source::File(Arc::new(watched))))
    }

    /// The value of this moment. One newline at a file's end is not part of it.
    ///
    /// A file is looked at no more than once a second, on the calling thread; secret files
    /// are small and lie on a local disk or in memory. While it is missing, empty or
    /// otherwise unusable, the last good value stays and one error is logged.
    ///
    /// Call it for each use and keep nothing, or a rotation is missed.
    #[must_use]
    pub fn reveal(&self) -> Revealed {
        match &self.0 {
            Source::Inline(value) => value.clone(),
            Source::File(watched) => watched.current(Instant::now()),
        }
    }

    /// Whether `candidate` is this secret, in a time that does not tell where they differ.
    /// (It tells whether their lengths do.)
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.reveal().as_bytes().ct_eq(candidate).into()
    }

    /// The file it comes from, where it does.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Source::Inline(_) => None,
            Source::File(watched) => Some(watched.path()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Inline(_) => f.write_str("Secret(***)"),
            Source::File(watched) => write!(f, "Secret(*** from {})", watched.path().display()),
        }
    }
}

/// A secret's value at the moment it was asked for. Reads as `&str`; wiped when dropped.
#[derive(Clone)]
pub struct Revealed(Arc<Zeroizing<String>>);

impl Revealed {
    fn new(value: Zeroizing<String>) -> Self {
        Self(Arc::new(value))
    }
}

impl Deref for Revealed {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_stars_alone() {
        let secret = Secret::inline("canary-7f3a").unwrap();
        let shown = format!("{secret:?} {:?}", secret.reveal());
        assert_eq!(shown, "Secret(***) ***");
        assert_eq!(&*secret.reveal(), "canary-7f3a");
    }

    #[test]
    fn an_empty_secret_is_a_fault() {
        assert!(matches!(Secret::inline(""), Err(SecretFault::Empty)));
    }

    #[test]
    fn only_the_same_bytes_match() {
        let secret = Secret::inline("abc").unwrap();
        assert!(secret.matches(b"abc"));
        for other in [&b"abd"[..], b"ab", b"abcd", b"", b"ABC"] {
            assert!(!secret.matches(other), "{other:?}");
        }
    }
}
