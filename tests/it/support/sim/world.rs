//! All nodes, the network between them, and the events that move time on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use rcl::base::{Address, NodeId, Server, Slot, SlotSet};

use super::bus::Packet;
use super::config::Options;
use super::keys::Keys;
use super::node::{Health, Member, Node, Open};
use super::rng::Rng;

/// How often each server's clock work runs.
pub(super) const TICK: u64 = 100;

/// How long a packet is on its way.
pub(super) const LATENCY: u64 = 1;

/// A start for time stamps, as servers show them.
pub(super) const EPOCH_MS: u64 = 1_795_356_934_000;

/// What a new node is like.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) server: Server,
    pub(crate) machine: u32,
    pub(crate) listens: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) has_file: bool,
}

pub(crate) struct World {
    /// Milliseconds.
    pub(crate) now: u64,
    pub(crate) nodes: Vec<Node>,
    pub(super) rng: Rng,
    pub(super) next_link: u64,
    /// What the kernel keeps for frozen nodes.
    backlog: Vec<Packet>,
    queue: BinaryHeap<Reverse<Due>>,
    sequence: u64,
}

enum Event {
    Tick { node: usize, incarnation: u32 },
    Arrival(Box<Packet>),
}

/// An event and its time; the sequence keeps equal times in order.
struct Due {
    at: u64,
    sequence: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: 60_000,
            nodes: Vec::new(),
            rng: Rng::new(seed),
            next_link: 1,
            backlog: Vec::new(),
            queue: BinaryHeap::new(),
            sequence: 0,
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.queue.push(Reverse(Due {
            at,
            sequence,
            event,
        }));
    }

    pub(super) fn deliver(&mut self, packet: Packet) {
        self.schedule(self.now + LATENCY, Event::Arrival(Box::new(packet)));
    }

    /// Lets everything happen that is due by then.
    pub(super) fn advance(&mut self, until: u64) {
        while let Some(Reverse(due)) = self.queue.peek()
            && due.at <= until
        {
            let Some(Reverse(due)) = self.queue.pop() else {
                break;
            };
            self.now = due.at;
            match due.event {
                Event::Tick { node, incarnation } => {
                    let running = &self.nodes[node];
                    if running.incarnation == incarnation && running.health != Health::Down {
                        if running.health == Health::Up {
                            self.tick(node);
                        }
                        self.schedule(self.now + TICK, Event::Tick { node, incarnation });
                    }
                }
                Event::Arrival(packet) if self.nodes[packet.to].health == Health::Frozen => {
                    self.backlog.push(*packet);
                }
                Event::Arrival(packet) => self.receive(*packet),
            }
        }
        self.now = self.now.max(until);
    }

    /// Starts a node that has been up for a while.
    pub(super) fn add(&mut self, spec: Spec) -> usize {
        let id = self.rng.node_id();
        let now = self.now;
        let node = Node {
            id,
            server: spec.server,
            machine: spec.machine,
            listens: spec.listens,
            port: spec.port,
            bus_port: spec.port + 10000,
            health: Health::Up,
            incarnation: 0,
            booted: now.saturating_sub(30_000),
            options: Options::of(spec.server, spec.has_file),
            current_epoch: 0,
            table: [(id, Member::new(now))].into(),
            open: std::collections::BTreeMap::new(),
            state_ok: false,
            minority_at: now,
            inbound: std::collections::BTreeMap::new(),
            upstream: None,
            barred: std::collections::BTreeMap::new(),
            batch_until: 0,
            keys: Keys::default(),
            doomed: false,
            ticks: 0,
            swapped: None,
        };
        self.nodes.push(node);
        let place = self.nodes.len() - 1;
        self.start_ticking(place);
        place
    }

    fn start_ticking(&mut self, node: usize) {
        let phase = self.rng.below(TICK);
        let incarnation = self.nodes[node].incarnation;
        self.schedule(self.now + phase, Event::Tick { node, incarnation });
    }

    /// The process stands still; connections stay.
    pub(super) fn freeze(&mut self, node: usize) {
        self.nodes[node].health = Health::Frozen;
    }

    /// It goes on, with what was sent to it meanwhile.
    pub(super) fn thaw(&mut self, node: usize) {
        self.nodes[node].health = Health::Up;
        let (kept, others) = std::mem::take(&mut self.backlog)
            .into_iter()
            .partition(|packet| packet.to == node);
        self.backlog = others;
        let kept: Vec<Packet> = kept;
        for packet in kept {
            self.deliver(packet);
        }
    }

    /// Every connection from and to the node breaks.
    pub(super) fn take_down(&mut self, node: usize) {
        self.nodes[node].health = Health::Down;
        self.nodes[node].incarnation += 1;
        self.nodes[node].inbound.clear();
        let own: Vec<_> = self.nodes[node].table.keys().copied().collect();
        for id in own {
            self.close_link(node, id);
        }
        for peer in 0..self.nodes.len() {
            let lost: Vec<_> = self.nodes[peer]
                .table
                .iter()
                .filter(|(_, member)| member.link.as_ref().is_some_and(|link| link.peer == node))
                .map(|(id, _)| *id)
                .collect();
            for id in lost {
                self.close_link(peer, id);
            }
        }
        self.drop_copies_from(node);
    }

    /// The process starts again at the same place without its files: a new id, nothing known,
    /// nothing held. Its config file stays.
    pub(super) fn start_blank(&mut self, place: usize) {
        let id = self.rng.node_id();
        let now = self.now;
        let node = &mut self.nodes[place];
        node.id = id;
        node.table = [(id, Member::new(now))].into();
        node.current_epoch = 0;
        node.open.clear();
        node.upstream = None;
        node.barred.clear();
        node.keys = Keys::default();
        node.doomed = false;
        self.start(place);
    }

    /// The process starts again with its files.
    pub(super) fn start(&mut self, place: usize) {
        let now = self.now;
        let node = &mut self.nodes[place];
        node.health = Health::Up;
        node.booted = now;
        node.minority_at = now;
        node.state_ok = false;
        if let Some(file) = &node.options.file {
            for (name, value) in file.clone() {
                node.options.put_back(name, value);
            }
        }
        self.start_ticking(place);
        if let Some(primary) = self.nodes[place].myself().primary {
            self.follow(place, primary);
        }
    }

    /// The node that listens at this client port, as seen from the outside.
    pub(super) fn at(&self, address: Address) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.port == address.port && node.listens.contains(&address.ip))
    }

    /// The living node that one of this machine finds at an address: a loopback address means
    /// the machine itself.
    pub(super) fn reached_from(
        &self,
        machine: u32,
        ip: IpAddr,
        port: u16,
        bus: bool,
    ) -> Option<usize> {
        self.nodes.iter().position(|node| {
            node.health != Health::Down
                && node.listens.contains(&ip)
                && (!ip.is_loopback() || node.machine == machine)
                && port == if bus { node.bus_port } else { node.port }
        })
    }

    /// All keys that lie anywhere in reach and stay there.
    pub(crate) fn all_keys(&self) -> Keys {
        let mut all = Keys::default();
        let kept = |node: &&Node| node.health == Health::Up && !node.doomed;
        for node in self.nodes.iter().filter(kept) {
            all.extend(&node.keys);
        }
        all
    }

    /// The keys that clients find: those at a living primary that says it owns their slot.
    pub(crate) fn served_keys(&self) -> Keys {
        let mut served = Keys::default();
        for node in self
            .nodes
            .iter()
            .filter(|node| node.health == Health::Up && node.is_primary())
        {
            served.extend(&node.keys.within(&node.myself().slots));
            // Who gives a slot away sends clients on to who takes it.
            for (slot, open) in &node.open {
                if let Open::Importing(from) = open
                    && self.gives(*from, *slot, node.id)
                {
                    served.put(*slot, node.keys.bits_in(*slot));
                }
            }
        }
        served
    }

    /// The slots that living primaries say they own, and those that more than two say they do.
    pub(super) fn served_slots(&self) -> (SlotSet, SlotSet) {
        let (mut once, mut twice, mut thrice) = (SlotSet::new(), SlotSet::new(), SlotSet::new());
        let primaries = self.nodes.iter();
        for node in primaries.filter(|node| node.health == Health::Up && node.is_primary()) {
            let slots = &node.myself().slots;
            thrice = thrice.union(&twice.intersection(slots));
            twice = twice.union(&once.intersection(slots));
            once = once.union(slots);
        }
        (once, thrice)
    }

    fn gives(&self, from: NodeId, slot: Slot, to: NodeId) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| {
            let open = node.open.get(&slot);
            node.id == from
                && node.myself().slots.contains(slot)
                && matches!(open, Some(Open::Migrating(taker)) if *taker == to)
        })
    }
}
