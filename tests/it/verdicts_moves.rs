//! What stands in the way of a move, before it and in the midst of it: no room, other databases, late replicas,
//! values that lie on both sides.

use crate::support::resp::{Client, Value};
use crate::support::shards::slot_of;
use crate::support::traffic::Data;
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge, wait};

const GIVER: &str = "host1:7000";
const TAKER: &str = "host1:7001";

/// The slots of the first shard from here on go to the second.
fn shifted(first: u16) -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, first - 1)];
    shards[1].slots = vec![(first, 10922)];
    shards
}

fn by_engine(stage: &Stage, shards: &[Shard], moves: &str) {
    let yaml = Yaml::new(&stage.servers, shards);
    stage.file(&format!("{yaml}policy: {{move: {moves}}}\n"));
}

/// Keys of one slot of the giver's, whose values are their names.
fn crowd(stage: &Stage, count: usize) -> (u16, Vec<String>) {
    let tags = (0..).map(|number| format!("t{number}"));
    let mut tags = tags.map(|tag| (slot_of(tag.as_bytes()), tag));
    let (slot, tag) = tags
        .find(|(slot, _)| (5000..5462).contains(slot))
        .expect("such a tag");
    let keys: Vec<String> = (0..count)
        .map(|number| format!("{{{tag}}}{number}"))
        .collect();
    for key in &keys {
        stage.servers.ok(GIVER, &["SET", key, key]);
    }
    (slot, keys)
}

#[track_caller]
fn assert_at_the_taker(stage: &Stage, keys: &[String]) {
    for key in keys {
        let found = stage.servers.call(TAKER, &["GET", key]);
        assert_eq!(found, Value::Bulk(key.clone()));
    }
    assert_eq!(stage.keys(GIVER), 0);
}

#[test]
fn a_target_without_room_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (data, values) = Data::write(&stage.servers, 2000);
    let memory = stage.servers.call(TAKER, &["INFO", "memory"]).text();
    let used = judge::fields(&memory)["used_memory"].parse::<u64>();
    let most = used.expect("a number") + 200_000;
    stage.tell(TAKER, &format!("CONFIG SET maxmemory {most}"));
    stage.declare(&shifted(1000));
    let told = stage.refuses_whatever_it_says(3);
    for words in [
        "host1:7001 has no room for 4462 slots of host1:7000",
        "bytes are to come, and",
        "Raise maxmemory of host1:7001, or give it fewer slots.",
    ] {
        assert!(told.plan.contains(words), "{}", told.plan);
    }
    stage.tell(TAKER, "CONFIG SET maxmemory 0");
    stage.repairs(&shifted(1000));
    data.assert_kept(&stage.servers, &values);
}

/// Only atomic moves carry them. And while slots have no owner, nobody can tell whose keys these are.
#[test]
fn keys_of_other_databases_on_valkey() {
    let launch = Servers::prepare(ServerKind::Valkey91);
    let mut stage = Stage::seed(launch.set("cluster-databases", "2"));
    let (slot, keys) = crowd(&stage, 1);
    let mut client = judge::connect(stage.servers.address(GIVER));
    let set = ["SET", &keys[0], "elsewhere"];
    let replies = client.pipeline(&[&["SELECT", "1"], &set]);
    assert!(
        replies
            .expect("replies")
            .iter()
            .all(|reply| *reply == Value::Simple("OK".to_owned()))
    );
    let shards = shifted(slot);
    by_engine(&stage, &shards, "{engine: classic}");
    let told = stage.refuses(3);
    for words in [
        "only atomic moves carry keys of databases other than 0",
        "host1:7000 holds 1 key in databases other than 0",
    ] {
        assert!(told.plan.contains(words), "{}", told.plan);
    }
    by_engine(&stage, &shards, "{engine: auto}");
    stage.repairs(&shards);
    let mut client = judge::connect(stage.servers.address(TAKER));
    let get = ["GET", &keys[0]];
    let replies = client
        .pipeline(&[&get, &["SELECT", "1"], &get])
        .expect("replies");
    assert_eq!(replies[0], Value::Bulk(keys[0].clone()));
    assert_eq!(replies[2], Value::Bulk("elsewhere".to_owned()));
    // A slot that nobody owns, and of which db 0 has no key.
    stage.tell_everyone("CLUSTER DELSLOTS 16000");
    let told = stage.refuses(3);
    let words = "holds 1 key in databases other than 0, whose slots can't be told";
    assert!(told.plan.contains(words), "{}", told.plan);
}

/// Until what it says can't be taken in any more, so that a test may take its time.
#[track_caller]
fn wait_until_it_stalls(stage: &Stage) {
    let mut counts: Vec<i64> = Vec::new();
    wait::until("rcl to wait for its reader", || {
        counts.push(stage.keys(GIVER));
        let last = counts.iter().rev().take(10);
        let still = counts.len() >= 10 && last.clone().all(|count| Some(count) == counts.last());
        if still {
            Ok(())
        } else {
            Err(format!("{counts:?}"))
        }
    });
}

/// An attempt that broke off has left keys at the target: the source is the owner, and its values replace them.
#[test]
fn what_lies_at_the_target_is_replaced_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (slot, keys) = crowd(&stage, 200);
    let mut shards = shifted(slot);
    shards[0].slots = vec![(0, slot - 1), (slot + 1, 5461)];
    shards[0].slots.retain(|(first, last)| first <= last);
    shards[1].slots = vec![(slot, slot), (5462, 10922)];
    by_engine(&stage, &shards, "{engine: classic, batch: 1}");
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE ");
    wait_until_it_stalls(&stage);
    let left = stage
        .servers
        .call(GIVER, &["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "3"]);
    let left: Vec<String> = left.array().into_iter().map(Value::text).collect();
    assert_eq!(left.len(), 3, "all has gone already");
    let mut client = judge::connect(stage.servers.address(TAKER));
    for key in &left {
        let reply = asking(&mut client, &["SET", key, "stale"]);
        assert_eq!(reply, Value::Simple("OK".to_owned()));
    }
    let ended = apply.end().code(0);
    let said = ended.stderr();
    assert!(
        said.contains("BUSYKEY") && said.contains(" REPLACE "),
        "{said}"
    );
    judge::assert_matches(&stage.servers, &shards);
    assert_at_the_taker(&stage, &keys);
    stage.matches();
}

/// Nothing tells which of two values is the newer one when an earlier run has left both: that is seen before
/// anything is sent, and what is left of the move is finished once a person has chosen.
#[test]
fn a_key_on_both_sides_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (slot, keys) = crowd(&stage, 3);
    let (giver, taker) = (stage.servers.id(GIVER), stage.servers.id(TAKER));
    stage.tell(TAKER, &format!("CLUSTER SETSLOT {slot} IMPORTING {giver}"));
    stage.tell(GIVER, &format!("CLUSTER SETSLOT {slot} MIGRATING {taker}"));
    let mut client = judge::connect(stage.servers.address(TAKER));
    assert_eq!(
        asking(&mut client, &["SET", &keys[1], "other"]),
        Value::Simple("OK".to_owned())
    );
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, slot - 1), (slot + 1, 5461)];
    shards[1].slots = vec![(slot, slot), (5462, 10922)];
    stage.declare(&shards);
    let told = stage.refuses(3);
    let (slot, key) = (slot.to_string(), &keys[1]);
    for words in [
        "a move of 1 slot from host1:7000 to host1:7001 was begun, and both hold 1 key",
        &format!("slot {slot}: {key:?}"),
        "At host1:7001 each command needs ASKING just before it",
    ] {
        assert!(told.plan.contains(words), "{words}: {}", told.plan);
    }
    // The one of the owner is the right one, a person finds.
    assert_eq!(asking(&mut client, &["DEL", key]), Value::Integer(1));
    stage.repairs(&shards);
    assert_at_the_taker(&stage, &keys);
}

/// What a node answers to a command for a slot that it imports.
#[track_caller]
fn asking(client: &mut Client, command: &[&str]) -> Value {
    let replies = client.pipeline(&[&["ASKING"], command]).expect("replies");
    replies[1].clone()
}

/// A key in such a slot.
fn key_in(wanted: impl Fn(u16) -> bool) -> (u16, String) {
    let keys = (0..).map(|number| format!("other:{number}"));
    let mut keys = keys.map(|key| (slot_of(key.as_bytes()), key));
    keys.find(|(slot, _)| wanted(*slot)).expect("such a key")
}

/// A move of these slots is begun, of the first one both hold a key, and the giver fails over: gives its heir. Redis
/// learns no new owner of slots that it imports, so the taker calls the cluster down.
#[track_caller]
fn give_and_fail_over(stage: &Stage, slots: &[u16], key: &str) -> Client {
    const HEIR: &str = "host2:7000";
    let (giver, taker) = (stage.servers.id(GIVER), stage.servers.id(TAKER));
    for slot in slots {
        stage.tell(TAKER, &format!("CLUSTER SETSLOT {slot} IMPORTING {giver}"));
        stage.tell(GIVER, &format!("CLUSTER SETSLOT {slot} MIGRATING {taker}"));
    }
    let mut client = judge::connect(stage.servers.address(TAKER));
    assert_eq!(
        asking(&mut client, &["SET", key, "other"]),
        Value::Simple("OK".to_owned())
    );
    stage.tell(HEIR, "CLUSTER FAILOVER");
    let new = stage.servers.id(HEIR);
    stage.wait_for_line(TAKER, &new, "an owner", |line| !line.slots.is_empty());
    wait::until("the taker to miss an owner", || {
        match state_of(stage, TAKER).as_str() {
            "fail" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    client
}

fn state_of(stage: &Stage, node: &str) -> String {
    let info = judge::ask(stage.servers.address(node)).info;
    info.get("cluster_state").cloned().unwrap_or_default()
}

/// The taker is told who owns a slot that is left as it is: before, it takes and gives no other.
#[test]
fn a_key_on_both_sides_and_a_taker_that_knows_no_owner_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (slot, keys) = crowd(&stage, 3);
    let (half, begun) = key_in(|slot| slot < 5000);
    let (given, own) = key_in(|slot| slot == 5462);
    let (fresh, others) = key_in(|slot| slot == 10923);
    for (node, key) in [(GIVER, &begun), (TAKER, &own), ("host1:7002", &others)] {
        stage.servers.ok(node, &["SET", key, "value"]);
    }
    let mut client = give_and_fail_over(&stage, &[slot, half], &keys[1]);
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host2:7000", &[GIVER], "");
    shards[0].slots = vec![(0, half - 1), (half + 1, slot - 1), (slot + 1, 5461)];
    shards[1].slots = vec![(half, half), (slot, slot), (given + 1, fresh)];
    shards[2].slots = vec![(given, given), (fresh + 1, 16383)];
    stage.declare(&shards);
    let plan = stage.rcl.run(&["plan", "--commands", "all"]).code(3);
    let new = stage.servers.id("host2:7000");
    let told = format!("~ tell host1:7001 that host2:7000 owns slots {half},{slot}");
    let sent = format!("host1:7001> CLUSTER SETSLOT {slot} NODE {new}");
    for words in [told, sent] {
        assert!(plan.stdout().contains(&words), "{words}: {}", plan.stdout());
    }
    stage.does_the_rest();
    for (node, key) in [(TAKER, &begun), ("host1:7002", &own), (TAKER, &others)] {
        let found = stage.servers.call(node, &["GET", key]);
        assert_eq!(found, Value::Bulk("value".to_owned()), "{key} at {node}");
    }
    assert_eq!(asking(&mut client, &["DEL", &keys[1]]), Value::Integer(1));
    stage.repairs(&shards);
    assert_eq!(stage.keys("host2:7000"), 0);
}

/// Where nothing else is to be done, the taker serves its own slots again.
#[test]
fn nothing_is_left_but_a_taker_that_knows_no_owner_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (slot, keys) = crowd(&stage, 3);
    let mut client = give_and_fail_over(&stage, &[slot], &keys[1]);
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host2:7000", &[GIVER], "0-5461");
    stage.declare(&shards);
    let drift = stage.rcl.run(&["drift"]).code(3);
    let words = format!("host1:7001 does not know that host2:7000 owns slot {slot}");
    assert!(drift.stdout().contains(&words), "{}", drift.stdout());
    stage.does_the_rest();
    assert_eq!(state_of(&stage, TAKER), "ok");
    let other = Value::Bulk("other".to_owned());
    assert_eq!(asking(&mut client, &["GET", &keys[1]]), other);
    assert_eq!(asking(&mut client, &["DEL", &keys[1]]), Value::Integer(1));
    stage.repairs(&shards);
    assert_eq!(stage.keys("host2:7000"), 3);
}

/// Valkey tells the replicas first, and refuses when one is late: the same again goes through.
#[test]
fn a_replica_that_is_late_on_valkey() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey81));
    stage.tell_everyone("CONFIG SET cluster-node-timeout 20000");
    let (slot, keys) = crowd(&stage, 200);
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, slot - 1), (slot + 1, 5461)];
    shards[0].slots.retain(|(first, last)| first <= last);
    shards[1].slots = vec![(slot, slot), (5462, 10922)];
    by_engine(&stage, &shards, "{engine: classic, batch: 1}");
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE ");
    wait_until_it_stalls(&stage);
    stage.servers.pause("host2:7001");
    apply.expect("NOREPLICAS");
    stage.servers.resume("host2:7001");
    apply.end().code(0);
    judge::wait_until_matches(&stage.servers, &shards);
    assert_at_the_taker(&stage, &keys);
    stage.matches();
}

/// A file that leaves most of the cluster out is rather the wrong file.
#[test]
fn most_voters_are_not_removed_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let yaml = Yaml::shares(&stage.servers, &Shard::seed()[..1]);
    stage.file(&format!("{yaml}policy: {{prune: true}}\n"));
    let words = "nothing is removed: 2 of the 3 primaries that serve slots are not in the file";
    let told = stage.refuses(3);
    assert!(told.plan.contains(words), "{}", told.plan);
    let mut arguments = vec!["apply".to_owned(), "--yes".to_owned()];
    for host in ["host1", "host2"] {
        arguments.extend([7001, 7002].map(|port| format!("--allow=remove={host}:{port}")));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let applied = stage.run(&arguments, 3);
    assert!(applied.contains(words), "{applied}");
    judge::assert_matches(&stage.servers, &Shard::seed());
}

/// It follows a primary that has become a replica itself.
fn a_replica_of_a_replica(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.add(node);
        stage.join(node, GIVER);
    }
    stage.replicate("host2:7003", "host1:7003");
    // Nobody fails over in between, and servers that mend it by themselves leave nothing to do.
    stage.replicate("host1:7003", GIVER);
    let mut shards = Shard::seed();
    let replicas = ["host2:7000", "host1:7003", "host2:7003"];
    shards[0] = Shard::new(GIVER, &replicas, "0-5461");
    stage.declare(&shards);
    stage.run(&["apply", "--yes"], 0);
    judge::wait_until_matches(&stage.servers, &shards);
    stage.matches();
}

#[test]
fn a_replica_of_a_replica_on_redis() {
    a_replica_of_a_replica(ServerKind::Redis62);
}

#[test]
fn a_replica_of_a_replica_on_valkey() {
    a_replica_of_a_replica(ServerKind::Valkey91);
}
