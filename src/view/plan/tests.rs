//! What plans look like, made by the real planner.

use insta::assert_snapshot;

use crate::view::sample::{Planned, World, desired, id, planned, planned_with, seed, with_option};
use crate::view::{Commands, Styles};

use crate::base::Secret;
use crate::desired::{SecretSource, Setting};

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

    ~ lower cluster-node-timeout to 1000 on host1:7000  # only while every node is blank, to be quick; not written to disk, restored below
        host1:7000> CONFIG SET cluster-node-timeout 1000
      … and 5 more alike, for host1:7001, host1:7002, host2:7000, host2:7001, host2:7002 (--commands all shows them)

    + give host1:7000 epoch 1  # a new cluster starts with distinct ones
        host1:7000> CLUSTER SET-CONFIG-EPOCH 1
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

    ~ restore cluster-node-timeout to 15000 on host1:7000  # the declared value; sent even if a step fails
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
        → Check the address of host3:7002 in the file. If what it holds may go, empty it yourself (FLUSHALL, CLUSTER RESET HARD on that node) and plan again.

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

    ~ lower cluster-node-timeout to 1000 on host1:7000  # only while every node is blank, to be quick; not written to disk, restored below
        host1:7000> CONFIG SET cluster-node-timeout 1000
      … and 199 more alike (--commands all shows them)

    + give host1:7000 epoch 1  # a new cluster starts with distinct ones
        host1:7000> CLUSTER SET-CONFIG-EPOCH 1
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

    ~ restore cluster-node-timeout to 15000 on host1:7000  # the declared value; sent even if a step fails
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

#[test]
fn what_servers_say_is_not_obeyed() {
    let desired = with_option(seed(), "cluster-announce-human-nodename", "x");
    let mut world = World::formed(&desired);
    world.set_all(|server| {
        let option = "cluster-announce-human-nodename".to_owned();
        server
            .options
            .insert(option, "\u{1b}[2J\nPlan: 0".to_owned());
    });
    let planned = planned(&desired, &world);
    for styles in [Styles::plain(), Styles::coloured()] {
        let text = human(&planned.view(Commands::All), styles);
        assert!(text.contains("\\u{1b}[2J\\nPlan: 0"), "{text}");
        let stripped = console::strip_ansi_codes(&text);
        assert!(
            stripped.chars().all(|c| c == '\n' || !c.is_control()),
            "{text}"
        );
    }
    let read: serde_json::Value =
        serde_json::from_str(&json(&planned.view(Commands::Folded))).unwrap();
    assert_eq!(read["differences"][0]["have"], "\u{1b}[2J\nPlan: 0");
}

#[test]
fn colours_say_what_signs_say() {
    let desired = seed();
    let mut world = World::formed(&desired);
    world.set("host2:7001", |server| {
        server.replica_of = Some("host1:7000".to_owned());
    });
    let text = human(
        &planned(&desired, &world).view(Commands::Folded),
        Styles::coloured(),
    );
    let visible = text.replace('\u{1b}', "^");
    assert_snapshot!(visible, @r#"
    ^[1mPlan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15^[0m

    ^[31m--- live^[0m
    ^[32m+++ rcl.yaml^[0m
      shard a  0-5461 (5462 slots)
    ^[31m-   replica host2:7001^[0m
      shard b  5462-10922 (5461 slots)
    ^[32m+   replica host2:7001^[0m

    ^[31m^[1m! ^[0mattaching host2:7001 to shard b wipes the 400 keys that it copies from its present primary
        present primary: host1:7000
    ^[36m    → ^[0mIf that is meant, give leave with --allow resync=host2:7001

    ^[1mNothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.^[0m
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
    assert_snapshot!(question(&planned(&desired, &world).plan), @r#"Apply these changes to cluster "orders" (2 nodes)? Only 'yes' will be accepted:"#);

    world.set("host1:7000", |server| {
        server.open = format!("[5->-{}]", id("host1:7001"))
    });
    assert_snapshot!(summary(&planned(&desired, &world).plan, "rcl.yaml"), @"Plan: 0 to join, 1 slot to assign, 0 to move, 1 replica to attach, 0 to remove, 1 blocked.");

    let mut broken = World::formed(&desired);
    broken.set("host2:7001", |server| server.up = false);
    broken.set("host2:7002", |server| server.link_up = false);
    assert_snapshot!(summary(&planned(&desired, &broken).plan, "rcl.yaml"), @r#"Nothing to do, but host2:7001 does not answer; host2:7002 has no link to its primary. Cluster "orders" does not match rcl.yaml."#);
}

#[test]
fn a_secret_is_told_from_another_and_never_shown() {
    let mut desired = seed();
    for node in desired.nodes.values_mut() {
        let value = Some(Secret::new("hunter2".to_owned()));
        let source = SecretSource::Env("RCL_MASTERAUTH".to_owned());
        node.config
            .insert("masterauth".to_owned(), Setting::Secret { source, value });
    }
    let mut world = World::formed(&desired);
    world.set_all(|server| {
        server
            .options
            .insert("masterauth".to_owned(), "open-sesame".to_owned());
    });
    let planned = planned(&desired, &world);
    let text = shown(&planned);
    assert_snapshot!(text, @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

    ~ configure host1:7000  # masterauth is another secret than the file's
        host1:7000> CONFIG SET masterauth ********
        host1:7000> CONFIG REWRITE
      … and 5 more alike, for host1:7001, host1:7002, host2:7000, host2:7001, host2:7002 (--commands all shows them)

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 0 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 6 to configure.
    "#);
    for text in [text, json(&planned.view(Commands::All))] {
        assert!(
            !text.contains("hunter2") && !text.contains("open-sesame"),
            "{text}"
        );
        assert!(text.contains("CONFIG SET masterauth ********"), "{text}");
    }
}

#[expect(clippy::too_many_lines, reason = "one long snapshot")]
#[test]
fn the_same_values_as_json() {
    let desired = with_option(
        desired(&[("a", &["host1:7000", "host2:7000"], "0-16383")]),
        "cluster-node-timeout",
        "5000",
    );
    let mut world = World::formed(&desired);
    world.set("host2:7000", |server| server.up = false);
    world.set("host1:7000", |server| {
        server.open = format!("[5->-{}]", id("host2:7000"))
    });
    assert_snapshot!(json(&planned(&desired, &world).view(Commands::Folded)), @r#"
    {
      "format_version": "1.0",
      "kind": "plan",
      "cluster": "orders",
      "file": "rcl.yaml",
      "summary": "Plan: 0 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 1 to configure, 1 blocked.",
      "totals": {
        "joins": 0,
        "slots_assigned": 0,
        "slots_moved": 0,
        "replicas_attached": 0,
        "removed": 0,
        "announced": 0,
        "configured": 1
      },
      "differences": [
        {
          "text": "host2:7000 does not answer (10.0.0.2:7000: connection refused)",
          "kind": "down",
          "node": "host2:7000",
          "id": "0002700000000000000000000000000000000000",
          "tried": [
            "10.0.0.2:7000"
          ],
          "failure": "unreachable",
          "words": "connection refused"
        },
        {
          "text": "cluster-node-timeout of host1:7000 is 15000, the file says 5000",
          "kind": "option",
          "node": "host1:7000",
          "id": "0001700000000000000000000000000000000000",
          "option": "cluster-node-timeout",
          "have": "15000",
          "want": "5000"
        }
      ],
      "blocked": [
        {
          "code": "open-slots",
          "severity": "blocked",
          "subject": "slots 5",
          "why": "a move of 1 slot was begun and not finished; finishing a move is not supported yet",
          "evidence": [
            "host1:7000 is giving to host2:7000: 5"
          ],
          "way_out": "Finish or close the move with the tool that began it.",
          "scope": "alone"
        }
      ],
      "notes": [],
      "steps": [
        {
          "id": 1,
          "text": "configure host1:7000",
          "reason": "cluster-node-timeout is 15000, the file says 5000",
          "action": {
            "kind": "configure",
            "node": {
              "id": "0001700000000000000000000000000000000000",
              "name": "host1:7000",
              "address": "10.0.0.1:7000"
            },
            "changes": [
              {
                "option": "cluster-node-timeout",
                "have": "15000",
                "want": "5000"
              }
            ],
            "rewrite": true
          },
          "because": [
            1
          ],
          "after": [],
          "sends": [
            {
              "node": {
                "id": "0001700000000000000000000000000000000000",
                "name": "host1:7000",
                "address": "10.0.0.1:7000"
              },
              "command": "CONFIG SET cluster-node-timeout 5000"
            },
            {
              "node": {
                "id": "0001700000000000000000000000000000000000",
                "name": "host1:7000",
                "address": "10.0.0.1:7000"
              },
              "command": "CONFIG REWRITE"
            }
          ],
          "deadline_ms": 60000,
          "risk": {
            "kind": "none"
          },
          "required": true,
          "always": false
        }
      ],
      "absent": [
        "0002700000000000000000000000000000000000"
      ]
    }
    "#);
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
