//! How long looking at a whole cluster takes: `rcl drift` against `redis-cli --cluster check`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::contest::{FILE, Formed};
use crate::memory;
use crate::support::rcl;

/// An odd number, for the median.
const RUNS: usize = 11;

pub(crate) struct Reading {
    pub(crate) check: Duration,
    pub(crate) drift: Duration,
    /// Peak memory of one drift, in bytes.
    pub(crate) memory: u64,
}

impl Reading {
    /// In turns, so that both meet the same noise.
    pub(crate) fn of(formed: &Formed) -> Result<Self, String> {
        let names = formed.servers.names();
        let first = names.first().ok_or("a cluster has nodes")?;
        let address = formed.servers.address(first).to_string();
        let folder = formed.folder.path();
        let (mut checks, mut drifts) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            checks.push(time(
                "redis-cli",
                &["--cluster", "check", &address],
                folder,
            )?);
            drifts.push(time(rcl::PROGRAM, &["drift", FILE], folder)?);
        }
        Ok(Self {
            check: median(checks),
            drift: median(drifts),
            memory: memory::peak(rcl::PROGRAM, &["drift", FILE], folder)?,
        })
    }
}

/// The time of one run that must find nothing wrong.
fn time(program: &str, arguments: &[&str], folder: &Path) -> Result<Duration, String> {
    let start = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let taken = start.elapsed();
    if output.status.success() {
        Ok(taken)
    } else {
        Err(format!(
            "{program} {arguments:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
