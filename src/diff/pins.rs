//! When replicas have to be kept where they are, and what that leaves behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, SlotSet};
use crate::desired::{Desired, Engine};
use crate::observed::NodeView;

use super::{Diff, Difference, Look, Note};

/// The option that keeps them is put back to what it was seen to be: a killed run leaves it behind, and
/// only the file could tell the next one.
pub(super) fn note(look: &Look<'_>, diff: &mut Diff) {
    const OPTION: &str = "cluster-allow-replica-migration";
    let undeclared = |value: &str| -> BTreeSet<NodeId> {
        let names = diff.pairing.names.iter();
        let so = names.filter(|(id, name)| {
            let view = look.observed.views.get(id);
            let live = view.and_then(|view| view.config.get(OPTION));
            let node = look.desired.nodes.get(*name);
            live.is_some_and(|live| live == value)
                && node.is_some_and(|node| !node.config.contains_key(OPTION))
        });
        so.map(|(id, _)| *id).collect()
    };
    let off = undeclared("no");
    if !off.is_empty() && look.observed.applying.is_empty() {
        let labels = diff.pairing.label_all(&off);
        diff.notes.push(Note {
            code: "left-off",
            subject: OPTION.to_owned(),
            text: format!("{OPTION} is off at {labels}, as somebody wants it, or an apply that was killed has left it, and the file doesn't declare it: no apply changes it. Declare it under `config`: the servers' default is `yes`."),
        });
    }
    if !diff.tempts_replicas(look.desired, &look.observed.views) {
        return;
    }
    if !undeclared("yes").is_empty() {
        diff.notes.push(Note {
            code: "put-back",
            subject: OPTION.to_owned(),
            text: format!("an apply turns {OPTION} off while slots move, and puts it back to what it is now. Declare it under `config`: then the next apply mends it if this one is killed."),
        });
    }
}

impl Diff {
    /// Whether servers may move replicas about by themselves while this is brought about: those of a
    /// primary that loses its last slot follow it, and one of two may go to a primary that has none.
    #[must_use]
    pub fn tempts_replicas(&self, desired: &Desired, views: &BTreeMap<NodeId, NodeView>) -> bool {
        let live = views.values().filter_map(NodeView::primary);
        let mut copies: BTreeMap<NodeId, usize> = BTreeMap::new();
        for primary in live.chain(self.attached_first()) {
            *copies.entry(primary).or_default() += 1;
        }
        let spare = copies.values().any(|count| *count > 1);
        let mut moves = self.differences.iter().filter_map(Difference::misplaced);
        let mut hands_over = self.differences.iter();
        let hands_over = hands_over.any(|one| matches!(one, Difference::HandOver(_)));
        let lonely = |primary: NodeId| {
            let empty = views.get(&primary);
            let empty = empty.is_some_and(|view| view.own_slots().is_empty());
            empty && !copies.contains_key(&primary)
        };
        let tempted = spare && moves.any(|moved| hands_over || lonely(moved.target));
        tempted
            || views.values().any(|view| self.loses_all(view))
            || self.takes_first_slots_late(desired, views)
    }

    /// Whether a primary is to take its first slots after its replicas have: on Valkey these hear of them before it
    /// does. Having heard from it then that it doesn't own them, and from the source that that one does, they take
    /// it for one that has lost its last slot, and follow the source.
    fn takes_first_slots_late(
        &self,
        desired: &Desired,
        views: &BTreeMap<NodeId, NodeView>,
    ) -> bool {
        let classic = desired.policy.moves.engine == Engine::Classic;
        let mut moves = self.differences.iter().filter_map(Difference::misplaced);
        moves.any(|moved| {
            let (Some(giving), Some(taking)) = (views.get(&moved.source), views.get(&moved.target))
            else {
                return false;
            };
            let by_key = classic || !giving.server.moves_atomically_to(taking.server);
            by_key && taking.server.setslot_waits() && taking.own_slots().is_empty()
        })
    }

    /// The primaries of the replicas that are made before any slot moves.
    fn attached_first(&self) -> impl Iterator<Item = NodeId> {
        self.differences.iter().filter_map(|one| {
            let Difference::NotReplicating { primary, now, .. } = one else {
                return None;
            };
            (!now.serves).then_some(*primary)
        })
    }

    /// The slots that are to go from a primary to others.
    #[must_use]
    pub fn taken_from(&self, node: NodeId) -> SlotSet {
        let moves = self.differences.iter().filter_map(Difference::misplaced);
        let taken = moves.filter(|moved| moved.source == node);
        let taken = taken.map(|moved| &moved.slots);
        taken.collect()
    }

    /// Whether all slots that a primary has are to go elsewhere, whatever else it gets.
    fn loses_all(&self, view: &NodeView) -> bool {
        let own = view.own_slots();
        !own.is_empty() && own.difference(&self.taken_from(view.id)).is_empty()
    }

    /// Whether a primary serves nothing any more once all slots are where they are to be. One that gets
    /// others instead is none of these: its replicas have copies of those by then.
    #[must_use]
    pub fn drains(&self, view: &NodeView) -> bool {
        self.loses_all(view) && !self.gets_slots(view.id)
    }

    fn gets_slots(&self, node: NodeId) -> bool {
        self.differences.iter().any(|one| {
            let unassigned = matches!(one, Difference::Unassigned { primary, .. } | Difference::GivenUp { primary, .. } if *primary == node);
            unassigned || one.misplaced().is_some_and(|moved| moved.target == node)
        })
    }
}
