//! What a run looks like on a terminal, in a log and as JSON, and what it comes to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};
use insta::assert_snapshot;

use crate::apply::{End, Trouble, TroubleKind};
use crate::base::{Arg, Command, NodeId, Reply, Secret};
use crate::plan::StepId;
use crate::view::sample::{World, desired, id, planned};
use crate::view::{Stream, Styles};

use super::*;

fn plan() -> Plan {
    let desired = desired(&[
        ("a", &["host1:7000", "host2:7000"], "0-8191"),
        ("b", &["host1:7001", "host2:7001"], "8192-16383"),
    ]);
    planned(&desired, &World::blank(&desired)).plan
}

/// The steps of the plan by their words.
fn step(plan: &Plan, words: &str) -> StepId {
    let mut steps = plan.steps.iter().map(|step| step.id);
    steps
        .find(|step| lines::intent(plan, *step) == words)
        .unwrap()
}

fn done(millis: u64) -> End {
    End::Done {
        took: Duration::from_millis(millis),
    }
}

fn objections(list: &[(&str, &str)]) -> BTreeMap<NodeId, String> {
    list.iter()
        .map(|(node, text)| (id(node), (*text).to_owned()))
        .collect()
}

fn refused() -> Trouble {
    let command = Command::new("CLUSTER ADDSLOTSRANGE 0 8191");
    Trouble {
        kind: TroubleKind::Refused,
        objections: objections(&[("host1:7000", "does not own slots 0-8191")]),
        answers: vec![(
            id("host1:7000"),
            command,
            "ERR Slot 5 is already busy \u{1b}[5m".to_owned(),
        )],
    }
}

fn events(plan: &Plan) -> Vec<Event> {
    let epoch = step(plan, "give host1:7000 epoch 3");
    let assign = step(plan, "assign 0-8191 to shard a (host1:7000)");
    let join = step(plan, "join host2:7000");
    let settle = step(plan, "wait until all nodes agree");
    let secret = Arg::Secret(Secret::new("hunter2".to_owned()));
    vec![
        Event::Started { step: epoch },
        Event::Answered {
            step: epoch,
            node: id("host1:7000"),
            command: Command::set_config_epoch(3),
            reply: Reply::ok(),
        },
        Event::Ended {
            step: epoch,
            end: done(12),
        },
        Event::Started { step: assign },
        Event::Answered {
            step: assign,
            node: id("host1:7000"),
            command: Command::config_set([("masterauth".to_owned(), secret)]),
            reply: Reply::Error("ERR Invalid argument 'hunter2'".to_owned()),
        },
        Event::Ended {
            step: assign,
            end: End::Failed(refused()),
        },
        Event::Unanswered {
            step: join,
            node: id("host2:7000"),
            command: Command::new("CLUSTER MEET 10.0.0.1 7000"),
            words: "connection reset".to_owned(),
        },
        Event::Ended {
            step: join,
            end: End::AlreadySo,
        },
        Event::Started { step: settle },
        Event::Stopping,
    ]
}

fn ended(ends: impl IntoIterator<Item = (StepId, End)>, millis: u64) -> Outcome {
    Outcome {
        ends: ends.into_iter().collect(),
        moved: BTreeMap::new(),
        interrupted: false,
        took: Duration::from_millis(millis),
    }
}

/// The steps before this one are done.
fn done_before(plan: &Plan, end: StepId) -> Outcome {
    let steps = plan.steps.iter().map(|step| step.id);
    let steps = steps.take_while(|step| *step < end);
    ended(steps.map(|step| (step, done(10))), 3210)
}

/// What a sink writes to standard output, and to standard error.
fn written(form: Form, outcome: &Outcome) -> (String, String) {
    let plan = plan();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output {
        out: Stream::new(&mut out),
        err: Stream::new(&mut err),
    };
    let mut sink = progress(&mut output, form);
    sink.begin(&plan);
    for event in events(&plan) {
        sink.event(&plan, &event);
    }
    sink.end(&plan, outcome, "rcl.yaml");
    drop(sink);
    output.finish().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out), text(err))
}

fn complete() -> Outcome {
    ended(plan().steps.iter().map(|step| (step.id, done(100))), 1234)
}

#[test]
fn lines_for_logs() {
    let (out, err) = written(Form::People { commands: false }, &complete());
    assert_snapshot!(out, @"Apply complete! 4 joined, 16384 slots assigned, 2 replicas attached in 1.2s.");
    assert_snapshot!(err, @"
    [ 5/13] host1:7000> CONFIG SET masterauth ********  ERR Invalid argument '********'
    [ 5/13] failed: assign 0-8191 to shard a (host1:7000), a server refused a command
    [ 9/13] host2:7000> CLUSTER MEET 10.0.0.1 7000  connection reset
    [ 9/13] joined host2:7000, already so
    [13/13] wait until all nodes agree …
    Stopping: nothing new begins, what is under way gets a moment to finish.
    ");
    let (_, err) = written(Form::People { commands: true }, &complete());
    assert_snapshot!(err, @"
    [ 1/13] give host1:7000 epoch 3 …
    [ 1/13] host1:7000> CLUSTER SET-CONFIG-EPOCH 3  OK
    [ 1/13] gave host1:7000 epoch 3 after 12ms
    [ 5/13] assign 0-8191 to shard a (host1:7000) …
    [ 5/13] host1:7000> CONFIG SET masterauth ********  ERR Invalid argument '********'
    [ 5/13] failed: assign 0-8191 to shard a (host1:7000), a server refused a command
    [ 9/13] host2:7000> CLUSTER MEET 10.0.0.1 7000  connection reset
    [ 9/13] joined host2:7000, already so
    [13/13] wait until all nodes agree …
    Stopping: nothing new begins, what is under way gets a moment to finish.
    ");
}

#[test]
fn lines_for_programs() {
    let mut outcome = complete();
    outcome.interrupted = true;
    let (out, err) = written(Form::Json, &outcome);
    assert_eq!(err, "");
    for line in out.lines() {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(read["format_version"], "1.4");
        assert!(read["kind"].is_string());
    }
    assert_snapshot!(out, @r#"
    {"format_version":"1.4","kind":"apply_start","cluster":"orders","steps":13}
    {"format_version":"1.4","kind":"step_started","step":1,"text":"give host1:7000 epoch 3"}
    {"format_version":"1.4","kind":"command","step":1,"node":{"id":"0001700000000000000000000000000000000000","name":"host1:7000","address":"10.0.0.1:7000"},"command":"CLUSTER SET-CONFIG-EPOCH 3","reply":"OK"}
    {"format_version":"1.4","kind":"step_ended","step":1,"end":"done","took_ms":12}
    {"format_version":"1.4","kind":"step_started","step":5,"text":"assign 0-8191 to shard a (host1:7000)"}
    {"format_version":"1.4","kind":"command","step":5,"node":{"id":"0001700000000000000000000000000000000000","name":"host1:7000","address":"10.0.0.1:7000"},"command":"CONFIG SET masterauth ********","refusal":"ERR Invalid argument '********'"}
    {"format_version":"1.4","kind":"step_ended","step":5,"end":"failed","trouble":"refused","objections":[{"node":{"id":"0001700000000000000000000000000000000000","name":"host1:7000","address":"10.0.0.1:7000"},"text":"does not own slots 0-8191"}],"answers":[{"node":{"id":"0001700000000000000000000000000000000000","name":"host1:7000","address":"10.0.0.1:7000"},"command":"CLUSTER ADDSLOTSRANGE 0 8191","words":"ERR Slot 5 is already busy \u001b[5m"}]}
    {"format_version":"1.4","kind":"command","step":9,"node":{"id":"0002700000000000000000000000000000000000","name":"host2:7000","address":"10.0.0.2:7000"},"command":"CLUSTER MEET 10.0.0.1 7000","no_answer":"connection reset"}
    {"format_version":"1.4","kind":"step_ended","step":9,"end":"already_so"}
    {"format_version":"1.4","kind":"step_started","step":13,"text":"wait until all nodes agree"}
    {"format_version":"1.4","kind":"apply_stopping"}
    {"format_version":"1.4","kind":"apply_ended","complete":false,"interrupted":true,"summary":"Apply interrupted after 1.2s.","took_ms":1234,"totals":{"joins":4,"slots_assigned":16384,"slots_moved":0,"slots_given_up":0,"slots_closed":0,"slots_brought_home":0,"replicas_attached":2,"detached":0,"failed_over":0,"removed":0,"forgotten":0,"announced":0,"configured":0},"moved":{"slots":0,"keys":0,"bytes":0},"not_put_back":[],"done":13,"failed":0,"skipped":0,"not_started":0}
    "#);
}

#[test]
fn complete_runs_say_what_was_done() {
    let plan = plan();
    let text = |outcome: &Outcome| outcome::outcome(&plan, outcome, "rcl.yaml", Styles::plain());
    assert_snapshot!(text(&complete()), @"Apply complete! 4 joined, 16384 slots assigned, 2 replicas attached in 1.2s.");
    let nothing = ended(plan.steps.iter().map(|step| (step.id, End::AlreadySo)), 40);
    assert_snapshot!(text(&nothing), @"Apply complete! Nothing was left to do.");
    let mut some = nothing.clone();
    some.ends.insert(
        step(&plan, "attach host2:7000 to shard a (host1:7000)"),
        done(700_000),
    );
    some.took = Duration::from_secs(701);
    assert_snapshot!(text(&some), @"Apply complete! 1 replica attached in 11m41s.");
}

#[test]
fn failed_runs_say_what_and_why_and_what_next() {
    let plan = plan();
    let text = |outcome: &Outcome| outcome::outcome(&plan, outcome, "rcl.yaml", Styles::plain());
    let assign = step(&plan, "assign 0-8191 to shard a (host1:7000)");
    let mut outcome = done_before(&plan, assign);
    outcome.ends.insert(assign, End::Failed(refused()));
    assert_snapshot!(text(&outcome), @r"
    Apply stopped at step 5 of 13 after 3.2s.
    ! assign 0-8191 to shard a (host1:7000): a server refused a command
        host1:7000> CLUSTER ADDSLOTSRANGE 0 8191
          ERR Slot 5 is already busy \u{1b}[5m
        host1:7000 does not own slots 0-8191
    4 steps done, 1 failed, 8 not started.
    Run `rcl plan rcl.yaml` to see what remains.
    ");
}

#[test]
fn runs_that_stopped_waiting_say_for_what() {
    let plan = plan();
    let text = |outcome: &Outcome| outcome::outcome(&plan, outcome, "rcl.yaml", Styles::plain());
    let assign = step(&plan, "assign 0-8191 to shard a (host1:7000)");
    let join = step(&plan, "join host2:7000");
    let mut outcome = done_before(&plan, assign);
    let many: Vec<(String, &str)> = (1..=12)
        .map(|host| (format!("host{host}:7000"), "does not list it"))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(node, text)| (node.as_str(), *text))
        .collect();
    let late = Trouble {
        kind: TroubleKind::Deadline {
            after: Duration::from_secs(60),
        },
        objections: objections(&many),
        answers: Vec::new(),
    };
    outcome.ends.insert(assign, done(10));
    outcome.ends.insert(join, End::Failed(late));
    assert_snapshot!(text(&outcome), @"
    Apply stopped at step 9 of 13 after 3.2s.
    ! join host2:7000: its effect was not seen within 1m00s
        host1:7000 does not list it
        host2:7000 does not list it
        00037000 does not list it
        00047000 does not list it
        00057000 does not list it
        00067000 does not list it
        00077000 does not list it
        00087000 does not list it
        … and 4 more nodes
    5 steps done, 1 failed, 7 not started.
    Run `rcl plan rcl.yaml` to see what remains.
    ");

    let short = id("host1:7001");
    let nameless = format!("does not list {}", short.short());
    let interrupted = Trouble {
        kind: TroubleKind::Interrupted,
        objections: objections(&[("host1:7000", &nameless)]),
        answers: Vec::new(),
    };
    outcome.ends.insert(join, End::Failed(interrupted));
    outcome.interrupted = true;
    assert_snapshot!(text(&outcome), @"
    Apply interrupted after 3.2s.
    ! join host2:7000: interrupted before its effect was seen
        host1:7000 does not list host1:7001
    5 steps done, 1 not finished, 7 not started.
    Run `rcl plan rcl.yaml` to see what remains.
    ");
}

#[test]
fn runs_that_met_a_change_say_which() {
    let plan = plan();
    let assign = step(&plan, "assign 0-8191 to shard a (host1:7000)");
    let changed = Trouble {
        kind: TroubleKind::GuardBroken,
        objections: objections(&[("host1:7000", "knows an owner of slots 5")]),
        answers: Vec::new(),
    };
    let first = StepId(1);
    let outcome = ended(
        [
            (first, End::Skipped(changed.clone())),
            (assign, End::Failed(changed)),
        ],
        90,
    );
    let text = outcome::outcome(&plan, &outcome, "rcl.yaml", Styles::plain());
    assert_snapshot!(text, @"
    Apply stopped at step 5 of 13 after 90ms.
    ! assign 0-8191 to shard a (host1:7000): the cluster has changed since the plan was made
        host1:7000 knows an owner of slots 5
    0 steps done, 1 failed, 1 skipped, 11 not started.
    Run `rcl plan rcl.yaml` to see what remains.
    ");
}

/// A terminal that remembers all that was drawn on it.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn add(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        100
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(&format!("{text}\n"))
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.add("<cleared>")
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bar_shows_waits_tells_failures_and_leaves_nothing_behind() {
    let plan = plan();
    let screen = Screen::default();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output {
        out: Stream::new(&mut out),
        err: Stream::new(&mut err),
    };
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let mut bar = Bar::drawn_on(&mut output, false, target);
    bar.begin(&plan);
    let settle = step(&plan, "wait until all nodes agree");
    bar.event(&plan, &Event::Started { step: settle });
    let waiting = screen.0.lock().unwrap().clone();
    assert!(waiting.contains("0/13"), "{waiting}");
    assert!(waiting.contains("wait until all nodes agree"), "{waiting}");
    for event in events(&plan) {
        bar.event(&plan, &event);
    }
    bar.end(&plan, &complete(), "rcl.yaml");
    drop(bar);
    output.finish().unwrap();
    let drawn = screen.0.lock().unwrap().clone();
    assert!(drawn.ends_with("<cleared>"), "{drawn}");
    assert_snapshot!(String::from_utf8(err).unwrap(), @"
    [ 5/13] host1:7000> CONFIG SET masterauth ********  ERR Invalid argument '********'
    [ 5/13] failed: assign 0-8191 to shard a (host1:7000), a server refused a command
    [ 9/13] host2:7000> CLUSTER MEET 10.0.0.1 7000  connection reset
    Stopping: nothing new begins, what is under way gets a moment to finish.
    ");
    assert_snapshot!(String::from_utf8(out).unwrap(), @"Apply complete! 4 joined, 16384 slots assigned, 2 replicas attached in 1.2s.");
}
