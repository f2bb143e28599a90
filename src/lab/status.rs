//! Tells which nodes of the file run.

use std::path::Path;

use super::folder::look;
use super::ping::{Answer, ping};
use super::{LabError, local_address};
use crate::base::{Address, NodeName, Server};
use crate::desired::{Desired, Node};

#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// The nodes of the file in its order, then others that run in the lab.
    pub nodes: Vec<NodeStatus>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct NodeStatus {
    pub name: NodeName,
    pub address: Address,
    pub running: Running,
    pub declared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    Yes {
        pid: u32,
        server: Server,
    },
    /// The process is there, but gives no answer or still reads its data.
    Mute {
        pid: u32,
        server: Server,
    },
    No,
}

impl Status {
    /// Whether every node of the file runs and answers.
    #[must_use]
    pub fn all_run(&self) -> bool {
        self.nodes.iter().all(|node| match node.running {
            Running::Yes { .. } => true,
            Running::Mute { .. } | Running::No => !node.declared,
        })
    }
}

/// Looks, and changes nothing.
///
/// # Errors
/// When a node of the file can't be one of a lab, or when the lab's record can't be read.
pub fn status(desired: &Desired, dir: &Path) -> Result<Status, LabError> {
    let state = look(dir, &desired.cluster)?;
    let records = state.map(|state| state.nodes).unwrap_or_default();
    let running = |name: &NodeName| {
        let record = records.get(name)?;
        let pid = record.running()?.pid;
        let server = record.server;
        Some(match ping(record.address) {
            Answer::Ready => Running::Yes { pid, server },
            Answer::Loading | Answer::Silent => Running::Mute { pid, server },
        })
    };
    let declared: Vec<&Node> = desired
        .shards
        .iter()
        .flat_map(|shard| shard.nodes())
        .filter_map(|name| desired.nodes.get(name))
        .collect();
    let mut nodes = Vec::new();
    for node in declared {
        nodes.push(NodeStatus {
            name: node.name.clone(),
            address: local_address(desired, node)?,
            running: running(&node.name).unwrap_or(Running::No),
            declared: true,
        });
    }
    for (name, record) in &records {
        if !desired.nodes.contains_key(name)
            && let Some(running) = running(name)
        {
            nodes.push(NodeStatus {
                name: name.clone(),
                address: record.address,
                running,
                declared: false,
            });
        }
    }
    Ok(Status { nodes })
}
