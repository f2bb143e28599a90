//! Ends the processes that the lab started, and no other.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Lab;
use super::wipe::{Wiped, wipe};
use super::{Identity, LabError, POLL};
use crate::base::NodeName;

/// How long a server gets to save its data. A primary also waits up to 10 s for replicas that lag (`shutdown-timeout`,
/// since Redis 7.0).
const TERMINATE_DEADLINE: Duration = Duration::from_secs(15);

/// How long the kernel gets to remove a killed process.
const KILL_DEADLINE: Duration = Duration::from_secs(5);

/// What became of the nodes that were ever started in the lab.
#[derive(Debug, Default)]
pub struct Down {
    pub nodes: Vec<(NodeName, Ended)>,
    /// When the folder was to be removed.
    pub wiped: Option<Wiped>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It saved what it saves and ended.
    Stopped {
        pid: u32,
    },
    /// It did not end by itself in time.
    Killed {
        pid: u32,
    },
    NotRunning,
}

/// Ends all processes of the lab in `dir`, those of nodes that the file no longer has too. With `and_wipe` it removes
/// what the lab made.
///
/// # Errors
/// When the folder is another cluster's, when it can't be read or written, or when a process can't be ended.
pub fn down(dir: &Path, cluster: &str, and_wipe: bool) -> Result<Down, LabError> {
    let Some(mut lab) = Lab::open(dir, cluster)? else {
        return Ok(Down::default());
    };
    let running: Vec<(NodeName, Identity)> = lab
        .state
        .nodes
        .iter()
        .filter_map(|(name, record)| Some((name.clone(), record.running()?.clone())))
        .collect();
    // All at once: a primary then finds its replicas gone instead of waiting for them.
    for (name, process) in &running {
        process
            .terminate()
            .map_err(LabError::process("end", name))?;
    }
    wait_until_gone(&running, TERMINATE_DEADLINE);
    let stubborn = still_running(&running);
    for (name, process) in &stubborn {
        process.kill().map_err(LabError::process("kill", name))?;
    }
    wait_until_gone(&stubborn, KILL_DEADLINE);
    if let Some((name, process)) = still_running(&stubborn).into_iter().next() {
        return Err(LabError::Unkillable {
            node: name,
            pid: process.pid,
        });
    }
    let nodes = lab
        .state
        .nodes
        .keys()
        .map(|name| (name.clone(), ended(name, &running, &stubborn)))
        .collect();
    for record in lab.state.nodes.values_mut() {
        record.process = None;
    }
    lab.save()?;
    let wiped = if and_wipe { Some(wipe(lab)?) } else { None };
    Ok(Down { nodes, wiped })
}

fn still_running(processes: &[(NodeName, Identity)]) -> Vec<(NodeName, Identity)> {
    processes
        .iter()
        .filter(|(_, process)| process.runs())
        .cloned()
        .collect()
}

fn wait_until_gone(processes: &[(NodeName, Identity)], deadline: Duration) {
    let end = Instant::now() + deadline;
    while Instant::now() < end && processes.iter().any(|(_, process)| process.runs()) {
        thread::sleep(POLL);
    }
}

fn ended(
    name: &NodeName,
    running: &[(NodeName, Identity)],
    stubborn: &[(NodeName, Identity)],
) -> Ended {
    let find = |processes: &[(NodeName, Identity)]| {
        processes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, process)| process.pid)
    };
    match (find(running), find(stubborn)) {
        (_, Some(pid)) => Ended::Killed { pid },
        (Some(pid), None) => Ended::Stopped { pid },
        (None, None) => Ended::NotRunning,
    }
}
