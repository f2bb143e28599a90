//! The JSON of plan, apply and drift, read back by shapes that know every field and no other, and compared with
//! what the text says and with what was sent.

use std::collections::BTreeMap;

use crate::support::shapes::{
    Action, Apply, Difference, DriftDocument, ErrorDocument, FORMAT_VERSION, Line, PlanDocument,
    Totals, parse,
};
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

/// The first cluster with an option to configure and addresses to announce: every kind of step.
#[test]
fn of_the_first_cluster() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .without_announce()
        .start();
    let rcl = Rcl::new();
    rcl.file(
        "rcl.yaml",
        &Yaml::seed(&servers).config("cluster-node-timeout", "3s"),
    );
    let output = rcl.run(&["plan", "--json"]).success();
    let plan: PlanDocument = parse(output.stdout());
    assert_plan(&plan, &rcl);
    assert_kinds(
        &plan,
        &[
            ("announce", 6),
            ("assign", 3),
            ("attach", 3),
            ("configure", 6),
            ("hasten", 6),
            ("join", 6),
            ("restore", 6),
            ("set_epoch", 6),
            ("settle", 1),
        ],
    );
    let drift = rcl.run(&["drift", "--json"]).code(2);
    let drift: DriftDocument = parse(drift.stdout());
    assert_eq!((drift.kind.as_str(), drift.matches), ("drift", false));
    assert_eq!(drift.differences, plan.differences);

    let recorder = Recorder::start(&servers);
    let ran = rcl.run(&["apply", "--yes", "--json"]).success();
    judge::assert_matches(&servers, &Shard::seed());
    assert_documented(ran.stdout());
    let apply = Apply::parse(ran.stdout());
    assert_eq!(apply.plan, plan);
    assert_lines(&apply, &recorder, &servers);
    let left = apply.left.expect("what is left");
    assert!(left.matches && left.differences.is_empty() && left.blocked.is_empty());
    let drift = rcl.run(&["drift", "--json"]).success();
    assert_eq!(parse::<DriftDocument>(drift.stdout()), left);
}

#[track_caller]
fn assert_plan(plan: &PlanDocument, rcl: &Rcl) {
    let expected = (FORMAT_VERSION, "plan", "orders", "rcl.yaml");
    let have = (
        &*plan.format_version,
        &*plan.kind,
        &*plan.cluster,
        &*plan.file,
    );
    assert_eq!(have, expected);
    let text = rcl.run(&["plan", "--commands", "all"]).success();
    assert_eq!(text.stdout().lines().last(), Some(plan.summary.as_str()));
    let totals = Totals {
        joins: 6,
        slots_assigned: 16384,
        replicas_attached: 3,
        announced: 6,
        configured: 6,
        ..Totals::default()
    };
    assert_eq!(plan.totals, totals);
    assert!(plan.blocked.is_empty() && plan.absent.is_empty());
    for (number, step) in (1..).zip(&plan.steps) {
        assert_eq!(step.id, number);
        assert!(
            step.after.iter().all(|before| *before < step.id),
            "{step:?}"
        );
        assert!(step.deadline_ms >= 10_000, "{step:?}");
        assert!(text.stdout().contains(&step.text), "{step:?}");
        for send in &step.sends {
            let name = send.node.name.as_deref().expect("a declared node");
            let line = format!("\n    {name}> {}\n", send.command);
            assert!(text.stdout().contains(&line), "{send:?}");
        }
    }
    let because: usize = plan.steps.iter().map(|step| step.because.len()).sum();
    assert_eq!(
        because,
        plan.differences.len(),
        "each is removed by one step"
    );
}

#[track_caller]
fn assert_kinds(plan: &PlanDocument, expected: &[(&str, usize)]) {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &plan.steps {
        let kind = match &step.action {
            Action::Configure { .. } => "configure",
            Action::Announce { .. } => "announce",
            Action::Hasten { .. } => "hasten",
            Action::SetEpoch { .. } => "set_epoch",
            Action::Assign { .. } => "assign",
            Action::Join { .. } => "join",
            Action::Attach { .. } => "attach",
            Action::Detach { .. } => "detach",
            Action::FailOver { .. } => "fail_over",
            Action::Pin { .. } => "pin",
            Action::Unpin { .. } => "unpin",
            Action::Remove { .. } => "remove",
            Action::Forget { .. } => "forget",
            Action::Watch { .. } => "watch",
            Action::Settle { .. } => "settle",
            Action::Restore { .. } => "restore",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

/// The lines tell every command of the plan, once, as the servers saw it.
#[track_caller]
fn assert_lines(apply: &Apply, recorder: &Recorder, servers: &Servers) {
    let mut told = Vec::new();
    let (mut started, mut ended) = (0, 0);
    for line in &apply.lines {
        match line {
            Line::ApplyStart { steps, .. } => assert_eq!(*steps, apply.plan.steps.len()),
            Line::StepStarted { .. } => started += 1,
            Line::StepCalming { .. } => panic!("no shard fails over"),
            Line::Command {
                node,
                command,
                reply,
                ..
            } => {
                assert_eq!(reply.as_deref(), Some("OK"), "{line:?}");
                let name = node.name.as_deref().unwrap_or_default();
                told.push(format!("{name} {command}"));
            }
            Line::StepEnded { end, took_ms, .. } => {
                assert!(end == "done" && took_ms.is_some(), "{line:?}");
                ended += 1;
            }
            Line::ApplyStopping { .. } => panic!("nothing stopped it"),
            Line::ApplyEnded {
                complete,
                totals,
                done,
                ..
            } => {
                assert!(*complete);
                assert_eq!(
                    (totals, *done),
                    (&apply.plan.totals, apply.plan.steps.len())
                );
            }
        }
    }
    assert_eq!(
        (started, ended),
        (apply.plan.steps.len(), apply.plan.steps.len())
    );
    let planned = apply.plan.steps.iter().flat_map(|step| &step.sends);
    let mut planned: Vec<String> = planned
        .map(|send| {
            format!(
                "{} {}",
                send.node.name.as_deref().unwrap_or_default(),
                send.command
            )
        })
        .collect();
    let mut sent: Vec<String> = recorder
        .writes(servers)
        .iter()
        .map(ToString::to_string)
        .collect();
    for list in [&mut told, &mut planned, &mut sent] {
        list.sort();
    }
    assert_eq!(told, planned);
    assert_eq!(sent, planned);
}

/// Every member of the documents, and what kind they are, is on the page.
#[track_caller]
fn assert_documented(lines: &str) {
    let page = std::fs::read_to_string("docs/json.md").expect("the page");
    for line in lines.lines() {
        let document: BTreeMap<String, serde_json::Value> = parse(line);
        let kind = document["kind"].as_str().expect("a kind");
        for word in document.keys().map(String::as_str).chain([kind]) {
            assert!(page.contains(&format!("`{word}`")), "{word} of {line}");
        }
    }
}

/// Whoever reads the output finds a document in it, whatever is wrong with the file.
#[test]
fn of_files_that_cannot_be_used() {
    let rcl = Rcl::new();
    rcl.file(
        "bad.yaml",
        &"cluster: orders\nshards:\n  a:\n    primary host1:7000\n    slots: 5\n",
    );
    for command in [
        ["plan", "--json"].as_slice(),
        &["apply", "--yes", "--json"],
        &["status", "--json"],
        &["drift", "--json"],
    ] {
        for (file, error, findings) in [
            ("bad.yaml", "bad.yaml has mistakes", 1),
            (
                "none.yaml",
                "none.yaml can't be read: No such file or directory (os error 2)",
                0,
            ),
        ] {
            let mut arguments = command.to_vec();
            arguments.push(file);
            let ran = rcl.run(&arguments).code(1);
            let told: ErrorDocument = parse(ran.stdout());
            let line: serde_json::Value = parse(ran.stdout());
            assert_documented(&line.to_string());
            assert_eq!(
                (
                    told.format_version.as_str(),
                    told.kind.as_str(),
                    told.file.as_str()
                ),
                (FORMAT_VERSION, "error", file)
            );
            assert_eq!(
                (told.error.as_str(), told.findings.len()),
                (error, findings)
            );
            assert!(ran.stderr().contains("error: "), "{}", ran.stderr());
        }
    }
}

/// A run that fails: its troubles, and what is left.
#[test]
fn of_a_run_that_fails() {
    let mut servers = Servers::prepare(ServerKind::Valkey91)
        .grid(2, 1)
        .node_timeout_ms(1000)
        .start();
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &Yaml::new(&servers, &shards));
    // JSON tells nothing on standard error, so the moment comes from the server: it dies at its first MEET.
    servers.ok("host2:7000", &["CLUSTER", "SET-CONFIG-EPOCH", "9"]);
    let apply = rcl.start(&["apply", "--yes", "--json"]);
    let address = servers.address("host2:7000");
    crate::support::wait::until("the MEET", || {
        let known = judge::cluster_nodes(address).len();
        (known > 1).then_some(()).ok_or(format!("{known} nodes"))
    });
    servers.kill("host2:7000");
    let ran = apply.end().code(1);
    assert_documented(ran.stdout());
    let apply = Apply::parse(ran.stdout());
    let failed = apply
        .lines
        .iter()
        .filter(|line| matches!(line, Line::StepEnded { end, .. } if end == "failed"));
    assert!(failed.count() > 0, "{apply:#?}");
    let Some(Line::ApplyEnded {
        complete,
        interrupted,
        failed,
        ..
    }) = apply.lines.last()
    else {
        panic!("no last line: {apply:#?}");
    };
    // With its connection the lock of that node is gone.
    assert!(!complete && *interrupted && *failed > 0);
    let left = apply.left.expect("what is left");
    let down = |difference: &Difference| matches!(difference, Difference::Down { node, failure, .. } if node == "host2:7000" && failure == "unreachable");
    assert!(left.differences.iter().any(down), "{left:#?}");
}
