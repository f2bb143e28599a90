//! States that rcl is to leave alone, wholly or in part: what brings them about, and the verdict
//! that is due.

use std::time::Duration;

use proptest::prelude::*;
use rcl::base::{Flavor, NodeId, SlotRange, SlotSet};
use rcl::diff::Diff;

use super::build::Scene;
use super::draft::Draft;
use crate::support::sim::{Keys, Open};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Hostility {
    /// A blank declared node is a member of somebody else's cluster, which has keys.
    Foreign {
        node: u8,
        size: u8,
    },
    /// A node holds keys of slots that nobody owns.
    Orphans {
        node: u8,
        count: u8,
    },
    /// The owner of some slots says that it isn't.
    Denial {
        node: u8,
    },
    /// Slots that were moved elsewhere.
    Misplaced {
        from: u8,
        to: u8,
        count: u8,
    },
    /// A move that somebody began.
    OpenSlots {
        from: u8,
        to: u8,
    },
    Down {
        node: u8,
    },
    Frozen {
        node: u8,
    },
    /// A primary with slots comes back without its files.
    Blank {
        node: u8,
    },
    /// The file pins another id.
    WrongId {
        node: u8,
    },
    /// A node that is no member holds slots of a shard that isn't its own.
    Usurper {
        node: u8,
    },
    /// A node without slots holds keys.
    Hoard {
        node: u8,
    },
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing at all is sent, for this reason.
    Everything(&'static str),
    /// This is blocked; other things may go on.
    Part(&'static str),
    /// It is told, as blocked or as a difference.
    Told,
    /// The event made no difference that anybody could see.
    Nothing,
}

pub(crate) fn hostility() -> impl Strategy<Value = Hostility> {
    let node = any::<u8>;
    prop_oneof![
        2 => (node(), 1u8..3).prop_map(|(node, size)| Hostility::Foreign { node, size }),
        2 => (node(), 1u8..20).prop_map(|(node, count)| Hostility::Orphans { node, count }),
        1 => node().prop_map(|node| Hostility::Denial { node }),
        1 => (node(), node()).prop_map(|(from, to)| Hostility::OpenSlots { from, to }),
        2 => (node(), node(), 1u8..200)
            .prop_map(|(from, to, count)| Hostility::Misplaced { from, to, count }),
        3 => node().prop_map(|node| Hostility::Down { node }),
        1 => node().prop_map(|node| Hostility::Frozen { node }),
        2 => node().prop_map(|node| Hostility::Blank { node }),
        1 => node().prop_map(|node| Hostility::WrongId { node }),
        1 => node().prop_map(|node| Hostility::Usurper { node }),
        1 => node().prop_map(|node| Hostility::Hoard { node }),
    ]
}

impl Verdict {
    /// Whether the diff says what it must.
    pub(crate) fn is_given(self, diff: &Diff) -> bool {
        let coded = |code: &str| diff.blocked.iter().any(|blocked| blocked.code == code);
        match self {
            // Which cluster the file means comes before what became of it.
            Self::Everything(code) => {
                let which = coded("foreign-node") || coded("another-cluster");
                diff.everything_blocked() && (coded(code) || which)
            }
            Self::Part(code) => coded(code) || diff.everything_blocked(),
            Self::Told => !diff.blocked.is_empty() || !diff.differences.is_empty(),
            Self::Nothing => true,
        }
    }
}

impl Scene {
    /// Brings the state about, where the scene has what it takes.
    pub(crate) fn harm(&mut self, draft: &Draft, hostility: Hostility) -> Verdict {
        let place = |node: u8| usize::from(node) % self.declared;
        match hostility {
            Hostility::Foreign { node, size } => self.join_foreigners(draft, place(node), size),
            Hostility::Orphans { node, count } => self.orphan_keys(place(node), count),
            Hostility::Denial { node } => self.deny(place(node)),
            Hostility::OpenSlots { from, to } => self.open_slots(place(from), place(to)),
            Hostility::Misplaced { from, to, count } => {
                self.misplace(place(from), place(to), count)
            }
            Hostility::Down { node } => {
                self.sim.kill(place(node));
                Verdict::Told
            }
            Hostility::Frozen { node } => {
                self.sim.freeze(place(node));
                Verdict::Told
            }
            Hostility::Blank { node } => self.restart_blank(place(node)),
            Hostility::WrongId { node } => self.pin_wrong_id(place(node)),
            Hostility::Usurper { node } => self.usurp(place(node)),
            Hostility::Hoard { node } => self.hoard(place(node)),
        }
    }

    fn is_alone_and_blank(&self, place: usize) -> bool {
        if self.island(place).len() > 1 {
            return false;
        }
        let world = self.sim.world();
        let node = &world.nodes[place];
        node.myself().slots.is_empty() && node.keys.is_empty() && node.is_primary()
    }

    fn join_foreigners(&mut self, draft: &Draft, place: usize, size: u8) -> Verdict {
        // Until nobody shakes hands any more.
        self.sim.elapse(Duration::from_secs(16));
        if !self.is_alone_and_blank(place) {
            return Verdict::Nothing;
        }
        let per = 16384 / u16::from(size);
        for index in 0..u16::from(size) {
            let foreigner = self.start(draft, usize::from(index) % 3, 7800 + index);
            let at = self.sim.world().nodes[foreigner].at();
            let last = if index + 1 == u16::from(size) {
                16383
            } else {
                (index + 1) * per - 1
            };
            let slots: SlotSet = SlotRange::new(index * per, last).into_iter().collect();
            self.sim.ok(
                foreigner,
                &format!("CONFIG SET cluster-announce-ip {}", at.ip),
            );
            self.sim.ok(
                foreigner,
                &format!("CLUSTER SET-CONFIG-EPOCH {}", 100 + index),
            );
            self.sim.ok(foreigner, &self.add_slots(foreigner, &slots));
            let mut keys = Keys::default();
            keys.put(index * per, 1 << 60);
            self.sim.add_keys(foreigner, &keys);
            let own = self.sim.world().nodes[place].at();
            self.sim
                .ok(place, &format!("CONFIG SET cluster-announce-ip {}", own.ip));
            self.sim
                .ok(place, &format!("CLUSTER MEET {} {}", at.ip, at.port));
        }
        self.foreigners = true;
        self.sim.elapse(Duration::from_secs(8));
        // A file that names but one node looks the same as one for the foreigners' cluster.
        Verdict::Told
    }

    fn orphan_keys(&mut self, place: usize, count: u8) -> Verdict {
        let unassigned: Vec<u16> = self.unassigned().iter().collect();
        // What a replica holds is its primary's.
        if unassigned.is_empty() || !self.sim.world().nodes[place].is_primary() {
            return Verdict::Nothing;
        }
        let mut keys = Keys::default();
        for _ in 0..count {
            keys.put(unassigned[self.rng.place(unassigned.len())], 1 << 61);
        }
        self.sim.add_keys(place, &keys);
        Verdict::Told
    }

    /// As after DELSLOTS, which nobody else hears of.
    fn deny(&mut self, place: usize) -> Verdict {
        let others = self.island(place).len() > 1;
        let mut world = self.sim.world_mut();
        let node = &mut world.nodes[place];
        let id = node.id;
        let Some(myself) = node
            .table
            .get_mut(&id)
            .filter(|myself| !myself.slots.is_empty())
        else {
            return Verdict::Nothing;
        };
        let slots = std::mem::take(&mut myself.slots);
        let seen = world.nodes.iter().any(|other| {
            other.id != id
                && other
                    .table
                    .get(&id)
                    .is_some_and(|m| m.slots == slots && m.link.is_some())
        });
        if others && seen {
            Verdict::Everything("views-disagree")
        } else {
            Verdict::Told
        }
    }

    fn open_slots(&mut self, from: usize, to: usize) -> Verdict {
        let mut world = self.sim.world_mut();
        let (source, target) = (world.nodes[from].id, world.nodes[to].id);
        let slot = world.nodes[from].myself().slots.iter().next();
        let (Some(slot), true) = (slot, from != to && world.nodes[to].is_primary()) else {
            return Verdict::Nothing;
        };
        world.nodes[from].open.insert(slot, Open::Migrating(target));
        world.nodes[to].open.insert(slot, Open::Importing(source));
        Verdict::Told
    }

    /// As a rebalancing by hand leaves it: some of its slots and their keys are at another primary.
    fn misplace(&mut self, from: usize, to: usize, count: u8) -> Verdict {
        let mut world = self.sim.world_mut();
        let serves = |place: usize| {
            let node = &world.nodes[place];
            node.is_primary() && !node.myself().slots.is_empty()
        };
        if from == to || !serves(from) || !serves(to) {
            return Verdict::Nothing;
        }
        let (source, target) = (world.nodes[from].id, world.nodes[to].id);
        let mut slots = world.nodes[from].myself().slots.clone();
        let slots = slots.take_lowest(u16::from(count));
        let agreed = world.nodes.iter().all(|node| {
            let owner = node.table.get(&source);
            owner.is_none_or(|owner| slots.difference(&owner.slots).is_empty())
        });
        if !agreed || !world.nodes[to].table.contains_key(&source) {
            return Verdict::Nothing;
        }
        let keys = world.nodes[from].keys.within(&slots);
        for node in &mut world.nodes {
            if let Some(owner) = node.table.get_mut(&source) {
                owner.slots = owner.slots.difference(&slots);
            }
            if let Some(owner) = node.table.get_mut(&target) {
                owner.slots = owner.slots.union(&slots);
            }
            let belongs = |id: NodeId| node.id == id || node.myself().primary == Some(id);
            if belongs(source) {
                node.keys.remove(&slots);
            } else if belongs(target) {
                node.keys.extend(&keys);
            }
        }
        Verdict::Nothing
    }

    /// Redis: the peers lose the address and nothing else, the replicas copy the emptiness.
    fn restart_blank(&mut self, place: usize) -> Verdict {
        let (owner, redis, known, found) = {
            let world = self.sim.world();
            let node = &world.nodes[place];
            let owner = !node.myself().slots.is_empty();
            // Nobody asks a stranger whom nobody lists any more.
            let known = world.nodes[..self.declared].iter().any(|other| {
                other.id != node.id
                    && other
                        .table
                        .get(&node.id)
                        .is_some_and(|m| !m.slots.is_empty())
            });
            // Who looks for it elsewhere can't tell who it was.
            let found = world.nodes.iter().all(|other| {
                other
                    .table
                    .get(&node.id)
                    .is_none_or(|m| other.id == node.id || m.address() == Some(node.at()))
            });
            (owner, node.server.flavor == Flavor::Redis, known, found)
        };
        if !owner || !redis {
            return Verdict::Nothing;
        }
        self.sim.restart_blank(place);
        // Replicas copy the emptiness by themselves, sooner or later.
        self.fading = self.rng.below(2) == 0;
        if !self.fading {
            self.sim.elapse(Duration::from_secs(15));
        }
        let pinned = self.desired.nodes.values().any(|node| node.id.is_some());
        match (known, pinned) {
            (_, true) => Verdict::Everything("wrong-id"),
            (true, false) if found => Verdict::Everything("shard-lost"),
            (true, false) => Verdict::Told,
            (false, false) => Verdict::Nothing,
        }
    }

    fn pin_wrong_id(&mut self, place: usize) -> Verdict {
        let at = self.sim.world().nodes[place].at();
        let other = self.rng.node_id();
        let name = self
            .targets
            .nodes
            .iter()
            .find(|(_, a)| a.as_ref().is_ok_and(|a| a.contains(&at)));
        let Some(name) = name.map(|(name, _)| name.clone()) else {
            return Verdict::Nothing;
        };
        if let Some(node) = self.desired.nodes.get_mut(&name) {
            node.id = Some(other);
        }
        Verdict::Everything("wrong-id")
    }

    fn usurp(&mut self, place: usize) -> Verdict {
        // Until nobody shakes hands any more.
        self.sim.elapse(Duration::from_secs(16));
        if !self.is_alone_and_blank(place) {
            return Verdict::Nothing;
        }
        let taken = {
            let world = self.sim.world();
            let owner = world
                .nodes
                .iter()
                .find(|node| !node.myself().slots.is_empty());
            owner.map(|node| node.myself().slots.clone().take_lowest(5))
        };
        let Some(taken) = taken else {
            return Verdict::Nothing;
        };
        let words = self.add_slots(place, &taken);
        self.sim.ok(place, &words);
        Verdict::Everything("foreign-node")
    }

    fn hoard(&mut self, place: usize) -> Verdict {
        let empty = {
            let world = self.sim.world();
            let node = &world.nodes[place];
            node.is_primary() && node.myself().slots.is_empty()
        };
        if !empty {
            return Verdict::Nothing;
        }
        let mut keys = Keys::default();
        keys.put(u16::try_from(self.rng.below(16384)).unwrap(), 1 << 62);
        self.sim.add_keys(place, &keys);
        Verdict::Told
    }
}

impl Scene {
    /// Whether a declared node that was no member of the foreign cluster is one now.
    pub(crate) fn merged(&self) -> bool {
        let world = self.sim.world();
        let foreign =
            |place: usize| world.nodes[place].port >= 7800 && world.nodes[place].port < 7900;
        let strangers: Vec<usize> = (0..world.nodes.len())
            .filter(|place| foreign(*place))
            .collect();
        strangers
            .iter()
            .any(|stranger| self.island(*stranger).len() > strangers.len() + 1)
    }
}
