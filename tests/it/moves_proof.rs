//! What no move may lose: keys of every kind, in growing clusters and under traffic, when rcl, a source, a target
//! or a bystander dies in the middle, and when a role changes there.

use crate::support::resp::Value;
use crate::support::shards::slot_of;
use crate::support::traffic::{Data, Traffic, keys_at_primaries};
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

const KEYS: usize = 3000;

/// Runs that a cluster may need which has just lost a node: views have to settle first.
const RUNS: usize = 8;

#[expect(
    clippy::print_stdout,
    reason = "shown when asked for, with --nocapture"
)]
fn grows_to_four(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    stage.tell_everyone("CONFIG SET cluster-node-timeout 10000");
    let (data, values) = Data::write(&stage.servers, KEYS);
    let before = Traffic::start_impatient(&stage.servers);
    stage.run(&["drift"], 0);
    let before = before.end_with_errors();
    let even = Shard::even(4);
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    let traffic = Traffic::start_impatient(&stage.servers);
    stage.declare(&even);
    let applied = stage.run(&["apply", "--yes"], 0);
    assert!(applied.contains("8193 slots moved ("), "{applied}");
    let during = traffic.end_with_errors();
    println!(
        "{}: a client's waits {:?} with {} errors, before {:?} with {}",
        kind.name(),
        during.waits,
        during.errors.len(),
        before.waits,
        before.errors.len(),
    );
    assert_eq!(during.errors, [""; 0]);
    stage.repairs(&even);
    data.assert_kept(&stage.servers, &values);
}

/// At the node that serves the key.
#[track_caller]
fn set_somewhere(stage: &Stage, key: &str, value: &str) -> String {
    let names = stage.servers.names();
    let done = names.iter().find(|name| {
        let reply = stage.servers.call(name, &["SET", key, value]);
        reply == Value::Simple("OK".to_owned())
    });
    done.expect("a node that serves it").clone()
}

#[test]
fn grows_to_four_on_redis() {
    grows_to_four(ServerKind::Redis70);
}

#[test]
fn grows_to_four_on_valkey() {
    grows_to_four(ServerKind::Valkey91);
}

/// A key that would keep its node from serving for too long is told of before anything moves.
#[test]
fn a_big_key_is_found_beforehand() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.tell_everyone("CONFIG SET cluster-node-timeout 100");
    let key = "{big}key";
    let holder = set_somewhere(&stage, key, &"x".repeat(6 << 20));
    let slot = stage.servers.call(&holder, &["CLUSTER", "KEYSLOT", key]);
    let slot = u32::try_from(slot.integer()).expect("a slot");
    stage.tell_everyone("CONFIG SET cluster-node-timeout 2000");
    stage.declare(&given_away(slot));
    let yaml = Yaml::new(&stage.servers, &given_away(slot));
    stage.file(&format!("{yaml}policy: {{move: {{engine: classic}}}}\n"));
    let plan = stage.run(&["plan"], 0);
    assert!(!plan.contains("Before the move"), "{plan}");
    stage.tell_everyone("CONFIG SET cluster-node-timeout 100");
    let plan = stage.run(&["plan"], 0);
    let words = format!("key \"{key}\" of slot {slot} takes ");
    assert!(plan.contains(&words), "{plan}");
    assert!(plan.contains("Before the move"), "{plan}");
}

/// The seed, with this slot at the next shard.
fn given_away(slot: u32) -> Vec<Shard> {
    let mut shards = Shard::seed();
    let slot = u16::try_from(slot).expect("a slot");
    let owner = shards.iter().position(|shard| {
        shard
            .slots
            .iter()
            .any(|(first, last)| (first..=last).contains(&&slot))
    });
    let owner = owner.expect("an owner");
    let taker = (owner + 1) % shards.len();
    let (first, last) = shards[owner].slots[0];
    let rest = [(first, slot.wrapping_sub(1)), (slot + 1, last)];
    shards[owner].slots = rest
        .into_iter()
        .filter(|(from, to)| from <= to && *to <= last)
        .collect();
    shards[taker].slots.push((slot, slot));
    shards[taker].slots.sort_unstable();
    shards
}

/// The slots of the first shard from here on go to the second.
fn shifted(first: u16) -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, first - 1)];
    shards[1].slots = vec![(first, 10922)];
    shards
}

/// Killed after every few lines of a move of 100 slots with a few hundred keys in six of them. Each time others move.
#[test]
fn rcl_dies_everywhere() {
    let stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let node = "host1:7000";
    let policy = "policy: {move: {engine: classic, batch: 4}}\n";
    let (mut lines, mut first) = (1, 5462);
    let mut killed = 0;
    loop {
        first -= 100;
        let slots = first..first + 100;
        let tags: Vec<String> = (0..)
            .map(|number| format!("t{number}"))
            .filter(|tag| slots.contains(&slot_of(tag.as_bytes())))
            .take(6)
            .collect();
        for number in 0..300 {
            let key = format!("{{{}}}{number}", tags[number % tags.len()]);
            stage.servers.ok(node, &["SET", &key, &number.to_string()]);
        }
        let shards = shifted(first);
        let yaml = Yaml::new(&stage.servers, &shards);
        stage.file(&format!("{yaml}{policy}"));
        let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
        let mut said = 0;
        while said < lines && apply.next().is_some() {
            said += 1;
        }
        if said < lines {
            apply.end().code(0);
            break;
        }
        apply.kill();
        killed += 1;
        stage.rcl.run_again(&["apply", "--yes"]);
        judge::assert_matches(&stage.servers, &shards);
        assert_eq!(
            keys_at_primaries(&stage.servers),
            300 * killed,
            "after {lines} lines"
        );
        lines += 1 + lines / 4;
    }
    assert!(killed > 8, "killed {killed} times only");
    stage.rcl.run(&["plan", "--detailed-exitcode"]).success();
    judge::redis_cli_check(stage.servers.address(node));
}

/// Something happens to nodes in the middle of a move of 300 slots; then rcl is run again.
fn through(
    kind: ServerKind,
    engine: &str,
    after: &str,
    happens: impl FnOnce(&mut Stage),
    shards: &[Shard],
) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    let (data, values) = Data::write(&stage.servers, KEYS);
    let yaml = Yaml::new(&stage.servers, &shifted(5162));
    stage.file(&format!(
        "{yaml}policy: {{move: {{engine: {engine}, batch: 5, pause: 200ms}}}}\n"
    ));
    let atomic = engine == "atomic";
    if atomic {
        // So slow that it is still on its way; what the servers copy for other reasons is not.
        stage.tell("host1:7000", "CONFIG SET rdb-key-save-delay 50000");
    }
    // While a classic move is torn the cluster may serve nobody for long.
    let traffic = atomic.then(|| Traffic::start(&stage.servers));
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect(after);
    if atomic {
        stage.wait_for_job("host1:7000", "snapshotting");
        stage.tell("host1:7000", "CONFIG SET rdb-key-save-delay 0");
    }
    // Else told while the move pauses: no command is half-way.
    happens(&mut stage);
    // How it ends hangs on the moment, and that it ends is what counts.
    let _ = apply.end();
    let done = (0..RUNS).any(|_| stage.rcl.run(&["apply", "--yes"]).is_code(0));
    assert!(
        done,
        "{}",
        stage.rcl.run(&["apply", "--yes"]).any().stderr()
    );
    if let Some(traffic) = traffic {
        traffic.end_with_errors();
    }
    judge::wait_until_matches(&stage.servers, shards);
    stage.rcl.run(&["plan", "--detailed-exitcode"]).code(0);
    data.assert_kept(&stage.servers, &values);
}

/// What is declared, with these two in each other's role.
fn swapped(shard: usize) -> Vec<Shard> {
    let mut shards = shifted(5162);
    let Shard {
        primary, replicas, ..
    } = &mut shards[shard];
    std::mem::swap(primary, &mut replicas[0]);
    shards
}

/// It dies, its replica is elected, and it comes back.
fn dies(node: &'static str, replica: &'static str) -> impl FnOnce(&mut Stage) {
    move |stage| {
        stage.servers.kill(node);
        // A taker on Redis learns no new owner of what it takes, and calls the cluster down, until the move is
        // finished.
        stage.wait_for_promotion_but_for(replica, &["host1:7001"]);
        stage.servers.restart(node);
        stage.wait_for_link(node);
    }
}

fn fails_over(replica: &'static str, node: &'static str) -> impl FnOnce(&mut Stage) {
    move |stage| {
        stage.tell(replica, "CLUSTER FAILOVER");
        stage.wait_for_promotion(replica);
        stage.wait_for_link(node);
    }
}

#[test]
fn the_giver_dies() {
    let happens = dies("host1:7000", "host2:7000");
    through(
        ServerKind::Redis70,
        "classic",
        "MIGRATE",
        happens,
        &swapped(0),
    );
}

#[test]
fn the_taker_dies() {
    let happens = dies("host1:7001", "host2:7001");
    through(
        ServerKind::Redis70,
        "classic",
        "MIGRATE",
        happens,
        &swapped(1),
    );
}

#[test]
fn a_bystander_dies() {
    let happens = dies("host1:7002", "host2:7002");
    through(
        ServerKind::Redis70,
        "classic",
        "MIGRATE",
        happens,
        &swapped(2),
    );
}

#[test]
fn the_taker_fails_over_on_redis() {
    let happens = fails_over("host2:7001", "host1:7001");
    through(
        ServerKind::Redis70,
        "classic",
        "MIGRATE",
        happens,
        &swapped(1),
    );
}

#[test]
fn the_giver_fails_over_on_valkey() {
    let happens = fails_over("host2:7000", "host1:7000");
    through(
        ServerKind::Valkey81,
        "classic",
        "MIGRATE",
        happens,
        &swapped(0),
    );
}

#[test]
fn the_giver_fails_over_beside_an_atomic_move() {
    let happens = fails_over("host2:7000", "host1:7000");
    through(
        ServerKind::Valkey91,
        "atomic",
        "MIGRATESLOTS",
        happens,
        &swapped(0),
    );
}

#[test]
fn the_taker_fails_over_beside_an_atomic_move() {
    let happens = fails_over("host2:7001", "host1:7001");
    through(
        ServerKind::Valkey91,
        "atomic",
        "MIGRATESLOTS",
        happens,
        &swapped(1),
    );
}

fn the_giver_dies_on(kind: ServerKind, engine: &str, after: &str) {
    let happens = dies("host1:7000", "host2:7000");
    through(kind, engine, after, happens, &swapped(0));
}

fn the_taker_dies_on(kind: ServerKind, engine: &str, after: &str) {
    let happens = dies("host1:7001", "host2:7001");
    through(kind, engine, after, happens, &swapped(1));
}

#[test]
fn the_giver_dies_beside_an_atomic_move_on_valkey() {
    the_giver_dies_on(ServerKind::Valkey91, "atomic", "MIGRATESLOTS");
}

#[test]
fn the_taker_dies_beside_an_atomic_move_on_valkey() {
    the_taker_dies_on(ServerKind::Valkey91, "atomic", "MIGRATESLOTS");
}

#[test]
fn a_bystander_dies_beside_an_atomic_move_on_valkey() {
    let happens = dies("host1:7002", "host2:7002");
    through(
        ServerKind::Valkey91,
        "atomic",
        "MIGRATESLOTS",
        happens,
        &swapped(2),
    );
}
