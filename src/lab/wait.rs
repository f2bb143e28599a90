//! Waits until started nodes answer, or until it is known that they won't.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::ping::{Answer, ping};
use super::up::{UpNode, UpOutcome};
use super::{Identity, POLL};
use crate::base::{Address, NodeName};

/// How long the nodes get: a server answers within a tenth of a second unless it has much data to read.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long each of many gets more, since they share the processors.
const DEADLINE_EACH: Duration = Duration::from_millis(100);

/// How many lines of its log are shown of a node that failed.
const LOG_LINES: usize = 10;

/// How much of the end of a log is read for them.
const LOG_BYTES: u64 = 16 * 1024;

/// A process that is to answer.
pub(super) struct Awaited {
    pub(super) name: NodeName,
    pub(super) address: Address,
    pub(super) log: PathBuf,
    pub(super) process: Identity,
    /// Ours, when it was started just now.
    pub(super) child: Option<Child>,
}

/// What became of each.
pub(super) fn wait(mut awaited: Vec<Awaited>) -> Vec<UpNode> {
    let deadline = DEADLINE.max(DEADLINE_EACH * u32::try_from(awaited.len()).unwrap_or(u32::MAX));
    let end = Instant::now() + deadline;
    let mut results: Vec<Option<Result<(), String>>> = awaited.iter().map(|_| None).collect();
    loop {
        let late = Instant::now() >= end;
        for (node, result) in awaited.iter_mut().zip(&mut results) {
            if result.is_none() {
                *result = node.look(late.then_some(deadline));
            }
        }
        if results.iter().all(Option::is_some) {
            break;
        }
        thread::sleep(POLL);
    }
    awaited
        .into_iter()
        .zip(results)
        .map(|(node, result)| node.finish(result.unwrap_or(Ok(()))))
        .collect()
}

impl Awaited {
    /// What is known by now; when it is late, what is known has to do.
    fn look(&mut self, late: Option<Duration>) -> Option<Result<(), String>> {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            return Some(Err(format!("the server ended with {status}")));
        }
        if !self.process.runs() {
            return Some(Err("the server ended".to_owned()));
        }
        let within = late.map(humantime::format_duration);
        match (ping(self.address), within) {
            (Answer::Ready, _) => Some(Ok(())),
            (Answer::Loading | Answer::Silent, None) => None,
            (Answer::Loading, Some(limit)) => Some(Err(format!(
                "the server still reads its data after {limit}; `rcl lab status` tells when it is there"
            ))),
            (Answer::Silent, Some(limit)) => Some(Err(format!(
                "the server (pid {}) runs, but did not answer within {limit}",
                self.process.pid
            ))),
        }
    }

    fn finish(self, result: Result<(), String>) -> UpNode {
        let outcome = match result {
            Ok(()) if self.child.is_some() => UpOutcome::Started,
            Ok(()) => UpOutcome::Already,
            Err(why) => UpOutcome::Failed {
                why,
                tail: tail(&self.log).unwrap_or_default(),
                log: self.log,
            },
        };
        UpNode {
            name: self.name,
            address: self.address,
            pid: self.process.pid,
            outcome,
        }
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(log)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    Ok(lines[from..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect())
}
