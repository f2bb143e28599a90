//! Passwords, users and TLS: what rcl logs in with, and what it says when that doesn't do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::certs::SERVER_NAME;
use crate::support::launch::TLS_OFFSET;
use crate::support::resp::Client;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

const CANARY: &str = "canary-5e1f";

/// Two servers that ask for a password, each other's too.
fn locked(kind: ServerKind) -> Servers {
    let servers = Servers::prepare(kind).grid(2, 1).start();
    for name in servers.names() {
        servers.ok(&name, &["CONFIG", "SET", "masterauth", CANARY]);
        servers.ok(
            &name,
            &[
                "ACL",
                "SETUSER",
                "rcl",
                "on",
                &format!(">{CANARY}"),
                "~*",
                "&*",
                "+@all",
            ],
        );
        servers.ok(&name, &["CONFIG", "SET", "requirepass", CANARY]);
    }
    servers
}

fn two(servers: &Servers, access: &str) -> String {
    let (one, two) = (servers.host("host1"), servers.host("host2"));
    format!(
        "cluster: orders\nhosts: {{host1: {one}, host2: {two}}}\n{access}\
         shards:\n  a: {{primary: host1:7000, replicas: [host2:7000]}}\n"
    )
}

fn secret_file(rcl: &Rcl, name: &str, content: &str, mode: u32) {
    rcl.file(name, &content);
    fs::set_permissions(rcl.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_password_on_redis_6_2() {
    a_password(ServerKind::Redis62);
}

#[test]
fn a_password_on_redis_7_0() {
    a_password(ServerKind::Redis70);
}

#[test]
fn a_password_on_valkey_9_1() {
    a_password(ServerKind::Valkey91);
}

/// The default user's, and a user's, from the environment and from a file.
fn a_password(kind: ServerKind) {
    let servers = locked(kind);
    let rcl = Rcl::new().env("SECRET", CANARY);
    secret_file(&rcl, "secret", &format!("{CANARY}\n"), 0o600);
    rcl.file(
        "rcl.yaml",
        &two(&servers, "access: {password: {file: secret}}\n"),
    );
    rcl.run(&["apply", "--yes"]).code(0);
    for access in [
        "access: {password: {env: SECRET}}\n",
        "access: {username: rcl, password: {env: SECRET}}\n",
        "access: {username: default, password: {file: secret}}\n",
    ] {
        rcl.file("rcl.yaml", &two(&servers, access));
        assert_eq!(rcl.run(&["drift"]).success().stdout(), "", "{access}");
    }
}

#[test]
fn each_wrong_login_says_what_is_wrong() {
    let servers = locked(ServerKind::Redis70);
    let rcl = Rcl::new().env("SECRET", CANARY).env("OTHER", "other");
    secret_file(&rcl, "open", CANARY, 0o640);
    for (access, words) in [
        (
            "",
            "give rcl a user and password of it (`access` in the file)",
        ),
        (
            "access: {password: {env: OTHER}}\n",
            "Check the user and the password under `access`",
        ),
        (
            "access: {username: nobody, password: {env: SECRET}}\n",
            "WRONGPASS invalid username-password pair or user is disabled.",
        ),
        (
            "access: {username: rcl, password: {env: NONE}}\n",
            "the environment variable NONE is not set",
        ),
        (
            "access: {password: {file: open}}\n",
            "open can be read or written by others than its owner (its mode is 0640): chmod 600 open",
        ),
        (
            "access: {password: {file: missing}}\n",
            "missing can't be read",
        ),
        (
            "access: {password: prompt}\n",
            "the password for cluster orders can't be asked for (there is no terminal)",
        ),
    ] {
        rcl.file("rcl.yaml", &two(&servers, access));
        let arguments: [&[&str]; 3] = [&["plan"], &["apply", "--yes"], &["status"]];
        for arguments in arguments {
            let ran = rcl.run(arguments).code(1);
            let said = format!("{}{}", ran.stdout(), ran.stderr());
            assert!(said.contains(words), "{access}{words}\n{said}");
            assert!(!said.contains(CANARY), "{said}");
        }
    }
}

/// To a server without one, which refuses it.
#[test]
fn a_password_that_nobody_asked_for() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(2, 1).start();
    let rcl = Rcl::new().env("SECRET", CANARY);
    rcl.file(
        "rcl.yaml",
        &two(&servers, "access: {password: {env: SECRET}}\n"),
    );
    let plan = rcl.run(&["plan"]).code(1);
    let words = "a server without a password wants none";
    assert!(plan.stdout().contains(words), "{}", plan.stdout());
}

/// One host has another password than the rest.
#[test]
fn a_host_with_an_access_of_its_own() {
    let servers = locked(ServerKind::Redis70);
    let authenticated = |argv: &[&str]| {
        let mut client = Client::connect(servers.address("host2:7000")).unwrap();
        client.call(&["AUTH", CANARY]).unwrap();
        client.call(argv).unwrap()
    };
    authenticated(&["ACL", "SETUSER", "rcl", "resetpass", ">second"]);
    let rcl = Rcl::new().env("SECRET", CANARY).env("SECOND", "second");
    let (one, two) = (servers.host("host1"), servers.host("host2"));
    let yaml = |own: &str| {
        format!(
            "cluster: orders\naccess: {{username: rcl, password: {{env: SECRET}}}}\n\
             hosts: {{host1: {one}, host2: {{address: {two}{own}}}}}\n\
             shards: {{a: {{primary: host1:7000, replicas: [host2:7000]}}}}\n"
        )
    };
    rcl.file("rcl.yaml", &yaml(""));
    rcl.run(&["plan"]).code(1);
    rcl.file("rcl.yaml", &yaml(", access: {password: {env: SECOND}}"));
    rcl.run(&["apply", "--yes"]).code(0);
    rcl.run(&["drift"]).success();
}

#[test]
fn a_password_that_is_typed() {
    let servers = locked(ServerKind::Redis70);
    let rcl = Rcl::new();
    rcl.file(
        "rcl.yaml",
        &two(&servers, "access: {username: rcl, password: prompt}\n"),
    );
    let mut terminal = rcl.terminal(&["plan"]);
    terminal.expect("Password for cluster orders: ");
    terminal.type_line(CANARY);
    let shown = terminal.code(0).plain();
    assert!(shown.contains("Plan: 2 to join"), "{shown}");
    assert!(!shown.contains(CANARY), "{shown}");
    let mut terminal = rcl.terminal(&["plan"]);
    terminal.expect("Password for cluster orders: ");
    terminal.ctrl_c();
    terminal.expect("can't be asked for");
    terminal.code(1);
}

/// In an atomic move servers log in to each other by themselves. Where they can't, `auto` takes the other way, and
/// `atomic` is refused before anything is sent.
#[test]
fn atomic_moves_between_servers_with_passwords() {
    let servers = Servers::prepare(ServerKind::Valkey91).grid(2, 1).start();
    for name in servers.names() {
        servers.ok(&name, &["CONFIG", "SET", "requirepass", CANARY]);
    }
    let rcl = Rcl::new().env("SECRET", CANARY);
    let (one, two) = (servers.host("host1"), servers.host("host2"));
    let file = |first: &str, second: &str, more: &str| {
        let yaml = format!(
            "cluster: orders\naccess: {{password: {{env: SECRET}}}}\nhosts: {{host1: {one}, host2: {two}}}\n\
             shards:\n  a: {{primary: host1:7000, slots: {first}}}\n  b: {{primary: host2:7000, slots: {second}}}\n{more}"
        );
        rcl.file("rcl.yaml", &yaml);
    };
    file("0-8191", "8192-16383", "");
    rcl.run(&["apply", "--yes"]).code(0);
    let mut first = Client::connect(servers.address("host1:7000")).unwrap();
    first.call(&["AUTH", CANARY]).unwrap();
    for key in 0..100 {
        first
            .call(&["SET", &format!("key:{key}"), "value"])
            .unwrap();
    }
    file("0-8000", "8001-16383", "policy: {move: {engine: atomic}}\n");
    let plan = rcl.run(&["plan"]).code(3);
    let words = "has no password for that (masterauth)";
    assert!(plan.stdout().contains(words), "{}", plan.stdout());
    file("0-8000", "8001-16383", "");
    let plan = rcl.run(&["plan"]).success();
    assert!(plan.stdout().contains("MIGRATE "), "{}", plan.stdout());
    rcl.run(&["apply", "--yes"]).code(0);
    let atomic = "config: {masterauth: {env: SECRET}}\npolicy: {move: {engine: atomic}}\n";
    file("0-7800", "7801-16383", atomic);
    let plan = rcl.run(&["plan"]).success();
    let words = "CLUSTER MIGRATESLOTS SLOTSRANGE 7801 8000";
    assert!(plan.stdout().contains(words), "{}", plan.stdout());
    rcl.run(&["apply", "--yes"]).code(0);
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");
}

/// No password that a server tells of, and nobody is let in without one all the same.
#[test]
fn atomic_moves_to_a_server_without_a_default_user() {
    let servers = Servers::prepare(ServerKind::Valkey91).grid(2, 1).start();
    for name in servers.names() {
        let user = format!("ACL SETUSER rcl on >{CANARY} ~* &* +@all");
        servers.ok(&name, &user.split(' ').collect::<Vec<_>>());
    }
    let rcl = Rcl::new().env("SECRET", CANARY);
    let shards = |first: &str, second: &str| {
        [
            Shard::new("host1:7000", &[], first),
            Shard::new("host2:7000", &[], second),
        ]
    };
    let file = |shards: &[Shard]| {
        let access = "access: {username: rcl, password: {env: SECRET}}\n";
        rcl.file(
            "rcl.yaml",
            &format!("{}{access}", Yaml::new(&servers, shards)),
        );
    };
    file(&shards("0-8191", "8192-16383"));
    rcl.run(&["apply", "--yes"]).code(0);
    servers.ok("host2:7000", &["ACL", "SETUSER", "default", "off"]);
    file(&shards("0-8000", "8001-16383"));
    let ran = rcl.run(&["apply", "--yes"]).code(1);
    let words = "in an atomic move host1:7000 logs in to host2:7000 by itself";
    assert!(ran.stdout().contains(words), "{}", ran.stdout());
}

/// The nodes' ports for TLS, with more lines for the file's access.
fn over_tls(servers: &Servers, shards: &[Shard], tls: &str) -> String {
    let certs = servers.certs();
    let mut yaml = Yaml::new(servers, shards).to_string();
    for port in 7000..7010 {
        yaml = yaml.replace(&format!(":{port}"), &format!(":{}", port + TLS_OFFSET));
    }
    let ca = certs.path("ca.pem").display().to_string();
    format!("{yaml}access: {{tls: {{{}}}}}\n", tls.replace("CA", &ca))
}

#[test]
fn a_cluster_over_tls_on_redis_7_0() {
    over_tls_with(Servers::prepare(ServerKind::Redis70).tls().start());
}

#[test]
fn a_cluster_over_tls_on_redis_8_0() {
    over_tls_with(Servers::prepare(ServerKind::Redis80Tls).tls().start());
}

#[test]
fn a_cluster_over_tls_on_valkey_8_1() {
    over_tls_with(Servers::prepare(ServerKind::Valkey81Tls).tls().start());
}

/// rcl speaks TLS with nodes that don't among each other.
#[track_caller]
fn tls_for_clients_only(kind: ServerKind) {
    let plain = Servers::prepare(kind).tls();
    let plain = plain.set("tls-cluster", "no").set("tls-replication", "no");
    over_tls_with(plain.start());
}

#[test]
fn tls_for_clients_only_on_redis_7_0() {
    tls_for_clients_only(ServerKind::Redis70);
}

#[test]
fn tls_for_clients_only_on_redis_8_0() {
    tls_for_clients_only(ServerKind::Redis80Tls);
}

#[test]
fn tls_for_clients_only_on_valkey_8_1() {
    tls_for_clients_only(ServerKind::Valkey81Tls);
}

/// Forms, grows, moves slots with their keys, and sees drift, all over TLS.
fn over_tls_with(mut servers: Servers) {
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &over_tls(&servers, &Shard::seed(), "ca: CA"));
    let recorder = Recorder::start(&servers);
    rcl.run(&["plan"]).success();
    recorder.assert_no_writes(&servers);
    rcl.run(&["apply", "--yes"]).code(0);
    judge::wait_until_matches(&servers, &Shard::seed());
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");

    for key in 0..200 {
        // To whoever owns it: each primary takes a third.
        for name in ["host1:7000", "host1:7001", "host1:7002"] {
            let _ = servers.call(name, &["SET", &format!("key:{key}"), "value"]);
        }
    }
    servers.add("host1:7003");
    servers.add("host2:7003");
    let mut shards = Shard::grown();
    shards[0].slots = vec![(0, 5400)];
    shards[3].slots = vec![(5401, 5461)];
    rcl.file(
        "rcl.yaml",
        &over_tls(
            &servers,
            &shards,
            &format!("ca: CA, server_name: {SERVER_NAME}"),
        ),
    );
    rcl.run(&["apply", "--yes"]).code(0);
    judge::wait_until_matches(&servers, &shards);
    assert_eq!(rcl.run(&["drift"]).success().stdout(), "");
    let keys: i64 = ["host1:7000", "host1:7001", "host1:7002", "host1:7003"]
        .iter()
        .map(|name| servers.call(name, &["DBSIZE"]).integer())
        .sum();
    assert_eq!(keys, 200);
}

/// An address, and what is needed for TLS, on the command line.
#[test]
fn tls_without_a_file() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .tls()
        .start();
    let pair = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let rcl = Rcl::new();
    rcl.file("rcl.yaml", &over_tls(&servers, &pair, "ca: CA"));
    rcl.run(&["apply", "--yes"]).code(0);
    let mut address = servers.address("host1:7000");
    address.set_port(address.port() + TLS_OFFSET);
    let address = address.to_string();
    let certs = servers.certs();
    certs.issue(rcl.folder(), "rcl", &["rcl"]);
    let ca = certs.path("ca.pem").display().to_string();
    let trust = ["--tls-ca", &ca, "--tls-name", SERVER_NAME];
    let shown = [
        &trust[..],
        &["--tls-cert", "rcl.pem", "--tls-key", "rcl.key"],
    ]
    .concat();
    for tls in [&trust[..], &shown] {
        let status = [&["status", &address], tls].concat();
        let status = rcl.run(&status).code(0);
        let well = status.stdout().contains("Nothing is wrong.");
        assert!(well, "{}", status.stdout());
        let export = [&["export", &address, "--name", "orders"], tls].concat();
        let export = rcl.run(&export).code(0);
        assert!(export.stdout().contains("tls:"), "{}", export.stdout());
        rcl.file("exported.yaml", &export.stdout());
        rcl.run(&["plan", "--detailed-exitcode", "exported.yaml"])
            .code(0);
    }
    let without = rcl.run(&["status", &address]).code(1);
    assert!(without.stdout().contains("TLS"), "{}", without.stdout());
}

#[test]
fn each_wrong_tls_says_what_is_wrong_on_redis_7_0() {
    each_wrong_tls_says_what_is_wrong(ServerKind::Redis70);
}

#[test]
fn each_wrong_tls_says_what_is_wrong_on_valkey_8_1() {
    each_wrong_tls_says_what_is_wrong(ServerKind::Valkey81Tls);
}

#[track_caller]
fn each_wrong_tls_says_what_is_wrong(kind: ServerKind) {
    let servers = Servers::prepare(kind).grid(2, 1).tls().start();
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let rcl = Rcl::new();
    let certs = servers.certs();
    certs.issue(rcl.folder(), "rcl", &["rcl"]);
    certs.issue_expired(rcl.folder(), "old", &["rcl"]);
    let others = crate::support::certs::Certs::new();
    others.issue(rcl.folder(), "stranger", &["rcl"]);
    fs::copy(others.path("ca.pem"), rcl.path("other.pem")).unwrap();
    rcl.file("empty.pem", &"");
    let check = |tls: &str, words: &str| {
        rcl.file("rcl.yaml", &over_tls(&servers, &shards, tls));
        assert_says(&rcl, tls, words);
    };
    check(
        "ca: other.pem",
        "its certificate is not signed by an authority in `ca`",
    );
    check(
        "ca: CA, server_name: other.internal",
        "its certificate is for another name",
    );
    check("ca: empty.pem", "empty.pem: `ca` holds no certificate");
    check("ca: missing.pem", "missing.pem can't be read");
    check(
        "ca: CA, cert: rcl.pem, key: stranger.key",
        "`cert` and `key` don't belong together",
    );
    check(
        "ca: CA, cert: old.pem, key: old.key",
        "`cert` and `key` under `access`, signed by an authority that the server trusts and valid today",
    );
    check(
        "ca: CA, cert: stranger.pem, key: stranger.key",
        "signed by an authority that the server trusts",
    );
    fs::set_permissions(rcl.path("rcl.key"), fs::Permissions::from_mode(0o644)).unwrap();
    check("ca: CA, cert: rcl.pem, key: rcl.key", "chmod 600 rcl.key");
    fs::set_permissions(rcl.path("rcl.key"), fs::Permissions::from_mode(0o600)).unwrap();
    for name in servers.names() {
        servers.ok(&name, &["CONFIG", "SET", "tls-auth-clients", "yes"]);
    }
    check("ca: CA", "Give rcl a certificate that the server takes");
    rcl.file(
        "rcl.yaml",
        &over_tls(&servers, &shards, "ca: CA, cert: rcl.pem, key: rcl.key"),
    );
    rcl.run(&["plan"]).success();
}

#[test]
fn the_two_ports_mixed_up() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .tls()
        .start();
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let rcl = Rcl::new();
    let plain = Yaml::new(&servers, &shards).to_string();
    let ca = servers.certs().path("ca.pem").display().to_string();
    rcl.file(
        "rcl.yaml",
        &format!("{plain}access: {{tls: {{ca: {ca}}}}}\n"),
    );
    assert_says(&rcl, "TLS to a plain port", "it answers without TLS");
    rcl.file("rcl.yaml", &plain.replace(":7000", ":7100"));
    assert_says(
        &rcl,
        "plain to a port for TLS",
        "Declare `tls` under `access`",
    );
}

#[test]
fn a_certificate_whose_time_is_over() {
    let servers = Servers::prepare(ServerKind::Redis70)
        .grid(2, 1)
        .tls()
        .start();
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let rcl = Rcl::new();
    for name in servers.names() {
        let folder: &Path = servers.folder(&name);
        servers
            .certs()
            .issue_expired(folder, "expired", &[SERVER_NAME]);
        let both = [
            "tls-cert-file",
            "expired.pem",
            "tls-key-file",
            "expired.key",
        ];
        let set = ["CONFIG", "SET"].into_iter().chain(both);
        servers.ok(&name, &set.collect::<Vec<_>>());
    }
    rcl.file("rcl.yaml", &over_tls(&servers, &shards, "ca: CA"));
    assert_says(&rcl, "expired", "its certificate is not valid today");
}

/// Nothing but an error, whatever is asked, and not after all of the time that a silent node gets.
#[track_caller]
fn assert_says(rcl: &Rcl, case: &str, words: &str) {
    for arguments in [["plan"].as_slice(), &["apply", "--yes"]] {
        let ran = rcl.run(arguments).code(1);
        let said = format!("{}{}", ran.stdout(), ran.stderr());
        assert!(said.contains(words), "{case}: {words}\n{said}");
    }
}
