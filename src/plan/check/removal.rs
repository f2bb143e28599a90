//! What no plan may break that takes members out of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Arg, NodeId, Role, SlotSet};
use crate::observed::{Answer, NodeView, Observed};
use crate::plan::{Action, Plan, Risk, Step, StepId};

use super::Violation;

/// What the steps before have brought about.
struct Before<'a> {
    observed: &'a Observed,
    taken: BTreeMap<NodeId, SlotSet>,
    attached: BTreeSet<NodeId>,
    /// By step, whom a node replicates.
    follows: BTreeMap<NodeId, NodeId>,
    /// Those that have handed over: their replicas follow the new primary.
    handed_over: BTreeSet<NodeId>,
    gone: BTreeSet<NodeId>,
    /// Steps that bring members, copies or slots to their places.
    moving: Vec<StepId>,
}

pub(super) fn removals(plan: &Plan, observed: &Observed) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut before = Before {
        observed,
        taken: BTreeMap::new(),
        attached: BTreeSet::new(),
        follows: BTreeMap::new(),
        handed_over: BTreeSet::new(),
        gone: BTreeSet::new(),
        moving: Vec::new(),
    };
    for step in &plan.steps {
        if let Some(transfer) = step.action.transfer() {
            let taken = before.taken.entry(transfer.source).or_default();
            *taken = taken.union(&transfer.slots);
            before.moving.push(step.id);
        }
        let (mut resets, mut forgets) = (BTreeSet::new(), BTreeSet::new());
        for send in &step.sends {
            let words: Vec<&str> = send.command.args().iter().map(Arg::shown).collect();
            match words.as_slice() {
                [
                    "CLUSTER",
                    "REPLICATE" | "MEET" | "ADDSLOTS" | "ADDSLOTSRANGE",
                    ..,
                ] => {
                    before.attached.insert(send.node);
                    if let ["CLUSTER", "REPLICATE", primary] = words.as_slice() {
                        let primary = primary.parse().ok();
                        before
                            .follows
                            .extend(primary.map(|primary| (send.node, primary)));
                    }
                    before.moving.push(step.id);
                }
                ["CLUSTER", "FAILOVER"] => before.hand_over(send.node, step.id),
                ["CLUSTER", "RESET", "SOFT"] => before.moving.push(step.id),
                ["CLUSTER", "RESET", ..] => {
                    resets.insert(send.node);
                }
                ["CLUSTER", "FORGET", id] => forgets.extend(id.parse::<NodeId>().ok()),
                _ => {}
            }
        }
        let removed: BTreeSet<NodeId> = resets.union(&forgets).copied().collect();
        for node in removed {
            let why = before.why_not(step, node, resets.contains(&node));
            found.extend(why.map(|why| Violation::Removes {
                step: step.id,
                node,
                why,
            }));
            before.gone.insert(node);
        }
    }
    found.extend(too_early(plan, &before));
    found.extend(most_voters(plan, &before));
    found
}

impl Before<'_> {
    fn view(&self, node: NodeId) -> Option<&NodeView> {
        self.observed.views.get(&node)
    }

    /// A replica takes over all that its primary owns.
    fn hand_over(&mut self, node: NodeId, step: StepId) {
        let followed = self.follows.get(&node).copied();
        let primary = followed.or_else(|| self.view(node)?.primary());
        let owned = primary.and_then(|id| Some((id, self.view(id)?.own_slots().clone())));
        if let Some((primary, slots)) = owned {
            let taken = self.taken.entry(primary).or_default();
            *taken = taken.union(&slots);
            self.handed_over.insert(primary);
        }
        self.moving.push(step);
    }

    /// Why the step must not take the node out.
    fn why_not(&self, step: &Step, node: NodeId, reset: bool) -> Option<&'static str> {
        let alone = matches!(&step.action, Action::Remove { node: one } | Action::Forget { node: one } if *one == node);
        let declared = self.observed.declared.values();
        let declared = declared.clone().any(|answer| *answer == Answer::Node(node));
        let listed = || {
            let views = self.observed.views.values();
            views.filter_map(|view| view.table.get(&node))
        };
        let still_owns = |taken: &SlotSet| {
            let mut views = self.observed.views.values();
            views.any(|view| {
                let member = view.table.get(&node);
                let owned = member.map(|member| member.slots.difference(taken));
                owned.is_some_and(|owned| !owned.difference(&view.importing()).is_empty())
            })
        };
        let none = SlotSet::new();
        let taken = self.taken.get(&node).unwrap_or(&none);
        let has_copy = |view: &&NodeView| {
            view.primary() == Some(node)
                && !self.handed_over.contains(&node)
                && !self.gone.contains(&view.id)
                && !self.attached.contains(&view.id)
        };
        let dead = listed().all(|member| member.flags.fail || member.flags.noaddr);
        let lost = listed().any(|member| member.flags.noaddr);
        if !alone {
            Some("which is not what the step is for")
        } else if step.risk != Risk::Removal {
            Some("without leave")
        } else if declared {
            Some("which the file names")
        } else if still_owns(taken) {
            Some("which still owns slots")
        } else if self.observed.views.values().any(|view| has_copy(&view)) {
            Some("which is the primary of a node that stays")
        } else if !reset && (self.view(node).is_some() || !(dead || lost)) {
            Some("which is alive, without a reset")
        } else if (reset || !lost) && self.in_doubt() {
            Some("while a declared node does not answer or is blank")
        } else {
            self.view(node).and_then(|view| self.only_copy(view))
        }
    }

    /// Why what the node holds must not go.
    fn only_copy(&self, view: &NodeView) -> Option<&'static str> {
        match (view.role(), view.primary()) {
            (Role::Primary, _) if view.own_slots().is_empty() && !self.comes_home(view) => {
                Some("which holds keys of its own")
            }
            (Role::Primary, _) => None,
            (Role::Replica, Some(primary)) => {
                let seen = view.table.get(&primary);
                let well = seen.is_some_and(|member| !member.flags.fail && !member.flags.noaddr);
                let idle = view.keys == 0 && seen.is_none_or(|member| member.slots.is_empty());
                let fine = idle || (well && self.view(primary).is_some());
                (!fine).then_some("whose copy may be the only one")
            }
            (Role::Replica, None) => (view.keys > 0).then_some("whose copy may be the only one"),
        }
    }

    /// Whether every key of a primary without slots goes to the owner of its slot before.
    fn comes_home(&self, view: &NodeView) -> bool {
        let none = SlotSet::new();
        let taken = self.taken.get(&view.id).unwrap_or(&none);
        view.count_in(taken) == view.keys
    }

    fn in_doubt(&self) -> bool {
        self.observed.declared.values().any(|answer| match answer {
            Answer::Failed(_) => true,
            // One that copies from a member that hands over to its shard has shown what it is.
            Answer::Node(id) => {
                let follows = self.follows.get(id);
                let meant = follows.is_some_and(|primary| self.handed_over.contains(primary));
                !meant && self.view(*id).is_some_and(NodeView::is_blank)
            }
        })
    }
}

/// Everything that has its place to find comes first, and is waited for.
fn too_early(plan: &Plan, all: &Before<'_>) -> Vec<Violation> {
    let removing = plan.steps.iter().filter_map(|step| {
        let gone = step.action.gone()?;
        Some((step, gone))
    });
    let early = removing.filter(|(step, _)| all.moving.iter().any(|id| !step.after.contains(id)));
    early
        .map(|(step, node)| Violation::Removes {
            step: step.id,
            node,
            why: "before everything else has found its place",
        })
        .collect()
}

fn most_voters(plan: &Plan, all: &Before<'_>) -> Option<Violation> {
    let owners: BTreeSet<NodeId> = all
        .observed
        .views
        .values()
        .flat_map(|view| view.table.iter())
        .filter(|(_, member)| !member.slots.is_empty())
        .map(|(id, _)| *id)
        .collect();
    let going: Vec<&NodeId> = all.gone.intersection(&owners).collect();
    let last = plan
        .steps
        .iter()
        .rfind(|step| matches!(step.action, Action::Remove { .. }))?;
    (going.len() * 2 > owners.len()).then(|| Violation::Removes {
        step: last.id,
        node: *going[0],
        why: "with most of the primaries that serve slots",
    })
}
