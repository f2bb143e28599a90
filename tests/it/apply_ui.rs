//! What a person at a terminal sees of an apply, and what they can do about it.

use crate::support::rcl::PROGRAM;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

const QUESTION: &str = "Only 'yes' will be accepted: ";

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

#[test]
fn only_yes_is_a_yes() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    for answer in ["", "y", "no", "YES", " yes", "yes please"] {
        let mut terminal = rcl.terminal(&["apply"]);
        terminal
            .expect("Plan: 2 to join")
            .expect(QUESTION)
            .type_line(answer);
        terminal.expect("Nothing was done").code(1);
    }
    recorder.assert_no_writes(&servers);

    let mut terminal = rcl.terminal(&["apply"]);
    terminal
        .expect(QUESTION)
        .type_line("yes")
        .expect("Apply complete!")
        .code(0);
    println!("{}", terminal.plain());
    judge::assert_matches(&servers, &pair());
}

#[test]
fn ctrl_c_and_the_end_of_input_are_no() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    let mut terminal = rcl.terminal(&["apply"]);
    terminal
        .expect(QUESTION)
        .ctrl_c()
        .expect("\nNothing was done.\n")
        .code(1);
    println!("{}", terminal.plain());
    let mut terminal = rcl.terminal(&["apply"]);
    terminal
        .expect(QUESTION)
        .press(b"\x04")
        .expect("\nNothing was done.\n")
        .code(1);
    recorder.assert_no_writes(&servers);
}

#[test]
fn nobody_to_ask() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    let ran = rcl.run(&["apply"]).code(3);
    assert!(ran.stderr().contains("use --yes"), "{}", ran.stderr());
    // An answer in a pipe was given before the question.
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
    terminal.type_line("yes").expect("has changed").code(3);
    println!("{}", terminal.plain());
    recorder.assert_no_writes(&servers);
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}

#[test]
fn interrupted_it_says_what_remains() {
    let (servers, rcl) = blank_pair();
    let mut apply = rcl.start(&["apply", "--yes"]);
    apply.expect("assigned").interrupt();
    let ran = apply.end().code(1);
    println!("{}\n{}", ran.stdout(), ran.stderr());
    assert_eq!(ran.stderr().matches("Stopping").count(), 1);
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}

/// The replica waits for a primary that is frozen; a second Ctrl-C does not, and what it leaves is named.
#[test]
fn interrupted_twice_it_stops_at_once() {
    let (mut servers, rcl) = blank_pair();
    rcl.file(
        "rcl.yaml",
        &Yaml::new(&servers, &pair()).config("cluster-node-timeout", "5s"),
    );
    let mut apply = rcl.start(&["apply", "--yes"]);
    apply.expect("joined host2:7000");
    servers.pause("host1:7000");
    apply.interrupt();
    apply.expect("Stopping").interrupt();
    let ran = apply.end().code(1);
    println!("{}\n{}", ran.stdout(), ran.stderr());
    servers.resume("host1:7000");
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
    rcl.run(&["drift"]).success();
}

#[test]
fn on_a_terminal_too() {
    let (servers, rcl) = blank_pair();
    let mut terminal = rcl.terminal(&["apply", "--yes"]);
    terminal
        .expect("s wait until all nodes agree")
        .ctrl_c()
        .expect("Stopping");
    terminal.code(0);
    println!("{}", terminal.plain());
    judge::assert_matches(&servers, &pair());
}

#[test]
fn a_node_dies_under_way() {
    let (mut servers, rcl) = blank_pair();
    let mut apply = rcl.start(&["apply", "--yes"]);
    apply.expect("joined host2:7000");
    servers.kill("host2:7000");
    let ran = apply.end().code(1);
    println!("{}\n{}", ran.stdout(), ran.stderr());
    servers.restart("host2:7000");
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}

/// Its port still takes connections, and the others wait for it.
#[test]
fn a_node_freezes_under_way() {
    let (mut servers, rcl) = blank_pair();
    let mut apply = rcl.start(&["apply", "--yes"]);
    apply.expect("assigned");
    servers.pause("host1:7000");
    let ran = apply.end().code(1);
    println!("{}\n{}", ran.stdout(), ran.stderr());
    servers.resume("host1:7000");
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}
