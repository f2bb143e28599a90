//! Nodes that rcl, their peers and their clients reach in different ways: NAT, names, bus ports of their own, hosts
//! with several addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use rcl::base::{Address, NodeName};
use rcl::net::{Connections, Keyring, ReadOnly};
use rcl::observe::{Targets, look};

use crate::support::forwarder::Forwarder;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge, wait};

#[track_caller]
fn assert_empty(rcl: &Rcl, servers: &Servers) {
    let recorder = Recorder::start(servers);
    rcl.run(&["plan", "--detailed-exitcode"]).success();
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");
    rcl.run(&["apply", "--yes"]).success();
    recorder.assert_no_writes(servers);
}

#[track_caller]
fn wait_until_ok(servers: &Servers) {
    for name in servers.running() {
        wait::until(&format!("{name} to be ok"), || {
            let info = judge::ask(servers.address(&name)).info;
            match info.get("cluster_state").map(String::as_str) {
                Some("ok") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
}

#[test]
fn behind_nat_on_redis_6_2() {
    behind_nat(ServerKind::Redis62);
}

#[test]
fn behind_nat_on_redis_8_2() {
    behind_nat(ServerKind::Redis82);
}

#[test]
fn behind_nat_on_valkey_9_1() {
    behind_nat(ServerKind::Valkey91);
}

/// rcl dials each node at its own address; peers, replicas and clients are told another one, with other ports, where
/// only a forwarder listens. The cluster is formed, and slots move, along both.
fn behind_nat(kind: ServerKind) {
    let servers = Servers::prepare(kind).grid(4, 1).without_announce().start();
    let outside = servers.host("host9");
    let mut forwarders = Vec::new();
    let mut nodes = BTreeMap::new();
    for number in 1..=4_u16 {
        let name = format!("host{number}:7000");
        let inside = servers.address(&name);
        let (port, bus_port) = (8000 + number, 9000 + number);
        for (from, to) in [(port, inside.port()), (bus_port, inside.port() + 10000)] {
            let to = SocketAddr::new(inside.ip(), to);
            forwarders.push(Forwarder::start(SocketAddr::new(outside, from), to));
        }
        let entry = format!("{{at: {name}, announce: \"{outside}:{port}@{bus_port}\"}}");
        nodes.insert(number, entry);
    }
    let hosts: Vec<String> = (1..=4)
        .map(|number| format!("host{number}: {}", servers.host(&format!("host{number}"))))
        .collect();
    let yaml = |first: &str, second: &str| {
        format!(
            "cluster: nat\nhosts: {{{}}}\nshards:\n  a: {{primary: {}, replicas: [{}], slots: {first}}}\n  \
             b: {{primary: {}, slots: {second}}}\n  c: {{primary: {}, slots: 10923-16383}}\n",
            hosts.join(", "),
            nodes[&1],
            nodes[&4],
            nodes[&2],
            nodes[&3],
        )
    };
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &yaml("0-5461", "5462-10922"));
    rcl.run(&["apply", "--yes"]).code(0);
    wait_until_ok(&servers);
    assert_empty(&rcl, &servers);
    let table = servers.call("host3:7000", &["CLUSTER", "NODES"]).text();
    // Redis 6.2 shows its own ports in its own line.
    for number in [1, 2, 4] {
        let told = format!(" {outside}:{}@{}", 8000 + number, 9000 + number);
        assert!(table.contains(&told), "{told}\n{table}");
    }
    let replication = judge::ask(servers.address("host4:7000")).replication;
    assert_eq!(replication["master_host"], outside.to_string());
    for key in 0..100 {
        for name in ["host1:7000", "host2:7000", "host3:7000"] {
            let _ = servers.call(name, &["SET", &format!("key:{key}"), "value"]);
        }
    }
    rcl.file("rcl.yaml", &yaml("0-5300", "5301-10922"));
    rcl.run(&["apply", "--yes"]).code(0);
    assert_empty(&rcl, &servers);
    let keys: i64 = ["host1:7000", "host2:7000", "host3:7000"]
        .iter()
        .map(|name| servers.call(name, &["DBSIZE"]).integer())
        .sum();
    assert_eq!(keys, 100);
    drop(forwarders);
}

/// Clients are told names, peers go on with addresses.
#[test]
fn names_for_clients() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey91] {
        let servers = Servers::prepare(kind).grid(2, 1).start();
        let (one, two) = (servers.host("host1"), servers.host("host2"));
        let rcl = Rcl::new();
        rcl.file(
            "rcl.yaml",
            &format!(
                "cluster: named\nhosts: {{host1: {one}, host2: {two}}}\n\
                 config: {{cluster-preferred-endpoint-type: hostname}}\nshards:\n  \
                 a: {{primary: {{at: host1:7000, hostname: a1.example.net}}, \
                 replicas: [{{at: host2:7000, hostname: a2.example.net}}]}}\n"
            ),
        );
        rcl.run(&["apply", "--yes"]).code(0);
        wait_until_ok(&servers);
        let slots = format!("{:?}", servers.call("host2:7000", &["CLUSTER", "SLOTS"]));
        assert!(slots.contains("a1.example.net"), "{slots}");
        assert_empty(&rcl, &servers);
        let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
        judge::wait_until_matches(&servers, &shards);
    }
}

/// Bus ports that are not 10000 higher. Nobody has to tell rcl: nodes do.
#[test]
fn bus_ports_of_their_own() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey81] {
        let servers = Servers::prepare(kind)
            .grid(4, 1)
            .set("cluster-port", "6500")
            .start();
        let hosts: Vec<String> = (1..=4)
            .map(|number| format!("host{number}: {}", servers.host(&format!("host{number}"))))
            .collect();
        let rcl = Rcl::new();
        rcl.file(
            "rcl.yaml",
            &format!(
                "cluster: buses\nhosts: {{{}}}\nshards:\n  a: {{primary: host1:7000, replicas: [host4:7000]}}\n  \
                 b: {{primary: host2:7000}}\n  c: {{primary: host3:7000}}\n",
                hosts.join(", ")
            ),
        );
        let plan = rcl.run(&["plan"]).success();
        let meet = format!("CLUSTER MEET {} 7000 6500", servers.host("host2"));
        assert!(plan.stdout().contains(&meet), "{}", plan.stdout());
        rcl.run(&["apply", "--yes"]).code(0);
        wait_until_ok(&servers);
        assert_empty(&rcl, &servers);
    }
}

/// A name with several addresses: the node is found at the one where it listens, also behind one that leads nowhere.
#[test]
fn a_host_with_several_addresses() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(1, 1).start();
    let node = servers.address("host1:7000");
    let address = |ip: IpAddr| Address::new(ip, node.port());
    let nowhere = servers.host("host7");
    for places in [[nowhere, node.ip()], [node.ip(), nowhere]] {
        let mut targets = Targets::default();
        let name = NodeName::new("here:7000");
        let places = places.into_iter().map(address).collect();
        targets.nodes.insert(name.clone(), Ok(places));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let observed = runtime.block_on(async {
            let connections = Connections::new(Keyring::default());
            look(&ReadOnly(&connections), &targets).await
        });
        let view = observed.view_of(&name).expect("the node answers");
        assert_eq!(view.dialled, address(node.ip()));
    }
}
