//! Colours, JSON, and what must never be printed.

use insta::assert_snapshot;

use crate::base::Secret;
use crate::desired::{SecretSource, Setting};
use crate::view::json::outline;
use crate::view::plan::{human, json};
use crate::view::sample::{World, desired, id, planned, seed, with_option};
use crate::view::{Commands, Styles};

use super::shown;

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
    let text = json(&planned(&desired, &world).view(Commands::Folded));
    assert_snapshot!(outline(&text), @r#"
    absent: ["0002700000000000000000000000000000000000"]
    applying: []
    blocked:
      {"code":"open-slots","evidence":["host1:7000 is giving to host2:7000: slot 5"],"scope":"alone","severity":"blocked","subject":"slot 5","way_out":"Start host2:7000, and plan again. If its shard has another primary by now, it must come back as a replica first.","why":"a move of 1 slot was begun, and can't be finished without host2:7000"}
    cluster: "orders"
    differences:
      {"failure":"unreachable","id":"0002700000000000000000000000000000000000","kind":"down","node":"host2:7000","owns":"none","text":"host2:7000 does not answer (10.0.0.2:7000: connection refused)","tried":["10.0.0.2:7000"],"words":"connection refused"}
      {"have":"15000","id":"0001700000000000000000000000000000000000","kind":"option","node":"host1:7000","option":"cluster-node-timeout","text":"cluster-node-timeout of host1:7000 is 15s, the file says 5s","want":"5000"}
    file: "rcl.yaml"
    format_version: "1.4"
    kind: "plan"
    notes: []
    steps:
      {"action":{"changes":[{"have":"15000","option":"cluster-node-timeout","want":"5000"}],"kind":"configure","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"},"rewrite":true},"after":[],"always":false,"because":[1],"deadline_ms":60000,"id":1,"reason":"cluster-node-timeout is 15s, the file says 5s","required":true,"risk":{"kind":"none"},"sends":[{"command":"CONFIG SET cluster-node-timeout 5000","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"}},{"command":"CONFIG REWRITE","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"}}],"text":"configure host1:7000"}
    summary: "Plan: 0 to join, 0 slots to assign, 0 to move, 0 replicas to attach, 0 to remove, 1 to configure, 1 blocked."
    totals: {"announced":0,"configured":1,"detached":0,"failed_over":0,"forgotten":0,"joins":0,"removed":0,"replicas_attached":0,"slots_assigned":0,"slots_brought_home":0,"slots_closed":0,"slots_given_up":0,"slots_moved":0}
    unserved: "none"
    "#);
}

#[test]
fn each_kind_of_action_as_json() {
    let desired = with_option(
        desired(&[("a", &["host1:7000", "host2:7000"], "auto")]),
        "cluster-node-timeout",
        "15000",
    );
    let text = json(&planned(&desired, &World::blank(&desired)).view(Commands::Folded));
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let steps = read["steps"].as_array().unwrap().iter();
    let actions: Vec<&serde_json::Value> = steps.map(|step| &step["action"]).collect();
    let firsts = actions.chunk_by(|left, right| left["kind"] == right["kind"]);
    let firsts: Vec<String> = firsts.map(|run| run[0].to_string()).collect();
    assert_snapshot!(firsts.join("\n"), @r#"
    {"kind":"hasten","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"},"options":[{"option":"cluster-node-timeout","value":"1000"}]}
    {"epoch":2,"kind":"set_epoch","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"}}
    {"kind":"assign","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"},"shard":"a","slots":"0-16383"}
    {"introducers":[{"address":"10.0.0.2:7000","id":"0002700000000000000000000000000000000000","name":"host2:7000"}],"kind":"join","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"}}
    {"from":null,"kind":"attach","node":{"address":"10.0.0.2:7000","id":"0002700000000000000000000000000000000000","name":"host2:7000"},"primary":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"},"shard":"a"}
    {"kind":"settle","node":null}
    {"kind":"restore","node":{"address":"10.0.0.1:7000","id":"0001700000000000000000000000000000000000","name":"host1:7000"},"options":[{"option":"cluster-node-timeout","value":"15000"}]}
    "#);
}
