//! Saved plans: carried out as they were shown or not at all, and refused when anything about them is strange.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::support::kind::on_path;
use crate::support::rcl::PROGRAM;
use crate::support::redact::Redactions;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge, native, wait};

fn pair() -> Vec<Shard> {
    vec![Shard::new("host1:7000", &["host2:7000"], "0-16383")]
}

fn blank_pair() -> (Servers, Rcl) {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .node_timeout_ms(1000)
        .start();
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::new(&servers, &pair()));
    (servers, rcl)
}

/// A cluster of which one option is to be changed.
fn drifted_pair() -> (Servers, Rcl) {
    drifted(&pair())
}

fn drifted(shards: &[Shard]) -> (Servers, Rcl) {
    let (servers, rcl) = blank_pair();
    native::form(&servers, shards);
    rcl.file(
        "rcl.yaml",
        &Yaml::new(&servers, shards).config("cluster-node-timeout", "3s"),
    );
    (servers, rcl)
}

/// Two primaries.
fn halves() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &[], "0-8191"),
        Shard::new("host2:7000", &[], "8192-16383"),
    ]
}

#[track_caller]
fn save(rcl: &Rcl) {
    let saved = rcl.run(&["plan", "--out", "plan.json"]).code(0);
    assert_eq!(
        saved.stderr(),
        "Saved to plan.json. `rcl apply plan.json` carries out exactly this, or nothing.\n"
    );
}

/// Exit code 3, and nothing was sent. What was said.
#[track_caller]
fn refused(servers: &Servers, rcl: &Rcl) -> String {
    let recorder = Recorder::start(servers);
    let plan = rcl.run(&["plan", "plan.json"]).code(3);
    let apply = rcl.run(&["apply", "--yes", "plan.json"]).code(3);
    recorder.assert_no_writes(servers);
    assert_eq!(plan.stderr(), apply.stderr());
    assert_eq!(apply.stdout(), "");
    let json = rcl.run(&["apply", "--yes", "--json", "plan.json"]).code(3);
    let error: serde_json::Value = serde_json::from_str(json.stdout()).unwrap();
    assert_eq!(error["kind"], "error");
    Redactions::new(servers).apply(apply.stderr())
}

#[test]
fn what_was_shown_is_what_is_done() {
    let (servers, rcl) = blank_pair();
    save(&rcl);
    let mode = fs::metadata(rcl.path("plan.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = rcl.run(&["plan"]).success();
    let shown_again = rcl.run(&["plan", "plan.json"]).success();
    assert_eq!(shown.stdout(), shown_again.stdout());
    rcl.run(&["drift", "plan.json"]).code(1);
    let asked = rcl.run(&["apply", "plan.json"]).code(3);
    assert!(asked.stderr().contains("no terminal to ask on"));
    let usage = [
        "apply",
        "--yes",
        "plan.json",
        "--allow",
        "resync=host2:7000",
    ];
    rcl.run(&usage).code(64);
    let applied = rcl.run(&["apply", "--yes", "plan.json"]).code(0);
    assert!(applied.stdout().starts_with(shown.stdout()));
    judge::assert_matches(&servers, &pair());
    let said = refused(&servers, &rcl);
    assert!(
        said.contains("host1:7000 owned no slots, now it owns 0-16383 (16384 slots)\n"),
        "{said}"
    );
    assert!(
        said.contains(
            "host2:7000 was a primary without slots, now it is a replica of host1:7000\n"
        ),
        "{said}"
    );
    assert!(
        said.ends_with(
            "Nothing was done; run `rcl plan --out plan.json rcl.yaml` to save a new plan.\n"
        ),
        "{said}"
    );
}

#[test]
fn what_changes_by_itself_is_no_change() {
    let (servers, rcl) = drifted_pair();
    save(&rcl);
    for number in 0..20 {
        servers.ok("host1:7000", &["SET", &format!("key{number}"), "value"]);
    }
    wait::until("the replica to have the keys", || {
        match servers.call("host2:7000", &["DBSIZE"]).integer() {
            20 => Ok(()),
            other => Err(other.to_string()),
        }
    });
    let from_elsewhere = rcl.path("plan.json").display().to_string();
    rcl.run(&["apply", "--yes", &from_elsewhere]).code(0);
    judge::assert_matches(&servers, &pair());
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");
}

#[test]
fn a_failover_in_between() {
    let (servers, rcl) = drifted_pair();
    save(&rcl);
    servers.ok("host2:7000", &["CLUSTER", "FAILOVER"]);
    let swapped = [Shard::new("host2:7000", &["host1:7000"], "0-16383")];
    wait::until("the replica to take over", || {
        let differences = judge::differences(&servers, &swapped);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(differences.join("\n")),
        }
    });
    let said = refused(&servers, &rcl);
    let (first, rest) = said.split_once('\n').unwrap();
    assert!(
        first.starts_with("error: plan.json no longer holds: it was saved at "),
        "{first}"
    );
    let mut changes: Vec<&str> = rest.lines().collect();
    changes.sort_unstable();
    assert_snapshot!(changes.join("\n"), @"
      host1:7000 was the primary of shard a, now it is a replica of host2:7000
      host2:7000 was a replica of host1:7000, now it is the primary of shard a
    Nothing was done; run `rcl plan --out plan.json rcl.yaml` to save a new plan.
    ");
}

#[test]
fn an_option_a_node_and_the_file_in_between() {
    let (mut servers, rcl) = drifted_pair();
    save(&rcl);
    servers.ok(
        "host2:7000",
        &["CONFIG", "SET", "cluster-node-timeout", "3000"],
    );
    let said = refused(&servers, &rcl);
    let change = "\n  cluster-node-timeout of host2:7000 was \"1000\", now it is \"3000\"\n";
    assert!(said.contains(change), "{said}");
    save(&rcl);
    servers.kill("host2:7000");
    let said = refused(&servers, &rcl);
    assert!(
        said.contains("\n  host2:7000 answered, now it doesn't\n"),
        "{said}"
    );
    servers.restart("host2:7000");
    let yaml = fs::read_to_string(rcl.path("rcl.yaml")).unwrap();
    rcl.file("rcl.yaml", &format!("{yaml}# a remark\n"));
    let said = refused(&servers, &rcl);
    assert!(said.contains("\n  rcl.yaml has changed\n"), "{said}");
    fs::remove_file(rcl.path("rcl.yaml")).unwrap();
    let gone = rcl.run(&["apply", "--yes", "plan.json"]).code(1);
    assert!(
        gone.stderr().contains("rcl.yaml can't be read"),
        "{}",
        gone.stderr()
    );
}

/// What a person marks by hand between the plan and its apply.
#[test]
fn a_slot_opened_in_between() {
    let (servers, rcl) = drifted(&halves());
    save(&rcl);
    let giver = servers.id("host1:7000");
    let import = ["CLUSTER", "SETSLOT", "5", "IMPORTING", giver.as_str()];
    servers.ok("host2:7000", &import);
    let said = refused(&servers, &rcl);
    assert!(
        said.contains("\n  host2:7000 has other slots open for a move than before\n"),
        "{said}"
    );
    servers.ok("host2:7000", &["CLUSTER", "SETSLOT", "5", "STABLE"]);
    rcl.run(&["apply", "--yes", "plan.json"]).code(0);
    judge::assert_matches(&servers, &halves());
}

/// A file is no leave to lose data: it is said again where it is done.
#[test]
fn data_is_given_up_by_name_only() {
    let thirds = [
        Shard::new("host1:7000", &[], "0-5461"),
        Shard::new("host2:7000", &[], "5462-10922"),
        Shard::new("host3:7000", &[], "10923-16383"),
    ];
    let mut servers = Servers::prepare(ServerKind::Redis70)
        .grid(3, 1)
        .node_timeout_ms(1000)
        .start();
    native::form(&servers, &thirds);
    let lost = servers.id("host1:7000");
    servers.kill("host1:7000");
    wait::until("the others to give it up", || {
        let failed = ["host2:7000", "host3:7000"].map(|node| {
            let lines = judge::cluster_nodes(servers.address(node));
            lines.iter().any(|line| line.id == lost && line.has("fail"))
        });
        (failed == [true; 2])
            .then_some(())
            .ok_or(format!("{failed:?}"))
    });
    let mut halves = thirds[1..].to_vec();
    halves[0].slots = vec![(0, 10922)];
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::new(&servers, &halves));
    let leave = format!("lose-data={lost}");
    let planned = rcl.run(&["plan", "--allow", &leave, "--out", "plan.json"]);
    planned.code(0);
    let recorder = Recorder::start(&servers);
    let unsaid = rcl.run(&["apply", "--yes", "plan.json"]).code(3);
    assert_eq!(unsaid.stdout(), "");
    assert_eq!(
        unsaid.stderr(),
        format!(
            "error: plan.json gives up data for good (--allow {leave}), and a file alone is no leave for that. Nothing was done; if it is meant, run `rcl apply --allow {leave} plan.json`.\n"
        )
    );
    let json = rcl.run(&["apply", "--yes", "--json", "plan.json"]).code(3);
    let error: serde_json::Value = serde_json::from_str(json.stdout()).unwrap();
    assert_eq!(error["kind"], "error");
    let other = ["apply", "--yes", "plan.json", "--allow", "lose-data=other"];
    rcl.run(&other).code(64);
    recorder.assert_no_writes(&servers);
    rcl.run(&["plan", "plan.json"]).code(0);
    let said = ["apply", "--yes", "--allow", &leave, "plan.json"];
    rcl.run(&said).code(0);
    let owner = judge::cluster_nodes(servers.address("host3:7000"));
    let owner = owner.iter().find(|line| line.slots == [(0, 10922)]);
    assert_eq!(
        owner.map(|line| line.id.clone()),
        Some(servers.id("host2:7000"))
    );
}

/// A plan that somebody wrote over by hand is another plan.
#[test]
fn steps_that_were_written_over() {
    let (servers, rcl) = drifted_pair();
    save(&rcl);
    let text = fs::read_to_string(rcl.path("plan.json")).unwrap();
    rcl.file(
        "plan.json",
        &text.replace("cluster-node-timeout 3000", "cluster-node-timeout 9000"),
    );
    let said = refused(&servers, &rcl);
    assert!(said.contains("no longer holds"), "{said}");
}

#[test]
fn files_that_are_no_plans() {
    let (servers, rcl) = drifted_pair();
    save(&rcl);
    let text = fs::read_to_string(rcl.path("plan.json")).unwrap();
    let printed = rcl.run(&["plan", "--json"]).success();
    let head = "{\"format_version\": \"1.0\", ";
    let version = env!("CARGO_PKG_VERSION");
    let deep = format!("{head}\"kind\": {}", "[".repeat(100_000));
    let recorder = Recorder::start(&servers);
    for (content, why) in [
        (text[..text.len() / 2].to_owned(), "it ends too early"),
        (head.to_owned(), "it ends too early"),
        (
            text.replacen("\"1.0\"", "\"2.0\"", 1),
            "it has format version \"2.0\", and this rcl reads \"1.0\"",
        ),
        (
            text.replacen(&format!("\"rcl\": \"{version}\""), "\"rcl\": \"0.0.9\"", 1),
            "it was made by rcl 0.0.9, and this is rcl ",
        ),
        (
            text.replacen("\"cluster\":", "\"hidden\": 1, \"cluster\":", 1),
            "unknown field `hidden`",
        ),
        (
            text.replacen("saved_plan", "saved_song", 1),
            "its kind is \"saved_song\"",
        ),
        (
            text.replacen("\"allow\": []", "\"allow\": [\"everything\"]", 1),
            "its leave makes no sense",
        ),
        (
            text.replacen("\"role\": \"primary\"", "\"role\": \"\\u001b[2J\"", 1),
            "it is damaged",
        ),
        (
            printed.stdout().to_owned(),
            "it is what `rcl plan --json` prints",
        ),
        (
            format!("{head}\"kind\": \"saved_plan\"}}"),
            "it is damaged (missing field",
        ),
        (
            format!("{text}{}", " ".repeat(17 << 20)),
            "it has more than 16 MiB",
        ),
        (deep, "it is damaged"),
    ] {
        rcl.file("plan.json", &content);
        let ran = rcl.run(&["apply", "--yes", "plan.json"]).code(1);
        let said = ran.stderr();
        assert!(
            said.starts_with("error: plan.json can't be used as a saved plan: "),
            "{said}"
        );
        assert!(
            said.contains(why) && said.lines().count() == 1,
            "{why}: {said}"
        );
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    fs::write(
        rcl.path("plan.json"),
        [head.as_bytes(), b"\xff\xfe"].concat(),
    )
    .unwrap();
    let ran = rcl.run(&["apply", "--yes", "plan.json"]).code(1);
    assert!(ran.stderr().contains("it is not UTF-8"), "{}", ran.stderr());
    recorder.assert_no_writes(&servers);
}

#[test]
fn secrets_stay_out_and_are_filled_in_again() {
    const CANARY: &str = "hunter2canary";
    let (servers, rcl) = blank_pair();
    native::form(&servers, &pair());
    rcl.file(
        "rcl.yaml",
        &Yaml::new(&servers, &pair()).config("masterauth", "{env: RCL_MASTERAUTH}"),
    );
    let rcl = rcl.env("RCL_MASTERAUTH", CANARY);
    save(&rcl);
    let text = fs::read_to_string(rcl.path("plan.json")).unwrap();
    assert!(
        !text.contains(CANARY) && text.contains("masterauth ********"),
        "{text}"
    );
    rcl.run(&["apply", "--yes", "plan.json"]).code(0);
    let set = servers
        .call("host2:7000", &["CONFIG", "GET", "masterauth"])
        .array();
    assert_eq!(
        set.into_iter().nth(1).map(|value| value.text()).as_deref(),
        Some(CANARY)
    );
}

/// As on a full disk: a file may not grow beyond some bytes.
#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let (_servers, rcl) = drifted_pair();
    save(&rcl);
    let before = fs::read(rcl.path("plan.json")).unwrap();
    let shell = Rcl::with_program(on_path("sh").unwrap());
    let folder = rcl.folder().display().to_string();
    let script =
        format!("cd {folder}; trap '' XFSZ; ulimit -f 1; exec {PROGRAM} plan --out plan.json");
    let full = shell.run(&["-c", &script]).code(1);
    let said = full.stderr();
    assert!(
        said.starts_with("error: the plan can't be saved to plan.json: File too large"),
        "{said}"
    );
    assert_eq!(fs::read(rcl.path("plan.json")).unwrap(), before);
    for path in ["/dev/full", "nowhere/plan.json", "."] {
        let ran = rcl.run(&["plan", "--out", path]).code(1);
        let said = ran.stderr();
        assert!(
            said.starts_with(&format!("error: the plan can't be saved to {path}: ")),
            "{said}"
        );
    }
    let mut left: Vec<_> = fs::read_dir(rcl.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["plan.json", "rcl.yaml"]);
}
