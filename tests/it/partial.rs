//! Half-done clusters that no prefix of native commands gives: replicas at the wrong place, slots that got lost,
//! epochs that are equal. What is repaired, with which commands, and what waits for leave.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use crate::support::redact::Redactions;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge, native, wait};

fn formed(kind: ServerKind) -> (Servers, Rcl) {
    let servers = Servers::prepare(kind)
        .node_timeout_ms(1000)
        .set("cluster-allow-replica-migration", "no")
        .start();
    native::form(&servers, &Shard::seed());
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    rcl.run(&["plan", "--detailed-exitcode"]).success();
    (servers, rcl)
}

/// Applies; exactly these writes are sent, and the seed is whole again.
#[track_caller]
fn assert_repairs(servers: &Servers, rcl: &Rcl, arguments: &[&str], expected: &[(&str, usize)]) {
    let recorder = Recorder::start(servers);
    let mut command = vec!["apply", "--yes"];
    command.extend(arguments);
    rcl.run(&command).code(0);
    let counts: BTreeMap<String, usize> = recorder.write_counts(servers);
    let expected = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    assert_eq!(counts, expected.collect());
    judge::assert_matches(servers, &Shard::seed());
    judge::redis_cli_check(servers.address("host1:7000"));
    rcl.run(&["plan", "--detailed-exitcode"]).success();
}

/// Writes a key into each shard.
#[track_caller]
fn write_keys(servers: &Servers) {
    for (node, key) in [
        ("host1:7000", "b"),
        ("host1:7001", "c"),
        ("host1:7002", "a"),
    ] {
        servers.ok(node, &["SET", key, "value"]);
    }
}

#[track_caller]
fn replicate(servers: &Servers, replica: &str, primary: &str) {
    let id = servers.id(primary);
    servers.ok(replica, &["CLUSTER", "REPLICATE", &id]);
    wait::until(
        &format!("{replica} to replicate {primary} in all views"),
        || {
            for name in servers.names() {
                let lines = judge::cluster_nodes(servers.address(&name));
                let own = servers.id(replica);
                let line = lines.iter().find(|line| line.id == own);
                if line.and_then(|line| line.parent.as_ref()) != Some(&id) {
                    return Err(format!("{name} says {line:?}"));
                }
            }
            let fields = judge::ask(servers.address(replica)).replication;
            match fields.get("master_link_status").map(String::as_str) {
                Some("up") => Ok(()),
                other => Err(format!("link {other:?}")),
            }
        },
    );
}

#[test]
fn replicas_of_the_wrong_primary_on_redis() {
    replicas_of_the_wrong_primary(ServerKind::Redis70);
}

#[test]
fn replicas_of_the_wrong_primary_on_valkey() {
    replicas_of_the_wrong_primary(ServerKind::Valkey91);
}

fn replicas_of_the_wrong_primary(kind: ServerKind) {
    let (servers, rcl) = formed(kind);
    replicate(&servers, "host2:7000", "host1:7001");
    rcl.run(&["drift"]).code(2);
    assert_repairs(&servers, &rcl, &[], &[("CLUSTER REPLICATE", 1)]);

    // Changed places, and now a copy would be lost.
    write_keys(&servers);
    replicate(&servers, "host2:7000", "host1:7001");
    replicate(&servers, "host2:7001", "host1:7000");
    let recorder = Recorder::start(&servers);
    let plan = rcl.run(&["plan"]).code(3);
    let text = Redactions::new(&servers).apply(plan.stdout());
    if kind == ServerKind::Redis70 {
        assert_snapshot!(text, @r#"
        Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, 6 members, Redis 7.0.15

        --- live
        +++ rcl.yaml
          shard a  0-5461 (5462 slots)
        -   replica host2:7001
        +   replica host2:7000
          shard b  5462-10922 (5461 slots)
        -   replica host2:7000
        +   replica host2:7001

        Note: cluster-allow-replica-migration is off at host1:7000, host1:7001, host1:7002, host2:7000 and 2 more, as somebody wants it, or an apply that was killed has left it, and the file doesn't declare it: no apply changes it. Declare it under `config`: the servers' default is `yes`.

        ! attaching host2:7000 to shard a wipes the 1 key that it copies from its present primary
            present primary: host1:7001
            → If that is meant, give leave with --allow resync=host2:7000
        ! attaching host2:7001 to shard b wipes the 1 key that it copies from its present primary
            present primary: host1:7000
            → If that is meant, give leave with --allow resync=host2:7001

        Nothing to do, but 2 blocked. Cluster "orders" does not match rcl.yaml.
        "#);
    }
    for node in ["host2:7000", "host2:7001"] {
        let leave = format!("--allow resync={node}");
        assert!(text.contains(&leave), "no {leave} in\n{text}");
    }
    rcl.run(&["apply", "--yes"]).code(3);
    recorder.assert_no_writes(&servers);
    // Leave for one of them is leave for that one.
    rcl.run(&["apply", "--yes", "--allow", "resync=host2:7000"])
        .code(3);
    let sent = recorder.writes(&servers);
    let to: Vec<&str> = sent.iter().map(|sent| sent.node.as_str()).collect();
    assert_eq!(to, ["host2:7000"]);
    let both = [
        "--allow",
        "resync=host2:7000",
        "--allow",
        "resync=host2:7001",
    ];
    assert_repairs(&servers, &rcl, &both, &[("CLUSTER REPLICATE", 1)]);
    for name in servers.names() {
        let keys = servers.call(&name, &["DBSIZE"]).integer();
        assert_eq!(keys, 1, "{name}");
    }
}

/// Its peers still list it, as a primary without slots; it lists nobody.
#[test]
fn a_replica_that_was_reset() {
    let (servers, rcl) = formed(ServerKind::Redis82);
    let id = servers.id("host2:7001");
    servers.ok("host2:7001", &["CLUSTER", "RESET", "SOFT"]);
    wait::until("its peers to see a primary", || {
        let lines = judge::cluster_nodes(servers.address("host1:7000"));
        let line = lines.into_iter().find(|line| line.id == id);
        match &line {
            Some(found) if !found.is_replica() => Ok(()),
            _ => Err(format!("{line:?}")),
        }
    });
    let expected = [("CLUSTER MEET", 5), ("CLUSTER REPLICATE", 1)];
    assert_repairs(&servers, &rcl, &[], &expected);
}

#[test]
fn slots_that_nobody_owns() {
    let (servers, rcl) = formed(ServerKind::Redis70);
    // The owner and everybody else let go of them.
    for name in servers.names() {
        servers.ok(
            &name,
            &["CLUSTER", "DELSLOTSRANGE", "100", "200", "6000", "6000"],
        );
    }
    rcl.run(&["drift"]).code(3);
    rcl.run(&["plan", "--detailed-exitcode"]).code(2);
    assert_repairs(&servers, &rcl, &[], &[("CLUSTER ADDSLOTSRANGE", 2)]);
}

/// Everyone joined and owning slots at epoch 0: the servers sort it out, rcl waits for them.
#[test]
fn epochs_that_are_equal() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .node_timeout_ms(1000)
        .start();
    let mut steps = native::well_sent(&servers, &Shard::seed(), native::EVERYONE);
    steps.retain(|step| step.argv[1] != "SET-CONFIG-EPOCH");
    native::perform(&servers, &steps);
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::seed(&servers));
    assert_repairs(&servers, &rcl, &[], &[]);
}
