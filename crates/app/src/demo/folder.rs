//! Where the demo keeps what must outlive it: its file and its secrets, for its user alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A folder of mode 0700 with secrets of mode 0600.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) const WEBHOOK_SECRET: &str = "webhook.secret";
    pub(super) const LOGIN_SECRET: &str = "login.secret";
    pub(super) const API_KEY: &str = "api.key";

    /// Makes what is missing of it; secrets that are there stay.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot use the folder {}", path.display()))?;
        let folder = Self { path };
        for name in [Self::WEBHOOK_SECRET, Self::LOGIN_SECRET, Self::API_KEY] {
            folder
                .draw(name)
                .with_context(|| format!("cannot keep {}", folder.join(name).display()))?;
        }
        Ok(folder)
    }

    /// The one that somebody has made; nothing in it is made or changed.
    pub(super) fn existing(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let folder = Self { path };
        folder.join(Self::WEBHOOK_SECRET).exists().then_some(folder)
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Under another name first, so that a secret is there whole or not at all.
    fn draw(&self, name: &str) -> io::Result<()> {
        let path = self.join(name);
        if path.exists() {
            return Ok(());
        }
        let drawn = self.join(&format!("{name}-{:016x}", rand::random::<u64>()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&drawn)?;
        let secret: [u128; 2] = rand::random();
        write!(file, "{:032x}{:032x}", secret[0], secret[1])?;
        file.sync_all()?;
        let linked = fs::hard_link(&drawn, &path);
        fs::remove_file(&drawn)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes what is no secret.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_drawn_once_for_their_user_alone() {
        let root = std::env::temp_dir().join(format!("grantline-{:016x}", rand::random::<u64>()));
        let path = root.join("data");
        let secret = |name| fs::read_to_string(path.join(name)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

        Folder::open(&path).unwrap();
        let first = secret(Folder::WEBHOOK_SECRET);
        assert_eq!(first.len(), 64);
        assert_ne!(first, secret(Folder::LOGIN_SECRET));
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(Folder::API_KEY)), 0o600);

        Folder::open(&path).unwrap();
        assert_eq!(secret(Folder::WEBHOOK_SECRET), first);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_named() {
        let error = Folder::open(Path::new("/proc/none")).err().unwrap();
        assert!(error.to_string().contains("/proc/none"), "{error:#}");
    }
}
