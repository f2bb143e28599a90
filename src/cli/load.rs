//! From a file's name to its desired state: reading, secrets, host names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use thiserror::Error;

use crate::base::{Address, NodeName};
use crate::desired::{Desired, Finding, HostName, MAX_FILE_BYTES, parse};
use crate::net::{Keyring, resolve};
use crate::observe::Targets;
use crate::plan::{SavedPlan, content_hash};

use super::access::{AccessError, Accesses, SecretError, secret};

/// How long a name server may take.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// A file that was read and understood.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// As people named it.
    pub(super) name: String,
    /// What tells it from the same file with another content.
    pub(super) sha256: String,
    pub(super) desired: Desired,
    accesses: Accesses,
}

impl Loaded {
    /// Who rcl is to each of the nodes.
    pub(super) fn keyring(&self, targets: &Targets) -> Keyring {
        self.accesses.keyring(&self.desired, targets)
    }
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
    #[error("{file}: {why}")]
    NoAccess { file: String, why: AccessError },
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
    let Loaded {
        name,
        sha256,
        mut desired,
        ..
    } = loaded;
    let beside = path.parent().unwrap_or(Path::new(""));
    let cluster = format!("cluster {}", desired.cluster);
    if let Err(errors) = desired.resolve_secrets(|source| secret(source, beside, &cluster)) {
        return Err(LoadError::NoSecrets { file: name, errors });
    }
    match Accesses::read(&desired, beside) {
        Ok(accesses) => Ok(Loaded {
            name,
            sha256,
            desired,
            accesses,
        }),
        Err(why) => Err(LoadError::NoAccess { file: name, why }),
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
    if SavedPlan::is_one(text.as_bytes()) {
        return Err(LoadError::Unreadable {
            file,
            why: "it is a saved plan, which only rcl apply and rcl plan take".to_owned(),
        });
    }
    match parse(&text) {
        Ok(desired) => Ok(Loaded {
            name: file,
            sha256: content_hash(&text),
            desired,
            accesses: Accesses::default(),
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
