//! From a file's name to its desired state: reading, secrets, host names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use thiserror::Error;

use crate::base::{Address, NodeName, Secret};
use crate::desired::{Desired, Finding, HostName, MAX_FILE_BYTES, SecretSource, parse};
use crate::net::resolve;
use crate::observe::Targets;

/// How long a name server may take.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// A file that was read and understood.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// As people named it.
    pub(super) name: String,
    pub(super) desired: Desired,
}

/// Why there is no desired state.
#[derive(Debug, Error)]
pub(super) enum LoadError {
    #[error("{file} can't be read: {why}")]
    Unreadable { file: String, why: String },
    #[error("{file} has mistakes")]
    Mistakes {
        file: String,
        text: String,
        findings: Vec<Finding>,
    },
    #[error("{file} needs secrets that are not to be had: {}", list(.errors))]
    NoSecrets {
        file: String,
        errors: Vec<SecretError>,
    },
}

/// Why a secret is not to be had.
#[derive(Debug, Error)]
pub(super) enum SecretError {
    #[error("the environment variable {name} is not set")]
    Variable { name: String },
    #[error("{} can't be read ({source})", .path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
}

fn list(errors: &[SecretError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Reads a file and fills in its secrets.
///
/// # Errors
/// When the file, or a secret that it refers to, can't be read, or the file has mistakes.
pub(super) fn load(path: &Path) -> Result<Loaded, LoadError> {
    let loaded = load_without_secrets(path)?;
    let Loaded { name, mut desired } = loaded;
    match desired.resolve_secrets(|source| secret(path, source)) {
        Ok(()) => Ok(Loaded { name, desired }),
        Err(errors) => Err(LoadError::NoSecrets { file: name, errors }),
    }
}

/// Reads a file; its secrets stay unknown.
///
/// # Errors
/// When the file can't be read or has mistakes.
pub(super) fn load_without_secrets(path: &Path) -> Result<Loaded, LoadError> {
    let file = path.display().to_string();
    let text = read(path).map_err(|why| LoadError::Unreadable {
        file: file.clone(),
        why,
    })?;
    match parse(&text) {
        Ok(desired) => Ok(Loaded {
            name: file,
            desired,
        }),
        Err(findings) => Err(LoadError::Mistakes {
            file,
            text,
            findings,
        }),
    }
}

/// The file's text. Reading stops just beyond the size that is refused anyway.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(format!(
            "it has more than {} MiB; describe one cluster in one file",
            MAX_FILE_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })
}

fn secret(path: &Path, source: &SecretSource) -> Result<Secret, SecretError> {
    match source {
        SecretSource::Env(name) => std::env::var(name)
            .map(Secret::new)
            .map_err(|_| SecretError::Variable { name: name.clone() }),
        SecretSource::File(secret) => {
            let secret = path.parent().unwrap_or(Path::new("")).join(secret);
            match std::fs::read_to_string(&secret) {
                // Editors and `echo` end a file with a line break that is no part of the secret.
                Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(source) => Err(SecretError::File {
                    path: secret,
                    source,
                }),
            }
        }
    }
}

/// Where the file has nodes announced, each with its bus port, where that is given.
fn announced(desired: &Desired) -> BTreeMap<NodeName, (Address, Option<u16>)> {
    let nodes = desired.nodes.values();
    nodes
        .filter_map(|node| {
            let bus_port = node.announce?.bus_port;
            Some((node.name.clone(), (node.announced()?, bus_port)))
        })
        .collect()
}

/// Looks all hosts up at once and says where each declared node is to be asked.
pub(super) async fn targets(desired: &Desired) -> Targets {
    let lookups = desired.hosts.iter().map(|(name, host)| async {
        (
            name.clone(),
            resolve(&host.address.to_string(), RESOLVE_WITHIN).await,
        )
    });
    let hosts: BTreeMap<HostName, _> = join_all(lookups).await.into_iter().collect();
    let nodes = desired.nodes.values().map(|node| {
        let found = match hosts.get(&node.host) {
            Some(Ok(ips)) => Ok(ips.iter().map(|ip| Address::new(*ip, node.port)).collect()),
            Some(Err(words)) => Err(words.clone()),
            None => Err("its host is unknown".to_owned()),
        };
        (node.name.clone(), found)
    });
    Targets {
        nodes: nodes.collect(),
        announced: announced(desired),
        questions: crate::diff::questions(desired),
    }
}
