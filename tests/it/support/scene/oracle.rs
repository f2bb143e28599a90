//! The judge: reads the servers themselves, and shares no code with rcl's own comparison.

use std::collections::{BTreeMap, BTreeSet};

use rcl::base::{NodeId, Role, SlotSet};

use super::build::{Part, Portion, Scene, hostname};

/// What the scene was like before rcl touched it, as far as it must stay.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// For each shard the node that is to lead it.
    leaders: Vec<usize>,
    owned: Vec<SlotSet>,
    /// The fewest slot commands that any way to the declared state needs.
    pub(crate) fewest_slot_commands: usize,
    /// Which nodes follow the right node already, and dial it where they know it.
    pub(crate) attached: BTreeSet<NodeId>,
}

impl Scene {
    pub(crate) fn before(&self) -> Before {
        let world = self.sim.world();
        let serves = |node: &usize| !world.nodes[*node].myself().slots.is_empty();
        let serving: Vec<usize> = self
            .parts
            .iter()
            .map(|part| {
                let declared = part.nodes[0];
                let follows = world.nodes[declared].myself().primary;
                let is = |node: &usize| {
                    Some(world.nodes[*node].id) == follows && world.nodes[*node].is_primary()
                };
                let serving = part.nodes.iter().copied().find(|node| serves(node));
                // A shard that serves nothing yet may have failed over all the same.
                serving
                    .or(part.nodes.iter().copied().find(is))
                    .unwrap_or(declared)
            })
            .collect();
        let owned: Vec<SlotSet> = serving
            .iter()
            .map(|leader| world.nodes[*leader].myself().slots.clone())
            .collect();
        // The role comes back where the file wants that; servers fail over no shard without slots.
        let comes_back = |(part, leader): (&Part, &usize)| {
            let back = self.desired.policy.failback && serves(leader);
            if back { part.nodes[0] } else { *leader }
        };
        let leaders = self.parts.iter().zip(&serving).map(comes_back).collect();
        let mut attached = BTreeSet::new();
        for (part, leader) in self.parts.iter().zip(&serving) {
            let leader = world.nodes[*leader].id;
            for node in part.nodes.iter().map(|node| &world.nodes[*node]) {
                let from = node.upstream.as_ref().and_then(|upstream| upstream.from);
                let dials = node.table.get(&leader).and_then(|line| line.address()) == from;
                if node.myself().primary == Some(leader) && dials {
                    attached.insert(node.id);
                }
            }
        }
        Before {
            fewest_slot_commands: self.fewest_slot_commands(&owned),
            leaders,
            owned,
            attached,
        }
    }

    /// Explicit shares that miss something need a command each. Of the `auto` shards those
    /// below their floor do; the slots left over go to those as far as they may have one more,
    /// then to others.
    fn fewest_slot_commands(&self, owned: &[SlotSet]) -> usize {
        let mut commands = 0;
        let (mut spare, mut takers) = (usize::from(self.pool.count()), 0);
        for (part, owned) in self.parts.iter().zip(owned) {
            match &part.share {
                Portion::These(slots) => commands += usize::from(owned != slots),
                Portion::Some { floor, whole } => {
                    spare -= usize::from(*floor);
                    if owned.count() < *floor {
                        commands += 1;
                        takers += usize::from(!whole);
                    } else {
                        spare -= usize::from(owned.count() - floor);
                    }
                }
                Portion::Nothing => {}
            }
        }
        commands + spare.saturating_sub(takers)
    }

    /// Everything in which the servers differ from the file.
    pub(crate) fn judge(&self, before: &Before) -> Vec<String> {
        let mut wrong = Vec::new();
        let leaders = self.judge_roles(before, &mut wrong);
        self.judge_slots(before, &leaders, &mut wrong);
        self.judge_tables(&leaders, &mut wrong);
        self.judge_options(&mut wrong);
        wrong
    }

    /// One primary a shard, the rest its replicas, in sync.
    fn judge_roles(&self, before: &Before, wrong: &mut Vec<String>) -> Vec<usize> {
        let mut leaders = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let world = self.sim.world();
            let primaries: Vec<usize> = part
                .nodes
                .iter()
                .copied()
                .filter(|node| world.nodes[*node].is_primary())
                .collect();
            let expected = before.leaders[index];
            if primaries != [expected] {
                let names: Vec<String> = primaries.iter().map(|node| self.name(*node)).collect();
                wrong.push(format!(
                    "shard {index} has the primaries {names:?}, not {}",
                    self.name(expected)
                ));
            }
            leaders.push(expected);
            let primary = &world.nodes[expected];
            for replica in part.nodes.iter().filter(|node| **node != expected) {
                let node = &world.nodes[*replica];
                let from = node.upstream.as_ref().and_then(|upstream| upstream.from);
                let follows = node.myself().primary == Some(primary.id)
                    && from == Some(self.wanted[expected]);
                if !follows {
                    wrong.push(format!(
                        "{} does not follow {}",
                        self.name(*replica),
                        self.name(expected)
                    ));
                } else if !node.link_up() {
                    wrong.push(format!(
                        "{} has no link to {}",
                        self.name(*replica),
                        self.name(expected)
                    ));
                } else if node.keys != primary.keys {
                    wrong.push(format!(
                        "{} holds other keys than {}",
                        self.name(*replica),
                        self.name(expected)
                    ));
                }
            }
        }
        leaders
    }

    fn judge_slots(&self, before: &Before, leaders: &[usize], wrong: &mut Vec<String>) {
        let world = self.sim.world();
        let mut all = SlotSet::new();
        let mut count = 0u32;
        for ((part, leader), kept) in self.parts.iter().zip(leaders).zip(&before.owned) {
            let slots = &world.nodes[*leader].myself().slots;
            let right = match &part.share {
                Portion::These(wanted) => slots == wanted,
                Portion::Nothing => slots.is_empty(),
                Portion::Some { floor, whole } => {
                    slots.difference(&self.pool).is_empty()
                        && (slots.count() == *floor || (!whole && slots.count() == floor + 1))
                }
            };
            if !right {
                wrong.push(format!(
                    "{} serves {slots}, its share is {:?}",
                    self.name(*leader),
                    part.share
                ));
            }
            let lost = kept.difference(slots);
            if !lost.is_empty() {
                wrong.push(format!("{} lost {lost}", self.name(*leader)));
            }
            count += u32::from(slots.count());
            all = all.union(slots);
        }
        if count != 16384 || all != SlotSet::full() {
            wrong.push(format!("{count} slots are served, together {all}"));
        }
    }

    /// Every node lists every other, well and at the right place, and shows the same of all.
    fn judge_tables(&self, leaders: &[usize], wrong: &mut Vec<String>) {
        let world = self.sim.world();
        let ids: BTreeSet<NodeId> = world.nodes.iter().map(|node| node.id).collect();
        let mut epochs: BTreeMap<u64, usize> = BTreeMap::new();
        for leader in leaders
            .iter()
            .filter(|leader| !world.nodes[**leader].myself().slots.is_empty())
        {
            if let Some(other) = epochs.insert(world.nodes[*leader].myself().epoch, *leader) {
                wrong.push(format!(
                    "{} and {} share an epoch",
                    self.name(*leader),
                    self.name(other)
                ));
            }
        }
        for (place, node) in world.nodes.iter().enumerate() {
            let listed: BTreeSet<NodeId> = node.table.keys().copied().collect();
            if listed != ids {
                wrong.push(format!(
                    "{} lists {} nodes of {}",
                    self.name(place),
                    listed.len(),
                    ids.len()
                ));
                continue;
            }
            if !node.state_ok {
                wrong.push(format!("{} is not ok", self.name(place)));
            }
            for (other, shown) in world
                .nodes
                .iter()
                .enumerate()
                .map(|(other, n)| (other, &node.table[&n.id]))
            {
                let own = world.nodes[other].myself();
                if shown.handshake || shown.noaddr || shown.maybe_fail || shown.failed.is_some() {
                    wrong.push(format!(
                        "{} does not hold {} for well",
                        self.name(place),
                        self.name(other)
                    ));
                }
                let same = (shown.role, shown.primary, &shown.slots)
                    == (own.role, own.primary, &own.slots);
                let epoch =
                    own.role == Role::Replica || own.slots.is_empty() || shown.epoch == own.epoch;
                if !same || !epoch {
                    wrong.push(format!(
                        "{} shows {} otherwise than it is",
                        self.name(place),
                        self.name(other)
                    ));
                }
                if other < self.declared
                    && other != place
                    && shown.address() != Some(self.wanted[other])
                {
                    wrong.push(format!(
                        "{} has {} at {:?}",
                        self.name(place),
                        self.name(other),
                        shown.address()
                    ));
                }
            }
        }
    }

    fn judge_options(&self, wrong: &mut Vec<String>) {
        let world = self.sim.world();
        for (place, node) in world.nodes.iter().enumerate().take(self.declared) {
            for (option, value) in &self.options[place] {
                if node.options.text(option) != *value {
                    wrong.push(format!(
                        "{} has {option} {:?}",
                        self.name(place),
                        node.options.text(option)
                    ));
                }
                let kept = node
                    .options
                    .file
                    .as_ref()
                    .is_none_or(|file| file[option] == *value);
                let touched = self.sim.writes().iter().any(|write| {
                    write.node == place
                        && write
                            .command
                            .args()
                            .iter()
                            .any(|arg| arg.shown() == *option)
                });
                if touched && !kept {
                    wrong.push(format!(
                        "{} will forget {option} when it restarts",
                        self.name(place)
                    ));
                }
            }
            let named = self
                .desired
                .nodes
                .values()
                .any(|node| node.hostname.is_some());
            let shown = node.options.text("cluster-announce-hostname");
            if named && node.server.supports_announced_hostname() && shown != hostname(place) {
                wrong.push(format!("{} announces {shown:?}", self.name(place)));
            }
        }
    }
}
