//! What was done before rcl came: a cluster formed by hand, wholly or in part, and mishaps.
//!
//! Everything here leads to a state that rcl is to repair. What would not is left out, with the
//! reason beside it.

use std::collections::BTreeSet;
use std::time::Duration;

use rcl::base::{NodeId, Slot, SlotSet};

use super::build::{OPTIONS, Portion, Scene};
use super::draft::{Draft, Formed, Mishap, Network};
use crate::support::sim::Keys;

impl Scene {
    /// Plays the past of a draft up to the moment when rcl looks.
    pub(crate) fn play(&mut self, draft: &Draft) {
        self.form(draft.formed);
        let (late, early): (Vec<&Mishap>, Vec<&Mishap>) = draft
            .mishaps
            .iter()
            .partition(|mishap| matches!(mishap, Mishap::Stranger { .. } | Mishap::Keys { .. }));
        for mishap in early {
            self.suffer(*mishap);
        }
        // Only when it is certain which island is the cluster: strangers and keys in another
        // are what rcl leaves alone.
        let (keys, strangers): (Vec<&Mishap>, Vec<&Mishap>) = late
            .into_iter()
            .partition(|mishap| matches!(mishap, Mishap::Keys { .. }));
        for mishap in strangers {
            if let Mishap::Stranger { met_by } = mishap {
                self.meet_stranger(draft, usize::from(*met_by) % self.declared);
            }
        }
        for part in 0..draft.formed.shards.min(self.parts.len()) {
            let nodes = self.parts[part].nodes.clone();
            nodes
                .iter()
                .for_each(|node| self.put_keys(*node, draft.formed.keys));
        }
        for mishap in keys {
            if let Mishap::Keys { node, count } = mishap {
                self.put_keys(usize::from(*node) % self.declared, *count);
            }
        }
        self.sim.elapse(Duration::from_millis(draft.pause_ms));
    }

    /// The manual way, stopped after a part of its commands.
    fn form(&mut self, formed: Formed) {
        let parts = self.parts[..formed.shards.min(self.parts.len())].to_vec();
        let leader = |nodes: &[usize]| nodes[usize::from(formed.failed_over) % nodes.len()];
        let nodes: Vec<usize> = parts.iter().flat_map(|part| part.nodes.clone()).collect();
        let mut acts: Vec<(usize, String)> = Vec::new();
        let announces = match self.network {
            Network::Hosts => false,
            Network::Loopback | Network::Announced => self.rng.below(3) != 0,
        };
        if announces {
            let wanted = nodes.iter().map(|node| (*node, self.wanted[*node].ip));
            acts.extend(
                wanted.map(|(node, ip)| (node, format!("CONFIG SET cluster-announce-ip {ip}"))),
            );
        }
        if formed.epochs {
            acts.extend(
                nodes
                    .iter()
                    .zip(1..)
                    .map(|(node, epoch)| (*node, format!("CLUSTER SET-CONFIG-EPOCH {epoch}"))),
            );
        }
        let mut slots = Vec::new();
        for (part, share) in parts.iter().zip(self.careful_shares()) {
            let leader = leader(&part.nodes);
            if !share.is_empty() {
                slots.push((leader, self.add_slots(leader, &share)));
            }
        }
        let mut meets = Vec::new();
        for (from, to) in nodes
            .iter()
            .flat_map(|from| nodes.iter().map(move |to| (*from, *to)))
        {
            if from != to && (!formed.star || from == nodes[0]) {
                meets.push((from, self.meet(to)));
            }
        }
        if formed.slots_first {
            acts.extend(slots);
            acts.extend(meets);
        } else {
            acts.extend(meets);
            acts.extend(slots);
        }
        for (index, part) in parts.iter().enumerate() {
            let leads = leader(&part.nodes);
            let others = part.nodes.iter().filter(|node| **node != leads);
            // The declared primary of a shard that failed over stays in its shard.
            let crossed = if leads == part.nodes[0] {
                usize::from(formed.crossed)
            } else {
                0
            };
            let followed = leader(&parts[(index + crossed) % parts.len()].nodes);
            let id = self.sim.world().nodes[followed].id;
            acts.extend(others.map(|node| (*node, format!("CLUSTER REPLICATE {id}"))));
        }
        let count = acts.len() * usize::from(formed.percent) / 100;
        for (node, words) in acts.into_iter().take(count) {
            if words.starts_with("CLUSTER REPLICATE") {
                self.sim.elapse(Duration::from_millis(2500));
            }
            // People see refusals too; what was refused is not so.
            self.sim.command(node, &words);
        }
        if formed.percent == 100 {
            self.sim.elapse(Duration::from_secs(10));
        }
    }

    /// What each shard is to get when somebody gives out all slots with care.
    fn careful_shares(&mut self) -> Vec<SlotSet> {
        let floors = self.parts.iter().filter_map(|part| match part.share {
            Portion::Some { floor, .. } => Some(floor),
            Portion::These(_) | Portion::Nothing => None,
        });
        let mut spare = self.pool.count() - floors.sum::<u16>();
        let mut pool = self.pool.clone();
        let mut shares = Vec::new();
        for part in self.parts.clone().into_iter().rev() {
            shares.push(match part.share {
                Portion::These(slots) => slots,
                Portion::Nothing => SlotSet::new(),
                Portion::Some { floor, whole } => {
                    let one_more = u16::from(!whole && spare > 0);
                    spare -= one_more;
                    pool.take_lowest(floor + one_more)
                }
            });
        }
        shares.reverse();
        shares
    }

    /// Slots that nobody says it owns.
    pub(super) fn unassigned(&self) -> SlotSet {
        let world = self.sim.world();
        world.nodes.iter().fold(SlotSet::full(), |rest, node| {
            rest.difference(&node.myself().slots)
        })
    }

    fn meet(&self, to: usize) -> String {
        let at = self.sim.world().nodes[to].at();
        format!("CLUSTER MEET {} {}", at.ip, at.port)
    }

    pub(super) fn add_slots(&self, node: usize, slots: &SlotSet) -> String {
        let mut words = String::new();
        if self.sim.world().nodes[node].server.supports_addslotsrange() {
            words.push_str("CLUSTER ADDSLOTSRANGE");
            slots
                .ranges()
                .iter()
                .for_each(|range| words.push_str(&format!(" {} {}", range.first, range.last)));
        } else {
            words.push_str("CLUSTER ADDSLOTS");
            slots
                .iter()
                .for_each(|slot| words.push_str(&format!(" {slot}")));
        }
        words
    }

    fn suffer(&mut self, mishap: Mishap) {
        let place = |node: u8| usize::from(node) % self.declared;
        match mishap {
            Mishap::Meet { from, to } => {
                self.sim.command(place(from), &self.meet(place(to)));
            }
            Mishap::MeetByLoopback { from, to } => {
                let (from, to) = (place(from), place(to));
                let (same, port) = {
                    let world = self.sim.world();
                    (
                        world.nodes[from].machine == world.nodes[to].machine,
                        world.nodes[to].port,
                    )
                };
                if same && self.network == Network::Hosts {
                    self.sim
                        .command(from, &format!("CLUSTER MEET 127.0.0.1 {port}"));
                }
            }
            Mishap::MeetNowhere { from } => {
                self.sim.command(place(from), "CLUSTER MEET 10.99.0.1 7000");
            }
            Mishap::Epoch { node, epoch } => {
                self.sim
                    .command(place(node), &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
            }
            Mishap::Slots { node, from, count } => self.give_slots(place(node), from, count),
            Mishap::Replicate { node, primary } => self.replicate(place(node), place(primary)),
            Mishap::Option {
                node,
                option,
                value,
            } => {
                let (name, values) = OPTIONS[usize::from(option) % OPTIONS.len()];
                let value = values[usize::from(value) % values.len()];
                if !value.is_empty() {
                    let value = value.replace(' ', "-");
                    self.sim
                        .command(place(node), &format!("CONFIG SET {name} {value}"));
                }
            }
            Mishap::AnnounceWrong { node } => {
                self.sim
                    .command(place(node), "CONFIG SET cluster-announce-ip 10.99.0.2");
            }
            Mishap::Restart { node } => self.sim.restart(place(node)),
            Mishap::Wait { ms } => self.sim.elapse(Duration::from_millis(u64::from(ms))),
            Mishap::Stranger { .. } | Mishap::Keys { .. } => {}
        }
    }

    /// Gives a node of a shard some of the slots that the shard is to serve and nobody does.
    /// Not to a second node of the shard, and no more than its share: then slots would have to
    /// move.
    fn give_slots(&mut self, node: usize, from: u16, count: u16) {
        let Some(part) = self.part_of(node).cloned() else {
            return;
        };
        let free = self.unassigned();
        let wanted = {
            let world = self.sim.world();
            let taken = part
                .nodes
                .iter()
                .any(|other| *other != node && !world.nodes[*other].myself().slots.is_empty());
            if taken || !world.nodes[node].is_primary() {
                return;
            }
            let held = world.nodes[node].myself().slots.count();
            let known_free = free.difference(&world.nodes[node].assigned());
            match &part.share {
                Portion::These(slots) => known_free.intersection(slots),
                Portion::Some { floor, .. } => {
                    let mut pool = known_free.intersection(&self.pool);
                    pool.take_lowest(from % 512);
                    pool.take_lowest(floor.saturating_sub(held))
                }
                Portion::Nothing => return,
            }
        };
        let mut wanted = wanted;
        wanted.take_lowest(from % wanted.count().max(1));
        let given = wanted.take_lowest(count.max(1));
        if !given.is_empty() {
            let words = self.add_slots(node, &given);
            self.sim.command(node, &words);
        }
    }

    /// Makes a node replicate another. A declared primary follows the one that serves its shard, or
    /// one that serves another, as long as nobody serves its own.
    fn replicate(&mut self, node: usize, primary: usize) {
        let Some(part) = self.part_of(node).cloned() else {
            return;
        };
        let (id, serves) = {
            let world = self.sim.world();
            (
                world.nodes[primary].id,
                !world.nodes[primary].myself().slots.is_empty(),
            )
        };
        let stays = part.nodes[0] == node || self.leads_declared_primary(node, part.nodes[0]);
        let served = {
            let world = self.sim.world();
            let mut nodes = part.nodes.iter().map(|node| &world.nodes[*node]);
            nodes.any(|node| !node.myself().slots.is_empty())
        };
        let detachable = part.nodes[0] == node && !served;
        if stays && !(serves && (detachable || part.nodes.contains(&primary))) {
            return;
        }
        self.sim.command(node, &format!("CLUSTER REPLICATE {id}"));
    }

    fn leads_declared_primary(&self, node: usize, declared: usize) -> bool {
        let world = self.sim.world();
        world.nodes[declared].myself().primary == Some(world.nodes[node].id)
    }

    /// The nodes that know each other, directly or by others.
    pub(crate) fn island(&self, node: usize) -> BTreeSet<usize> {
        let world = self.sim.world();
        let knows = |a: usize, b: usize| {
            world.nodes[a]
                .peers()
                .any(|(id, _)| id == world.nodes[b].id)
        };
        let mut found = BTreeSet::from([node]);
        let mut queue = vec![node];
        while let Some(next) = queue.pop() {
            for other in 0..world.nodes.len() {
                if (knows(next, other) || knows(other, next)) && found.insert(other) {
                    queue.push(other);
                }
            }
        }
        found
    }

    /// Whether the node's island owns most of the slots that have an owner.
    fn in_the_cluster(&self, node: usize) -> bool {
        let island = self.island(node);
        let world = self.sim.world();
        let slots = |inside: bool| -> u32 {
            let owners = world
                .nodes
                .iter()
                .enumerate()
                .filter(|(place, _)| island.contains(place) == inside);
            owners
                .map(|(_, node)| u32::from(node.myself().slots.count()))
                .sum()
        };
        slots(true) > slots(false)
    }

    fn meet_stranger(&mut self, draft: &Draft, met_by: usize) {
        if !self.in_the_cluster(met_by) || self.sim.world().nodes.len() > self.declared {
            return;
        }
        let machine = self.rng.place(3);
        let stranger = self.start(draft, machine, 7900);
        let ip = self.sim.world().nodes[stranger].listens.last().copied();
        if let (Some(ip), Network::Loopback | Network::Announced) = (ip, self.network) {
            self.sim
                .ok(stranger, &format!("CONFIG SET cluster-announce-ip {ip}"));
        }
        let words = self.meet(stranger);
        self.sim.command(met_by, &words);
        self.sim.elapse(Duration::from_secs(3));
    }

    fn put_keys(&mut self, node: usize, count: u8) {
        if !self.in_the_cluster(node) {
            return;
        }
        let slots: Vec<Slot> = self.sim.world().nodes[node].myself().slots.iter().collect();
        if slots.is_empty() {
            return;
        }
        let mut keys = Keys::default();
        for _ in 0..count {
            keys.put(slots[self.rng.place(slots.len())], 1 << self.rng.below(64));
        }
        self.sim.add_keys(node, &keys);
    }

    pub(crate) fn id(&self, node: usize) -> NodeId {
        self.sim.world().nodes[node].id
    }
}
