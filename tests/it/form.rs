//! Blank nodes become the declared cluster, and it grows: on every kind of server.

use std::collections::BTreeMap;

use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

#[test]
fn redis_6_2() {
    forms_and_grows(ServerKind::Redis62);
}

#[test]
fn redis_7_0() {
    forms_and_grows(ServerKind::Redis70);
}

#[test]
fn redis_8_2() {
    forms_and_grows(ServerKind::Redis82);
}

#[test]
fn valkey_8_1() {
    forms_and_grows(ServerKind::Valkey81);
}

#[test]
fn valkey_9_1() {
    forms_and_grows(ServerKind::Valkey91);
}

fn forms_and_grows(kind: ServerKind) {
    let mut servers = Servers::start(kind, 6);
    let rcl = Rcl::new();
    let recorder = Recorder::start(&servers);
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    rcl.run(&["plan"]).success();
    rcl.run(&["plan", "--detailed-exitcode"]).code(2);
    rcl.run(&["drift"]).code(2);
    recorder.assert_no_writes(&servers);

    apply(&rcl, &servers, &Shard::seed());
    let slots = if kind.has_slot_ranges() {
        "CLUSTER ADDSLOTSRANGE"
    } else {
        "CLUSTER ADDSLOTS"
    };
    let expected = [
        ("CLUSTER MEET", 15),
        ("CLUSTER REPLICATE", 3),
        ("CLUSTER SET-CONFIG-EPOCH", 6),
        (slots, 3),
    ];
    assert_sent(&recorder, &servers, &expected);

    servers.add("host1:7003");
    servers.add("host2:7003");
    let recorder = Recorder::start(&servers);
    rcl.file("rcl.yaml", &Yaml::grown(&servers));
    apply(&rcl, &servers, &Shard::grown());
    // To four members each, and back from one of them.
    let expected = [("CLUSTER MEET", 10), ("CLUSTER REPLICATE", 1)];
    assert_sent(&recorder, &servers, &expected);
}

/// Applies, judges, and looks for anything left to do.
#[track_caller]
fn apply(rcl: &Rcl, servers: &Servers, shards: &[Shard]) {
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(servers, shards);
    judge::redis_cli_check(servers.address("host2:7000"));
    let recorder = Recorder::start(servers);
    let nothing = "No changes. Cluster \"orders\" matches rcl.yaml.\n";
    for arguments in [
        ["plan"].as_slice(),
        &["plan", "--detailed-exitcode"],
        &["apply", "--yes"],
        &["apply"],
    ] {
        assert_eq!(rcl.run(arguments).success().stdout(), nothing);
    }
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");
    recorder.assert_no_writes(servers);
}

#[track_caller]
fn assert_sent(recorder: &Recorder, servers: &Servers, expected: &[(&str, usize)]) {
    let expected: BTreeMap<String, usize> = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(recorder.write_counts(servers), expected);
}
