//! Which cluster: nodes that answer with another id than the one that the file pins, and what nobody can tell without.

use crate::support::{Recorder, ServerKind, Servers, Shard, Stage, native};

const PINNED: &str = "is pinned to another node id than the one that answers";

/// Two clusters of the same shape, on host1 and host2 and on host3 and host4.
fn twins(kind: ServerKind) -> Stage {
    let stage = Stage::blank(Servers::prepare(kind).grid(4, 1));
    for [primary, replica] in [["host1:7000", "host2:7000"], ["host3:7000", "host4:7000"]] {
        native::form(
            &stage.servers,
            &[Shard::new(primary, &[replica], "0-16383")],
        );
    }
    stage
}

/// The file of the first cluster, pinned or not, as rcl exports it.
#[track_caller]
fn exported(stage: &Stage, flags: &[&str]) -> String {
    let address = stage.servers.address("host1:7000").to_string();
    let mut arguments = vec!["export", &address, "--name", "orders"];
    arguments.extend(flags);
    stage.rcl.run(&arguments).code(0).stdout().to_owned()
}

/// The same file with the addresses of these hosts instead of host1's and host2's.
fn led_to(stage: &Stage, file: &str, hosts: [&str; 2]) -> String {
    let address = |host: &str| stage.servers.host(host).to_string();
    file.lines()
        .map(|line| match line.split_once(": ") {
            Some(("  host1", _)) => format!("  host1: {}\n", address(hosts[0])),
            Some(("  host2", _)) => format!("  host2: {}\n", address(hosts[1])),
            Some(_) | None => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn another_cluster_of_the_same_shape_on_redis() {
    another_cluster_of_the_same_shape(ServerKind::Redis70);
}

#[test]
fn another_cluster_of_the_same_shape_on_valkey() {
    another_cluster_of_the_same_shape(ServerKind::Valkey91);
}

/// All addresses of the file lead to it. Without pins it is the cluster, as the documentation says.
fn another_cluster_of_the_same_shape(kind: ServerKind) {
    let mut stage = twins(kind);
    let bare = exported(&stage, &[]);
    stage.file(&led_to(&stage, &bare, ["host3", "host4"]));
    stage.matches();
    let pinned = exported(&stage, &["--pin-ids"]);
    stage.file(&pinned);
    stage.matches();
    stage.file(&led_to(&stage, &pinned, ["host3", "host4"]));
    let told = stage.refuses(3);
    assert_eq!(told.plan.matches(PINNED).count(), 2, "{}", told.plan);
    assert!(told.drift.contains(PINNED), "{}", told.drift);
    // One of two is enough.
    stage.file(&led_to(&stage, &pinned, ["host1", "host4"]));
    assert_eq!(stage.refuses(3).plan.matches(PINNED).count(), 1);
}

/// The same node, reset to a blank one with another id: joined again without a pin, refused with it.
#[test]
fn a_node_that_came_back_blank() {
    let mut stage = twins(ServerKind::Redis70);
    let pinned = exported(&stage, &["--pin-ids"]);
    stage.file(&pinned);
    let old = stage.servers.id("host2:7000");
    stage.tell("host2:7000", "CLUSTER RESET HARD");
    stage.wait_for_line("host1:7000", &old, "gone", |line| line.has("noaddr"));
    let told = stage.refuses(3);
    assert!(
        told.plan.contains(&format!("host2:7000 {PINNED}")),
        "{}",
        told.plan
    );
}

/// A typo that leads to a blank server.
#[test]
fn an_address_of_a_blank_server() {
    let mut stage = twins(ServerKind::Valkey91);
    let pinned = exported(&stage, &["--pin-ids"]);
    for host in ["host4", "host3"] {
        stage
            .servers
            .ok(&format!("{host}:7000"), &["CLUSTER", "RESET", "HARD"]);
    }
    stage.file(&led_to(&stage, &pinned, ["host1", "host4"]));
    let told = stage.refuses(3);
    assert!(
        told.plan.contains(&format!("host2:7000 {PINNED}")),
        "{}",
        told.plan
    );
}

/// The node is another one by the time that somebody says yes: nothing is sent to it.
#[test]
fn replaced_while_the_plan_is_read() {
    let stage = twins(ServerKind::Redis70);
    let pinned = exported(&stage, &["--pin-ids"]);
    stage.file(&pinned);
    stage.tell("host1:7000", "CONFIG SET cluster-node-timeout 3000");
    stage.tell("host2:7000", "CONFIG SET cluster-node-timeout 3000");
    let mut terminal = stage.rcl.terminal(&["apply"]);
    terminal.expect("Only 'yes' will be accepted: ");
    let old = stage.servers.id("host2:7000");
    stage.tell("host2:7000", "CLUSTER RESET HARD");
    stage.wait_for_line("host1:7000", &old, "gone", |line| line.has("noaddr"));
    let recorder = Recorder::start(&stage.servers);
    terminal.type_line("yes").expect("Nothing was done").code(3);
    recorder.assert_no_writes(&stage.servers);
}

/// After a new cluster was formed, on a terminal only, and not again.
#[test]
fn apply_tells_how_to_pin() {
    let stage = Stage::blank(Servers::prepare(ServerKind::Redis70).grid(2, 1));
    stage.declare(&[Shard::new("host1:7000", &["host2:7000"], "0-16383")]);
    let mut terminal = stage.rcl.terminal(&["apply", "--yes"]);
    terminal.expect("Apply complete!");
    terminal.expect("rcl export --pin-ids ").code(0);
    stage.tell("host1:7000", "CONFIG SET cluster-node-timeout 3000");
    let mut terminal = stage.rcl.terminal(&["apply", "--yes"]);
    terminal.code(0);
    assert!(
        !terminal.plain().contains("--pin-ids"),
        "{}",
        terminal.plain()
    );
}
