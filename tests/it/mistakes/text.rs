//! Keys that aren't known, values of the wrong kind, names.

use super::said;

#[test]
fn an_empty_file() {
    let text = r#""#;
    insta::assert_snapshot!(said(text), @r"
    error: the file is empty
     --> rcl.yaml:1:1
      |
    1 |
      | ^
      |
      = help: write `cluster: NAME` on the first line, then `hosts:` and `shards:`
    ");
}

#[test]
fn a_file_that_is_a_list() {
    let text = r#"- cluster: orders
"#;
    insta::assert_snapshot!(said(text), @r"
    error: the file can't be a list
     --> rcl.yaml:1:1
      |
    1 | - cluster: orders
      | ^
      |
      = help: write `cluster: NAME` on the first line, then `hosts:` and `shards:`
    ");
}

#[test]
fn everything_missing() {
    let text = r#"policy: {}
"#;
    insta::assert_snapshot!(said(text), @r"
    error: `cluster` is missing
     --> rcl.yaml:1:1
      |
    1 | policy: {}
      | ^
      |
      = help: write a name, such as `cluster: orders`

    error: there are no shards
     --> rcl.yaml:1:1
      |
    1 | policy: {}
      | ^
      |
      = help: write `shards:` and under it a line such as `a: {primary: host1:7000}`
    ");
}

#[test]
fn two_documents() {
    let text = r#"cluster: orders
---
cluster: users
"#;
    insta::assert_snapshot!(said(text), @r"
    error: the file holds a second YAML document
     --> rcl.yaml:3:1
      |
    3 | cluster: users
      | ^
      |
      = help: leave out the line `---` and what follows, one file describes one cluster
    ");
}

#[test]
fn unknown_keys_everywhere() {
    let text = r#"cluster: orders
clutser: users
hosts:
  host1: {adress: 10.0.0.1}
  host2: {address: 10.0.0.2, rack: a}
shards:
  a: {primry: host1:7000, slaves: [host2:7000]}
  b: {primary: {at: host2:7001, anounce: 10.0.0.2}, colour: red}
policy: {replica_apart: zone}
polcy: {}
"#;
    insta::assert_snapshot!(said(text), @r"
    error: `clutser` is not a key of the file
     --> rcl.yaml:2:1
      |
    2 | clutser: users
      | ^^^^^^^
      |
      = help: write `cluster`

    error: `adress` is not a key of a host
     --> rcl.yaml:4:11
      |
    4 |   host1: {adress: 10.0.0.1}
      |           ^^^^^^
      |
      = help: write `address`

    error: `rack` is not a key of a host
     --> rcl.yaml:5:30
      |
    5 |   host2: {address: 10.0.0.2, rack: a}
      |                              ^^^^
      |
      = help: write `zone`

    error: `primry` is not a key of a shard
     --> rcl.yaml:7:7
      |
    7 |   a: {primry: host1:7000, slaves: [host2:7000]}
      |       ^^^^^^
      |
      = help: write `primary`

    error: `slaves` is not a key of a shard
     --> rcl.yaml:7:27
      |
    7 |   a: {primry: host1:7000, slaves: [host2:7000]}
      |                           ^^^^^^
      |
      = help: write `replicas`

    error: `anounce` is not a key of a node
     --> rcl.yaml:8:33
      |
    8 |   b: {primary: {at: host2:7001, anounce: 10.0.0.2}, colour: red}
      |                                 ^^^^^^^
      |
      = help: write `announce`

    error: `colour` is not a key of a shard
     --> rcl.yaml:8:53
      |
    8 |   b: {primary: {at: host2:7001, anounce: 10.0.0.2}, colour: red}
      |                                                     ^^^^^^
      |
      = help: the keys are primary, replicas, slots, weight

    error: `replica_apart` is not a key of `policy`
     --> rcl.yaml:9:10
      |
    9 | policy: {replica_apart: zone}
      |          ^^^^^^^^^^^^^
      |
      = help: write `replicas_apart`

    error: `polcy` is not a key of the file
      --> rcl.yaml:10:1
       |
    10 | polcy: {}
       | ^^^^^
       |
       = help: write `policy`
    ");
}

#[test]
fn duplicate_keys() {
    let text = r#"cluster: orders
cluster: orders
hosts: {host1: 10.0.0.1, host1: 10.0.0.2}
config:
  replica-priority: 10
  slave-priority: 20
shards:
  a: {primary: host1:7000, primary: host1:7001}
  a: {primary: host1:7002}
"#;
    insta::assert_snapshot!(said(text), @r"
    error: `cluster` is written twice
     --> rcl.yaml:2:1
      |
    1 | cluster: orders
      | ------- first written here
    2 | cluster: orders
      | ^^^^^^^
      |
      = help: leave one of the two out

    error: `host1` is written twice
     --> rcl.yaml:3:26
      |
    3 | hosts: {host1: 10.0.0.1, host1: 10.0.0.2}
      |         -----            ^^^^^
      |         |
      |         first written here
      |
      = help: leave one of the two out

    error: `slave-priority` and `replica-priority` are the same option
     --> rcl.yaml:6:3
      |
    5 |   replica-priority: 10
      |   ---------------- first written here
    6 |   slave-priority: 20
      |   ^^^^^^^^^^^^^^
      |
      = help: leave one of the two out

    error: `primary` is written twice
     --> rcl.yaml:8:28
      |
    8 |   a: {primary: host1:7000, primary: host1:7001}
      |       -------              ^^^^^^^
      |       |
      |       first written here
      |
      = help: leave one of the two out

    error: `a` is written twice
     --> rcl.yaml:9:3
      |
    8 |   a: {primary: host1:7000, primary: host1:7001}
      |   - first written here
    9 |   a: {primary: host1:7002}
      |   ^
      |
      = help: leave one of the two out
    ");
}

#[test]
fn wrong_types_everywhere() {
    let text = r#"cluster: [orders]
hosts: [10.0.0.1]
config: maxmemory 8gb
shards:
  a: host1:7000
  b: {primary: [host1:7000], replicas: host2:7000}
  c: {primary: 10.0.0.1:7003, replicas: {at: 10.0.0.2:7003}, slots: {from: 0}, weight: [1]}
  d:
policy: off
"#;
    insta::assert_snapshot!(said(text), @"
    error: `cluster` can't be a list
     --> rcl.yaml:1:10
      |
    1 | cluster: [orders]
      |          ^^^^^^^^
      |
      = help: write a name, such as `cluster: orders`

    error: `hosts` can't be a list
     --> rcl.yaml:2:8
      |
    2 | hosts: [10.0.0.1]
      |        ^^^^^^^^^^
      |
      = help: write a line for each host, such as `host1: 192.168.81.100`

    error: `config` can't be a single value
     --> rcl.yaml:3:9
      |
    3 | config: maxmemory 8gb
      |         ^^^^^^^^^^^^^
      |
      = help: write a line for each option, such as `maxmemory: 8gb`; `maxmemory` needs a colon and a space after it

    error: a shard can't be a single value
     --> rcl.yaml:5:6
      |
    5 |   a: host1:7000
      |      ^^^^^^^^^^
      |
      = help: write {primary: host1:7000, replicas: [host2:7000]}

    error: a shard has one primary, but this is a list
     --> rcl.yaml:6:16
      |
    6 |   b: {primary: [host1:7000], replicas: host2:7000}
      |                ^^^^^^^^^^^^
      |
      = help: write one node, such as `primary: host1:7000`

    error: `replicas` can't be a single value
     --> rcl.yaml:6:40
      |
    6 |   b: {primary: [host1:7000], replicas: host2:7000}
      |                                        ^^^^^^^^^^
      |
      = help: write a list, such as `replicas: [host2:7000]`

    error: `replicas` can't have keys of its own
     --> rcl.yaml:7:41
      |
    7 |   c: {primary: 10.0.0.1:7003, replicas: {at: 10.0.0.2:7003}, slots: {from: 0}, weight: [1]}
      |                                         ^^^^^^^^^^^^^^^^^^^
      |
      = help: write a list, such as `replicas: [host2:7000]`

    error: `slots` can't have keys of its own
     --> rcl.yaml:7:69
      |
    7 |   c: {primary: 10.0.0.1:7003, replicas: {at: 10.0.0.2:7003}, slots: {from: 0}, weight: [1]}
      |                                                                     ^^^^^^^^^
      |
      = help: write a range such as 0-5461, a list of ranges, auto or none

    error: `weight` can't be a list
     --> rcl.yaml:7:88
      |
    7 |   c: {primary: 10.0.0.1:7003, replicas: {at: 10.0.0.2:7003}, slots: {from: 0}, weight: [1]}
      |                                                                                        ^^^
      |
      = help: write a whole number, such as `weight: 2`

    error: a shard has no value
     --> rcl.yaml:8:4
      |
    8 |   d:
      |    ^
      |
      = help: write {primary: host1:7000, replicas: [host2:7000]}

    error: `policy` can't be a single value
     --> rcl.yaml:9:9
      |
    9 | policy: off
      |         ^^^
      |
      = help: write policy: {replicas_apart: zone}
    ");
}

#[test]
fn values_left_out() {
    let text = r#"cluster:
hosts:
config:
shards:
  a: {primary: , replicas: , slots: , weight: }
policy:
"#;
    insta::assert_snapshot!(said(text), @r"
    error: `cluster` has no value
     --> rcl.yaml:1:8
      |
    1 | cluster:
      |        ^
      |
      = help: write a name, such as `cluster: orders`

    error: `hosts` has no value
     --> rcl.yaml:2:6
      |
    2 | hosts:
      |      ^
      |
      = help: write a line for each host, such as `host1: 192.168.81.100`

    error: `config` has no value
     --> rcl.yaml:3:7
      |
    3 | config:
      |       ^
      |
      = help: write a line for each option, such as `maxmemory: 8gb`

    error: a node has no value
     --> rcl.yaml:5:14
      |
    5 |   a: {primary: , replicas: , slots: , weight: }
      |              ^
      |
      = help: write host1:7000 or {at: host1:7000}

    error: `replicas` has no value
     --> rcl.yaml:5:26
      |
    5 |   a: {primary: , replicas: , slots: , weight: }
      |                          ^
      |
      = help: write a list, such as `replicas: [host2:7000]`

    error: `slots` has no value
     --> rcl.yaml:5:35
      |
    5 |   a: {primary: , replicas: , slots: , weight: }
      |                                   ^
      |
      = help: write a range such as 0-5461, a list of ranges, auto or none

    error: `weight` has no value
     --> rcl.yaml:5:45
      |
    5 |   a: {primary: , replicas: , slots: , weight: }
      |                                             ^
      |
      = help: write a whole number, such as `weight: 2`

    error: `policy` has no value
     --> rcl.yaml:6:7
      |
    6 | policy:
      |       ^
      |
      = help: write policy: {replicas_apart: zone}
    ");
}

#[test]
fn names() {
    let text = r#"cluster: "orders of 2026"
hosts: {"host 1": 10.0.0.1, 10.0.0.2: 10.0.0.2, "": 10.0.0.3, ~: 10.0.0.4}
config: {"max memory": 1}
shards:
  "a\tb": {primary: 10.0.0.5:7000}
  "a/b": {primary: 10.0.0.5:7001}
"#;
    insta::assert_snapshot!(said(text), @r#"
    error: `orders of 2026` can't be the name of a cluster
     --> rcl.yaml:1:10
      |
    1 | cluster: "orders of 2026"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: write letters, digits and the signs . _ - only

    error: `host 1` can't be the name of a host
     --> rcl.yaml:2:9
      |
    2 | hosts: {"host 1": 10.0.0.1, 10.0.0.2: 10.0.0.2, "": 10.0.0.3, ~: 10.0.0.4}
      |         ^^^^^^^^
      |
      = help: write letters, digits and the signs . _ - only

    error: the address `10.0.0.2` stands where the name of a host belongs
     --> rcl.yaml:2:29
      |
    2 | hosts: {"host 1": 10.0.0.1, 10.0.0.2: 10.0.0.2, "": 10.0.0.3, ~: 10.0.0.4}
      |                             ^^^^^^^^
      |
      = help: write a name before the address, such as host1; a bare address needs no entry here

    error: `` can't be the name of a host
     --> rcl.yaml:2:49
      |
    2 | hosts: {"host 1": 10.0.0.1, 10.0.0.2: 10.0.0.2, "": 10.0.0.3, ~: 10.0.0.4}
      |                                                 ^^
      |
      = help: write letters, digits and the signs . _ - only

    error: a key is missing before the colon
     --> rcl.yaml:2:63
      |
    2 | hosts: {"host 1": 10.0.0.1, 10.0.0.2: 10.0.0.2, "": 10.0.0.3, ~: 10.0.0.4}
      |                                                               ^
      |
      = help: write the key, in quotes if it is meant to be `null` or `~`

    error: `max memory` can't be the name of an option
     --> rcl.yaml:3:10
      |
    3 | config: {"max memory": 1}
      |          ^^^^^^^^^^^^
      |
      = help: write letters, digits and the signs . _ - only

    error: the key `a\tb` holds a control character
     --> rcl.yaml:5:3
      |
    5 |   "a\tb": {primary: 10.0.0.5:7000}
      |   ^^^^^^
      |
      = help: write it without

    error: `a/b` can't be the name of a shard
     --> rcl.yaml:6:3
      |
    6 |   "a/b": {primary: 10.0.0.5:7001}
      |   ^^^^^
      |
      = help: write letters, digits and the signs . _ - only
    "#);
}

#[test]
fn control_characters() {
    let text = r#"cluster: "orders\e[31m"
hosts: {host1: {address: 10.0.0.1, zone: "rack\na"}}
config: {loglevel: "notice\nport 1"}
shards:
  a: {primary: host1:7000}
"#;
    insta::assert_snapshot!(said(text), @r#"
    error: `cluster` holds a control character
     --> rcl.yaml:1:10
      |
    1 | cluster: "orders\e[31m"
      |          ^^^^^^^^^^^^^^
      |
      = help: write a name, such as `cluster: orders`

    error: `zone` holds a control character
     --> rcl.yaml:2:42
      |
    2 | hosts: {host1: {address: 10.0.0.1, zone: "rack\na"}}
      |                                          ^^^^^^^^^
      |
      = help: write the name of a zone, such as `zone: rack-a`

    error: `loglevel` holds a control character
     --> rcl.yaml:3:20
      |
    3 | config: {loglevel: "notice\nport 1"}
      |                    ^^^^^^^^^^^^^^^^
      |
      = help: write the value on one line and without control characters
    "#);
}

#[test]
fn no_shards() {
    let text = r#"cluster: orders
shards: {}
"#;
    insta::assert_snapshot!(said(text), @r"
    error: there are no shards
     --> rcl.yaml:2:9
      |
    2 | shards: {}
      |         ^^
      |
      = help: write a line for each shard, such as `a: {primary: host1:7000, replicas: [host2:7000]}`
    ");
}
