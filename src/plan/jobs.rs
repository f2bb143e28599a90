//! Moves that servers carry out by themselves: waited for, whoever began them, and never cancelled.
//!
//! While one runs its two ends refuse SETSLOT for any slot, and nothing that it carries may be taken
//! for what is left to move.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::{NodeId, SlotSet};

use super::order::Terms;
use super::transfer::Engine;
use super::{Action, Condition, Step};

/// For what a job does beside copying.
const SHORTEST_WAIT: Duration = Duration::from_mins(2);

/// Far less than servers carry in a second.
const COPIED_IN_A_SECOND: u64 = 10 << 20;

/// One step a source with jobs, unless an atomic move of this plan waits for them anyway, and no other
/// step of it would be refused until then.
pub(super) fn awaited(terms: &Terms<'_>, moves: &[Step]) -> Vec<Step> {
    let atomic = |step: &&Step| {
        let transfer = step.action.transfer();
        transfer.is_some_and(|one| one.engine == Engine::Atomic)
    };
    let (adopting, others): (Vec<&Step>, Vec<&Step>) = moves.iter().partition(atomic);
    let mut steps = Vec::new();
    for (source, jobs) in terms.jobs {
        let slots = jobs
            .iter()
            .fold(SlotSet::new(), |all, job| all.union(&job.slots));
        let targets: BTreeSet<NodeId> = jobs.iter().filter_map(|job| job.target).collect();
        let gives = |step: &&Step| {
            step.action
                .transfer()
                .is_some_and(|one| one.source == *source)
        };
        let takes_part = |node: NodeId| node == *source || targets.contains(&node);
        let refused = |step: &&Step| step.recipients().any(takes_part);
        let adopted = adopting.iter().any(gives) && !others.iter().any(refused);
        let Some(view) = terms.views.get(source).filter(|_| !adopted) else {
            continue;
        };
        // A target that doesn't answer tells of nothing, and the source gives up on it in time.
        let answering = targets.iter().filter(|id| terms.views.contains_key(id));
        let ended = answering.chain([source]).map(|node| Condition::NoJob {
            node: *node,
            slots: slots.clone(),
        });
        let owned = u64::from(view.own_slots().count()).max(1);
        let bytes = view.data_memory / owned * u64::from(slots.count());
        let copying = Duration::from_secs(bytes / COPIED_IN_A_SECOND);
        steps.push(Step {
            done_when: Condition::All(ended.collect()),
            deadline: SHORTEST_WAIT + copying,
            ..terms.step(Action::Await {
                node: *source,
                targets,
                slots,
            })
        });
    }
    steps
}

/// That none of these nodes has a job, of those whose servers carry out moves by themselves.
pub(super) fn none_at(
    terms: &Terms<'_>,
    nodes: impl IntoIterator<Item = NodeId>,
) -> Vec<Condition> {
    let able = |node: &NodeId| {
        let view = terms.views.get(node);
        view.is_some_and(|view| view.server.supports_migrateslots())
    };
    let nodes = nodes.into_iter().filter(able);
    nodes
        .map(|node| Condition::NoJob {
            node,
            slots: SlotSet::full(),
        })
        .collect()
}
