//! How servers are reached: secrets from where they are kept, certificates from their files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::base::Secret;
use crate::desired::{self, Desired, HostAddress, HostName, SecretSource};
use crate::net::{Access, Keyring, Tls, TlsError};
use crate::observe::Targets;

use super::prompt::ask;

/// No password, certificate or key is longer.
const LONGEST: u64 = 1 << 20;

/// Whom others must not be: the bits of a file's mode that let the group and all others read or write it.
const OTHERS: u32 = 0o066;

/// Why a secret is not to be had.
#[derive(Debug, Error)]
pub(super) enum SecretError {
    #[error("the environment variable {name} is not set")]
    Variable { name: String },
    #[error("{} can't be read ({source})", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} can be read or written by others than its owner (its mode is {mode:04o}): chmod 600 {}", .path.display(), .path.display())]
    Others { path: PathBuf, mode: u32 },
    #[error("{what} can't be asked for ({source})")]
    Prompt { what: String, source: io::Error },
}

/// Why servers can't be reached as the file says.
#[derive(Debug, Error)]
pub(super) enum AccessError {
    #[error("{0}")]
    File(SecretError),
    #[error("the password of user {user} is empty")]
    Empty { user: String },
    #[error("{}: {source}", .path.display())]
    Tls { path: PathBuf, source: TlsError },
}

/// Finds a secret; `beside` is the folder of the file that refers to it, `what` the name of who needs it.
pub(super) fn secret(
    source: &SecretSource,
    beside: &Path,
    what: &str,
) -> Result<Secret, SecretError> {
    match source {
        SecretSource::Env(name) => std::env::var(name)
            .map(Secret::new)
            .map_err(|_| SecretError::Variable { name: name.clone() }),
        SecretSource::File(path) => {
            let path = beside.join(path);
            let bytes = private(&path)?;
            match std::str::from_utf8(&bytes) {
                // Editors and `echo` end a file with a line break that is no part of the secret.
                Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(error) => Err(SecretError::File {
                    path,
                    source: io::Error::new(io::ErrorKind::InvalidData, error),
                }),
            }
        }
        SecretSource::Prompt => ask(&format!("Password for {what}: ")).map_err(|source| {
            let what = format!("the password for {what}");
            SecretError::Prompt { what, source }
        }),
    }
}

/// The content of a file that only its owner may read.
fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let unreadable = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(SecretError::Others {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    content(file).map_err(unreadable)
}

fn content(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How servers are logged in to where no file says it. There is no argument for a password: others could read it.
#[derive(Clone, Debug, Default, Args)]
pub struct LoginArgs {
    /// Log in as this user (or as default), with the password in $RCL_PASSWORD; without it, it is asked for
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Speak TLS, and trust the authorities in this PEM file
    #[arg(long, value_name = "PATH")]
    tls_ca: Option<PathBuf>,
    /// The certificate that rcl shows
    #[arg(long, value_name = "PATH", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "PATH", requires_all = ["tls_ca", "tls_cert"])]
    tls_key: Option<PathBuf>,
    /// The name in the servers' certificates [default: the address]
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_name: Option<String>,
}

/// Where the password is looked for, of `--user` or else of the default user.
const PASSWORD_VARIABLE: &str = "RCL_PASSWORD";

impl LoginArgs {
    pub(super) fn is_given(&self) -> bool {
        self.user.is_some() || self.tls_ca.is_some()
    }

    /// What to write in a file, and the same for use.
    ///
    /// # Errors
    /// When the password or a file of TLS is not to be had.
    pub(super) fn keyring(&self, place: &str) -> Result<(desired::Access, Keyring), AccessError> {
        let here = Path::new("");
        let password = match (&self.user, std::env::var_os(PASSWORD_VARIABLE)) {
            (None, None) => None,
            (user, given) => {
                let source = match (user, given) {
                    (_, Some(_)) => SecretSource::Env(PASSWORD_VARIABLE.to_owned()),
                    (Some(_) | None, None) => SecretSource::Prompt,
                };
                let value = secret(&source, here, place).map_err(AccessError::File)?;
                Some(desired::Password {
                    source,
                    value: Some(value),
                })
            }
        };
        let access = desired::Access {
            username: self.user.clone(),
            password,
            tls: self.tls_ca.clone().map(|ca| desired::Tls {
                ca,
                identity: self.tls_cert.clone().zip(self.tls_key.clone()),
                server_name: self.tls_name.clone(),
            }),
        };
        let keyring = Keyring::new(Arc::new(one(&access, None, here)?));
        Ok((access, keyring))
    }
}

/// How the nodes of a file are reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Accesses {
    everyone: Arc<Access>,
    hosts: BTreeMap<HostName, Arc<Access>>,
}

impl Accesses {
    /// From a file whose secrets are filled in; `beside` is its folder.
    ///
    /// # Errors
    /// When a file of `tls` can't be read or isn't what it is to be.
    pub(super) fn read(desired: &Desired, beside: &Path) -> Result<Self, AccessError> {
        let everyone = Arc::new(one(&desired.access, None, beside)?);
        let mut hosts = BTreeMap::new();
        for (name, host) in &desired.hosts {
            let dns = match &host.address {
                HostAddress::Dns(dns) if host.access.tls.is_some() => Some(dns.as_str()),
                HostAddress::Dns(_) | HostAddress::Ip(_) => None,
            };
            let access = match dns.is_none() && host.access == desired.access {
                true => Arc::clone(&everyone),
                false => Arc::new(one(&host.access, dns, beside)?),
            };
            hosts.insert(name.clone(), access);
        }
        Ok(Self { everyone, hosts })
    }

    /// By the addresses that the hosts have.
    pub(super) fn keyring(&self, desired: &Desired, targets: &Targets) -> Keyring {
        let mut keyring = Keyring::new(Arc::clone(&self.everyone));
        for node in desired.nodes.values() {
            let Some(access) = self.hosts.get(&node.host) else {
                continue;
            };
            let dialled = targets
                .nodes
                .get(&node.name)
                .and_then(|at| at.as_ref().ok());
            for address in dialled.into_iter().flatten() {
                keyring.insert(*address, access);
            }
            if let Some((address, _)) = targets.announced.get(&node.name) {
                keyring.insert(*address, access);
            }
        }
        keyring
    }
}

/// `dns` is the name that the host is dialled by.
fn one(access: &desired::Access, dns: Option<&str>, beside: &Path) -> Result<Access, AccessError> {
    let login = access.login();
    if let Some(login) = login
        .as_ref()
        .filter(|login| login.password.expose().is_empty())
    {
        return Err(AccessError::Empty {
            user: login.user().to_owned(),
        });
    }
    let tls = match &access.tls {
        Some(tls) => Some(encrypted(tls, dns, beside)?),
        None => None,
    };
    Ok(Access { login, tls })
}

fn encrypted(tls: &desired::Tls, dns: Option<&str>, beside: &Path) -> Result<Tls, AccessError> {
    let ca = beside.join(&tls.ca);
    let open = |path: &Path| {
        File::open(path)
            .and_then(content)
            .map_err(|source| SecretError::File {
                path: path.to_owned(),
                source,
            })
            .map_err(AccessError::File)
    };
    let trusted = open(&ca)?;
    let identity = match &tls.identity {
        Some((cert, key)) => Some((
            open(&beside.join(cert))?,
            private(&beside.join(key)).map_err(AccessError::File)?,
        )),
        None => None,
    };
    let identity = identity
        .as_ref()
        .map(|(cert, key)| (cert.as_slice(), key.as_slice()));
    let name = tls.server_name.as_deref().or(dns);
    Tls::new(&trusted, identity, name).map_err(|source| {
        let (cert, key) = tls.identity.clone().unwrap_or_default();
        let path = match &source {
            TlsError::Ca { .. } | TlsError::Name { .. } => ca,
            TlsError::Cert { .. } => beside.join(cert),
            TlsError::Key { .. } | TlsError::Mismatch { .. } => beside.join(key),
        };
        AccessError::Tls { path, source }
    })
}
