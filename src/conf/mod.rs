//! What a node starts from: its `redis.conf` and its systemd unit, as texts.
//!
//! `redis` writes the configuration, `secrets` the lines that are kept out of it, `unit` the systemd unit, `quote` the words of either. Pure: a desired state in,
//! texts out; who calls [`render`] writes the files.

mod quote;
mod redis;
mod secrets;
mod unit;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::base::{NodeName, Server};
use crate::desired::{Desired, HostName, Node, Setting, wire_value};

pub use quote::conf_word;
pub use redis::source_words;
pub use secrets::SecretLine;

/// How long a server may need to notice a failure and to elect a replica, in milliseconds, when the file says nothing.
const DEFAULT_NODE_TIMEOUT_MS: u64 = 15_000;

/// Where things are on the machines that run the nodes.
#[derive(Clone, Debug)]
pub struct Layout {
    pub place: Place,
    pub server_bin: PathBuf,
    /// The user that the units run the server as.
    pub user: String,
    /// The server that will read the texts, when it is known.
    pub server: Option<Server>,
    pub secrets: Secrets,
}

/// Where a node's folder is. It holds the node's configuration, log and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Every host is a machine of its own: `DIR/CLUSTER/PORT`.
    Machines(PathBuf),
    /// All hosts are this machine: `DIR/HOST/PORT`.
    ThisMachine(PathBuf),
}

/// How a node gets the values that are kept outside the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// From a file beside the folders of the host's nodes, which the configuration includes.
    Included,
    /// From the standard input of the server.
    Stdin,
}

/// What one node starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFiles {
    pub node: NodeName,
    pub host: HostName,
    /// The node's folder on the machine that runs it.
    pub folder: PathBuf,
    /// `HOST/PORT/redis.conf`
    pub conf_path: PathBuf,
    pub conf: String,
    /// `HOST/rcl-CLUSTER-PORT.service`
    pub unit_path: PathBuf,
    pub unit: String,
    /// Where the node's secrets are expected on its machine; none when it has no secret.
    pub secrets: Option<SecretsFile>,
}

/// A file that somebody has to write on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsFile {
    pub path: PathBuf,
    pub lines: Vec<SecretLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfError {
    #[error(
        "`{option}` can't be declared for {node}: rcl writes it itself, from the node's address, `announce`, `hostname` and folder; take it out of `config`"
    )]
    Placed { node: NodeName, option: String },
}

/// The files of every node, in the order of the file's shards.
///
/// # Errors
/// When an option is declared that belongs to a single node.
pub fn render(desired: &Desired, layout: &Layout) -> Result<Vec<NodeFiles>, ConfError> {
    desired
        .shards
        .iter()
        .flat_map(|shard| shard.nodes())
        .filter_map(|name| desired.nodes.get(name))
        .map(|node| render_node(desired, node, layout))
        .collect()
}

fn render_node(desired: &Desired, node: &Node, layout: &Layout) -> Result<NodeFiles, ConfError> {
    let folder = layout.place.folder(&desired.cluster, node);
    let host = folder_name(&node.host);
    let secrets = secrets_of(desired, node, layout);
    Ok(NodeFiles {
        node: node.name.clone(),
        host: node.host.clone(),
        conf_path: PathBuf::from(format!("{host}/{}/redis.conf", node.port)),
        conf: redis::conf(desired, node, layout, &folder)?,
        unit_path: PathBuf::from(format!(
            "{host}/{}",
            unit::name(&desired.cluster, node.port)
        )),
        unit: unit::unit(desired, node, layout, &folder),
        folder,
        secrets,
    })
}

impl Place {
    /// The node's folder.
    #[must_use]
    pub fn folder(&self, cluster: &str, node: &Node) -> PathBuf {
        let port = node.port.to_string();
        match self {
            Self::Machines(dir) => dir.join(cluster).join(port),
            Self::ThisMachine(dir) => dir.join(folder_name(&node.host)).join(port),
        }
    }
}

/// The file of a host's secrets, beside the folders of its nodes: they share the host's values.
fn secrets_of(desired: &Desired, node: &Node, layout: &Layout) -> Option<SecretsFile> {
    let lines = secrets::lines(desired, node, layout);
    let folder = layout.place.folder(&desired.cluster, node);
    let dir = folder.parent().unwrap_or(Path::new("/"));
    (!lines.is_empty()).then(|| SecretsFile {
        path: dir.join("secrets.conf"),
        lines,
    })
}

/// A host's name as a folder. Names hold letters, digits, `.`, `_` and `-`; a bare IPv6 address as host also holds
/// colons, which `scp` and `rsync` would take for a remote host, so they become a sign that no name can hold.
#[must_use]
pub fn folder_name(host: &HostName) -> String {
    host.0.trim_matches(['[', ']']).replace(':', "+")
}

/// `cluster-node-timeout` in milliseconds as far as the file declares it.
fn node_timeout_ms(node: &Node) -> u64 {
    match node.config.get("cluster-node-timeout") {
        Some(Setting::Plain(text)) => wire_value("cluster-node-timeout", text)
            .parse()
            .unwrap_or(DEFAULT_NODE_TIMEOUT_MS),
        Some(Setting::Secret { .. }) | None => DEFAULT_NODE_TIMEOUT_MS,
    }
}
#[cfg(test)]
mod tests;
