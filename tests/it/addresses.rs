//! Under which addresses nodes are reached and known: the loopback trap, wrong announcements, nodes that moved,
//! IPv6, DNS names, announced host names and ports.

use std::collections::BTreeMap;

use rcl::base::NodeName;
use rcl::net::{Connections, Keyring, ReadOnly};
use rcl::observe::{Targets, look};
use rcl::observed::Answer;

use crate::support::hostile::{self, Hostile};
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge, native};

#[track_caller]
fn assert_empty(rcl: &Rcl, servers: &Servers) {
    let recorder = Recorder::start(servers);
    rcl.run(&["plan", "--detailed-exitcode"]).success();
    rcl.run(&["drift"]).success();
    rcl.run(&["apply", "--yes"]).success();
    recorder.assert_no_writes(servers);
}

#[track_caller]
fn assert_applies(rcl: &Rcl, servers: &Servers, shards: &[Shard]) {
    // Gossip about the addresses that were changed by hand may overtake the first plan.
    rcl.run_again(&["apply", "--yes"]);
    // A connection of the bus to another address is made anew when the next packet is due.
    judge::wait_until_matches(servers, shards);
    judge::redis_cli_check(servers.address(&servers.names()[0]));
    assert_empty(rcl, servers);
}

/// Nodes on 127.x.y.z send from 127.0.0.1, so their peers look for them where nobody listens.
#[test]
fn the_loopback_trap_on_redis_6_2() {
    the_loopback_trap(ServerKind::Redis62);
}

#[test]
fn the_loopback_trap_on_redis_8_2() {
    the_loopback_trap(ServerKind::Redis82);
}

#[test]
fn the_loopback_trap_on_valkey_9_1() {
    the_loopback_trap(ServerKind::Valkey91);
}

fn the_loopback_trap(kind: ServerKind) {
    let mut servers = Servers::prepare(kind).without_announce().start();
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    assert_applies(&rcl, &servers, &Shard::seed());
    for name in servers.names() {
        let text = std::fs::read_to_string(servers.folder(&name).join("redis.conf")).unwrap();
        let ip = servers.address(&name).ip().to_string();
        let line = text
            .lines()
            .find(|line| line.starts_with("cluster-announce-ip"));
        assert!(
            line.is_some_and(|line| line.contains(&ip)),
            "{name}: {line:?}"
        );
    }
    servers.restart("host2:7001");
    judge::wait_until_matches(&servers, &Shard::seed());
    assert_empty(&rcl, &servers);
}

/// Already caught in it: the nodes were met natively and know each other at 127.0.0.1.
#[test]
fn out_of_the_loopback_trap() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .without_announce()
        .start();
    native::perform(&servers, &native::manual_way(&servers, &Shard::seed())[..8]);
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    assert_applies(&rcl, &servers, &Shard::seed());
}

#[test]
fn a_member_announced_as_127_0_0_1() {
    for (kind, member) in [
        (ServerKind::Redis70, "host1:7001"),
        (ServerKind::Valkey91, "host2:7000"),
    ] {
        let servers = Servers::start(kind, 6);
        native::form(&servers, &Shard::seed());
        let rcl = Rcl::new();
        rcl.file("rcl.yaml", &Yaml::seed(&servers));
        servers.ok(
            member,
            &["CONFIG", "SET", "cluster-announce-ip", "127.0.0.1"],
        );
        let id = servers.id(member);
        crate::support::wait::until("a peer to see it there", || {
            let lines = judge::cluster_nodes(servers.address("host1:7000"));
            let line = lines.into_iter().find(|line| line.id == id);
            let seen = line
                .as_ref()
                .is_some_and(|line| line.address.starts_with("127.0.0.1:"));
            seen.then_some(()).ok_or(format!("{line:?}"))
        });
        assert_applies(&rcl, &servers, &Shard::seed());
    }
}

/// The same node, id and data, at another declared address: a replica, then a primary. Their new config files
/// announce nothing, so that peers would look for them at 127.0.0.1.
#[test]
fn a_node_at_a_new_address() {
    let mut servers = Servers::prepare(ServerKind::Redis70)
        .node_timeout_ms(5000)
        .without_announce()
        .start();
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    rcl.run(&["apply", "--yes"]).code(0);
    let mut shards = Shard::seed();
    servers.relocate("host2:7001", "host2:7003");
    shards[1].replicas = vec!["host2:7003".to_owned()];
    rcl.file("rcl.yaml", &Yaml::new(&servers, &shards));
    rcl.run(&["drift"]).code(2);
    assert_applies(&rcl, &servers, &shards);

    servers.relocate("host1:7000", "host2:7004");
    shards[0].primary = "host2:7004".to_owned();
    let yaml = Yaml::new(&servers, &shards).to_string() + "policy: {replicas_apart: off}\n";
    rcl.file("rcl.yaml", &yaml);
    assert_applies(&rcl, &servers, &shards);
}

#[test]
fn ipv6() {
    let servers = Servers::prepare(ServerKind::Redis70).on("::1", 4).start();
    let names = servers.names();
    let [a, b, c, d] = [0, 1, 2, 3].map(|number: usize| names[number].as_str());
    let port = |name: &str| servers.address(name).port();
    let yaml = |hosts: &str, at: &str, last: u16| {
        format!(
            "cluster: six\n{hosts}shards:\n  \
             a: {{primary: \"{at}:{}\", replicas: [\"{at}:{}\"], slots: 0-8191}}\n  \
             b: {{primary: \"{at}:{}\", slots: 8192-{last}}}\n  \
             c: {{primary: \"{at}:{}\", slots: {}-16383}}\n\
             policy: {{replicas_apart: off}}\n",
            port(a),
            port(b),
            port(c),
            port(d),
            last + 1,
        )
    };
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &yaml("", "[::1]", 12287));
    let mut shards = [
        Shard::new(a, &[b], "0-8191"),
        Shard::new(c, &[], "8192-12287"),
        Shard::new(d, &[], "12288-16383"),
    ];
    assert_applies(&rcl, &servers, &shards);
    let status = rcl.run(&["status"]).success();
    assert!(status.stdout().contains(&format!("[::1]:{}", port(d))));
    rcl.file("rcl.yaml", &yaml("hosts: {six: \"::1\"}\n", "six", 12287));
    assert_empty(&rcl, &servers);
    // A key of slot 12182, and a move that takes it along.
    servers.ok(c, &["SET", "foo", "bar"]);
    rcl.file("rcl.yaml", &yaml("", "[::1]", 12000));
    (shards[1].slots, shards[2].slots) = (vec![(8192, 12000)], vec![(12001, 16383)]);
    assert_applies(&rcl, &servers, &shards);
    assert_eq!(servers.call(d, &["GET", "foo"]).text(), "bar");
}

#[test]
fn a_dns_name() {
    let servers = Servers::prepare(ServerKind::Valkey91)
        .on("127.0.0.1", 3)
        .start();
    let names = servers.names();
    let port = |number: usize| servers.address(&names[number]).port();
    let yaml = format!(
        "cluster: names\nhosts: {{here: localhost}}\nshards:\n  \
         a: {{primary: here:{}}}\n  b: {{primary: here:{}}}\n  c: {{primary: here:{}}}\n",
        port(0),
        port(1),
        port(2),
    );
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &yaml);
    let shards = [
        Shard::new(&names[0], &[], "0-5461"),
        Shard::new(&names[1], &[], "5462-10922"),
        Shard::new(&names[2], &[], "10923-16383"),
    ];
    assert_applies(&rcl, &servers, &shards);
}

/// A name with a dead address before the living one, and with a silent one: all are asked at once, and one that answers
/// is enough.
#[test]
fn a_dns_name_with_several_addresses() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(1, 1).start();
    let living = servers.address("host1:7000");
    let silent = Hostile::start(|_| hostile::Answer::ThenSilence(Vec::new()));
    let addresses = [
        servers.host("host1").to_string() + ":1",
        silent.address.to_string(),
        living.to_string(),
    ];
    let addresses = addresses.map(|address| address.parse().unwrap());
    let name = NodeName::new("cache.example.net:7000");
    let targets = Targets {
        nodes: BTreeMap::from([(name.clone(), Ok(addresses.to_vec()))]),
        announced: BTreeMap::new(),
        questions: rcl::export::questions(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connections = Connections::new(Keyring::default());
    let seen = runtime.block_on(look(&ReadOnly(&connections), &targets));
    let view = seen.view_of(&name).expect("it answers");
    assert_eq!(view.dialled.to_string(), living.to_string());
    assert_eq!(view.id.to_string(), servers.id("host1:7000"));
    let dead = Targets {
        nodes: BTreeMap::from([(name.clone(), Ok(addresses[..2].to_vec()))]),
        ..targets
    };
    let seen = runtime.block_on(look(&ReadOnly(&connections), &dead));
    let tried = format!("{}, {}: ", addresses[0], addresses[1]);
    let Answer::Failed(failure) = &seen.declared[&name] else {
        panic!("nobody is there")
    };
    assert!(failure.to_string().starts_with(&tried), "{failure}");
}

/// What peers and clients are told: a host name, and the ip, port and bus port in full.
#[test]
fn announced_names_and_ports() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey81] {
        let servers = Servers::prepare(kind).grid(2, 1).without_announce().start();
        let (one, two) = (servers.host("host1"), servers.host("host2"));
        let yaml = format!(
            "cluster: told\nhosts: {{host1: {one}, host2: {two}}}\nshards:\n  a:\n    \
             primary: {{at: host1:7000, announce: \"{one}:7000@17000\", hostname: a1.example.net}}\n    \
             replicas: [{{at: host2:7000, hostname: a2.example.net}}]\n",
        );
        let rcl = Rcl::new();
        rcl.file("rcl.yaml", &yaml);
        let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
        assert_applies(&rcl, &servers, &shards);
        for (name, other, hostname) in [
            ("host1:7000", "host2:7000", "a1.example.net"),
            ("host2:7000", "host1:7000", "a2.example.net"),
        ] {
            let nodes = servers.call(other, &["CLUSTER", "NODES"]).text();
            let id = servers.id(name);
            let line = nodes.lines().find(|line| line.starts_with(&id)).unwrap();
            assert!(line.contains(&format!("@17000,{hostname} ")), "{line}");
        }
        // Somebody changes them.
        servers.ok(
            "host1:7000",
            &[
                "CONFIG",
                "SET",
                "cluster-announce-hostname",
                "x.example.net",
            ],
        );
        servers.ok(
            "host1:7000",
            &["CONFIG", "SET", "cluster-announce-bus-port", "17999"],
        );
        rcl.run(&["drift"]).code(2);
        assert_applies(&rcl, &servers, &shards);
    }
}
