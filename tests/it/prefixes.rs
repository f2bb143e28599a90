//! Wherever a person stops with native commands, `rcl apply` completes the cluster.

use crate::support::native::{self, Step};
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge, wait};

/// Each test takes the prefixes of one remainder, so that they run side by side.
const PARTS: usize = 3;

type Way = fn(&Servers, &[Shard]) -> Vec<Step>;

fn well_sent(servers: &Servers, shards: &[Shard]) -> Vec<Step> {
    native::well_sent(servers, shards, 1)
}

/// Stops after the k-th command, for every k of this part, from none to all.
fn completes(kind: ServerKind, way: Way, part: usize) {
    let mut stop_after = part;
    loop {
        let servers = Servers::prepare(kind).node_timeout_ms(1000).start();
        let steps = way(&servers, &Shard::seed());
        let Some(prefix) = steps.get(..stop_after) else {
            // All of them, and not a prefix too few.
            assert!(stop_after > steps.len() && steps.len() > 10);
            return;
        };
        let told = prefix.last().map(|step| format!("{:?}", step.argv));
        println!("after {stop_after} of {} commands, {told:?}", steps.len());
        native::perform(&servers, prefix);
        let rcl = Rcl::new();
        rcl.file("rcl.yaml", &Yaml::seed(&servers));
        rcl.run(&["apply", "--yes"]).code(0);
        judge::assert_matches(&servers, &Shard::seed());
        judge::redis_cli_check(servers.address("host1:7000"));
        let recorder = Recorder::start(&servers);
        rcl.run(&["plan", "--detailed-exitcode"]).success();
        recorder.assert_no_writes(&servers);
        stop_after += PARTS;
    }
}

#[test]
fn of_the_manual_way_0() {
    completes(ServerKind::Redis70, native::manual_way, 0);
}

#[test]
fn of_the_manual_way_1() {
    completes(ServerKind::Redis70, native::manual_way, 1);
}

#[test]
fn of_the_manual_way_2() {
    completes(ServerKind::Redis70, native::manual_way, 2);
}

#[test]
fn of_commands_sent_well_to_redis_0() {
    completes(ServerKind::Redis70, well_sent, 0);
}

#[test]
fn of_commands_sent_well_to_redis_1() {
    completes(ServerKind::Redis70, well_sent, 1);
}

#[test]
fn of_commands_sent_well_to_redis_2() {
    completes(ServerKind::Redis70, well_sent, 2);
}

#[test]
fn of_commands_sent_well_to_valkey_0() {
    completes(ServerKind::Valkey91, well_sent, 0);
}

#[test]
fn of_commands_sent_well_to_valkey_1() {
    completes(ServerKind::Valkey91, well_sent, 1);
}

#[test]
fn of_commands_sent_well_to_valkey_2() {
    completes(ServerKind::Valkey91, well_sent, 2);
}

/// Slots are given one by one, as the manual does, and the first node of a new pair is met.
#[test]
fn of_slots_and_of_growing() {
    let mut servers = Servers::prepare(ServerKind::Redis62)
        .node_timeout_ms(1000)
        .start();
    for (slot, node) in [(0, "host1:7000"), (1, "host1:7000"), (10922, "host1:7001")] {
        servers.ok(node, &["CLUSTER", "ADDSLOTS", &slot.to_string()]);
    }
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &Shard::seed());

    servers.add("host1:7003");
    servers.add("host2:7003");
    let address = servers.address("host2:7003");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    servers.ok("host2:7001", &["CLUSTER", "MEET", &ip, &port]);
    rcl.file("rcl.yaml", &Yaml::grown(&servers));
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &Shard::grown());
    rcl.run(&["plan", "--detailed-exitcode"]).success();
}

/// Gossip alone finishes a half-met cluster: nobody waits for what it was never told.
#[test]
fn of_meetings_that_gossip_completes() {
    let servers = Servers::prepare(ServerKind::Valkey81)
        .node_timeout_ms(1000)
        .start();
    let meetings = native::manual_way(&servers, &Shard::seed());
    native::perform(&servers, &meetings[..5]);
    wait::until("all to know all", || {
        let known: Vec<usize> = servers
            .names()
            .iter()
            .map(|name| judge::cluster_nodes(servers.address(name)).len())
            .collect();
        (known == [6; 6]).then_some(()).ok_or(format!("{known:?}"))
    });
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    let recorder = Recorder::start(&servers);
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &Shard::seed());
    let counts = recorder.write_counts(&servers);
    assert_eq!(counts.get("CLUSTER MEET"), None, "{counts:?}");
    assert_eq!(counts.get("CLUSTER ADDSLOTSRANGE"), Some(&3), "{counts:?}");
}
