//! Steps that remove members, and what goes with that: what is gone is forgotten everywhere, and watched
//! so that it stays away.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{Command, NodeId, Role};
use crate::diff::Difference;
use crate::observed::NodeView;

use super::order::Terms;
use super::roles;
use super::{Action, Condition, Risk, Send, Step};

/// One step a member that is to go: those that live are reset first, since who forgets a living
/// member hears of it again.
pub(super) fn removals(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut staying = terms.diff.pairing.joinable.clone();
    let undeclared = terms.diff.differences.iter();
    let leaving: BTreeSet<NodeId> = undeclared
        .filter_map(|difference| {
            let Difference::Undeclared { node, .. } = difference else {
                return None;
            };
            Some(*node)
        })
        .collect();
    let everyone = Arc::new(staying.clone());
    // A primary can't go while others count a dead replica as its own.
    for (index, node, noaddr) in ghosts(terms) {
        if follows(terms, node, &leaving) {
            steps.push(forget(terms, index, node, noaddr, &everyone));
        }
    }
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        if let Difference::Undeclared { node, .. } = difference {
            let Some(view) = terms.views.get(node) else {
                continue;
            };
            staying.remove(node);
            let others = Arc::new(staying.clone());
            steps.push(remove(terms, index, view, &others));
        }
    }
    let others = Arc::new(staying);
    for (index, node, noaddr) in ghosts(terms) {
        if !follows(terms, node, &leaving) {
            steps.push(forget(terms, index, node, noaddr, &others));
        }
    }
    steps
}

fn ghosts(terms: &Terms<'_>) -> Vec<(usize, NodeId, bool)> {
    let differences = terms.diff.differences.iter().enumerate();
    let ghosts = differences.filter_map(|(index, difference)| {
        let Difference::Ghost { node, noaddr } = difference else {
            return None;
        };
        Some((index, *node, *noaddr))
    });
    ghosts.collect()
}

/// Whether somebody counts it as a replica of one of these.
fn follows(terms: &Terms<'_>, node: NodeId, leaving: &BTreeSet<NodeId>) -> bool {
    let listed = terms
        .views
        .values()
        .filter_map(|view| view.table.get(&node));
    let mut primaries = listed.filter_map(|member| member.primary);
    primaries.any(|primary| leaving.contains(&primary))
}

fn remove(
    terms: &Terms<'_>,
    index: usize,
    view: &NodeView,
    others: &Arc<BTreeSet<NodeId>>,
) -> Step {
    let node = view.id;
    let everyone = Arc::new(others.iter().copied().chain([node]).collect());
    let unneeded = Condition::All(vec![
        Condition::OwnsNothing { node, by: everyone },
        Condition::NobodysPrimary {
            node,
            by: Arc::clone(others),
        },
    ]);
    let mut guard = vec![unneeded.clone(), Condition::Replaceable { node, keys: 0 }];
    guard.extend(other_copy(terms, view));
    let reset = Send {
        node,
        command: Command::reset_hard(),
    };
    Step {
        because: vec![index],
        sends: [reset]
            .into_iter()
            .chain(forgets(terms, node, others))
            .collect(),
        ready_when: unneeded,
        guard: Condition::All(guard),
        done_when: Condition::Absent {
            nodes: BTreeSet::from([node]),
            from: Arc::clone(others),
        },
        risk: Risk::Removal,
        ..terms.step(Action::Remove { node })
    }
}

/// A replica may go while its primary is there and serves what it served.
fn other_copy(terms: &Terms<'_>, view: &NodeView) -> Option<Condition> {
    if let Some(successor) = terms.diff.pairing.successor_of(view.id) {
        return Some(roles::serves(
            successor,
            &roles::slots_by_then(terms, view),
            view.id,
        ));
    }
    let followed = view.primary().filter(|_| view.role() == Role::Replica)?;
    // By then it follows whoever has taken over from its primary.
    let primary = terms
        .diff
        .pairing
        .successor_of(followed)
        .unwrap_or(followed);
    let goes = terms
        .diff
        .differences
        .iter()
        .any(|one| matches!(one, Difference::Undeclared { node, .. } if *node == primary));
    let slots = terms.views.get(&followed)?.own_slots();
    let slots = slots.difference(&terms.diff.taken_from(followed));
    (!goes && !slots.is_empty()).then(|| {
        Condition::All(vec![
            Condition::KnowsPrimary {
                node: view.id,
                primary,
            },
            Condition::Owns {
                node: primary,
                slots,
            },
        ])
    })
}

fn forget(
    terms: &Terms<'_>,
    index: usize,
    node: NodeId,
    noaddr: bool,
    others: &Arc<BTreeSet<NodeId>>,
) -> Step {
    let by = || Arc::clone(others);
    let unneeded = Condition::All(vec![
        Condition::OwnsNothing { node, by: by() },
        Condition::NobodysPrimary { node, by: by() },
    ]);
    let mut guard = vec![unneeded.clone()];
    if !noaddr {
        guard.push(Condition::Dead { node, by: by() });
    }
    Step {
        because: vec![index],
        sends: forgets(terms, node, others),
        ready_when: unneeded,
        guard: Condition::All(guard),
        done_when: Condition::Absent {
            nodes: BTreeSet::from([node]),
            from: by(),
        },
        risk: Risk::Removal,
        ..terms.step(Action::Forget { node })
    }
}

/// To every living member: up to Redis 7.0 none of them tells another, and who is left out brings the
/// node back a minute later.
fn forgets(terms: &Terms<'_>, node: NodeId, others: &BTreeSet<NodeId>) -> Vec<Send> {
    let mut others: Vec<NodeId> = others.iter().copied().collect();
    others.sort_by_key(|other| (terms.diff.pairing.label(*other), *other));
    let send = |other| Send {
        node: other,
        command: Command::forget(node),
    };
    others.into_iter().map(send).collect()
}

/// Valkey introduces itself again to whom it misses, and gossip brings back what one node kept: both
/// show within two node timeouts.
pub(super) fn watch(terms: &Terms<'_>, gone: BTreeSet<NodeId>) -> Option<Step> {
    if gone.is_empty() {
        return None;
    }
    let from: BTreeSet<NodeId> = terms
        .diff
        .pairing
        .joinable
        .difference(&gone)
        .copied()
        .collect();
    Some(Step {
        done_when: Condition::Absent {
            nodes: gone.clone(),
            from: Arc::new(from),
        },
        holds_for: terms.node_timeout * 2,
        ..terms.step(Action::Watch { nodes: gone })
    })
}
