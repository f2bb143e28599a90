//! What a person sees of an apply, and what they can do while it waits or runs.

use insta::assert_snapshot;

use crate::support::rcl::PROGRAM;
use crate::support::redact::Redactions;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

const QUESTION: &str = "Apply these changes to cluster \"orders\" (commands to 2 nodes)? Only 'yes' will be accepted: ";

/// A primary and its replica: the smallest cluster that has every kind of step.
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

/// What was left to do, another apply does.
#[track_caller]
fn assert_completes(servers: &Servers, rcl: &Rcl) {
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(servers, &pair());
    rcl.run(&["drift"]).success();
}

/// What follows the plan's summary.
fn after_plan(output: &str) -> &str {
    let place = output.find("\nPlan: ").expect("a plan's summary");
    let rest = &output[place + 1..];
    rest.split_once('\n').map_or("", |(_, rest)| rest)
}

#[track_caller]
fn assert_says(output: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(output.contains(sentence), "no {sentence:?} in\n{output}");
    }
}

#[test]
fn only_yes_is_a_yes() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    for answer in ["", "y", "no", "YES", " yes", "yes please"] {
        let mut terminal = rcl.terminal(&["apply"]);
        terminal.expect("Plan: 2 to join").expect(QUESTION);
        terminal
            .type_line(answer)
            .expect("\nNothing was done: only 'yes' is taken for a yes.\n")
            .code(1);
    }
    recorder.assert_no_writes(&servers);

    let mut terminal = rcl.terminal(&["apply"]);
    terminal.expect(QUESTION).type_line("yes");
    terminal
        .expect("Apply complete! 2 joined, 16384 slots assigned, 1 replica attached in ")
        .code(0);
    judge::assert_matches(&servers, &pair());
    let mut terminal = rcl.terminal(&["apply"]);
    terminal.expect("No changes. ").code(0);
    assert!(!terminal.plain().contains("Only 'yes'"));
}

#[test]
fn ctrl_c_and_the_end_of_input_are_no() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    let mut terminal = rcl.terminal(&["apply"]);
    terminal.expect(QUESTION).ctrl_c();
    terminal.expect("\nNothing was done.\n").code(1);
    let mut terminal = rcl.terminal(&["apply"]);
    terminal.expect(QUESTION).end_of_input();
    terminal.expect("\nNothing was done.\n").code(1);
    recorder.assert_no_writes(&servers);
}

#[test]
fn nobody_to_ask() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    let ran = rcl.run(&["apply"]).code(3);
    assert!(ran.stdout().contains("Plan: 2 to join"));
    assert_snapshot!(ran.stderr(), @"error: there is no terminal to ask on. Nothing was done; use --yes to apply without asking.
    ");
    // What comes through a pipe was written before the plan was.
    let shell = Rcl::with_program("/bin/sh");
    shell.file("rcl.yaml", &Yaml::new(&servers, &pair()));
    shell
        .run(&["-c", &format!("echo yes | {PROGRAM} apply")])
        .code(3);
    recorder.assert_no_writes(&servers);
}

#[test]
fn the_cluster_changes_while_the_question_waits() {
    let (servers, rcl) = blank_pair();
    let mut terminal = rcl.terminal(&["apply"]);
    terminal.expect(QUESTION);
    servers.ok("host1:7000", &["CLUSTER", "SET-CONFIG-EPOCH", "7"]);
    let recorder = Recorder::start(&servers);
    terminal.type_line("yes");
    terminal
        .expect("error: the cluster has changed since the plan was shown\n")
        .expect("Nothing was done; ")
        .expect("run `rcl apply rcl.yaml` again")
        .code(3);
    recorder.assert_no_writes(&servers);
    assert_completes(&servers, &rcl);
}

#[test]
fn in_lines_without_a_terminal() {
    let (servers, rcl) = blank_pair();
    let mut redactions = Redactions::new(&servers);
    let ran = rcl.run(&["apply", "--yes"]).code(0);
    assert_snapshot!(redactions.apply(after_plan(ran.stdout())), @"Apply complete! 2 joined, 16384 slots assigned, 1 replica attached in [time].");
    let said = redactions.apply(ran.stderr());
    // A replica may find its primary before everybody has joined.
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_snapshot!(lines.join("\n"), @r"
    [3/7] assigned 0-16383 to shard a (host1:7000) after [time]
    [4/7] joined host1:7000 after [time]
    [5/7] joined host2:7000 after [time]
    [6/7] attach host2:7000 to shard a (host1:7000) …
    [6/7] attached host2:7000 to shard a (host1:7000) after [time]
    [7/7] all nodes agree after [time]
    [7/7] wait until all nodes agree …
    ");
}

#[test]
fn interrupted_it_says_what_remains() {
    let (servers, rcl) = blank_pair();
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("join host1:7000").interrupt();
    let ran = apply.end().code(1);
    // It depends on the moment whether the joins had begun.
    let left = "rcl.yaml: host2:7000 is a primary without slots, the file makes it a replica";
    assert!(after_plan(ran.stdout()).contains(left), "{}", ran.stdout());
    assert_says(
        ran.stderr(),
        &[
            "\nStopping: nothing new begins, what is under way gets a moment to finish.\n",
            "\nApply interrupted after ",
            " not started.\nRun `rcl plan rcl.yaml` to see what remains.\n",
        ],
    );
    assert_completes(&servers, &rcl);
}

/// The replica waits for a primary that is frozen. A second Ctrl-C doesn't, and what it leaves is named.
#[test]
fn interrupted_twice_it_stops_at_once() {
    let (mut servers, rcl) = blank_pair();
    let yaml = Yaml::new(&servers, &pair()).config("cluster-node-timeout", "5s");
    rcl.file("rcl.yaml", &yaml);
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("attach host2:7000");
    servers.pause("host1:7000");
    apply.interrupt();
    apply.expect("Stopping").interrupt();
    let ran = apply.end().code(1);
    let left = "rcl.yaml: cluster-node-timeout of host2:7000 is 1s, the file says 5s\n";
    assert!(ran.stdout().contains(left), "{}", ran.stdout());
    assert!(!ran.stderr().contains("restored"), "{}", ran.stderr());
    servers.resume("host1:7000");
    assert_completes(&servers, &rcl);
}

/// On a terminal, with the bar; what was waited for comes after all.
#[test]
fn interrupted_too_late_it_is_complete() {
    let (mut servers, rcl) = blank_pair();
    let mut terminal = rcl.terminal(&["apply", "--yes"]);
    terminal.expect("s wait until all nodes agree");
    servers.pause("host2:7000");
    terminal.ctrl_c().expect("Stopping: nothing new begins");
    servers.resume("host2:7000");
    terminal.expect("Apply complete! ").code(0);
    judge::assert_matches(&servers, &pair());
}

#[test]
fn a_node_dies_under_way() {
    let (mut servers, rcl) = blank_pair();
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("assigned");
    servers.kill("host2:7000");
    let ran = apply.end().code(1);
    assert_says(
        ran.stderr(),
        &[
            "\nApply interrupted after ",
            "error: the connection to host2:7000 broke off, and with its lock ",
            " not started.\nRun `rcl plan rcl.yaml` to see what remains.\n",
        ],
    );
    let address = servers.address("host2:7000");
    let left = after_plan(ran.stdout());
    let down = format!("rcl.yaml: host2:7000 does not answer ({address}: Connection refused");
    assert!(left.contains(&down), "{left}");
    servers.restart("host2:7000");
    assert_completes(&servers, &rcl);
}

/// Its port takes connections, and its peers wait for it as long as rcl does.
#[test]
fn a_node_freezes_under_way() {
    let (mut servers, rcl) = blank_pair();
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    // Two lines on, rcl waits for its reader before it looks whether host2 may be met.
    apply.expect("gave host1:7000 epoch 2");
    servers.pause("host2:7000");
    let ran = apply.end().code(1);
    assert_says(
        ran.stderr(),
        &[
            "failed: join host1:7000, its effect was not seen within 10.0s\n",
            "\n    host2:7000 does not answer any more\n",
        ],
    );
    servers.resume("host2:7000");
    assert_completes(&servers, &rcl);
}
