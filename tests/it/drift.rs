//! Drift as cron runs it: silent when all is well, one line a difference, the worst of several files, in time,
//! and never a write.

use insta::assert_snapshot;

use crate::support::shapes::{Difference, DriftDocument, ErrorDocument, parse};
use crate::support::yaml::Yaml;
use crate::support::{Recorder, ServerKind, Servers, Shard, Stage, wait};

#[test]
fn one_line_a_difference() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    let recorder = Recorder::start(&stage.servers);
    assert_eq!(stage.run(&["drift"], 0), "");
    recorder.assert_no_writes(&stage.servers);
    let id = stage.servers.id("host2:7001");
    stage.tell("host2:7001", "CONFIG SET cluster-announce-ip 127.0.0.1");
    stage.wait_for_all(&id, "elsewhere", |line| line.address == "127.0.0.1:7001");
    stage.tell_everyone("CLUSTER DELSLOTSRANGE 0 99");
    stage.tell("host2:7002", "CONFIG SET maxmemory-samples 9");
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    stage.file(&Yaml::grown(&stage.servers).config("maxmemory-samples", "5"));
    let recorder = Recorder::start(&stage.servers);
    let text = stage.run(&["drift"], 3);
    assert_snapshot!(text, @"
    rcl.yaml: outage: nobody serves slots 0-99: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
    rcl.yaml: host1:7003 is not a member
    rcl.yaml: host2:7003 is not a member
    rcl.yaml: host2:7001 is announced as 127.0.0.1:7001, not host2:7001
    rcl.yaml: maxmemory-samples of host2:7002 is 9, the file says 5
    rcl.yaml: slots 0-99 have no owner (shard a)
    rcl.yaml: host2:7003 is a primary without slots, the file makes it a replica of shard d
    ");
    let ran = stage.rcl.run(&["drift", "--json"]).code(3);
    assert_eq!(ran.stdout().lines().count(), 1, "{}", ran.stdout());
    let json: DriftDocument = parse(ran.stdout());
    assert!(!json.matches);
    // And the line of the outage.
    assert_eq!(json.differences.len() + 1, text.lines().count());
    assert_eq!(json.unserved, "0-99");
    assert!(json.blocked.is_empty());
    recorder.assert_no_writes(&stage.servers);
}

/// Two shards with each other's ranges, and with keys to lose.
fn crossed(stage: &Stage) -> Yaml {
    for node in ["host1:7000", "host1:7001"] {
        stage.write_keys(node, 2);
    }
    let mut moved = Shard::seed();
    (moved[0].slots, moved[1].slots) = (vec![(5462, 10922)], vec![(0, 5461)]);
    Yaml::new(&stage.servers, &moved)
}

/// Each exit code alone, and the worst of several.
#[test]
fn several_files() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let blocked = crossed(&stage);
    let seed = Yaml::seed(&stage.servers);
    for (name, content) in [
        ("fine.yaml", seed.to_string()),
        (
            "pending.yaml",
            seed.config("maxmemory-samples", "7").to_string(),
        ),
        ("blocked.yaml", blocked.to_string()),
        ("mistaken.yaml", "cluster: orders\n".to_owned()),
    ] {
        stage.rcl.file(name, &content);
    }
    let recorder = Recorder::start(&stage.servers);
    for (files, code) in [
        ("fine", 0),
        ("pending", 2),
        ("blocked", 3),
        ("mistaken", 1),
        ("missing", 1),
        ("fine pending", 2),
        ("pending blocked fine", 3),
        ("blocked mistaken pending", 1),
    ] {
        let files: Vec<String> = files
            .split(' ')
            .map(|name| format!("{name}.yaml"))
            .collect();
        let mut arguments = vec!["drift"];
        arguments.extend(files.iter().map(String::as_str));
        stage.run(&arguments, code);
    }
    let all = [
        "drift",
        "pending.yaml",
        "fine.yaml",
        "blocked.yaml",
        "missing.yaml",
    ];
    let ran = stage.rcl.run(&all).code(1);
    assert_snapshot!(stage.redact(ran.stdout()), @"
    pending.yaml: maxmemory-samples of host1:7000 is 5, the file says 7
    pending.yaml: maxmemory-samples of host1:7001 is 5, the file says 7
    pending.yaml: maxmemory-samples of host1:7002 is 5, the file says 7
    pending.yaml: maxmemory-samples of host2:7000 is 5, the file says 7
    pending.yaml: maxmemory-samples of host2:7001 is 5, the file says 7
    pending.yaml: maxmemory-samples of host2:7002 is 5, the file says 7
    blocked.yaml: blocked: shard a is served by host1:7001, which the file declares in another shard; once it has handed over, moving it there wipes its copy of 2 keys (its id is ID2)
    blocked.yaml: blocked: shard b is served by host1:7000, which the file declares in another shard; once it has handed over, moving it there wipes its copy of 2 keys (its id is ID1)
    ");
    assert_snapshot!(ran.stderr(), @"
    error: missing.yaml can't be read: No such file or directory (os error 2)
      → Name the file, or set RCL_FILE; without either it is rcl.yaml.
    ");
    let ran = stage
        .rcl
        .run(&["drift", "--json", "fine.yaml", "blocked.yaml"])
        .code(3);
    let files: Vec<DriftDocument> = ran.stdout().lines().map(parse).collect();
    let found: Vec<(&str, bool, usize)> = files
        .iter()
        .map(|file| (file.file.as_str(), file.matches, file.blocked.len()))
        .collect();
    assert_eq!(found, [("fine.yaml", true, 0), ("blocked.yaml", false, 2)]);
    recorder.assert_no_writes(&stage.servers);
}

/// A link that is down is no change to be made: somebody has to see to it. A password that the primary
/// doesn't take keeps it down before any copy begins.
#[test]
fn a_link_is_down() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.tell("host2:7001", "CONFIG SET masterauth wrong");
    stage
        .servers
        .call("host1:7001", &["CLIENT", "KILL", "TYPE", "replica"]);
    wait::until("the link to be down", || {
        let info = stage
            .servers
            .call("host2:7001", &["INFO", "replication"])
            .text();
        let down = info.contains("master_link_status:down");
        down.then_some(()).ok_or(info)
    });
    stage.file(&Yaml::seed(&stage.servers).config("maxmemory-samples", "7"));
    stage.tell_everyone("CONFIG SET maxmemory-samples 7");
    assert_snapshot!(stage.run(&["drift"], 3), @"rcl.yaml: host2:7001 has no link to its primary host1:7001");
    let ran = stage.rcl.run(&["drift", "--json"]).code(3);
    let json: DriftDocument = parse(ran.stdout());
    assert!(
        matches!(json.differences.as_slice(), [Difference::LinkDown { .. }]),
        "{json:?}"
    );
    stage.tell("host1:7001", "CONFIG SET maxmemory-samples 6");
    assert_eq!(stage.run(&["drift"], 3).lines().count(), 2);
    stage
        .servers
        .ok("host2:7001", &["CONFIG", "SET", "masterauth", ""]);
    stage.wait_for_link("host2:7001");
    stage.run(&["drift"], 2);
}

/// The limit is for each file: what can be told of the others is told.
#[test]
fn out_of_time() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.servers.pause("host2:7001");
    stage.rcl.file("empty.yaml", &"");
    let limited = ["drift", "--timeout", "700ms", "rcl.yaml", "empty.yaml"];
    let ran = stage.rcl.run(&limited).code(1);
    assert_eq!(ran.stdout(), "");
    assert_snapshot!(ran.stderr(), @"
    rcl.yaml: nothing could be told within 700ms: no answer from host2:7001
    error: the file is empty
     --> empty.yaml:1:1
      |
    1 |
      | ^
      |
      = help: write `cluster: NAME` on the first line, then `hosts:` and `shards:`
    ");
    // Programs get a line for each file too.
    let mut for_programs = limited.to_vec();
    for_programs.push("--json");
    let ran = stage.rcl.run(&for_programs).code(1);
    let lines: Vec<ErrorDocument> = ran.stdout().lines().map(parse).collect();
    let told: Vec<(&str, &str, usize)> = lines
        .iter()
        .map(|line| (line.file.as_str(), line.error.as_str(), line.findings.len()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "rcl.yaml",
                "nothing could be told within 700ms: no answer from host2:7001",
                0
            ),
            ("empty.yaml", "empty.yaml has mistakes", 1),
        ]
    );
    let refused = stage.rcl.run(&["drift", "--timeout", "soon"]).code(64);
    assert_snapshot!(refused.stderr(), @"
    error: invalid value 'soon' for '--timeout <TIME>': expected number at 0

    For more information, try '--help'.
    ");
}

/// Where the file is comes from the command line, from the environment, or is rcl.yaml.
#[test]
fn which_file() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70).grid(2, 3));
    stage.rcl.file(
        "other.yaml",
        &Yaml::seed(&stage.servers).config("maxmemory-samples", "7"),
    );
    assert_eq!(stage.run(&["drift"], 0), "");
    let text = stage.run(&["drift", "other.yaml"], 2);
    assert_eq!(text.lines().count(), 6);
    assert!(
        text.lines()
            .all(|line| line.starts_with("other.yaml: maxmemory-samples of ")),
        "{text}"
    );
}
