//! One server process: its table of members, its epochs, its options, its keys.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rcl::base::{Address, NodeId, Role, Server, Slot, SlotSet};

use super::config::Options;
use super::keys::Keys;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Up,
    /// It refuses connections.
    Down,
    /// The kernel accepts connections, the process says nothing.
    Frozen,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) server: Server,
    /// Nodes of one machine reach each other by loopback addresses.
    pub(crate) machine: u32,
    /// The addresses it listens at; by the first one it is dialled.
    pub(crate) listens: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) bus_port: u16,
    pub(crate) health: Health,
    /// Counts restarts: connections don't outlive one.
    pub(crate) incarnation: u32,
    pub(crate) booted: u64,
    pub(crate) options: Options,
    pub(crate) current_epoch: u64,
    /// Itself included; handshakes have random ids.
    pub(crate) table: BTreeMap<NodeId, Member>,
    pub(crate) open: BTreeMap<Slot, Open>,
    pub(crate) state_ok: bool,
    /// When it last saw itself among the minority of primaries, or without slots.
    pub(crate) minority_at: u64,
    /// The connection that each member dialled it with, and when one was last lost.
    pub(crate) inbound: BTreeMap<NodeId, u64>,
    pub(crate) upstream: Option<Upstream>,
    /// Members that were forgotten, and until when nobody makes them members again.
    pub(crate) barred: BTreeMap<NodeId, u64>,
    /// Until when replicas that ask for a copy are served together.
    pub(crate) batch_until: u64,
    pub(crate) keys: Keys,
    /// Its keys go as soon as it copies from its new primary.
    pub(crate) doomed: bool,
    pub(crate) ticks: u64,
    /// When it last failed over, as either end.
    pub(crate) swapped: Option<u64>,
}

/// One line of a table of members.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) bus_port: u16,
    pub(crate) hostname: String,
    pub(crate) role: Role,
    pub(crate) primary: Option<NodeId>,
    pub(crate) epoch: u64,
    pub(crate) slots: SlotSet,
    pub(crate) handshake: bool,
    /// The next packet is to be a MEET.
    pub(crate) meet: bool,
    pub(crate) noaddr: bool,
    pub(crate) maybe_fail: bool,
    /// When it was held for failed.
    pub(crate) failed: Option<u64>,
    pub(crate) born: u64,
    pub(crate) link: Option<Link>,
    /// 0 when no answer is awaited.
    pub(crate) ping_sent: u64,
    pub(crate) pong_received: u64,
    pub(crate) data_received: u64,
    pub(crate) met_again: u64,
    /// When it last lost its connection to this node.
    pub(crate) hung_up: u64,
    /// Primaries that can't reach it, and when they said so.
    pub(crate) reports: BTreeMap<NodeId, u64>,
}

/// A connection to a member's bus port.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) opened: u64,
    pub(crate) peer: usize,
    /// The address it was dialled at.
    pub(crate) dialled: IpAddr,
    /// The address that the peer sees packets come from.
    pub(crate) source: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    Migrating(NodeId),
    Importing(NodeId),
}

/// Where a replica copies from: an address, not an id.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) from: Option<Address>,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connect {
        at: u64,
    },
    Wait {
        until: u64,
        source: usize,
        incarnation: u32,
    },
    Up {
        source: usize,
        incarnation: u32,
    },
}

impl Member {
    pub(super) fn new(now: u64) -> Self {
        Self {
            ip: None,
            port: 0,
            bus_port: 0,
            hostname: String::new(),
            role: Role::Primary,
            primary: None,
            epoch: 0,
            slots: SlotSet::new(),
            handshake: false,
            meet: false,
            noaddr: false,
            maybe_fail: false,
            failed: None,
            born: now,
            link: None,
            ping_sent: 0,
            pong_received: 0,
            data_received: 0,
            met_again: 0,
            hung_up: 0,
            reports: BTreeMap::new(),
        }
    }

    pub(super) fn handshake(ip: IpAddr, port: u16, bus_port: u16, now: u64) -> Self {
        Self {
            ip: Some(ip),
            port,
            bus_port,
            handshake: true,
            ..Self::new(now)
        }
    }

    pub(crate) fn address(&self) -> Option<Address> {
        self.ip.map(|ip| Address::new(ip, self.port))
    }

    pub(super) fn is_failing(&self) -> bool {
        self.maybe_fail || self.failed.is_some()
    }
}

impl Node {
    /// Where rcl and people reach it.
    pub(crate) fn at(&self) -> Address {
        Address::new(self.listens[0], self.port)
    }

    pub(crate) fn myself(&self) -> &Member {
        &self.table[&self.id]
    }

    pub(super) fn myself_mut(&mut self) -> &mut Member {
        self.table
            .get_mut(&self.id)
            .expect("every node lists itself")
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.myself().role == Role::Primary
    }

    /// The other members, handshakes left out.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.table
            .iter()
            .filter(|(id, member)| **id != self.id && !member.handshake)
            .map(|(id, member)| (*id, member))
    }

    pub(super) fn node_timeout(&self) -> u64 {
        self.options.number("cluster-node-timeout")
    }

    pub(super) fn handshake_timeout(&self) -> u64 {
        self.node_timeout().max(1000)
    }

    /// What its packets say of where it is reached.
    pub(super) fn announced_port(&self) -> u16 {
        match self.options.number("cluster-announce-port") {
            0 => self.port,
            port => u16::try_from(port).unwrap(),
        }
    }

    pub(super) fn announced_bus_port(&self) -> u16 {
        match self.options.number("cluster-announce-bus-port") {
            0 => self.bus_port,
            port => u16::try_from(port).unwrap(),
        }
    }

    pub(super) fn announced_ip(&self) -> Option<IpAddr> {
        self.options.text("cluster-announce-ip").parse().ok()
    }

    /// Every slot that it knows an owner of.
    pub(crate) fn assigned(&self) -> SlotSet {
        self.table
            .values()
            .flat_map(|member| member.slots.ranges().iter().copied())
            .collect()
    }

    pub(super) fn owner_of(&self, slot: Slot) -> Option<NodeId> {
        self.table
            .iter()
            .find(|(_, member)| member.slots.contains(slot))
            .map(|(id, _)| *id)
    }

    pub(crate) fn link_up(&self) -> bool {
        matches!(
            &self.upstream,
            Some(Upstream {
                phase: Phase::Up { .. },
                ..
            })
        )
    }
}
