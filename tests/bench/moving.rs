//! A cluster of three shards grows by a fourth that gets its quarter of the slots and keys: `rcl apply`
//! against `redis-cli --cluster rebalance`, with a client that goes on all the while.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::contest::{FILE, Tool};
use crate::reading::median;
use crate::support::traffic::{Load, keys_at_primaries};
use crate::support::{Servers, Shard, judge, native, rcl};

/// What one growth took, and what a client felt of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) tool: Tool,
    pub(crate) took: Duration,
    /// The time within which 99 of 100 commands were answered while it went on.
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

pub(crate) fn contest(arguments: &Arguments, keys: usize) -> Result<Vec<Growth>, String> {
    let mut growths = Vec::new();
    for tool in arguments.tools.iter().filter(|tool| **tool != Tool::Native) {
        let mut runs = Vec::new();
        for _ in 0..arguments.runs {
            runs.push(grow(arguments, *tool, keys)?);
        }
        let of = |what: fn(&Growth) -> Duration| median(runs.iter().map(what).collect());
        growths.push(Growth {
            tool: *tool,
            took: of(|run| run.took),
            p99: of(|run| run.p99),
            longest: of(|run| run.longest),
        });
    }
    Ok(growths)
}

fn grow(arguments: &Arguments, tool: Tool, keys: usize) -> Result<Growth, String> {
    let servers = Servers::prepare(arguments.kind).grid(2, 4).start();
    native::form(&servers, &Shard::grown());
    judge::wait_until_matches(&servers, &Shard::grown());
    let load = Load::start(&servers, keys);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = match tool {
        Tool::Rcl => {
            let shards = Shard::grown();
            std::fs::write(folder.path().join(FILE), even(&servers, &shards))
                .map_err(|error| error.to_string())?;
            let mut command = Command::new(rcl::PROGRAM);
            command.args(["apply", "--yes", FILE]);
            command
        }
        Tool::RedisCli | Tool::Native => {
            let mut command = Command::new("redis-cli");
            let address = servers.address("host1:7000").to_string();
            command.args(["--cluster", "rebalance", &address]);
            command.args(["--cluster-use-empty-masters", "--cluster-yes"]);
            command
        }
    };
    let start = Instant::now();
    let output = command
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let took = start.elapsed();
    let (p99, longest) = load.end();
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            tool.name(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let moved = judge::cluster_nodes(servers.address("host1:7003"))
        .iter()
        .filter(|line| line.is_myself())
        .flat_map(|line| line.slots.iter().map(|(first, last)| last - first + 1))
        .sum::<u16>();
    let kept = usize::try_from(keys_at_primaries(&servers)).unwrap_or(0);
    match moved == 4096 && kept == keys {
        true => Ok(Growth {
            tool,
            took,
            p99,
            longest,
        }),
        false => Err(format!(
            "{}: {moved} slots moved, {kept} keys kept",
            tool.name()
        )),
    }
}

/// The same shards, with even shares of the slots.
fn even(servers: &Servers, shards: &[Shard]) -> String {
    let text = crate::support::yaml::Yaml::new(servers, shards).to_string();
    let lines = text.lines().map(|line| match line.split_once(", slots: ") {
        Some((shard, _)) => format!("{shard}}}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}
