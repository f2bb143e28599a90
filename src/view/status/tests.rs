//! What status looks like, with a file and without.

use insta::assert_snapshot;

use crate::desired::Desired;
use crate::diff::Difference;
use crate::observed::Answer;
use crate::view::json::outline;
use crate::view::sample::{World, desired, id, planned, seed};
use crate::view::topology::LiveShard;

use super::*;

fn with_file(desired: &Desired, world: &World) -> String {
    let planned = planned(desired, world);
    let view = StatusView {
        observed: &planned.observed,
        asked: "rcl.yaml",
        file: Some(FileView {
            desired: &planned.desired,
            diff: &planned.plan.diff,
        }),
    };
    human(&view, Styles::plain(), 80)
}

fn without_file(desired: &Desired, world: &World) -> String {
    let mut observed = world.observed(desired);
    observed.declared.clear();
    let view = StatusView {
        observed: &observed,
        asked: "10.0.0.1:7000",
        file: None,
    };
    human(&view, Styles::plain(), 60)
}

/// Rack names as zones, and some data.
fn lively() -> (Desired, World) {
    let mut desired = seed();
    for (place, host) in desired.hosts.values_mut().enumerate() {
        host.zone = Some(format!("rack-{}", place + 1));
    }
    let mut world = World::formed(&desired);
    world.set_all(|server| {
        server.keys = 1_234_567;
        server.offset = if server.replica_of.is_some() {
            100_000
        } else {
            105_000
        };
    });
    (desired, world)
}

/// How bad a comparison with the file finds it.
fn weighed(name: &str, diff: &Diff) -> Health {
    match () {
        // What a node says of itself is no difference.
        () if name == "not ok" => Health::Ill,
        () if !diff.blocked.is_empty() || diff.differences.iter().any(Difference::is_loss) => {
            Health::Ill
        }
        () if diff.differences.is_empty() => Health::Well,
        () if !diff.unserved.slots.is_empty() => Health::Ill,
        () => panic!("{name} would wait: {:?}", diff.differences),
    }
}

/// What is wrong weighs the same with a file and without.
#[test]
fn a_file_changes_nothing_about_how_bad_it_is() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, Health); 7] = [
        ("well", |_| {}, Health::Well),
        (
            "copying",
            |world| {
                world.set("host2:7000", |server| {
                    server.link_up = false;
                    server.syncing = true;
                });
            },
            Health::Well,
        ),
        (
            "unowned",
            |world| {
                world.set("host1:7000", |server| server.slots = "0-5460".to_owned());
                world.set_all(|server| server.state_ok = false);
            },
            Health::Ill,
        ),
        (
            "unowned, and one is down",
            |world| {
                world.set("host1:7000", |server| server.slots = "0-5460".to_owned());
                world.set("host2:7001", |server| server.up = false);
            },
            Health::Ill,
        ),
        (
            "down",
            |world| world.set("host2:7001", |server| server.up = false),
            Health::Ill,
        ),
        (
            "link down",
            |world| world.set("host2:7001", |server| server.link_up = false),
            Health::Ill,
        ),
        (
            "not ok",
            |world| world.set_all(|server| server.state_ok = false),
            Health::Ill,
        ),
    ];
    for (name, change, expected) in cases {
        let desired = seed();
        let mut world = World::formed(&desired);
        change(&mut world);
        let mut observed = world.observed(&desired);
        let by_file = weighed(name, &planned(&desired, &world).plan.diff);
        let silent = observed
            .declared
            .values()
            .filter_map(|answer| match answer {
                Answer::Failed(failure) => Some((id("host2:7001"), failure.clone())),
                Answer::Node(_) => None,
            });
        observed.silent_members = silent.collect();
        observed.declared.clear();
        let view = StatusView {
            observed: &observed,
            asked: "10.0.0.1:7000",
            file: None,
        };
        assert_eq!((health(&view), by_file), (expected, expected), "{name}");
    }
}

#[test]
fn all_is_well() {
    let (desired, world) = lively();
    assert_snapshot!(with_file(&desired, &world), @r#"
    Cluster "orders": ok, 3 shards, 6 nodes, Redis 7.0.15

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 1,234,567 keys
    ├─ primary  host1:7000  10.0.0.1:7000  rack-1
    └─ replica  host2:7000  10.0.0.2:7000  rack-2  lag 4.88 KiB
    b  shard b  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  host1:7001  10.0.0.1:7001  rack-1
    └─ replica  host2:7001  10.0.0.2:7001  rack-2  lag 4.88 KiB
    c  shard c  10923-16383 (5461 slots), 1,234,567 keys
    ├─ primary  host1:7002  10.0.0.1:7002  rack-1
    └─ replica  host2:7002  10.0.0.2:7002  rack-2  lag 4.88 KiB

    Cluster "orders" matches rcl.yaml.
    "#);
    assert_snapshot!(without_file(&desired, &world), @"
    Cluster at 10.0.0.1:7000: ok, 3 shards, 6 nodes, Redis 7.0.15

      0 AAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCC 16383

    A  0-5461 (5462 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7000
    └─ replica  10.0.0.2:7000  lag 4.88 KiB
    B  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7001
    └─ replica  10.0.0.2:7001  lag 4.88 KiB
    C  10923-16383 (5461 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7002
    └─ replica  10.0.0.2:7002  lag 4.88 KiB

    Nothing is wrong.
    ");
}

#[test]
fn blank_nodes() {
    let desired = desired(&[("a", &["host1:7000", "host2:7000"], "auto")]);
    let world = World::blank(&desired);
    assert_snapshot!(with_file(&desired, &world), @r#"
    Cluster "orders": no cluster yet, 0 shards, 2 nodes, Redis 7.0.15

    Outside the shards
      host1:7000  blank, not a member  10.0.0.1:7000
      host2:7000  blank, not a member  10.0.0.2:7000

    Differs from rcl.yaml
    ~ host1:7000 is not a member
    ~ host2:7000 is not a member
    ~ slots 0-16383 have no owner (shard a)
    ~ host2:7000 is a primary without slots, the file makes it a replica of shard a
    "#);
}

#[test]
fn everything_at_once() {
    let (desired, mut world) = lively();
    world.set("host2:7000", |server| {
        server.up = false;
        server.failed = true;
    });
    world.set("host2:7001", |server| {
        server.link_up = false;
        server.version = "valkey_version:8.1.4";
    });
    world.set("host1:7002", |server| {
        server.slots = "10923-12000,12002-16383".to_owned();
        server.open = format!("[12000->-{}]", id("host1:7000"));
    });
    world.set_all(|server| server.state_ok = server.name == "host1:7000");
    world.add("host9:7009");
    world.set("host9:7009", |server| server.group = 1);
    assert_snapshot!(with_file(&desired, &world), @r#"
    Cluster "orders": ok on 1 of 6 nodes, 3 shards, 7 nodes, Redis 7.0.15, Valkey 8.1.4

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbcccc·cccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 1,234,567 keys
    ├─ primary  host1:7000  10.0.0.1:7000  rack-1                           Redis 7.0.15
    └─ replica  host2:7000  10.0.0.2:7000  rack-2  does not answer, failed
    b  shard b  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  host1:7001  10.0.0.1:7001  rack-1                           Redis 7.0.15
    └─ replica  host2:7001  10.0.0.2:7001  rack-2  link down                Valkey 8.1.4
    c  shard c  10923-12000,12002-16383 (5460 slots), 1,234,567 keys
    ├─ primary  host1:7002  10.0.0.1:7002  rack-1                           Redis 7.0.15
    └─ replica  host2:7002  10.0.0.2:7002  rack-2  lag 4.88 KiB             Redis 7.0.15

    Outside the shards
      10.0.0.9:7009  member without slots  Redis 7.0.15

    No answer
      host2:7000  10.0.0.2:7000: connection refused

    ! Outage: nobody serves slot 12001: clients get errors for it, and for all other slots too: cluster-require-full-coverage is yes

    Note: 10.0.0.9:7009 (00097009) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members.

    ! a move of 1 slot was begun, and the marks that it left contradict each other
        host1:7002 is giving to host1:7000: slot 12000
        → Count the keys on both sides (CLUSTER COUNTKEYSINSLOT). Closing a slot (CLUSTER SETSLOT with STABLE) loses nothing only where the taking side holds no key of it.

    ! nobody owns slot 12001; that is mended once every node has said that it holds no key there
        host2:7000 did not answer: 10.0.0.2:7000: connection refused
        → Start the nodes that did not answer.

    Differs from rcl.yaml
    ~ host2:7001 has no link to its primary host1:7001
    "#);
    assert_snapshot!(without_file(&desired, &world), @"
    Cluster at 10.0.0.1:7000: ok on 1 of 6 nodes, 3 shards, 7 nodes, Redis 7.0.15, Valkey 8.1.4

      0 AAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCC·CCCCCCCCCCCCC 16383

    A  0-5461 (5462 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7000                           Redis 7.0.15
    └─ replica  10.0.0.2:7000  does not answer, failed
    B  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7001                           Redis 7.0.15
    └─ replica  10.0.0.2:7001  link down                Valkey 8.1.4
    C  10923-12000,12002-16383 (5460 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7002                           Redis 7.0.15
    └─ replica  10.0.0.2:7002  lag 4.88 KiB             Redis 7.0.15

    Outside the shards
      10.0.0.9:7009  member without slots  Redis 7.0.15

    No answer
      10.0.0.2:7000  no answer in 2s

    ! Outage: nobody serves slot 12001: clients get errors for it, and for all other slots too: cluster-require-full-coverage is yes
    ! slot 12001 has no owner
    ! 1 slot is open: a move was begun and not finished
        10.0.0.1:7002 is giving to 10.0.0.1:7000: 12000
    ! 1 replication link is down
        10.0.0.2:7001 to 10.0.0.1:7001
    ! cluster_state is not ok on 10.0.0.1:7001, 10.0.0.1:7002, 10.0.0.2:7001, 10.0.0.2:7002, 10.0.0.9:7009
    ");
}

#[test]
fn nodes_that_disagree() {
    let (desired, mut world) = lively();
    world.set("host1:7000", |server| server.claims = Some("0-5470"));
    assert_snapshot!(without_file(&desired, &world), @"
    Cluster at 10.0.0.1:7000: not all is well, 3 shards, 6 nodes, Redis 7.0.15

      0 AAAAAAAAAAAAAAAA?BBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCC 16383

    A  0-5470 (5471 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7000
    └─ replica  10.0.0.2:7000  lag 4.88 KiB
    B  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7001
    └─ replica  10.0.0.2:7001  lag 4.88 KiB
    C  10923-16383 (5461 slots), 1,234,567 keys
    ├─ primary  10.0.0.1:7002
    └─ replica  10.0.0.2:7002  lag 4.88 KiB

    ! the nodes don't agree who owns slots 5462-5470
        10.0.0.1:7000 at epoch 1, by 10.0.0.1:7000
        10.0.0.1:7001 at epoch 2, by 10.0.0.1:7001, 10.0.0.1:7002, 10.0.0.2:7000, 10.0.0.2:7001, 10.0.0.2:7002
    ");
    assert_snapshot!(with_file(&desired, &world), @r#"
    Cluster "orders": not all is well, 3 shards, 6 nodes, Redis 7.0.15

      0 aaaaaaaaaaaaaaaaaaaaaaa?bbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5470 (5471 slots), 1,234,567 keys
    ├─ primary  host1:7000  10.0.0.1:7000  rack-1
    └─ replica  host2:7000  10.0.0.2:7000  rack-2  lag 4.88 KiB
    b  shard b  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  host1:7001  10.0.0.1:7001  rack-1
    └─ replica  host2:7001  10.0.0.2:7001  rack-2  lag 4.88 KiB
    c  shard c  10923-16383 (5461 slots), 1,234,567 keys
    ├─ primary  host1:7002  10.0.0.1:7002  rack-1
    └─ replica  host2:7002  10.0.0.2:7002  rack-2  lag 4.88 KiB

    ! the nodes don't agree who owns slots 5462-5470
        host1:7000: owner is host1:7000 at epoch 1
        host1:7001, host1:7002, host2:7000, host2:7001, host2:7002: owner is host1:7001 at epoch 2
        → Look for a cut network or a full disk between these nodes, and plan again. If it stays, see which of them holds the keys (CLUSTER COUNTKEYSINSLOT) and make that one the owner by hand, slot by slot (CLUSTER SETSLOT … NODE on the nodes that say otherwise): servers believe the owner with the higher epoch.
    "#);
}

#[test]
fn a_failover_is_a_note() {
    let (desired, mut world) = lively();
    world.set("host1:7001", |server| {
        server.replica_of = Some("host2:7001".to_owned());
        server.slots = "none".to_owned();
        server.offset = 100_000;
    });
    world.set("host2:7001", |server| {
        server.replica_of = None;
        server.slots = "5462-10922".to_owned();
    });
    assert_snapshot!(with_file(&desired, &world), @r#"
    Cluster "orders": ok, 3 shards, 6 nodes, Redis 7.0.15

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 1,234,567 keys
    ├─ primary  host1:7000  10.0.0.1:7000  rack-1
    └─ replica  host2:7000  10.0.0.2:7000  rack-2  lag 4.88 KiB
    b  shard b  5462-10922 (5461 slots), 1,234,567 keys
    ├─ primary  host2:7001  10.0.0.2:7001  rack-2
    └─ replica  host1:7001  10.0.0.1:7001  rack-1  lag 0 B
    c  shard c  10923-16383 (5461 slots), 1,234,567 keys
    ├─ primary  host1:7002  10.0.0.1:7002  rack-1
    └─ replica  host2:7002  10.0.0.2:7002  rack-2  lag 4.88 KiB

    Note: shard b: host2:7001 is the primary now, the file places it at host1:7001. Nothing is done about it: `failback` under `policy` is false.

    Cluster "orders" matches rcl.yaml.
    "#);
}

#[test]
fn letters_tell_shards_apart() {
    let shard = |name: Option<&str>| LiveShard {
        name: name.map(ShardName::new),
        primary: id("host1:7000"),
        replicas: Vec::new(),
        slots: SlotSet::new(),
    };
    let letters = |names: &[Option<&str>]| -> String {
        let shards: Vec<LiveShard> = names.iter().map(|name| shard(*name)).collect();
        bar::letters(&shards).into_iter().collect()
    };
    assert_eq!(letters(&[Some("users"), Some("items")]), "ui");
    assert_eq!(letters(&[Some("shard-x"), Some("shard-y")]), "xy");
    assert_eq!(letters(&[Some("s10"), Some("s11"), Some("s20")]), "ABC");
    assert_eq!(letters(&[Some("a"), None]), "AB");
    assert_eq!(letters(&[None; 63]).len(), 63);
}

#[test]
fn the_same_values_as_json() {
    let desired = desired(&[("a", &["host1:7000", "host2:7000"], "0-16383")]);
    let mut world = World::formed(&desired);
    world.set("host2:7000", |server| server.offset = 990);
    world.add("host9:7009");
    world.set("host9:7009", |server| {
        server.group = 1;
        server.up = false;
    });
    let planned = planned(&desired, &world);
    let view = StatusView {
        observed: &planned.observed,
        asked: "rcl.yaml",
        file: Some(FileView {
            desired: &planned.desired,
            diff: &planned.plan.diff,
        }),
    };
    assert_snapshot!(outline(&json(&view)), @r#"
    apart: []
    applying: []
    asked: "rcl.yaml"
    blocked: []
    cluster: "orders"
    differences: []
    format_version: "1.4"
    kind: "status"
    loose:
      {"address":"10.0.0.9:7009","answers":false,"failed":false,"id":"0009700900000000000000000000000000000000","keys":null,"link":null,"name":null,"noaddr":false,"role":"primary","server":null,"used_memory":null,"zone":null}
    matches: true
    nodes_answering: 2
    nodes_ok: 2
    notes:
      {"code":"undeclared","subject":"10.0.0.9:7009 (00097009)","text":"10.0.0.9:7009 (00097009) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members."}
    servers: ["Redis 7.0.15"]
    shards:
      {"keys":400,"name":"a","primary":{"address":"10.0.0.1:7000","answers":true,"failed":false,"id":"0001700000000000000000000000000000000000","keys":400,"link":null,"name":"host1:7000","noaddr":false,"role":"primary","server":"Redis 7.0.15","used_memory":1000000,"zone":null},"replicas":[{"address":"10.0.0.2:7000","answers":true,"failed":false,"id":"0002700000000000000000000000000000000000","keys":400,"link":{"lag_bytes":10,"syncing":false,"up":true},"name":"host2:7000","noaddr":false,"role":"replica","server":"Redis 7.0.15","used_memory":1000000,"zone":null}],"slot_count":16384,"slots":"0-16383"}
    silent:
      {"failure":"timeout","id":"0009700900000000000000000000000000000000","title":"10.0.0.9:7009","tried":["10.0.0.9:7009"],"words":"no answer in 2s"}
    state: "ok"
    unassigned: "none"
    unserved: "none"
    wrong: []
    "#);
}
