//! Options that the file holds on every node: compared by meaning, set, written to disk where there is a file;
//! secrets are set and never shown.

use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge, native};

const SECRET: &str = "s3cret-of-the-masters";

fn pair() -> Vec<Shard> {
    vec![Shard::new("host1:7000", &["host2:7000"], "0-16383")]
}

#[track_caller]
fn option(servers: &Servers, name: &str, option: &str) -> String {
    let reply = servers.call(name, &["CONFIG", "GET", option]);
    reply.array()[1].clone().text()
}

#[track_caller]
fn on_disk(servers: &Servers, name: &str) -> String {
    std::fs::read_to_string(servers.folder(name).join("redis.conf")).expect("its config file")
}

#[track_caller]
fn assert_empty(rcl: &Rcl, servers: &Servers) {
    let recorder = Recorder::start(servers);
    rcl.run(&["plan", "--detailed-exitcode"]).success();
    rcl.run(&["drift"]).success();
    recorder.assert_no_writes(servers);
}

/// A living cluster: other values, the same in other units, one host's own, one that somebody changes.
#[test]
fn options_that_differ() {
    for kind in [ServerKind::Redis62, ServerKind::Valkey91] {
        let servers = Servers::prepare(kind)
            .grid(2, 1)
            .set("cluster-node-timeout", "5000")
            .set("repl-timeout", "60")
            .start();
        native::form(&servers, &pair());
        let (one, two) = (servers.host("host1"), servers.host("host2"));
        let yaml = format!(
            "cluster: orders\nhosts:\n  host1: {{address: {one}, config: {{maxmemory: 8gb}}}}\n  host2: {two}\n\
             config:\n  cluster-node-timeout: 15s\n  repl-timeout: 1m\n  maxmemory-policy: allkeys-lru\n  \
             client-output-buffer-limit: \"replica 512mb 128mb 60\"\n\
             shards:\n  a: {{primary: host1:7000, replicas: [host2:7000]}}\n"
        );
        let rcl = Rcl::new();
        rcl.file("rcl.yaml", &yaml);
        let drift = rcl.run(&["drift"]).code(2);
        assert_eq!(drift.stdout().lines().count(), 7, "{}", drift.stdout());
        rcl.run(&["apply", "--yes"]).code(0);
        assert_empty(&rcl, &servers);
        judge::assert_matches(&servers, &pair());
        for (name, maxmemory) in [("host1:7000", "8589934592"), ("host2:7000", "0")] {
            assert_eq!(option(&servers, name, "cluster-node-timeout"), "15000");
            assert_eq!(option(&servers, name, "maxmemory"), maxmemory);
            assert!(on_disk(&servers, name).contains("\ncluster-node-timeout 15000\n"));
            assert!(on_disk(&servers, name).contains("\nmaxmemory-policy allkeys-lru\n"));
        }
        servers.ok("host2:7000", &["CONFIG", "SET", "repl-timeout", "30"]);
        let recorder = Recorder::start(&servers);
        rcl.run(&["apply", "--yes"]).code(0);
        let writes: Vec<String> = recorder
            .writes(&servers)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            writes,
            [
                "host2:7000 CONFIG SET repl-timeout 60",
                "host2:7000 CONFIG REWRITE"
            ]
        );
    }
}

#[test]
fn nodes_without_a_config_file() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .without_config_file()
        .start();
    let rcl = Rcl::new();
    rcl.file(
        "rcl.yaml",
        &Yaml::new(&servers, &pair()).config("cluster-node-timeout", "15s"),
    );
    let plan = rcl.run(&["plan"]).success();
    let (text, warning) = (plan.stdout(), "it has no config file, a restart loses this");
    assert!(
        !text.contains("REWRITE") && text.contains(warning),
        "{text}"
    );
    let recorder = Recorder::start(&servers);
    rcl.run(&["apply", "--yes"]).code(0);
    assert_eq!(recorder.write_counts(&servers).get("CONFIG REWRITE"), None);
    assert_eq!(
        option(&servers, "host2:7000", "cluster-node-timeout"),
        "15000"
    );
    assert_empty(&rcl, &servers);
}

/// What every server refuses is told once, with the nodes that it is about.
#[test]
fn a_value_that_servers_refuse() {
    let servers = Servers::prepare(ServerKind::Redis70).start();
    native::form(&servers, &Shard::seed());
    let rcl = Rcl::new();
    rcl.file(
        "rcl.yaml",
        &Yaml::seed(&servers).config("maxmemory-policy", "all-keys"),
    );
    let ran = rcl.run(&["apply", "--yes"]).code(1);
    let said = ran.stderr();
    assert_eq!(
        said.matches("CONFIG SET maxmemory-policy").count(),
        2,
        "{said}"
    );
    assert_eq!(said.matches("failed: configure").count(), 1, "{said}");
    let told = said.lines().find(|line| line.contains("the same on"));
    let told = told.expect("the other nodes");
    assert_eq!(told.matches(":70").count(), 5, "{told}");
    assert_eq!(
        ran.stdout().lines().last(),
        Some(
            "rcl.yaml: maxmemory-policy of 6 nodes is noeviction, the file says all-keys: \
             host1:7000, host1:7001, host1:7002, host2:7000, host2:7001, host2:7002"
        )
    );
    // In the plan, in the heading of what is left, and below it.
    assert_eq!(
        ran.stdout().matches("the file says").count(),
        3,
        "{}",
        ran.stdout()
    );
}

/// The secret is on the servers, in their files, and nowhere in what rcl says.
#[test]
fn a_secret_is_set_and_never_shown() {
    for kind in [ServerKind::Redis70, ServerKind::Valkey81] {
        // Somebody must be there who has it: a server without passwords refuses any.
        let servers = Servers::prepare(kind)
            .grid(2, 1)
            .set(
                "user",
                &format!("copier on >{SECRET} +psync +replconf +ping"),
            )
            .start();
        let yaml = Yaml::new(&servers, &pair())
            .config("masteruser", "copier")
            .config("masterauth", "{env: RCL_MASTERAUTH}");
        let rcl = Rcl::new().env("RCL_MASTERAUTH", SECRET);
        rcl.file("rcl.yaml", &yaml);
        let said = everything_said(&rcl);
        assert!(said.contains("CONFIG SET masterauth"), "{said}");
        assert!(!said.contains(SECRET), "{said}");
        judge::assert_matches(&servers, &pair());
        for name in servers.names() {
            assert_eq!(option(&servers, &name, "masterauth"), SECRET);
            assert!(on_disk(&servers, &name).contains(SECRET));
        }
        assert_empty(&rcl, &servers);

        // Another secret on one of them: neither is shown.
        servers.ok(
            "host2:7000",
            &["CONFIG", "SET", "masterauth", "another-s3cret"],
        );
        let said = everything_said(&rcl);
        assert!(said.contains("masterauth"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert_eq!(option(&servers, "host2:7000", "masterauth"), SECRET);

        let unset = Rcl::new();
        unset.file("rcl.yaml", &yaml);
        let ran = unset.run(&["apply", "--yes"]).code(1);
        assert!(ran.stderr().contains("RCL_MASTERAUTH"), "{}", ran.stderr());
    }
}

/// Both streams of every command, on a file that there is something to do for.
fn everything_said(rcl: &Rcl) -> String {
    let runs = [
        (["plan"].as_slice(), 0),
        (&["plan", "--json", "--commands", "all"], 0),
        (&["drift"], 2),
        (&["drift", "-v", "--json"], 2),
        (&["status"], 2),
        (&["status", "--json"], 2),
        (&["check"], 0),
        (&["apply", "--yes", "-v"], 0),
        (&["apply", "--yes", "--json"], 0),
        (&["status", "--json"], 0),
    ];
    let said = runs.into_iter().map(|(arguments, code)| {
        let ran = rcl.run(arguments).code(code);
        format!("{}{}", ran.stdout(), ran.stderr())
    });
    said.collect()
}
