//! A cluster of three shards grows by a fourth that gets its quarter of the slots and keys: `rcl apply` against
//! `redis-cli --cluster rebalance` or the servers' own command, with a client that goes on all the while.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::contest::{FILE, Tool};
use crate::delay;
use crate::fill;
use crate::raw;
use crate::reading::median;
use crate::support::resp::Client;
use crate::support::traffic::{Load, Waits, keys_at_primaries, nodes};
use crate::support::yaml::Yaml;
use crate::support::{Servers, Shard, judge, native, rcl, views, wait};
use crate::table;

/// Between two looks at how many slots have come.
const PERIOD: Duration = Duration::from_millis(5);

/// What each of the three gives to the fourth.
const QUARTERS: [(&str, u16, u16); 3] = [
    ("host1:7000", 4096, 5461),
    ("host1:7001", 9558, 10922),
    ("host1:7002", 15019, 16383),
];

/// What one growth took, and what a client felt of it.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    pub(crate) who: String,
    /// Until the new shard had its slots.
    pub(crate) there: Duration,
    pub(crate) exit: Duration,
    pub(crate) waits: Waits,
}

/// Who moves the slots, and how.
#[derive(Clone, Debug)]
struct Mover {
    who: String,
    tool: Tool,
    /// A line for the file.
    policy: String,
    arguments: Vec<String>,
}

impl Mover {
    fn of(tool: Tool) -> Self {
        Self {
            who: tool.name().to_owned(),
            tool,
            policy: String::new(),
            arguments: Vec::new(),
        }
    }

    fn paced(batch: u32, pause: &str, parallelism: u32) -> Self {
        Self {
            who: format!("rcl, batch {batch}, pause {pause}, {parallelism} at once"),
            policy: format!("policy: {{move: {{batch: {batch}, pause: {pause}}}}}\n"),
            arguments: vec!["--parallelism".to_owned(), parallelism.to_string()],
            ..Self::of(Tool::Rcl)
        }
    }
}

fn movers(arguments: &Arguments) -> Vec<Mover> {
    let tools = arguments.tools.iter().map(|tool| Mover::of(*tool));
    if !arguments.paces {
        return tools.collect();
    }
    let paces = [
        (10, "0ms", 4),
        (30, "0ms", 4),
        (100, "0ms", 1),
        (100, "0ms", 2),
        (100, "0ms", 4),
        (100, "1ms", 4),
        (100, "5ms", 4),
        (300, "0ms", 4),
        (1000, "0ms", 4),
    ];
    let paces = paces.map(|(batch, pause, at_once)| Mover::paced(batch, pause, at_once));
    tools
        .filter(|mover| mover.tool == Tool::RedisCli)
        .chain(paces)
        .collect()
}

pub(crate) fn contest(arguments: &Arguments, keys: usize) -> Result<Vec<Growth>, String> {
    measured(arguments, |mover| grow(arguments, mover, keys))
}

/// In turns, so that all meet the same noise.
fn measured(
    arguments: &Arguments,
    measure: impl Fn(&Mover) -> Result<Growth, String>,
) -> Result<Vec<Growth>, String> {
    let movers = movers(arguments);
    let mut runs: Vec<Vec<Growth>> = vec![Vec::new(); movers.len()];
    for run in 1..=arguments.runs {
        for (mover, runs) in movers.iter().zip(&mut runs) {
            let growth = measure(mover)?;
            table::note(&format!("run {run}: {growth:.1?}"));
            runs.push(growth);
        }
    }
    let growths = movers.iter().zip(runs).map(|(mover, runs)| {
        let of = |what: fn(&Growth) -> Duration| median(runs.iter().map(what).collect());
        Growth {
            who: mover.who.clone(),
            there: of(|run| run.there),
            exit: of(|run| run.exit),
            waits: Waits {
                count: median(runs.iter().map(|run| run.waits.count).collect()),
                p50: of(|run| run.waits.p50),
                p99: of(|run| run.waits.p99),
                longest: of(|run| run.waits.longest),
            },
        }
    });
    Ok(growths.collect())
}

fn grow(arguments: &Arguments, mover: &Mover, keys: usize) -> Result<Growth, String> {
    let servers = Servers::prepare(arguments.kind)
        .grid(2, 4)
        .server_defaults()
        .start();
    native::form(&servers, &Shard::grown());
    judge::wait_until_matches(&servers, &Shard::grown());
    fill::fill(&servers, &Shard::seed(), keys)?;
    wait_for_replicas(&servers);
    let mut ports = 0;
    if let Some(delay) = arguments.delay {
        delay::put_before(&servers, delay)?;
        ports = delay::OFFSET;
    }
    let urls = match arguments.delay {
        None => nodes(&servers),
        Some(_) => vec![format!(
            "redis://{}",
            shifted(&servers, "host1:7000", ports)
        )],
    };
    let load = Load::start(urls, keys, fill::value());
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = even(&servers, &Shard::grown(), ports) + &mover.policy;
    std::fs::write(folder.path().join(FILE), file).map_err(|error| error.to_string())?;
    let work = || match mover.tool {
        Tool::Rcl => run(rcl_apply(mover), folder.path()),
        Tool::RedisCli => run(
            rebalance(&shifted(&servers, "host1:7000", ports)),
            folder.path(),
        ),
        Tool::Native => raw::migrate_slots(&servers, &QUARTERS, "host1:7003"),
    };
    let timed = timed(&servers, "host1:7003", 4096, work);
    let waits = load.end();
    let (there, exit) = timed?;
    match usize::try_from(keys_at_primaries(&servers)).unwrap_or(0) {
        kept if kept == keys => Ok(Growth {
            who: mover.who.clone(),
            there,
            exit,
            waits,
        }),
        kept => Err(format!("{}: {kept} keys kept", mover.who)),
    }
}

/// 30 primaries without a key, and a 31st that gets its share.
pub(crate) fn empty(arguments: &Arguments) -> Result<Vec<Growth>, String> {
    measured(arguments, |mover| {
        let mut shards = Shard::even(30);
        for shard in &mut shards {
            shard.replicas.clear();
        }
        shards.push(Shard::new("host1:7030", &[], ""));
        let servers = Servers::prepare(arguments.kind)
            .grid(1, 31)
            .server_defaults()
            .start();
        native::form(&servers, &shards);
        judge::wait_until_matches(&servers, &shards);
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        std::fs::write(folder.path().join(FILE), even(&servers, &shards, 0))
            .map_err(|error| error.to_string())?;
        let work = || match mover.tool {
            Tool::Rcl => run(rcl_apply(mover), folder.path()),
            Tool::RedisCli => run(
                rebalance(&shifted(&servers, "host1:7000", 0)),
                folder.path(),
            ),
            Tool::Native => raw::set_slots(&servers, &shards, "host1:7030", 528),
        };
        let (there, exit) = timed(&servers, "host1:7030", 528, work)?;
        Ok(Growth {
            who: mover.who.clone(),
            there,
            exit,
            waits: Waits::default(),
        })
    })
}

/// Until the node has so many slots, and until the work has ended.
fn timed(
    servers: &Servers,
    node: &str,
    slots: u16,
    work: impl FnOnce() -> Result<(), String> + Send,
) -> Result<(Duration, Duration), String> {
    let ended = AtomicBool::new(false);
    let address = servers.address(node);
    let mut client = Client::connect(address).map_err(|error| error.to_string())?;
    let mut owned = || {
        let nodes = client.call(&["CLUSTER", "NODES"]);
        let lines = views::parse(&nodes.map_err(|error| error.to_string())?.text());
        let own = lines.iter().filter(|line| line.is_myself());
        let ranges = own.flat_map(|line| &line.slots);
        Ok::<u16, String>(ranges.map(|(first, last)| last - first + 1).sum())
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let result = work();
            ended.store(true, Ordering::Relaxed);
            result.map(|()| start.elapsed())
        });
        let mut there = None;
        loop {
            // A tool may give a slot more or less than the share.
            let over = ended.load(Ordering::Relaxed);
            if there.is_none() && owned()? >= slots {
                there = Some(start.elapsed());
            }
            if over {
                break;
            }
            std::thread::sleep(PERIOD);
        }
        let exit = work.join().map_err(|_| "the tool panicked".to_owned())??;
        match there {
            Some(there) => Ok((there, exit)),
            None => Err(format!("{} of {slots} slots have moved", owned()?)),
        }
    })
}

fn rcl_apply(mover: &Mover) -> Command {
    let mut command = Command::new(rcl::PROGRAM);
    command
        .args(["apply", "--yes", FILE])
        .args(&mover.arguments);
    command
}

fn rebalance(address: &str) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["--cluster", "rebalance", address]);
    command.args(["--cluster-use-empty-masters", "--cluster-yes"]);
    command
}

fn run(mut command: Command, folder: &Path) -> Result<(), String> {
    let output = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Replicas that still take in what was written would be in the way.
fn wait_for_replicas(servers: &Servers) {
    for name in servers.names() {
        wait::until(&format!("{name} to be in sync"), || {
            let said = judge::ask(servers.address(&name)).replication;
            let offset = |field: &str| said.get(field).cloned();
            match said.get("role").map(String::as_str) {
                Some("slave") => Ok(()),
                _ => {
                    let own = offset("master_repl_offset").unwrap_or_default();
                    let replica = offset("slave0").unwrap_or_default();
                    let late = !replica.is_empty() && !replica.contains(&format!("offset={own},"));
                    if late { Err(replica) } else { Ok(()) }
                }
            }
        });
    }
}

/// The address of a node, or of what stands before it.
fn shifted(servers: &Servers, name: &str, ports: u16) -> String {
    let address = servers.address(name);
    format!("{}:{}", address.ip(), address.port() + ports)
}

/// The same shards, with even shares of the slots, at ports that are so much higher.
fn even(servers: &Servers, shards: &[Shard], ports: u16) -> String {
    let text = Yaml::new(servers, shards).to_string();
    let lines = text.lines().map(|line| match line.split_once(", slots: ") {
        Some((shard, _)) => format!("{shard}}}\n"),
        None => format!("{line}\n"),
    });
    let text: String = lines.collect();
    (7000..7004).fold(text, |text, port| match ports {
        0 => text,
        ports => text.replace(&format!(":{port}"), &format!(":{}", port + ports)),
    })
}
