//! What was really sent to the servers, taken from their slow logs with a threshold of zero.
//!
//! MONITOR would not do: servers hide administrative commands from it, which is all that rcl sends. The
//! slow log has them, in order, with their arguments (the first 31 of them) and the client's address.
//! A command that the server rejects before running it (unknown, no permission) is in neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::judge::{self, CLIENT_NAME};
use super::resp::Value;
use super::servers::Servers;

/// Everything that changes nothing. What isn't here counts as a write, so that a new command is found out.
const READS: [&str; 51] = [
    "ACL DRYRUN",
    "ACL USERS",
    "ACL WHOAMI",
    "ASKING",
    "AUTH",
    "CLIENT GETNAME",
    "CLIENT ID",
    "CLIENT INFO",
    "CLIENT LIST",
    "CLIENT SETINFO",
    "CLIENT SETNAME",
    "CLUSTER COUNT-FAILURE-REPORTS",
    "CLUSTER COUNTKEYSINSLOT",
    "CLUSTER GETKEYSINSLOT",
    "CLUSTER GETSLOTMIGRATIONS",
    "CLUSTER HELP",
    "CLUSTER INFO",
    "CLUSTER KEYSLOT",
    "CLUSTER LINKS",
    "CLUSTER MYID",
    "CLUSTER MYSHARDID",
    "CLUSTER NODES",
    "CLUSTER REPLICAS",
    "CLUSTER SHARDS",
    "CLUSTER SLAVES",
    "CLUSTER SLOT-STATS",
    "CLUSTER SLOTS",
    "COMMAND COUNT",
    "COMMAND DOCS",
    "COMMAND INFO",
    "COMMAND LIST",
    "COMMAND",
    "CONFIG GET",
    "DBSIZE",
    "ECHO",
    "FUNCTION LIST",
    "HELLO",
    "INFO",
    "MEMORY USAGE",
    "PING",
    "PUBSUB CHANNELS",
    "PUBSUB NUMSUB",
    "QUIT",
    "READONLY",
    "READWRITE",
    "ROLE",
    "SELECT",
    "SLOWLOG GET",
    "SUBSCRIBE",
    "TIME",
    "UNSUBSCRIBE",
];

/// The first of these words is followed by a subcommand.
const CONTAINERS: [&str; 9] = [
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "FUNCTION", "MEMORY", "PUBSUB", "SLOWLOG",
];

/// Sent by replicas to their primaries and by servers to themselves, not by any tool.
const REPLICATION: [&str; 3] = ["REPLCONF", "PSYNC", "SYNC"];

/// One command as a server took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) node: String,
    pub(crate) argv: Vec<String>,
    pub(crate) client: String,
}

/// `host1:7000 CLUSTER MEET 127.1.2.2 7000`.
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.node, self.argv.join(" "))
    }
}

impl Sent {
    /// The command with its subcommand, in capitals: `CLUSTER MEET`, `GET`.
    pub(crate) fn name(&self) -> String {
        let words = match self.argv.first() {
            Some(first) if CONTAINERS.contains(&first.to_uppercase().as_str()) => 2,
            Some(_) | None => 1,
        };
        let words: Vec<&str> = self.argv.iter().take(words).map(String::as_str).collect();
        words.join(" ").to_uppercase()
    }

    pub(crate) fn is_write(&self) -> bool {
        !READS.contains(&self.name().as_str())
    }
}

/// Commands from its start on. Needs servers with the tests' settings.
pub(crate) struct Recorder {
    /// By node: the run of its server, and the newest entry of its slow log before the start.
    marks: BTreeMap<String, (String, i64)>,
}

impl Recorder {
    #[track_caller]
    pub(crate) fn start(servers: &Servers) -> Self {
        let marks = servers
            .running()
            .into_iter()
            .map(|name| {
                let newest = slow_log(servers, &name, 1)
                    .first()
                    .map_or(-1, |entry| entry.0);
                let mark = (run_id(servers, &name), newest);
                (name, mark)
            })
            .collect();
        Self { marks }
    }

    /// What clients other than the judges sent to the nodes that run, by node and then in order.
    #[track_caller]
    pub(crate) fn commands(&self, servers: &Servers) -> Vec<Sent> {
        servers
            .running()
            .iter()
            .flat_map(|name| {
                let mut entries = slow_log(servers, name, 1_000_000);
                entries.reverse();
                // A node that was added or restarted since numbers from 0: all that it took counts.
                let mark = match self.marks.get(name) {
                    Some((run, newest)) if *run == run_id(servers, name) => *newest,
                    Some(_) | None => -1,
                };
                entries
                    .into_iter()
                    .filter(move |(number, _)| *number > mark)
                    .filter_map(|(_, sent)| sent)
            })
            .collect()
    }

    /// Those of them that may change something.
    #[track_caller]
    pub(crate) fn writes(&self, servers: &Servers) -> Vec<Sent> {
        let mut commands = self.commands(servers);
        commands.retain(Sent::is_write);
        commands
    }

    #[track_caller]
    pub(crate) fn assert_no_writes(&self, servers: &Servers) {
        let writes: Vec<String> = self.writes(servers).iter().map(Sent::to_string).collect();
        assert!(writes.is_empty(), "these were sent:\n{}", writes.join("\n"));
    }

    /// How often each kind of write was sent to the whole cluster.
    #[track_caller]
    pub(crate) fn write_counts(&self, servers: &Servers) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for sent in self.writes(servers) {
            *counts.entry(sent.name()).or_default() += 1;
        }
        counts
    }
}

/// Changes with every start of a server.
#[track_caller]
fn run_id(servers: &Servers, name: &str) -> String {
    let info = judge::connect(servers.address(name))
        .call(&["INFO", "server"])
        .unwrap_or_else(|error| panic!("{name} gives no INFO: {error}"));
    judge::fields(&info.text())
        .remove("run_id")
        .expect("INFO has a run_id")
}

/// Entries with their numbers, newest first; `None` for what the judges and the servers themselves sent.
#[track_caller]
fn slow_log(servers: &Servers, name: &str, count: u32) -> Vec<(i64, Option<Sent>)> {
    let reply = judge::connect(servers.address(name))
        .call(&["SLOWLOG", "GET", &count.to_string()])
        .unwrap_or_else(|error| panic!("{name} shows no slow log: {error}"));
    let names = servers.names().into_iter();
    let nodes: BTreeSet<String> = names
        .map(|name| servers.address(&name).to_string())
        .collect();
    let entries = reply.array().into_iter();
    entries
        .map(|entry| entry_of(name, entry.array()))
        .map(|(number, sent)| {
            // What a replica hears late of its primary, which it dialled there.
            (number, sent.filter(|sent| !nodes.contains(&sent.client)))
        })
        .collect()
}

#[track_caller]
fn entry_of(node: &str, entry: Vec<Value>) -> (i64, Option<Sent>) {
    let mut fields = entry.into_iter();
    let mut field = || fields.next().expect("a slow log entry has six fields");
    let number = field().integer();
    let (_time, _duration) = (field(), field());
    let sent = Sent {
        node: node.to_owned(),
        argv: field().array().into_iter().map(Value::text).collect(),
        client: field().text(),
    };
    let client_name = field().text();
    let naming = sent.argv.last().is_some_and(|last| last == CLIENT_NAME);
    let hidden =
        client_name == CLIENT_NAME || naming || REPLICATION.contains(&sent.name().as_str());
    (number, (!hidden).then_some(sent))
}
