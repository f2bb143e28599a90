//! A live cluster as a file: for every shape of cluster its plan is empty, and what is wrong is said.

use crate::support::yaml::Yaml;
use crate::support::{Recorder, ServerKind, Servers, Shard, Stage, judge, native, wait};

/// Exports by way of a node, and checks the file offline. Nothing is written to any server.
#[track_caller]
fn export(stage: &mut Stage, node: &str, flags: &[&str], code: i32) -> (String, String) {
    let recorder = Recorder::start(&stage.servers);
    let address = stage.servers.address(node).to_string();
    let mut arguments = vec!["export", &address, "--name", "orders"];
    arguments.extend(flags);
    let ran = stage.rcl.run(&arguments).code(code);
    stage.rcl.file("exported.yaml", &ran.stdout());
    stage.rcl.run(&["check", "exported.yaml"]).code(0);
    recorder.assert_no_writes(&stage.servers);
    let said = stage.redact(ran.stderr());
    (ran.stdout().to_owned(), said)
}

/// The same of a healthy cluster: the plan of the file is empty.
#[track_caller]
fn round_trip(stage: &mut Stage, node: &str, flags: &[&str]) -> String {
    let (file, said) = export(stage, node, flags, 0);
    let waited = "Waiting for the nodes to agree …\n";
    assert_eq!(said.strip_prefix(waited).unwrap_or(&said), "");
    let plan = ["plan", "--detailed-exitcode", "exported.yaml"];
    stage.rcl.run(&plan).code(0);
    assert_eq!(
        stage.rcl.run(&["drift", "exported.yaml"]).code(0).stdout(),
        ""
    );
    file
}

/// Without the comments.
fn body(file: &str) -> String {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_seed_on_redis_6_2() {
    the_seed(ServerKind::Redis62);
}

#[test]
fn the_seed_on_redis_7_0() {
    the_seed(ServerKind::Redis70);
}

#[test]
fn the_seed_on_redis_8_2() {
    the_seed(ServerKind::Redis82);
}

#[test]
fn the_seed_on_valkey_8_1() {
    the_seed(ServerKind::Valkey81);
}

#[test]
fn the_seed_on_valkey_9_1() {
    the_seed(ServerKind::Valkey91);
}

/// Formed by rcl from a file, exported, and the same file again; pinned too, and after an option was set.
fn the_seed(kind: ServerKind) {
    let mut stage = Stage::blank(Servers::prepare(kind));
    stage.file(&Yaml::seed(&stage.servers));
    stage.rcl.run(&["apply", "--yes"]).code(0);
    stage.tell_everyone("CONFIG SET cluster-migration-barrier 3");
    let file = round_trip(&mut stage, "host2:7001", &[]);
    let shards: Vec<&str> = file.lines().skip_while(|line| *line != "shards:").collect();
    assert_eq!(
        shards.join("\n"),
        "shards:\n  \
         a: {primary: host1:7000, replicas: [host2:7000], slots: 0-5461}\n  \
         b: {primary: host1:7001, replicas: [host2:7001], slots: 5462-10922}\n  \
         c: {primary: host1:7002, replicas: [host2:7002], slots: 10923-16383}"
    );
    for line in [
        "  cluster-migration-barrier: 3",
        "  cluster-node-timeout: 1s",
        "cluster: orders",
    ] {
        assert!(file.lines().any(|other| other == line), "{file}");
    }
    let pinned = round_trip(&mut stage, "host1:7000", &["--pin-ids"]);
    for name in stage.servers.names() {
        let id = stage.servers.id(&name);
        assert!(
            pinned.contains(&format!("{{at: {name}, id: {id}}}")),
            "{pinned}"
        );
    }
}

/// What a blank server has is what rcl takes for the default: nothing of it is written.
#[test]
fn defaults_of_all_versions() {
    for kind in ServerKind::ALL {
        let launch = Servers::prepare(kind).grid(2, 1).server_defaults();
        let mut stage = Stage::on(launch.start());
        native::form(
            &stage.servers,
            &[Shard::new("host1:7000", &["host2:7000"], "0-16383")],
        );
        let file = round_trip(&mut stage, "host1:7000", &[]);
        let options: Vec<&str> = file
            .lines()
            .skip_while(|line| *line != "config:")
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            .collect();
        assert_eq!(options, ["  cluster-node-timeout: 15s"], "{kind:?}");
    }
}

/// Uneven, in fragments, with a primary that has no slots and one that has two replicas.
#[test]
fn an_odd_layout() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey91] {
        let mut stage = Stage::blank(Servers::prepare(kind).grid(3, 3));
        let fragments = (0..100).map(|slot| slot * 2).map(|slot| slot.to_string());
        let odd: Vec<String> = fragments.collect();
        let rest: Vec<String> = (0..99).map(|slot| (slot * 2 + 1).to_string()).collect();
        let shards = [
            Shard::new("host1:7000", &["host2:7000", "host3:7000"], &odd.join(",")),
            Shard::new(
                "host2:7001",
                &["host1:7001", "host3:7001"],
                &format!("{},199-16000", rest.join(",")),
            ),
            Shard::new("host3:7002", &["host1:7002"], "16001-16383"),
        ];
        native::form(&stage.servers, &shards);
        stage.join("host2:7002", "host1:7000");
        let file = round_trip(&mut stage, "host1:7002", &[]);
        assert!(
            file.contains("d: {primary: host2:7002, slots: none}"),
            "{file}"
        );
        assert!(
            file.contains("      - host2:7000\n      - host3:7000\n"),
            "{file}"
        );
    }
}

/// Roles as they are now, not as they were declared.
#[test]
fn after_a_failover() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.tell("host2:7001", "CLUSTER FAILOVER");
    stage.wait_for_promotion("host2:7001");
    stage.wait_for_link("host1:7001");
    let file = round_trip(&mut stage, "host1:7000", &[]);
    assert!(
        file.contains("  b: {primary: host2:7001, replicas: [host1:7001], slots: 5462-10922}\n"),
        "{file}"
    );
}

#[test]
fn ipv6_on_one_host() {
    let launch = Servers::prepare(ServerKind::Redis70).on("::1", 4);
    let mut stage = Stage::blank(launch);
    let names = stage.servers.names();
    let shards = [
        Shard::new(&names[0], &[&names[1]], "0-8191"),
        Shard::new(&names[2], &[], "8192-12287"),
        Shard::new(&names[3], &[], "12288-16383"),
    ];
    native::form(&stage.servers, &shards);
    let file = round_trip(&mut stage, &names[2], &[]);
    assert!(file.contains("hosts:\n  host1: \"::1\"\n"), "{file}");
    assert!(file.ends_with("policy:\n  replicas_apart: off\n"), "{file}");
    assert!(file.contains("# host1:"), "{file}");
}

/// What peers and clients are told beside where rcl dials, and a host that is called by it.
#[test]
fn announced_names_and_ports() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey91] {
        let mut stage = Stage::blank(Servers::prepare(kind).grid(2, 1));
        let one = stage.servers.host("host1").to_string();
        let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
        native::form(&stage.servers, &shards);
        stage.tell(
            "host1:7000",
            "CONFIG SET cluster-announce-hostname a1.example.net",
        );
        wait::until("host2 to hear of the name", || {
            let nodes = stage
                .servers
                .call("host2:7000", &["CLUSTER", "NODES"])
                .text();
            let heard = nodes.contains(",a1.example.net ");
            heard.then_some(()).ok_or(nodes)
        });
        let file = round_trip(&mut stage, "host2:7000", &[]);
        assert!(
            file.contains(&format!("  a1.example.net: {one}\n")),
            "{file}"
        );
        assert!(
            file.contains("primary: {at: a1.example.net:7000, hostname: a1.example.net}"),
            "{file}"
        );
    }
}

/// Options that differ: between hosts they are the hosts', within one they are left out.
#[test]
fn options_of_hosts() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    for port in [7000, 7001, 7002] {
        stage.tell(
            &format!("host2:{port}"),
            "CONFIG SET cluster-migration-barrier 7",
        );
    }
    stage.tell("host1:7001", "CONFIG SET cluster-allow-reads-when-down yes");
    let file = round_trip(&mut stage, "host1:7000", &[]);
    let two = stage.servers.host("host2");
    let line = format!("  host2: {{address: {two}, config: {{cluster-migration-barrier: 7}}}}\n");
    assert!(file.contains(&line), "{file}");
    assert!(
        file.contains("# cluster-allow-reads-when-down is left out for host1: its nodes have different values.\n"),
        "{file}"
    );
}

#[test]
fn zones_come_from_valkey() {
    let mut stage = Stage::blank(Servers::prepare(ServerKind::Valkey91).grid(2, 1));
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    native::form(&stage.servers, &shards);
    let without = round_trip(&mut stage, "host1:7000", &[]);
    assert!(
        without.contains("# Servers don't tell the zones of hosts"),
        "{without}"
    );
    stage.tell("host1:7000", "CONFIG SET availability-zone rack-a");
    let file = round_trip(&mut stage, "host1:7000", &[]);
    let one = stage.servers.host("host1");
    assert!(
        file.contains(&format!("  host1: {{address: {one}, zone: rack-a}}\n")),
        "{file}"
    );
}

/// A member that is down stands in the file all the same; its comment and exit code 3 say so.
#[test]
fn a_member_is_down() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let healthy = body(&round_trip(&mut stage, "host1:7000", &[]));
    let id = stage.servers.id("host2:7002");
    stage.servers.kill("host2:7002");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    let (file, said) = export(&mut stage, "host1:7000", &[], 3);
    assert_eq!(body(&file), healthy);
    insta::assert_snapshot!(said, @r#"
    ! Something is wrong with the cluster:
        host2:7002 does not answer: Connection refused (os error 111)
    "#);
    assert!(
        file.contains("# Something is wrong with the cluster:\n#   "),
        "{file}"
    );
}

#[test]
fn slots_without_owner_and_open_ones() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.tell_everyone("CLUSTER DELSLOTSRANGE 100 199");
    let target = stage.servers.id("host1:7001");
    stage.tell(
        "host1:7000",
        &format!("CLUSTER SETSLOT 7 MIGRATING {target}"),
    );
    let (file, said) = export(&mut stage, "host2:7000", &[], 3);
    assert!(file.contains("slots: 0-5461"), "{file}");
    insta::assert_snapshot!(said, @r#"
    ! Something is wrong with the cluster:
        slots 100-199 have no owner
        1 slot is open: a move was begun and not finished (host1:7000 is giving to host1:7001: 7)
        cluster_state is not ok on host1:7000, host1:7001, host1:7002, host2:7000, host2:7001 and 1 more
        slots 100-199 have no owner; the file gives them to shard a.
    "#);
}

/// A ghost has no place in a file.
#[test]
fn a_ghost() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let id = stage.servers.id("host2:7002");
    stage.tell("host2:7002", "CLUSTER RESET HARD");
    for name in [
        "host1:7000",
        "host1:7001",
        "host1:7002",
        "host2:7000",
        "host2:7001",
    ] {
        stage.wait_for_line(name, &id, "without an address", |line| line.has("noaddr"));
    }
    let (file, said) = export(&mut stage, "host1:7000", &[], 3);
    assert!(
        file.contains("  c: {primary: host1:7002, slots: 10923-16383}\n"),
        "{file}"
    );
    insta::assert_snapshot!(said, @r#"
    ! Something is wrong with the cluster:
        ID6 does not answer: its peers have no address for it
        ID6 is left out: its peers have no address for it, so it is a ghost of a node that was reset, or came back as another.
    "#);
}

#[test]
fn nothing_to_export() {
    let mut stage = Stage::blank(Servers::prepare(ServerKind::Redis70).grid(2, 1));
    let blank = stage.servers.address("host1:7000").to_string();
    let ran = stage.rcl.run(&["export", &blank]).code(1);
    assert_eq!(ran.stdout(), "");
    let said = stage.redact(ran.stderr());
    stage.servers.kill("host1:7000");
    let ran = stage.rcl.run(&["export", &blank]).code(1);
    assert_eq!(ran.stdout(), "");
    let silent = stage.redact(ran.stderr());
    let ran = stage.rcl.run(&["export", "nonsense"]).code(1);
    insta::assert_snapshot!(format!("{said}{silent}{}", ran.stderr()), @r#"
    error: host1:7000 can't be exported: it is blank: it knows no other node and owns no slot, so there is no cluster yet
      it is in no cluster: ask another node, if it should be
    error: host1:7000 can't be exported: nobody answers there
      host1:7000 does not answer: Connection refused (os error 111)
    error: "nonsense" is no address: write host:port, such as 10.0.0.1:7000
    "#);
}

#[test]
fn what_was_formed_can_be_formed_again() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    let file = round_trip(&mut stage, "host1:7000", &[]);
    // The same servers, blank again, from the exported file.
    for name in stage.servers.names() {
        stage.servers.ok(&name, &["CLUSTER", "RESET", "HARD"]);
    }
    wait::until("all to be blank", || {
        let known = stage
            .servers
            .names()
            .into_iter()
            .map(|name| judge::cluster_nodes(stage.servers.address(&name)).len());
        let known: Vec<usize> = known.collect();
        known
            .iter()
            .all(|count| *count == 1)
            .then_some(())
            .ok_or(format!("{known:?}"))
    });
    stage.rcl.run(&["apply", "--yes", "exported.yaml"]).code(0);
    judge::wait_until_matches(&stage.servers, &Shard::seed());
    assert_eq!(
        body(&round_trip(&mut stage, "host2:7002", &[])),
        body(&file)
    );
}
