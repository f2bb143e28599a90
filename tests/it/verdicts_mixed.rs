//! Clusters of several versions: keys go from an older server to a newer one, and never back.

use crate::support::{ServerKind, Servers, Shard, Stage, judge};

/// Old servers, and a pair of newer ones that is to have a hundred slots.
fn joined_by(old: ServerKind, new: ServerKind) -> Stage {
    let mut stage = Stage::seed(Servers::prepare(old));
    stage.write_keys("host1:7000", 300);
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.add_of(new, node);
    }
    stage.declare(&grown());
    stage
}

fn grown() -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(1000, 5461)];
    shards.push(Shard::new("host1:7003", &["host2:7003"], "0-999"));
    shards
}

fn only_forward(old: ServerKind, new: ServerKind) {
    let mut stage = joined_by(old, new);
    stage.run(&["apply", "--yes"], 0);
    judge::wait_until_matches(&stage.servers, &grown());
    judge::redis_cli_check(stage.servers.address("host1:7000"));
    stage.matches();
    let moved = stage.keys("host1:7003");
    assert!(moved > 10, "{moved}");
    assert_eq!(stage.keys("host1:7000") + moved, 300);
    // And back: refused before anything is sent.
    let mut back = grown();
    back[0].slots = vec![(500, 5461)];
    back[3].slots = vec![(0, 499)];
    stage.declare(&back);
    let told = stage.refuses(3);
    for words in [
        "can't be read by host1:7000",
        "payloads only go from an older server to a newer one",
    ] {
        assert!(told.plan.contains(words), "{}", told.plan);
    }
    assert_eq!(stage.keys("host1:7003"), moved);
}

#[test]
fn from_redis_6_2_to_7_0() {
    only_forward(ServerKind::Redis62, ServerKind::Redis70);
}

#[test]
fn from_redis_7_0_to_8_2() {
    only_forward(ServerKind::Redis70, ServerKind::Redis82);
}

#[test]
fn from_redis_7_0_to_valkey_9_1() {
    only_forward(ServerKind::Redis70, ServerKind::Valkey91);
}

#[test]
fn from_valkey_8_1_to_9_1() {
    only_forward(ServerKind::Valkey81, ServerKind::Valkey91);
}
