//! Members leave: shards that are dropped from the file, surplus replicas, dead members; killed in the middle,
//! with a typo in the file, without leave.

use crate::support::traffic::{Data, Traffic, keys_at_primaries};
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge, wait};

const KEYS: usize = 1500;

/// The three of the seed give a quarter of what they have to a fourth.
fn four() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &["host2:7000"], "0-4095"),
        Shard::new("host1:7001", &["host2:7001"], "5462-9557"),
        Shard::new("host1:7002", &["host2:7002"], "10923-15018"),
        Shard::new(
            "host1:7003",
            &["host2:7003"],
            "4096-5461,9558-10922,15019-16383",
        ),
    ]
}

const BOTH: [&str; 2] = ["--allow=remove=host1:7003", "--allow=remove=host2:7003"];

/// The file with `prune`.
fn pruned(stage: &Stage, shards: &[Shard]) {
    let yaml = Yaml::new(&stage.servers, shards);
    stage.file(&format!("{yaml}policy: {{prune: true}}\n"));
}

fn grown(kind: ServerKind) -> Stage {
    let mut stage = Stage::seed(Servers::prepare(kind));
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    stage.declare(&four());
    stage.repairs(&four());
    stage
}

/// Nobody lists either of them, and each of them is a blank node by itself.
#[track_caller]
fn are_gone(stage: &Stage, ids: &[String]) {
    for node in stage.servers.running() {
        let lines = judge::cluster_nodes(stage.servers.address(&node));
        let listed = lines.iter().any(|line| ids.contains(&line.id));
        assert!(!listed, "{node} still lists a removed node: {lines:?}");
    }
}

fn four_to_three(kind: ServerKind) {
    let mut stage = grown(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let ids = ["host1:7003", "host2:7003"].map(|node| stage.servers.id(node));
    let traffic = Traffic::start(&stage.servers);
    pruned(&stage, &Shard::seed());
    // Without leave nothing of it moves.
    let plan = stage.run(&["plan"], 3);
    let flags = "give leave with --allow remove=host2:7003 --allow remove=host1:7003";
    assert!(plan.contains(flags), "{plan}");
    let applied = stage.run(&["apply", "--yes", BOTH[0], BOTH[1]], 0);
    let done = ["Apply complete! 4096 slots moved", " 2 removed in "];
    assert!(
        done.iter().all(|words| applied.contains(words)),
        "{applied}"
    );
    let counters = traffic.end();
    are_gone(&stage, &ids);
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.kill(node);
    }
    stage.repairs(&Shard::seed());
    data.assert_kept(&stage.servers, &values);
    let keys = i64::try_from(KEYS + counters).expect("few keys");
    assert_eq!(keys_at_primaries(&stage.servers), keys);
    for node in stage.servers.running() {
        let option = ["CONFIG", "GET", "cluster-allow-replica-migration"];
        let value = stage.servers.call(&node, &option);
        assert!(format!("{value:?}").contains("yes"), "{node}: {value:?}");
    }
}

#[test]
fn four_to_three_on_redis_6_2() {
    four_to_three(ServerKind::Redis62);
}

#[test]
fn four_to_three_on_redis_7_0() {
    four_to_three(ServerKind::Redis70);
}

#[test]
fn four_to_three_on_redis_8_2() {
    four_to_three(ServerKind::Redis82);
}

#[test]
fn four_to_three_on_valkey_8_1() {
    four_to_three(ServerKind::Valkey81);
}

#[test]
fn four_to_three_on_valkey_9_1() {
    four_to_three(ServerKind::Valkey91);
}

/// A replica that the file doesn't name, of a shard that stays.
fn a_replica_too_many(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    stage.servers.add("host2:7003");
    stage.join("host2:7003", "host1:7000");
    stage.replicate("host2:7003", "host1:7000");
    let id = stage.servers.id("host2:7003");
    pruned(&stage, &Shard::seed());
    let told = stage.refuses(3);
    let flag = "give leave with --allow remove=host2:7003\n";
    assert!(told.plan.contains(flag), "{}", told.plan);
    // The id does as well.
    let leave = format!("--allow=remove={id}");
    let applied = stage.run(&["apply", "--yes", &leave], 0);
    assert!(
        applied.contains("Apply complete! 1 removed in "),
        "{applied}"
    );
    are_gone(&stage, &[id]);
    stage.servers.kill("host2:7003");
    stage.repairs(&Shard::seed());
}

#[test]
fn a_replica_too_many_on_redis() {
    a_replica_too_many(ServerKind::Redis62);
}

#[test]
fn a_replica_too_many_on_valkey() {
    a_replica_too_many(ServerKind::Valkey91);
}

/// A member without slots that has failed: forgotten by name, with or without `prune`.
fn a_dead_member(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    stage.servers.add("host1:7003");
    stage.join("host1:7003", "host1:7000");
    let id = stage.servers.id("host1:7003");
    stage.servers.kill("host1:7003");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    let flag = "--allow forget=host1:7003";
    assert!(stage.matches().contains(flag));
    pruned(&stage, &Shard::seed());
    assert!(stage.refuses(3).plan.contains(flag));
    let applied = stage.run(&["apply", "--yes", "--allow=forget=host1:7003"], 0);
    assert!(
        applied.contains("Apply complete! 1 forgotten in "),
        "{applied}"
    );
    are_gone(&stage, &[id]);
    stage.repairs(&Shard::seed());
}

#[test]
fn a_dead_member_on_redis() {
    a_dead_member(ServerKind::Redis70);
}

#[test]
fn a_dead_member_on_valkey() {
    a_dead_member(ServerKind::Valkey81);
}

/// What a run leaves that is killed between the reset of a node and the forgetting of its id.
fn killed_after_the_reset(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    stage.servers.add("host2:7003");
    stage.join("host2:7003", "host1:7000");
    stage.replicate("host2:7003", "host1:7000");
    let id = stage.servers.id("host2:7003");
    pruned(&stage, &Shard::seed());
    let leave = "--allow=remove=host2:7003";
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v", leave]);
    apply.expect("CLUSTER RESET HARD");
    apply.kill();
    // Its peers find out that another node answers there.
    wait::until("the old id to be without an address, or forgotten", || {
        let running = stage.servers.running();
        let mut lines = running
            .iter()
            .flat_map(|node| judge::cluster_nodes(stage.servers.address(node)));
        match lines.find(|line| line.id == id && !line.has("noaddr")) {
            Some(line) => Err(format!("{line:?}")),
            None => Ok(()),
        }
    });
    let forget = format!("--allow=forget={id}");
    stage.rcl.run_again(&["apply", "--yes", leave, &forget]);
    are_gone(&stage, &[id]);
    stage.servers.kill("host2:7003");
    stage.repairs(&Shard::seed());
}

#[test]
fn killed_after_the_reset_on_redis() {
    killed_after_the_reset(ServerKind::Redis70);
}

#[test]
fn killed_after_the_reset_on_valkey() {
    killed_after_the_reset(ServerKind::Valkey91);
}

/// With a wrong address in the file the right node looks like one too many.
#[test]
fn a_typo_removes_nobody() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host1:7000", &["host2:7009"], "0-5461");
    pruned(&stage, &shards);
    let words = "nothing is removed while a declared node doesn't answer or is blank";
    assert!(stage.refuses(3).plan.contains(words));
    let leave = "--allow=remove=host2:7000";
    let applied = stage.run(&["apply", "--yes", leave], 3);
    assert!(applied.contains(words), "{applied}");
    judge::assert_matches(&stage.servers, &Shard::seed());
}

/// The nodes of a shard become replicas of another one, which takes its slots: no leave is needed, since
/// what they hold moves first.
fn merged(kind: ServerKind) {
    let mut stage = grown(kind);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut shards = Shard::seed();
    let replicas = ["host2:7000", "host1:7003", "host2:7003"];
    shards[0] = Shard::new("host1:7000", &replicas, "0-5461");
    stage.declare(&shards);
    stage.repairs(&shards);
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn merged_on_redis() {
    merged(ServerKind::Redis70);
}

#[test]
fn merged_on_valkey() {
    merged(ServerKind::Valkey91);
}
