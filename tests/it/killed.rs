//! rcl dies in the middle of an apply, at every line that it says: the next apply completes the cluster, and no
//! lowered node timeout is left, in a server or in its file.

use std::fs;

use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard, judge};

/// Declared; the servers start with 2000. While it forms a cluster rcl lowers it.
const DECLARED: &str = "3000";

/// Every line of a shard with a replica, in parts that run side by side.
const PARTS: usize = 4;

fn pair() -> Vec<Shard> {
    vec![Shard::new("host1:7000", &["host2:7000"], "0-16383")]
}

fn every_line(part: usize) {
    let mut lines = part + 1;
    loop {
        // Without an announced address CONFIG REWRITE has one more reason to be sent.
        let servers = Servers::prepare(ServerKind::Redis70)
            .grid(2, 1)
            .without_announce()
            .start();
        if !dies_after(lines, &servers, &pair()) {
            assert!(lines > 30, "only {lines} lines");
            return;
        }
        lines += PARTS;
    }
}

/// False when the run ended before that many lines came.
#[track_caller]
#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn dies_after(lines: usize, servers: &Servers, shards: &[Shard]) -> bool {
    let rcl = Rcl::new();
    let yaml = Yaml::new(servers, shards).config("cluster-node-timeout", "3s");
    rcl.file("rcl.yaml", &yaml);
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    let mut last = None;
    for _ in 0..lines {
        last = apply.next();
        if last.is_none() {
            apply.end().code(0);
            return false;
        }
    }
    apply.kill();
    println!("killed after {lines} lines, the last: {last:?}");
    assert_nothing_lowered_on_disk(servers);
    rcl.run_again(&["apply", "--yes"]);
    assert_formed(&rcl, servers, shards);
    true
}

#[track_caller]
fn assert_formed(rcl: &Rcl, servers: &Servers, shards: &[Shard]) {
    judge::assert_matches(servers, shards);
    judge::redis_cli_check(servers.address("host1:7000"));
    rcl.run(&["plan", "--detailed-exitcode"]).success();
    rcl.run(&["drift"]).success();
    for name in servers.names() {
        let live = servers.call(&name, &["CONFIG", "GET", "cluster-node-timeout"]);
        assert_eq!(live.array()[1].clone().text(), DECLARED, "{name}");
        assert_eq!(on_disk(servers, &name), DECLARED, "{name}");
    }
}

#[track_caller]
fn assert_nothing_lowered_on_disk(servers: &Servers) {
    for name in servers.names() {
        let timeout = on_disk(servers, &name);
        assert!(
            ["2000", DECLARED].contains(&timeout.as_str()),
            "{name}: {timeout}"
        );
    }
}

fn on_disk(servers: &Servers, name: &str) -> String {
    let file =
        fs::read_to_string(servers.folder(name).join("redis.conf")).expect("its config file");
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix("cluster-node-timeout "));
    line.expect("the node timeout").to_owned()
}

#[test]
fn at_every_line_0() {
    every_line(0);
}

#[test]
fn at_every_line_1() {
    every_line(1);
}

#[test]
fn at_every_line_2() {
    every_line(2);
}

#[test]
fn at_every_line_3() {
    every_line(3);
}

/// The seed cluster at the first line of every phase.
#[test]
fn forming_the_seed() {
    for phase in [
        "lower cluster-node-timeout",
        "give host1:7000 epoch",
        "assign 0-5461",
        "CLUSTER MEET",
        "joined",
        "CLUSTER REPLICATE",
        "wait until all nodes agree",
        "restored cluster-node-timeout",
    ] {
        let servers = Servers::start(ServerKind::Valkey91, 6);
        let rcl = Rcl::new();
        let yaml = Yaml::seed(&servers).config("cluster-node-timeout", "3s");
        rcl.file("rcl.yaml", &yaml);
        let mut apply = rcl.start(&["apply", "--yes", "-v"]);
        apply.expect(phase);
        apply.kill();
        println!("killed after {phase:?}");
        assert_nothing_lowered_on_disk(&servers);
        rcl.run_again(&["apply", "--yes"]);
        assert_formed(&rcl, &servers, &Shard::seed());
    }
}

/// Ctrl-C lets what is under way finish and restores what was lowered; the next apply does the rest.
#[test]
fn interrupted_it_restores_first() {
    let servers = Servers::start(ServerKind::Redis70, 6);
    let rcl = Rcl::new();
    let yaml = Yaml::seed(&servers).config("cluster-node-timeout", "3s");
    rcl.file("rcl.yaml", &yaml);
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("lowered cluster-node-timeout");
    apply.interrupt();
    apply.end().code(1);
    for name in servers.names() {
        let live = servers.call(&name, &["CONFIG", "GET", "cluster-node-timeout"]);
        assert_eq!(live.array()[1].clone().text(), DECLARED, "{name}");
    }
    rcl.run(&["apply", "--yes"]).code(0);
    assert_formed(&rcl, &servers, &Shard::seed());
}
