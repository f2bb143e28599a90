//! A block of loopback addresses for one test: 127.x.y.1 is its host1, 127.x.y.2 its host2, and so on.
//!
//! Ports are the same in every test, so that its YAML reads like the manual; the block is what differs.
//! A test that needs one certain address (`::1`) shares it and gets a block of ports there instead.
//! Blocks never collide: a listener on a claim address is held as long as the block is, and the kernel
//! gives a listening address to one process only.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use super::launch::{BUS_OFFSET, FIRST_PORT};

const CLAIM_HOST: u8 = 254;
const CLAIM_PORT: u16 = 6999;

/// x is 1 to 254: 127.0.0.0/16 stays free for people and for servers that announce nothing.
const BLOCKS: u32 = 254 * 256;

/// Spreads neighbouring process ids over the blocks; it shares no factor with their number.
const STRIDE: u32 = 7919;

/// Of one address: from here on, ten ports a block, the last of them for the claim. With the bus ports, 10000
/// higher, they stay below those that the kernel gives to outgoing connections.
const SHARED_FROM: u16 = 12000;
const SHARED_BLOCKS: u16 = 1000;
const SHARED_PORTS: u16 = 10;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Loopback {
    place: Place,
    /// Held, never accepted from.
    _claim: TcpListener,
}

enum Place {
    Network(u8, u8),
    Shared { address: IpAddr, first_port: u16 },
}

impl Loopback {
    /// Claims a block in which every one of these hosts and ports is free.
    pub(crate) fn claim(wanted: &[(u8, u16)]) -> Self {
        let start = std::process::id().wrapping_mul(STRIDE);
        for _ in 0..BLOCKS {
            let block = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let [_, _, high, low] = block.to_be_bytes();
            let network = (high + 1, low);
            let Ok(claim) = TcpListener::bind(address(network, CLAIM_HOST, CLAIM_PORT)) else {
                continue;
            };
            let free =
                |&(host, port): &(u8, u16)| TcpListener::bind(address(network, host, port)).is_ok();
            if wanted.iter().all(free) {
                return Self {
                    place: Place::Network(network.0, network.1),
                    _claim: claim,
                };
            }
        }
        panic!("no free block of loopback addresses in 127.0.0.0/8");
    }

    /// Claims `count` consecutive ports of one address, and their bus ports.
    pub(crate) fn share(address: IpAddr, count: u16) -> Self {
        assert!(count < SHARED_PORTS, "a block has fewer ports than {count}");
        let start = std::process::id().wrapping_mul(STRIDE);
        for _ in 0..SHARED_BLOCKS {
            let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let block = u16::try_from(next % u32::from(SHARED_BLOCKS)).unwrap_or(0);
            let first_port = SHARED_FROM + block * SHARED_PORTS;
            let claim_port = first_port + SHARED_PORTS - 1;
            let Ok(claim) = TcpListener::bind((address, claim_port)) else {
                continue;
            };
            let free = |port: u16| TcpListener::bind((address, port)).is_ok();
            let mut ports = first_port..first_port + count;
            if ports.all(|port| free(port) && free(port + BUS_OFFSET)) {
                let place = Place::Shared {
                    address,
                    first_port,
                };
                return Self {
                    place,
                    _claim: claim,
                };
            }
        }
        panic!("no free block of ports on {address}");
    }

    /// The address of host1, host2, …
    pub(crate) fn host(&self, number: u8) -> IpAddr {
        assert!(
            (1..CLAIM_HOST).contains(&number),
            "host{number} is out of range"
        );
        match self.place {
            Place::Network(high, low) => IpAddr::V4(*address((high, low), number, 0).ip()),
            Place::Shared { address, .. } => address,
        }
    }

    pub(super) fn first_port(&self) -> u16 {
        match self.place {
            Place::Network(..) => FIRST_PORT,
            Place::Shared { first_port, .. } => first_port,
        }
    }
}

fn address(network: (u8, u8), host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(127, network.0, network.1, host), port)
}
