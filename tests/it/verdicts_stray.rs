//! Keys at a node that doesn't own their slots: what goes home, and what is left to a person.

use crate::support::resp::Value;
use crate::support::shards::slot_of;
use crate::support::{ServerKind, Servers, Shard, Stage, judge, wait};

/// The third primary loses its slots to the second, as a person does it by hand, and keeps the keys.
fn robbed(kind: ServerKind) -> Stage {
    let stage = Stage::seed(Servers::prepare(kind).set("cluster-allow-replica-migration", "no"));
    stage.write_keys("host1:7002", 30);
    stage.write_keys("host1:7000", 10);
    wait::until("the second primary to own the slots", || {
        take(&stage, [10923, 16383], "host1:7002", "host1:7001")
    });
    let mut shards = Shard::seed();
    shards[1].slots = vec![(5462, 16383)];
    shards[2].slots = Vec::new();
    stage.declare(&shards);
    judge::wait_until_matches(&stage.servers, &shards);
    assert_eq!(stage.keys("host1:7002"), 30);
    stage
}

/// Slots change hands, whose keys stay where they are. What one node is told, another's gossip may undo at once: the
/// owner's claim comes back to who was told before it.
fn take(stage: &Stage, slots: [u16; 2], from: &str, to: &str) -> Result<(), String> {
    let nodes = stage.servers.running();
    let order = nodes
        .iter()
        .map(String::as_str)
        .filter(|node| *node != from);
    let [first, last] = slots.map(|slot| slot.to_string());
    for node in order.chain([from]) {
        let reply = stage
            .servers
            .call(node, &["CLUSTER", "DELSLOTSRANGE", &first, &last]);
        if matches!(&reply, Value::Error(words) if !words.contains("already unassigned")) {
            return Err(format!("{node}: {reply:?}"));
        }
    }
    let add = ["CLUSTER", "ADDSLOTSRANGE", &first, &last];
    let reply = stage.servers.call(to, &add);
    let added = reply == Value::Simple("OK".to_owned());
    added.then_some(()).ok_or(format!("{reply:?}"))
}

/// Two have had the slot before its owner, and each has kept a key: nothing tells whose is the right one.
#[test]
fn two_hold_keys_of_a_slot_on_redis() {
    let kind = ServerKind::Redis70;
    let mut stage =
        Stage::seed(Servers::prepare(kind).set("cluster-allow-replica-migration", "no"));
    stage.write_keys("host1:7000", 1);
    let key = stage.servers.call("host1:7000", &["KEYS", "*"]).array();
    let key = key[0].clone().text();
    let slot = slot_of(key.as_bytes());
    let with = |shard: usize| {
        let mut shards = Shard::seed();
        shards[0].slots = vec![(0, slot - 1), (slot + 1, 5461)];
        shards[shard].slots.push((slot, slot));
        shards[shard].slots.sort_unstable();
        shards
    };
    for (shard, from, to) in [
        (2, "host1:7000", "host1:7002"),
        (1, "host1:7002", "host1:7001"),
    ] {
        wait::until("the slot to be taken", || {
            take(&stage, [slot, slot], from, to)
        });
        stage.declare(&with(shard));
        judge::wait_until_matches(&stage.servers, &with(shard));
        if shard == 2 {
            stage.servers.ok(to, &["SET", &key, "newer"]);
        }
    }
    let told = stage.refuses(3);
    for (holder, other) in [("7000", "7002"), ("7002", "7000")] {
        let words = format!("host1:{holder} holds 1 key of slot {slot}, which host1:7001 owns");
        let too = format!("host1:{other} holds 1 key of them too");
        let both = told.plan.contains(&words) && told.plan.contains(&too);
        assert!(both, "{words}, {too}: {}", told.plan);
    }
}

fn given() -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[1].slots = vec![(5462, 16383)];
    shards[2].slots = Vec::new();
    shards
}

fn keys_go_home(kind: ServerKind) {
    let mut stage = robbed(kind);
    let plan = stage.run(&["plan"], 0);
    let step: Vec<&str> = plan
        .lines()
        .skip_while(|line| !line.starts_with("~ bring"))
        .take(4)
        .map(|line| line.split(" of slots").next().expect("a line"))
        .collect();
    assert_eq!(step[0], "~ bring 30 keys");
    stage.repairs(&given());
    assert_eq!(stage.keys("host1:7001"), 30);
    assert_eq!(stage.keys("host1:7002"), 0);
}

#[test]
fn keys_go_home_on_redis_7_0() {
    keys_go_home(ServerKind::Redis70);
}

#[test]
fn keys_go_home_on_redis_8_2() {
    keys_go_home(ServerKind::Redis82);
}

#[test]
fn keys_go_home_on_valkey_8_1() {
    keys_go_home(ServerKind::Valkey81);
}

#[test]
fn keys_go_home_on_valkey_9_1() {
    keys_go_home(ServerKind::Valkey91);
}

/// Clients have written to the owner meanwhile: nobody knows which of the values count.
fn both_sides_hold_keys(kind: ServerKind) {
    let mut stage = robbed(kind);
    // `a` is of slot 15495.
    stage.servers.ok("host1:7001", &["SET", "a", "new"]);
    let mut client = judge::connect(stage.servers.address("host1:7002"));
    let owner = stage.servers.id("host1:7001");
    stage.tell(
        "host1:7002",
        &format!("CLUSTER SETSLOT 15495 IMPORTING {owner}"),
    );
    let replies = client
        .pipeline(&[&["ASKING"], &["SET", "a", "old"][..]])
        .expect("replies");
    assert_eq!(replies[1].clone().text(), "OK");
    stage.tell("host1:7002", "CLUSTER SETSLOT 15495 STABLE");
    let told = stage.refuses(3);
    let lines: Vec<&str> = told
        .plan
        .lines()
        .filter(|line| line.contains("holds "))
        .collect();
    assert_eq!(lines.len(), 2, "{}", told.plan);
    assert!(
        lines[0].starts_with("! host1:7002 holds 31 keys of slots "),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains("host1:7001, the owner, holds 1 key of slots "),
        "{}",
        lines[1]
    );
    assert_eq!(
        stage.servers.call("host1:7001", &["GET", "a"]).text(),
        "new"
    );
}

#[test]
fn both_sides_hold_keys_on_redis() {
    both_sides_hold_keys(ServerKind::Redis70);
}

#[test]
fn both_sides_hold_keys_on_valkey() {
    both_sides_hold_keys(ServerKind::Valkey91);
}

/// A giver that restarts has its key again, and by its mark it has given the slot away: whatever it holds is old, even
/// where the owner holds nothing any more. A person removes it as the plan says.
#[test]
fn what_a_giver_finds_when_it_starts_again_on_redis() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70).node_timeout_ms(5000));
    let (giver, taker) = ("host1:7000", "host1:7001");
    let (from, to) = (stage.servers.id(giver), stage.servers.id(taker));
    let slot = slot_of(b"old");
    assert!(slot < 5462, "of another shard");
    stage.tell(giver, "SET old value");
    stage.tell(giver, "SAVE");
    stage.tell(taker, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    stage.tell(giver, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
    let at = stage.servers.address(taker);
    stage.tell(
        giver,
        &format!("MIGRATE {} {} old 0 1000", at.ip(), at.port()),
    );
    stage.tell(taker, &format!("CLUSTER SETSLOT {slot} NODE {to}"));
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, slot - 1), (slot + 1, 5461)];
    shards[1].slots = vec![(slot, slot), (5462, 10922)];
    stage.declare(&shards);
    // The mark stays on who hears of the new owner by gossip.
    wait::until("the giver to know the new owner", || {
        let lines = judge::cluster_nodes(stage.servers.address(giver));
        let new = lines.iter().find(|line| line.id == to);
        let slots = new.map(|line| line.slots.clone()).unwrap_or_default();
        let heard = slots.contains(&(slot, slot)).then_some(());
        heard.ok_or(format!("{slots:?}"))
    });
    let removed = stage.servers.call(taker, &["DEL", "old"]);
    assert_eq!(removed, Value::Integer(1));
    stage.servers.kill(giver);
    stage.servers.restart(giver);
    assert_eq!(stage.keys(giver), 1);
    stage.wait_for_link("host2:7000");

    let told = stage.refuses_whatever_it_says(3);
    for words in [
        format!(
            "host1:7000 holds 1 key of slot {slot}, which host1:7001 owns and does not give away"
        ),
        format!("host1:7001, the owner, holds 0 keys of slot {slot}"),
        "Of each slot, at host1:7000 and over one connection: CLUSTER SETSLOT with IMPORTING ID2, MIGRATE to host1:7001 what you need (with REPLACE where both have a key and this one is right), ASKING and DEL".to_owned(),
    ] {
        assert!(told.plan.contains(&words), "{words}: {}", told.plan);
    }
    stage.tell(giver, &format!("CLUSTER SETSLOT {slot} IMPORTING {to}"));
    let mut client = judge::connect(stage.servers.address(giver));
    let replies = client.pipeline(&[&["ASKING"], &["DEL", "old"]]);
    assert_eq!(replies.expect("replies")[1], Value::Integer(1));
    stage.tell(giver, &format!("CLUSTER SETSLOT {slot} STABLE"));
    stage.repairs(&shards);
}
