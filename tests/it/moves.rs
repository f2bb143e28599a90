//! Slots move with their keys: under traffic, in every version, killed at any line, stopped, half-way.

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

/// A key of a slot below 5462 - count, and its slot.
fn key_of(stage: &Stage, node: &str) -> (String, u16) {
    stage.write_keys(node, 1);
    let keys = stage.servers.call(node, &["KEYS", "*"]).array();
    let key = keys[0].clone().text();
    let slot = stage.servers.call(node, &["CLUSTER", "KEYSLOT", &key]);
    (key, u16::try_from(slot.integer()).expect("a slot"))
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
