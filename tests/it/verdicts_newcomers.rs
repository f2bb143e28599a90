//! Primaries that take their first slots: what they must bring along, and what is given to them.

use insta::{allow_duplicates, assert_snapshot};

use crate::support::resp::Value;
use crate::support::{ServerKind, Servers, Shard, Stage};

const PRIMARIES: [&str; 3] = ["host1:7000", "host1:7001", "host1:7002"];

/// A fourth pair that is to have a hundred slots of the first shard.
fn grown() -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(100, 5461)];
    shards.push(Shard::new("host1:7003", &["host2:7003"], "0-99"));
    shards
}

fn growing(kind: ServerKind) -> Stage {
    let mut stage = Stage::seed(Servers::prepare(kind));
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.add(node);
    }
    stage.declare(&grown());
    stage
}

fn library(name: &str, answer: u8) -> String {
    format!(
        "#!lua name={name}\nredis.register_function('{name}_f', function() return {answer} end)"
    )
}

fn load(stage: &Stage, node: &str, name: &str, answer: u8) {
    let code = library(name, answer);
    let reply = stage
        .servers
        .call(node, &["FUNCTION", "LOAD", "REPLACE", &code]);
    assert_eq!(reply.text(), name);
}

fn functions_are_copied(kind: ServerKind) {
    let mut stage = growing(kind);
    for node in PRIMARIES {
        load(&stage, node, "sums", 1);
    }
    // One that only a single member has is copied too, and one that is there already stays.
    load(&stage, "host1:7001", "rare", 2);
    load(&stage, "host1:7003", "own", 3);
    stage.write_keys("host1:7000", 50);
    let plan = stage.run(&["plan"], 0);
    let copies: Vec<&str> = plan
        .lines()
        .skip_while(|line| !line.starts_with("+ copy"))
        .take(3)
        .map(str::trim_end)
        .collect();
    allow_duplicates! { assert_snapshot!(copies.join("\n"), @"
    + copy function libraries rare, sums to host1:7003  # the members have them
        host1:7003> FUNCTION LOAD <code of rare, 74 bytes>
        host1:7003> FUNCTION LOAD <code of sums, 74 bytes>
    "); }
    stage.repairs(&grown());
    for (function, answer) in [("sums_f", 1), ("rare_f", 2), ("own_f", 3)] {
        let reply = stage.servers.call("host1:7003", &["FCALL", function, "0"]);
        assert_eq!(reply, Value::Integer(answer), "{function}");
    }
    assert_eq!(stage.keys("host1:7000") + stage.keys("host1:7003"), 50);
}

#[test]
fn functions_are_copied_on_redis_7_0() {
    functions_are_copied(ServerKind::Redis70);
}

#[test]
fn functions_are_copied_on_redis_8_2() {
    functions_are_copied(ServerKind::Redis82);
}

#[test]
fn functions_are_copied_on_valkey_9_1() {
    functions_are_copied(ServerKind::Valkey91);
}

/// Nobody can tell which one clients want.
#[test]
fn libraries_of_one_name_that_differ() {
    let mut stage = growing(ServerKind::Valkey81);
    load(&stage, "host1:7000", "sums", 1);
    load(&stage, "host1:7001", "sums", 2);
    let told = stage.does_the_rest();
    assert_snapshot!(told.troubles(), @r#"
    ! host1:7003 is to take its first slots, and it can't be told which functions it needs: nodes have libraries of one name and different code
        library sums is one thing on host1:7000, another on host1:7001
        → Load the right version everywhere (FUNCTION LOAD REPLACE), and plan again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    load(&stage, "host1:7001", "sums", 1);
    stage.repairs(&grown());
}

fn users_are_demanded(kind: ServerKind) {
    let mut stage = growing(kind);
    for node in PRIMARIES {
        stage.tell(node, "ACL SETUSER app on >hunter2 ~* +@all");
        stage.tell(node, "ACL SETUSER audit on nopass +ping");
    }
    // One that a single member has is nobody's rule.
    stage.tell("host1:7002", "ACL SETUSER trial on nopass +ping");
    let told = stage.does_the_rest();
    allow_duplicates! { assert_snapshot!(told.troubles(), @r#"
    ! host1:7003 is to take its first slots and lacks the ACL users app, audit, which the members have: it would refuse clients that log in so
        host1:7003 knows 1 user: default
        → Give host1:7003 these users, the same way that the members got them (users.acl, or ACL SETUSER and ACL SAVE), and plan again. rcl doesn't copy passwords. Its replicas need them too.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#); }
    for told in [&told.plan, &told.drift] {
        assert!(!told.contains("hunter2"), "{told}");
    }
    stage.tell("host1:7003", "ACL SETUSER app on >hunter2 ~* +@all");
    stage.tell("host1:7003", "ACL SETUSER audit on nopass +ping");
    stage.repairs(&grown());
}

#[test]
fn users_are_demanded_on_redis_6_2() {
    users_are_demanded(ServerKind::Redis62);
}

#[test]
fn users_are_demanded_on_valkey_9_1() {
    users_are_demanded(ServerKind::Valkey91);
}

/// Who may not ask is told so, and goes on.
#[test]
fn a_user_that_may_not_ask() {
    let mut stage = growing(ServerKind::Redis70);
    load(&stage, "host1:7000", "sums", 1);
    stage.tell("host1:7003", "ACL SETUSER default -acl -function");
    let plan = stage.run(&["plan"], 0);
    let notes: Vec<&str> = plan
        .lines()
        .filter(|line| line.starts_with("Note"))
        .collect();
    assert_snapshot!(notes.join("\n"), @"
    Note: host1:7003 is to take its first slots, and whether it has the members' ACL users can't be told: NOPERM this user has no permissions to run the 'acl|users' command
    Note: host1:7003 is to take its first slots, and whether it has the members' function libraries can't be told: NOPERM this user has no permissions to run the 'function|list' command
    ");
    stage.repairs(&grown());
}
