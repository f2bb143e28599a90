//! Members leave: shards that are dropped from the file, surplus replicas, dead members; killed in the middle,
//! with a typo in the file, without leave.

use crate::support::traffic::{Data, Traffic, keys_at_primaries};
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

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
