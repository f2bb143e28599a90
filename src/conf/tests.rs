//! What [`render`] writes for the cases that differ.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use insta::assert_snapshot;

use super::*;
use crate::base::{Flavor, ShardName};
use crate::desired::{Access, Announce, Host, HostAddress, Policy, SecretSource, Shard, SlotShare};

/// A cluster of one shard whose primary is on `host1`, at `address`.
fn one_node(address: HostAddress) -> Desired {
    let name = NodeName::new("host1:7000");
    let host = HostName("host1".into());
    Desired {
        cluster: "seed".into(),
        hosts: BTreeMap::from([(
            host.clone(),
            Host {
                address,
                zone: None,
                access: Access::default(),
            },
        )]),
        shards: vec![Shard {
            name: ShardName::new("a"),
            primary: name.clone(),
            replicas: Vec::new(),
            slots: SlotShare::Auto { weight: 1 },
        }],
        nodes: BTreeMap::from([(
            name.clone(),
            Node {
                name,
                host,
                port: 7000,
                announce: None,
                hostname: None,
                id: None,
                config: BTreeMap::new(),
            },
        )]),
        policy: Policy::default(),
        access: Access::default(),
    }
}

fn ip(text: &str) -> HostAddress {
    HostAddress::Ip(text.parse().unwrap())
}

fn node(desired: &mut Desired) -> &mut Node {
    desired.nodes.values_mut().next().unwrap()
}

fn declare(desired: &mut Desired, option: &str, value: &str) {
    node(desired)
        .config
        .insert(option.into(), Setting::Plain(value.into()));
}

fn declare_secret(desired: &mut Desired, option: &str, source: SecretSource) {
    let value = Some(crate::base::Secret::new("hunter2".into()));
    node(desired)
        .config
        .insert(option.into(), Setting::Secret { source, value });
}

fn layout() -> Layout {
    Layout {
        place: Place::Machines(PathBuf::from("/var/lib/redis")),
        server_bin: PathBuf::from("/usr/bin/redis-server"),
        user: "redis".into(),
        server: None,
        secrets: Secrets::Included,
    }
}

fn render_one(desired: &Desired, layout: &Layout) -> NodeFiles {
    render(desired, layout).unwrap().remove(0)
}

/// The text without its comments, for the cases where only a line matters.
fn lines(desired: &Desired) -> String {
    let conf = render_one(desired, &layout()).conf;
    let lines: Vec<&str> = conf
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines.join("\n")
}

#[test]
fn a_host_on_the_network_without_a_password() {
    let mut desired = one_node(ip("192.168.81.100"));
    declare(&mut desired, "cluster-require-full-coverage", "no");
    declare(&mut desired, "save", "900 1 300 10");
    let files = render_one(&desired, &layout());
    assert_eq!(files.conf_path, PathBuf::from("host1/7000/redis.conf"));
    assert_eq!(
        files.unit_path,
        PathBuf::from("host1/rcl-seed-7000.service")
    );
    assert_snapshot!(files.conf, @r"
    # Node host1:7000 of cluster seed, written by `rcl conf`. The server rewrites this file itself when
    # it is told to (CONFIG REWRITE), so the server's user needs the right to write it and its folder.

    port 7000

    # The host's own address stands first: Redis 6.2 dials its peers from the first one, and a peer
    # takes the address that it is dialled from for the node's.
    bind 192.168.81.100 127.0.0.1

    # The file declares no password, and without one protected-mode refuses every client on another
    # host, replicas among them: the cluster could not work. So it is off, and whoever reaches port 7000
    # or the bus port 17000 controls this node. Let only the cluster's own hosts and its clients through
    # the firewall (the bus port: only the hosts).
    protected-mode no

    dir /var/lib/redis/seed/7000
    logfile /var/lib/redis/seed/7000/redis.log

    cluster-enabled yes
    cluster-config-file nodes-7000.conf

    # A peer takes the address that it is dialled from for the node's, and that is another one on a host
    # with several (on 127.0.0.0/8 it is always 127.0.0.1), unless the node announces its own.
    cluster-announce-ip 192.168.81.100

    # As declared in the file.
    cluster-require-full-coverage no
    save 900 1
    save 300 10
    ");
    assert_snapshot!(files.unit, @r"
    # Written by `rcl conf`.
    [Unit]
    Description=Node host1:7000 of the cluster seed
    After=network-online.target
    Wants=network-online.target

    [Service]
    Type=exec
    User=redis
    ExecStart=/usr/bin/redis-server /var/lib/redis/seed/7000/redis.conf --supervised no --daemonize no
    # A primary that crashed waits until its replica could take over (twice the node timeout). Back at once, it
    # would serve its last snapshot, or nothing if there is none, and its replica would copy that.
    Restart=on-failure
    RestartSec=30s
    # The server saves its data when it is told to stop, which takes a while when there is much of it.
    TimeoutStopSec=infinity
    LimitNOFILE=65536
    UMask=0077
    NoNewPrivileges=yes
    PrivateTmp=yes

    [Install]
    WantedBy=multi-user.target
    ");
}

#[test]
fn secrets_are_included_and_never_written() {
    let mut desired = one_node(ip("192.168.81.100"));
    declare_secret(
        &mut desired,
        "masterauth",
        SecretSource::Env("RCL_MASTERAUTH".into()),
    );
    declare_secret(
        &mut desired,
        "requirepass",
        SecretSource::File("secrets/pass".into()),
    );
    let files = render_one(&desired, &layout());
    assert_snapshot!(files.conf, @r"
    # Node host1:7000 of cluster seed, written by `rcl conf`. The server rewrites this file itself when
    # it is told to (CONFIG REWRITE), so the server's user needs the right to write it and its folder.

    port 7000

    # The host's own address stands first: Redis 6.2 dials its peers from the first one, and a peer
    # takes the address that it is dialled from for the node's.
    bind 192.168.81.100 127.0.0.1

    # The file declares a password. protected-mode stays on: a server that has none yet then refuses
    # clients from other hosts instead of serving everybody.
    protected-mode yes

    dir /var/lib/redis/seed/7000
    logfile /var/lib/redis/seed/7000/redis.log

    cluster-enabled yes
    cluster-config-file nodes-7000.conf

    # A peer takes the address that it is dialled from for the node's, and that is another one on a host
    # with several (on 127.0.0.0/8 it is always 127.0.0.1), unless the node announces its own.
    cluster-announce-ip 192.168.81.100

    # Secrets are kept out of this file. The one below has to hold a line for each of these, readable
    # for the server's user only; without the file the server does not start.
    #   masterauth: the value of the environment variable RCL_MASTERAUTH
    #   requirepass: the value of the file secrets/pass
    include /var/lib/redis/seed/secrets.conf
    ");
    let secrets = files.secrets.unwrap();
    assert_eq!(
        secrets.path,
        PathBuf::from("/var/lib/redis/seed/secrets.conf")
    );
    assert_eq!(secrets.lines.len(), 2);

    let from_stdin = Layout {
        secrets: Secrets::Stdin,
        ..layout()
    };
    let conf = render_one(&desired, &from_stdin).conf;
    assert!(!conf.contains("\ninclude"), "{conf}");
    assert!(!conf.contains("hunter2"), "{conf}");
}

#[test]
fn loopback_addresses() {
    let table = [
        ("127.0.0.1", "bind 127.0.0.1", None),
        (
            "127.0.81.100",
            "bind 127.0.81.100",
            Some("cluster-announce-ip 127.0.81.100"),
        ),
        ("::1", "bind ::1", None),
    ];
    for (address, bind, announce) in table {
        let text = lines(&one_node(ip(address)));
        assert!(text.contains(bind), "{text}");
        assert!(!text.contains("protected-mode"), "{text}");
        let announced = text.lines().find(|line| line.contains("announce"));
        assert_eq!(announced, announce);
    }
}

#[test]
fn ipv6_binds_its_own_loopback() {
    assert_snapshot!(lines(&one_node(ip("fd00::10"))), @r"
    port 7000
    bind fd00::10 ::1
    protected-mode no
    dir /var/lib/redis/seed/7000
    logfile /var/lib/redis/seed/7000/redis.log
    cluster-enabled yes
    cluster-config-file nodes-7000.conf
    cluster-announce-ip fd00::10
    ");
}

#[test]
fn a_dns_name_binds_nothing() {
    let text = render_one(
        &one_node(HostAddress::Dns("r1.example.net".into())),
        &layout(),
    )
    .conf;
    assert!(!text.contains("\nbind"), "{text}");
    assert_snapshot!(text, @r"
    # Node host1:7000 of cluster seed, written by `rcl conf`. The server rewrites this file itself when
    # it is told to (CONFIG REWRITE), so the server's user needs the right to write it and its folder.

    port 7000

    # No `bind`: the file names the host as r1.example.net, and a server takes only addresses here. So
    # it listens on all of the host's. To narrow that, write: bind ADDRESS 127.0.0.1

    # The file declares no password, and without one protected-mode refuses every client on another
    # host, replicas among them: the cluster could not work. So it is off, and whoever reaches port 7000
    # or the bus port 17000 controls this node. Let only the cluster's own hosts and its clients through
    # the firewall (the bus port: only the hosts).
    protected-mode no

    dir /var/lib/redis/seed/7000
    logfile /var/lib/redis/seed/7000/redis.log

    cluster-enabled yes
    cluster-config-file nodes-7000.conf
    ");
}

#[test]
fn declared_announcements() {
    let mut desired = one_node(ip("127.0.81.100"));
    node(&mut desired).announce = Some(Announce {
        ip: "203.0.113.7".parse::<IpAddr>().unwrap(),
        port: Some(7002),
        bus_port: Some(17002),
    });
    node(&mut desired).hostname = Some("a1.example.net".into());
    assert_snapshot!(lines(&desired), @r"
    port 7000
    bind 127.0.81.100
    dir /var/lib/redis/seed/7000
    logfile /var/lib/redis/seed/7000/redis.log
    cluster-enabled yes
    cluster-config-file nodes-7000.conf
    cluster-announce-ip 203.0.113.7
    cluster-announce-port 7002
    cluster-announce-bus-port 17002
    cluster-announce-hostname a1.example.net
    ");
}

#[test]
fn a_server_without_announced_hostnames_is_not_given_one() {
    let mut desired = one_node(ip("127.0.0.1"));
    node(&mut desired).hostname = Some("a1.example.net".into());
    let text = |server| {
        let layout = Layout {
            server: Some(server),
            ..layout()
        };
        render_one(&desired, &layout).conf
    };
    let line = "\ncluster-announce-hostname a1.example.net\n";
    let old = text(Server::new(Flavor::Redis, 6, 2, 14));
    assert!(!old.contains(line) && old.contains("Redis 6.2.14"), "{old}");
    assert!(text(Server::new(Flavor::Redis, 7, 0, 15)).contains(line));
    assert!(text(Server::new(Flavor::Valkey, 8, 1, 8)).contains(line));
}

#[test]
fn declared_listening_replaces_ours() {
    let mut desired = one_node(ip("192.168.81.100"));
    declare(&mut desired, "bind", "0.0.0.0 ::");
    declare(&mut desired, "protected-mode", "yes");
    assert_snapshot!(lines(&desired), @r"
    port 7000
    dir /var/lib/redis/seed/7000
    logfile /var/lib/redis/seed/7000/redis.log
    cluster-enabled yes
    cluster-config-file nodes-7000.conf
    cluster-announce-ip 192.168.81.100
    bind 0.0.0.0 ::
    protected-mode yes
    ");
}

#[test]
fn options_of_a_single_node_are_refused() {
    let mut desired = one_node(ip("127.0.0.1"));
    declare(&mut desired, "dir", "/srv/redis");
    assert_snapshot!(render(&desired, &layout()).unwrap_err(), @"`dir` can't be declared for host1:7000: rcl writes it itself, from the node's address, `announce`, `hostname` and folder; take it out of `config`");
}

#[test]
fn a_unit_waits_for_a_failover_and_opens_files_for_its_clients() {
    let mut desired = one_node(ip("127.0.0.1"));
    declare(&mut desired, "cluster-node-timeout", "1500");
    declare(&mut desired, "maxclients", "100000");
    let unit = render_one(&desired, &layout()).unit;
    assert!(unit.contains("\nRestartSec=3s\n"), "{unit}");
    assert!(unit.contains("\nLimitNOFILE=104096\n"), "{unit}");
}

#[test]
fn folders_of_bare_addresses() {
    for (host, folder) in [
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "++1"),
        ("[fd00::1]", "fd00++1"),
    ] {
        assert_eq!(folder_name(&HostName(host.into())), folder);
    }
}

#[test]
fn on_this_machine_every_host_has_its_own_folder() {
    let layout = Layout {
        place: Place::ThisMachine(PathBuf::from("/tmp/lab")),
        ..layout()
    };
    let files = render_one(&one_node(ip("127.0.81.100")), &layout);
    assert_eq!(files.folder, PathBuf::from("/tmp/lab/host1/7000"));
}
