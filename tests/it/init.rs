//! A new file for given nodes: on layouts that went wrong with other tools, with zones, and formed on real servers.

use std::collections::{BTreeMap, BTreeSet};

use rcl::desired::{Desired, parse};
use rcl::lint::lint;

use crate::support::{Rcl, ServerKind, Servers, Stage};

/// So many nodes on each host, as `--nodes` takes them: all of the first host come first.
fn nodes(hosts: &[u16]) -> String {
    let mut nodes = Vec::new();
    for (host, count) in hosts.iter().enumerate() {
        nodes.extend((0..*count).map(|port| format!("10.0.0.{}:{}", host + 1, 7000 + port)));
    }
    nodes.join(",")
}

/// The file, which `rcl check` has nothing against.
#[track_caller]
fn laid_out(nodes: &str, replicas: &str) -> (String, Desired) {
    let rcl = Rcl::new();
    let ran = rcl
        .run(&["init", "--nodes", nodes, "--replicas", replicas])
        .success();
    let desired = parse(ran.stdout()).unwrap();
    let lints = lint(&desired);
    assert!(lints.is_empty(), "{lints:?}\n{}", ran.stdout());
    (ran.stdout().to_owned(), desired)
}

/// The host of each shard's primary, and those of its replicas.
fn hosts(desired: &Desired) -> Vec<(String, Vec<String>)> {
    let host = |name| desired.nodes[name].host.to_string();
    let shards = desired.shards.iter();
    shards
        .map(|shard| {
            (
                host(&shard.primary),
                shard.replicas.iter().map(host).collect(),
            )
        })
        .collect()
}

#[test]
fn where_other_tools_put_replicas_beside_their_primaries() {
    // The shapes of issues of redis/redis.
    for (issues, layout, replicas) in [
        ("2204, 2436, 2528, 3462, 3630, 6179", vec![2, 2, 2], "1"),
        ("5849", vec![3, 3, 3], "2"),
        ("11682", vec![2, 2, 2, 2], "1"),
        ("3789: an odd number of nodes", vec![3, 2, 2], "1"),
        ("12867", vec![55, 55, 55], "1"),
        ("11306: all of one host first", vec![4, 1, 1, 2, 2], "1"),
        ("of many hosts some with more", vec![3, 3, 2, 2, 1, 1], "2"),
    ] {
        let nodes = nodes(&layout);
        let rcl = Rcl::new();
        let ran = rcl
            .run(&["init", "--nodes", &nodes, "--replicas", replicas])
            .code(0);
        let desired = parse(ran.stdout()).unwrap();
        assert!(lint(&desired).is_empty(), "{issues}: {}", ran.stdout());
        for (primary, replicas) in hosts(&desired) {
            let different: BTreeSet<&String> = replicas.iter().collect();
            assert!(!different.contains(&primary), "{issues}: {}", ran.stdout());
            assert_eq!(
                different.len(),
                replicas.len(),
                "{issues}: {}",
                ran.stdout()
            );
        }
        // Whatever host is lost, its shards don't all land on one other.
        if layout == [2, 2, 2, 2] {
            let pairs: BTreeMap<String, Vec<String>> = hosts(&desired).into_iter().collect();
            for (primary, replicas) in &pairs {
                let back = pairs.get(&replicas[0]);
                assert!(
                    back.is_none_or(|back| back[0] != *primary),
                    "{}",
                    ran.stdout()
                );
            }
        }
    }
}

#[test]
fn a_file_with_zones() {
    let rcl = Rcl::new();
    rcl.file(
        "nodes",
        &"# three racks\nredis1.example.net:7000 rack-a\nredis1.example.net:7001 rack-a\nredis2:7000 rack-a # the second\n\
          10.0.0.3:7000 rack-b\n10.0.0.4:7000 rack-b\n[fd00::5]:7000 rack-c\n",
    );
    let arguments = [
        "init",
        "--nodes-file",
        "nodes",
        "--replicas",
        "1",
        "--name",
        "orders",
        "--out",
        "rcl.yaml",
    ];
    let ran = rcl.run(&arguments).success();
    assert_eq!(ran.stdout(), "");
    let text = std::fs::read_to_string(rcl.path("rcl.yaml")).unwrap();
    insta::assert_snapshot!(text, @r#"
    cluster: orders
    hosts:
      host1: {address: 10.0.0.3, zone: rack-b}
      host2: {address: 10.0.0.4, zone: rack-b}
      host3: {address: fd00::5, zone: rack-c}
      redis2: {address: redis2, zone: rack-a}
      redis1.example.net: {address: redis1.example.net, zone: rack-a}
    shards:
      a: {primary: redis1.example.net:7000, replicas: [host2:7000]}
      b: {primary: host1:7000, replicas: [redis2:7000]}
      c: {primary: host3:7000, replicas: [redis1.example.net:7001]}
    policy:
      replicas_apart: zone
    "#);
    assert_eq!(
        rcl.run(&["check"]).success().stdout(),
        "rcl.yaml: 6 nodes in 3 shards, 16384 slots assigned.\n"
    );
    // A file that is there is never written over, and equal nodes give an equal file.
    let ran = rcl.run(&arguments).code(1);
    insta::assert_snapshot!(ran.stderr(), @r#"error: rcl.yaml can't be written: File exists (os error 17)"#);
    let printed = rcl
        .run(&["init", "--nodes-file", "nodes", "--name", "orders"])
        .success();
    assert_eq!(printed.stdout(), text);
}

#[test]
fn what_can_t_be_met_is_told_and_why() {
    let mut told = String::new();
    for (what, layout, replicas) in [
        ("two hosts", vec![3, 3], "1"),
        ("one host", vec![6], "1"),
        ("one large host", vec![5, 1, 1, 1], "1"),
        ("four nodes", vec![1, 1, 1, 1], "1"),
        ("one over", vec![3, 2, 2], "1"),
        ("replicas that share", vec![3, 3, 3], "3"),
    ] {
        let nodes = nodes(&layout);
        let ran = Rcl::new()
            .run(&["init", "--nodes", &nodes, "--replicas", replicas])
            .code(0);
        // The same stands in the file, which can be used.
        let file = ran.stdout();
        let comments = file
            .lines()
            .take_while(|line| line.starts_with('#'))
            .count();
        assert!(comments >= ran.stderr().lines().count(), "{file}");
        let desired = parse(file).unwrap();
        let errors = lint(&desired)
            .into_iter()
            .filter(|lint| lint.level == rcl::lint::Level::Error);
        assert_eq!(errors.count(), 0, "{file}");
        told.push_str(&format!("{what}\n{}", ran.stderr()));
    }
    insta::assert_snapshot!(told, @r#"
    two hosts
    Note: Losing the host host1 takes 2 of 3 primaries, and no replica can take over then; it takes three hosts or more to avoid that.
    one host
    Note: 3 replicas are on the host of their primary, and `replicas_apart` is off so that the file can be used: no layout of these nodes avoids that, host1 has 6 of the 6 nodes.
    Note: Losing the host host1 takes 3 of 3 primaries, and no replica can take over then; it takes three hosts or more to avoid that.
    one large host
    Note: 1 replica is on the host of its primary, and `replicas_apart` is off so that the file can be used: no layout of these nodes avoids that, host1 has 5 of the 8 nodes.
    four nodes
    Note: With two primaries nobody can agree that one failed, so no replica takes over. Three primaries with 1 replica each take 6 nodes.
    one over
    Note: 7 nodes make 3 shards of 2 nodes; the one that is left over is a further replica.
    replicas that share
    Note: 9 nodes make 2 shards of 4 nodes; the one that is left over is a further replica.
    Note: With two primaries nobody can agree that one failed, so no replica takes over. Three primaries with 3 replicas each take 12 nodes.
    Note: Replicas of one shard are together on a host; no layout of these nodes avoids that.
    "#);
}

#[test]
fn nodes_that_are_none() {
    let mut told = String::new();
    for (nodes, code) in [
        ("host1", 64),
        ("", 64),
        ("host1:7000,host1:7000", 64),
        ("host1:7000,::1", 64),
        ("host1:7000,\u{1b}[31m:1", 64),
        ("host1:7000", 1),
    ] {
        let ran = Rcl::new().run(&["init", "--nodes", nodes]).code(code);
        assert_eq!(ran.stdout(), "");
        told.push_str(ran.stderr());
    }
    let rcl = Rcl::new();
    for text in [
        "host1:7000 a\nhost1:7001 b\n",
        "host1:7000 a b\n",
        "# nothing\n",
        "\nhost1 a\n",
    ] {
        rcl.file("nodes", &text);
        told.push_str(rcl.run(&["init", "--nodes-file", "nodes"]).code(1).stderr());
    }
    told.push_str(rcl.run(&["init", "--nodes-file", "none"]).code(1).stderr());
    insta::assert_snapshot!(told, @r#"
    error: the node `host1` has no port: write the host and the port, such as host1:7000
    error: no node is given
    error: host1:7000 is given twice
    error: the node `::1` has no port: write "[::1]:7000"
    error: `\u{1b}[31m` is not the name of a host: write the name of an entry under `hosts`, or an address
    error: one shard with 1 replica takes 2 nodes, and there is 1
    error: nodes: line 2: host1 is in the zones "a" and "b"
    error: nodes: line 1: "b" is too much: write the node and its zone
    error: nodes: no node is given
    error: nodes: line 2: the node `host1` has no port: write the host and the port, such as host1:7000
    error: none can't be read: No such file or directory (os error 2)
    "#);
}

#[test]
fn the_order_of_the_nodes_names_the_hosts() {
    let (text, _) = laid_out(
        "10.0.0.9:7000,10.0.0.1:7000,host2:7000,10.0.0.9:7001,10.0.0.1:7001,host2:7001",
        "1",
    );
    insta::assert_snapshot!(text, @r#"
    cluster: cluster
    hosts:
      host1: 10.0.0.9
      host2: host2
      host3: 10.0.0.1
    shards:
      a: {primary: host1:7000, replicas: [host3:7001]}
      b: {primary: host3:7000, replicas: [host2:7001]}
      c: {primary: host2:7000, replicas: [host1:7001]}
    "#);
}

/// Servers that are there, and nothing else.
#[test]
fn forms_on_real_servers() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey91] {
        let mut stage = Stage::blank(Servers::prepare(kind).grid(3, 2));
        let nodes: Vec<String> = stage
            .servers
            .names()
            .iter()
            .map(|name| stage.servers.address(name).to_string())
            .collect();
        let arguments = [
            "init",
            "--nodes",
            &nodes.join(","),
            "--name",
            "orders",
            "--out",
            "rcl.yaml",
        ];
        stage.rcl.run(&arguments).success();
        stage.rcl.run(&["apply", "--yes"]).code(0);
        stage.matches();
    }
}
