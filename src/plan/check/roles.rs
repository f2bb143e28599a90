//! What no plan may do to roles and copies: the plan is walked through as if every step succeeded.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, SlotSet};
use crate::observed::Observed;
use crate::plan::{Action, Plan, Risk, Step, StepId};

use super::{Violation, slots_of};

/// Who owns which slots and who copies whom, up to the step that is looked at.
struct State<'a> {
    plan: &'a Plan,
    observed: &'a Observed,
    owns: BTreeMap<NodeId, SlotSet>,
    follows: BTreeMap<NodeId, NodeId>,
    /// Copies that are whole, or that a step makes and waits for.
    made_by: BTreeMap<NodeId, StepId>,
    detached_by: BTreeMap<NodeId, StepId>,
    /// Primaries that replicas find by then, though they may look elsewhere now.
    announced_by: BTreeMap<NodeId, StepId>,
    whole: BTreeSet<NodeId>,
    failed_over: Vec<(StepId, NodeId, NodeId)>,
    moved: Vec<(StepId, NodeId)>,
}

pub(super) fn roles(plan: &Plan, observed: &Observed) -> Vec<Violation> {
    let views = || observed.views.values();
    let mut state = State {
        plan,
        observed,
        owns: views()
            .map(|view| (view.id, view.own_slots().clone()))
            .collect(),
        follows: views()
            .filter(|view| view.role() == Role::Replica)
            .filter_map(|view| Some((view.id, view.primary()?)))
            .collect(),
        made_by: BTreeMap::new(),
        detached_by: BTreeMap::new(),
        announced_by: BTreeMap::new(),
        whole: views()
            .filter(|view| {
                let follows = view.primary();
                follows.is_some_and(|primary| view.replicates(primary) || view.is_syncing())
            })
            .map(|view| view.id)
            .collect(),
        failed_over: Vec::new(),
        moved: Vec::new(),
    };
    let mut found = Vec::new();
    for step in &plan.steps {
        if let Action::Announce { node, .. } = &step.action {
            state.announced_by.insert(*node, step.id);
        }
        if let Some(transfer) = step.action.transfer() {
            if state.follows.contains_key(&transfer.target) {
                found.push(Violation::ToReplica {
                    step: step.id,
                    taker: transfer.target,
                });
            }
            let given = state.owns.entry(transfer.source).or_default();
            *given = given.difference(&transfer.slots);
            let taken = state.owns.entry(transfer.target).or_default();
            *taken = taken.union(&transfer.slots);
            state.moved.push((step.id, transfer.source));
        }
        for send in &step.sends {
            let given: SlotSet = slots_of(&send.command).into_iter().collect();
            if !given.is_empty() {
                state.assign(step, send.node, &mut found);
            }
            let owned = state.owns.entry(send.node).or_default();
            *owned = owned.union(&given);
            let text = send.command.to_string();
            let replicate = text.strip_prefix("CLUSTER REPLICATE ");
            match (text.as_str(), replicate) {
                ("CLUSTER FAILOVER", _) => state.fail_over(step, send.node, &mut found),
                ("CLUSTER REPLICATE NO ONE" | "CLUSTER RESET SOFT", _) => {
                    state.detach(step, send.node, &mut found);
                }
                (_, Some(primary)) => {
                    if let Ok(primary) = primary.parse() {
                        state.replicate(step, send.node, primary, &mut found);
                    }
                }
                (_, None) => {}
            }
        }
    }
    found
}

impl State<'_> {
    fn owns_slots(&self, node: NodeId) -> bool {
        self.owns.get(&node).is_some_and(|slots| !slots.is_empty())
    }

    fn keys(&self, node: NodeId) -> u64 {
        self.observed.views.get(&node).map_or(0, |view| view.keys)
    }

    /// Whether a step can't begin before the other has ended.
    fn waits(&self, step: &Step, other: StepId) -> bool {
        let mut queue: Vec<StepId> = step.after.clone();
        let mut seen: BTreeSet<StepId> = BTreeSet::new();
        while let Some(id) = queue.pop() {
            if id == other {
                return true;
            }
            if id > other && seen.insert(id) {
                queue.extend(self.plan.step(id).into_iter().flat_map(|step| &step.after));
            }
        }
        false
    }

    fn replicate(
        &mut self,
        step: &Step,
        node: NodeId,
        primary: NodeId,
        found: &mut Vec<Violation>,
    ) {
        let id = step.id;
        let gave_up = self
            .failed_over
            .iter()
            .map(|(step, from, _)| (*step, *from))
            .chain(self.moved.iter().copied())
            .filter(|(_, from)| *from == node);
        let gave_up: Vec<StepId> = gave_up.map(|(step, _)| step).collect();
        let served = self
            .observed
            .views
            .get(&node)
            .is_some_and(|view| !view.own_slots().is_empty());
        let stray = !served && !self.follows.contains_key(&node) && self.keys(node) > 0;
        if self.owns_slots(node) || stray || !gave_up.iter().all(|other| self.waits(step, *other)) {
            found.push(Violation::WipesOwner { step: id, node });
        }
        if self.follows.contains_key(&primary) {
            found.push(Violation::FollowsReplica { step: id, node });
        }
        if let Some(old) = self.follows.get(&node).copied() {
            self.leaves(step, node, old, found);
        }
        self.follows.insert(node, primary);
        self.whole.remove(&node);
        self.made_by.insert(node, id);
    }

    /// A replica drops its copy: its primary must have what it copied, and somebody gave leave.
    fn leaves(&self, step: &Step, node: NodeId, primary: NodeId, found: &mut Vec<Violation>) {
        if !self.observed.views.contains_key(&primary) {
            let step = step.id;
            found.push(Violation::LastCopy { step, node });
        }
        // Of what has moved elsewhere it is no copy any more.
        let moves = self.moved.iter().filter(|(_, from)| *from == primary);
        let emptied = !self.owns_slots(primary)
            && moves.clone().next().is_some()
            && moves.clone().all(|(other, _)| self.waits(step, *other));
        if self.keys(node) > 0 && step.risk == Risk::None && !emptied {
            let step = step.id;
            found.push(Violation::WipesWithoutLeave { step, node });
        }
    }

    /// A replica says OK to slots, and has lost them again seconds later.
    fn assign(&self, step: &Step, node: NodeId, found: &mut Vec<Violation>) {
        let detached = self.detached_by.get(&node);
        let early = detached.is_some_and(|by| !self.waits(step, *by));
        if self.follows.contains_key(&node) || early {
            found.push(Violation::ToReplica {
                step: step.id,
                taker: node,
            });
        }
    }

    fn detach(&mut self, step: &Step, node: NodeId, found: &mut Vec<Violation>) {
        self.detached_by.insert(node, step.id);
        match self.follows.remove(&node) {
            Some(primary) if !self.owns_slots(node) => self.leaves(step, node, primary, found),
            Some(_) | None => {
                let step = step.id;
                found.push(Violation::WipesOwner { step, node });
            }
        }
    }

    fn fail_over(&mut self, step: &Step, node: NodeId, found: &mut Vec<Violation>) {
        let id = step.id;
        let Some(primary) = self.follows.get(&node).copied() else {
            found.push(Violation::NotInSync { step: id, node });
            return;
        };
        let made = self.made_by.get(&node);
        let announced = self.announced_by.get(&primary);
        let mut comes = made.into_iter().chain(announced);
        let copies = self.whole.contains(&node) || comes.any(|by| self.waits(step, *by));
        if !copies || !self.owns_slots(primary) {
            found.push(Violation::NotInSync { step: id, node });
        }
        for (other, from, to) in &self.failed_over {
            if [*from, *to].contains(&node) || [*from, *to].contains(&primary) {
                found.push(Violation::FailedOverTwice { step: id, node });
            } else if !self.waits(step, *other) {
                let other = *other;
                found.push(Violation::FailoversTogether { step: id, other });
            }
        }
        let slots = self.owns.remove(&primary).unwrap_or_default();
        self.owns.insert(node, slots);
        for follows in self.follows.values_mut().filter(|of| **of == primary) {
            *follows = node;
        }
        self.follows.remove(&node);
        self.follows.insert(primary, node);
        self.failed_over.push((id, primary, node));
    }
}
