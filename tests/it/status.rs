//! Status as people look at it and as programs read it, with a file and from any member's address.

use insta::assert_snapshot;

use crate::support::shapes::{StatusDocument, parse};
use crate::support::shards::slot_of;
use crate::support::{Recorder, ServerKind, Servers, Shard, Stage, judge, native};

fn seed() -> Stage {
    Stage::seed(Servers::prepare(ServerKind::Redis70))
}

/// The status for people; how far a replica is behind differs from run to run.
#[track_caller]
fn status(stage: &mut Stage, place: Option<&str>, code: i32) -> String {
    let recorder = Recorder::start(&stage.servers);
    let mut arguments = vec!["status"];
    arguments.extend(place);
    let text = stage.run(&arguments, code);
    recorder.assert_no_writes(&stage.servers);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let lag = line
            .split_once("  lag ")
            .map(|(before, _)| format!("{before}  lag [bytes]"));
        lines.push(lag.unwrap_or_else(|| line.to_owned()));
    }
    lines.join("\n")
}

#[track_caller]
fn json(stage: &Stage, place: Option<&str>, code: i32) -> StatusDocument {
    let mut arguments = vec!["status", "--json"];
    arguments.extend(place);
    let ran = stage.rcl.run(&arguments).code(code);
    parse(ran.stdout())
}

#[test]
fn all_is_well() {
    let mut stage = seed();
    stage.write_keys("host1:7000", 3);
    assert_snapshot!(status(&mut stage, None, 0), @r#"
    Cluster "orders": ok, 3 shards, 6 nodes, Redis 7.0.15

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 3 keys
    ├─ primary  host1:7000  host1:7000
    └─ replica  host2:7000  host2:7000  lag [bytes]
    b  shard b  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001  host1:7001
    └─ replica  host2:7001  host2:7001  lag [bytes]
    c  shard c  10923-16383 (5461 slots), 0 keys
    ├─ primary  host1:7002  host1:7002
    └─ replica  host2:7002  host2:7002  lag [bytes]

    Cluster "orders" matches rcl.yaml.
    "#);
    let seen = json(&stage, None, 0);
    assert_eq!((seen.state.as_str(), seen.matches), ("ok", Some(true)));
    let shards: Vec<(Option<&str>, &str, Option<u64>)> = seen
        .shards
        .iter()
        .map(|shard| (shard.name.as_deref(), shard.slots.as_str(), shard.keys))
        .collect();
    assert_eq!(
        shards,
        [
            (Some("a"), "0-5461", Some(3)),
            (Some("b"), "5462-10922", Some(0)),
            (Some("c"), "10923-16383", Some(0))
        ]
    );
    // Any member will do, and it needs no file.
    let address = stage.servers.address("host2:7001").to_string();
    assert_snapshot!(status(&mut stage, Some(&address), 0), @"
    Cluster at host2:7001: ok, 3 shards, 6 nodes, Redis 7.0.15

      0 AAAAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCCCCCCCC 16383

    A  0-5461 (5462 slots), 3 keys
    ├─ primary  host1:7000
    └─ replica  host2:7000  lag [bytes]
    B  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001
    └─ replica  host2:7001  lag [bytes]
    C  10923-16383 (5461 slots), 0 keys
    ├─ primary  host1:7002
    └─ replica  host2:7002  lag [bytes]

    Nothing is wrong.
    ");
    let bare = json(&stage, Some(&address), 0);
    assert_eq!((bare.cluster, bare.matches), (None, None));
    assert_eq!(bare.shards.len(), 3);
}

#[test]
fn a_replica_is_dead() {
    let mut stage = seed();
    let id = stage.servers.id("host2:7002");
    stage.servers.kill("host2:7002");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    assert_snapshot!(status(&mut stage, None, 3), @r#"
    Cluster "orders": not all nodes answer, 3 shards, 6 nodes, Redis 7.0.15

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 0 keys
    ├─ primary  host1:7000  host1:7000
    └─ replica  host2:7000  host2:7000  lag [bytes]
    b  shard b  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001  host1:7001
    └─ replica  host2:7001  host2:7001  lag [bytes]
    c  shard c  10923-16383 (5461 slots), 0 keys
    ├─ primary  host1:7002  host1:7002
    └─ replica  host2:7002  host2:7002  does not answer, failed

    No answer
      host2:7002  host2:7002: Connection refused (os error 111)
    "#);
    let address = stage.servers.address("host1:7000").to_string();
    assert_snapshot!(status(&mut stage, Some(&address), 3), @"
    Cluster at host1:7000: not all nodes answer, 3 shards, 6 nodes, Redis 7.0.15

      0 AAAAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCCCCCCCC 16383

    A  0-5461 (5462 slots), 0 keys
    ├─ primary  host1:7000
    └─ replica  host2:7000  lag [bytes]
    B  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001
    └─ replica  host2:7001  lag [bytes]
    C  10923-16383 (5461 slots), 0 keys
    ├─ primary  host1:7002
    └─ replica  host2:7002  does not answer, failed

    No answer
      host2:7002  Connection refused (os error 111)
    ");
    let seen = json(&stage, Some(&address), 3);
    let replica = &seen.shards[2].replicas[0];
    assert!(
        !replica.answers && replica.failed && replica.keys.is_none(),
        "{replica:?}"
    );
    assert_eq!(seen.silent[0].failure, "unreachable");
}

#[test]
fn slots_have_no_owner() {
    let mut stage = seed();
    stage.tell_everyone("CLUSTER DELSLOTSRANGE 0 999");
    stage.tell_everyone("CLUSTER DELSLOTS 12000");
    assert_snapshot!(status(&mut stage, None, 3), @r#"
    Cluster "orders": not ok, 3 shards, 6 nodes, Redis 7.0.15

      0 ·····aaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbcccc·cccccccccccccccccc 16383

    a  shard a  1000-5461 (4462 slots), 0 keys
    ├─ primary  host1:7000  host1:7000
    └─ replica  host2:7000  host2:7000  lag [bytes]
    b  shard b  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001  host1:7001
    └─ replica  host2:7001  host2:7001  lag [bytes]
    c  shard c  10923-11999,12001-16383 (5460 slots), 0 keys
    ├─ primary  host1:7002  host1:7002
    └─ replica  host2:7002  host2:7002  lag [bytes]

    ! Outage: nobody serves slots 0-999,12000: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes

    Differs from rcl.yaml
    ~ slots 0-999 have no owner (shard a)
    ~ slot 12000 has no owner (shard c)
    "#);
    let address = stage.servers.address("host1:7000").to_string();
    assert_snapshot!(status(&mut stage, Some(&address), 3), @"
    Cluster at host1:7000: not ok, 3 shards, 6 nodes, Redis 7.0.15

      0 ·····AAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBCCCC·CCCCCCCCCCCCCCCCCC 16383

    A  1000-5461 (4462 slots), 0 keys
    ├─ primary  host1:7000
    └─ replica  host2:7000  lag [bytes]
    B  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001
    └─ replica  host2:7001  lag [bytes]
    C  10923-11999,12001-16383 (5460 slots), 0 keys
    ├─ primary  host1:7002
    └─ replica  host2:7002  lag [bytes]

    ! Outage: nobody serves slots 0-999,12000: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! slots 0-999,12000 have no owner
    ! cluster_state is not ok on host1:7000, host1:7001, host1:7002, host2:7000, host2:7001 and 1 more
    ");
    let seen = json(&stage, None, 3);
    assert_eq!(seen.unassigned, "0-999,12000");
    assert_eq!(seen.unserved.as_deref(), Some("0-999,12000"));
    assert_eq!(seen.state, "fail");
}

#[test]
fn slots_without_owner_that_hold_keys() {
    let mut stage = seed();
    stage.write_keys("host1:7000", 40);
    stage.tell_everyone("CLUSTER DELSLOTSRANGE 0 5461");
    let address = stage.servers.address("host1:7001").to_string();
    status(&mut stage, None, 3);
    status(&mut stage, Some(&address), 3);
}

/// What the nodes themselves tell of keys needs no file.
#[test]
fn keys_that_lie_wrong_on_redis() {
    let mut stage = seed();
    let (giver, taker) = (
        stage.servers.id("host1:7000"),
        stage.servers.id("host1:7001"),
    );
    stage.write_keys("host1:7000", 1);
    let key = stage.servers.call("host1:7000", &["KEYS", "*"]).array();
    let key = key[0].clone().text();
    let slot = slot_of(key.as_bytes());
    let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {giver}");
    stage.tell("host1:7001", &importing);
    stage.tell(
        "host1:7000",
        &format!("CLUSTER SETSLOT {slot} MIGRATING {taker}"),
    );
    let mut client = judge::connect(stage.servers.address("host1:7001"));
    client
        .pipeline(&[&["ASKING"], &["SET", &key, "other"]])
        .expect("replies");
    let address = stage.servers.address("host1:7002").to_string();
    let seen = status(&mut stage, Some(&address), 3);
    let both = format!(
        "both sides of a begun move hold 1 key\n    host1:7000 and host1:7001, slot {slot}: {key:?}"
    );
    assert!(seen.contains(&both), "{seen}");
    for node in ["host1:7000", "host1:7001"] {
        stage.tell(node, &format!("CLUSTER SETSLOT {slot} STABLE"));
    }
    let seen = status(&mut stage, Some(&address), 3);
    let lies = format!("host1:7001 holds 1 key of slot {slot}, which host1:7000 owns");
    assert!(seen.contains(&lies), "{seen}");
    stage.tell("host1:7001", &importing);
    client
        .pipeline(&[&["ASKING"], &["DEL", &key]])
        .expect("replies");
    stage.tell("host1:7001", &format!("CLUSTER SETSLOT {slot} STABLE"));
    status(&mut stage, Some(&address), 0);
}

/// A node that all others have forgotten, and that goes on as if it were a member.
#[test]
fn a_node_that_only_knows_others() {
    let mut stage = seed();
    let address = stage.servers.address("host2:7002").to_string();
    let id = stage.servers.id("host2:7002");
    let others: Vec<String> = stage.servers.running();
    for node in others.iter().filter(|node| *node != "host2:7002") {
        stage.tell(node, &format!("CLUSTER FORGET {id}"));
    }
    let seen = status(&mut stage, Some(&address), 3);
    let words = "host2:7002 is unknown to 5 of 5 others";
    assert!(seen.contains(words), "{seen}");
}

/// A primary that failed over and is down: it serves nothing, and nothing but starting it is left to do.
#[test]
fn an_old_primary_is_down() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey91).node_timeout_ms(1000));
    stage.servers.kill("host1:7000");
    stage.wait_for_promotion("host2:7000");
    stage.wait_for_link("host2:7001");
    assert_snapshot!(stage.run(&["plan"], 3), @r#"
    Plan for cluster "orders" from rcl.yaml: 5 of 6 declared nodes answer, 6 members, Valkey 9.1.2

    ! host1:7000 does not answer (host1:7000: Connection refused (os error 111))
        → Start the node, or mend its address in the file.

    Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.

    Nothing to do, but host1:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(stage.run(&["drift"], 3), @"rcl.yaml: host1:7000 does not answer (host1:7000: Connection refused (os error 111))");
    assert_snapshot!(status(&mut stage, None, 3), @r#"
    Cluster "orders": not all nodes answer, 3 shards, 6 nodes, Valkey 9.1.2

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 0 keys
    └─ primary  host2:7000  host2:7000
    b  shard b  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001  host1:7001
    └─ replica  host2:7001  host2:7001  lag [bytes]
    c  shard c  10923-16383 (5461 slots), 0 keys
    ├─ primary  host1:7002  host1:7002
    └─ replica  host2:7002  host2:7002  lag [bytes]

    Outside the shards
      host1:7000  of shard a, without slots  host1:7000  does not answer, failed

    No answer
      host1:7000  host1:7000: Connection refused (os error 111)

    Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.
    "#);
}

#[test]
fn nodes_disagree_on_redis() {
    let mut stage = seed();
    let target = stage.servers.id("host1:7001");
    stage.tell("host1:7000", &format!("CLUSTER SETSLOT 5 NODE {target}"));
    stage.tell("host1:7002", "CLUSTER DELSLOTSRANGE 16000 16383");
    assert_snapshot!(status(&mut stage, None, 3), @r#"
    Cluster "orders": ok on 5 of 6 nodes, 3 shards, 6 nodes, Redis 7.0.15

      0 ?aaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccc?? 16383

    a  shard a  0-4,6-5461 (5461 slots), 0 keys
    ├─ primary  host1:7000  host1:7000
    └─ replica  host2:7000  host2:7000  lag [bytes]
    b  shard b  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001  host1:7001
    └─ replica  host2:7001  host2:7001  lag [bytes]
    c  shard c  10923-15999 (5077 slots), 0 keys
    ├─ primary  host1:7002  host1:7002
    └─ replica  host2:7002  host2:7002  lag [bytes]

    ! Outage: nobody serves slots 5,16000-16383: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! cluster_state is not ok on host1:7002

    ! the nodes don't agree who owns slot 5
        host1:7000: owner is host1:7001 at epoch 5
        host1:7001, host1:7002, host2:7000, host2:7001, host2:7002: owner is host1:7000 at epoch 4
        → Look for a cut network or a full disk between these nodes, and plan again. If it stays, see which of them holds the keys (CLUSTER COUNTKEYSINSLOT) and make that one the owner by hand, slot by slot (CLUSTER SETSLOT … NODE on the nodes that say otherwise): servers believe the owner with the higher epoch.
    ! the nodes don't agree who owns slots 16000-16383
        host1:7002: no owner
        host1:7000, host1:7001, host2:7000, host2:7001, host2:7002: owner is host1:7002 at epoch 6
        → host1:7002 gave them up, and not all others have heard of it. To undo that, give them back to it by hand (CLUSTER ADDSLOTSRANGE 16000 16383 on host1:7002), and plan again.
    "#);
    let address = stage.servers.address("host1:7000").to_string();
    assert_snapshot!(status(&mut stage, Some(&address), 3), @"
    Cluster at host1:7000: ok on 5 of 6 nodes, 3 shards, 6 nodes, Redis 7.0.15

      0 ?AAAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCCCCCC?? 16383

    A  0-4,6-5461 (5461 slots), 0 keys
    ├─ primary  host1:7000
    └─ replica  host2:7000  lag [bytes]
    B  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001
    └─ replica  host2:7001  lag [bytes]
    C  10923-15999 (5077 slots), 0 keys
    ├─ primary  host1:7002
    └─ replica  host2:7002  lag [bytes]

    ! Outage: nobody serves slots 5,16000-16383: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! the nodes don't agree who owns slot 5
        host1:7001 at epoch 5, by host1:7000
        host1:7000 at epoch 4, by host1:7001, host1:7002, host2:7000, host2:7001, host2:7002
    ! the nodes don't agree who owns slots 16000-16383
        nobody, by host1:7002
        host1:7002 at epoch 6, by host1:7000, host1:7001, host2:7000, host2:7001, host2:7002
    ! cluster_state is not ok on host1:7002
    ");
    let seen = json(&stage, None, 3);
    let codes: Vec<&str> = seen.wrong.iter().map(|wrong| wrong.code.as_str()).collect();
    assert_eq!(codes, ["views-disagree", "views-disagree", "not-ok"]);
}

/// Before there is a cluster, and beside it.
#[test]
fn nodes_that_are_no_members() {
    let launch = Servers::prepare(ServerKind::Valkey91).grid(2, 2);
    let mut stage = Stage::blank(launch);
    let pairs = [
        Shard::new("host1:7000", &["host2:7000"], "0-16383"),
        Shard::new("host1:7001", &["host2:7001"], ""),
    ];
    stage.declare(&pairs);
    assert_snapshot!(status(&mut stage, None, 2), @r#"
    Cluster "orders": no cluster yet, 0 shards, 4 nodes, Valkey 9.1.2

    Outside the shards
      host1:7000  blank, not a member  host1:7000
      host2:7000  blank, not a member  host2:7000
      host1:7001  blank, not a member  host1:7001
      host2:7001  blank, not a member  host2:7001

    Differs from rcl.yaml
    ~ host1:7000 is not a member
    ~ host1:7001 is not a member
    ~ host2:7000 is not a member
    ~ host2:7001 is not a member
    ~ slots 0-16383 have no owner (shard a)
    ~ host2:7000 is a primary without slots, the file makes it a replica of shard a
    ~ host2:7001 is a primary without slots, the file makes it a replica of shard b
    "#);
    native::form(&stage.servers, &pairs[..1]);
    assert_snapshot!(status(&mut stage, None, 2), @r#"
    Cluster "orders": ok, 1 shard, 4 nodes, Valkey 9.1.2

      0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 16383

    a  shard a  0-16383 (16384 slots), 0 keys
    ├─ primary  host1:7000  host1:7000
    └─ replica  host2:7000  host2:7000  lag [bytes]

    Outside the shards
      host1:7001  blank, not a member  host1:7001
      host2:7001  blank, not a member  host2:7001

    Differs from rcl.yaml
    ~ host1:7001 is not a member
    ~ host2:7001 is not a member
    ~ host2:7001 is a primary without slots, the file makes it a replica of shard b
    "#);
    let blank = stage.servers.address("host1:7001").to_string();
    assert_snapshot!(status(&mut stage, Some(&blank), 3), @"
    Cluster at host1:7001: no cluster yet, 0 shards, 1 node, Valkey 9.1.2

    Outside the shards
      host1:7001  blank, not a member

    ! it is in no cluster: ask another node, if it should be
    ");
}

#[test]
fn places_that_are_none() {
    let mut stage = Stage::blank(Servers::prepare(ServerKind::Redis70).grid(1, 1));
    let nobody = format!("{}:7009", stage.servers.host("host1"));
    assert_snapshot!(status(&mut stage, Some(&nobody), 1), @"
    Cluster at host1:7009: nobody answers, 0 shards, 0 nodes

    No answer
      host1:7009  Connection refused (os error 111)
    ");
    assert_eq!(json(&stage, Some(&nobody), 1).state, "unknown");
    let neither = "is neither a file nor an address: write host:port";
    for (place, words) in [
        ("host1:70000", neither),
        ("127.0.0.1", neither),
        ("", neither),
        ("nowhere.yaml", "can't be read"),
    ] {
        let ran = stage.rcl.run(&["status", place]).code(1);
        assert_eq!(ran.stdout(), "");
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
    }
}
