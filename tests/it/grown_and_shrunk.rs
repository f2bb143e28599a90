//! From three shards to four, to six and back to three, by equal shares, with keys of all kinds and one of 50 MB:
//! as few slots move as can be, and each value, kind and time to live is afterwards as it was.
//!
//! With 200,000 keys on Redis 7.0 and Valkey 9.1, which stand for the two engines; with 20,000 on the others, since
//! `make test` has two cores.

use crate::support::bulk::Bulk;
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

const MANY: usize = 200_000;

const SOME: usize = 20_000;

/// Half of it is what a MIGRATE may take: the big key on a busy machine takes a while.
const NODE_TIMEOUT: &str = "CONFIG SET cluster-node-timeout 10000";

/// Slots per primary, smallest first.
#[track_caller]
fn shares(stage: &Stage) -> Vec<u16> {
    let lines = judge::cluster_nodes(stage.servers.address("host1:7000"));
    let slots = lines.iter().map(|line| {
        let ranges = line.slots.iter();
        ranges.map(|(first, last)| last - first + 1).sum::<u16>()
    });
    let mut shares: Vec<u16> = slots.filter(|count| *count > 0).collect();
    shares.sort_unstable();
    shares
}

#[track_caller]
fn grow(stage: &mut Stage, shards: u16, moved: &str) {
    let even = Shard::even(shards);
    for shard in &even {
        if !stage.servers.names().contains(&shard.primary) {
            stage.servers.add(&shard.primary);
            stage.servers.add(&shard.replicas[0]);
        }
    }
    stage.tell_everyone(NODE_TIMEOUT);
    stage.file(&Yaml::shares(&stage.servers, &even));
    let applied = stage.run(&["apply", "--yes"], 0);
    let complete = format!("{moved} slots moved (");
    assert!(applied.contains(&complete), "{applied}");
    judge::redis_cli_check(stage.servers.address("host1:7000"));
    stage.matches();
}

fn to_six_and_back(kind: ServerKind, keys: usize) {
    let launch = Servers::prepare(kind);
    let mut stage = Stage::seed(launch.set("slowlog-log-slower-than", "-1"));
    stage.tell_everyone(NODE_TIMEOUT);
    let bulk = Bulk::write(&stage.servers, keys);
    bulk.assert_kept(&stage.servers);
    grow(&mut stage, 4, "4096");
    grow(&mut stage, 6, "5460");
    assert_eq!(shares(&stage), [2730, 2730, 2731, 2731, 2731, 2731]);
    bulk.assert_kept(&stage.servers);
    // And back. What the last three have is all that has to move.
    let yaml = Yaml::shares(&stage.servers, &Shard::seed());
    stage.file(&format!("{yaml}policy: {{prune: true}}\n"));
    let going =
        ["host1", "host2"].map(|host| [7003, 7004, 7005].map(|port| format!("{host}:{port}")));
    let leave = going.as_flattened().iter();
    let leave: Vec<String> = leave.map(|node| format!("--allow=remove={node}")).collect();
    let leave: Vec<&str> = leave.iter().map(String::as_str).collect();
    let watched = stage.run(&[&["plan"], leave.as_slice()].concat(), 0);
    assert!(watched.contains("watch for the return of "), "{watched}");
    let applied = [&["apply", "--yes", "--no-wait"], leave.as_slice()].concat();
    let applied = stage.run(&applied, 0);
    for words in ["8191 slots moved (", " 6 removed in "] {
        assert!(applied.contains(words), "{applied}");
    }
    assert!(!applied.contains("watch for the return of "), "{applied}");
    for node in going.as_flattened() {
        stage.servers.kill(node);
    }
    assert_eq!(shares(&stage), [5461, 5461, 5462]);
    judge::redis_cli_check(stage.servers.address("host1:7000"));
    stage.matches();
    bulk.assert_kept(&stage.servers);
}

#[test]
fn with_many_keys_on_redis_7_0() {
    to_six_and_back(ServerKind::Redis70, MANY);
}

#[test]
fn with_many_keys_on_valkey_9_1() {
    to_six_and_back(ServerKind::Valkey91, MANY);
}

#[test]
fn on_redis_6_2() {
    to_six_and_back(ServerKind::Redis62, SOME);
}

#[test]
fn on_redis_8_2() {
    to_six_and_back(ServerKind::Redis82, SOME);
}

#[test]
fn on_valkey_8_1() {
    to_six_and_back(ServerKind::Valkey81, SOME);
}
