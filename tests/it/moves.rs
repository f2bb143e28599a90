//! Slots move with their keys: under traffic, in every version, killed at any line, stopped, half-way.

mod left_open;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::traffic::{Data, Traffic, keys_at_primaries};
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

const KEYS: usize = 3000;

/// Each of the three gives a quarter of what it has to a newcomer, and the first one more slot to the second.
fn quarters() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &["host2:7000"], "1-4095"),
        Shard::new("host1:7001", &["host2:7001"], "0,5462-9557"),
        Shard::new("host1:7002", &["host2:7002"], "10923-15018"),
        Shard::new(
            "host1:7003",
            &["host2:7003"],
            "4096-5461,9558-10922,15019-16383",
        ),
    ]
}

fn grows_under_traffic(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    let (data, values) = Data::write(&stage.servers, KEYS);
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    let traffic = Traffic::start(&stage.servers);
    stage.declare(&quarters());
    let applied = stage.run(&["apply", "--yes"], 0);
    assert!(applied.contains("4097 slots moved"), "{applied}");
    let counters = traffic.end();
    stage.repairs(&quarters());
    data.assert_kept(&stage.servers, &values);
    let keys = i64::try_from(KEYS + counters).expect("few keys");
    assert_eq!(keys_at_primaries(&stage.servers), keys);
}

#[test]
fn grows_on_redis_6_2() {
    grows_under_traffic(ServerKind::Redis62);
}

#[test]
fn grows_on_redis_7_0() {
    grows_under_traffic(ServerKind::Redis70);
}

#[test]
fn grows_on_redis_8_2() {
    grows_under_traffic(ServerKind::Redis82);
}

#[test]
fn grows_on_valkey_8_1() {
    grows_under_traffic(ServerKind::Valkey81);
}

#[test]
fn grows_on_valkey_9_1() {
    grows_under_traffic(ServerKind::Valkey91);
}

/// How many pairs moved, none of which began before the other had ended.
#[track_caller]
fn pairs_in_turn(lines: &[serde_json::Value]) -> usize {
    let mut under_way = BTreeSet::new();
    let mut pairs = 0;
    for line in lines {
        let moves = line["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("move "));
        if line["kind"] == "step_started" && moves {
            assert!(under_way.is_empty(), "{under_way:?} and {line}");
            under_way.insert(line["step"].as_u64());
            pairs += 1;
        }
        if line["kind"] == "step_ended" {
            under_way.remove(&line["step"].as_u64());
        }
    }
    pairs
}

/// One pair after the other; as lines for programs what moves is told, and adds up.
#[test]
fn tells_how_far_it_is() {
    let stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 5261)];
    shards[1].slots = vec![(5262, 10922), (16284, 16383)];
    shards[2].slots = vec![(10923, 16283)];
    let yaml = Yaml::new(&stage.servers, &shards);
    let moves = "policy: {move: {engine: classic, batch: 1, pause: 50ms}}\n";
    stage.file(&format!("{yaml}{moves}"));
    let arguments = ["apply", "--yes", "--json", "--parallelism", "1"];
    let applied = stage.rcl.run(&arguments).code(0);
    let lines: Vec<serde_json::Value> = applied
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let of_kind = |kind: &'static str| lines.iter().filter(move |line| line["kind"] == kind);
    assert_eq!(pairs_in_turn(&lines), 2);
    let last: BTreeMap<u64, &serde_json::Value> = of_kind("step_progress")
        .map(|line| (line["step"].as_u64().expect("a number"), line))
        .collect();
    assert!(
        of_kind("step_progress").count() > last.len(),
        "only the ends are told"
    );
    let sum = |member: &str| -> u64 {
        let numbers = last.values().map(|line| line[member].as_u64());
        numbers.map(|number| number.expect("a number")).sum()
    };
    let moved = &of_kind("apply_ended").next().expect("an end")["moved"];
    assert_eq!(moved["slots"], 300);
    for (member, told) in [
        ("slots", "slots_moved"),
        ("keys", "keys_moved"),
        ("bytes", "bytes_moved"),
    ] {
        assert_eq!(moved[member], sum(told), "{member}");
        assert!(sum(told) > 0, "{member}");
    }
    assert_eq!(
        sum("keys"),
        sum("keys_moved"),
        "as many as the plan has counted"
    );
    let page = std::fs::read_to_string("docs/json.md").expect("the page");
    for member in last
        .values()
        .flat_map(|line| line.as_object().expect("an object").keys())
    {
        assert!(
            page.contains(&format!("`{member}`")),
            "docs/json.md lacks {member}"
        );
    }
    judge::wait_until_matches(&stage.servers, &shards);
    data.assert_kept(&stage.servers, &values);
}

/// Two slots of a to b, slowly.
fn slowly(stage: &Stage, batch: u32, slots: u16) {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 5461 - slots)];
    shards[1].slots = vec![(5462 - slots, 10922)];
    let yaml = Yaml::new(&stage.servers, &shards);
    stage.file(&format!(
        "{yaml}policy: {{move: {{engine: classic, batch: {batch}, pause: 2ms}}}}\n"
    ));
}

fn shifted(slots: u16) -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 5461 - slots)];
    shards[1].slots = vec![(5462 - slots, 10922)];
    shards
}

/// Killed again and again, each time some lines later.
fn dies_on_the_way(kind: ServerKind) {
    let stage = Stage::seed(Servers::prepare(kind));
    let (data, values) = Data::write(&stage.servers, KEYS);
    let traffic = Traffic::start(&stage.servers);
    let slots = 300;
    slowly(&stage, 5, slots);
    let mut lines = 5;
    loop {
        let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
        // At first only marks may be left to take away.
        let mut said = 0;
        while said < lines && apply.next().is_some() {
            said += 1;
        }
        if said < lines {
            apply.end().code(0);
            break;
        }
        apply.kill();
        // Nothing that a killed run leaves is in the way of the next one.
        stage.rcl.run(&["plan"]).code(0);
        lines += 250;
    }
    assert!(lines > 500, "killed {lines} lines late only");
    judge::assert_matches(&stage.servers, &shifted(slots));
    judge::redis_cli_check(stage.servers.address("host1:7000"));
    stage.rcl.run(&["plan", "--detailed-exitcode"]).success();
    traffic.end();
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn dies_on_the_way_on_redis() {
    dies_on_the_way(ServerKind::Redis70);
}

#[test]
fn dies_on_the_way_on_valkey() {
    dies_on_the_way(ServerKind::Valkey81);
}

/// An atomic move goes on without rcl: the next apply waits for it.
#[test]
fn dies_beside_an_atomic_move() {
    let stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    let (data, values) = Data::write(&stage.servers, KEYS);
    let traffic = Traffic::start(&stage.servers);
    stage.declare(&shifted(2000));
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("CLUSTER MIGRATESLOTS");
    apply.kill();
    stage.rcl.run_again(&["apply", "--yes"]);
    judge::assert_matches(&stage.servers, &shifted(2000));
    stage.rcl.run(&["plan", "--detailed-exitcode"]).success();
    traffic.end();
    data.assert_kept(&stage.servers, &values);
}

/// Ctrl-C once: what is open is finished, nothing else begins.
#[test]
fn stops_between_slots() {
    let stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (data, values) = Data::write(&stage.servers, KEYS);
    slowly(&stage, 5, 2000);
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE");
    apply.interrupt();
    let ended = apply.end().code(1);
    assert!(
        ended.stderr().contains("Apply interrupted"),
        "{}",
        ended.stderr()
    );
    for name in stage.servers.running() {
        let lines = judge::cluster_nodes(stage.servers.address(&name));
        let open = lines.iter().any(|line| !line.open.is_empty());
        assert!(!open, "{name} has open slots: {lines:?}");
    }
    stage.rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&stage.servers, &shifted(2000));
    data.assert_kept(&stage.servers, &values);
}

/// A key of a slot below 5462 - count, and its slot.
fn key_of(stage: &Stage, node: &str) -> (String, u16) {
    stage.write_keys(node, 1);
    let keys = stage.servers.call(node, &["KEYS", "*"]).array();
    let key = keys[0].clone().text();
    let slot = stage.servers.call(node, &["CLUSTER", "KEYSLOT", &key]);
    (key, u16::try_from(slot.integer()).expect("a slot"))
}

/// The newcomer gets the greater part of a shard: the other part stays where it is.
#[test]
fn a_shard_is_split() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (key, _) = key_of(&stage, "host1:7000");
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 100)];
    shards.push(Shard::new("host1:7003", &["host2:7003"], "101-5461"));
    stage.declare(&shards);
    stage.repairs(&shards);
    let value = stage.servers.call("host1:7003", &["GET", &key]);
    assert_eq!(value.text(), "value");
}

/// Options come first. Where one is refused, no slot begins to move.
#[test]
fn a_refused_option_moves_nothing() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let yaml = Yaml::new(&stage.servers, &shifted(50)).config("maxmemory-policy", "bogus");
    stage.file(&yaml);
    let applied = stage.run(&["apply", "--yes"], 1);
    assert!(applied.contains("50 to move"), "{applied}");
    judge::assert_matches(&stage.servers, &Shard::seed());
}

/// The giver fails over in the middle. Redis's new primary knows of no move, and the taker learns no owner of what
/// it takes: it serves nothing until the move is finished.
#[test]
fn the_giver_fails_over() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (data, values) = Data::write(&stage.servers, KEYS);
    slowly(&stage, 5, 300);
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE");
    stage.tell("host2:7000", "CLUSTER FAILOVER");
    // Whether a guard or a server's refusal ends it hangs on the moment.
    let _ = apply.end();
    stage.wait_for_link("host1:7000");
    let ran = stage.rcl.run(&["apply", "--yes"]).one_of(&[0, 3]);
    // An old giver that heard of the taker before its successor follows that one, and comes back with leave.
    let leave = "--allow=resync=host1:7000";
    if ran.stdout().contains("--allow resync=host1:7000") {
        stage.run(&["apply", "--yes", leave], 0);
    } else {
        stage.rcl.run_again(&["apply", "--yes"]);
    }
    let mut shards = shifted(300);
    shards[0] = Shard::new("host2:7000", &["host1:7000"], "0-5161");
    judge::wait_until_matches(&stage.servers, &shards);
    stage.run(&["plan", "--detailed-exitcode"], 0);
    data.assert_kept(&stage.servers, &values);
}

/// Three shards that give to each other in a ring, by the engine that stops a server until the other has answered.
#[test]
fn in_a_ring() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 4461), (15384, 16383)];
    shards[1].slots = vec![(4462, 9922)];
    shards[2].slots = vec![(9923, 15383)];
    let yaml = Yaml::new(&stage.servers, &shards);
    stage.file(&format!("{yaml}policy: {{move: {{engine: classic}}}}\n"));
    stage.repairs(&shards);
    data.assert_kept(&stage.servers, &values);
}

/// Somebody else's move that the servers carry out by themselves shows in no CLUSTER NODES.
#[test]
fn a_running_job_is_told() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    stage.write_keys("host1:7000", 20);
    let target = stage.servers.id("host1:7001");
    // A target that stands still keeps the job from its end. Nobody is to fail over for that.
    stage.tell_everyone("CONFIG SET cluster-node-timeout 60000");
    stage.servers.pause("host1:7001");
    let job = format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 9 NODE {target}");
    stage.tell("host1:7000", &job);
    let plan = stage.rcl.run(&["plan"]).any();
    let words = "Note: host1:7000 is moving slots 0-9 to host1:7001 by itself now (";
    assert!(
        stage.redact(plan.stdout()).contains(words),
        "{}",
        plan.stdout()
    );
    stage.tell("host1:7000", "CLUSTER CANCELSLOTMIGRATIONS");
    stage.servers.resume("host1:7001");
}

/// A newcomer that has taken keys and no whole slot yet: nobody is told to empty it.
#[test]
fn what_a_move_has_carried_over_is_not_stray() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let (data, values) = Data::write(&stage.servers, 300);
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    let yaml = Yaml::new(&stage.servers, &quarters());
    stage.file(&format!(
        "{yaml}policy: {{move: {{engine: classic, batch: 1}}}}\n"
    ));
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    for _ in 0..3 {
        apply.expect("MIGRATE");
    }
    // The nodes are read while marks come and go: which of them are seen hangs on the moment, but nobody is called.
    let ran = stage.rcl.run(&["drift"]).code(2);
    let drift = ran.stdout();
    assert!(!drift.contains("holds keys"), "{drift}");
    apply.end().code(0);
    stage.repairs(&quarters());
    data.assert_kept(&stage.servers, &values);
}
