//! What no plan may break that moves slots, gives them away, or takes the marks of moves away.

use crate::base::{NodeId, Role, Slot, SlotSet};
use crate::plan::{Action, Engine, Risk, Step, StepId, Transfer};

use super::{Facts, Violation, twice};

impl Facts<'_> {
    /// MIGRATE carries keys of database 0 only, and those of others go with the slot that they are in.
    fn left_behind(&self, step: &Step) -> Option<Violation> {
        let transfer = step.action.transfer()?;
        match transfer.engine {
            Engine::Atomic | Engine::Orphaned { .. } => None,
            Engine::Classic(_) | Engine::Homeward(_) => transfer
                .ends()
                .find(|id| {
                    let view = self.observed.views.get(id);
                    view.is_some_and(|view| view.keys_elsewhere > 0)
                })
                .map(|node| Violation::OtherDatabases {
                    step: step.id,
                    node,
                }),
        }
    }

    /// What is wrong with a step that moves slots, or takes the marks of a move away.
    pub(super) fn moved(&self, step: &Step, given: &mut [bool], found: &mut Vec<Violation>) {
        found.extend(self.left_behind(step));
        if let Action::BringHome { transfer, .. } = &step.action {
            self.brought_home(step.id, transfer, found);
        }
        if let Action::Move { transfer, .. } = &step.action {
            self.slots_moved(step.id, transfer, given, found);
        }
        if let Action::GiveUp { transfer, .. } = &step.action {
            self.given_up(step, transfer.source, &transfer.slots, given, found);
        }
        if let Action::Claim { node, slots, .. } = &step.action {
            self.claimed(step.id, *node, slots, given, found);
        }
        if let Action::Tell { node, owner, slots } = &step.action {
            self.told(step.id, (*node, *owner), slots, found);
        }
        if let Action::Close { node, slots } = &step.action {
            let hidden = self.hidden(*node, slots);
            found.extend(hidden.map(|slot| Violation::HidesKeys {
                step: step.id,
                slot,
                node: *node,
            }));
        }
    }

    /// Whether some view has it for the owner; others may dispute it.
    fn owns(&self, node: NodeId, slot: Slot) -> bool {
        self.owners.get(usize::from(slot)) == Some(&Some(node))
    }

    /// Only whom every view has for the owner, and not to the owner itself.
    fn told(
        &self,
        step: StepId,
        (node, owner): (NodeId, NodeId),
        slots: &SlotSet,
        found: &mut Vec<Violation>,
    ) {
        for slot in slots.iter() {
            if !self.owns(owner, slot) || node == owner || self.disputed.contains(slot) {
                found.push(Violation::Misleads { step, slot, node });
            }
        }
    }

    /// Only to the owner, and only where it holds nothing that could be the newer value.
    fn brought_home(&self, step: StepId, transfer: &Transfer, found: &mut Vec<Violation>) {
        let owner = transfer.target;
        let view = self.observed.views.get(&owner);
        for slot in transfer.slots.iter() {
            let empty = view.is_some_and(|view| view.keys_of(slot) == Some(0));
            if !self.owns(owner, slot) || !empty || self.disputed.contains(slot) {
                found.push(Violation::BringsBack { step, slot, owner });
            }
        }
    }

    /// Only slots of one that doesn't answer, that nobody holds a key of, and that somebody gave
    /// leave for.
    fn given_up(
        &self,
        step: &Step,
        lost: NodeId,
        slots: &SlotSet,
        given: &mut [bool],
        found: &mut Vec<Violation>,
    ) {
        let leave = matches!(step.risk, Risk::LoseData { .. });
        let gone = !self.observed.views.contains_key(&lost);
        for slot in slots.iter() {
            if !(leave && gone && self.owns(lost, slot)) || self.holders.contains_key(&slot) {
                found.push(Violation::GivesUp {
                    step: step.id,
                    slot,
                    owner: lost,
                });
            }
            found.extend(twice(step.id, slot, given));
        }
    }

    /// Only slots that no node has for its own, and of which nobody outside the shard holds a key.
    fn claimed(
        &self,
        step: StepId,
        taker: NodeId,
        slots: &SlotSet,
        given: &mut [bool],
        found: &mut Vec<Violation>,
    ) {
        for view in self.observed.views.values() {
            let owner = view.id;
            let served = view.own_slots().intersection(slots);
            found.extend(
                served
                    .iter()
                    .map(|slot| Violation::SlotOwned { step, slot, owner }),
            );
            if owner == taker || view.primary() == Some(taker) {
                continue;
            }
            let held = view.keys_in(slots);
            found.extend(held.map(|(slot, _)| Violation::SlotHasKeys {
                step,
                slot,
                holder: owner,
            }));
        }
        for slot in slots.iter() {
            found.extend(twice(step, slot, given));
        }
    }

    /// Keys of slots that the node doesn't own, and that nobody would look for once the mark is gone.
    fn hidden(&self, node: NodeId, slots: &SlotSet) -> impl Iterator<Item = Slot> {
        let view = self.observed.views.get(&node);
        // What a replica holds is its primary's.
        let view = view.filter(|view| view.role() == Role::Primary);
        let hidden: Vec<Slot> = view
            .into_iter()
            .flat_map(|view| view.keys_in_slot.keys().copied())
            .filter(|slot| slots.contains(*slot))
            .filter(|slot| !self.owns(node, *slot))
            .collect();
        hidden.into_iter()
    }

    fn slots_moved(
        &self,
        step: StepId,
        transfer: &Transfer,
        given: &mut [bool],
        found: &mut Vec<Violation>,
    ) {
        let Transfer {
            source,
            target,
            slots,
            ..
        } = transfer;
        if !self.observed.views.contains_key(target) {
            found.push(Violation::ToReplica {
                step,
                taker: *target,
            });
        }
        for slot in slots.iter() {
            found.extend(twice(step, slot, given));
            if !self.owns(*source, slot) || self.disputed.contains(slot) {
                found.push(Violation::NotTheOwner {
                    step,
                    slot,
                    giver: *source,
                });
            }
        }
    }
}
