//! The journal of an apply: what the servers saw is in it, whatever ends the run, and no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::hostile::{Answer, Hostile};
use crate::support::kind::on_path;
use crate::support::rcl::PROGRAM;
use crate::support::recorder::Sent;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, Stage, judge};

const CANARY: &str = "hunter2canary";

fn pair() -> Vec<Shard> {
    // Without a replica: a primary without a password refuses one that has a password for it.
    vec![
        Shard::new("host1:7000", &[], "0-8191"),
        Shard::new("host2:7000", &[], "8192-16383"),
    ]
}

fn blank_pair() -> (Servers, Rcl) {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .node_timeout_ms(1000)
        .start();
    let rcl = Rcl::new().env("RCL_MASTERAUTH", CANARY);
    let yaml = Yaml::new(&servers, &pair()).config("masterauth", "{env: RCL_MASTERAUTH}");
    rcl.file("rcl.yaml", &yaml);
    (servers, rcl)
}

#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// `host1:7000 CLUSTER MEET …`, sorted.
fn sent(lines: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sent = of_kind(lines, "sent").into_iter();
    let mut sent: Vec<String> = sent
        .map(|line| format!("{} {}", text(&line["node"]["name"]), text(&line["command"])))
        .collect();
    sent.sort();
    sent
}

fn seen(recorder: &Recorder, servers: &Servers) -> Vec<String> {
    let writes = recorder.writes(servers);
    let mut seen: Vec<String> = writes
        .iter()
        .map(|write| write.to_string().replace("(redacted)", "********"))
        .collect();
    seen.sort();
    seen
}

#[test]
fn holds_all_that_the_servers_saw() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    rcl.run(&["apply", "--yes", "--journal", "journal.jsonl"])
        .code(0);
    let text = fs::read_to_string(rcl.path("journal.jsonl")).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    let first = lines(&text);
    assert_eq!(sent(&first), seen(&recorder, &servers));
    assert_eq!(first[0]["kind"], "journal_start");
    assert_eq!(first[0]["arguments"][1], "--yes");
    let last = first.last().unwrap();
    assert_eq!(
        (&last["kind"], &last["exit"]),
        (&Value::from("journal_end"), &Value::from(0))
    );
    let numbers = |kind: &str| -> BTreeSet<u64> {
        let of_kind = of_kind(&first, kind).into_iter();
        of_kind.filter_map(|line| line["number"].as_u64()).collect()
    };
    assert_eq!(numbers("sent"), numbers("answered"));
    assert_eq!(numbers("sent").len(), sent(&first).len());
    for line in of_kind(&first, "answered") {
        assert_eq!(line["reply"], "OK", "{line}");
    }
    let steps = first[0]["steps"].as_array().unwrap().len();
    assert_eq!(of_kind(&first, "step_ended").len(), steps);
    let mode = fs::metadata(rcl.path("journal.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Nothing to do is nothing to write; what is done next comes behind.
    rcl.run(&["apply", "--yes", "--journal", "journal.jsonl"])
        .success();
    assert_eq!(fs::read_to_string(rcl.path("journal.jsonl")).unwrap(), text);
    servers.ok("host1:7000", &["CONFIG", "SET", "masterauth", "other"]);
    rcl.run(&["apply", "--yes", "--journal", "journal.jsonl"])
        .code(0);
    let both = fs::read_to_string(rcl.path("journal.jsonl")).unwrap();
    let both = lines(both.strip_prefix(&text).expect("the first run stays"));
    assert_eq!(sent(&both)[0], "host1:7000 CONFIG REWRITE");
    assert_ne!(both[0]["run"], first[0]["run"]);
}

/// Each kind of line has the members that the page shows.
#[track_caller]
fn assert_the_page_shows(text: &str) {
    let page = fs::read_to_string("docs/journal.md").unwrap();
    let shown: String = page
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| format!("{line}\n"))
        .collect();
    let members = |text: &str| {
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in lines(text) {
            let kind = line["kind"].as_str().unwrap_or_default().to_owned();
            let keys = line
                .as_object()
                .into_iter()
                .flat_map(|line| line.keys().cloned());
            members.entry(kind).or_default().extend(keys);
        }
        members
    };
    assert_eq!(members(&shown), members(text));
}

#[test]
fn a_killed_run_leaves_a_true_record() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    let mut apply = rcl.start(&["apply", "--yes", "-v", "--journal", "journal.jsonl"]);
    apply.expect("join host1:7000");
    apply.kill();
    let text = fs::read_to_string(rcl.path("journal.jsonl")).unwrap();
    let told = sent(&lines(&text));
    for write in seen(&recorder, &servers) {
        assert!(told.contains(&write), "{write} is not in\n{text}");
    }
    assert!(!text.contains("journal_end"));
    rcl.run_again(&["apply", "--yes", "--journal", "journal.jsonl"]);
    judge::assert_matches(&servers, &pair());
}

#[test]
fn without_a_journal_nothing_is_sent() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    for (path, words) in [
        ("/dev/full", "No space left on device"),
        ("nowhere/journal.jsonl", "No such file or directory"),
    ] {
        let ran = rcl.run(&["apply", "--yes", "--journal", path]).code(1);
        let said = ran.stderr();
        let expected = format!("error: the journal {path} can't be written: {words}");
        assert!(
            said.contains(&expected) && said.ends_with("Nothing was done.\n"),
            "{said}"
        );
    }
    // It is there before anybody is asked, and stays empty when nobody says yes.
    rcl.run(&["apply", "--journal", "journal.jsonl"]).code(3);
    assert_eq!(fs::read(rcl.path("journal.jsonl")).unwrap(), b"");
    recorder.assert_no_writes(&servers);
}

/// As on a disk that gets full: the file may not grow beyond some bytes.
#[test]
fn a_journal_that_gets_full_stops_the_run() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    let folder = rcl.folder().display().to_string();
    let shell = Rcl::with_program(on_path("sh").unwrap()).env("RCL_MASTERAUTH", CANARY);
    let script = format!(
        "cd {folder}; trap '' XFSZ; ulimit -f 5; exec {PROGRAM} apply --yes --journal journal.jsonl"
    );
    let ran = shell.run(&["-c", &script]).code(1);
    let said = ran.stderr();
    assert!(
        said.contains("error: the journal journal.jsonl can't be written any more: File too large"),
        "{said}"
    );
    let text = fs::read_to_string(rcl.path("journal.jsonl")).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let told = sent(&lines(whole));
    assert!(!told.is_empty());
    for write in seen(&recorder, &servers) {
        assert!(told.contains(&write), "{write} is not in\n{text}");
    }
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}

/// A command without the names of keys and what a slow log leaves out of long ones.
fn in_short(sent: &Sent) -> String {
    let argv: Vec<&str> = sent.argv.iter().map(String::as_str).collect();
    match argv.as_slice() {
        ["MIGRATE", ip, port, ..] => format!("{} MIGRATE {ip} {port}", sent.node),
        _ => sent.to_string(),
    }
}

/// Those that change something, sorted. What servers send each other while slots move is not rcl's, nor is what the
/// test has written.
fn writes(all: Vec<Sent>) -> Vec<String> {
    let others = [
        "CLUSTER SYNCSLOTS",
        "DEL",
        "RESTORE-ASKING",
        "SET",
        "UNLINK",
    ];
    let own = |sent: &&Sent| sent.is_write() && !others.contains(&sent.name().as_str());
    let mut writes: Vec<String> = all.iter().filter(own).map(in_short).collect();
    writes.sort();
    writes
}

#[test]
fn holds_moves_failovers_and_removals_on_redis_7_0() {
    holds_moves_failovers_and_removals(ServerKind::Redis70, "CLUSTER SETSLOT");
}

#[test]
fn holds_moves_failovers_and_removals_on_valkey_9_1() {
    holds_moves_failovers_and_removals(ServerKind::Valkey91, "CLUSTER MIGRATESLOTS");
}

/// Slots move between two shards, the first gets its primary back, and the third leaves: all in one run.
fn holds_moves_failovers_and_removals(kind: ServerKind, moved_by: &str) {
    let stage = Stage::seed(Servers::prepare(kind));
    for node in ["host1:7000", "host1:7001", "host1:7002"] {
        stage.write_keys(node, 50);
    }
    let shards = [
        Shard::new("host2:7000", &["host1:7000"], "0-8000"),
        Shard::new("host1:7001", &["host2:7001"], "8001-16383"),
    ];
    let yaml = Yaml::new(&stage.servers, &shards);
    stage.file(&format!("{yaml}policy: {{prune: true, failback: true}}\n"));
    let recorder = Recorder::start(&stage.servers);
    let leave = ["--allow=remove=host1:7002", "--allow=remove=host2:7002"];
    let apply = [
        "apply",
        "--yes",
        "--journal",
        "journal.jsonl",
        leave[0],
        leave[1],
    ];
    stage.rcl.run(&apply).code(0);
    let text = fs::read_to_string(stage.rcl.path("journal.jsonl")).unwrap();
    let names = stage.servers.names();
    let at = |address: &Value| {
        let mut names = names.iter();
        let name = names.find(|name| stage.servers.address(name).to_string() == *address);
        name.expect("a node of the test").clone()
    };
    let told = lines(&text);
    let told = of_kind(&told, "sent").into_iter().map(|line| Sent {
        node: at(&line["node"]["address"]),
        argv: line["command"]
            .as_str()
            .unwrap()
            .split(' ')
            .map(str::to_owned)
            .collect(),
        client: String::new(),
    });
    let told = writes(told.collect());
    for words in [
        moved_by,
        "CLUSTER FAILOVER",
        "CLUSTER RESET HARD",
        "CLUSTER FORGET",
        "CONFIG SET",
    ] {
        let some = told.iter().any(|line| line.contains(words));
        assert!(some, "no {words} among {} lines", told.len());
    }
    let seen = writes(recorder.commands(&stage.servers));
    let differing = told.iter().zip(&seen).find(|(told, seen)| told != seen);
    assert_eq!(differing, None);
    assert_eq!(told.len(), seen.len());
}

/// A server that refuses, and one that says nothing any more.
#[test]
fn holds_what_went_wrong() {
    let (servers, rcl) = blank_pair();
    let conf = servers.folder("host2:7000").join("redis.conf");
    fs::remove_file(&conf).unwrap();
    fs::create_dir(&conf).unwrap();
    rcl.run(&["apply", "--yes", "--journal", "refused.jsonl"])
        .code(1);
    let of_refused = fs::read_to_string(rcl.path("refused.jsonl")).unwrap();
    let refused = lines(&of_refused);
    let answered = of_kind(&refused, "answered");
    let refusal = answered.iter().find(|line| line["refusal"].is_string());
    let refusal = refusal.expect("a line with the server's words");
    assert_eq!(refusal["node"]["name"], "host2:7000");
    assert!(
        refusal["refusal"]
            .as_str()
            .unwrap()
            .starts_with("ERR Rewriting config file"),
        "{refusal}"
    );

    let silent = Hostile::before(servers.address("host1:7000"), |command| {
        let rewrite = command == ["CONFIG", "REWRITE"];
        rewrite.then(|| Answer::ThenSilence(Vec::new()))
    });
    let real = servers.address("host1:7000");
    let node = format!("{{at: \"{}\", announce: \"{real}\"}}", silent.address);
    let file = fs::read_to_string(rcl.path("rcl.yaml")).unwrap();
    rcl.file(
        "rcl.yaml",
        &file.replace("primary: host1:7000", &format!("primary: {node}")),
    );
    servers.ok("host1:7000", &["CONFIG", "SET", "masterauth", "other"]);
    rcl.run(&["apply", "--yes", "--journal", "silent.jsonl"])
        .code(1);
    let of_silent = fs::read_to_string(rcl.path("silent.jsonl")).unwrap();
    let silent = lines(&of_silent);
    let answered = of_kind(&silent, "answered");
    let no_answer = answered.iter().find(|line| line["no_answer"].is_string());
    let no_answer = no_answer.expect("a line without an answer");
    assert_eq!(no_answer["command"], Value::Null);
    let words = no_answer["no_answer"].as_str().unwrap();
    assert!(words.starts_with("no answer within "), "{words}");
    assert_the_page_shows(&(of_refused + &of_silent));
}
