//! Certificates of an authority that lives as long as a test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// Stands in every certificate of a server.
pub(crate) const SERVER_NAME: &str = "redis.internal";

/// An authority, and the folder with what it issued.
pub(crate) struct Certs {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
}

impl Certs {
    /// A new authority; its own certificate is in `ca.pem`.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "the authority of a test");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("the file is written");
        Self {
            folder,
            authority: Issuer::new(params, key),
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes `NAME.pem` and `NAME.key`, valid for these names and addresses.
    pub(crate) fn issue(&self, folder: &Path, name: &str, subjects: &[&str]) {
        self.write(folder, name, subjects, false);
    }

    /// The same, and its time is over.
    pub(crate) fn issue_expired(&self, folder: &Path, name: &str, subjects: &[&str]) {
        self.write(folder, name, subjects, true);
    }

    fn write(&self, folder: &Path, name: &str, subjects: &[&str], expired: bool) {
        let subjects: Vec<String> = subjects.iter().map(|text| (*text).to_owned()).collect();
        let mut params = CertificateParams::new(subjects).expect("names of certificates");
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority);
        let pem = certificate.expect("a certificate").pem();
        fs::write(folder.join(format!("{name}.pem")), pem).expect("the file is written");
        let path = folder.join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).expect("the file is written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode is set");
    }
}
