//! `rcl lab` on real servers: it starts what is missing, ends only what is its own, and removes only what it made.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

mod cycle;
mod folder;
mod refusals;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use rcl::base::{NodeName, Secret};
use rcl::cli::lab::{Args, run};
use rcl::desired::{Announce, Desired, HostAddress, HostName, SecretSource, Setting};

use crate::support::by_hand::{self, Block};

#[derive(Parser)]
struct Rcl {
    #[command(flatten)]
    args: Args,
}

#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// A lab in a folder of its own, which ends with the test.
struct Lab {
    desired: Desired,
    server: PathBuf,
    folder: tempfile::TempDir,
    block: Block,
}

impl Lab {
    fn new(ports: &[u16]) -> Self {
        Self::of(by_hand::any_server(), ports)
    }

    fn of(server: PathBuf, ports: &[u16]) -> Self {
        let block = Block::claim();
        Self {
            desired: by_hand::desired(block.host(1), block.host(2), ports),
            server,
            folder: tempfile::tempdir().unwrap(),
            block,
        }
    }

    /// Runs `rcl lab COMMAND FOLDER/seed.yaml …`; the folder is shown as `FOLDER`.
    fn run(&self, command: &str, more: &[&str]) -> Ran {
        let folder = self.folder.path().to_str().unwrap();
        let file = format!("{folder}/seed.yaml");
        let server = self.server.to_str().unwrap();
        let mut line = vec!["lab", command, &file];
        line.extend(more);
        if command == "up" && !more.contains(&"--server") {
            line.extend(["--server", server]);
        }
        let args = Rcl::parse_from(line).args;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, &self.desired, &mut out, &mut err);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(folder, "FOLDER");
        Ran {
            code,
            out: text(out),
            err: text(err),
        }
    }

    #[track_caller]
    fn ok(&self, command: &str, more: &[&str]) -> String {
        let ran = self.run(command, more);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        ran.out
    }

    fn grow(&mut self, ports: &[u16]) {
        self.desired = by_hand::desired(self.block.host(1), self.block.host(2), ports);
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join(".lab/seed")
    }

    /// The processes that the lab recorded and that run, by node.
    fn pids(&self) -> BTreeMap<String, u32> {
        let text = fs::read_to_string(self.dir().join("state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        let nodes = state["nodes"].as_object().unwrap();
        nodes
            .iter()
            .filter_map(|(name, node)| {
                Some((name, u32::try_from(node["process"]["pid"].as_u64()?).ok()?))
            })
            .filter(|(_, pid)| is_running(*pid))
            .map(|(name, pid)| (name.clone(), pid))
            .collect()
    }

    fn ask(&self, node: &str, line: &str) -> String {
        let node = &self.desired.nodes[&NodeName::new(node)];
        let HostAddress::Ip(ip) = self.desired.hosts[&node.host].address else {
            panic!("an address");
        };
        ask((ip, node.port), line)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let dir = self.dir();
        // A test that failed may have frozen or broken anything, so this end is not a polite one.
        if dir.join("state.json").exists() {
            for pid in self.pids().values() {
                signal("KILL", *pid);
            }
        }
    }
}

fn ask(address: (IpAddr, u16), line: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
        .write_all(format!("{line}\r\nQUIT\r\n").as_bytes())
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn is_running(pid: u32) -> bool {
    !["", "Z"].contains(&stat_field(pid, 3).as_str())
}

/// A field of what the kernel tells of a process, counted from 1; empty when the process is gone.
fn stat_field(pid: u32, number: usize) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let field = behind_name.split_whitespace().nth(number - 3);
    field.unwrap_or_default().to_owned()
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[track_caller]
fn wait_until_ended(pid: u32) {
    let end = Instant::now() + Duration::from_secs(10);
    while is_running(pid) {
        assert!(Instant::now() < end, "pid {pid} runs on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first word of each line that names a node, and the node.
fn words(out: &str) -> Vec<(&str, &str)> {
    out.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let word = words.next()?;
            words
                .next()
                .filter(|name| name.starts_with("host"))
                .map(|name| (word, name))
        })
        .collect()
}
