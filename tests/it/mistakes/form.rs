//! Texts that aren't YAML, or that YAML takes for something else: tabs, colons, brackets, indentation.

use super::said;

#[test]
fn a_tab() {
    let text = r#"cluster: orders
shards:
	a: {primary: host1:7000}
"#;
    insta::assert_snapshot!(said(text), @"
    error: this line is indented with a tab
     --> rcl.yaml:3:1
      |
    3 |     a: {primary: host1:7000}
      | ^^^^
      |
      = help: indent with spaces, YAML takes no tabs there
    ");
}

#[test]
fn tabs_further_in() {
    let text = "cluster: orders\nshards:\n  a:\n    primary: host1:7000\n    \treplicas: []\n";
    insta::assert_snapshot!(said(text), @"
    error: this line is indented with a tab
     --> rcl.yaml:5:5
      |
    5 |         replicas: []
      |     ^^^^
      |
      = help: indent with spaces, YAML takes no tabs there
    ");
}

#[test]
fn a_forgotten_colon() {
    let text = r#"cluster: orders
hosts: {host1: 10.0.0.1, host2: 10.0.0.2}
shards:
  a:
    primary host1:7000
    replicas: [host2:7000]
"#;
    insta::assert_snapshot!(said(text), @"
    error: a colon and a space are missing after `primary`
     --> rcl.yaml:5:5
      |
    5 |     primary host1:7000
      |     ^^^^^^^
      |
      = help: write `primary: host1:7000`
    ");
    let text = r#"cluster: orders
hosts
  host1: 10.0.0.1
"#;
    insta::assert_snapshot!(said(text), @"
    error: a colon and a space are missing after `hosts`
     --> rcl.yaml:2:1
      |
    2 | hosts
      | ^^^^^
      |
      = help: write `hosts:`
    ");
    let text = r#"cluster:orders
hosts: {host1: 10.0.0.1}
"#;
    insta::assert_snapshot!(said(text), @"
    error: a space is missing after `cluster:`
     --> rcl.yaml:1:1
      |
    1 | cluster:orders
      | ^^^^^^^
      |
      = help: write `cluster: orders`
    ");
    let text = r#"cluster: orders
hosts: {host1: 10.0.0.1, host2 10.0.0.2}
config:
  maxmemory 8gb
shards:
  a: {primary host1:7000, replicas:[host2:7000]}
"#;
    insta::assert_snapshot!(said(text), @"
    error: a space is missing after this colon
     --> rcl.yaml:6:35
      |
    6 |   a: {primary host1:7000, replicas:[host2:7000]}
      |                                   ^
      |
      = help: write a space between the colon and the bracket
    ");
    let text = r#"cluster: orders
hosts: {host1: 10.0.0.1, host2 10.0.0.2}
config:
  maxmemory 8gb
shards:
  a: {primary host1:7000, replicas: [host2:7000]}
"#;
    insta::assert_snapshot!(said(text), @"
    error: a colon and a space are missing after `host2`
     --> rcl.yaml:2:26
      |
    2 | hosts: {host1: 10.0.0.1, host2 10.0.0.2}
      |                          ^^^^^^^^^^^^^^
      |
      = help: write `host2: 10.0.0.2`

    error: `config` can't be a single value
     --> rcl.yaml:4:3
      |
    4 |   maxmemory 8gb
      |   ^^^^^^^^^^^^^
      |
      = help: write a line for each option, such as `maxmemory: 8gb`; `maxmemory` needs a colon and a space after it

    error: a colon and a space are missing after `primary`
     --> rcl.yaml:6:7
      |
    6 |   a: {primary host1:7000, replicas: [host2:7000]}
      |       ^^^^^^^^^^^^^^^^^^
      |
      = help: write `primary: host1:7000`
    ");
}

/// What stands there may be a secret: only its key is repeated.
#[test]
fn a_forgotten_colon_before_a_secret() {
    for text in [
        "cluster: orders\nconfig:\n  masterauth hunter2\n  maxmemory: 8gb\n",
        "cluster: orders\nconfig:\n  masterauth hunter2\n",
        "cluster: orders\nconfig:\n  hz 5\n  masterauth:hunter2\n",
        "cluster: orders\nconfig: {masterauth hunter2}\n",
    ] {
        let said = said(text);
        assert!(
            said.contains("masterauth") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn an_address_in_brackets() {
    let text = r#"cluster: orders
hosts:
  vm1: [::1]
  vm2: {address: [fd00::2], zone: a}
shards:
  a: {primary: vm1:7000}
"#;
    insta::assert_snapshot!(said(text), @r#"
    error: a host can't be a list
     --> rcl.yaml:3:8
      |
    3 |   vm1: [::1]
      |        ^^^^^
      |
      = help: YAML takes brackets for a list: an IPv6 address alone is written in quotes, "::1"

    error: `address` can't be a list
     --> rcl.yaml:4:18
      |
    4 |   vm2: {address: [fd00::2], zone: a}
      |                  ^^^^^^^^^
      |
      = help: YAML takes brackets for a list: an IPv6 address alone is written in quotes, "fd00::2"
    "#);
}

#[test]
fn wrong_indentation() {
    let text = r#"cluster: orders
config:
  cluster-node-timeout: 15s
   maxmemory: 8gb
"#;
    insta::assert_snapshot!(said(text), @"
    error: this line is indented deeper than `cluster-node-timeout` above it, which has its value already
     --> rcl.yaml:4:4
      |
    4 |    maxmemory: 8gb
      |    ^^^^^^^^^^^^^^
      |
      = help: begin it in the same column as `cluster-node-timeout`
    ");
}

#[test]
fn a_bracket_that_is_not_closed() {
    let text = r#"cluster: orders
shards:
  a: {primary: host1:7000, replicas: [host2:7000]
  b: {primary: host1:7001}
"#;
    insta::assert_snapshot!(said(text), @"
    error: the bracket `{` is not closed
     --> rcl.yaml:3:6
      |
    3 |   a: {primary: host1:7000, replicas: [host2:7000]
      |      ^
      |
      = help: write `}` where it ends
    ");
    let text = r#"cluster: orders
shards:
  a: {primary: host1:7000 replicas: [host2:7000]}
"#;
    insta::assert_snapshot!(said(text), @"
    error: a comma or the closing `}` is missing before this
     --> rcl.yaml:3:35
      |
    3 |   a: {primary: host1:7000 replicas: [host2:7000]}
      |                                   ^
      |
      = help: write a comma between the parts, and quote a text that holds `:`, `,` or brackets
    ");
}

#[test]
fn a_forgotten_bracket() {
    let text = r#"cluster: orders
shards:
  a: {primary: host1:7000, replicas: [host2:7000}
"#;
    insta::assert_snapshot!(said(text), @"
    error: the bracket `[` is not closed
     --> rcl.yaml:3:38
      |
    3 |   a: {primary: host1:7000, replicas: [host2:7000}
      |                                      ^
      |
      = help: write `]` where it ends
    ");
}
