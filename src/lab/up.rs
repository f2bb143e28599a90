//! Starts what does not run yet, and waits until every node answers.

use std::path::{Path, PathBuf};

use super::folder::Lab;
use super::start::{Launch, certificates, start};
use super::wait::{Awaited, wait};
use super::{LabError, Program, Settings, find_server, local_address, node_folder, ports};
use crate::base::{Address, NodeName};
use crate::conf::{Layout, NodeFiles, Place, Secrets, render};
use crate::desired::{Desired, Node};

/// What became of every node of the file, in its order.
#[derive(Debug)]
pub struct Up {
    pub dir: PathBuf,
    pub program: Program,
    pub nodes: Vec<UpNode>,
    /// Nodes that run in this lab but are not in the file.
    pub undeclared: Vec<NodeName>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct UpNode {
    pub name: NodeName,
    pub address: Address,
    pub pid: u32,
    pub outcome: UpOutcome,
}

#[derive(Debug, PartialEq, Eq)]
pub enum UpOutcome {
    Started,
    /// It ran already.
    Already,
    Failed {
        why: String,
        log: PathBuf,
        /// The last lines of the log.
        tail: Vec<String>,
    },
}

/// Starts the nodes that do not run.
///
/// # Errors
/// When something is wrong before the first node is started, or when the machine refuses a file or a process.
/// A node that does not come up is no error but an [`UpOutcome`].
pub fn up(desired: &Desired, settings: &Settings) -> Result<Up, LabError> {
    if !Path::new("/proc/self/stat").exists() {
        return Err(LabError::NoProc);
    }
    let nodes: Vec<(&Node, Address)> = desired
        .shards
        .iter()
        .flat_map(|shard| shard.nodes())
        .filter_map(|name| desired.nodes.get(name))
        .map(|node| Ok((node, local_address(desired, node)?)))
        .collect::<Result<_, LabError>>()?;
    let program = find_server(settings.server.as_deref())?;
    let files = rendered(desired, settings, &program)?;

    let mut lab = Lab::create(&settings.dir, &desired.cluster)?;
    let launches = launches(&lab, desired, settings, &nodes, &files)?;
    for launch in &launches {
        ports::check(&launch.node.name, launch.address)?;
    }
    let mut children = Vec::new();
    for launch in &launches {
        children.push((launch.node.name.clone(), start(&mut lab, &program, launch)?));
    }
    let mut awaited = Vec::new();
    for (node, address) in &nodes {
        let child = children.iter().position(|(name, _)| *name == node.name);
        if let Some(record) = lab.state.nodes.get(&node.name)
            && let Some(process) = &record.process
        {
            awaited.push(Awaited {
                name: node.name.clone(),
                address: *address,
                log: lab.dir.join(node_folder(node)).join("redis.log"),
                process: process.clone(),
                child: child.map(|index| children.swap_remove(index).1),
            });
        }
    }
    Ok(Up {
        undeclared: undeclared(desired, &lab),
        dir: lab.dir,
        program,
        nodes: wait(awaited),
    })
}

fn rendered(
    desired: &Desired,
    settings: &Settings,
    program: &Program,
) -> Result<Vec<NodeFiles>, LabError> {
    let layout = Layout {
        place: Place::ThisMachine(settings.dir.clone()),
        server_bin: program.path.clone(),
        // The units are not written, so nobody is named in them.
        user: String::new(),
        server: Some(program.server),
        secrets: Secrets::Stdin,
    };
    Ok(render(desired, &layout)?)
}

/// The nodes that do not run, with all that is needed to start them.
fn launches<'a>(
    lab: &Lab,
    desired: &Desired,
    settings: &Settings,
    nodes: &[(&'a Node, Address)],
    files: &'a [NodeFiles],
) -> Result<Vec<Launch<'a>>, LabError> {
    let mut launches = Vec::new();
    for (node, address) in nodes {
        if let Some(record) = lab.state.nodes.get(&node.name)
            && record.running().is_some()
        {
            if record.address != *address {
                return Err(LabError::Moved {
                    node: node.name.clone(),
                    running: record.address,
                    wanted: *address,
                });
            }
        } else if let Some(files) = files.iter().find(|files| files.node == node.name) {
            let certificates = certificates(desired, node, &settings.beside)?;
            launches.push(Launch::new(node, *address, files, &certificates)?);
        }
    }
    Ok(launches)
}

fn undeclared(desired: &Desired, lab: &Lab) -> Vec<NodeName> {
    lab.state
        .nodes
        .iter()
        .filter(|(name, record)| !desired.nodes.contains_key(name) && record.running().is_some())
        .map(|(name, _)| name.clone())
        .collect()
}
