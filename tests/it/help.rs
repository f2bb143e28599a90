//! What rcl says of itself: help, manual page, completions, and what it makes of command lines without sense.

use clap::CommandFactory;
use rcl::cli::Cli;

use crate::support::Rcl;

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// `plan`, `lab up`, … without what is hidden.
fn commands() -> Vec<String> {
    let mut command = Cli::command();
    command.build();
    let mut names = Vec::new();
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        let name = sub.get_name();
        let inner: Vec<String> = sub
            .get_subcommands()
            .filter(|inner| inner.get_name() != "help")
            .map(|inner| format!("{name} {}", inner.get_name()))
            .collect();
        if inner.is_empty() {
            names.push(name.to_owned());
        }
        names.extend(inner);
    }
    names
}

#[test]
fn the_help_is_a_screen() {
    let help = Rcl::new().run(&["-h"]).success();
    insta::assert_snapshot!(help.stdout(), @"
    Plan and apply for Redis and Valkey Cluster

    Usage: rcl [OPTIONS] <COMMAND>

    Commands:
      plan         Show what would be done
      apply        Show the plan, ask, and carry it out
      drift        Tell what is not as declared: silent when nothing is, for cron
      status       Show the cluster as it is
      check        Check a file without asking any server
      export       Write a file that describes a live cluster
      init         Lay out a new file for given nodes
      conf         Write a redis.conf and a systemd unit for every node
      lab          Run the file's nodes on this machine
      completions  Print a completion script for a shell
      man          Print the manual page
      help         Print this message or the help of the given subcommand(s)

    Options:
          --color <WHEN>  When to use colours [default: auto] [possible values: auto, always, never]
      -h, --help          Print help (see more with '--help')
      -V, --version       Print version

    Exit codes:
      0   fine: done, nothing to do, or nothing differs
      1   error: unreadable file, unreachable nodes, declined, interrupted, out of time,
          or an apply that leaves something to be done
      2   changes are pending (drift, status, and plan --detailed-exitcode)
      3   blocked, or a node or link is down, or nobody serves some slots (drift
          and status), or the cluster changed meanwhile,
          or there is no terminal to ask on
      4   another apply holds the cluster
      64  the command line makes no sense
    ");
}

#[test]
fn every_command_has_a_help_of_its_own() {
    let rcl = Rcl::new();
    assert!(commands().len() >= 10);
    for command in commands() {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.push("--help");
        let help = rcl.run(&words).success();
        let (about, usage) = help
            .stdout()
            .split_once("\n\n")
            .expect("a paragraph, and the rest");
        assert!(
            !about.ends_with('.') && about.lines().count() == 1,
            "{command}: {about}"
        );
        assert!(
            usage.contains(&format!("Usage: rcl {command}")),
            "{command}: {usage}"
        );
    }
}

#[test]
fn the_manual_page_tells_of_every_command() {
    let page = Rcl::new().run(&["man"]).success();
    let page = page.stdout();
    for command in commands() {
        let heading = format!(".SH RCL {}\n", command.to_uppercase());
        assert!(page.contains(&heading), "{command}");
    }
    assert!(page.contains("Exit codes:"));
    // Pages that nobody installs.
    assert!(!page.contains("plan(1)"));
}

#[test]
fn every_shell_gets_its_completions() {
    let rcl = Rcl::new();
    for shell in SHELLS {
        let script = rcl.run(&["completions", shell]).success();
        for command in ["plan", "apply", "drift", "detailed-exitcode"] {
            assert!(
                script.stdout().contains(command),
                "{shell} knows no {command}"
            );
        }
    }
}

#[test]
fn command_lines_without_sense_end_with_64() {
    let rcl = Rcl::new();
    for words in [
        vec![],
        vec!["nonsense"],
        vec!["plan", "--nonsense"],
        vec!["apply", "--allow", "forget="],
        vec!["drift", "--timeout", "soon"],
        vec!["conf"],
        vec!["export"],
        vec!["init"],
        vec!["init", "--nodes", "host1"],
        vec!["init", "--nodes", "host1:7000", "--nodes-file", "nodes"],
        vec!["export", "127.0.0.1:7000", "--name", "two words"],
    ] {
        let ran = rcl.run(&words).code(64);
        assert_eq!(ran.stdout(), "", "{words:?}");
        assert!(!ran.stderr().is_empty(), "{words:?}");
    }
}
