//! Slots without owner, half moved, or with two owners: what is mended and what is left alone.

use insta::{allow_duplicates, assert_snapshot};

use crate::support::judge;
use crate::support::{ServerKind, Servers, Shard, Stage, wait};

fn seed(kind: ServerKind) -> Stage {
    Stage::seed(Servers::prepare(kind))
}

/// Takes the slots of shard a away from it, in all views.
fn unassign(stage: &Stage) {
    stage.tell_everyone("CLUSTER DELSLOTSRANGE 0 5461");
}

#[test]
fn unassigned_without_keys_on_redis() {
    unassigned_without_keys(ServerKind::Redis70);
}

#[test]
fn unassigned_without_keys_on_valkey() {
    unassigned_without_keys(ServerKind::Valkey91);
}

/// Keys in other slots are no hindrance.
fn unassigned_without_keys(kind: ServerKind) {
    let mut stage = seed(kind);
    stage.write_keys("host1:7001", 3);
    unassign(&stage);
    stage.tell_everyone("CLUSTER DELSLOTS 6000");
    stage.repairs(&Shard::seed());
    assert_eq!(stage.keys("host2:7001"), 3);
}

#[test]
fn unassigned_with_keys_on_redis() {
    unassigned_with_keys(ServerKind::Redis70);
}

#[test]
fn unassigned_with_keys_on_valkey() {
    unassigned_with_keys(ServerKind::Valkey91);
}

/// The slots without keys get their owner, those with keys are left alone.
fn unassigned_with_keys(kind: ServerKind) {
    let mut stage = seed(kind);
    stage.write_keys("host1:7000", 2);
    wait::until("the replica to have the keys", || {
        let keys = stage.keys("host2:7000");
        (keys == 2).then_some(()).ok_or(keys.to_string())
    });
    unassign(&stage);
    let told = stage.does_the_rest();
    allow_duplicates! { assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 935,4998: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! nobody owns slots 935,4998; that is mended once every node has said that it holds no key there
        host1:7000 holds 2 keys in slots 935,4998
        host2:7000 holds 2 keys in slots 935,4998
        → To keep the keys, give their slots back to host1:7000 by hand (CLUSTER ADDSLOTSRANGE 935 935 4998 4998 on it) and plan again. Only then can keys be removed one by one: servers refuse commands for slots that nobody owns.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#); }
    allow_duplicates! { assert_snapshot!(told.drift, @"
        rcl.yaml: outage: nobody serves slots 935,4998: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
        rcl.yaml: blocked: nobody owns slots 935,4998; that is mended once every node has said that it holds no key there (host1:7000 holds 2 keys in slots 935,4998; host2:7000 holds 2 keys in slots 935,4998)
        "); }
    // The way out, as a person goes it.
    stage.tell("host1:7000", "CLUSTER ADDSLOTS 935 4998");
    judge::wait_until_matches(&stage.servers, &Shard::seed());
    stage.matches();
    assert_eq!(stage.keys("host1:7000"), 2);
}

/// Where nobody owns anything, somebody is to give whole ranges back.
#[test]
fn nobody_owns_anything_and_a_key_is_left_on_redis() {
    let mut stage = seed(ServerKind::Redis70);
    stage.write_keys("host1:7000", 1);
    let alike = |stage: &Stage| {
        (stage.keys("host2:7000") == 1)
            .then_some(())
            .ok_or(String::new())
    };
    wait::until("the replica to have the key", || alike(&stage));
    stage.tell_everyone("CLUSTER DELSLOTSRANGE 0 16383");
    let told = stage.refuses(3);
    let words = "nobody owns slots 0-16383; that is mended";
    assert!(told.plan.contains(words), "{}", told.plan);
    for (node, slots) in [
        ("host1:7000", "0 5461"),
        ("host1:7001", "5462 10922"),
        ("host1:7002", "10923 16383"),
    ] {
        stage.tell(node, &format!("CLUSTER ADDSLOTSRANGE {slots}"));
    }
    judge::wait_until_matches(&stage.servers, &Shard::seed());
    stage.matches();
    assert_eq!(stage.keys("host1:7000"), 1);
}

#[test]
fn unassigned_with_a_node_down() {
    let mut stage = seed(ServerKind::Redis70);
    unassign(&stage);
    stage.servers.kill("host2:7002");
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-5461: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! host2:7002 does not answer (host2:7002: Connection refused (os error 111))
        → Start the node, or mend its address in the file.
    ! nobody owns slots 0-5461; that is mended once every node has said that it holds no key there
        host2:7002 did not answer: host2:7002: Connection refused (os error 111)
        → Start the nodes that did not answer.
    Nothing to do, but 1 blocked; host2:7002 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    stage.servers.restart("host2:7002");
    stage.wait_for_link("host2:7002");
    stage.repairs(&Shard::seed());
}

#[test]
fn half_moved_on_redis() {
    half_moved(ServerKind::Redis70);
}

#[test]
fn half_moved_on_valkey() {
    half_moved(ServerKind::Valkey91);
}

/// Marks that contradict each other are nobody's to finish. The rest of the plan goes on beside them.
fn half_moved(kind: ServerKind) {
    let mut stage = seed(kind);
    let (target, stranger) = (
        stage.servers.id("host1:7001"),
        stage.servers.id("host1:7002"),
    );
    stage.tell(
        "host1:7001",
        &format!("CLUSTER SETSLOT 5 IMPORTING {stranger}"),
    );
    stage.tell(
        "host1:7000",
        &format!("CLUSTER SETSLOT 5 MIGRATING {target}"),
    );
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    stage.declare(&Shard::grown());
    let told = stage.does_the_rest();
    allow_duplicates! { assert_snapshot!(told.troubles(), @r#"
    ! a move of 1 slot was begun, and the marks that it left contradict each other
        host1:7000 is giving to host1:7001: slot 5
        host1:7001 is taking from host1:7002: slot 5
        → Count the keys on both sides (CLUSTER COUNTKEYSINSLOT). Closing a slot (CLUSTER SETSLOT with STABLE) loses nothing only where the taking side holds no key of it.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#); }
    allow_duplicates! { assert_snapshot!(told.drift, @"rcl.yaml: blocked: a move of 1 slot was begun, and the marks that it left contradict each other (host1:7000 is giving to host1:7001: slot 5; host1:7001 is taking from host1:7002: slot 5)"); }
    for node in ["host1:7000", "host1:7001"] {
        stage.tell(node, "CLUSTER SETSLOT 5 STABLE");
    }
    stage.matches();
    judge::assert_matches(&stage.servers, &Shard::grown());
}

/// Slots that are to be served elsewhere than they are move, also to a newcomer; not the last ones.
#[test]
fn served_by_another_shard() {
    let mut stage = seed(ServerKind::Redis70);
    let mut wanted = Shard::seed();
    wanted[0].slots = vec![(0, 5460)];
    wanted[1].slots = vec![(5461, 10922)];
    stage.declare(&wanted);
    stage.repairs(&wanted);
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    wanted.push(Shard::new("host1:7003", &["host2:7003"], "0-99"));
    wanted[0].slots = vec![(100, 5460)];
    stage.declare(&wanted);
    stage.repairs(&wanted);
    wanted[3].slots = Vec::new();
    wanted[0].slots = vec![(0, 5460)];
    stage.declare(&wanted);
    stage.repairs(&wanted);
}

/// DELSLOTS on an owner is never told to the others.
#[test]
fn given_up_by_their_owner() {
    let mut stage = seed(ServerKind::Valkey91);
    stage.tell("host1:7000", "CLUSTER DELSLOTSRANGE 0 99");
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! Outage: nobody serves slots 0-99: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    ! the nodes don't agree who owns slots 0-99
        host1:7000: no owner
        host1:7001, host1:7002, host2:7000, host2:7001, host2:7002: owner is host1:7000 at epoch 4
        → host1:7000 gave them up, and not all others have heard of it. To undo that, give them back to it by hand (CLUSTER ADDSLOTSRANGE 0 99 on host1:7000), and plan again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"
        rcl.yaml: outage: nobody serves slots 0-99: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
        rcl.yaml: blocked: the nodes don't agree who owns slots 0-99 (host1:7000: no owner; host1:7001, host1:7002, host2:7000, host2:7001, host2:7002: owner is host1:7000 at epoch 4)
        ");
    stage.tell("host1:7000", "CLUSTER ADDSLOTSRANGE 0 99");
    stage.repairs(&Shard::seed());
}

/// The source of a move was told its end before the target, and nobody serves the slot any more. Without a key of it
/// the file says who gets it.
#[test]
fn told_to_one_side_only_on_redis() {
    let mut stage = seed(ServerKind::Redis70);
    let target = stage.servers.id("host1:7001");
    stage.tell("host1:7000", &format!("CLUSTER SETSLOT 5 NODE {target}"));
    assert_snapshot!(stage.run(&["plan"], 0), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15
    ! Outage: nobody serves slot 5: clients get errors for it, and for all other slots too: cluster-require-full-coverage is yes

    --- live
    +++ rcl.yaml
    - shard a  0-4,6-5461 (5461 slots)
    + shard a  0-5461 (5462 slots)

    ~ claim slot 5 for host1:7000  # it and host1:7001 leave it to each other; nobody else holds a key there
        host1:7000> CLUSTER SETSLOT 5 IMPORTING ID2
        host1:7000> CLUSTER SETSLOT 5 NODE ID1

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Note: Until these slots have an owner that knows of it nothing else is compared: apply, and plan again.

    Plan: 0 to join, 1 slot to assign, 0 to move, 0 replicas to attach, 0 to remove.
    "#);
    assert_snapshot!(stage.run(&["drift", "--timeout", "60s"], 3), @"
    rcl.yaml: outage: nobody serves slot 5: clients get errors for it, and for all other slots too: cluster-require-full-coverage is yes
    rcl.yaml: nobody claims slot 5: host1:7000 and host1:7001 leave it to each other
    ");
    stage.repairs(&Shard::seed());
}

/// A key of it says so before the file does: the move brought it to the target.
#[test]
fn told_to_the_giver_of_keys_on_redis() {
    let mut stage = seed(ServerKind::Redis70);
    stage.write_keys("host1:7000", 2);
    carry_over(&stage, 935);
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 934), (936, 5461)];
    shards[1].slots = vec![(935, 935), (5462, 10922)];
    stage.declare(&shards);
    stage.repairs(&shards);
    assert_eq!((stage.keys("host1:7000"), stage.keys("host1:7001")), (1, 1));
    assert_eq!(stage.keys("host2:7001"), 1);
}

/// Where the file gives it to somebody else, it moves on from there.
#[test]
fn told_to_the_giver_of_keys_that_are_declared_at_it_on_redis() {
    let mut stage = seed(ServerKind::Redis70);
    stage.write_keys("host1:7000", 2);
    carry_over(&stage, 935);
    let told = stage.run(&["apply", "--yes"], 1);
    assert!(told.contains("1 slot assigned"), "{told}");
    stage.repairs(&Shard::seed());
    assert_eq!((stage.keys("host1:7000"), stage.keys("host1:7001")), (2, 0));
}

/// A copy that lags behind holds what the move has carried off: it would be deleted before anybody has looked.
#[test]
fn told_to_the_giver_while_its_replica_lags_on_redis() {
    let mut stage = seed(ServerKind::Redis70);
    stage.write_keys("host1:7000", 2);
    wait::until("the replica to have the keys", || {
        let keys = stage.keys("host2:7000");
        (keys == 2).then_some(()).ok_or(keys.to_string())
    });
    stage.tell("host2:7000", "CONFIG SET masteruser nobody");
    stage.tell("host2:7000", "CONFIG SET masterauth wrong");
    let kill = ["CLIENT", "KILL", "TYPE", "replica"];
    assert_eq!(stage.servers.call("host1:7000", &kill).integer(), 1);
    carry_over(&stage, 935);
    let told = stage.refuses_whatever_it_says(3);
    assert!(
        told.plan.contains("don't agree who owns slot 935"),
        "{}",
        told.plan
    );
}

/// Moves the keys of a slot as a person does, and tells the new owner to the giver alone.
fn carry_over(stage: &Stage, slot: u16) {
    let (from, to) = ("host1:7000", "host1:7001");
    let (giver, taker) = (stage.servers.id(from), stage.servers.id(to));
    stage.tell(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {giver}"));
    stage.tell(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {taker}"));
    let listed = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "10"];
    let at = stage.servers.address(to);
    for key in stage.servers.call(from, &listed).array() {
        let key = key.text();
        stage.tell(
            from,
            &format!("MIGRATE {} {} {key} 0 1000", at.ip(), at.port()),
        );
    }
    stage.tell(from, &format!("CLUSTER SETSLOT {slot} NODE {taker}"));
}

/// A primary that hears nothing on the bus goes on as the owner, while its replica has taken over.
#[test]
fn two_owners() {
    let launch = Servers::prepare(ServerKind::Valkey91).set("enable-debug-command", "yes");
    let mut stage = Stage::seed(launch);
    stage.tell("host1:7000", "DEBUG DROP-CLUSTER-PACKET-FILTER -2");
    let old = stage.servers.id("host1:7000");
    let new = stage.servers.id("host2:7000");
    stage.wait_for_promotion_but_for("host2:7000", &["host1:7000"]);
    stage.wait_for_line("host1:7000", &old, "an owner", |line| {
        !line.slots.is_empty()
    });
    // The others may hold the old owner for failed by now, or not yet, and epochs differ.
    let told = stage.refuses_whatever_it_says(3);
    for told in [&told.plan, &told.drift] {
        assert!(
            told.contains("the nodes don't agree who owns slots 0-5461"),
            "{told}"
        );
        assert!(
            told.contains("host1:7000: owner is host1:7000 at epoch "),
            "{told}"
        );
        assert!(told.contains("owner is host2:7000 at epoch "), "{told}");
    }
    stage.tell("host1:7000", "DEBUG DROP-CLUSTER-PACKET-FILTER -1");
    stage.wait_for_line("host1:7000", &old, "a replica", |line| {
        line.is_replica() && line.parent.as_ref() == Some(&new)
    });
    stage.wait_for_link("host1:7000");
    stage.wait_for_promotion("host2:7000");
    assert_snapshot!(stage.matches(), @"Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.");
}
