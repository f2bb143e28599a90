//! The least users that docs/security.md gives, made from the lists in the code, and tried on every kind of server.

use std::fs;

use rcl::base::{Flavor, Server, rules_for_applying, rules_for_looking};

use crate::support::least::server;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

const PAGE: &str = "docs/security.md";

/// Asks for the page to be written anew.
const UPDATE: &str = "RCL_UPDATE_DOCS";

/// Servers that know the same commands.
const GROUPS: [(&str, Server); 3] = [
    ("Redis 6.2", Server::new(Flavor::Redis, 6, 2, 0)),
    (
        "Redis 7.0 and later, Valkey before 9.0",
        Server::new(Flavor::Redis, 7, 0, 0),
    ),
    ("Valkey 9.0 and later", Server::new(Flavor::Valkey, 9, 0, 0)),
];

fn block(rules: impl Fn(Server) -> Vec<String>) -> String {
    let lines = GROUPS.map(|(name, server)| {
        format!(
            "# {name}\nuser rcl on >PASSWORD {}\n",
            rules(server).join(" ")
        )
    });
    format!("```text\n{}```\n", lines.join("\n"))
}

/// The page with the blocks after their marks replaced.
fn renewed(page: &str) -> String {
    let mut text = page.to_owned();
    for (mark, block) in [
        ("<!-- rules for looking -->\n", block(rules_for_looking)),
        ("<!-- rules for applying -->\n", block(rules_for_applying)),
    ] {
        let (before, after) = text.split_once(mark).expect("the mark");
        let rest = match after.trim_start().strip_prefix("```text\n") {
            Some(old) => old.split_once("```\n").expect("the end of the block").1,
            None => after,
        };
        text = format!("{before}{mark}\n{block}\n{}", rest.trim_start());
    }
    text
}

#[test]
fn the_page_has_the_rules_of_the_code() {
    let page = fs::read_to_string(PAGE).unwrap();
    let renewed = renewed(&page);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(PAGE, &renewed).unwrap();
        return;
    }
    assert_eq!(page, renewed, "write it anew with {UPDATE}=1");
}

#[track_caller]
fn user(servers: &Servers, name: &str, user: &str, rules: &[String]) {
    let start = ["ACL", "SETUSER", user, "reset", "on", ">secret"].map(str::to_owned);
    let words: Vec<String> = start.into_iter().chain(rules.iter().cloned()).collect();
    servers.ok(name, &words);
}

#[test]
fn on_redis_6_2() {
    the_least_users_do(ServerKind::Redis62);
}

#[test]
fn on_redis_7_0() {
    the_least_users_do(ServerKind::Redis70);
}

#[test]
fn on_redis_8_2() {
    the_least_users_do(ServerKind::Redis82);
}

#[test]
fn on_valkey_8_1() {
    the_least_users_do(ServerKind::Valkey81);
}

#[test]
fn on_valkey_9_1() {
    the_least_users_do(ServerKind::Valkey91);
}

/// One looks, the other forms the cluster and moves slots; the one that looks can't apply.
fn the_least_users_do(kind: ServerKind) {
    let servers = Servers::start(kind, 6);
    for name in servers.names() {
        user(&servers, &name, "looks", &rules_for_looking(server(kind)));
        user(
            &servers,
            &name,
            "applies",
            &rules_for_applying(server(kind)),
        );
    }
    let rcl = Rcl::new().env("SECRET", "secret");
    let file = |user: &str, shards: &[Shard]| {
        let access = format!("access: {{username: {user}, password: {{env: SECRET}}}}\n");
        rcl.file(
            "rcl.yaml",
            &format!("{}{access}", Yaml::new(&servers, shards)),
        );
    };
    file("looks", &Shard::seed());
    rcl.run(&["plan"]).success();
    if kind != ServerKind::Redis62 {
        let recorder = Recorder::start(&servers);
        let refused = rcl.run(&["apply", "--yes"]).code(1);
        recorder.assert_no_writes(&servers);
        let words = "the user looks lacks";
        assert!(refused.stdout().contains(words), "{}", refused.stdout());
    }
    file("applies", &Shard::seed());
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &Shard::seed());
    for key in 0..100 {
        for name in ["host1:7000", "host1:7001", "host1:7002"] {
            let _ = servers.call(name, &["SET", &format!("key:{key}"), "value"]);
        }
    }
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 5300)];
    shards[1].slots = vec![(5301, 10922)];
    file("applies", &shards);
    rcl.run(&["apply", "--yes"]).code(0);
    judge::wait_until_matches(&servers, &shards);
    file("looks", &shards);
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");
    rcl.run(&["status"]).success();
    let address = servers.address("host1:7000").to_string();
    let rcl = rcl.env("RCL_PASSWORD", "secret");
    rcl.run(&["status", &address, "--user", "looks"]).success();
    let exported = rcl.run(&["export", &address, "--user", "looks"]).code(0);
    let access = "access: {username: looks, password: {env: RCL_PASSWORD}}\n";
    assert!(exported.stdout().contains(access), "{}", exported.stdout());
    rcl.file("exported.yaml", &exported.stdout());
    assert_eq!(rcl.run(&["drift", "exported.yaml"]).success().stdout(), "");
}

/// A right is missing on one node only.
#[test]
fn a_right_that_is_missing_on_one_node() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(2, 1).start();
    for name in servers.names() {
        user(
            &servers,
            &name,
            "applies",
            &rules_for_applying(server(ServerKind::Redis70)),
        );
    }
    let rcl = Rcl::new().env("SECRET", "secret");
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let access = "access: {username: applies, password: {env: SECRET}}\n";
    rcl.file(
        "rcl.yaml",
        &format!("{}{access}", Yaml::new(&servers, &shards)),
    );
    servers.ok(
        "host2:7000",
        &["ACL", "SETUSER", "applies", "-cluster|meet"],
    );
    let recorder = Recorder::start(&servers);
    let refused = rcl.run(&["apply", "--yes"]).code(1);
    recorder.assert_no_writes(&servers);
    for words in [
        "the user applies lacks 1 right that the plan needs on host2:7000",
        "CLUSTER MEET: This user has no permissions to run the 'cluster|meet' command",
        "ACL SETUSER applies +cluster|meet",
    ] {
        assert!(
            refused.stdout().contains(words),
            "{words}\n{}",
            refused.stdout()
        );
    }
    // Who may not even ask is told so, and the first refusal ends the run.
    servers.ok("host2:7000", &["ACL", "SETUSER", "applies", "-acl|dryrun"]);
    let refused = rcl.run(&["apply", "--yes"]).code(1);
    let words = "+acl|dryrun lets rcl ask";
    assert!(refused.stdout().contains(words), "{}", refused.stdout());
    for name in servers.names() {
        user(
            &servers,
            &name,
            "applies",
            &rules_for_applying(server(ServerKind::Redis70)),
        );
    }
    rcl.run(&["apply", "--yes"]).code(0);
}
