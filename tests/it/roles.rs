//! Who leads a shard, on real servers: brought back, handed over, detached, interrupted, under traffic.

use crate::support::shapes::{Action, Apply, Difference, DriftDocument, Line, parse};
use crate::support::stage::NODE_TIMEOUT_MS;
use crate::support::traffic::{Data, Traffic};
use crate::support::yaml::Yaml;
use crate::support::{Recorder, ServerKind, Servers, Shard, Stage, native, wait};

const KEYS: usize = 1000;

fn seed(kind: ServerKind) -> Stage {
    Stage::seed(Servers::prepare(kind))
}

/// These shards, with roles brought back.
fn brought_back(stage: &Stage, shards: &[Shard]) {
    let yaml = Yaml::new(&stage.servers, shards);
    stage.file(&format!("{yaml}policy: {{failback: true}}\n"));
}

/// The replica takes over by the servers' own command, in all views.
fn fail_over(stage: &Stage, replica: &str, primary: &str) {
    stage.tell(replica, "CLUSTER FAILOVER");
    stage.wait_for_promotion(replica);
    stage.wait_for_link(primary);
}

/// The commands that were sent to change roles.
fn failovers(recorder: &Recorder, servers: &Servers) -> usize {
    let counts = recorder.write_counts(servers);
    counts.get("CLUSTER FAILOVER").copied().unwrap_or(0)
}

/// A primary dies and comes back as a replica; under traffic the role is brought back to it.
fn comes_back_after_its_death(kind: ServerKind) {
    let mut stage = seed(kind);
    brought_back(&stage, &Shard::seed());
    let (data, values) = Data::write(&stage.servers, KEYS);
    stage.servers.kill("host1:7000");
    stage.wait_for_promotion("host2:7000");
    // While it is down, nothing can be brought back, and that is no drift of its own.
    let told = stage.run(&["plan"], 3);
    assert!(
        told.contains("It can't be brought back now: host1:7000 does not answer."),
        "{told}"
    );
    stage.servers.restart("host1:7000");
    stage.wait_for_link("host1:7000");
    let plan = stage.run(&["plan"], 0);
    assert!(plan.contains("~ fail over shard a to host1:7000"), "{plan}");
    assert!(plan.contains("host1:7000> CLUSTER FAILOVER\n"), "{plan}");
    assert!(plan.contains("1 to fail over"), "{plan}");
    let traffic = Traffic::start(&stage.servers);
    let recorder = Recorder::start(&stage.servers);
    let applied = stage.run(&["apply", "--yes"], 0);
    assert!(applied.contains("1 failed over"), "{applied}");
    assert_eq!(failovers(&recorder, &stage.servers), 1);
    traffic.end();
    stage.repairs(&Shard::seed());
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn comes_back_after_its_death_on_redis_6_2() {
    comes_back_after_its_death(ServerKind::Redis62);
}

#[test]
fn comes_back_after_its_death_on_redis_7_0() {
    comes_back_after_its_death(ServerKind::Redis70);
}

#[test]
fn comes_back_after_its_death_on_redis_8_2() {
    comes_back_after_its_death(ServerKind::Redis82);
}

#[test]
fn comes_back_after_its_death_on_valkey_8_1() {
    comes_back_after_its_death(ServerKind::Valkey81);
}

#[test]
fn comes_back_after_its_death_on_valkey_9_1() {
    comes_back_after_its_death(ServerKind::Valkey91);
}

/// The file swaps a primary and its replica, back and forth.
fn swapped_in_the_file(kind: ServerKind) {
    let mut stage = seed(kind);
    let mut shards = Shard::seed();
    shards[1] = Shard::new("host2:7001", &["host1:7001"], "5462-10922");
    brought_back(&stage, &shards);
    stage.repairs(&shards);
    brought_back(&stage, &Shard::seed());
    stage.repairs(&Shard::seed());
}

#[test]
fn swapped_in_the_file_on_redis() {
    swapped_in_the_file(ServerKind::Redis70);
}

#[test]
fn swapped_in_the_file_on_valkey() {
    swapped_in_the_file(ServerKind::Valkey91);
}

/// All three shards at once: one by one, and no two at the same time.
fn all_shards_come_back(kind: ServerKind) {
    let mut stage = seed(kind);
    brought_back(&stage, &Shard::seed());
    let (data, values) = Data::write(&stage.servers, KEYS);
    for port in 7000..7003 {
        fail_over(&stage, &format!("host2:{port}"), &format!("host1:{port}"));
    }
    let recorder = Recorder::start(&stage.servers);
    let traffic = Traffic::start(&stage.servers);
    let applied = stage.run(&["apply", "--yes"], 0);
    assert!(applied.contains("3 failed over"), "{applied}");
    assert_eq!(failovers(&recorder, &stage.servers), 3);
    traffic.end();
    stage.repairs(&Shard::seed());
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn all_shards_come_back_on_redis_6_2() {
    all_shards_come_back(ServerKind::Redis62);
}

#[test]
fn all_shards_come_back_on_redis_7_0() {
    all_shards_come_back(ServerKind::Redis70);
}

#[test]
fn all_shards_come_back_on_redis_8_2() {
    all_shards_come_back(ServerKind::Redis82);
}

#[test]
fn all_shards_come_back_on_valkey_8_1() {
    all_shards_come_back(ServerKind::Valkey81);
}

#[test]
fn all_shards_come_back_on_valkey_9_1() {
    all_shards_come_back(ServerKind::Valkey91);
}

/// Two shards whose primaries have changed places in the file: each hands over to its replica, and
/// becomes the other's.
fn primaries_swapped(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut wanted = Shard::seed();
    wanted[0].primary = "host1:7001".to_owned();
    wanted[1].primary = "host1:7000".to_owned();
    stage.declare(&wanted);
    let told = stage.run(&["plan"], 3);
    assert!(told.contains("--allow resync=host1:7000"), "{told}");
    let traffic = Traffic::start(&stage.servers);
    let leave = [
        "--allow",
        "resync=host1:7000",
        "--allow",
        "resync=host1:7001",
    ];
    let applied = stage.run(&[&["apply", "--yes"], leave.as_slice()].concat(), 0);
    assert!(applied.contains("2 failed over"), "{applied}");
    traffic.end();
    wanted[0] = Shard::new("host2:7000", &["host1:7001"], "0-5461");
    wanted[1] = Shard::new("host2:7001", &["host1:7000"], "5462-10922");
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn primaries_swapped_on_redis() {
    primaries_swapped(ServerKind::Redis70);
}

#[test]
fn primaries_swapped_on_valkey() {
    primaries_swapped(ServerKind::Valkey91);
}

/// The shards have swapped all of their nodes.
fn shards_swapped(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut wanted = vec![
        Shard::new("host1:7001", &["host2:7001"], "0-5461"),
        Shard::new("host1:7000", &["host2:7000"], "5462-10922"),
        Shard::seed()[2].clone(),
    ];
    stage.declare(&wanted);
    let nodes = ["host1:7000", "host1:7001", "host2:7000", "host2:7001"];
    let leave = nodes.map(|node| format!("resync={node}"));
    let mut arguments = vec!["apply", "--yes"];
    for leave in &leave {
        arguments.extend(["--allow", leave.as_str()]);
    }
    let traffic = Traffic::start(&stage.servers);
    stage.run(&arguments, 0);
    traffic.end();
    wanted[0] = Shard::new("host2:7001", &["host1:7001"], "0-5461");
    wanted[1] = Shard::new("host2:7000", &["host1:7000"], "5462-10922");
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn shards_swapped_on_redis() {
    shards_swapped(ServerKind::Redis70);
}

#[test]
fn shards_swapped_on_valkey() {
    shards_swapped(ServerKind::Valkey91);
}

/// A replica is to be the primary of a new shard: it is taken out of its own, and gets slots.
fn detached(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut wanted = Shard::seed();
    wanted[1].replicas.clear();
    wanted[1].slots = vec![(5462, 8000)];
    wanted.push(Shard::new("host2:7001", &[], "8001-10922"));
    stage.declare(&wanted);
    let told = stage.run(&["plan"], 3);
    assert!(told.contains("--allow resync=host2:7001"), "{told}");
    let id = stage.servers.id("host2:7001");
    let traffic = Traffic::start(&stage.servers);
    let applied = stage.run(&["apply", "--yes", "--allow", "resync=host2:7001"], 0);
    assert!(applied.contains("1 detached"), "{applied}");
    traffic.end();
    assert_eq!(stage.servers.id("host2:7001"), id);
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn detached_on_redis_6_2() {
    detached(ServerKind::Redis62);
}

#[test]
fn detached_on_redis_7_0() {
    detached(ServerKind::Redis70);
}

#[test]
fn detached_on_redis_8_2() {
    detached(ServerKind::Redis82);
}

#[test]
fn detached_on_valkey_8_1() {
    detached(ServerKind::Valkey81);
}

#[test]
fn detached_on_valkey_9_1() {
    detached(ServerKind::Valkey91);
}

/// What a program is told of a failover.
#[test]
fn for_programs() {
    let stage = seed(ServerKind::Redis70);
    brought_back(&stage, &Shard::seed());
    fail_over(&stage, "host2:7000", "host1:7000");
    let drift: DriftDocument = parse(stage.rcl.run(&["drift", "--json"]).code(2).stdout());
    assert!(
        matches!(drift.differences.as_slice(), [Difference::HandOver { cause, .. }] if cause == "failback"),
        "{drift:?}"
    );
    let applied = Apply::parse(
        stage
            .rcl
            .run(&["apply", "--yes", "--json"])
            .code(0)
            .stdout(),
    );
    let [step, _] = applied.plan.steps.as_slice() else {
        panic!("{:?}", applied.plan.steps);
    };
    assert!(matches!(step.action, Action::FailOver { .. }), "{step:?}");
    assert_eq!(step.calm_ms, Some(4 * u64::from(NODE_TIMEOUT_MS)));
    assert_eq!(applied.plan.totals.failed_over, 1);
    let calming = |line: &&Line| matches!(line, Line::StepCalming { .. });
    assert!((1..=5).contains(&applied.lines.iter().filter(calming).count()));
}

/// Somebody fails the shard over while rcl waits for its turn: what it waits for is so already.
#[test]
fn overtaken_to_the_right_node() {
    let mut stage = seed(ServerKind::Redis70);
    brought_back(&stage, &Shard::seed());
    fail_over(&stage, "host2:7000", "host1:7000");
    let recorder = Recorder::start(&stage.servers);
    let mut apply = stage.rcl.start(&["apply", "--yes"]);
    apply.expect("without a change in the shard");
    stage.tell("host1:7000", "CLUSTER FAILOVER TAKEOVER");
    apply.end().code(0);
    stage.repairs(&Shard::seed());
    // Only the one by hand.
    assert_eq!(failovers(&recorder, &stage.servers), 1);
}

/// A third node of the shard takes over meanwhile: the plan is not carried out any more.
#[test]
fn overtaken_by_another_node() {
    let mut stage = Stage::blank(Servers::prepare(ServerKind::Redis70).grid(3, 3));
    let mut shards = Shard::seed();
    for (shard, port) in shards.iter_mut().zip(7000..) {
        shard.replicas.push(format!("host3:{port}"));
    }
    native::form(&stage.servers, &shards);
    brought_back(&stage, &shards);
    fail_over(&stage, "host2:7000", "host1:7000");
    stage.wait_for_link("host3:7000");
    let mut apply = stage.rcl.start(&["apply", "--yes"]);
    apply.expect("without a change in the shard");
    stage.tell("host3:7000", "CLUSTER FAILOVER TAKEOVER");
    let ended = apply.end().code(3);
    assert!(
        ended.stderr().contains("the cluster has changed"),
        "{}",
        ended.stderr()
    );
    stage.wait_for_promotion("host3:7000");
    for replica in ["host1:7000", "host2:7000"] {
        stage.wait_for_link(replica);
    }
    stage.repairs(&shards);
}

/// The replica that is to take over has lost its link: nothing is sent, and nothing is lost.
#[test]
fn not_in_sync() {
    let mut stage = seed(ServerKind::Valkey91);
    brought_back(&stage, &Shard::seed());
    fail_over(&stage, "host2:7000", "host1:7000");
    stage.tell("host1:7000", "CONFIG SET primaryauth wrong");
    stage
        .servers
        .call("host2:7000", &["CLIENT", "KILL", "TYPE", "replica"]);
    wait::until("the link to be down", || {
        let info = stage.servers.call("host1:7000", &["INFO", "replication"]);
        let info = info.text();
        let down = info.contains("master_link_status:down");
        down.then_some(()).ok_or(info)
    });
    let told = stage.refuses(3);
    assert!(
        told.plan
            .contains("It can't be brought back now: host1:7000 has no link to its primary."),
        "{}",
        told.plan
    );
    stage
        .servers
        .ok("host1:7000", &["CONFIG", "SET", "primaryauth", ""]);
    stage.wait_for_link("host1:7000");
    stage.repairs(&Shard::seed());
}

/// It loses its link between plan and failover: rcl waits, and stops cleanly.
#[test]
fn out_of_sync_by_the_time() {
    let mut stage = seed(ServerKind::Redis70);
    brought_back(&stage, &Shard::seed());
    fail_over(&stage, "host2:7000", "host1:7000");
    let recorder = Recorder::start(&stage.servers);
    let mut apply = stage.rcl.start(&["apply", "--yes"]);
    apply.expect("without a change in the shard");
    stage.tell("host1:7000", "CONFIG SET masterauth wrong");
    stage
        .servers
        .call("host2:7000", &["CLIENT", "KILL", "TYPE", "replica"]);
    let ended = apply.end().code(1);
    assert!(
        ended.stderr().contains("has no link to its primary"),
        "{}",
        ended.stderr()
    );
    assert_eq!(failovers(&recorder, &stage.servers), 0);
    stage
        .servers
        .ok("host1:7000", &["CONFIG", "SET", "masterauth", ""]);
    stage.wait_for_link("host1:7000");
    stage.repairs(&Shard::seed());
}

/// Killed before the failover is sent, and again just after.
fn killed_beside_it(kind: ServerKind) {
    let mut stage = seed(kind);
    brought_back(&stage, &Shard::seed());
    let (data, values) = Data::write(&stage.servers, KEYS);
    fail_over(&stage, "host2:7000", "host1:7000");
    fail_over(&stage, "host2:7001", "host1:7001");
    let traffic = Traffic::start(&stage.servers);
    for line in ["fail over shard a", "CLUSTER FAILOVER"] {
        let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
        apply.expect(line);
        apply.kill();
    }
    stage.rcl.run_again(&["apply", "--yes"]);
    traffic.end();
    stage.repairs(&Shard::seed());
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn killed_beside_it_on_redis() {
    killed_beside_it(ServerKind::Redis70);
}

#[test]
fn killed_beside_it_on_valkey() {
    killed_beside_it(ServerKind::Valkey91);
}

/// Killed between RESET and what follows, at every line: the node finds its way back.
fn killed_while_detaching(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut wanted = Shard::seed();
    wanted[1].replicas.clear();
    wanted.push(Shard::new("host2:7001", &[], ""));
    stage.declare(&wanted);
    let arguments = ["apply", "--yes", "-v", "--allow", "resync=host2:7001"];
    let mut apply = stage.rcl.start(&arguments);
    apply.expect("CLUSTER RE");
    apply.kill();
    stage.rcl.run_again(&arguments);
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn killed_while_detaching_on_redis() {
    killed_while_detaching(ServerKind::Redis70);
}

#[test]
fn killed_while_detaching_on_valkey() {
    killed_while_detaching(ServerKind::Valkey91);
}

/// A replica is to serve another shard. Its own has another one first, the new primary's last.
fn re_pointed(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    stage.servers.add("host2:7003");
    let mut wanted = Shard::seed();
    wanted[0].replicas = vec!["host2:7003".to_owned()];
    wanted[1].replicas.push("host2:7000".to_owned());
    stage.declare(&wanted);
    let told = stage.run(&["plan"], 3);
    assert!(told.contains("--allow resync=host2:7000"), "{told}");
    let leave = ["--allow", "resync=host2:7000"];
    let plan = stage.run(&[&["plan"], leave.as_slice()].concat(), 0);
    let place = |text: &str| plan.find(text).unwrap_or_else(|| panic!("{plan}"));
    assert!(
        place("~ attach host2:7003") < place("~ attach host2:7000"),
        "{plan}"
    );
    let traffic = Traffic::start(&stage.servers);
    stage.run(&[&["apply", "--yes"], leave.as_slice()].concat(), 0);
    traffic.end();
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn re_pointed_on_redis() {
    re_pointed(ServerKind::Redis70);
}

#[test]
fn re_pointed_on_valkey() {
    re_pointed(ServerKind::Valkey91);
}

/// The file names another node in the place of a primary: the successor joins, copies, takes over, and the old one
/// goes. Not one slot moves.
fn primary_replaced(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    stage.servers.add("host3:7000");
    let mut wanted = Shard::seed();
    wanted[0].primary = "host3:7000".to_owned();
    let yaml = Yaml::new(&stage.servers, &wanted);
    stage.file(&yaml);
    let told = stage.run(&["plan"], 3);
    assert!(told.contains("`prune: true` under `policy`"), "{told}");
    stage.file(&format!("{yaml}policy: {{prune: true}}\n"));
    let told = stage.run(&["plan"], 3);
    assert!(told.contains("--allow remove=host1:7000"), "{told}");
    let traffic = Traffic::start(&stage.servers);
    let arguments = ["apply", "--yes", "--allow", "remove=host1:7000"];
    let applied = stage.run(&arguments, 0);
    assert!(applied.contains("1 failed over, 1 removed"), "{applied}");
    traffic.end();
    stage.servers.kill("host1:7000");
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn primary_replaced_on_redis() {
    primary_replaced(ServerKind::Redis70);
}

#[test]
fn primary_replaced_on_valkey() {
    primary_replaced(ServerKind::Valkey91);
}

/// Its own replica takes over, and it goes by the same plan.
fn primary_goes(kind: ServerKind) {
    let mut stage = seed(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut wanted = Shard::seed();
    wanted[0] = Shard::new("host2:7000", &[], "0-5461");
    let yaml = Yaml::new(&stage.servers, &wanted);
    stage.file(&format!("{yaml}policy: {{prune: true}}\n"));
    let traffic = Traffic::start(&stage.servers);
    let applied = stage.run(&["apply", "--yes", "--allow", "remove=host1:7000"], 0);
    assert!(applied.contains("1 failed over, 1 removed"), "{applied}");
    traffic.end();
    stage.servers.kill("host1:7000");
    stage.repairs(&wanted);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn primary_goes_on_redis() {
    primary_goes(ServerKind::Redis70);
}

#[test]
fn primary_goes_on_valkey() {
    primary_goes(ServerKind::Valkey91);
}
