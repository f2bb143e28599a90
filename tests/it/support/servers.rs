//! Real servers for one test, each a child process on an address of its own.
//!
//! A node is named as in the YAML: `host1:7000`. Servers end with the test: `Drop` kills them by process id,
//! on a panic too, and if the test process itself is killed the kernel does it (`setpriv --pdeathsig`).
//! That signal comes when the *thread* that started them ends, so start them in the thread that uses them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::certs::{Certs, SERVER_NAME};
use super::clock::Clock;
use super::judge;
use super::kind::{ServerKind, on_path};
use super::launch::{self, BUS_OFFSET, Launch, TLS_OFFSET};
use super::loopback::Loopback;
use super::network::Network;
use super::resp::{Client, Value};
use super::wait;

const START_DEADLINE: Duration = Duration::from_secs(30);

/// The servers of one test.
pub(crate) struct Servers {
    nodes: BTreeMap<String, Node>,
    launch: Launch,
    program: PathBuf,
    loopback: Loopback,
    network: Option<Network>,
    folder: TempDir,
}

struct Node {
    address: SocketAddr,
    folder: PathBuf,
    process: Child,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Dead,
}

impl Servers {
    /// `count` nodes, half of them on host1 and half on host2, with config files, announced, fast.
    #[track_caller]
    pub(crate) fn start(kind: ServerKind, count: u16) -> Self {
        assert!(
            count.is_multiple_of(2),
            "two hosts need an even number of nodes"
        );
        Self::prepare(kind).grid(2, count / 2).start()
    }

    /// Options first: `Servers::prepare(kind).grid(3, 2).without_announce().start()`.
    pub(crate) fn prepare(kind: ServerKind) -> Launch {
        Launch::new(kind)
    }

    #[track_caller]
    pub(super) fn launch(launch: Launch, loopback: Loopback, names: &[String]) -> Self {
        let mut servers = Self {
            nodes: BTreeMap::new(),
            program: launch.kind.program(),
            loopback,
            network: launch.behind_network.then(Network::start),
            folder: tempfile::tempdir().expect("a temporary folder"),
            launch,
        };
        for name in names {
            servers.create(name);
        }
        for name in names {
            servers.wait_for_ping(name);
        }
        servers.check_version();
        servers
    }

    /// What lies between them, for servers that were prepared for it.
    #[track_caller]
    pub(crate) fn network(&self) -> &Network {
        self.network.as_ref().expect("servers behind a network")
    }

    /// The clock of one, for servers that were prepared for it.
    #[track_caller]
    pub(crate) fn clock(&self, name: &str) -> Clock {
        assert!(self.launch.with_clocks, "servers with clocks");
        Clock::new(&self.node(name).folder)
    }

    pub(crate) fn kind(&self) -> ServerKind {
        self.launch.kind
    }

    /// Whether they play the part of another kind.
    pub(crate) fn stand_in(&self) -> bool {
        self.launch.kind != self.launch.asked
    }

    /// `host1:7000`, … in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// The names of those that are neither paused nor killed.
    pub(crate) fn running(&self) -> Vec<String> {
        self.nodes
            .iter()
            .filter(|(_, node)| node.state == State::Running)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The address of `host1`, also of one without nodes yet.
    #[track_caller]
    pub(crate) fn host(&self, host: &str) -> IpAddr {
        self.loopback.host(host_number(host))
    }

    /// `host1`, … of the nodes that were started, with their addresses.
    pub(crate) fn hosts(&self) -> BTreeMap<String, IpAddr> {
        self.nodes
            .keys()
            .map(|name| split(name).0.to_owned())
            .map(|host| (host.clone(), self.host(&host)))
            .collect()
    }

    #[track_caller]
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.node(name).address
    }

    /// The folder that a node runs in: `redis.conf`, `nodes.conf`, `server.log`.
    #[track_caller]
    pub(crate) fn folder(&self, name: &str) -> &Path {
        &self.node(name).folder
    }

    #[track_caller]
    pub(crate) fn pid(&self, name: &str) -> u32 {
        self.node(name).process.id()
    }

    /// One native command, as a person would send it.
    #[track_caller]
    pub(crate) fn call(&self, name: &str, argv: &[impl AsRef<str>]) -> Value {
        Client::connect(self.address(name))
            .and_then(|mut client| client.call(argv))
            .unwrap_or_else(|error| panic!("{name} gives no answer: {error}"))
    }

    /// Like [`Self::call`], for a node that may not answer.
    #[track_caller]
    pub(crate) fn try_call(&self, name: &str, argv: &[impl AsRef<str>]) -> io::Result<Value> {
        Client::connect(self.address(name)).and_then(|mut client| client.call(argv))
    }

    /// Like [`Self::call`], for commands that must be answered with OK.
    #[track_caller]
    pub(crate) fn ok(&self, name: &str, argv: &[impl AsRef<str>]) {
        let reply = self.call(name, argv);
        let words: Vec<&str> = argv.iter().map(AsRef::as_ref).collect();
        assert_eq!(reply, Value::Simple("OK".to_owned()), "{name}: {words:?}");
    }

    #[track_caller]
    pub(crate) fn id(&self, name: &str) -> String {
        let reply = judge::connect(self.address(name)).call(&["CLUSTER", "MYID"]);
        reply
            .unwrap_or_else(|error| panic!("{name} gives no id: {error}"))
            .text()
    }

    /// Starts one more node, for example `host2:7003`.
    #[track_caller]
    pub(crate) fn add(&mut self, name: &str) {
        self.create(name);
        self.wait_for_ping(name);
    }

    /// The same with a server of another kind.
    #[track_caller]
    pub(crate) fn add_of(&mut self, kind: ServerKind, name: &str) {
        let own = std::mem::replace(&mut self.program, kind.program());
        self.add(name);
        self.program = own;
    }

    /// Stops a node where it stands: the kernel still accepts connections, nobody answers.
    #[track_caller]
    pub(crate) fn pause(&mut self, name: &str) {
        self.signal(name, Signal::STOP);
        self.node_mut(name).state = State::Paused;
    }

    #[track_caller]
    pub(crate) fn resume(&mut self, name: &str) {
        self.signal(name, Signal::CONT);
        self.wait_for_ping(name);
    }

    /// As a crash does: SIGKILL.
    #[track_caller]
    pub(crate) fn kill(&mut self, name: &str) {
        let node = self.node_mut(name);
        node.process.kill().expect("the process is killed");
        node.process.wait().expect("the process ends");
        node.state = State::Dead;
    }

    /// Starts the node again in its folder, after killing it if it runs.
    #[track_caller]
    pub(crate) fn restart(&mut self, name: &str) {
        self.kill(name);
        let process = self.spawn(&self.node(name).folder, self.node(name).address);
        self.node_mut(name).process = process;
        self.wait_for_ping(name);
    }

    /// Starts the node again in its folder; it may be busy for a while before it answers.
    #[track_caller]
    pub(crate) fn restart_without_waiting(&mut self, name: &str) {
        self.kill(name);
        let process = self.spawn(&self.node(name).folder, self.node(name).address);
        self.node_mut(name).process = process;
    }

    /// Waits for a node that was started without waiting.
    #[track_caller]
    pub(crate) fn await_start(&mut self, name: &str) {
        self.wait_for_ping(name);
    }

    /// Leaves a node that runs out of what the recorder and the judges ask, since it would not tell them.
    #[track_caller]
    pub(crate) fn hide(&mut self, name: &str) {
        self.node_mut(name).state = State::Paused;
    }

    /// Starts the node again with an empty folder: the same address, a new id, as after a lost disk.
    #[track_caller]
    pub(crate) fn restart_blank(&mut self, name: &str) {
        self.kill(name);
        fs::remove_dir_all(&self.node(name).folder).expect("the node's folder goes");
        self.add(name);
    }

    /// Starts the node again with its folder at another address, as after a move to another machine: the same
    /// id, the same data, another name for the test.
    #[track_caller]
    pub(crate) fn relocate(&mut self, from: &str, to: &str) {
        self.kill(from);
        let mut node = self.nodes.remove(from).expect("it was just killed");
        let (host, port) = split(to);
        node.address = SocketAddr::new(self.host(host), port);
        self.configure(&node.folder, node.address);
        node.process = self.spawn(&node.folder, node.address);
        self.nodes.insert(to.to_owned(), node);
        self.wait_for_ping(to);
    }

    fn create(&mut self, name: &str) {
        let (host, port) = split(name);
        let address = SocketAddr::new(self.host(host), port);
        let folder = self.folder.path().join(format!("{host}-{port}"));
        fs::create_dir(&folder).expect("a folder for the node");
        self.configure(&folder, address);
        self.open_ways(address);
        let node = Node {
            address,
            process: self.spawn(&folder, address),
            folder,
            state: State::Running,
        };
        self.nodes.insert(name.to_owned(), node);
    }

    /// The port that replicas of a node dial.
    #[track_caller]
    pub(crate) fn replication_port(&self, name: &str) -> u16 {
        let port = self.address(name).port();
        match self.launch.replicates_over_tls() {
            true => port + TLS_OFFSET,
            false => port,
        }
    }

    /// The authority that signed their certificates.
    #[track_caller]
    pub(crate) fn certs(&self) -> &Certs {
        self.launch
            .tls
            .as_ref()
            .expect("they were started with TLS")
    }

    /// Once for an address; a node that comes back blank finds them open.
    fn open_ways(&self, address: SocketAddr) {
        let known = self.nodes.values().any(|node| node.address == address);
        if let Some(network) = self.network.as_ref().filter(|_| !known) {
            for port in [address.port(), address.port() + BUS_OFFSET] {
                network.open(SocketAddr::new(address.ip(), port));
            }
        }
    }

    fn configure(&self, folder: &Path, address: SocketAddr) {
        if let Some(certs) = &self.launch.tls {
            certs.issue(folder, "server", &[SERVER_NAME, &address.ip().to_string()]);
        }
        if self.launch.config_file {
            let settings = self
                .launch
                .settings(&address.ip().to_string(), address.port());
            let text = launch::config_file(&settings);
            fs::write(folder.join("redis.conf"), text).expect("a config file");
        }
    }

    fn spawn(&self, folder: &Path, address: SocketAddr) -> Child {
        let mut arguments: Vec<OsString> = vec![self.program.clone().into()];
        if self.launch.config_file {
            arguments.push("redis.conf".into());
        } else {
            let ip = address.ip().to_string();
            for (option, value) in self.launch.settings(&ip, address.port()) {
                arguments.push(format!("--{option}").into());
                // A user is several words.
                match option.as_str() {
                    "user" => arguments.extend(value.split(' ').map(OsString::from)),
                    _ => arguments.push(value.into()),
                }
            }
        }
        if let Some(setpriv) = on_path("setpriv") {
            arguments.splice(0..0, [setpriv.into(), "--pdeathsig".into(), "KILL".into()]);
        }
        let talk = fs::File::create(folder.join("out.txt")).expect("a file for the output");
        let clock = self.launch.with_clocks.then(|| Clock::new(folder));
        let variables = clock.iter().flat_map(Clock::variables);
        Command::new(&arguments[0])
            .args(&arguments[1..])
            .current_dir(folder)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(talk.try_clone().expect("a second handle"))
            .stderr(talk)
            .spawn()
            .unwrap_or_else(|error| panic!("{arguments:?} doesn't start: {error}"))
    }

    #[track_caller]
    fn wait_for_ping(&mut self, name: &str) {
        let node = self.node_mut(name);
        let what = format!("{name} to answer PING");
        wait::until_within(&what, START_DEADLINE, || {
            if let Some(status) = node.process.try_wait().map_err(|error| error.to_string())? {
                panic!("{name} ended with {status}:\n{}", node.last_words());
            }
            let reply = Client::connect(node.address).and_then(|mut client| client.call(&["PING"]));
            match reply {
                Ok(Value::Simple(pong)) if pong == "PONG" => {
                    node.state = State::Running;
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// The program on PATH, or in a folder of one's own, may be another version than the test believes.
    #[track_caller]
    fn check_version(&self) {
        let Some(name) = self.nodes.keys().next() else {
            return;
        };
        let info = self.call(name, &["INFO", "server"]).text();
        let wanted = self.kind().version_line();
        assert!(
            info.lines().any(|line| line.starts_with(wanted)),
            "{} is not {:?}: run `make test`, which installs it. It says:\n{info}",
            self.program.display(),
            self.kind(),
        );
    }

    #[track_caller]
    fn signal(&self, name: &str, signal: Signal) {
        let pid = i32::try_from(self.pid(name)).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("the signal is sent");
    }

    #[track_caller]
    fn node(&self, name: &str) -> &Node {
        self.nodes
            .get(name)
            .unwrap_or_else(|| panic!("the test started no node {name}"))
    }

    #[track_caller]
    fn node_mut(&mut self, name: &str) -> &mut Node {
        self.nodes
            .get_mut(name)
            .unwrap_or_else(|| panic!("the test started no node {name}"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // All signals first: a hundred servers end together.
        for node in self.nodes.values_mut() {
            let _ = node.process.kill();
        }
        for node in self.nodes.values_mut() {
            let _ = node.process.wait();
        }
    }
}

impl Node {
    fn last_words(&self) -> String {
        ["out.txt", "server.log"]
            .map(|file| fs::read_to_string(self.folder.join(file)).unwrap_or_default())
            .concat()
    }
}

/// `host1:7000` → `host1`, 7000.
#[track_caller]
fn split(name: &str) -> (&str, u16) {
    name.split_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .unwrap_or_else(|| panic!("{name:?} is not like host1:7000"))
}

#[track_caller]
fn host_number(host: &str) -> u8 {
    host.strip_prefix("host")
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{host:?} is not like host1"))
}
