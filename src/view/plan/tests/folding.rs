//! What is long stays readable, and can be seen whole.

use insta::assert_snapshot;

use crate::view::plan::human;
use crate::view::sample::{Planned, World, desired, planned, with_option};
use crate::view::{Commands, Styles};

use super::shown;

#[test]
fn one_command_a_slot_on_old_servers() {
    let desired = desired(&[("a", &["host1:7000"], "0-16383")]);
    let mut world = World::blank(&desired);
    world.set_all(|server| server.version = "redis_version:6.2.14");
    assert_snapshot!(shown(&planned(&desired, &world)), @r#"
    Plan for cluster "orders" from rcl.yaml: 1 of 1 declared nodes answer, no cluster yet, Redis 6.2.14

    --- live
    +++ rcl.yaml
    + shard a  0-16383 (16384 slots)
    +   primary host1:7000

    + give host1:7000 epoch 1  # a new cluster starts with distinct ones
        host1:7000> CLUSTER SET-CONFIG-EPOCH 1

    + assign 0-16383 to shard a (host1:7000)  # 16384 slots that nobody owns
        host1:7000> CLUSTER ADDSLOTS 0 1 2 … 16383  (16384 slots)

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 16384 slots to assign, 0 to move, 0 replicas to attach, 0 to remove.
    "#);
}

fn hundred() -> Planned {
    let names: Vec<[String; 2]> = (0..100)
        .map(|index| {
            [
                format!("host{}:7000", index + 1),
                format!("host{}:7000", index + 101),
            ]
        })
        .collect();
    let borrowed: Vec<[&str; 2]> = names
        .iter()
        .map(|[primary, replica]| [primary.as_str(), replica.as_str()])
        .collect();
    let labels: Vec<String> = (0..100).map(|index| format!("s{index}")).collect();
    let shards: Vec<(&str, &[&str], &str)> = labels
        .iter()
        .zip(&borrowed)
        .map(|(label, nodes)| (label.as_str(), &nodes[..], "auto"))
        .collect();
    let desired = with_option(desired(&shards), "cluster-node-timeout", "15000");
    planned(&desired, &World::blank(&desired))
}

#[test]
fn two_hundred_nodes_are_folded() {
    assert_snapshot!(shown(&hundred()), @r#"
    Plan for cluster "orders" from rcl.yaml: 200 of 200 declared nodes answer, no cluster yet, Redis 7.0.15

    --- live
    +++ rcl.yaml
    + shard s0  0-163 (164 slots)
    +   primary host1:7000
    +   replica host101:7000
    + shard s1  164-327 (164 slots)
    +   primary host2:7000
    +   replica host102:7000
    + shard s2  328-491 (164 slots)
    +   primary host3:7000
    +   replica host103:7000
    + … and 97 more shards (--commands all shows them)

    ~ lower cluster-node-timeout to 1s on host1:7000  # only while every node is blank, to be quick; not written to disk, restored below
        host1:7000> CONFIG SET cluster-node-timeout 1000
      … and 199 more alike (--commands all shows them)

    + give host1:7000 epoch 101  # a new cluster starts with distinct ones
        host1:7000> CLUSTER SET-CONFIG-EPOCH 101
      … and 199 more alike (--commands all shows them)

    + assign 0-163 to shard s0 (host1:7000)    # 164 slots that nobody owns
        host1:7000> CLUSTER ADDSLOTSRANGE 0 163
    + assign 164-327 to shard s1 (host2:7000)  # 164 slots that nobody owns
        host2:7000> CLUSTER ADDSLOTSRANGE 164 327
    + assign 328-491 to shard s2 (host3:7000)  # 164 slots that nobody owns
        host3:7000> CLUSTER ADDSLOTSRANGE 328 491
      … and 97 more alike (--commands all shows them)

    + join host1:7000  # not a member yet
        host1:7000> CLUSTER MEET 10.0.0.2 7000
        host1:7000> CLUSTER MEET 10.0.0.14 7000
        host1:7000> CLUSTER MEET 10.0.0.35 7000
        host1:7000> CLUSTER MEET 10.0.0.101 7000
    + join host2:7000  # not a member yet
        host2:7000> CLUSTER MEET 10.0.0.3 7000
        host2:7000> CLUSTER MEET 10.0.0.15 7000
        host2:7000> CLUSTER MEET 10.0.0.36 7000
        host2:7000> CLUSTER MEET 10.0.0.102 7000
    + join host3:7000  # not a member yet
        host3:7000> CLUSTER MEET 10.0.0.4 7000
        host3:7000> CLUSTER MEET 10.0.0.16 7000
        host3:7000> CLUSTER MEET 10.0.0.37 7000
        host3:7000> CLUSTER MEET 10.0.0.103 7000
      … and 197 more alike (--commands all shows them)

    ~ attach host101:7000 to shard s0 (host1:7000)  # it is a primary without slots
        host101:7000> CLUSTER REPLICATE 0001700000000000000000000000000000000000
    ~ attach host102:7000 to shard s1 (host2:7000)  # it is a primary without slots
        host102:7000> CLUSTER REPLICATE 0002700000000000000000000000000000000000
    ~ attach host103:7000 to shard s2 (host3:7000)  # it is a primary without slots
        host103:7000> CLUSTER REPLICATE 0003700000000000000000000000000000000000
      … and 97 more alike (--commands all shows them)

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    ~ restore cluster-node-timeout to 15s on host1:7000  # the declared value; sent even if a step fails
        host1:7000> CONFIG SET cluster-node-timeout 15000
      … and 199 more alike (--commands all shows them)

    Plan: 200 to join, 16384 slots to assign, 0 to move, 100 replicas to attach, 0 to remove.
    "#);
}

#[test]
fn all_commands_are_shown_when_asked_for() {
    let planned = hundred();
    let text = human(&planned.view(Commands::All), Styles::plain());
    let sends = planned
        .plan
        .steps
        .iter()
        .map(|step| step.sends.len())
        .sum::<usize>();
    assert_eq!(text.matches("> C").count(), sends);
    assert!(!text.contains("alike"), "{text}");
    assert!(
        text.contains("\n+ shard s99  16221-16383 (163 slots)\n"),
        "{text}"
    );
}
