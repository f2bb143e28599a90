//! What plans look like, made by the real planner.

mod folding;
mod output;
mod roles;

use insta::assert_snapshot;

use crate::view::sample::{Planned, World, desired, id, planned, planned_with, seed, with_option};
use crate::view::{Commands, Styles};

use super::*;

fn shown(planned: &Planned) -> String {
    human(&planned.view(Commands::Folded), Styles::plain())
}

#[test]
fn a_new_cluster() {
    let desired = with_option(seed(), "cluster-node-timeout", "15000");
    let planned = planned(&desired, &World::blank(&desired));
    assert_snapshot!(shown(&planned), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, no cluster yet, Redis 7.0.15

    --- live
    +++ rcl.yaml
    + shard a  0-5461 (5462 slots)
    +   primary host1:7000
    +   replica host2:7000
    + shard b  5462-10922 (5461 slots)
    +   primary host1:7001
    +   replica host2:7001
    + shard c  10923-16383 (5461 slots)
    +   primary host1:7002
    +   replica host2:7002

    ~ lower cluster-node-timeout to 1s on host1:7000  # only while every node is blank, to be quick; not written to disk, restored below
        host1:7000> CONFIG SET cluster-node-timeout 1000
      … and 5 more alike, for host1:7001, host1:7002, host2:7000, host2:7001, host2:7002 (--commands all shows them)

    + give host1:7000 epoch 4  # a new cluster starts with distinct ones
        host1:7000> CLUSTER SET-CONFIG-EPOCH 4
      … and 5 more alike, for host1:7001, host1:7002, host2:7000, host2:7001, host2:7002 (--commands all shows them)

    + assign 0-5461 to shard a (host1:7000)       # 5462 slots that nobody owns
        host1:7000> CLUSTER ADDSLOTSRANGE 0 5461
    + assign 5462-10922 to shard b (host1:7001)   # 5461 slots that nobody owns
        host1:7001> CLUSTER ADDSLOTSRANGE 5462 10922
    + assign 10923-16383 to shard c (host1:7002)  # 5461 slots that nobody owns
        host1:7002> CLUSTER ADDSLOTSRANGE 10923 16383

    + join host1:7000  # not a member yet
        host1:7000> CLUSTER MEET 10.0.0.1 7001
        host1:7000> CLUSTER MEET 10.0.0.1 7002
        host1:7000> CLUSTER MEET 10.0.0.2 7000
    + join host1:7001  # not a member yet
        host1:7001> CLUSTER MEET 10.0.0.1 7002
        host1:7001> CLUSTER MEET 10.0.0.2 7000
        host1:7001> CLUSTER MEET 10.0.0.2 7001
    + join host1:7002  # not a member yet
        host1:7002> CLUSTER MEET 10.0.0.2 7000
        host1:7002> CLUSTER MEET 10.0.0.2 7001
        host1:7002> CLUSTER MEET 10.0.0.2 7002
    + join host2:7000  # not a member yet
        host2:7000> CLUSTER MEET 10.0.0.2 7001
        host2:7000> CLUSTER MEET 10.0.0.2 7002
    + join host2:7001  # not a member yet
        host2:7001> CLUSTER MEET 10.0.0.2 7002
        host2:7001> CLUSTER MEET 10.0.0.1 7000
    + join host2:7002  # not a member yet
        host2:7002> CLUSTER MEET 10.0.0.1 7000
        host2:7002> CLUSTER MEET 10.0.0.1 7001

    ~ attach host2:7000 to shard a (host1:7000)  # it is a primary without slots
        host2:7000> CLUSTER REPLICATE 0001700000000000000000000000000000000000
    ~ attach host2:7001 to shard b (host1:7001)  # it is a primary without slots
        host2:7001> CLUSTER REPLICATE 0001700100000000000000000000000000000000
    ~ attach host2:7002 to shard c (host1:7002)  # it is a primary without slots
        host2:7002> CLUSTER REPLICATE 0001700200000000000000000000000000000000

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    ~ restore cluster-node-timeout to 15s on host1:7000  # the declared value; sent even if a step fails
        host1:7000> CONFIG SET cluster-node-timeout 15000
      … and 5 more alike, for host1:7001, host1:7002, host2:7000, host2:7001, host2:7002 (--commands all shows them)

    Plan: 6 to join, 16384 slots to assign, 0 to move, 3 replicas to attach, 0 to remove.
    "#);
}

#[test]
fn a_pair_to_grow_by() {
    let mut declared = vec![
        ("a", &["host1:7000", "host2:7000"][..], "0-5461"),
        ("b", &["host1:7001", "host2:7001"], "5462-10922"),
        ("c", &["host1:7002", "host2:7002"], "10923-16383"),
    ];
    let world = World::formed(&desired(&declared));
    declared.push(("d", &["host1:7003", "host2:7003"], "none"));
    let desired = desired(&declared);
    let mut grown = World::blank(&desired);
    grown.0.extend(world.0);
    assert_snapshot!(shown(&planned(&desired, &grown)), @r#"
    Plan for cluster "orders" from rcl.yaml: 8 of 8 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
    + shard d  no slots
    +   primary host1:7003
    +   replica host2:7003

    + join host1:7003  # not a member yet
        host1:7003> CLUSTER MEET 10.0.0.1 7000
        host1:7003> CLUSTER MEET 10.0.0.1 7001
        host1:7003> CLUSTER MEET 10.0.0.1 7002
        host1:7003> CLUSTER MEET 10.0.0.2 7000
        host1:7000> CLUSTER MEET 10.0.0.1 7003
    + join host2:7003  # not a member yet
        host2:7003> CLUSTER MEET 10.0.0.1 7000
        host2:7003> CLUSTER MEET 10.0.0.1 7001
        host2:7003> CLUSTER MEET 10.0.0.1 7002
        host2:7003> CLUSTER MEET 10.0.0.2 7000
        host1:7000> CLUSTER MEET 10.0.0.2 7003

    ~ attach host2:7003 to shard d (host1:7003)  # it is a primary without slots
        host2:7003> CLUSTER REPLICATE 0001700300000000000000000000000000000000

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 2 to join, 0 slots to assign, 0 to move, 1 replica to attach, 0 to remove.
    "#);
}

#[test]
fn no_changes() {
    let desired = seed();
    assert_snapshot!(shown(&planned(&desired, &World::formed(&desired))), @r#"No changes. Cluster "orders" matches rcl.yaml."#);
}

#[test]
fn a_node_is_down() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host2:7001", |server| {
        server.up = false;
        server.failed = true;
    });
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 5 of 6 declared nodes answer, 6 members, Redis 7.0.15

    ! host2:7001 does not answer (10.0.0.2:7001: connection refused)
        → Start the node, or mend its address in the file.

    Nothing to do, but host2:7001 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn a_node_of_another_cluster() {
    let mut declared = seed();
    let mut world = World::formed(&declared);
    declared = desired(&[
        ("a", &["host1:7000", "host2:7000"], "0-5461"),
        ("b", &["host1:7001", "host2:7001"], "5462-10922"),
        (
            "c",
            &["host1:7002", "host2:7002", "host3:7002"],
            "10923-16383",
        ),
    ]);
    world.add("host3:7002");
    world.set("host3:7002", |server| server.keys = 12);
    assert_snapshot!(shown(&planned(&declared, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 7 of 7 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard c  10923-16383 (5461 slots)
    +   replica host3:7002

    ! host3:7002 is not blank, and the file doesn't account for what it holds
        host3:7002 holds 12 keys
        → Check the address of host3:7002 in the file. If what it holds may go, empty it yourself (FLUSHALL and CLUSTER RESET HARD, on that node only) and plan again.

    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn slots_without_owner_and_options_that_differ() {
    let desired = with_option(seed(), "cluster-require-full-coverage", "no");
    let mut world = World::formed(&desired);
    world.set_all(|server| server.state_ok = false);
    world.set("host1:7001", |server| server.slots = "5462-8000".to_owned());
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15
    ! Outage: nobody serves slots 8001-10922: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes

    --- live
    +++ rcl.yaml
    - shard b  5462-8000 (2539 slots)
    + shard b  5462-10922 (5461 slots)

    ~ configure host1:7000  # cluster-require-full-coverage is yes, the file says no
        host1:7000> CONFIG SET cluster-require-full-coverage no
        host1:7000> CONFIG REWRITE
      … and 5 more alike, for host1:7001, host1:7002, host2:7000, host2:7001, host2:7002 (--commands all shows them)

    + assign 8001-10922 to shard b (host1:7001)  # 2922 slots that nobody owns
        host1:7001> CLUSTER ADDSLOTSRANGE 8001 10922

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 2922 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 6 to configure.
    "#);
}

#[test]
fn a_replica_of_the_wrong_primary_and_a_wrong_address() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host2:7001", |server| {
        server.replica_of = Some("host1:7000".to_owned())
    });
    world.set("host1:7000", |server| {
        server.seen_at = Some("127.0.0.1:7000")
    });
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard a  0-5461 (5462 slots)
    -   replica host2:7001
      shard b  5462-10922 (5461 slots)
    +   replica host2:7001

    ~ announce host1:7000 as 10.0.0.1:7000  # its peers have it at 127.0.0.1:7000
        host1:7000> CONFIG SET cluster-announce-ip 10.0.0.1
        host1:7000> CONFIG REWRITE
        host1:7001> CLUSTER MEET 10.0.0.1 7000
        host1:7002> CLUSTER MEET 10.0.0.1 7000
        host2:7000> CLUSTER MEET 10.0.0.1 7000
        host2:7001> CLUSTER MEET 10.0.0.1 7000

    ! attaching host2:7001 to shard b wipes the 400 keys that it copies from its present primary
        present primary: host1:7000
        → If that is meant, give leave with --allow resync=host2:7001

    Plan: 0 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 1 to announce, 1 blocked.
    "#);
    assert_snapshot!(shown(&planned_with(&desired, &world, &["host2:7001"])), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard a  0-5461 (5462 slots)
    -   replica host2:7001
      shard b  5462-10922 (5461 slots)
    +   replica host2:7001

    ~ announce host1:7000 as 10.0.0.1:7000  # its peers have it at 127.0.0.1:7000
        host1:7000> CONFIG SET cluster-announce-ip 10.0.0.1
        host1:7000> CONFIG REWRITE
        host1:7001> CLUSTER MEET 10.0.0.1 7000
        host1:7002> CLUSTER MEET 10.0.0.1 7000
        host2:7000> CLUSTER MEET 10.0.0.1 7000
        host2:7001> CLUSTER MEET 10.0.0.1 7000

    ~ attach host2:7001 to shard b (host1:7001)  # it replicates host1:7000; wipes its 400 keys and copies anew
        host2:7001> CLUSTER REPLICATE 0001700100000000000000000000000000000000

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 0 slots to assign, 0 to move, 1 replica to attach, 0 to remove, 1 to announce.
    "#);
}

#[test]
fn the_summary_counts_and_inflects() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host2:7000", |server| {
        server.replica_of = None;
        server.keys = 0;
    });
    world.set("host1:7002", |server| {
        server.slots = "10923-16382".to_owned()
    });
    world.set_all(|server| server.state_ok = false);
    assert_snapshot!(summary(&planned(&desired, &world).plan, "rcl.yaml"), @"Plan: 0 to join, 1 slot to assign, 0 to move, 1 replica to attach, 0 to remove.");
    assert_snapshot!(question(&planned(&desired, &world).plan), @r#"Apply these changes to cluster "orders" (commands to 2 nodes)? Only 'yes' will be accepted:"#);

    world.set("host1:7000", |server| {
        server.open = format!("[5->-{}]", id("host1:7001"))
    });
    assert_snapshot!(summary(&planned(&desired, &world).plan, "rcl.yaml"), @"Plan: 0 to join, 1 slot to assign, 0 to move, 1 replica to attach, 0 to remove, 1 blocked.");

    let mut broken = World::formed(&desired);
    broken.set("host2:7001", |server| server.up = false);
    broken.set("host2:7002", |server| server.link_up = false);
    assert_snapshot!(summary(&planned(&desired, &broken).plan, "rcl.yaml"), @r#"Nothing to do, but host2:7001 does not answer; host2:7002 has no link to its primary. Cluster "orders" does not match rcl.yaml."#);
    broken.set("host2:7000", |server| server.link_up = false);
    broken.set("host2:7001", |server| server.up = true);
    assert_snapshot!(summary(&planned(&desired, &broken).plan, "rcl.yaml"), @r#"Nothing to do, but host2:7000, host2:7002 have no link to their primaries. Cluster "orders" does not match rcl.yaml."#);
}

#[test]
fn nodes_that_do_not_answer_are_told_once() {
    let desired = desired(&[("a", &["host1:7000", "host2:7000"], "auto")]);
    let mut world = World::blank(&desired);
    world.set("host2:7000", |server| server.up = false);
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 1 of 2 declared nodes answer, no cluster yet, Redis 7.0.15

    ! a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost
        host2:7000: 10.0.0.2:7000: connection refused
        → Start these nodes, or take them out of the file.

    Nothing to do, but 1 blocked; host2:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    world.set("host1:7000", |server| server.up = false);
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 0 of 2 declared nodes answer

    ! no declared node answers
        host1:7000: 10.0.0.1:7000: connection refused
        host2:7000: 10.0.0.2:7000: connection refused
        → Start the nodes, or mend the addresses in the file.

    Nothing to do, but 1 blocked; host1:7000, host2:7000 do not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// rcl came through a forwarder: the members know better where the node is.
#[test]
fn a_member_that_all_others_reach_elsewhere() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host1:7000", |server| {
        server.seen_at = Some("10.9.9.9:7000")
    });
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    ! host1:7000 is in the file at 10.0.0.1:7000, but every other member reaches it at 10.9.9.9:7000, and that works
        10.0.0.1:7000 is where rcl reached it; 10.9.9.9:7000 is where its peers have links to it
        → If 10.9.9.9:7000 is right, declare it: {at: host1:7000, announce: "10.9.9.9:7000"}. If 10.0.0.1:7000 is, declare that one as `announce`.

    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    world.set("host1:7000", |server| {
        server.seen_at = Some("127.0.0.1:7000")
    });
    assert_eq!(planned(&desired, &world).plan.diff.blocked, []);
    let mut declared = desired.clone();
    let node = declared.nodes.values_mut().next().unwrap();
    node.announce = Some(crate::desired::Announce {
        ip: "10.9.9.9".parse().unwrap(),
        port: None,
        bus_port: None,
    });
    world.set("host1:7000", |server| {
        server.seen_at = Some("10.9.9.9:7000")
    });
    assert_eq!(planned(&declared, &world).plan.diff.blocked, []);
}

#[test]
fn a_whole_cluster_that_says_it_is_down() {
    let desired = seed();
    let mut world = World::formed(&desired);
    for node in ["host1:7001", "host2:7001"] {
        world.set(node, |server| server.state_ok = false);
    }
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    ! every slot has an owner that answers, and yet nodes say that the cluster is down
        cluster_state:fail on host1:7001, host2:7001
        → Open the bus ports between the nodes, both ways, and look at the logs of these nodes: once most primaries reach each other they say ok by themselves.

    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn what_the_file_does_not_name_stays() {
    let desired = seed();
    let mut world = World::formed(&desired);
    for (name, primary) in [("host9:7009", Some("host1:7000")), ("host9:7010", None)] {
        world.add(name);
        world.set(name, |server| {
            server.group = 1;
            server.state_ok = true;
            server.replica_of = primary.map(str::to_owned);
        });
    }
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Note: 10.0.0.9:7009 (00097009) is a member that the file doesn't name: a replica. With `prune: true` under `policy` rcl removes such members.
    Note: 10.0.0.9:7010 (00097010) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members.

    No changes. Cluster "orders" matches rcl.yaml.
    "#);
}

/// Nothing moves the old primary: it comes back by itself as a replica, so the shards show no change.
#[test]
fn a_failed_over_shard_whose_old_primary_is_down() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host1:7000", |server| {
        server.slots = "none".to_owned();
        server.up = false;
        server.failed = true;
    });
    world.set("host2:7000", |server| {
        server.slots = "0-5461".to_owned();
        server.replica_of = None;
        server.epoch = 4;
    });
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 5 of 6 declared nodes answer, 6 members, Redis 7.0.15

    ! host1:7000 does not answer (10.0.0.1:7000: connection refused)
        → Start the node, or mend its address in the file.

    Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.

    Nothing to do, but host1:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// A node that never answered is no part of what a plan does.
#[test]
fn a_new_shard_whose_replica_is_down() {
    let grown = desired(&[
        ("a", &["host1:7000", "host2:7000"], "0-5461"),
        ("b", &["host1:7001", "host2:7001"], "5462-10922"),
        ("c", &["host1:7002", "host2:7002"], "10923-16383"),
        ("d", &["host1:7003", "host2:7003"], "none"),
    ]);
    let mut world = World::formed(&seed());
    world.add("host1:7003");
    assert_snapshot!(shown(&planned(&grown, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 7 of 8 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
    + shard d  no slots
    +   primary host1:7003
    +   replica host2:7003, which does not answer

    + join host1:7003  # not a member yet
        host1:7003> CLUSTER MEET 10.0.0.1 7000
        host1:7003> CLUSTER MEET 10.0.0.1 7001
        host1:7003> CLUSTER MEET 10.0.0.1 7002
        host1:7003> CLUSTER MEET 10.0.0.2 7000
        host1:7000> CLUSTER MEET 10.0.0.1 7003

    ! host2:7003 does not answer (10.0.0.2:7003: connection refused)
        → Start the node, or mend its address in the file.

    Plan: 1 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove.
    "#);
}

#[test]
fn a_failed_over_shard_is_as_declared() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host1:7001", |server| {
        server.replica_of = Some("host2:7001".to_owned());
        server.slots = "none".to_owned();
    });
    world.set("host2:7001", |server| {
        server.replica_of = None;
        server.slots = "5462-10922".to_owned();
    });
    world.add("host9:7009");
    world.set("host9:7009", |server| {
        server.group = 1;
        server.state_ok = true;
        server.replica_of = Some("host2:7001".to_owned());
    });
    world.set("host2:7000", |server| {
        server.replica_of = Some("host2:7001".to_owned())
    });
    assert_snapshot!(shown(&planned_with(&desired, &world, &["host2:7000"])), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 7 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard a  0-5461 (5462 slots)
    +   replica host2:7000
      shard b  5462-10922 (5461 slots)
    -   replica host2:7000

    ~ attach host2:7000 to shard a (host1:7000)  # it replicates host2:7001; wipes its 400 keys and copies anew
        host2:7000> CLUSTER REPLICATE 0001700000000000000000000000000000000000

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Note: shard b: host2:7001 is the primary now, the file places it at host1:7001. Nothing is done about it: `failback` under `policy` is false.
    Note: 10.0.0.9:7009 (00097009) is a member that the file doesn't name: a replica. With `prune: true` under `policy` rcl removes such members.

    Plan: 0 to join, 0 slots to assign, 0 to move, 1 replica to attach, 0 to remove.
    "#);
}
