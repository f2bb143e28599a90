//! The desired state: what the file asks for, checked and with its defaults filled in.
//!
//! `yaml` parses the text into a tree with places, `file` and `shards` read it into structs that
//! mirror the file, `resolve` turns them into [`Desired`] by way of `nodes` and `slots`; `option`
//! knows the servers' options, `finding` is a mistake, `syntax` those of the form. Pure: text in, values or findings out.

mod access;
mod address;
mod conceal;
mod file;
mod finding;
mod nodes;
pub mod option;
mod places;
mod policy;
mod read;
mod resolve;
mod secrets;
mod shards;
mod slots;
mod syntax;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Address, NodeId, NodeName, Secret, ShardName, SlotSet};

pub use address::{dialled_node, is_announced_hostname, is_name};
pub use conceal::concealed;
pub use finding::{FINDINGS_SHOWN, Finding, Place, Related};
pub use option::{near_option, readable_value, same_value, settable_at_runtime, wire_value};
pub use places::{Places, Subject};

use finding::Findings;

/// The largest file that is read. A thousand nodes in long form are a twentieth of it.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// The desired state that a file asks for, or every mistake in it.
///
/// # Errors
///
/// All findings, in the order of the file; beyond the first hundred they are only counted.
pub fn parse(text: &str) -> Result<Desired, Vec<Finding>> {
    parse_with_places(text).map(|(desired, _)| desired)
}

/// Like [`parse`], with the places of hosts, shards and nodes in the file.
///
/// # Errors
///
/// As those of [`parse`].
pub fn parse_with_places(text: &str) -> Result<(Desired, Places), Vec<Finding>> {
    let mut findings = Findings::default();
    if text.len() > MAX_FILE_BYTES {
        findings.add(
            Place::top(),
            format!("the file has more than {} MiB", MAX_FILE_BYTES >> 20),
            "describe one cluster in one file",
        );
        return Err(findings.finish());
    }
    let mut tree = yaml::parse(text).map_err(|finding| vec![*finding])?;
    syntax::mend_colons(text, &mut tree, &mut findings);
    let file = file::file(&tree, &mut findings);
    let resolved = resolve::resolve(file, &mut findings);
    if findings.is_empty() {
        Ok(resolved)
    } else {
        Err(findings.finish())
    }
}

/// The name of a shard that nobody has named: a, b, …, z, aa, ab, …
#[must_use]
pub fn numbered(number: usize) -> String {
    let digit = char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]);
    match (number / 26).checked_sub(1) {
        None => digit.to_string(),
        Some(rest) => numbered(rest) + &digit.to_string(),
    }
}

/// The whole desired state. Every name in it refers to something that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    pub cluster: String,
    pub hosts: BTreeMap<HostName, Host>,
    /// In the order of the file, which decides slot shares, epochs and the order of the plan.
    pub shards: Vec<Shard>,
    /// Every declared node, primaries and replicas.
    pub nodes: BTreeMap<NodeName, Node>,
    pub policy: Policy,
    /// How members are reached that stand on no declared host.
    pub access: Access,
}

/// A host's name in the file; a node written as a bare address has that address as its host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HostName(pub String);

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub address: HostAddress,
    pub zone: Option<String>,
    /// The host's own, completed by that of the file.
    pub access: Access,
}

/// How rcl logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Without it a password is that of the default user.
    pub username: Option<String>,
    pub password: Option<Password>,
    pub tls: Option<Tls>,
}

/// A secret kept outside the file; `value` is filled in before anybody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    pub source: SecretSource,
    pub value: Option<Secret>,
}

/// PEM files, relative to the folder of the YAML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub ca: PathBuf,
    /// rcl's own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Looked for in the servers' certificates instead of the name or address that is dialled.
    pub server_name: Option<String>,
}

/// Where a host is reached: an address, or a DNS name that is looked up at run time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostAddress {
    Ip(IpAddr),
    Dns(String),
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub name: ShardName,
    /// Where the primary is placed; which node serves the slots right now is for the servers to say.
    pub primary: NodeName,
    pub replicas: Vec<NodeName>,
    pub slots: SlotShare,
}

impl Shard {
    /// The shard's nodes, its declared primary first.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }
}

/// Which slots a shard is to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotShare {
    Explicit(SlotSet),
    /// A share of what the explicit ranges leave, in proportion to the weight (at least 1).
    Auto {
        weight: u32,
    },
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: NodeName,
    pub host: HostName,
    pub port: u16,
    /// What peers and clients are told instead of the address that rcl dials.
    pub announce: Option<Announce>,
    /// `cluster-announce-hostname`.
    pub hostname: Option<String>,
    /// The identity pinned in the file.
    pub id: Option<NodeId>,
    /// The options held on this node: the file's, overridden by its host's. Keys are the
    /// modern spelling (`replica-`, never `slave-`), lower case.
    pub config: BTreeMap<String, Setting>,
}

impl Node {
    /// The client address that it is to announce, where the file gives one.
    #[must_use]
    pub fn announced(&self) -> Option<Address> {
        let announce = self.announce?;
        Some(Address::new(
            announce.ip,
            announce.port.unwrap_or(self.port),
        ))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    pub ip: IpAddr,
    pub port: Option<u16>,
    pub bus_port: Option<u16>,
}

/// The wanted value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// As written in the file.
    Plain(String),
    /// Kept outside the file; `value` is filled in before anything is compared.
    Secret {
        source: SecretSource,
        value: Option<Secret>,
    },
}

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    Env(String),
    /// Relative to the folder of the YAML file.
    File(PathBuf),
    /// Asked for on the terminal; a password of `access` only.
    Prompt,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub replicas_apart: Apart,
    /// Whether the primary role is brought back to the declared node.
    pub failback: bool,
    /// Members that the file doesn't name are removed.
    pub prune: bool,
    pub moves: Moves,
}

/// How slots move with their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    pub engine: Engine,
    /// The most keys in one MIGRATE.
    pub batch: u32,
    /// Waited after each MIGRATE.
    pub pause: Duration,
}

impl Default for Moves {
    fn default() -> Self {
        Self {
            engine: Engine::Auto,
            batch: 100,
            pause: Duration::ZERO,
        }
    }
}

/// Which way of moving slots the file asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The atomic one where both servers have it.
    #[default]
    Auto,
    Atomic,
    Classic,
}

/// What a replica must not share with its primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Apart {
    #[default]
    Host,
    Zone,
    Off,
}

impl Desired {
    /// The shard that a declared node belongs to.
    #[must_use]
    pub fn shard_of(&self, node: &NodeName) -> Option<&Shard> {
        self.shards
            .iter()
            .find(|shard| shard.nodes().any(|name| name == node))
    }

    /// How a declared node is reached.
    #[must_use]
    pub fn access_of(&self, node: &Node) -> &Access {
        self.host_of(node).map_or(&self.access, |host| &host.access)
    }

    #[must_use]
    pub fn host_of(&self, node: &Node) -> Option<&Host> {
        self.hosts.get(&node.host)
    }
}
