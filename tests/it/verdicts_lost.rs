//! Nodes that are down, came back as others, or can't be heard: what goes on without them, and what waits.

use std::fs;

use insta::{allow_duplicates, assert_snapshot};

use crate::support::{Recorder, ServerKind, Servers, Shard, Stage, judge, wait};

fn seed(kind: ServerKind) -> Stage {
    Stage::seed(Servers::prepare(kind))
}

fn keep_from_taking_over(stage: &Stage, replica: &str) {
    stage.tell(replica, "CONFIG SET cluster-replica-no-failover yes");
}

/// A fourth pair for the rest of the plan to join.
fn grow(stage: &mut Stage) {
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    stage.declare(&Shard::grown());
}

#[test]
fn a_replica_is_down() {
    let mut stage = seed(ServerKind::Redis70);
    stage.servers.kill("host2:7002");
    grow(&mut stage);
    let told = stage.does_the_rest();
    assert_snapshot!(told.troubles(), @r#"
    ! host2:7002 does not answer (host2:7002: Connection refused (os error 111))
        → Start the node, or mend its address in the file.
    Nothing to do, but host2:7002 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: host2:7002 does not answer (host2:7002: Connection refused (os error 111))");
    stage.servers.restart("host2:7002");
    stage.wait_for_link("host2:7002");
    stage.repairs(&Shard::grown());
}

#[test]
fn a_replica_came_back_blank() {
    let mut stage = seed(ServerKind::Redis70);
    let old = stage.servers.id("host2:7000");
    stage.servers.restart_blank("host2:7000");
    stage.repairs_but_for(&Shard::seed(), &[&old]);
    assert_snapshot!(stage.matches(), @"Note: ID4 is still listed as a member, but has no address any more. --allow forget=ID4 makes rcl forget it.");
}

#[test]
fn a_failed_primary_waits_for_its_replica_on_redis() {
    a_failed_primary_waits_for_its_replica(ServerKind::Redis70);
}

#[test]
fn a_failed_primary_waits_for_its_replica_on_valkey() {
    a_failed_primary_waits_for_its_replica(ServerKind::Valkey91);
}

fn a_failed_primary_waits_for_its_replica(kind: ServerKind) {
    let mut stage = seed(kind);
    stage.write_keys("host1:7000", 1);
    wait::until("the replica to have the key", || {
        let keys = stage.keys("host2:7000");
        (keys == 1).then_some(()).ok_or(keys.to_string())
    });
    keep_from_taking_over(&stage, "host2:7000");
    let id = stage.servers.id("host1:7000");
    stage.servers.kill("host1:7000");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    grow(&mut stage);
    let told = stage.does_the_rest();
    allow_duplicates! { assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host1:7000 does not answer (host1:7000: Connection refused (os error 111))
        → Start the node, or mend its address in the file.
    ! host1:7000, the owner of 5462 slots, has failed, and no replica has been elected in its place
        host2:7000 may not take over: its cluster-replica-no-failover is yes
        its replica host2:7000 answers and holds 1 key
        → Wait for the election and plan again. If it doesn't come, start host1:7000, or make a replica the primary by hand (CLUSTER FAILOVER FORCE on it): it may have been cut off from its primary for longer than cluster-replica-validity-factor allows.
    Nothing to do, but 1 blocked; host1:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#); }
    allow_duplicates! { assert_snapshot!(told.drift, @"
    rcl.yaml: outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    rcl.yaml: blocked: host1:7000, the owner of 5462 slots, has failed, and no replica has been elected in its place (host2:7000 may not take over: its cluster-replica-no-failover is yes; its replica host2:7000 answers and holds 1 key)
    rcl.yaml: host1:7000 does not answer (host1:7000: Connection refused (os error 111))
    "); }
    stage.servers.restart("host1:7000");
    stage.wait_for_link("host2:7000");
    stage.repairs(&Shard::grown());
}

#[test]
fn a_whole_shard_is_dead() {
    let mut stage = seed(ServerKind::Redis70);
    let id = stage.servers.id("host1:7000");
    stage.servers.kill("host1:7000");
    stage.servers.kill("host2:7000");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    grow(&mut stage);
    let told = stage.does_the_rest();
    assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host1:7000 does not answer (host1:7000: Connection refused (os error 111))
    ! host2:7000 does not answer (host2:7000: Connection refused (os error 111))
        → Start the node, or mend its address in the file.
    ! host1:7000, the owner of 5462 slots, has failed, and none of its replicas answers
        slots 0-5461 have no living copy
        → Start host1:7000 or a replica of it. If they are gone for good: name a living node without slots as the primary of shard a, and give up what they held with --allow lose-data=a; or take the shard out of the file, with --allow lose-data=ID1. Its slots are empty then, and a node of it that comes back loses what it holds.
    Nothing to do, but 1 blocked; host1:7000, host2:7000 do not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    // Leave alone is not enough while the file has the shard where nobody lives.
    let told_again = stage.run(&["apply", "--yes", "--allow", "lose-data=a"], 3);
    let words = "leave to give it up was given, but the file names nobody for it who is alive";
    assert!(told_again.contains(words), "{told_again}");
    assert_eq!(stage.refuses(3).troubles(), told.troubles());
}

/// Both nodes of the first shard are gone for good.
fn without_a(kind: ServerKind, before: impl Fn(&Stage, &str)) -> Stage {
    let mut stage = seed(kind);
    stage.write_keys("host1:7000", 20);
    stage.write_keys("host1:7001", 20);
    let ids = ["host1:7000", "host2:7000"].map(|node| stage.servers.id(node));
    before(&stage, &ids[0]);
    for node in ["host1:7000", "host2:7000"] {
        stage.servers.kill(node);
    }
    for id in &ids {
        stage.wait_for_all(id, "failed", |line| line.has("fail"));
    }
    stage
}

/// Another pair takes the name and the slots of a dead shard, with leave, and starts empty.
fn given_up(kind: ServerKind) {
    let mut stage = without_a(kind, |_, _| {});
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.add(node);
    }
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host1:7003", &["host2:7003"], "0-5461");
    stage.declare(&shards);
    let told = stage.does_the_rest();
    allow_duplicates! { assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    Note: host2:7000 (ID4) is still listed as a member, but has failed. --allow forget=host2:7000 makes rcl forget it.
    ! host1:7000 (ID1), the owner of 5462 slots, has failed, and none of its replicas answers
        slots 0-5461 have no living copy
        → Start host1:7000 (ID1) or a replica of it. If they are gone for good: give up what they held with --allow lose-data=a. Its slots are empty then, and a node of it that comes back loses what it holds.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#); }
    stage.run(&["apply", "--yes", "--allow", "lose-data=a"], 0);
    stage.matches();
    let keys = stage.keys("host1:7003");
    assert_eq!((keys, stage.keys("host1:7001")), (0, 20));
    // One of them comes back with what it held: it has lost it.
    let id = stage.servers.id("host1:7003");
    stage.servers.restart("host1:7000");
    let old = stage.servers.id("host1:7000");
    stage.wait_for_line("host1:7000", &old, "a replica", |line| {
        line.is_replica() && line.parent.as_ref() == Some(&id)
    });
    stage.wait_for_link("host1:7000");
    stage.wait_for_all(&old, "alive", |line| !line.has("fail"));
    assert_eq!(stage.keys("host1:7000"), 0);
    assert_eq!(stage.keys("host1:7003"), 0);
    stage.matches();
}

#[test]
fn given_up_on_redis_6_2() {
    given_up(ServerKind::Redis62);
}

#[test]
fn given_up_on_redis_7_0() {
    given_up(ServerKind::Redis70);
}

#[test]
fn given_up_on_redis_8_2() {
    given_up(ServerKind::Redis82);
}

#[test]
fn given_up_on_valkey_8_1() {
    given_up(ServerKind::Valkey81);
}

#[test]
fn given_up_on_valkey_9_1() {
    given_up(ServerKind::Valkey91);
}

/// The file drops the shard, and the others share its slots.
#[test]
fn given_up_to_the_others() {
    let mut stage = without_a(ServerKind::Valkey91, |_, _| {});
    let mut shards = Shard::seed();
    shards.remove(0);
    shards[0].slots = vec![(0, 10922)];
    stage.declare(&shards);
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    Note: host2:7000 (ID4) is still listed as a member, but has failed. --allow forget=host2:7000 makes rcl forget it.
    ! host1:7000 (ID1), the owner of 5462 slots, has failed, and none of its replicas answers
        slots 0-5461 have no living copy
        → Start host1:7000 (ID1) or a replica of it. If they are gone for good: give up what they held with --allow lose-data=ID1. Its slots are empty then, and a node of it that comes back loses what it holds.
    ! shard a can't get 5462 slots of host1:7000 (ID1) before it is settled what becomes of them
        host1:7000 (ID1) serves slots 0-5461
        → See what is said of host1:7000 (ID1).
    Nothing to do, but 2 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    let id = judge::cluster_nodes(stage.servers.address("host1:7001"))
        .into_iter()
        .find(|line| line.slots == [(0, 5461)])
        .expect("the owner")
        .id;
    // As the plan's lines call it.
    let leave = format!("lose-data={}", &id[..8]);
    let applied = stage.run(&["apply", "--yes", "--allow", &leave], 0);
    for words in [
        "5462 slots to give up EMPTY, their data lost.",
        "Apply complete! 5462 slots given up empty in ",
    ] {
        assert!(applied.contains(words), "{applied}");
    }
    stage.matches();
    assert_eq!(stage.keys("host1:7001"), 20);
    // Both of its nodes are forgotten, the replica first; the primary alone can't be.
    let forget = |node: &str| format!("forget={}", stage.servers.address(node));
    let [primary, replica] = ["host1:7000", "host2:7000"].map(forget);
    let alone = stage.run(&["plan", "--allow", &primary], 3);
    assert!(alone.contains("is listed as its replica"), "{alone}");
    let both = ["apply", "--yes", "--allow", &primary, "--allow", &replica];
    stage.run(&both, 0);
    stage.matches();
    let members = judge::cluster_nodes(stage.servers.address("host1:7001")).len();
    assert_eq!(members, 4);
}

/// A key of its slots is somewhere else: then nothing is given up.
#[test]
fn not_given_up_while_somebody_holds_a_key() {
    // `b` is of slot 3300.
    let mut stage = without_a(ServerKind::Redis70, |stage, owner| {
        let import = format!("CLUSTER SETSLOT 3300 IMPORTING {owner}");
        stage.tell("host1:7001", &import);
        let mut client = judge::connect(stage.servers.address("host1:7001"));
        let stray = ["SET", "b", "value"];
        let replies = client.pipeline(&[&["ASKING"], &stray]).expect("replies");
        assert_eq!(replies[1].clone().text(), "OK");
        stage.tell("host1:7001", "CLUSTER SETSLOT 3300 STABLE");
    });
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.add(node);
    }
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host1:7003", &["host2:7003"], "0-5461");
    stage.declare(&shards);
    stage.run(&["apply", "--yes", "--allow", "lose-data=a"], 3);
    let recorder = Recorder::start(&stage.servers);
    let plan = stage.run(&["plan", "--allow", "lose-data=a"], 3);
    stage.run(&["apply", "--yes", "--allow", "lose-data=a"], 3);
    recorder.assert_no_writes(&stage.servers);
    for words in [
        "host1:7001 holds 1 key in slot 3300",
        "Save or remove these keys first.",
    ] {
        assert!(plan.contains(words), "{plan}");
    }
}

/// The seed's primaries all stand on host1: without it nobody can be elected.
#[test]
fn no_majority_is_left() {
    let mut stage = seed(ServerKind::Redis70);
    let ids = ["host1:7000", "host1:7001", "host1:7002"].map(|node| stage.servers.id(node));
    for node in ["host1:7000", "host1:7001", "host1:7002"] {
        stage.servers.kill(node);
    }
    for id in ids {
        stage.wait_for_all(&id, "missed", |line| line.has("fail?"));
    }
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! Outage: nobody serves slots 0-16383: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host1:7000, the owner of 5462 slots, does not answer (host1:7000: Connection refused (os error 111))
    ! host1:7001, the owner of 5461 slots, does not answer (host1:7001: Connection refused (os error 111))
    ! host1:7002, the owner of 5461 slots, does not answer (host1:7002: Connection refused (os error 111))
        → Start the node, or mend its address in the file. If it has died, nobody serves its slots until it is back or a replica of it is elected.
    ! host1:7000, the owner of 5462 slots, does not answer, and no replica has been elected in its place
        its replica host2:7000 answers and holds 0 keys
        0 of 3 primaries with slots alive: an election needs 2
    ! host1:7001, the owner of 5461 slots, does not answer, and no replica has been elected in its place
        its replica host2:7001 answers and holds 0 keys
        0 of 3 primaries with slots alive: an election needs 2
    ! host1:7002, the owner of 5461 slots, does not answer, and no replica has been elected in its place
        its replica host2:7002 answers and holds 0 keys
        0 of 3 primaries with slots alive: an election needs 2
        → Start primaries that still have their data until enough are alive for an election; one that came back blank, only once a replica of it leads: the others would copy its emptiness. If they are gone for good, make each replica a primary by hand (CLUSTER FAILOVER TAKEOVER on it), and plan again.
    Nothing to do, but 3 blocked; host1:7000, host1:7001, host1:7002 do not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn a_primary_came_back_blank_on_redis_7_0() {
    a_primary_came_back_blank(ServerKind::Redis70);
}

#[test]
fn a_primary_came_back_blank_on_redis_8_2() {
    a_primary_came_back_blank(ServerKind::Redis82);
}

/// These servers never fail the old id over, and its replica copies the newcomer's emptiness.
fn a_primary_came_back_blank(kind: ServerKind) {
    let mut stage = seed(kind);
    stage.write_keys("host1:7000", 20);
    let id = stage.servers.id("host1:7000");
    // Peers drop the address only after a while; until then it is clear who came back.
    stage.servers.restart_blank("host1:7000");
    let early = stage.refuses(3).troubles();
    stage.wait_for_line("host1:7001", &id, "without address", |line| {
        line.has("noaddr")
    });
    wait::until("the replica to be empty", || {
        let keys = stage.keys("host2:7000");
        (keys == 0).then_some(()).ok_or(keys.to_string())
    });
    let told = stage.refuses(3);
    let late = told.troubles();
    assert_eq!(early.lines().next(), late.lines().next());
    allow_duplicates! { assert_snapshot!(late, @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host1:7000 came back blank while its old id still owns 5462 slots; its replicas may be copying its emptiness
        slots 0-5461 still belong to node ID1, but host1:7000 answers as ID7 and is blank
        its replica host2:7000 holds 0 keys
        → Stop host1:7000 now, so that no replica syncs from it. If a replica still holds the keys, save them there, or make it the primary (CLUSTER FAILOVER FORCE on it); else restore host1:7000 from its backup, with its old nodes.conf.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#); }
    allow_duplicates! { assert_snapshot!(told.drift, @"
        rcl.yaml: outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
        rcl.yaml: blocked: host1:7000 came back blank while its old id still owns 5462 slots; its replicas may be copying its emptiness (slots 0-5461 still belong to node ID1, but host1:7000 answers as ID7 and is blank; its replica host2:7000 holds 0 keys)
        "); }
}

/// Each is told from the others by the replicas of its old self.
#[test]
fn all_primaries_came_back_blank() {
    let mut stage = seed(ServerKind::Redis70);
    let names = ["host1:7000", "host1:7001", "host1:7002"];
    let ids = names.map(|node| stage.servers.id(node));
    for node in names {
        stage.servers.restart_blank(node);
    }
    for id in &ids {
        stage.wait_for_line("host2:7000", id, "without address", |line| {
            line.has("noaddr")
        });
    }
    let told = stage.refuses(3);
    for (node, replica) in names.iter().zip(["host2:7000", "host2:7001", "host2:7002"]) {
        let blamed = told.plan.split("\n! ").chain(told.plan.split("\n\n! "));
        let mut blamed = blamed.filter(|text| text.starts_with(&format!("{node} came back blank")));
        let text = blamed
            .next()
            .unwrap_or_else(|| panic!("{node}:\n{}", told.plan));
        assert!(
            text.contains(&format!("its replica {replica} holds 0 keys")),
            "{text}"
        );
    }
}

/// The data was kept, the nodes.conf was not.
#[test]
fn a_primary_came_back_with_its_keys_and_a_new_id() {
    let mut stage = seed(ServerKind::Redis70);
    stage.write_keys("host1:7000", 2);
    stage.tell("host1:7000", "SAVE");
    let folder = stage.servers.folder("host1:7000").to_owned();
    stage.servers.kill("host1:7000");
    fs::remove_file(folder.join("nodes.conf")).unwrap();
    stage.servers.restart("host1:7000");
    assert_eq!(stage.keys("host1:7000"), 2);
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host1:7000 came back with a new id while its old one still owns 5462 slots
        slots 0-5461 still belong to node ID1, but host1:7000 answers as ID7 and holds 2 keys
        its replica host2:7000 holds 2 keys
        → Stop host1:7000, put its old nodes.conf back and start it again: then it is the same node. Don't empty it before you know where its keys are.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn another_took_over_from_one_that_came_back_blank_on_redis() {
    another_took_over_from_one_that_came_back_blank(ServerKind::Redis70);
}

#[test]
fn another_took_over_from_one_that_came_back_blank_on_valkey() {
    another_took_over_from_one_that_came_back_blank(ServerKind::Valkey91);
}

fn another_took_over_from_one_that_came_back_blank(kind: ServerKind) {
    let mut stage = seed(kind);
    stage.write_keys("host1:7000", 20);
    let old = stage.servers.id("host1:7000");
    stage.servers.kill("host1:7000");
    stage.wait_for_promotion("host2:7000");
    stage.servers.restart_blank("host1:7000");
    stage.repairs_but_for(&failed_over(), &[&old]);
    assert_eq!(stage.keys("host1:7000"), 20);
    allow_duplicates! { assert_snapshot!(stage.matches(), @"
    Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.
    Note: ID1 is still listed as a member, but has no address any more. --allow forget=ID1 makes rcl forget it.
    "); }
}

fn failed_over() -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host2:7000", &["host1:7000"], "0-5461");
    shards
}

#[test]
fn a_failover_is_no_drift_on_redis() {
    a_failover_is_no_drift(ServerKind::Redis70);
}

#[test]
fn a_failover_is_no_drift_on_valkey() {
    a_failover_is_no_drift(ServerKind::Valkey91);
}

fn a_failover_is_no_drift(kind: ServerKind) {
    let mut stage = seed(kind);
    stage.tell("host2:7000", "CLUSTER FAILOVER");
    judge::wait_until_matches(&stage.servers, &failed_over());
    allow_duplicates! { assert_snapshot!(stage.matches(), @"Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false."); }
    allow_duplicates! { assert_snapshot!(stage.run(&["drift", "--verbose"], 0), @"rcl.yaml: note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false."); }
}

/// To rcl all looks well, and the cluster is down.
#[test]
fn a_primary_is_cut_off_from_the_bus() {
    let launch = Servers::prepare(ServerKind::Valkey91).set("enable-debug-command", "yes");
    let mut stage = Stage::seed(launch);
    keep_from_taking_over(&stage, "host2:7000");
    stage.tell("host1:7000", "DEBUG DROP-CLUSTER-PACKET-FILTER -2");
    let id = stage.servers.id("host1:7000");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host1:7000 answers, but the other nodes hold it for failed
        held for failed by host1:7001, host1:7002, host2:7000, host2:7001, host2:7002
        → Open its bus port 17000 between the nodes, both ways, and plan again; if it is open, the log of host1:7000 says what keeps it busy.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"
        rcl.yaml: outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
        rcl.yaml: blocked: host1:7000 answers, but the other nodes hold it for failed (held for failed by host1:7001, host1:7002, host2:7000, host2:7001, host2:7002)
        ");
    grow(&mut stage);
    stage.does_the_rest();
    stage.tell("host1:7000", "DEBUG DROP-CLUSTER-PACKET-FILTER -1");
    judge::wait_until_matches(&stage.servers, &Shard::grown());
    stage.matches();
}
