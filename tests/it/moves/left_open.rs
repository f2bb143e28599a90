//! Slots that a move has left open, whoever began it: finished, closed, or left to a person.

use crate::support::{ServerKind, Servers, Shard, Stage, judge};

use super::{key_of, shifted};

/// A slot of a, and a key of it.
const SLOT: u16 = 5474 - 5462 + 1;

fn ids(stage: &Stage) -> (String, String) {
    (
        stage.servers.id("host1:7000"),
        stage.servers.id("host1:7001"),
    )
}

fn open_both(stage: &Stage, slot: u16) {
    let (source, target) = ids(stage);
    stage.tell(
        "host1:7001",
        &format!("CLUSTER SETSLOT {slot} IMPORTING {source}"),
    );
    stage.tell(
        "host1:7000",
        &format!("CLUSTER SETSLOT {slot} MIGRATING {target}"),
    );
}

/// Opened by somebody, and no key has gone: the file wants it where it is, so it is closed.
fn opened_for_nothing(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    open_both(&stage, SLOT);
    let plan = stage.run(&["plan"], 0);
    assert!(plan.contains("~ close 13 on host1:7000"), "{plan}");
    stage.repairs(&Shard::seed());
}

#[test]
fn opened_for_nothing_on_redis() {
    opened_for_nothing(ServerKind::Redis70);
}

#[test]
fn opened_for_nothing_on_valkey() {
    opened_for_nothing(ServerKind::Valkey91);
}

/// A key has gone already: the move is finished, and the file then wants the slot back.
fn half_of_the_keys_gone(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    let (key, slot) = key_of(&stage, "host1:7000");
    open_both(&stage, slot);
    let to = stage.servers.address("host1:7001");
    let (ip, port) = (to.ip().to_string(), to.port().to_string());
    let argv = ["MIGRATE", &ip, &port, &key, "0", "1000"];
    stage.servers.ok("host1:7000", &argv);
    let told = stage.run(&["apply", "--yes"], 1);
    assert!(told.contains("1 slot moved"), "{told}");
    stage.repairs(&Shard::seed());
    let value = stage.servers.call("host1:7000", &["GET", &key]).text();
    assert_eq!(value, "value");
}

#[test]
fn half_of_the_keys_gone_on_redis() {
    half_of_the_keys_gone(ServerKind::Redis70);
}

#[test]
fn half_of_the_keys_gone_on_valkey() {
    half_of_the_keys_gone(ServerKind::Valkey91);
}

/// One side has forgotten that a move goes on, as Redis does when that side fails over.
fn one_mark_lost(kind: ServerKind, forgetful: &str) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    let (key, slot) = key_of(&stage, "host1:7000");
    open_both(&stage, slot);
    stage.tell(forgetful, &format!("CLUSTER SETSLOT {slot} STABLE"));
    let mut shards = Shard::seed();
    let rest = [(0, slot - 1), (slot + 1, 5461)];
    shards[0].slots = rest
        .into_iter()
        .filter(|(first, last)| first <= last)
        .collect();
    shards[1].slots.insert(0, (slot, slot));
    stage.declare(&shards);
    stage.repairs(&shards);
    let value = stage.servers.call("host1:7001", &["GET", &key]).text();
    assert_eq!(value, "value");
}

#[test]
fn the_giver_has_forgotten() {
    one_mark_lost(ServerKind::Redis70, "host1:7000");
}

#[test]
fn the_taker_has_forgotten() {
    one_mark_lost(ServerKind::Redis70, "host1:7001");
}

/// Keys at a node that doesn't own their slot, and takes no part in a move, are nobody's.
#[test]
fn stray_keys_stand_in_the_way() {
    let stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (key, slot) = key_of(&stage, "host1:7000");
    open_both(&stage, slot);
    // A client that was sent on leaves a key at the taker; then the move is given up.
    let mut client = judge::connect(stage.servers.address("host1:7001"));
    let stray = ["SET", &format!("{{{key}}}stray"), "other"];
    let replies = client.pipeline(&[&["ASKING"], &stray]).expect("replies");
    assert_eq!(replies[1].clone().text(), "OK");
    for node in ["host1:7000", "host1:7001"] {
        stage.tell(node, &format!("CLUSTER SETSLOT {slot} STABLE"));
    }
    stage.declare(&shifted(5462 - slot));
    let failed = stage.rcl.run(&["apply", "--yes"]).code(3);
    let words = format!("host1:7001 holds 1 key of slot {slot}, which host1:7000 owns.");
    assert!(failed.stderr().contains(&words), "{}", failed.stderr());
    assert_eq!(stage.keys("host1:7000"), 1);
}

/// Redis marks a slot as importing by itself when it starts with keys of it that it has lost meanwhile. Finishing
/// that would bring old values back.
#[test]
fn old_keys_are_not_taken_for_a_move() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (key, slot) = key_of(&stage, "host1:7000");
    let (source, _) = ids(&stage);
    stage.tell(
        "host1:7001",
        &format!("CLUSTER SETSLOT {slot} IMPORTING {source}"),
    );
    let mut client = judge::connect(stage.servers.address("host1:7001"));
    let old = ["SET", &key, "old"];
    let replies = client.pipeline(&[&["ASKING"], &old]).expect("replies");
    assert_eq!(replies[1].clone().text(), "OK");
    let told = stage.refuses(3);
    let words = format!("host1:7001 holds 1 key of slot {slot}, which host1:7000 owns");
    assert!(told.plan.contains(&words), "{}", told.plan);
    // The same when the file wants the slot there: of two values nobody knows which one counts.
    stage.declare(&shifted(5462 - slot));
    let plan = stage.run(&["plan"], 3);
    assert!(plan.contains(&words), "{plan}");
    let value = stage.servers.call("host1:7000", &["GET", &key]).text();
    assert_eq!(value, "value");
}

/// The giver dies for good in the middle, and its replica takes over. What the marks name is gone.
fn the_giver_stays_dead(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    let (key, slot) = key_of(&stage, "host1:7000");
    open_both(&stage, slot);
    stage.servers.kill("host1:7000");
    // On Redis the taker learns no owner of what it takes.
    stage.wait_for_promotion_but_for("host2:7000", &["host1:7001"]);
    // Nothing has gone, and the file wants it where it is: closed.
    let told = stage.does_the_rest();
    assert!(!told.plan.contains("half-way"), "{}", told.plan);
    assert_eq!(
        stage.servers.call("host2:7000", &["GET", &key]).text(),
        "value"
    );
}

#[test]
fn the_giver_stays_dead_on_redis() {
    the_giver_stays_dead(ServerKind::Redis70);
}

#[test]
fn the_giver_stays_dead_on_valkey() {
    the_giver_stays_dead(ServerKind::Valkey91);
}

/// On Redis the taker learns no owner of what it takes, and calls the cluster down: it is told who has followed, and the
/// move goes on from that one.
#[test]
fn a_move_from_one_that_stays_dead() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (key, slot) = key_of(&stage, "host1:7000");
    open_both(&stage, slot);
    stage.servers.kill("host1:7000");
    stage.wait_for_promotion_but_for("host2:7000", &["host1:7001"]);
    stage.declare(&shifted(5462 - slot));
    stage.does_the_rest();
    stage.wait_for_promotion("host1:7001");
    let found = stage.servers.call("host1:7001", &["GET", &key]);
    assert_eq!(found.text(), "value");
}

/// Two slots that host1:7001 takes from one that serves nothing by now, and has lost its marks: the key of the first has
/// come from their owner.
fn left_by_one_that_serves_nothing(stage: &mut Stage) -> (String, u16) {
    let (key, slot) = key_of(stage, "host1:7000");
    stage.servers.add("host1:7003");
    stage.join("host1:7003", "host1:7000");
    let (giver, taker) = (
        stage.servers.id("host1:7003"),
        stage.servers.id("host1:7001"),
    );
    for slot in [slot, slot + 1] {
        let mark = format!("CLUSTER SETSLOT {slot} IMPORTING {giver}");
        stage.tell("host1:7001", &mark);
    }
    let mark = format!("CLUSTER SETSLOT {slot} MIGRATING {taker}");
    stage.tell("host1:7000", &mark);
    let to = stage.servers.address("host1:7001");
    let (ip, port) = (to.ip().to_string(), to.port().to_string());
    let argv = ["MIGRATE", &ip, &port, &key, "0", "1000"];
    stage.servers.ok("host1:7000", &argv);
    stage.tell("host1:7000", &format!("CLUSTER SETSLOT {slot} STABLE"));
    (key, slot)
}

/// What was begun goes on from the owner.
#[test]
fn a_move_whose_giver_serves_nothing_any_more_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (key, slot) = left_by_one_that_serves_nothing(&mut stage);
    let mut shards = shifted(5462 - slot);
    shards.push(Shard::new("host1:7003", &[], ""));
    stage.declare(&shards);
    stage.repairs(&shards);
    let found = stage.servers.call("host1:7001", &["GET", &key]);
    assert_eq!(found.text(), "value");
}

/// Redis sets such marks by itself when it starts with old keys. Where the file wants the slots elsewhere nothing tells
/// these from a move.
#[test]
fn marks_alone_prove_no_move_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (_, slot) = left_by_one_that_serves_nothing(&mut stage);
    let mut shards = Shard::seed();
    shards.push(Shard::new("host1:7003", &[], ""));
    stage.declare(&shards);
    let told = stage.refuses(3);
    let marks = format!(
        "host1:7001 is taking from host1:7003: slots {slot}-{}",
        slot + 1
    );
    assert!(told.plan.contains(&marks), "{}", told.plan);
}

/// Valkey's replicas take a SETSLOT that they were too late for, and the primary doesn't.
#[test]
fn a_mark_that_only_a_replica_has() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    stage.write_keys("host1:7000", 5);
    let target = stage.servers.id("host1:7001");
    stage.servers.pause("host2:7000");
    let set = ["CLUSTER", "SETSLOT", "5", "MIGRATING", &target];
    let reply = stage.servers.call("host1:7000", &set);
    assert!(format!("{reply:?}").contains("NOREPLICAS"), "{reply:?}");
    stage.servers.resume("host2:7000");
    stage.wait_for_link("host2:7000");
    crate::support::wait::until("the replica to have the mark", || {
        let nodes = stage
            .servers
            .call("host2:7000", &["CLUSTER", "NODES"])
            .text();
        nodes.contains("[5->-").then_some(()).ok_or(nodes)
    });
    let drift = stage.run(&["drift"], 2);
    assert_eq!(drift, "rcl.yaml: slot 5 is still open on host2:7000\n");
    stage.repairs(&Shard::seed());
}
