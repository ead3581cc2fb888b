//! The instance file: a running instance says where it listens and where its secrets are,
//! so that `grantline play` finds it without being told.
//!
//! It holds paths of secrets and none of their values. Relative paths start at its folder.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secret::{Secret, SecretFault};
use serde::{Deserialize, Serialize};

use crate::target::{GameClient, GameServer, Target, Webhook};

/// Where an instance is, and where the keys to it are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Xsolla's project id.
    pub project: i64,
    /// Where notices go: the whole URL.
    pub webhook_url: String,
    /// The file with the secret that signs them.
    pub webhook_secret_file: PathBuf,
    /// Where game clients connect: scheme, host and port.
    pub client_url: String,
    /// The file with the secret of the players' tokens.
    pub login_secret_file: PathBuf,
    /// The Login project the tokens name.
    pub login_project: String,
    /// The issuer the tokens name.
    pub issuer: String,
    /// Where game servers ask: scheme, host and port.
    pub api_url: String,
    /// The file with a key that may register and read.
    pub api_key_file: PathBuf,
}

/// Why an instance file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// It is not there, or cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The instance file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is not what an instance writes.
    #[error("{} is no instance file", path.display())]
    Content {
        /// The instance file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: toml::de::Error,
    },
    /// A secret it names cannot be read. The instance may have ended.
    #[error("cannot use a secret that {} names", path.display())]
    Secret {
        /// The instance file.
        path: PathBuf,
        /// What is wrong with the secret.
        #[source]
        source: SecretFault,
    },
}

impl Instance {
    /// Where an instance leaves its file and where it is looked for, from the working
    /// folder, unless somebody says otherwise.
    pub const DEFAULT_PATH: &str = "grantline-data/instance.toml";

    /// Reads the file of an instance.
    ///
    /// # Errors
    /// When it is missing or no instance file.
    pub fn read(path: &Path) -> Result<Self, InstanceError> {
        let text = fs::read_to_string(path).map_err(|source| InstanceError::File {
            path: path.to_owned(),
            source,
        })?;
        let mut instance: Self =
            toml::from_str(&text).map_err(|source| InstanceError::Content {
                path: path.to_owned(),
                source,
            })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [
            &mut instance.webhook_secret_file,
            &mut instance.login_secret_file,
            &mut instance.api_key_file,
        ] {
            *file = folder.join(&file);
        }
        Ok(instance)
    }

    /// Leaves the file for others to find, readable by this user alone, and makes its
    /// folder if there is none.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), InstanceError> {
        let text = toml::to_string(self).map_err(io::Error::other);
        text.and_then(|text| write_private(path, &text))
            .map_err(|source| InstanceError::File {
                path: path.to_owned(),
                source,
            })
    }

    /// The keys to the instance. `path` is named in errors.
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub fn target(&self, path: &Path) -> Result<Target, InstanceError> {
        let secret = |file: &Path| {
            Secret::from_file(file).map_err(|source| InstanceError::Secret {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Target {
            webhook: Webhook {
                url: self.webhook_url.clone(),
                secret: secret(&self.webhook_secret_file)?,
            },
            client: Some(GameClient {
                url: self.client_url.clone(),
                login_secret: secret(&self.login_secret_file)?,
                login_project: self.login_project.clone(),
                issuer: self.issuer.clone(),
            }),
            server: Some(GameServer {
                url: self.api_url.clone(),
                key: secret(&self.api_key_file)?,
            }),
        })
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty())
        && !folder.exists()
    {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    // A file that is there already may be readable by others.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = format!("grantline-instance-{:016x}", rand::random::<u64>());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn instance() -> Instance {
        Instance {
            project: 44_056,
            webhook_url: "http://127.0.0.1:1/webhooks/xsolla/44056".to_owned(),
            webhook_secret_file: "webhook.secret".into(),
            client_url: "http://127.0.0.1:2".to_owned(),
            login_secret_file: "/elsewhere/login.secret".into(),
            login_project: "00000000-0000-4000-8000-000000000001".to_owned(),
            issuer: "https://login.example".to_owned(),
            api_url: "http://127.0.0.1:3".to_owned(),
            api_key_file: "api.key".into(),
        }
    }

    #[test]
    fn what_is_written_is_private_and_read_back_with_paths_from_its_folder() {
        let folder = Folder::new();
        let path = folder.0.join("data/instance.toml");
        instance().write(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        instance().write(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let read = Instance::read(&path).unwrap();
        assert_eq!(
            read.webhook_secret_file,
            folder.0.join("data/webhook.secret")
        );
        assert_eq!(read.login_secret_file, Path::new("/elsewhere/login.secret"));
        assert_eq!(read.webhook_url, instance().webhook_url);
    }

    #[test]
    fn a_missing_secret_and_a_foreign_file_are_told_apart() {
        let folder = Folder::new();
        let path = folder.0.join("instance.toml");
        instance().write(&path).unwrap();
        let target = Instance::read(&path).unwrap().target(&path);
        assert!(matches!(target, Err(InstanceError::Secret { .. })));
        fs::write(&path, "[projects.1]\n").unwrap();
        assert!(matches!(
            Instance::read(&path),
            Err(InstanceError::Content { .. })
        ));
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            Instance::read(&path),
            Err(InstanceError::File { .. })
        ));
    }
}
