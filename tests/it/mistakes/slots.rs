//! Slots and weights.

use super::said_of_shards;

#[test]
fn slots_that_are_none() {
    let text = r#"  a: {primary: host1:7000, slots: 0-16384}
  b: {primary: host1:7001, slots: 5461-0}
  c: {primary: host1:7002, slots: all}
  d: {primary: host1:7003, slots: "0-5,7"}
  e: {primary: host1:7004, slots: [0-5, x, 3-9]}
  f: {primary: host1:7005, slots: []}
  g: {primary: host1:7006, slots: Auto}
  h: {primary: host1:7007, slots: 0x10}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r#"
    error: there is no slot `16384`
     --> rcl.yaml:4:35
      |
    4 |   a: {primary: host1:7000, slots: 0-16384}
      |                                   ^^^^^^^
      |
      = help: write slots from 0 to 16383

    error: the range 5461-0 ends before it starts
     --> rcl.yaml:5:35
      |
    5 |   b: {primary: host1:7001, slots: 5461-0}
      |                                   ^^^^^^
      |
      = help: write 0-5461

    error: `all` is not a slot or a range of slots
     --> rcl.yaml:6:35
      |
    6 |   c: {primary: host1:7002, slots: all}
      |                                   ^^^
      |
      = help: write a range such as 0-5461, a list of ranges, auto or none

    error: `0-5,7` is more than one range
     --> rcl.yaml:7:35
      |
    7 |   d: {primary: host1:7003, slots: "0-5,7"}
      |                                   ^^^^^^^
      |
      = help: write a list, such as [0-5461, 16383]

    error: `x` is not a slot or a range of slots
     --> rcl.yaml:8:41
      |
    8 |   e: {primary: host1:7004, slots: [0-5, x, 3-9]}
      |                                         ^
      |
      = help: write a range such as 0-5461, a list of ranges, auto or none

    error: this list has slots 3-5 twice
     --> rcl.yaml:8:44
      |
    8 |   e: {primary: host1:7004, slots: [0-5, x, 3-9]}
      |                                            ^^^
      |
      = help: write each slot once

    error: the list of slots is empty
     --> rcl.yaml:9:35
      |
    9 |   f: {primary: host1:7005, slots: []}
      |                                   ^^
      |
      = help: write `slots: none`

    error: `Auto` is not written in lower case
      --> rcl.yaml:10:35
       |
    10 |   g: {primary: host1:7006, slots: Auto}
       |                                   ^^^^
       |
       = help: write auto

    error: `0x10` is not a slot or a range of slots
      --> rcl.yaml:11:35
       |
    11 |   h: {primary: host1:7007, slots: 0x10}
       |                                   ^^^^
       |
       = help: write a range such as 0-5461, a list of ranges, auto or none
    "#);
}

#[test]
fn slots_that_overlap() {
    let text = r#"  a: {primary: host1:7000, slots: 0-5461}
  b: {primary: host1:7001, slots: [5461-10922, 20]}
  c: {primary: host1:7002, slots: 10900-16383}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: the shard `a` has slots 20,5461, too
     --> rcl.yaml:5:35
      |
    4 |   a: {primary: host1:7000, slots: 0-5461}
      |                                   ------ first written here
    5 |   b: {primary: host1:7001, slots: [5461-10922, 20]}
      |                                   ^^^^^^^^^^^^^^^^
      |
      = help: write each slot in one shard only

    error: the shard `b` has slots 10900-10922, too
     --> rcl.yaml:6:35
      |
    5 |   b: {primary: host1:7001, slots: [5461-10922, 20]}
      |                                   ---------------- first written here
    6 |   c: {primary: host1:7002, slots: 10900-16383}
      |                                   ^^^^^^^^^^^
      |
      = help: write each slot in one shard only
    ");
}

#[test]
fn slots_of_nobody() {
    let text = r#"  a: {primary: host1:7000, slots: [0-99, 200-5461]}
  b: {primary: host1:7001, slots: 5463-16382}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: no shard has slots 100-199,5462,16383
     --> rcl.yaml:3:1
      |
    3 | shards:
      | ^^^^^^
      |
      = help: write them into the `slots` of a shard, or write `slots: auto` for one
    ");
}

#[test]
fn no_slots_at_all() {
    let text = r#"  a: {primary: host1:7000, slots: none}
  b: {primary: host1:7001, slots: none}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: no shard serves any slots
     --> rcl.yaml:3:1
      |
    3 | shards:
      | ^^^^^^
      |
      = help: leave `slots` out where a shard is to have its share
    ");
}

#[test]
fn auto_with_nothing_left() {
    let text = r#"  a: {primary: host1:7000, slots: 0-16383}
  b: {primary: host1:7001, slots: auto}
  c: {primary: host1:7002}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: `slots` is `auto`, but the other shards have all slots
     --> rcl.yaml:5:35
      |
    5 |   b: {primary: host1:7001, slots: auto}
      |                                   ^^^^
      |
      = help: write `slots: none`, or shorten the ranges of the others

    error: `slots` is `auto`, but the other shards have all slots
     --> rcl.yaml:6:3
      |
    6 |   c: {primary: host1:7002}
      |   ^
      |
      = help: write `slots: none`, or shorten the ranges of the others
    ");
}

#[test]
fn auto_with_too_little_left() {
    let text = r#"  a: {primary: host1:7000, slots: 0-16382}
  b: {primary: host1:7001}
  c: {primary: host1:7002}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: `slots` is `auto` for 2 shards, but the others leave only 1
     --> rcl.yaml:5:3
      |
    5 |   b: {primary: host1:7001}
      |   ^
      |
      = help: write `slots: none`, or shorten the ranges of the others

    error: `slots` is `auto` for 2 shards, but the others leave only 1
     --> rcl.yaml:6:3
      |
    6 |   c: {primary: host1:7002}
      |   ^
      |
      = help: write `slots: none`, or shorten the ranges of the others
    ");
}

#[test]
fn weights() {
    let text = r#"  a: {primary: host1:7000, slots: 0-99, weight: 2}
  b: {primary: host1:7001, weight: 0}
  c: {primary: host1:7002, weight: 1.5}
  d: {primary: host1:7003, weight: -1}
"#;
    insta::assert_snapshot!(said_of_shards(text), @r"
    error: `weight` has a meaning only where `slots` is `auto`
     --> rcl.yaml:4:41
      |
    4 |   a: {primary: host1:7000, slots: 0-99, weight: 2}
      |                                         ^^^^^^
      |
      = help: leave one of the two out

    error: `weight` can't be `0`
     --> rcl.yaml:5:36
      |
    5 |   b: {primary: host1:7001, weight: 0}
      |                                    ^
      |
      = help: write a whole number from 1 to 16384

    error: `weight` can't be `1.5`
     --> rcl.yaml:6:36
      |
    6 |   c: {primary: host1:7002, weight: 1.5}
      |                                    ^^^
      |
      = help: write a whole number from 1 to 16384

    error: `weight` can't be `-1`
     --> rcl.yaml:7:36
      |
    7 |   d: {primary: host1:7003, weight: -1}
      |                                    ^^
      |
      = help: write a whole number from 1 to 16384
    ");
}
