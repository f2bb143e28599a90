//! `rcl check`: its text, its JSON and its exit codes.

use std::fs;
use std::path::Path;

use rcl::cli::check::{CheckArgs, run};
use serde_json::Value;

/// Checks a file of that content, named as if it stood in the current folder.
fn checked(content: &[u8], json: bool, colour: bool) -> (String, u8) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rcl.yaml");
    fs::write(&file, content).unwrap();
    let mut said = Vec::new();
    let code = run(&CheckArgs { file, json }, &mut said, colour);
    let said = String::from_utf8(said).unwrap();
    let folder = format!("{}/", folder.path().display());
    (said.replace(&folder, ""), code)
}

const GOOD: &str = "\
cluster: orders
shards:
  a: {primary: 10.0.0.1:7000, replicas: [10.0.0.2:7001]}
  b: {primary: 10.0.0.2:7000, replicas: [10.0.0.3:7001]}
  c: {primary: 10.0.0.3:7000, replicas: [10.0.0.1:7001]}
";

const BESIDE: &str = "\
cluster: orders
hosts: {host1: 10.0.0.1}
shards:
  a: {primary: host1:7000, replicas: [host1:7001]}
";

const WRONG: &str = "\
cluster: orders
cluster: users
shards: {a: {primary: host1:7000}}
";

#[test]
fn a_good_file_is_one_line() {
    let (said, code) = checked(GOOD.as_bytes(), false, false);
    insta::assert_snapshot!(said, @"rcl.yaml: 6 nodes in 3 shards, 16384 slots assigned.");
    assert_eq!(code, 0);
}

#[test]
fn lints_point_at_what_they_are_about() {
    let (said, code) = checked(BESIDE.as_bytes(), false, false);
    insta::assert_snapshot!(said, @r"
    error[replica-beside-primary]: the replica host1:7001 is on the host host1 like its primary host1:7000, so that both are lost together
     --> rcl.yaml:4:39
      |
    4 |   a: {primary: host1:7000, replicas: [host1:7001]}
      |                                       ^^^^^^^^^^
      |
      = help: move it elsewhere, or allow it with `policy: {replicas_apart: off}`

    warning[few-primaries]: only one primary serves slots; when it fails, nobody is left to let its replica take over
     --> rcl.yaml:1:10
      |
    1 | cluster: orders
      |          ^^^^^^
      |
      = help: share the slots among three primaries or more

    rcl.yaml: 2 nodes in 1 shard, 16384 slots assigned. 1 error, 1 warning.
    ");
    assert_eq!(code, 1);
}

#[test]
fn mistakes_are_counted() {
    let (said, code) = checked(WRONG.as_bytes(), false, false);
    insta::assert_snapshot!(said, @r"
    error: `cluster` is written twice
     --> rcl.yaml:2:1
      |
    1 | cluster: orders
      | ------- first written here
    2 | cluster: users
      | ^^^^^^^
      |
      = help: leave one of the two out

    error: the host `host1` is not declared
     --> rcl.yaml:3:23
      |
    3 | shards: {a: {primary: host1:7000}}
      |                       ^^^^^^^^^^
      |
      = help: add it under `hosts` with its address, such as `host1: 192.168.81.100`

    rcl.yaml: 2 errors.
    ");
    assert_eq!(code, 1);
}

#[test]
fn many_mistakes_are_not_counted_out() {
    let text = format!("cluster: orders\nshards: {{{}}}\n", "a: {}, ".repeat(500));
    let (said, _) = checked(text.as_bytes(), false, false);
    assert!(said.ends_with("\nrcl.yaml: more than 100 errors.\n"));
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    for content in [GOOD, BESIDE, WRONG] {
        let (plain, _) = checked(content.as_bytes(), false, false);
        let (styled, _) = checked(content.as_bytes(), false, true);
        assert_eq!(console::strip_ansi_codes(&styled), plain);
        assert!(!plain.contains('\u{1b}'));
        assert_eq!(styled.contains('\u{1b}'), content != GOOD);
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let args = CheckArgs {
        file: Path::new("no-such-folder/rcl.yaml").to_path_buf(),
        json: false,
    };
    let mut said = Vec::new();
    assert_eq!(run(&args, &mut said, false), 1);
    insta::assert_snapshot!(String::from_utf8(said).unwrap(), @"error: no-such-folder/rcl.yaml can't be read: No such file or directory (os error 2)");
    let (said, code) = checked(b"cluster: orders\nshards: \xff\n", false, false);
    insta::assert_snapshot!(said, @"error: rcl.yaml can't be read: line 2 is not UTF-8; save the file as UTF-8");
    assert_eq!(code, 1);
}

#[test]
fn a_file_that_is_too_large() {
    let (said, code) = checked(&vec![b'#'; 5 << 20], false, false);
    insta::assert_snapshot!(said, @"error: rcl.yaml can't be read: it has more than 4 MiB; describe one cluster in one file");
    assert_eq!(code, 1);
}

#[test]
fn json_says_the_same() {
    let (said, code) = checked(BESIDE.as_bytes(), true, false);
    insta::assert_snapshot!(said, @r#"
    {
      "format_version": "1.4",
      "kind": "check",
      "file": "rcl.yaml",
      "ok": false,
      "cluster": {
        "name": "orders",
        "hosts": 1,
        "shards": 1,
        "nodes": 2,
        "slots": 16384
      },
      "findings": [],
      "lints": [
        {
          "code": "replica-beside-primary",
          "level": "error",
          "message": "the replica host1:7001 is on the host host1 like its primary host1:7000, so that both are lost together",
          "help": "move it elsewhere, or allow it with `policy: {replicas_apart: off}`",
          "subject": {
            "kind": "node",
            "name": "host1:7001"
          },
          "line": 4,
          "column": 39
        },
        {
          "code": "few-primaries",
          "level": "warning",
          "message": "only one primary serves slots; when it fails, nobody is left to let its replica take over",
          "help": "share the slots among three primaries or more",
          "subject": {
            "kind": "cluster"
          },
          "line": 1,
          "column": 10
        }
      ]
    }
    "#);
    assert_eq!(code, 1);
}

#[test]
fn json_of_files_that_cannot_be_used() {
    let (said, _) = checked(WRONG.as_bytes(), true, false);
    insta::assert_snapshot!(said, @r#"
    {
      "format_version": "1.4",
      "kind": "check",
      "file": "rcl.yaml",
      "ok": false,
      "findings": [
        {
          "line": 2,
          "column": 1,
          "message": "`cluster` is written twice",
          "help": "leave one of the two out",
          "related": {
            "line": 1,
            "column": 1,
            "label": "first written here"
          }
        },
        {
          "line": 3,
          "column": 23,
          "message": "the host `host1` is not declared",
          "help": "add it under `hosts` with its address, such as `host1: 192.168.81.100`"
        }
      ],
      "lints": []
    }
    "#);
    let (said, code) = checked(b"\xff", true, false);
    insta::assert_snapshot!(said, @r#"
    {
      "format_version": "1.4",
      "kind": "error",
      "file": "rcl.yaml",
      "error": "rcl.yaml can't be read: line 1 is not UTF-8; save the file as UTF-8",
      "findings": []
    }
    "#);
    assert_eq!(code, 1);
    let (said, code) = checked(GOOD.as_bytes(), true, true);
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["ok"], true);
    assert_eq!(document["cluster"]["nodes"], 6);
    assert_eq!(code, 0);
}
