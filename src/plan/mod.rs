//! From differences to steps: what will be sent, to whom, in which order, and when it is done.
//!
//! One file an aspect makes the steps, `order` alone ties them together, `check` re-derives
//! what must hold of any plan. Pure.

mod check;
mod condition;
mod config;
mod file;
mod given_up;
mod hasten;
mod jobs;
mod members;
mod moves;
mod newcomers;
mod order;
mod pins;
mod removal;
mod replicas;
mod rights;
mod roles;
mod settle;
mod slots;
mod step;
mod transfer;
mod unclaimed;
mod untold;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Address, NodeId, SlotSet};
use crate::desired::Desired;
use crate::diff::{Allowed, Diff, diff_of};
use crate::observed::{Cluster, Observed};

pub use check::{Violation, check};
pub use condition::{Condition, SILENT, Verdict};
pub use file::{MAX_SAVED_BYTES, Origin, SavedPlan, SavedPlanError, content_hash};
pub use step::{Action, Calm, Load, Phase, Risk, Send, Step, StepId};
pub use transfer::{Bounds, Engine, Transfer};

/// What will be done, and what won't and why. Nothing that shaped it is read again later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub cluster: String,
    pub diff: Diff,
    pub steps: Vec<Step>,
    /// Where each node is reached, for the nodes that answered.
    pub places: BTreeMap<NodeId, Address>,
    /// Members that were down, or cut off from the others, when the plan was made: they are not
    /// waited for.
    pub absent: BTreeSet<NodeId>,
}

/// Numbers for the summary line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub joins: usize,
    pub slots: usize,
    /// Slots.
    pub moves: usize,
    /// Slots, with what was in them.
    pub given_up: usize,
    /// Slots whose marks of a begun move are taken away.
    pub closed: usize,
    /// Slots whose stray keys go to their owner.
    pub brought_home: usize,
    pub attached: usize,
    pub detached: usize,
    pub failed_over: usize,
    pub removed: usize,
    /// Members that nobody will answer for again.
    pub forgotten: usize,
    pub announced: usize,
    pub configured: usize,
}

/// Plans the fewest commands that bring the cluster to the desired state.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, allowed: &Allowed) -> Plan {
    let cluster = Cluster::merge(observed);
    let diff = diff_of(desired, observed, &cluster, allowed);
    let places = observed
        .views
        .values()
        .map(|view| (view.id, view.dialled))
        .collect();
    let absent = cluster
        .members
        .iter()
        .filter(|(_, member)| !member.answered)
        .map(|(id, _)| *id)
        .chain(diff.pairing.cut_off.iter().copied())
        .collect();
    let mut plan = Plan {
        cluster: desired.cluster.clone(),
        diff,
        steps: Vec::new(),
        places,
        absent,
    };
    if !plan.diff.everything_blocked() {
        plan.steps = order::steps(desired, observed, &cluster, &plan.diff);
        let big = moves::big_keys(&plan.steps, observed, &plan.diff.pairing);
        plan.diff.notes.extend(big);
    }
    plan
}

impl Plan {
    /// Whether the plan changes anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether another plan sends the same for the same reasons. How many keys a copy holds, and
    /// how long a wait may take, changes with every write of a client.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        let step = |step: &Step| {
            (
                step.action.without_load(),
                step.sends.clone(),
                step.after.clone(),
            )
        };
        let blocked = |plan: &Self| -> Vec<(&'static str, String)> {
            plan.diff
                .blocked
                .iter()
                .map(|blocked| (blocked.code, blocked.subject.clone()))
                .collect()
        };
        self.steps.iter().map(step).eq(other.steps.iter().map(step))
            && blocked(self) == blocked(other)
    }

    /// Takes out the last look at what was removed, for who won't wait for it.
    pub fn leave_out_watch(&mut self) {
        let watch = |step: &Step| matches!(step.action, Action::Watch { .. });
        let watches = self.steps.iter().filter(|step| watch(step));
        let watches: BTreeSet<StepId> = watches.map(|step| step.id).collect();
        self.steps.retain(|step| !watch(step));
        for step in &mut self.steps {
            step.after.retain(|id| !watches.contains(id));
        }
    }

    #[must_use]
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The slots that each node is to give away.
    #[must_use]
    pub fn slots_moved(&self) -> BTreeMap<NodeId, SlotSet> {
        let mut moved: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
        for step in &self.steps {
            if let Some(transfer) = step.action.transfer() {
                let slots = moved.entry(transfer.source).or_default();
                *slots = slots.union(&transfer.slots);
            }
        }
        moved
    }

    /// Those of them that rcl moves key by key.
    #[must_use]
    pub fn slots_moved_by_key(&self) -> BTreeMap<NodeId, SlotSet> {
        let mut moved: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
        for transfer in self.steps.iter().filter_map(|step| step.action.transfer()) {
            match transfer.engine {
                Engine::Atomic | Engine::Orphaned { .. } => {}
                Engine::Classic(_) | Engine::Homeward(_) => {
                    let slots = moved.entry(transfer.source).or_default();
                    *slots = slots.union(&transfer.slots);
                }
            }
        }
        moved
    }

    /// The steps that only let a move of the servers' own end.
    pub fn awaited(&self) -> impl Iterator<Item = &Step> {
        let steps = self.steps.iter();
        steps.filter(|step| step.action.phase() == Phase::Await)
    }

    /// What the steps that `counts` come to.
    pub fn totals(&self, counts: impl Fn(&Step) -> bool) -> Totals {
        let mut totals = Totals::default();
        // Each end of a move has its mark.
        let (mut closed, mut home) = (SlotSet::new(), SlotSet::new());
        for step in self.steps.iter().filter(|step| counts(step)) {
            match &step.action {
                Action::Join { .. } => totals.joins += 1,
                Action::Assign { slots, .. } | Action::Claim { slots, .. } => {
                    totals.slots += usize::from(slots.count());
                }
                Action::Attach { .. } => totals.attached += 1,
                Action::Detach { .. } => totals.detached += 1,
                Action::FailOver { .. } => totals.failed_over += 1,
                Action::Move { transfer, .. } => {
                    totals.moves += usize::from(transfer.slots.count());
                }
                Action::GiveUp { transfer, .. } => {
                    totals.given_up += usize::from(transfer.slots.count());
                }
                Action::Close { slots, .. } => closed = closed.union(slots),
                Action::BringHome { transfer, .. } => {
                    home = home.union(&transfer.slots);
                }
                Action::Announce { .. } => totals.announced += 1,
                Action::Configure { .. } => totals.configured += 1,
                Action::Remove { .. } => totals.removed += 1,
                Action::Forget { .. } => totals.forgotten += 1,
                Action::Hasten { .. }
                | Action::Restore { .. }
                | Action::Pin { .. }
                | Action::Unpin { .. }
                | Action::Watch { .. }
                | Action::SetEpoch { .. }
                | Action::CopyLibraries { .. }
                | Action::Await { .. }
                | Action::Tell { .. }
                | Action::Settle => {}
            }
        }
        totals.closed = usize::from(closed.count());
        totals.brought_home = usize::from(home.count());
        totals
    }
}
