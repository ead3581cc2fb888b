//! An authority of this test alone, and what it signs.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};

/// Removed with all that is in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("grantline-tls-{:016x}", RandomState::new().hash_one(()));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate, in a file of this name.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> PathBuf {
        folder.write(name, &self.0.pem())
    }

    /// What servers on this machine need, by the names that the scripts expect.
    pub(crate) fn serve(&self, folder: &Folder) {
        self.write(folder, "ca.pem");
        self.sign(folder, "server", &named("localhost", &["localhost"]));
    }

    /// A client's certificate and key.
    pub(crate) fn client(&self, folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
        self.sign(folder, "client", &named(name, &[]))
    }

    fn sign(&self, folder: &Folder, file: &str, params: &CertificateParams) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (
            folder.write(&format!("{file}.pem"), &certificate.pem()),
            folder.write(&format!("{file}.key"), &key.serialize_pem()),
        )
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
