//! How plans read: the first cluster, the grown pair, nothing to do; colours, pipes, and command lines that make
//! no sense.

use insta::assert_snapshot;

use crate::support::rcl::PROGRAM;
use crate::support::redact::Redactions;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, native};

#[test]
fn the_first_cluster() {
    let servers = Servers::start(ServerKind::Redis70, 6);
    let mut redactions = Redactions::new(&servers);
    let rcl = Rcl::new();
    rcl.file("seed.yaml", &Yaml::seed(&servers));
    let plan = rcl.run(&["plan", "seed.yaml"]).success();
    assert_snapshot!(redactions.apply(plan.stdout()), @r#"
    Plan for cluster "orders" from seed.yaml: 6 of 6 declared nodes answer, no cluster yet, Redis 7.0.15

    --- live
    +++ seed.yaml
    + shard a  0-5461 (5462 slots)
    +   primary host1:7000
    +   replica host2:7000
    + shard b  5462-10922 (5461 slots)
    +   primary host1:7001
    +   replica host2:7001
    + shard c  10923-16383 (5461 slots)
    +   primary host1:7002
    +   replica host2:7002

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
        host1:7000> CLUSTER MEET host1 7001
        host1:7000> CLUSTER MEET host1 7002
        host1:7000> CLUSTER MEET host2 7000
    + join host1:7001  # not a member yet
        host1:7001> CLUSTER MEET host1 7002
        host1:7001> CLUSTER MEET host2 7000
        host1:7001> CLUSTER MEET host2 7001
    + join host1:7002  # not a member yet
        host1:7002> CLUSTER MEET host2 7000
        host1:7002> CLUSTER MEET host2 7001
        host1:7002> CLUSTER MEET host2 7002
    + join host2:7000  # not a member yet
        host2:7000> CLUSTER MEET host2 7001
        host2:7000> CLUSTER MEET host2 7002
    + join host2:7001  # not a member yet
        host2:7001> CLUSTER MEET host2 7002
        host2:7001> CLUSTER MEET host1 7000
    + join host2:7002  # not a member yet
        host2:7002> CLUSTER MEET host1 7000
        host2:7002> CLUSTER MEET host1 7001

    ~ attach host2:7000 to shard a (host1:7000)  # it is a primary without slots
        host2:7000> CLUSTER REPLICATE ID1
    ~ attach host2:7001 to shard b (host1:7001)  # it is a primary without slots
        host2:7001> CLUSTER REPLICATE ID2
    ~ attach host2:7002 to shard c (host1:7002)  # it is a primary without slots
        host2:7002> CLUSTER REPLICATE ID3

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 6 to join, 16384 slots to assign, 0 to move, 3 replicas to attach, 0 to remove.
    "#);
}

#[test]
fn nothing_to_do_and_the_grown_pair() {
    let mut servers = Servers::start(ServerKind::Redis70, 6);
    let mut redactions = Redactions::new(&servers);
    let rcl = Rcl::new();
    rcl.file("seed.yaml", &Yaml::seed(&servers));
    native::form(&servers, &Shard::seed());
    let plan = rcl.run(&["plan", "seed.yaml"]).success();
    assert_snapshot!(redactions.apply(plan.stdout()), @r#"No changes. Cluster "orders" matches seed.yaml."#);

    servers.add("host1:7003");
    servers.add("host2:7003");
    rcl.file("seed-grown.yaml", &Yaml::grown(&servers));
    let plan = rcl.run(&["plan", "seed-grown.yaml"]).success();
    assert_snapshot!(redactions.apply(plan.stdout()), @r#"
    Plan for cluster "orders" from seed-grown.yaml: 8 of 8 declared nodes answer, 6 members, Redis 7.0.15

    --- live
    +++ seed-grown.yaml
    + shard d  no slots
    +   primary host1:7003
    +   replica host2:7003

    + join host1:7003  # not a member yet
        host1:7003> CLUSTER MEET host1 7000
        host1:7003> CLUSTER MEET host1 7001
        host1:7003> CLUSTER MEET host1 7002
        host1:7003> CLUSTER MEET host2 7000
        host1:7000> CLUSTER MEET host1 7003
    + join host2:7003  # not a member yet
        host2:7003> CLUSTER MEET host1 7000
        host2:7003> CLUSTER MEET host1 7001
        host2:7003> CLUSTER MEET host1 7002
        host2:7003> CLUSTER MEET host2 7000
        host1:7000> CLUSTER MEET host2 7003

    ~ attach host2:7003 to shard d (host1:7003)  # it is a primary without slots
        host2:7003> CLUSTER REPLICATE ID7

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    Plan: 2 to join, 0 slots to assign, 0 to move, 1 replica to attach, 0 to remove.
    "#);
    let ran = rcl.run(&["apply", "--yes", "seed-grown.yaml"]).code(0);
    let last = ran.stdout().lines().last().unwrap_or_default();
    assert_snapshot!(redactions.apply(last), @"Apply complete! 2 joined, 1 replica attached in [time].");
}

/// An option that differs, and slots by weight: what is folded, and what `--commands all` shows.
#[test]
#[expect(clippy::too_many_lines, reason = "one long snapshot")]
fn folded_and_unfolded() {
    let servers = Servers::prepare(ServerKind::Valkey91).grid(3, 2).start();
    let mut redactions = Redactions::new(&servers);
    let rcl = Rcl::new();
    let hosts: String = servers
        .hosts()
        .iter()
        .map(|(host, address)| format!("  {host}: {{address: {address}, zone: zone-{host}}}\n"))
        .collect();
    let yaml = format!(
        "cluster: orders\nhosts:\n{hosts}config: {{cluster-node-timeout: 15s}}\nshards:\n  \
         a: {{primary: host1:7000, replicas: [host2:7001], weight: 2}}\n  \
         b: {{primary: host2:7000, replicas: [host3:7001]}}\n  \
         c: {{primary: host3:7000, replicas: [host1:7001]}}\n"
    );
    rcl.file("rcl.yaml", &yaml);
    let folded = rcl.run(&["plan"]).success();
    assert_snapshot!(redactions.apply(folded.stdout()), @r#"
    Plan for cluster "orders" from rcl.yaml: 6 of 6 declared nodes answer, no cluster yet, Valkey 9.1.2

    --- live
    +++ rcl.yaml
    + shard a  0-8191 (8192 slots)
    +   primary host1:7000
    +   replica host2:7001
    + shard b  8192-12287 (4096 slots)
    +   primary host2:7000
    +   replica host3:7001
    + shard c  12288-16383 (4096 slots)
    +   primary host3:7000
    +   replica host1:7001

    ~ configure host1:7000  # cluster-node-timeout is 2s, the file says 15s
        host1:7000> CONFIG SET cluster-node-timeout 15000
        host1:7000> CONFIG REWRITE
      … and 5 more alike, for host1:7001, host2:7000, host2:7001, host3:7000, host3:7001 (--commands all shows them)

    ~ lower cluster-node-timeout to 1s on host1:7000  # only while every node is blank, to be quick; not written to disk, restored below
        host1:7000> CONFIG SET cluster-node-timeout 1000
      … and 5 more alike, for host2:7000, host3:7000, host2:7001, host3:7001, host1:7001 (--commands all shows them)

    + give host1:7000 epoch 4  # a new cluster starts with distinct ones
        host1:7000> CLUSTER SET-CONFIG-EPOCH 4
      … and 5 more alike, for host2:7000, host3:7000, host2:7001, host3:7001, host1:7001 (--commands all shows them)

    + assign 0-8191 to shard a (host1:7000)       # 8192 slots that nobody owns
        host1:7000> CLUSTER ADDSLOTSRANGE 0 8191
    + assign 8192-12287 to shard b (host2:7000)   # 4096 slots that nobody owns
        host2:7000> CLUSTER ADDSLOTSRANGE 8192 12287
    + assign 12288-16383 to shard c (host3:7000)  # 4096 slots that nobody owns
        host3:7000> CLUSTER ADDSLOTSRANGE 12288 16383

    + join host1:7000  # not a member yet
        host1:7000> CLUSTER MEET host2 7000
        host1:7000> CLUSTER MEET host3 7000
        host1:7000> CLUSTER MEET host2 7001
    + join host2:7000  # not a member yet
        host2:7000> CLUSTER MEET host3 7000
        host2:7000> CLUSTER MEET host2 7001
        host2:7000> CLUSTER MEET host3 7001
    + join host3:7000  # not a member yet
        host3:7000> CLUSTER MEET host2 7001
        host3:7000> CLUSTER MEET host3 7001
        host3:7000> CLUSTER MEET host1 7001
    + join host2:7001  # not a member yet
        host2:7001> CLUSTER MEET host3 7001
        host2:7001> CLUSTER MEET host1 7001
    + join host3:7001  # not a member yet
        host3:7001> CLUSTER MEET host1 7001
        host3:7001> CLUSTER MEET host1 7000
    + join host1:7001  # not a member yet
        host1:7001> CLUSTER MEET host1 7000
        host1:7001> CLUSTER MEET host2 7000

    ~ attach host2:7001 to shard a (host1:7000)  # it is a primary without slots
        host2:7001> CLUSTER REPLICATE ID1
    ~ attach host3:7001 to shard b (host2:7000)  # it is a primary without slots
        host3:7001> CLUSTER REPLICATE ID3
    ~ attach host1:7001 to shard c (host3:7000)  # it is a primary without slots
        host1:7001> CLUSTER REPLICATE ID5

    = wait until all nodes agree  # on members, roles, links, slots and epochs

    ~ restore cluster-node-timeout to 15s on host1:7000  # the declared value; sent even if a step fails
        host1:7000> CONFIG SET cluster-node-timeout 15000
      … and 5 more alike, for host2:7000, host3:7000, host2:7001, host3:7001, host1:7001 (--commands all shows them)

    Plan: 6 to join, 16384 slots to assign, 0 to move, 3 replicas to attach, 0 to remove, 6 to configure.
    "#);
    let all = rcl.run(&["plan", "--commands", "all"]).success();
    assert!(!all.stdout().contains("--commands all"));
    let restores = all.stdout().matches("\n~ restore ").count();
    assert_eq!(restores, 6, "{}", all.stdout());
}

#[test]
fn colours_only_on_a_terminal() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(1, 2).start();
    let shards = [Shard::new("host1:7000", &["host1:7001"], "0-16383")];
    let yaml = Yaml::new(&servers, &shards);
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &yaml);
    let coloured = |rcl: &Rcl, arguments: &[&str]| {
        let mut terminal = rcl.terminal(arguments);
        terminal.expect("Plan: 2 to join").code(0);
        terminal.raw().contains("\u{1b}[")
    };
    assert!(coloured(&rcl, &["plan"]));
    assert!(!coloured(&rcl, &["plan", "--color", "never"]));
    // The runner itself refuses colours in a pipe.
    let plain = rcl.run(&["plan"]).success();
    let asked = rcl.run(&["plan", "--color", "always"]).success();
    assert!(asked.stdout().contains("\u{1b}["));
    assert_eq!(console::strip_ansi_codes(asked.stdout()), plain.stdout());

    let quiet = Rcl::new().env("NO_COLOR", "1");
    quiet.file("rcl.yaml", &yaml);
    assert!(!coloured(&quiet, &["plan"]));
    assert!(coloured(&quiet, &["plan", "--color", "always"]));
    let empty = Rcl::new().env("NO_COLOR", "");
    empty.file("rcl.yaml", &yaml);
    assert!(coloured(&empty, &["plan"]));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(1, 2).start();
    let shards = [Shard::new("host1:7000", &["host1:7001"], "0-16383")];
    let shell = Rcl::with_program("/bin/bash");
    shell.file("rcl.yaml", &Yaml::new(&servers, &shards));
    for (command, code) in [
        ("plan", 0),
        ("plan --json", 0),
        ("status", 2),
        ("drift", 2),
        ("apply --yes --json", 0),
        ("plan", 0),
        ("status", 0),
    ] {
        for reader in ["head -1", "true"] {
            let line = format!("{PROGRAM} {command} | {reader}; exit ${{PIPESTATUS[0]}}");
            let ran = shell.run(&["-c", &line]).code(code);
            assert_eq!(ran.stderr(), "", "{line}");
        }
    }
    let ran = shell
        .run(&["-c", &format!("{PROGRAM} plan > /dev/full")])
        .code(1);
    assert!(ran.stderr().contains("No space left"), "{}", ran.stderr());
}

#[test]
fn command_lines_that_make_no_sense() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(1, 2).start();
    let shards = [Shard::new("host1:7000", &["host1:7001"], "0-16383")];
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::new(&servers, &shards));
    let recorder = Recorder::start(&servers);
    for (arguments, word) in [
        (["aply", "--yes"].as_slice(), "aply"),
        (&["apply", "--force"], "--force"),
        (&["apply", "--yes", "rcl.yaml", "other.yaml"], "other.yaml"),
        (&["apply", "--yes", "--allow", "resync"], "resync=NODE"),
        (
            &["apply", "--yes", "--allow", "remove=host1:7001"],
            "take it out of the file first",
        ),
        (
            &["apply", "--yes", "--allow", "resync=host9:7000"],
            "host9:7000",
        ),
        (&["plan", "--color", "sometimes"], "sometimes"),
        (&["drift", "--timeout", "soon"], "soon"),
        (&[], "Usage: rcl"),
    ] {
        let ran = rcl.run(arguments).code(64);
        assert!(
            ran.stderr().contains(word),
            "{arguments:?}: {}",
            ran.stderr()
        );
        assert_eq!(ran.stdout(), "");
    }
    for (file, word) in [("none.yaml", "none.yaml"), (".", "directory")] {
        let ran = rcl.run(&["apply", "--yes", file]).code(1);
        assert!(ran.stderr().contains(word), "{}", ran.stderr());
    }
    recorder.assert_no_writes(&servers);
}
