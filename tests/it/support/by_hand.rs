//! Desired states built without a file, and the servers and addresses to run them.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcl::base::{NodeName, ShardName};
use rcl::desired::{
    Access, Desired, Host, HostAddress, HostName, Node, Policy, Setting, Shard, SlotShare,
};

/// The shape of the seed cluster: for every port a primary on host1 and its replica on host2.
pub(crate) fn desired(host1: IpAddr, host2: IpAddr, ports: &[u16]) -> Desired {
    let mut desired = Desired {
        cluster: "seed".into(),
        hosts: BTreeMap::new(),
        shards: Vec::new(),
        nodes: BTreeMap::new(),
        policy: Policy::default(),
        access: Access::default(),
    };
    for (name, ip) in [("host1", host1), ("host2", host2)] {
        let host = Host {
            address: HostAddress::Ip(ip),
            zone: None,
            access: Access::default(),
        };
        desired.hosts.insert(HostName(name.into()), host);
    }
    for port in ports {
        let primary = add_node(&mut desired, "host1", *port);
        let replica = add_node(&mut desired, "host2", *port);
        desired.shards.push(Shard {
            name: ShardName::new(format!("s{port}")),
            primary,
            replicas: vec![replica],
            slots: SlotShare::Auto { weight: 1 },
        });
    }
    desired
}

fn add_node(desired: &mut Desired, host: &str, port: u16) -> NodeName {
    let name = NodeName::new(format!("{host}:{port}"));
    let node = Node {
        name: name.clone(),
        host: HostName(host.into()),
        port,
        announce: None,
        hostname: None,
        id: None,
        config: BTreeMap::new(),
    };
    desired.nodes.insert(name.clone(), node);
    name
}

/// Declares an option for all nodes.
pub(crate) fn declare(desired: &mut Desired, option: &str, setting: &Setting) {
    for node in desired.nodes.values_mut() {
        node.config.insert(option.into(), setting.clone());
    }
}

/// Addresses that no other test uses at the same time: whoever holds the listener owns the block.
pub(crate) struct Block {
    network: (u8, u8),
    _claim: TcpListener,
}

impl Block {
    pub(crate) fn claim() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        const BLOCKS: u32 = 254 * 256;
        let start = std::process::id().wrapping_mul(7919);
        for _ in 0..BLOCKS {
            let block = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let [_, _, high, low] = block.to_be_bytes();
            let network = (high + 1, low);
            let address = Ipv4Addr::new(127, network.0, network.1, 254);
            if let Ok(claim) = TcpListener::bind(SocketAddrV4::new(address, 6999)) {
                return Self {
                    network,
                    _claim: claim,
                };
            }
        }
        panic!("no free block of loopback addresses");
    }

    pub(crate) fn host(&self, number: u8) -> IpAddr {
        IpAddr::from(Ipv4Addr::new(127, self.network.0, self.network.1, number))
    }
}

/// A server that stands for all where the version does not matter.
pub(crate) fn any_server() -> PathBuf {
    programs().remove(0)
}

/// All servers of the tests. A missing one fails the test: one that is skipped proves nothing.
pub(crate) fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers");
    let mut programs = vec![on_path("redis-server")];
    programs.extend(
        ["redis-6.2", "redis-8.2", "valkey-8.1", "valkey-9.1"].map(|name| folder.join(name)),
    );
    for program in &programs {
        let shown = program.display();
        assert!(program.is_file(), "{shown} is missing: run .ci/servers");
    }
    programs
}

fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not on PATH: run .ci/servers"))
}
