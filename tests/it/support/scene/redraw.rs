//! A whole cluster whose file is written anew: nodes change places, shards are split, merged and
//! taken out, and some nodes are named no more.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rcl::base::{NodeId, NodeName, SLOT_COUNT, ShardName, SlotRange, SlotSet};
use rcl::desired::{Shard, SlotShare};
use rcl::diff::{Allowed, questions};

use super::build::Scene;
use super::draft::{Break, Draft, draft};

/// What becomes of the file. Numbers that point at something are taken modulo its count.
#[derive(Clone, Debug)]
pub(crate) struct Redraw {
    /// Nodes beside the cluster, which the new file may name.
    pub(crate) blanks: usize,
    pub(crate) changes: Vec<Change>,
    pub(crate) shares: Shares,
    pub(crate) prune: bool,
    pub(crate) failback: bool,
    /// For everything, or for nothing.
    pub(crate) leave: bool,
    /// How a first run ends too early.
    pub(crate) broken: Option<(Break, u8)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Two nodes take each other's places.
    Swap { one: u8, other: u8 },
    /// A node goes to another shard, to lead it or as its last replica.
    Go { node: u8, shard: u8, leads: bool },
    /// A node begins a shard of its own.
    Split { node: u8 },
    /// A shard's nodes become another one's replicas.
    Merge { from: u8, into: u8 },
    /// A node is named no more.
    Leave { node: u8 },
    /// A whole shard is named no more.
    Drop { shard: u8 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Shares {
    Even,
    /// Each shard keeps what it has; the first gets what is left.
    Kept,
    Cut(u64),
}

pub(crate) fn redraw() -> impl Strategy<Value = (Draft, Redraw)> {
    let any8 = any::<u8>;
    let change = prop_oneof![
        2 => (any8(), any8()).prop_map(|(one, other)| Change::Swap { one, other }),
        3 => (any8(), any8(), any::<bool>())
            .prop_map(|(node, shard, leads)| Change::Go { node, shard, leads }),
        1 => any8().prop_map(|node| Change::Split { node }),
        1 => (any8(), any8()).prop_map(|(from, into)| Change::Merge { from, into }),
        2 => any8().prop_map(|node| Change::Leave { node }),
        1 => any8().prop_map(|shard| Change::Drop { shard }),
    ];
    let shares = prop_oneof![
        2 => Just(Shares::Even),
        2 => Just(Shares::Kept),
        1 => any::<u64>().prop_map(Shares::Cut)
    ];
    let how = prop_oneof![2 => Just(Break::Killed), 1 => Just(Break::Interrupted), 1 => Just(Break::Unanswered)];
    let broken = prop_oneof![4 => Just(None), 1 => (how, 0u8..100).prop_map(Some)];
    let file = (
        0usize..3,
        prop::collection::vec(change, 1..5),
        shares,
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.8),
        broken,
    );
    (draft(), file).prop_map(|(mut draft, file)| {
        let (blanks, changes, shares, prune, failback, leave, broken) = file;
        draft.formed.shards = draft.shards.len();
        draft.formed.percent = 100;
        draft.formed.crossed = 0;
        draft.mishaps.clear();
        draft.broken = None;
        draft.pinned = false;
        let redraw = Redraw {
            blanks,
            changes,
            shares,
            prune,
            failback,
            leave,
            broken,
        };
        (draft, redraw)
    })
}

/// A shard of the new file: the one that it was, and its nodes.
type Layout = Vec<(Option<usize>, Vec<usize>)>;

impl Scene {
    /// Builds the cluster with some blank nodes beside it, which are named once the file is redrawn.
    pub(crate) fn build_beside(draft: &Draft, blanks: usize) -> Self {
        let mut scene = Self::build(draft);
        for index in 0..blanks {
            scene.declare(draft, draft.shards.len() + index, 0);
        }
        scene
    }

    /// Writes the file anew, and tells what may be done for it.
    pub(crate) fn redraw(&mut self, redraw: &Redraw) -> Allowed {
        let names: Vec<NodeName> = (0..self.declared)
            .map(|place| NodeName::new(self.name(place)))
            .collect();
        let held = self.held();
        let parts = self.parts.iter().map(|part| part.nodes.clone());
        let mut layout: Layout = parts.enumerate().map(|(i, n)| (Some(i), n)).collect();
        for change in &redraw.changes {
            rearrange(&mut layout, *change, self.declared);
        }
        layout.retain(|(_, nodes)| !nodes.is_empty());
        if layout.is_empty() {
            layout.push((Some(0), vec![0]));
        }
        let shares = shares(redraw.shares, &layout, &held);
        let shards = layout.iter().zip(shares).zip(0u8..);
        self.desired.shards = shards
            .map(|(((old, nodes), slots), index)| Shard {
                name: ShardName::new(match old {
                    Some(old) => char::from(b'a' + u8::try_from(*old).unwrap()).to_string(),
                    None => format!("new{index}"),
                }),
                primary: names[nodes[0]].clone(),
                replicas: nodes[1..].iter().map(|node| names[*node].clone()).collect(),
                slots,
            })
            .collect();
        let shards = self.desired.shards.iter();
        let named: BTreeSet<NodeName> = shards.flat_map(|s| s.nodes().cloned()).collect();
        self.desired.nodes.retain(|name, _| named.contains(name));
        self.targets.nodes.retain(|name, _| named.contains(name));
        self.targets
            .announced
            .retain(|name, _| named.contains(name));
        self.targets.questions = questions(&self.desired);
        self.desired.policy.prune = redraw.prune;
        self.desired.policy.failback = redraw.failback;
        if !redraw.leave {
            return Allowed::default();
        }
        let ids = || {
            let world = self.sim.world();
            let ids: BTreeSet<String> = world.nodes.iter().map(|n| n.id.to_string()).collect();
            ids
        };
        Allowed {
            resync: named,
            remove: ids(),
            forget: ids(),
            lose_data: BTreeSet::new(),
        }
    }

    /// What each part serves.
    fn held(&self) -> Vec<SlotSet> {
        let world = self.sim.world();
        let of = |node: &usize| world.nodes[*node].myself().slots.clone();
        self.parts
            .iter()
            .map(|part| {
                let sets: Vec<SlotSet> = part.nodes.iter().map(of).collect();
                sets.iter().collect()
            })
            .collect()
    }

    /// In which the servers differ from the redrawn file.
    pub(crate) fn judge_redrawn(&self) -> Vec<String> {
        let world = self.sim.world();
        let mut wrong = Vec::new();
        let places: BTreeMap<NodeName, usize> = (0..world.nodes.len())
            .map(|place| (NodeName::new(self.name(place)), place))
            .collect();
        let mut all = SlotSet::new();
        for shard in &self.desired.shards {
            let nodes: Vec<usize> = shard.nodes().map(|name| places[name]).collect();
            let (primaries, replicas): (Vec<usize>, Vec<usize>) = nodes
                .iter()
                .partition(|node| world.nodes[**node].is_primary());
            let [primary] = primaries.as_slice() else {
                wrong.push(format!("shard {} has primaries {primaries:?}", shard.name));
                continue;
            };
            let leader = &world.nodes[*primary];
            let slots = &leader.myself().slots;
            match &shard.slots {
                SlotShare::Explicit(wanted) if slots != wanted => {
                    wrong.push(format!("shard {} serves {slots}", shard.name));
                }
                SlotShare::None if !slots.is_empty() => {
                    wrong.push(format!("shard {} serves {slots}", shard.name));
                }
                SlotShare::Explicit(_) | SlotShare::None | SlotShare::Auto { .. } => {}
            }
            if !all.intersection(slots).is_empty() {
                wrong.push(format!("shard {} serves what others serve", shard.name));
            }
            all = all.union(slots);
            for replica in replicas {
                let node = &world.nodes[replica];
                let follows = node.myself().primary == Some(leader.id);
                if !follows || !node.link_up() || node.keys != leader.keys {
                    wrong.push(format!("{} is no copy", self.name(replica)));
                }
            }
        }
        if self.desired.policy.prune {
            if all != SlotSet::full() {
                wrong.push(format!("only {all} are served"));
            }
            let declared: BTreeSet<NodeId> = self
                .desired
                .nodes
                .keys()
                .map(|name| world.nodes[places[name]].id)
                .collect();
            for name in self.desired.nodes.keys() {
                let listed = world.nodes[places[name]].table.keys();
                let more = listed.filter(|id| !declared.contains(id)).count();
                if more > 0 {
                    wrong.push(format!("{name} lists {more} that were to go"));
                }
            }
        }
        wrong
    }
}

fn rearrange(layout: &mut Layout, change: Change, nodes: usize) {
    let place = |node: u8| usize::from(node) % nodes;
    let shard = |layout: &Layout, shard: u8| usize::from(shard) % layout.len().max(1);
    let take = |layout: &mut Layout, node: usize| {
        for (_, nodes) in layout {
            nodes.retain(|other| *other != node);
        }
    };
    match change {
        Change::Swap { one, other } => {
            let (one, other) = (place(one), place(other));
            for node in layout.iter_mut().flat_map(|(_, nodes)| nodes) {
                if *node == one {
                    *node = other;
                } else if *node == other {
                    *node = one;
                }
            }
        }
        Change::Go {
            node,
            shard: to,
            leads,
        } => {
            let node = place(node);
            take(layout, node);
            let to = shard(layout, to);
            if let Some((_, nodes)) = layout.get_mut(to) {
                nodes.insert(if leads { 0 } else { nodes.len() }, node);
            }
        }
        Change::Split { node } => {
            let node = place(node);
            take(layout, node);
            layout.push((None, vec![node]));
        }
        Change::Merge { from, into } => {
            let (from, into) = (shard(layout, from), shard(layout, into));
            if from != into && from < layout.len() && into < layout.len() {
                let moved = std::mem::take(&mut layout[from].1);
                layout[into].1.extend(moved);
                layout.remove(from);
            }
        }
        Change::Leave { node } => take(layout, place(node)),
        Change::Drop { shard: gone } => {
            let gone = shard(layout, gone);
            if layout.len() > 1 {
                layout.remove(gone);
            }
        }
    }
}

fn shares(shares: Shares, layout: &Layout, held: &[SlotSet]) -> Vec<SlotShare> {
    let explicit = |slots: SlotSet| match slots.is_empty() {
        true => SlotShare::None,
        false => SlotShare::Explicit(slots),
    };
    match shares {
        Shares::Even => layout
            .iter()
            .map(|_| SlotShare::Auto { weight: 1 })
            .collect(),
        Shares::Kept => {
            let none = SlotSet::new();
            let kept = layout
                .iter()
                .map(|(old, _)| old.map_or(&none, |old| &held[old]));
            let kept: Vec<SlotSet> = kept.cloned().collect();
            let all: SlotSet = kept.iter().collect();
            let rest = SlotSet::full().difference(&all);
            let places = kept.into_iter().zip(0..);
            let whole = places.map(|(slots, place)| match place {
                0 => explicit(slots.union(&rest)),
                _ => explicit(slots),
            });
            whole.collect()
        }
        Shares::Cut(seed) => {
            let mut rng = crate::support::sim::rng::Rng::new(seed);
            let mut cuts = BTreeSet::from([0, SLOT_COUNT]);
            while cuts.len() < layout.len() + 1 {
                cuts.insert(u16::try_from(rng.below(16_384)).unwrap());
            }
            let cuts: Vec<u16> = cuts.into_iter().collect();
            let ranges = cuts.windows(2);
            let ranges = ranges.map(|ends| SlotRange::new(ends[0], ends[1] - 1));
            ranges
                .map(|range| explicit(range.into_iter().collect()))
                .collect()
        }
    }
}
