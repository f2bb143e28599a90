//! Readers that go away, full disks, signals, and a terminal that is gone.

use std::io::Read;

use rustix::process::Signal;

use crate::support::kind::on_path;
use crate::support::rcl::PROGRAM;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

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

#[track_caller]
fn shell(rcl: &Rcl, script: &str, code: i32) -> (String, String) {
    let shell = Rcl::with_program(on_path("sh").unwrap());
    let script = format!("cd {}; {script}", rcl.folder().display());
    let ran = shell.run(&["-c", &script]).code(code);
    assert!(!ran.stderr().contains("panicked"), "{}", ran.stderr());
    (ran.stdout().to_owned(), ran.stderr().to_owned())
}

#[test]
fn a_reader_that_goes_away() {
    let (servers, rcl) = blank_pair();
    for (command, code) in [("plan", 0), ("status", 2), ("drift", 2), ("plan --json", 0)] {
        let script = format!("{{ {PROGRAM} {command}; echo $? >code; }} | head -n 1; cat code");
        let (said, words) = shell(&rcl, &script, 0);
        assert!(said.ends_with(&format!("\n{code}\n")), "{command}: {said}");
        assert_eq!(words, "", "{command}");
    }
    let script = format!("{{ {PROGRAM} apply --yes; echo $? >code; }} | head -n 1; cat code");
    let (said, _) = shell(&rcl, &script, 0);
    assert!(said.ends_with("\n0\n"), "{said}");
    judge::assert_matches(&servers, &pair());
}

#[test]
fn a_full_disk_and_no_streams_at_all() {
    let (servers, rcl) = blank_pair();
    let recorder = Recorder::start(&servers);
    for command in [
        "plan",
        "status",
        "drift",
        "apply --yes",
        "apply --yes --json",
    ] {
        let (_, words) = shell(&rcl, &format!("{PROGRAM} {command} >/dev/full"), 1);
        let expected = "error: can't write the output: No space left on device";
        assert!(words.starts_with(expected), "{command}: {words}");
    }
    // A plan that nobody could read is not carried out.
    recorder.assert_no_writes(&servers);
    shell(&rcl, &format!("{PROGRAM} plan >&- 2>&-"), 0);
    shell(&rcl, &format!("{PROGRAM} apply --yes 2>/dev/full"), 0);
    judge::assert_matches(&servers, &pair());
}

#[test]
fn signals_stop_a_run_in_order() {
    for signal in [Signal::TERM, Signal::HUP] {
        let (servers, rcl) = blank_pair();
        let mut apply = rcl.start(&["apply", "--yes", "-v"]);
        apply.expect("epoch 2 …").signal(signal);
        let ran = apply.end().code(1);
        let said = ran.stderr();
        assert!(said.contains("\nStopping: nothing new begins"), "{said}");
        assert!(said.contains("\nApply interrupted after "), "{said}");
        rcl.run(&["apply", "--yes"]).code(0);
        judge::assert_matches(&servers, &pair());
    }
}

/// The bar and the words go nowhere; the run ends as after Ctrl-C.
#[test]
fn the_terminal_goes_away() {
    let (servers, rcl) = blank_pair();
    let (mut pty, inside) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(50, 100)).unwrap();
    // Tests that run without a terminal were told to ignore the signal, and would pass that on.
    let mut child = pty_process::blocking::Command::new("env")
        .arg("--default-signal=HUP")
        .arg(PROGRAM)
        .args(["apply", "--yes", "-v"])
        .current_dir(rcl.folder())
        .envs(rcl.variables())
        .spawn(inside)
        .unwrap();
    let mut shown = String::new();
    let mut bytes = [0; 256];
    // By then signals are taken, and steps run.
    while !shown.contains("[1/7]") {
        let count = pty.read(&mut bytes).unwrap();
        assert!(count > 0, "{shown}");
        shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    drop(pty);
    let status = child.wait().unwrap();
    // What was left, and could still be done, was done; but nobody was told.
    assert_eq!(status.code(), Some(1), "{status:?}");
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}
