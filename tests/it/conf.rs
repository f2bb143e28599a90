//! `rcl conf`: what it writes, when it refuses to, and what it tells to do next.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use insta::assert_snapshot;
use rcl::base::Secret;
use rcl::cli::conf::{Args, run};
use rcl::desired::{Desired, SecretSource, Setting};

use crate::support::by_hand;

#[derive(Parser)]
struct Rcl {
    #[command(flatten)]
    args: Args,
}

struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// Runs `rcl conf seed.yaml --out DIR` with more arguments; DIR is shown as `DIR`.
fn conf(desired: &Desired, dir: &Path, more: &[&str]) -> Ran {
    let shown = dir.to_str().unwrap();
    let line = ["conf", "seed.yaml", "--out", shown];
    let args = Rcl::parse_from(line.iter().chain(more)).args;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args, desired, &mut out, &mut err);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(shown, "DIR");
    Ran {
        code,
        out: text(out),
        err: text(err),
    }
}

fn seed() -> Desired {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    by_hand::desired(ip("192.168.81.100"), ip("192.168.81.101"), &[7000, 7001])
}

#[test]
fn writes_every_node_and_says_what_comes_next() {
    let dir = tempfile::tempdir().unwrap();
    let ran = conf(&seed(), dir.path(), &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!(ran.out, @r"
    wrote DIR/host1/7000/redis.conf
    wrote DIR/host1/rcl-seed-7000.service
    wrote DIR/host2/7000/redis.conf
    wrote DIR/host2/rcl-seed-7000.service
    wrote DIR/host1/7001/redis.conf
    wrote DIR/host1/rcl-seed-7001.service
    wrote DIR/host2/7001/redis.conf
    wrote DIR/host2/rcl-seed-7001.service
    8 files written, 0 unchanged.

    Next, start the nodes:

      # host1
      ssh root@192.168.81.100 'mkdir -p /var/lib/redis/seed'
      scp -r DIR/host1/7000 DIR/host1/7001 root@192.168.81.100:/var/lib/redis/seed/
      scp DIR/host1/*.service root@192.168.81.100:/etc/systemd/system/
      ssh root@192.168.81.100 'chown -R redis: /var/lib/redis/seed && systemctl daemon-reload && systemctl enable --now rcl-seed-7000 rcl-seed-7001'

      # host2
      ssh root@192.168.81.101 'mkdir -p /var/lib/redis/seed'
      scp -r DIR/host2/7000 DIR/host2/7001 root@192.168.81.101:/var/lib/redis/seed/
      scp DIR/host2/*.service root@192.168.81.101:/etc/systemd/system/
      ssh root@192.168.81.101 'chown -R redis: /var/lib/redis/seed && systemctl daemon-reload && systemctl enable --now rcl-seed-7000 rcl-seed-7001'

    Then form the cluster:

      rcl apply seed.yaml
    ");
    for (file, line) in [
        ("host1/7000/redis.conf", "bind 192.168.81.100 127.0.0.1"),
        ("host2/7001/redis.conf", "dir /var/lib/redis/seed/7001"),
        ("host2/rcl-seed-7001.service", "User=redis"),
    ] {
        let text = fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(text.lines().any(|other| other == line), "{file}:\n{text}");
    }
}

#[test]
fn again_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    conf(&seed(), dir.path(), &[]);
    let again = conf(&seed(), dir.path(), &[]);
    assert_eq!(again.code, 0);
    assert!(
        again.out.starts_with("0 files written, 8 unchanged."),
        "{}",
        again.out
    );
}

#[test]
fn leaves_files_that_differ_alone_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    conf(&seed(), dir.path(), &[]);
    let changed = dir.path().join("host1/7001/redis.conf");
    let missing = dir.path().join("host2/7000/redis.conf");
    fs::write(&changed, "port 7001\n").unwrap();
    fs::remove_file(&missing).unwrap();

    let refused = conf(&seed(), dir.path(), &[]);
    assert_eq!(refused.code, 1);
    assert_snapshot!(refused.err, @r"
    error: nothing was written, since these files differ from what seed.yaml asks for:
      DIR/host1/7001/redis.conf
    look at them, then use --force to overwrite them, or another --out
    ");
    assert_eq!(refused.out, "");
    assert!(!missing.exists(), "nothing at all is written");
    assert_eq!(fs::read_to_string(&changed).unwrap(), "port 7001\n");

    let forced = conf(&seed(), dir.path(), &["--force"]);
    assert_eq!(forced.code, 0);
    assert!(
        forced.out.contains("2 files written, 6 unchanged."),
        "{}",
        forced.out
    );
    assert!(
        fs::read_to_string(&changed)
            .unwrap()
            .contains("cluster-enabled yes")
    );
}

#[test]
fn names_of_valkey_follow_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let ran = conf(
        &seed(),
        dir.path(),
        &["--server-bin", "/opt/valkey/bin/valkey-server"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let unit = fs::read_to_string(dir.path().join("host1/rcl-seed-7000.service")).unwrap();
    assert!(unit.contains("\nUser=valkey\n"), "{unit}");
    let start = "ExecStart=/opt/valkey/bin/valkey-server /var/lib/valkey/seed/7000/redis.conf";
    assert!(unit.contains(start), "{unit}");
}

#[test]
fn paths_on_the_hosts_are_absolute() {
    let dir = tempfile::tempdir().unwrap();
    let ran = conf(&seed(), dir.path(), &["--data-dir", "data"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.err, @"error: --data-dir data: a path on the hosts has to start with /");
}

#[test]
fn secrets_travel_through_a_pipe() {
    let mut desired = seed();
    for (option, source) in [
        ("masterauth", SecretSource::Env("RCL_MASTERAUTH".into())),
        (
            "requirepass",
            SecretSource::File(PathBuf::from("pass word")),
        ),
    ] {
        let value = Some(Secret::new("hunter2".into()));
        by_hand::declare(&mut desired, option, &Setting::Secret { source, value });
    }
    let dir = tempfile::tempdir().unwrap();
    let ran = conf(&desired, dir.path(), &[]);
    let line = ran
        .out
        .lines()
        .find(|line| line.contains("printf"))
        .unwrap();
    assert_snapshot!(line, @r#"  printf 'masterauth "%s"\nrequirepass "%s"\n' "$RCL_MASTERAUTH" "$(cat 'pass word')" | ssh root@192.168.81.100 'umask 077 && cat > /var/lib/redis/seed/secrets.conf'"#);
    for file in walk(dir.path()) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("hunter2"), "{}", file.display());
    }
}

#[test]
fn many_hosts_are_told_by_one() {
    let mut desired = seed();
    for number in 3..=6 {
        let host = rcl::desired::HostName(format!("host{number}"));
        let node_name = rcl::base::NodeName::new(format!("host{number}:7000"));
        let mut node = desired.nodes.values().next().unwrap().clone();
        node.name = node_name.clone();
        node.host = host.clone();
        let mut same = desired.hosts.values().next().unwrap().clone();
        same.address = rcl::desired::HostAddress::Dns(format!("r{number}.example.net"));
        desired.hosts.insert(host, same);
        desired.nodes.insert(node_name.clone(), node);
        desired.shards[0].replicas.push(node_name);
    }
    let dir = tempfile::tempdir().unwrap();
    let ran = conf(&desired, dir.path(), &[]);
    assert!(
        ran.out
            .contains("and the same for host2, host3, host4, host5, host6."),
        "{}",
        ran.out
    );
    assert_eq!(ran.out.matches("  # host").count(), 1);
}

#[test]
fn a_cluster_on_loopback_is_sent_to_the_lab() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let desired = by_hand::desired(ip("127.0.81.100"), ip("127.0.81.101"), &[7000]);
    let dir = tempfile::tempdir().unwrap();
    let ran = conf(&desired, dir.path(), &[]);
    assert!(ran.out.contains("rcl lab up seed.yaml\n"), "{}", ran.out);
    assert!(!ran.out.contains("ssh"), "{}", ran.out);
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
