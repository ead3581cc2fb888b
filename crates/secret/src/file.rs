//! A file that holds a secret and may be exchanged at any time.
//!
//! The content is read again, not the time stamp: files are small, two writes may carry one
//! stamp, and Kubernetes exchanges a symbolic link two levels up. Reading follows all links.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{MAX_FILE_BYTES, Revealed, SecretFault};

/// A use within this time of the last look answers from memory.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Watched {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    value: Revealed,
    looked_at: Instant,
    failing: bool,
}

impl Watched {
    pub(crate) fn open(path: PathBuf, now: Instant) -> Result<Self, SecretFault> {
        let value = Revealed::new(read(&path)?);
        Ok(Self {
            path,
            state: Mutex::new(State {
                value,
                looked_at: now,
                failing: false,
            }),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn current(&self, now: Instant) -> Revealed {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked_at) >= LOOK_INTERVAL {
            state.looked_at = now;
            state.look(&self.path);
        }
        state.value.clone()
    }
}

impl State {
    fn look(&mut self, path: &Path) {
        match read(path) {
            Ok(value) => {
                if !bool::from(value.as_bytes().ct_eq(self.value.as_bytes())) {
                    self.value = Revealed::new(value);
                    tracing::info!(file.path = %path.display(), "Secret file changed");
                } else if self.failing {
                    tracing::info!(file.path = %path.display(), "Secret file is readable again");
                }
                self.failing = false;
            }
            // Once per outage: this runs every second of every busy role.
            Err(fault) if !self.failing => {
                self.failing = true;
                tracing::error!(
                    file.path = %path.display(),
                    error = &fault as &dyn std::error::Error,
                    "Secret file is not usable; the last good value stays",
                );
            }
            Err(_) => {}
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, SecretFault> {
    let unreadable = |source| SecretFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // Room for all of it from the start: growing would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 1));
    let limit = u64::try_from(MAX_FILE_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(SecretFault::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretFault::NotText {
        path: path.to_owned(),
    })?;
    let text = text
        .strip_suffix("\r\n")
        .or_else(|| text.strip_suffix('\n'))
        .unwrap_or(text);
    if text.is_empty() {
        return Err(SecretFault::EmptyFile {
            path: path.to_owned(),
        });
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests;
