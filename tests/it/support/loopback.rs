//! A block of loopback addresses for one test: 127.x.y.1 is its host1, 127.x.y.2 its host2, and so on.
//!
//! Ports are the same in every test, so that its YAML reads like the manual; the block is what differs.
//! Blocks never collide: a listener on a claim address is held as long as the block is, and the kernel
//! gives a listening address to one process only.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const CLAIM_HOST: u8 = 254;
const CLAIM_PORT: u16 = 6999;

/// x is 1 to 254: 127.0.0.0/16 stays free for people and for servers that announce nothing.
const BLOCKS: u32 = 254 * 256;

/// Spreads neighbouring process ids over the blocks; it shares no factor with their number.
const STRIDE: u32 = 7919;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Loopback {
    network: (u8, u8),
    /// Held, never accepted from.
    _claim: TcpListener,
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
                    network,
                    _claim: claim,
                };
            }
        }
        panic!("no free block of loopback addresses in 127.0.0.0/8");
    }

    /// The address of host1, host2, …
    pub(crate) fn host(&self, number: u8) -> Ipv4Addr {
        assert!(
            (1..CLAIM_HOST).contains(&number),
            "host{number} is out of range"
        );
        *address(self.network, number, 0).ip()
    }
}

fn address(network: (u8, u8), host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(127, network.0, network.1, host), port)
}
