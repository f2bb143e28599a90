//! One tool forms one cluster on fresh servers, watched from outside.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::support::yaml::Yaml;
use crate::support::{Servers, Shard, judge, native, rcl, wait};
use crate::watch::{PER_VISIT, Seen, Watch};

/// The declaration's file, in the folder that the tools run in.
pub(crate) const FILE: &str = "cluster.yaml";

/// Longer than redis-cli takes for 100 nodes.
const DEADLINE: Duration = Duration::from_secs(240);

/// A tool may go on looking at a cluster that has converged, but not for long.
const GRACE: Duration = Duration::from_secs(30);

/// Nodes up for over 3 s: the first 2 s after its start a primary takes no writes whatever anyone does.
/// Servers count whole seconds, so 4 of theirs are more than 3.
const UPTIME_S: u64 = 4;

/// Enough that gossip needs no second hop.
const INTRODUCERS: usize = 4;

/// What replicas send to their primaries, not the tools. PING is theirs too, so nobody's counts.
const REPLICATION: [&str; 4] = ["ping", "psync", "replconf", "sync"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    RedisCli,
    Rcl,
    /// The same native commands from here: shows what the servers allow. Not in the tables unless asked for.
    Native,
}

impl Tool {
    pub(crate) const ALL: [Self; 3] = [Self::RedisCli, Self::Rcl, Self::Native];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RedisCli => "redis-cli",
            Self::Rcl => "rcl",
            Self::Native => "native",
        }
    }
}

/// From just before the tool starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) whole: Duration,
    pub(crate) converged: Duration,
    pub(crate) exit: Duration,
    /// All commands that the servers took from the tool, questions too.
    pub(crate) commands: u64,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            whole,
            converged,
            exit,
            commands,
        } = self;
        write!(
            f,
            "whole {whole:.2?}, converged {converged:.2?}, exit {exit:.2?}, {commands} commands"
        )
    }
}

/// A cluster that stands, and how long that took.
pub(crate) struct Formed {
    pub(crate) servers: Servers,
    pub(crate) folder: TempDir,
    pub(crate) times: Times,
}

impl Formed {
    pub(crate) fn by(tool: Tool, arguments: &Arguments, nodes: u16) -> Result<Self, String> {
        let servers = Servers::prepare(arguments.kind)
            .grid(2, nodes / 2)
            .server_defaults()
            .start();
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let shards = Shard::even(nodes / 2);
        let yaml = Yaml::new(&servers, &shards)
            .config("cluster-node-timeout", "15s")
            .config("repl-diskless-sync-delay", "5");
        std::fs::write(folder.path().join(FILE), yaml.to_string())
            .map_err(|error| error.to_string())?;
        wait_for_uptime(&servers);

        let mut watch = Watch::new(&servers, arguments.roles)?;
        let before = calls(&servers);
        let start = Instant::now();
        let mut running = Running::start(tool, &servers, &shards, folder.path(), start)?;
        let seen = watch.follow(start, DEADLINE, || running.has_failed());
        let exit = running.end()?;
        let Seen { whole, converged } = seen?;
        // The visits of the watch are counted by the servers too, and so is the first count itself.
        let own = watch.visits() * PER_VISIT + u64::from(nodes);
        let commands = calls(&servers) - before - own;
        Ok(Self {
            servers,
            folder,
            times: Times {
                whole,
                converged,
                exit,
                commands,
            },
        })
    }
}

/// The tool while it works.
struct Running {
    /// None when nothing was started: the native commands are sent from here.
    pid: Option<Pid>,
    /// When it ended, and whether well.
    end: Receiver<(Duration, bool)>,
    ended: Option<(Duration, bool)>,
    output: PathBuf,
}

impl Running {
    fn start(
        tool: Tool,
        servers: &Servers,
        shards: &[Shard],
        folder: &Path,
        start: Instant,
    ) -> Result<Self, String> {
        let (sender, end) = channel();
        let output = folder.join("output.txt");
        let pid = match tool {
            Tool::RedisCli => Some(spawn(redis_cli(servers), folder, &output, start, sender)?),
            Tool::Rcl => Some(spawn(rcl_apply(), folder, &output, start, sender)?),
            Tool::Native => {
                send_natively(servers, shards);
                // The receiver lives: nobody can have dropped it yet.
                let _ = sender.send((start.elapsed(), true));
                None
            }
        };
        Ok(Self {
            pid,
            end,
            ended: None,
            output,
        })
    }

    /// It has ended badly: there is nothing more to wait for.
    fn has_failed(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.end.try_recv().ok();
        }
        matches!(self.ended, Some((_, false)))
    }

    /// The time of its exit. A tool that still runs long after the cluster stands is killed.
    fn end(self) -> Result<Duration, String> {
        let ended = self.ended.or_else(|| self.end.recv_timeout(GRACE).ok());
        if let Some((exit, true)) = ended {
            return Ok(exit);
        }
        if ended.is_none()
            && let Some(pid) = self.pid
        {
            kill_process(pid, Signal::KILL).map_err(|error| error.to_string())?;
        }
        let output = std::fs::read_to_string(&self.output).unwrap_or_default();
        Err(format!("the tool failed or hung:\n{output}"))
    }
}

/// Everything that makes it fast, restored by nobody: only shows what the servers allow.
fn send_natively(servers: &Servers, shards: &[Shard]) {
    for name in servers.names() {
        servers.ok(&name, &["CONFIG", "SET", "cluster-node-timeout", "1000"]);
        servers.ok(&name, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    }
    let steps = native::well_sent(servers, shards, INTRODUCERS);
    native::perform(servers, &steps);
}

/// A thread waits for the program, so that the time of its exit doesn't depend on the watch.
fn spawn(
    mut command: Command,
    folder: &Path,
    output: &Path,
    start: Instant,
    sender: Sender<(Duration, bool)>,
) -> Result<Pid, String> {
    let failed = |error: std::io::Error| format!("{command:?}: {error}");
    let file = File::create(output).map_err(failed)?;
    let copy = file.try_clone().map_err(failed)?;
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(copy)
        .stderr(file)
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    std::thread::spawn(move || {
        let fine = child.wait().is_ok_and(|status| status.success());
        sender.send((start.elapsed(), fine))
    });
    pid.ok_or_else(|| "a process without an id".to_owned())
}

fn rcl_apply() -> Command {
    let mut command = Command::new(rcl::PROGRAM);
    command.args(["apply", "--yes", FILE]);
    command
}

fn redis_cli(servers: &Servers) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["--cluster", "create"]);
    for name in servers.names() {
        command.arg(servers.address(&name).to_string());
    }
    command.args(["--cluster-replicas", "1", "--cluster-yes"]);
    command
}

fn wait_for_uptime(servers: &Servers) {
    for name in servers.names() {
        wait::until(&format!("{name} to be up for {UPTIME_S} s"), || {
            let info = servers.call(&name, &["INFO", "server"]).text();
            let uptime = judge::fields(&info).remove("uptime_in_seconds");
            match uptime.as_deref().unwrap_or_default().parse::<u64>() {
                Ok(seconds) if seconds >= UPTIME_S => Ok(()),
                Ok(_) | Err(_) => Err(format!("{uptime:?}")),
            }
        });
    }
}

/// How many commands all servers took so far, without those of replication.
fn calls(servers: &Servers) -> u64 {
    servers
        .names()
        .iter()
        .map(|name| servers.call(name, &["INFO", "commandstats"]).text())
        .map(|stats| {
            let counted = stats
                .lines()
                .filter_map(count)
                .filter(|(command, _)| !REPLICATION.contains(command));
            counted.map(|(_, calls)| calls).sum::<u64>()
        })
        .sum()
}

/// `cmdstat_cluster|meet:calls=5,usec=…`.
fn count(line: &str) -> Option<(&str, u64)> {
    let (command, stats) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let calls = stats.strip_prefix("calls=")?.split(',').next()?;
    Some((command, calls.parse().ok()?))
}
