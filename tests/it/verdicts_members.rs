//! Members that the file doesn't name or names elsewhere, ghosts, handshakes, wrong addresses.

use insta::{allow_duplicates, assert_snapshot};

use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

fn seed(kind: ServerKind) -> Stage {
    Stage::seed(Servers::prepare(kind))
}

#[test]
fn undeclared_members_are_a_note_on_redis() {
    undeclared_members_are_a_note(ServerKind::Redis70);
}

#[test]
fn undeclared_members_are_a_note_on_valkey() {
    undeclared_members_are_a_note(ServerKind::Valkey91);
}

fn undeclared_members_are_a_note(kind: ServerKind) {
    let mut stage = seed(kind);
    for node in ["host1:7003", "host2:7003"] {
        stage.servers.add(node);
        stage.join(node, "host1:7000");
    }
    stage.replicate("host2:7003", "host1:7000");
    allow_duplicates! { assert_snapshot!(stage.matches(), @"
    Note: host1:7003 (ID7) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members.
    Note: host2:7003 (ID8) is a member that the file doesn't name: a replica. With `prune: true` under `policy` rcl removes such members.
    "); }
    allow_duplicates! { assert_snapshot!(stage.run(&["drift", "-v"], 0), @"
    rcl.yaml: note: host1:7003 (ID7) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members.
    rcl.yaml: note: host2:7003 (ID8) is a member that the file doesn't name: a replica. With `prune: true` under `policy` rcl removes such members.
    "); }
    // One of them fails, the other is reset: ghosts, and no drift either.
    let (failed, reset) = (
        stage.servers.id("host1:7003"),
        stage.servers.id("host2:7003"),
    );
    stage.tell("host2:7003", "CLUSTER RESET HARD");
    stage.servers.kill("host1:7003");
    stage.wait_for_line("host1:7001", &failed, "failed", |line| line.has("fail"));
    stage.wait_for_line("host1:7001", &reset, "gone", |line| line.has("noaddr"));
    allow_duplicates! { assert_snapshot!(stage.matches(), @"
    Note: host1:7003 (ID7) is still listed as a member, but has failed. --allow forget=host1:7003 makes rcl forget it.
    Note: ID8 is still listed as a member, but has no address any more. --allow forget=ID8 makes rcl forget it.
    "); }
}

#[test]
fn an_undeclared_primary_of_a_declared_shard() {
    let mut stage = seed(ServerKind::Redis70);
    stage.servers.add("host2:7003");
    stage.join("host2:7003", "host1:7000");
    stage.replicate("host2:7003", "host1:7000");
    stage.tell("host2:7003", "CLUSTER FAILOVER");
    stage.wait_for_promotion("host2:7003");
    for replica in ["host1:7000", "host2:7000"] {
        stage.wait_for_link(replica);
    }
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! shard a is served by host2:7003 (ID7), which the file doesn't name
        its id is ID7
        → Declare host2:7003 (ID7) in shard a. To have it hand over and removed, write `prune: true` under `policy`.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: blocked: shard a is served by host2:7003 (ID7), which the file doesn't name (its id is ID7)");
    // The other shards are looked after.
    stage.file(&Yaml::seed(&stage.servers).config("maxmemory", "1gb"));
    stage.does_the_rest();
}

/// The same nodes under each other's names, with ranges, and with shares. Each side would lose a copy of what it
/// has; `roles.rs` gives leave.
#[test]
fn swapped_shards() {
    let mut stage = seed(ServerKind::Redis70);
    for node in ["host1:7000", "host1:7001"] {
        stage.write_keys(node, 2);
    }
    let swapped = [
        Shard::new("host1:7001", &["host2:7001"], "0-5461"),
        Shard::new("host1:7000", &["host2:7000"], "5462-10922"),
        Shard::seed()[2].clone(),
    ];
    stage.declare(&swapped);
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! shard a is served by host1:7000, which the file declares in another shard; once it has handed over, moving it there wipes its copy of 2 keys
        its id is ID1
        → If that is meant, give leave with --allow resync=host1:7000. Else declare host1:7000 in shard a.
    ! shard b is served by host1:7001, which the file declares in another shard; once it has handed over, moving it there wipes its copy of 2 keys
        its id is ID2
        → If that is meant, give leave with --allow resync=host1:7001. Else declare host1:7001 in shard b.
    Nothing to do, but 2 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    // Without ranges a shard is where its nodes are.
    let mut shared = Yaml::new(&stage.servers, &swapped).to_string();
    for range in ["0-5461", "5462-10922", "10923-16383"] {
        shared = shared.replace(&format!("slots: {range}"), "slots: auto");
    }
    stage.file(&shared);
    stage.matches();
}

#[test]
fn a_declared_primary_that_replicates_another_shard() {
    let mut stage = seed(ServerKind::Valkey91);
    stage.write_keys("host1:7001", 3);
    let mut wanted = Shard::seed();
    wanted[1].replicas.clear();
    wanted.push(Shard::new("host2:7001", &[], ""));
    stage.declare(&wanted);
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! host2:7001 is to be the primary of shard d, but replicates host1:7001; detaching it wipes its copy
        it copies 3 keys of host1:7001
        → If that is meant, give leave with --allow resync=host2:7001. Else name another node as the primary of shard d.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: blocked: host2:7001 is to be the primary of shard d, but replicates host1:7001; detaching it wipes its copy (it copies 3 keys of host1:7001)");
}

/// A MEET to where nobody is lives for the node timeout, or longer than rcl waits.
#[test]
fn an_unfinished_handshake() {
    let mut stage = seed(ServerKind::Redis70);
    let nobody = stage.servers.host("host2");
    stage.tell_everyone("CONFIG SET cluster-node-timeout 60000");
    stage.tell("host1:7000", &format!("CLUSTER MEET {nobody} 7009"));
    assert_snapshot!(stage.matches(), @"Note: host1:7000 can't finish shaking hands with host2 port 7009 (bus port 17009). The bus port must be open between them; if nothing runs there, the attempt ends by itself.");
}

#[test]
fn announced_at_another_address_on_redis() {
    announced_at_another_address(ServerKind::Redis70);
}

#[test]
fn announced_at_another_address_on_valkey() {
    announced_at_another_address(ServerKind::Valkey91);
}

/// The same id at a new declared address: its peers still have it at the old one. And the loopback trap.
fn announced_at_another_address(kind: ServerKind) {
    let mut stage = seed(kind);
    let (right, old) = (stage.servers.host("host2"), stage.servers.host("host3"));
    let id = stage.servers.id("host2:7002");
    stage.servers.ok(
        "host2:7002",
        &["CONFIG", "SET", "bind", &format!("{right} {old}")],
    );
    for wrong in [old.to_string(), "127.0.0.1".to_owned()] {
        stage.tell(
            "host2:7002",
            &format!("CONFIG SET cluster-announce-ip {wrong}"),
        );
        stage.wait_for_all(&id, "there", |line| line.address == format!("{wrong}:7002"));
        let drift = stage.run(&["drift"], 2);
        assert_eq!(
            drift.replace(&wrong, "WRONG").replace("host3", "WRONG"),
            "rcl.yaml: host2:7002 is announced as WRONG:7002, not host2:7002\n"
        );
        stage.repairs(&Shard::seed());
    }
}

/// Two addresses of one machine are taken for two nodes.
#[test]
fn one_node_under_two_names() {
    let mut stage = seed(ServerKind::Redis70);
    let (first, second) = (stage.servers.host("host2"), stage.servers.host("host3"));
    stage.servers.ok(
        "host2:7002",
        &["CONFIG", "SET", "bind", &format!("{first} {second}")],
    );
    let file = Yaml::seed(&stage.servers).to_string();
    let file = file
        .replace("shards:\n", &format!("  host3: {second}\nshards:\n"))
        .replace("[host2:7002]", "[host2:7002, host3:7002]");
    stage.file(&file);
    let told = stage.refuses(1);
    assert_snapshot!(told.troubles(), @r#"
    ! host2:7002 and host3:7002 answer as the same node
        both have id ID6
        → Name each node once: look for a host with two addresses, or a forwarded port. Two servers with one id run with a copied nodes.conf: empty the copy's.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: error: host2:7002 and host3:7002 answer as the same node (both have id ID6)");
}

#[test]
fn pinned_ids() {
    let mut stage = seed(ServerKind::Redis70);
    let (right, wrong) = (
        stage.servers.id("host1:7000"),
        stage.servers.id("host2:7000"),
    );
    let pinned = |id: &str| {
        let long = format!("primary: {{at: host1:7000, id: {id}}}");
        Yaml::seed(&stage.servers)
            .to_string()
            .replace("primary: host1:7000", &long)
    };
    let (good, bad) = (pinned(&right), pinned(&wrong));
    stage.file(&good);
    stage.matches();
    stage.file(&bad);
    let told = stage.refuses(3);
    assert_snapshot!(told.troubles(), @r#"
    ! host1:7000 is pinned to another node id than the one that answers
        pinned: ID4
        answers: ID1
        → If the node was replaced on purpose, change or remove `id` of host1:7000 in the file; else find out what runs at its address.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: blocked: host1:7000 is pinned to another node id than the one that answers (pinned: ID4; answers: ID1)");
    // A node that is down is known by its pin.
    stage.servers.kill("host1:7000");
    stage.wait_for_promotion("host2:7000");
    stage.file(&good);
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! host1:7000 does not answer (host1:7000: Connection refused (os error 111))
        → Start the node, or mend its address in the file.
    Note: shard a: host2:7000 is the primary now, the file places it at host1:7000. Nothing is done about it: `failback` under `policy` is false.
    Nothing to do, but host1:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    stage.servers.restart("host1:7000");
    stage.wait_for_link("host1:7000");
    let mut shards = Shard::seed();
    shards[0] = Shard::new("host2:7000", &["host1:7000"], "0-5461");
    judge::wait_until_matches(&stage.servers, &shards);
    stage.matches();
}
