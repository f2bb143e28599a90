//! Options, secrets, the policy, and what is not supported yet.

use super::said_of;

#[test]
fn values_of_options() {
    let text = r#"config:
  cluster-node-timeout: 15 s
  repl-timeout: 1500ms
  maxmemory: 8 GB
  maxmemory-clients: 5 percent
  cluster-require-full-coverage: false
  appendonly: maybe
  hz: 0x10
  maxclients: 07
  client-output-buffer-limit: replica 256mb
  save: [3600, 1]
  loglevel:
  hash-max-listpack-entries: many
"#;
    insta::assert_snapshot!(said_of(text), @r#"
    error: `cluster-node-timeout` needs a time, but this is `15 s`
     --> rcl.yaml:3:25
      |
    3 |   cluster-node-timeout: 15 s
      |                         ^^^^
      |
      = help: write a whole number and its unit (us, ms, s, m, h, d), such as 15s; a bare number counts milliseconds

    error: `1500ms` is no whole number of seconds, which `repl-timeout` counts
     --> rcl.yaml:4:17
      |
    4 |   repl-timeout: 1500ms
      |                 ^^^^^^
      |
      = help: write whole seconds, such as 60s

    error: `maxmemory` needs a size, but this is `8 GB`
     --> rcl.yaml:5:14
      |
    5 |   maxmemory: 8 GB
      |              ^^^^
      |
      = help: write a whole number and its unit, such as 8gb (kb, mb, gb count 1024; k, m, g count 1000)

    error: `maxmemory-clients` needs a size or a share, but this is `5 percent`
     --> rcl.yaml:6:22
      |
    6 |   maxmemory-clients: 5 percent
      |                      ^^^^^^^^^
      |
      = help: write a size such as 1gb, or a share such as 5%

    error: `cluster-require-full-coverage` needs yes or no, but this is `false`
     --> rcl.yaml:7:34
      |
    7 |   cluster-require-full-coverage: false
      |                                  ^^^^^
      |
      = help: write no

    error: `appendonly` needs yes or no, but this is `maybe`
     --> rcl.yaml:8:15
      |
    8 |   appendonly: maybe
      |               ^^^^^
      |
      = help: write yes or no

    error: `hz` needs a whole number, but this is `0x10`
     --> rcl.yaml:9:7
      |
    9 |   hz: 0x10
      |       ^^^^
      |
      = help: write digits only, such as 10

    error: `maxclients` needs a whole number, but this is `07`
      --> rcl.yaml:10:15
       |
    10 |   maxclients: 07
       |               ^^
       |
       = help: write 7

    error: `client-output-buffer-limit` needs a class of clients and three limits, but this is `replica 256mb`
      --> rcl.yaml:11:31
       |
    11 |   client-output-buffer-limit: replica 256mb
       |                               ^^^^^^^^^^^^^
       |
       = help: write CLASS HARD SOFT SECONDS, such as "replica 256mb 64mb 60", for the classes normal, replica, pubsub

    error: `save` has to be a text, but this is a list
      --> rcl.yaml:12:9
       |
    12 |   save: [3600, 1]
       |         ^^^^^^^^^
       |
       = help: write the values as one text in quotes, such as "3600 1 300 100"

    error: `loglevel` has no value
      --> rcl.yaml:13:11
       |
    13 |   loglevel:
       |           ^
       |
       = help: write "" for the empty value, or leave the option out

    error: `hash-max-listpack-entries` needs a whole number, but this is `many`
      --> rcl.yaml:14:30
       |
    14 |   hash-max-listpack-entries: many
       |                              ^^^^
       |
       = help: write digits only, such as 10
    "#);
}

#[test]
fn options_that_cannot_be_held() {
    let text = r#"config:
  cluster-enabled: yes
  port: 7000
  tls-port: 7001
  bind: 0.0.0.0
  dir: /var/lib/redis
  cluster-config-file: nodes.conf
  cluster-announce-ip: 10.0.0.1
  cluster-announce-port: 7000
  cluster-announce-bus-port: 17000
  cluster-announce-hostname: a1
  slave-announce-ip: 10.0.0.1
  requirepass: {env: X}
  replicaof: 10.0.0.1 7000
  rename-command: CONFIG ""
  cluster-announce-tls-port: 7001
"#;
    insta::assert_snapshot!(said_of(text), @r#"
    error: `cluster-enabled` is what makes a server a node, and no running server can change it
     --> rcl.yaml:3:3
      |
    3 |   cluster-enabled: yes
      |   ^^^^^^^^^^^^^^^
      |
      = help: leave it out, `rcl conf` writes it for each node

    error: `port` belongs to the node's place, not to the options held on it
     --> rcl.yaml:4:3
      |
    4 |   port: 7000
      |   ^^^^
      |
      = help: leave it out, the port is part of a node's name: host1:7000

    error: `tls-port` belongs to the node's place, not to the options held on it
     --> rcl.yaml:5:3
      |
    5 |   tls-port: 7001
      |   ^^^^^^^^
      |
      = help: leave it out

    error: `bind` belongs to the node's place, not to the options held on it
     --> rcl.yaml:6:3
      |
    6 |   bind: 0.0.0.0
      |   ^^^^
      |
      = help: leave it out, `rcl conf` writes it for each node

    error: `dir` belongs to the node's place, not to the options held on it
     --> rcl.yaml:7:3
      |
    7 |   dir: /var/lib/redis
      |   ^^^
      |
      = help: leave it out, `rcl conf` writes it for each node

    error: `cluster-config-file` belongs to the node's place, not to the options held on it
     --> rcl.yaml:8:3
      |
    8 |   cluster-config-file: nodes.conf
      |   ^^^^^^^^^^^^^^^^^^^
      |
      = help: leave it out, `rcl conf` writes it for each node

    error: `cluster-announce-ip` differs from node to node
     --> rcl.yaml:9:3
      |
    9 |   cluster-announce-ip: 10.0.0.1
      |   ^^^^^^^^^^^^^^^^^^^
      |
      = help: write the node's long form: {at: host1:7000, announce: "203.0.113.7:7000@17000"}

    error: `cluster-announce-port` differs from node to node
      --> rcl.yaml:10:3
       |
    10 |   cluster-announce-port: 7000
       |   ^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write the node's long form: {at: host1:7000, announce: "203.0.113.7:7000@17000"}

    error: `cluster-announce-bus-port` differs from node to node
      --> rcl.yaml:11:3
       |
    11 |   cluster-announce-bus-port: 17000
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write the node's long form: {at: host1:7000, announce: "203.0.113.7:7000@17000"}

    error: `cluster-announce-hostname` differs from node to node
      --> rcl.yaml:12:3
       |
    12 |   cluster-announce-hostname: a1
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write the node's long form: {at: host1:7000, hostname: a1.example.net}

    error: `slave-announce-ip` differs from node to node
      --> rcl.yaml:13:3
       |
    13 |   slave-announce-ip: 10.0.0.1
       |   ^^^^^^^^^^^^^^^^^
       |
       = help: write the node's long form: {at: host1:7000, announce: "203.0.113.7:7000@17000"}

    error: `requirepass` is what rcl itself logs in with
      --> rcl.yaml:14:3
       |
    14 |   requirepass: {env: X}
       |   ^^^^^^^^^^^
       |
       = help: leave it out and write access: {password: {env: NAME}}; `rcl conf` and `rcl lab` give it to the servers

    error: `replicaof` is not how replicas are declared
      --> rcl.yaml:15:3
       |
    15 |   replicaof: 10.0.0.1 7000
       |   ^^^^^^^^^
       |
       = help: leave it out and list the node under `replicas` of its shard

    error: `rename-command` is a line of the server's own file, no server tells it or takes it at run time
      --> rcl.yaml:16:3
       |
    16 |   rename-command: CONFIG ""
       |   ^^^^^^^^^^^^^^
       |
       = help: leave it out here and write it in the server's own configuration file

    error: `cluster-announce-tls-port` is not supported yet
      --> rcl.yaml:17:3
       |
    17 |   cluster-announce-tls-port: 7001
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: leave it out
    "#);
}

#[test]
fn secrets_in_the_file() {
    let text = r#"config:
  primaryauth: hunter2
  tls-key-file-pass: [hunter2]
  maxmemory: {env: MAX}
  some-module.password: {env: "A B"}
  some-module.secret: {env: A, file: b}
  masteruser: {}
"#;
    insta::assert_snapshot!(said_of(text), @r#"
    error: the secret `primaryauth` must not stand in the file
     --> rcl.yaml:3:16
      |
    3 |   primaryauth: *******
      |                ^^^^^^^
      |
      = help: write primaryauth: {env: NAME} or primaryauth: {file: PATH}

    error: the secret `tls-key-file-pass` must not stand in the file
     --> rcl.yaml:4:22
      |
    4 |   tls-key-file-pass: [*******]
      |                      ^^^^^^^^^
      |
      = help: write tls-key-file-pass: {env: NAME} or tls-key-file-pass: {file: PATH}

    error: `maxmemory` is not a secret
     --> rcl.yaml:5:14
      |
    5 |   maxmemory: {env: MAX}
      |              ^^^^^^^^^^
      |
      = help: write its value as a text

    error: this can't be the name of an environment variable
     --> rcl.yaml:6:31
      |
    6 |   some-module.password: {env: "A B"}
      |                               ^^^^^
      |
      = help: write letters, digits and _ only, such as {env: RCL_MASTERAUTH}

    error: the secret `some-module.secret` has two sources
     --> rcl.yaml:7:23
      |
    7 |   some-module.secret: {env: A, file: b}
      |                       ^^^^^^^^^^^^^^^^^
      |
      = help: write {env: NAME} or {file: PATH}, not both

    error: `masteruser` is not a secret
     --> rcl.yaml:8:15
      |
    8 |   masteruser: {}
      |               ^^
      |
      = help: write its value as a text
    "#);
}

#[test]
fn a_secret_beside_another_mistake() {
    let text = r#"config: {masterauth: hunter2, maxmemory: x}
"#;
    insta::assert_snapshot!(said_of(text), @r"
    error: the secret `masterauth` must not stand in the file
     --> rcl.yaml:2:22
      |
    2 | config: {masterauth: *******, maxmemory: x}
      |                      ^^^^^^^
      |
      = help: write masterauth: {env: NAME} or masterauth: {file: PATH}

    error: `maxmemory` needs a size, but this is `x`
     --> rcl.yaml:2:42
      |
    2 | config: {masterauth: *******, maxmemory: x}
      |                                          ^
      |
      = help: write a whole number and its unit, such as 8gb (kb, mb, gb count 1024; k, m, g count 1000)
    ");
}

#[test]
fn a_secret_in_a_file_that_is_not_yaml() {
    let text = r#"config: {masterauth: "hunter2, maxmemory: x}
"#;
    insta::assert_snapshot!(said_of(text), @"
    error: a quote is opened here and never closed
     --> rcl.yaml:2:22
      |
    2 | config: {masterauth: ********               
      |                      ^
      |
      = help: write the same quote at the end of the text
    ");
}

#[test]
fn policy() {
    let text = r#"policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
"#;
    insta::assert_snapshot!(said_of(text), @"
    error: `replicas_apart` can't be `rack`
     --> rcl.yaml:2:26
      |
    2 | policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
      |                          ^^^^
      |
      = help: write host, zone or off

    error: `prune` is true or false, but this is `maybe`
     --> rcl.yaml:2:54
      |
    2 | policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
      |                                                      ^^^^^
      |
      = help: write `prune: false`

    error: `engine` can't be `fast`
     --> rcl.yaml:2:76
      |
    2 | policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
      |                                                                            ^^^^
      |
      = help: write auto, atomic or classic

    error: `batch` can't be `0`
     --> rcl.yaml:2:89
      |
    2 | policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
      |                                                                                         ^
      |
      = help: write a whole number from 1 to 10000

    error: `pause` needs a time, but this is `soon`
     --> rcl.yaml:2:99
      |
    2 | policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
      |                                                                                                   ^^^^
      |
      = help: write a whole number and its unit (us, ms, s, m, h, d), such as 15s; a bare number counts milliseconds

    error: `speed` is not a key of `move`
     --> rcl.yaml:2:105
      |
    2 | policy: {replicas_apart: rack, failback: yes, prune: maybe, move: {engine: fast, batch: 0, pause: soon, speed: 1}}
      |                                                                                                         ^^^^^
      |
      = help: the keys are engine, batch, pause
    ");
}
