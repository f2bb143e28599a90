//! Steps that give slots that nobody claims to one of the two that they lie between.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Command, NodeId, Slot, SlotSet};
use crate::diff::{Difference, Unclaimed};
use crate::observed::{Direction, NodeView};

use super::order::Terms;
use super::{Action, Condition, Send, Step, jobs};

/// Slots in one step: on Valkey each of its commands waits for replicas.
const AT_ONCE: usize = 128;

/// One after the other, where there are many slots.
pub(super) fn claim(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::Unclaimed(Unclaimed {
            taker,
            other,
            slots,
        }) = difference
        else {
            continue;
        };
        let Some(view) = terms.views.get(taker) else {
            continue;
        };
        let all: Vec<Slot> = slots.iter().collect();
        steps.extend(all.chunks(AT_ONCE).map(|part| {
            let slots: SlotSet = part.iter().copied().collect();
            Step {
                because: vec![index],
                sends: sends(view, *other, &slots),
                ready_when: Condition::All(jobs::none_at(terms, [*other, *taker])),
                guard: unclaimed(terms, *taker, &slots),
                done_when: Condition::taken(*taker, &slots),
                ..terms.step(Action::Claim {
                    node: *taker,
                    other: *other,
                    slots,
                })
            }
        }));
    }
    steps
}

/// IMPORTING comes first: SETSLOT NODE gives the taker a new epoch only with that mark, and with an old one nobody
/// would believe it who has heard of another owner. A mark of its own that it gives the slot away would stay.
fn sends(taker: &NodeView, other: NodeId, slots: &SlotSet) -> Vec<Send> {
    let open = taker.open.iter();
    let giving = open.filter(|open| open.direction == Direction::Migrating);
    let giving: SlotSet = giving.map(|open| open.slot).collect();
    let commands = slots.iter().flat_map(|slot| {
        let stable = giving.contains(slot).then(|| Command::stable(slot));
        let owner = [
            Command::importing(slot, other),
            Command::set_owner(slot, taker.id),
        ];
        stable.into_iter().chain(owner)
    });
    let send = |command| Send {
        node: taker.id,
        command,
    };
    commands.map(send).collect()
}

/// Everybody outside the taker's shard knows the owner that it knew, and holds no key of the slots: they would be
/// deleted. The taker and its replicas may hold what the move has brought.
fn unclaimed(terms: &Terms<'_>, taker: NodeId, slots: &SlotSet) -> Condition {
    let mut known: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    let views = terms.main.iter().filter_map(|id| terms.views.get(id));
    for view in views.filter(|view| view.id != taker && view.primary() != Some(taker)) {
        if let Some(owner) = owner(view, slots) {
            known.entry(owner).or_default().insert(view.id);
        }
    }
    let known = known.into_iter();
    let free = known.map(|(owner, on)| Condition::Free {
        slots: slots.clone(),
        on,
        but: owner,
    });
    Condition::All(free.collect())
}

fn owner(view: &NodeView, slots: &SlotSet) -> Option<NodeId> {
    let mut members = view.table.iter();
    members
        .find(|(_, member)| !member.slots.intersection(slots).is_empty())
        .map(|(id, _)| *id)
}
