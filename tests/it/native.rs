//! Proves the support of the tests on every kind of server, with native commands only.

use std::collections::BTreeMap;

use crate::support::resp::Value;
use crate::support::{Recorder, ServerKind, Servers, Shard, judge, native, wait};

#[test]
fn redis_6_2() {
    forms_and_recovers(ServerKind::Redis62);
}

#[test]
fn redis_7_0() {
    forms_and_recovers(ServerKind::Redis70);
}

#[test]
fn redis_8_2() {
    forms_and_recovers(ServerKind::Redis82);
}

#[test]
fn valkey_8_1() {
    forms_and_recovers(ServerKind::Valkey81);
}

#[test]
fn valkey_9_1() {
    forms_and_recovers(ServerKind::Valkey91);
}

fn forms_and_recovers(kind: ServerKind) {
    let mut servers = Servers::prepare(kind).node_timeout_ms(1000).start();
    let seed = Shard::seed();
    let recorder = Recorder::start(&servers);
    native::form(&servers, &seed);
    judge::assert_matches(&servers, &seed);
    judge::redis_cli_check(servers.address("host1:7000"));
    judges_see_swapped_replicas(&servers);
    assert_records(&recorder, &servers);

    let recorder = Recorder::start(&servers);
    judge::redis_cli_check(servers.address("host2:7002"));
    recorder.assert_no_writes(&servers);
    assert!(!recorder.commands(&servers).is_empty(), "the check asks");

    pauses_and_resumes(&mut servers, &seed);

    servers.restart("host2:7001");
    judge::wait_until_matches(&servers, &seed);
    restarts_blank(&mut servers, &seed);
}

/// A judge that finds nothing wrong must be able to find something.
fn judges_see_swapped_replicas(servers: &Servers) {
    let mut swapped = Shard::seed();
    swapped[0].replicas = vec!["host2:7001".to_owned()];
    swapped[1].replicas = vec!["host2:7000".to_owned()];
    let differences = judge::differences(servers, &swapped);
    let parents = differences.iter().filter(|line| line.contains("parent"));
    assert_eq!(parents.count(), 12, "{differences:#?}");
    let links = differences
        .iter()
        .filter(|line| line.contains("master_port"));
    assert_eq!(links.count(), 2, "{differences:#?}");
}

/// The recorder saw exactly what `native::well_sent` sends, with its arguments.
fn assert_records(recorder: &Recorder, servers: &Servers) {
    let slots = if servers.kind().has_slot_ranges() {
        "CLUSTER ADDSLOTSRANGE"
    } else {
        "CLUSTER ADDSLOTS"
    };
    let expected = [
        ("CLUSTER MEET", 30),
        ("CLUSTER REPLICATE", 3),
        ("CLUSTER SET-CONFIG-EPOCH", 6),
        (slots, 3),
    ]
    .map(|(name, count)| (name.to_owned(), count));
    assert_eq!(recorder.write_counts(servers), BTreeMap::from(expected));
    let writes = recorder.writes(servers);
    assert_eq!(
        writes[0].to_string(),
        "host1:7000 CLUSTER SET-CONFIG-EPOCH 4"
    );
    assert!(writes[0].client.starts_with("127."), "{}", writes[0].client);
}

fn pauses_and_resumes(servers: &mut Servers, shards: &[Shard]) {
    let id = servers.id("host2:7000");
    servers.pause("host2:7000");
    wait::until("a paused node to fail", || {
        let lines = judge::cluster_nodes(servers.address("host1:7001"));
        match lines.iter().find(|line| line.id == id) {
            Some(line) if line.has("fail") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    servers.resume("host2:7000");
    judge::wait_until_matches(servers, shards);
}

fn restarts_blank(servers: &mut Servers, shards: &[Shard]) {
    let address = servers.address("host2:7002");
    let id = servers.id("host2:7002");
    servers.restart_blank("host2:7002");
    assert_eq!(servers.address("host2:7002"), address);
    assert_ne!(servers.id("host2:7002"), id);
    let lines = judge::cluster_nodes(address);
    assert!(lines.iter().all(|line| line.is_myself()), "{lines:?}");
    assert!(!judge::differences(servers, shards).is_empty());
}

#[test]
fn grows_by_the_manual_way() {
    let mut servers = Servers::start(ServerKind::Redis70, 6);
    native::perform(&servers, &native::manual_way(&servers, &Shard::seed()));
    judge::wait_until_matches(&servers, &Shard::seed());
    servers.add("host1:7003");
    servers.add("host2:7003");
    let newcomers = [Shard::new("host1:7003", &["host2:7003"], "")];
    for name in ["host1:7003", "host2:7003"] {
        let address = servers.address(name);
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        servers.ok("host1:7000", &["CLUSTER", "MEET", &ip, &port]);
    }
    native::perform(&servers, &native::replications(&servers, &newcomers));
    judge::wait_until_matches(&servers, &Shard::grown());
}

/// Peers record a node that announces nothing at the address that it dials from, where nobody listens: both
/// ends know the right address from the MEET and lose it to the first PING.
#[test]
fn without_announce_nodes_are_seen_at_loopback() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .without_announce()
        .start();
    let pair = [
        Shard::new("host1:7000", &[], ""),
        Shard::new("host2:7000", &[], ""),
    ];
    native::perform(
        &servers,
        &native::well_sent(&servers, &pair, native::EVERYONE),
    );
    wait::until("a node to be seen at 127.0.0.1", || {
        let mut lines = judge::cluster_nodes(servers.address("host1:7000"));
        lines.extend(judge::cluster_nodes(servers.address("host2:7000")));
        let mut members = lines.iter().filter(|line| !line.has("handshake"));
        let wrong = members.any(|line| line.address == "127.0.0.1:7000");
        wrong.then_some(()).ok_or(format!("{lines:?}"))
    });
}

#[test]
fn settings_hold_with_and_without_a_config_file() {
    let prepare = || {
        Servers::prepare(ServerKind::Valkey91)
            .grid(1, 1)
            .set("maxmemory", "12mb")
    };
    let (with, without) = (prepare().start(), prepare().without_config_file().start());
    for servers in [&with, &without] {
        let reply = servers.call("host1:7000", &["CONFIG", "GET", "maxmemory"]);
        let bytes = Value::Bulk((12 * 1024 * 1024).to_string());
        assert_eq!(reply.array().last(), Some(&bytes));
    }
    with.ok("host1:7000", &["CONFIG", "REWRITE"]);
    let refused = without.call("host1:7000", &["CONFIG", "REWRITE"]);
    assert!(matches!(refused, Value::Error(_)), "{refused:?}");
}

#[test]
fn data_survives_a_restart_when_it_is_kept() {
    let mut servers = Servers::prepare(ServerKind::Redis82)
        .grid(1, 1)
        .set("appendonly", "yes")
        .set("cluster-require-full-coverage", "no")
        .start();
    let node = "host1:7000";
    servers.ok(node, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    wait::until("the node to take writes", || {
        let reply = servers.call(node, &["SET", "key", "value"]);
        let taken = reply == Value::Simple("OK".to_owned());
        taken.then_some(()).ok_or(format!("{reply:?}"))
    });
    servers.restart(node);
    assert_eq!(servers.call(node, &["DBSIZE"]), Value::Integer(1));
}
