//! Nodes that know no owner of a slot that they import: who gave it has failed over since. A move that goes on tells
//! them; what is left as it is keeps them from serving anybody, and from taking and giving other slots.

use crate::base::{NodeId, SlotSet};
use crate::observed::{Direction, NodeView};

use super::moves::serving;
use super::{Diff, Difference, Look, Misplaced, Ownership, Untold};

/// After the moves were found.
pub(super) fn find(look: &Look<'_>, diff: &mut Diff, ownership: &Ownership) {
    let main = look.cluster.main();
    let members = main.into_iter().flat_map(|main| &main.answered);
    let mut found = Vec::new();
    for view in members.filter_map(|id| look.observed.views.get(id)) {
        let missing = missing(diff, view);
        if missing.is_empty() || is_told_by_its_move(diff, view.id, &missing) {
            continue;
        }
        for (owner, slots) in &ownership.owners {
            let follows = |slot| {
                view.open
                    .iter()
                    .any(|open| open.slot == slot && serving(look, diff, open.peer) == Some(*owner))
            };
            let slots = slots.intersection(&missing);
            let slots: SlotSet = slots.iter().filter(|slot| follows(*slot)).collect();
            if !slots.is_empty() && look.observed.views.contains_key(owner) {
                found.push(Difference::Untold(Untold {
                    node: view.id,
                    owner: *owner,
                    slots,
                }));
            }
        }
    }
    diff.differences.extend(found);
}

/// But for marks that are taken away: without one it learns the owner by itself.
fn missing(diff: &Diff, view: &NodeView) -> SlotSet {
    let open = view.open.iter();
    let imported = open.filter(|open| open.direction == Direction::Importing);
    let imported: SlotSet = imported.map(|open| open.slot).collect();
    let closed = diff.differences.iter().filter_map(|one| {
        let Difference::LeftOpen { node, slots } = one else {
            return None;
        };
        (*node == view.id).then_some(slots)
    });
    let closed: SlotSet = closed.collect();
    view.knows_no_owner_of(&imported.difference(&closed))
}

/// A move tells the owner of all of its slots before it begins, and nothing else waits for that.
fn is_told_by_its_move(diff: &Diff, node: NodeId, missing: &SlotSet) -> bool {
    let moves = diff.differences.iter().filter_map(Difference::misplaced);
    let about = |one: &&Misplaced| one.source == node || one.target == node;
    let moves: Vec<&Misplaced> = moves.filter(about).collect();
    match moves.as_slice() {
        [one] => one.target == node && missing.difference(&one.torn).is_empty(),
        [] | [_, ..] => false,
    }
}
