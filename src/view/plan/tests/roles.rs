//! Plans that change who leads a shard.

use super::*;

/// The replica of a shard leads it.
fn failed_over() -> World {
    let mut world = World::formed(&seed());
    world.set("host2:7000", |server| {
        server.replica_of = None;
        server.slots = "0-5461".to_owned();
        server.epoch = 9;
    });
    world.set("host1:7000", |server| {
        server.replica_of = Some("host2:7000".to_owned());
        server.slots = "none".to_owned();
        server.epoch = 9;
    });
    world
}

#[test]
fn the_role_comes_back() {
    let mut desired = seed();
    desired.policy.failback = true;
    assert_snapshot!(shown(&planned(&desired, &failed_over())), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard a  0-5461 (5462 slots)
    -   primary host2:7000
    -   replica host1:7000
    +   primary host1:7000
    +   replica host2:7000

    ~ fail over shard a to host1:7000  # host2:7000 serves it now; writes to the shard wait for some tens of milliseconds; begins once nothing has changed in the shard for 1m00s
        host1:7000> CLUSTER FAILOVER

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 1 to fail over.
    "#);
}

#[test]
fn a_servers_own_pace() {
    let mut desired = seed();
    desired.policy.failback = true;
    let mut world = failed_over();
    world.set_all(|server| {
        server.version = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2"
    });
    let text = shown(&planned(&desired, &world));
    assert!(text.contains("~ fail over shard a to host1:7000"), "{text}");
    assert!(!text.contains("begins once"), "{text}");
}

#[test]
fn nothing_is_handed_over_without_leave() {
    let desired = desired(&[
        ("a", &["host1:7001", "host2:7000"], "0-5461"),
        ("b", &["host1:7000", "host2:7001"], "5462-10922"),
        ("c", &["host1:7002", "host2:7002"], "10923-16383"),
    ]);
    let world = World::formed(&seed());
    assert!(planned(&desired, &world).plan.is_empty());
    let leave = ["host1:7000", "host1:7001"];
    assert_snapshot!(shown(&planned_with(&desired, &world, &leave)), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard a  0-5461 (5462 slots)
    -   primary host1:7000
    -   replica host2:7000
    +   primary host2:7000
    +   replica host1:7001
      shard b  5462-10922 (5461 slots)
    -   primary host1:7001
    -   replica host2:7001
    +   primary host2:7001
    +   replica host1:7000

    ~ fail over shard a to host2:7000  # host1:7000 serves it now, which the file declares in another shard; writes to the shard wait for some tens of milliseconds; begins once nothing has changed in the shard for 1m00s
        host2:7000> CLUSTER FAILOVER
    ~ fail over shard b to host2:7001  # host1:7001 serves it now, which the file declares in another shard; writes to the shard wait for some tens of milliseconds; begins once nothing has changed in the shard for 1m00s
        host2:7001> CLUSTER FAILOVER

    ~ attach host1:7001 to shard a (host2:7000)  # it serves slots of another shard; wipes its 400 keys and copies anew
        host1:7001> CLUSTER REPLICATE 0002700000000000000000000000000000000000
    ~ attach host1:7000 to shard b (host2:7001)  # it serves slots of another shard; wipes its 400 keys and copies anew
        host1:7000> CLUSTER REPLICATE 0002700100000000000000000000000000000000

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 0 slots to assign, 0 to move, 2 replicas to attach, 0 to remove, 2 to fail over.
    "#);
}

#[test]
fn a_replica_becomes_a_primary() {
    let desired = desired(&[
        ("a", &["host1:7000", "host2:7000"], "0-5461"),
        ("b", &["host1:7001"], "5462-10922"),
        ("c", &["host1:7002", "host2:7002"], "10923-16383"),
        ("d", &["host2:7001"], "none"),
    ]);
    let world = World::formed(&seed());
    assert_snapshot!(shown(&planned_with(&desired, &world, &["host2:7001"])), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ rcl.yaml
      shard b  5462-10922 (5461 slots)
    -   replica host2:7001
    + shard d  no slots
    +   primary host2:7001

    ~ detach host2:7001 from host1:7001 for shard d  # it replicates host1:7001; wipes its 400 keys
        host2:7001> CLUSTER RESET SOFT
        host2:7001> CLUSTER MEET 10.0.0.1 7000
        host2:7001> CLUSTER MEET 10.0.0.1 7001
        host2:7001> CLUSTER MEET 10.0.0.1 7002
        host2:7001> CLUSTER MEET 10.0.0.2 7000
        host1:7000> CLUSTER MEET 10.0.0.2 7001

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 1 to detach.
    "#);
}
