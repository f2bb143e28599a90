//! Nodes of other clusters, and nodes that hold what the file can't account for, are never introduced.

use insta::{allow_duplicates, assert_snapshot};

use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, native, wait};

/// Nodes of three hosts, with these clusters on some of them.
fn clusters(ports: u16, clusters: &[&[Shard]]) -> Stage {
    let launch = Servers::prepare(ServerKind::Redis70).grid(3, ports);
    let stage = Stage::blank(launch.set("cluster-require-full-coverage", "no"));
    for shards in clusters {
        native::form(&stage.servers, shards);
    }
    stage
}

/// A key in a slot that the node owns no more.
fn leave_a_key(stage: &Stage, node: &str) {
    stage.tell(node, "CLUSTER ADDSLOTSRANGE 0 16383");
    wait::until("the node to take a key", || {
        let reply = stage.servers.call(node, &["SET", "key", "value"]);
        let taken = reply == crate::support::resp::Value::Simple("OK".to_owned());
        taken.then_some(()).ok_or(format!("{reply:?}"))
    });
    stage.tell(node, "CLUSTER DELSLOTSRANGE 0 16383");
}

fn strangers() -> [Shard; 2] {
    [
        Shard::new("host3:7000", &[], "0-8191"),
        Shard::new("host3:7001", &[], "8192-16383"),
    ]
}

#[test]
fn a_member_of_another_cluster() {
    let ours = [
        Shard::new("host1:7000", &["host2:7000"], "0-8191"),
        Shard::new("host1:7001", &["host2:7001"], "8192-16383"),
    ];
    let mut stage = clusters(2, &[&ours, &strangers()]);
    stage.write_keys("host3:7000", 1);
    let mut wanted = ours.to_vec();
    wanted[1].replicas.push("host3:7000".to_owned());
    stage.declare(&wanted);
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! host3:7000 is in another cluster (2 nodes, 16384 slots) than host1:7000, host1:7001, host2:7000, host2:7001, and rcl never merges clusters
        it knows 1 node that the file doesn't name: host3:7001 (ID6)
        it owns slots 0-16383, which the cluster's members own too
        host3:7000 holds 1 key
        → Check the address of host3:7000 in the file. A node that is to come over has to leave its own cluster first.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: blocked: host3:7000 is in another cluster (2 nodes, 16384 slots) than host1:7000, host1:7001, host2:7000, host2:7001, and rcl never merges clusters (it knows 1 node that the file doesn't name: host3:7001 (ID6); it owns slots 0-16383, which the cluster's members own too; host3:7000 holds 1 key)");
}

/// One wrong address in the file of a cluster that is to be formed.
#[test]
fn a_new_cluster_with_a_wrong_address() {
    let mut stage = clusters(2, &[&strangers()]);
    let wanted = [
        Shard::new("host1:7000", &["host2:7000"], "0-8191"),
        Shard::new("host1:7001", &["host3:7000"], "8192-16383"),
    ];
    stage.declare(&wanted);
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! the cluster of host3:7000 may be another one than the file means: 3 of the 4 nodes in the file are no members of it, and it has members that the file doesn't name
        host3:7001 (ID6) owns 8192 slots of it, and is not in the file
        → Check the address of host3:7000 in the file. If it is the right cluster, name these members in the file too, and plan again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    // With shares instead of ranges nothing else would speak against it.
    let shared = Yaml::new(&stage.servers, &wanted).to_string();
    stage.file(
        &shared
            .replace("slots: 0-8191", "slots: auto")
            .replace("slots: 8192-16383", "weight: 1"),
    );
    let told = stage.refuses(3);
    assert!(
        told.plan.contains("may be another one than the file means"),
        "{}",
        told.plan
    );
    // The other way round: the wrong address is to be a primary.
    stage.declare(&[
        Shard::new("host1:7000", &["host2:7000"], "0-8191"),
        Shard::new("host3:7000", &["host1:7001"], "8192-16383"),
    ]);
    let told = stage.refuses(3);
    assert!(
        told.plan.contains("may be another one than the file means"),
        "{}",
        told.plan
    );
}

/// Half of the file's nodes are one cluster, half another.
#[test]
fn two_clusters_in_one_file() {
    let half = |port: u16| {
        Shard::new(
            &format!("host1:{port}"),
            &[&format!("host2:{port}")],
            "0-16383",
        )
    };
    let mut stage = clusters(2, &[&[half(7000)], &[half(7001)]]);
    stage.declare(&[
        Shard::new("host1:7000", &["host2:7000"], "0-8191"),
        Shard::new("host1:7001", &["host2:7001"], "8192-16383"),
    ]);
    let told = stage.refuses(3);
    assert!(
        told.plan
            .contains("in another cluster (2 nodes, 16384 slots) than"),
        "{}",
        told.plan
    );
    assert!(!told.plan.contains("FLUSHALL"), "{}", told.plan);
}

/// The keys of a newcomer are nobody's business but its own; the rest goes on.
#[test]
fn a_newcomer_with_a_key() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    leave_a_key(&stage, "host2:7003");
    stage.declare(&Shard::grown());
    let told = stage.does_the_rest();
    assert_snapshot!(told.troubles(), @r#"
    ! host2:7003 is not blank, and the file doesn't account for what it holds
        host2:7003 holds 1 key
        → Check the address of host2:7003 in the file. If what it holds may go, empty it yourself (FLUSHALL and CLUSTER RESET HARD, on that node only) and plan again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: blocked: host2:7003 is not blank, and the file doesn't account for what it holds (host2:7003 holds 1 key)");
    stage.tell("host2:7003", "FLUSHALL");
    stage.repairs(&Shard::grown());
}

#[test]
fn a_newcomer_with_slots() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    stage.tell("host1:7003", "CLUSTER ADDSLOTS 5");
    stage.declare(&Shard::grown());
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! host1:7003 is no member and owns slots all the same: it may be a cluster of its own, and rcl never merges clusters
        it owns slot 5, which the cluster's members own too
        → Check the address of host1:7003 in the file. If it holds nothing, CLUSTER RESET HARD on it makes it a blank node; then plan again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    stage.tell("host1:7003", "CLUSTER RESET HARD");
    stage.repairs(&Shard::grown());
}

/// Without a cluster to stand by, one node that isn't blank is one too many. Which one must not matter.
#[test]
fn a_new_cluster_with_a_key() {
    let pairs = [
        Shard::new("host1:7000", &["host2:7000"], "0-8191"),
        Shard::new("host1:7001", &["host2:7001"], "8192-16383"),
    ];
    for node in ["host1:7000", "host2:7001"] {
        let mut stage = clusters(2, &[]);
        leave_a_key(&stage, node);
        stage.declare(&pairs);
        let told = stage.refuses(3).troubles();
        allow_duplicates! { assert_snapshot!(told.replace(node, "NODE"), @r#"
        ! NODE is not blank, and the file doesn't account for what it holds
            NODE holds 1 key
            → Check the address of NODE in the file. If what it holds may go, empty it yourself (FLUSHALL and CLUSTER RESET HARD, on that node only) and plan again.
        Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
        "#); }
        stage.tell(node, "FLUSHALL");
        stage.repairs(&pairs);
    }
}

#[test]
fn a_new_cluster_with_a_slot_at_the_wrong_node() {
    let mut stage = clusters(1, &[]);
    stage.tell("host3:7000", "CLUSTER ADDSLOTS 5");
    stage.declare(&[
        Shard::new("host1:7000", &["host2:7000"], "0-8191"),
        Shard::new("host3:7000", &[], "8192-16383"),
    ]);
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! host3:7000 is no member and owns slots all the same: it may be a cluster of its own, and rcl never merges clusters
        it owns slot 5, which the file doesn't give it
        → Check the address of host3:7000 in the file. If it holds nothing, CLUSTER RESET HARD on it makes it a blank node; then plan again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// A node that is to be a replica, and does serve its shard, is no stranger: it failed over long ago.
#[test]
fn the_only_node_left_of_its_shard() {
    let launch = Servers::prepare(ServerKind::Redis70).grid(2, 1);
    let mut stage = Stage::blank(launch);
    native::form(&stage.servers, &[Shard::new("host2:7000", &[], "0-16383")]);
    stage.write_keys("host2:7000", 3);
    stage.declare(&[Shard::new("host1:7000", &["host2:7000"], "0-16383")]);
    stage.rcl.run(&["apply", "--yes"]).code(0);
    assert_snapshot!(stage.matches(), @"Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.");
    assert_eq!(stage.keys("host1:7000"), 3);
}

/// Others would meet the newcomer where it is announced: by a typo, at a node of another cluster. The
/// bus port alone can lead there too.
#[test]
fn an_announce_that_leads_into_another_cluster() {
    let ours = [
        Shard::new("host1:7000", &[], "0-8191"),
        Shard::new("host2:7000", &[], "8192-16383"),
    ];
    let mut stage = clusters(2, &[&ours, &strangers()]);
    let there = stage.servers.address("host3:7000").ip();
    let mut wanted = ours.to_vec();
    wanted[0].replicas.push("host2:7001".to_owned());
    let yaml = Yaml::new(&stage.servers, &wanted).to_string();
    for (announce, at) in [
        (format!("{there}:7000"), "host3:7000"),
        (format!("{there}:7009@17001"), "host3:7001"),
    ] {
        let typo = format!("[{{at: host2:7001, announce: \"{announce}\"}}]");
        stage.file(&yaml.replace("[host2:7001]", &typo));
        let told = stage.refuses(3).plan;
        let line = "host2:7001 is to be announced at ";
        assert!(told.contains(line), "{told}");
        assert!(told.contains(&format!("{at} answers with id ID")), "{told}");
    }
    // Where nobody answers, the file is believed.
    let nowhere = format!("[{{at: host2:7001, announce: \"{there}:7009@17009\"}}]");
    stage.file(&yaml.replace("[host2:7001]", &nowhere));
    let plan = stage.run(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("+ join host2:7001"), "{plan}");
}
