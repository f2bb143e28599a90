//! Hosts and nodes: addresses, announcements, one thing under two names.

use super::{said, said_of_shards};

#[test]
fn hosts() {
    let text = r#"cluster: orders
hosts:
  host1: {zone: rack-a}
  host2: {address: 10.0.0.256}
  host3: 10.0.0.3
  host4: {address: 10.0.0.3, zone: }
  host5: redis5.example.net
  host6: Redis5.Example.NET.
  host7: 10.0.0.7:7000
  host8: {address: 10.0.0.8, access: {username: rcl}}
shards:
  a: {primary: host3:7000}
"#;
    insta::assert_snapshot!(said(text), @r"
    error: the host `host1` has no address
     --> rcl.yaml:3:3
      |
    3 |   host1: {zone: rack-a}
      |   ^^^^^
      |
      = help: write {address: 192.168.81.100} with its address

    error: `10.0.0.256` is not an address
     --> rcl.yaml:4:20
      |
    4 |   host2: {address: 10.0.0.256}
      |                    ^^^^^^^^^^
      |
      = help: write an IP address, or a DNS name such as redis1.example.net

    error: the hosts `host3` and `host4` have the same address
     --> rcl.yaml:6:20
      |
    5 |   host3: 10.0.0.3
      |          -------- first written here
    6 |   host4: {address: 10.0.0.3, zone: }
      |                    ^^^^^^^^
      |
      = help: write one host for each address

    error: `zone` has no value
     --> rcl.yaml:6:34
      |
    6 |   host4: {address: 10.0.0.3, zone: }
      |                                  ^
      |
      = help: write the name of a zone, such as `zone: rack-a`

    error: the hosts `host5` and `host6` have the same address
     --> rcl.yaml:8:10
      |
    7 |   host5: redis5.example.net
      |          ------------------ first written here
    8 |   host6: Redis5.Example.NET.
      |          ^^^^^^^^^^^^^^^^^^^
      |
      = help: write one host for each address

    error: the address `10.0.0.7:7000` has a port
     --> rcl.yaml:9:10
      |
    9 |   host7: 10.0.0.7:7000
      |          ^^^^^^^^^^^^^
      |
      = help: write 10.0.0.7 here, ports belong to the nodes

    error: the user `rcl` has no `password`
      --> rcl.yaml:10:30
       |
    10 |   host8: {address: 10.0.0.8, access: {username: rcl}}
       |                              ^^^^^^
       |
       = help: write password: {env: NAME}, password: {file: PATH}, or password: prompt
    ");
}

#[test]
fn nodes() {
    let text = r#"  a: {primary: host3:7000, replicas: [hsot1:7000]}
  b: {primary: host1, replicas: [host2:0, "host2:70000", host2: 7000]}
  c: {primary: 10.0.0.1:7002, replicas: [10.0.0.9:7002]}
  d: {primary: {announce: 10.0.0.1}}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r#"
    error: the host `host3` is not declared
     --> rcl.yaml:4:16
      |
    4 |   a: {primary: host3:7000, replicas: [hsot1:7000]}
      |                ^^^^^^^^^^
      |
      = help: write host1, or add the host under `hosts`

    error: the host `hsot1` is not declared
     --> rcl.yaml:4:39
      |
    4 |   a: {primary: host3:7000, replicas: [hsot1:7000]}
      |                                       ^^^^^^^^^^
      |
      = help: write host1, or add the host under `hosts`

    error: the node `host1` has no port
     --> rcl.yaml:5:16
      |
    5 |   b: {primary: host1, replicas: [host2:0, "host2:70000", host2: 7000]}
      |                ^^^^^
      |
      = help: write the host and the port, such as host1:7000

    error: `0` is not a port
     --> rcl.yaml:5:34
      |
    5 |   b: {primary: host1, replicas: [host2:0, "host2:70000", host2: 7000]}
      |                                  ^^^^^^^
      |
      = help: write a number from 1 to 65535

    error: `70000` is not a port
     --> rcl.yaml:5:43
      |
    5 |   b: {primary: host1, replicas: [host2:0, "host2:70000", host2: 7000]}
      |                                           ^^^^^^^^^^^^^
      |
      = help: write a number from 1 to 65535

    error: this is not a node
     --> rcl.yaml:5:58
      |
    5 |   b: {primary: host1, replicas: [host2:0, "host2:70000", host2: 7000]}
      |                                                          ^^^^^
      |
      = help: write host2:7000 without a space after the colon

    error: 10.0.0.1 is the host `host1`
     --> rcl.yaml:6:16
      |
    6 |   c: {primary: 10.0.0.1:7002, replicas: [10.0.0.9:7002]}
      |                ^^^^^^^^^^^^^
      |
      = help: write host1:7002

    error: the node has no `at`
     --> rcl.yaml:7:16
      |
    7 |   d: {primary: {announce: 10.0.0.1}}
      |                ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write host1:7000 or {at: host1:7000}
    "#);
}

#[test]
fn an_ipv6_address_without_quotes() {
    let text = r#"  a: {primary: "[::1]:7000", replicas: [[::1]:7001]}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r#"
    error: this is not a node
     --> rcl.yaml:4:41
      |
    4 |   a: {primary: "[::1]:7000", replicas: [[::1]:7001]}
      |                                         ^^^^^
      |
      = help: quote an address that starts with a bracket: "[::1]:7000"
    "#);
}

#[test]
fn an_ipv6_address_without_quotes_in_a_block() {
    let text = r#"  a:
    primary: [fd00::1]:7000
"#;
    insta::assert_snapshot!(said_of_shards(text), @r#"
    error: YAML takes what starts with a bracket for a list
     --> rcl.yaml:5:14
      |
    5 |     primary: [fd00::1]:7000
      |              ^^^^^^^^^^^^^^
      |
      = help: quote an address that starts with a bracket: "[fd00::1]:7000"
    "#);
}

#[test]
fn an_ipv6_address_without_brackets() {
    let text = r#"  a:
    primary: fd00::1:7000
"#;
    insta::assert_snapshot!(said_of_shards(text), @r#"
    error: the node `fd00::1:7000` has no port
     --> rcl.yaml:5:14
      |
    5 |     primary: fd00::1:7000
      |              ^^^^^^^^^^^^
      |
      = help: write "[fd00::1]:7000" if 7000 is the port
    "#);
}

#[test]
fn announcements() {
    let text = r#"  a: {primary: {at: host1:7000, announce: a1.example.net}, replicas: [{at: host2:7000, announce: "10.0.0.1:7001@"}]}
  b: {primary: {at: host1:60000}, replicas: [{at: host2:60000, announce: "10.0.0.2@6000"}]}
  c: {primary: {at: host1:7002, hostname: c_1.example.net}, replicas: [{at: host2:7002, id: 6FC7}]}
  d: {primary: {at: host1:7003, announce: "203.0.113.7:7000"}, replicas: [{at: host2:7003, announce: "203.0.113.7:7000"}]}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r#"
    error: `a1.example.net` is not an IP address
     --> rcl.yaml:4:43
      |
    4 |   a: {primary: {at: host1:7000, announce: a1.example.net}, replicas: [{at: host2:7000, announce: "10.0.0.1:7001@"}]}
      |                                           ^^^^^^^^^^^^^^
      |
      = help: write an IP address; a name is announced by `hostname`

    error: the port is missing
     --> rcl.yaml:4:98
      |
    4 |   a: {primary: {at: host1:7000, announce: a1.example.net}, replicas: [{at: host2:7000, announce: "10.0.0.1:7001@"}]}
      |                                                                                                  ^^^^^^^^^^^^^^^^
      |
      = help: write a number from 1 to 65535

    error: the port 60000 leaves no room for the bus port, which is 10000 higher
     --> rcl.yaml:5:21
      |
    5 |   b: {primary: {at: host1:60000}, replicas: [{at: host2:60000, announce: "10.0.0.2@6000"}]}
      |                     ^^^^^^^^^^^
      |
      = help: write a port up to 55535, or announce the bus port: {at: host1:60000, announce: "203.0.113.7@17000"}

    error: `c_1.example.net` can't be announced as a hostname
     --> rcl.yaml:6:43
      |
    6 |   c: {primary: {at: host1:7002, hostname: c_1.example.net}, replicas: [{at: host2:7002, id: 6FC7}]}
      |                                           ^^^^^^^^^^^^^^^
      |
      = help: write letters, digits, - and . only, such as a1.example.net

    error: `6FC7` is not a node id
     --> rcl.yaml:6:93
      |
    6 |   c: {primary: {at: host1:7002, hostname: c_1.example.net}, replicas: [{at: host2:7002, id: 6FC7}]}
      |                                                                                             ^^^^
      |
      = help: write the 40 lower-case hex digits that CLUSTER MYID answers

    error: two nodes have the same announced address
     --> rcl.yaml:7:102
      |
    7 |   d: {primary: {at: host1:7003, announce: "203.0.113.7:7000"}, replicas: [{at: host2:7003, announce: "203.0.113.7:7000"}]}
      |                                           ------------------ first written here                      ^^^^^^^^^^^^^^^^^^
      |
      = help: write the port of each under which the others reach it
    "#);
}

#[test]
fn one_node_twice() {
    let text = r#"cluster: orders
hosts: {host1: 10.0.0.1, host2: "::ffff:10.0.0.1"}
shards:
  a: {primary: host1:7000, replicas: [host1:7000]}
  b: {primary: host1:7000}
  c: {primary: 10.0.0.1:7000}
  d: {primary: 10.0.0.9:7000, replicas: ["[::ffff:10.0.0.9]:7000"]}
"#;
    insta::assert_snapshot!(said(text), @r#"
    error: the hosts `host1` and `host2` have the same address
     --> rcl.yaml:2:33
      |
    2 | hosts: {host1: 10.0.0.1, host2: "::ffff:10.0.0.1"}
      |                --------         ^^^^^^^^^^^^^^^^^
      |                |
      |                first written here
      |
      = help: write one host for each address

    error: the node `host1:7000` is in its shard twice
     --> rcl.yaml:4:39
      |
    4 |   a: {primary: host1:7000, replicas: [host1:7000]}
      |                ----------             ^^^^^^^^^^
      |                |
      |                first written here
      |
      = help: write each node once

    error: the node `host1:7000` is in the shards `a` and `b`
     --> rcl.yaml:5:16
      |
    4 |   a: {primary: host1:7000, replicas: [host1:7000]}
      |                ---------- first written here
    5 |   b: {primary: host1:7000}
      |                ^^^^^^^^^^
      |
      = help: write each node in one shard only

    error: 10.0.0.1 is the host `host1`
     --> rcl.yaml:6:16
      |
    6 |   c: {primary: 10.0.0.1:7000}
      |                ^^^^^^^^^^^^^
      |
      = help: write host1:7000

    error: `host1:7000` and `10.0.0.1:7000` are the same node
     --> rcl.yaml:6:16
      |
    4 |   a: {primary: host1:7000, replicas: [host1:7000]}
      |                ---------- first written here
    5 |   b: {primary: host1:7000}
    6 |   c: {primary: 10.0.0.1:7000}
      |                ^^^^^^^^^^^^^
      |
      = help: write each node once

    error: `10.0.0.9:7000` and `[::ffff:10.0.0.9]:7000` are the same node
     --> rcl.yaml:7:42
      |
    7 |   d: {primary: 10.0.0.9:7000, replicas: ["[::ffff:10.0.0.9]:7000"]}
      |                -------------             ^^^^^^^^^^^^^^^^^^^^^^^^
      |                |
      |                first written here
      |
      = help: write each node once
    "#);
}

#[test]
fn ids_and_bus_ports_that_collide() {
    let text = r#"  a: {primary: {at: host1:17000, id: 6fc7000000000000000000000000000000000001}}
  b: {primary: {at: host1:7000, id: 6fc7000000000000000000000000000000000001}}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: 17000 is the bus port of `host1:7000`
     --> rcl.yaml:4:21
      |
    4 |   a: {primary: {at: host1:17000, id: 6fc7000000000000000000000000000000000001}}
      |                     ^^^^^^^^^^^
    5 |   b: {primary: {at: host1:7000, id: 6fc7000000000000000000000000000000000001}}
      |                     ---------- its bus port is 10000 higher than its port for clients
      |
      = help: write another port

    error: two nodes have the same id
     --> rcl.yaml:5:37
      |
    4 |   a: {primary: {at: host1:17000, id: 6fc7000000000000000000000000000000000001}}
      |                                      ---------------------------------------- first written here
    5 |   b: {primary: {at: host1:7000, id: 6fc7000000000000000000000000000000000001}}
      |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the id that CLUSTER MYID answers on this node, or leave it out
    ");
}
