//! Steps that make nodes replicate.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Command, NodeId, Role};
use crate::diff::Difference;
use crate::observed::NodeView;

use super::order::Terms;
use super::roles;
use super::{Action, Condition, Risk, Send, Step};

/// What a first copy of the data may take on top of the usual deadline: a slow network and a
/// busy disk carry this many bytes a second.
const SLOWEST_COPY: u64 = 10 * 1024 * 1024;

/// How long the first copy of a primary's data may take, beside what gossip takes.
pub(super) fn time_to_copy(primary: &NodeView) -> Duration {
    Duration::from_secs(primary.used_memory / SLOWEST_COPY)
}

/// What must still be so when a node is made a replica.
fn guard(terms: &Terms<'_>, node: NodeId, from: Option<NodeId>) -> Condition {
    let mut parts = vec![Condition::Replaceable { node, keys: 0 }];
    let drained = from
        .and_then(|old| terms.views.get(&old))
        .filter(|view| terms.diff.drains(view));
    if let Some(old) = drained {
        parts.push(Condition::OwnsNothing {
            node: old.id,
            by: Arc::new([node, old.id].into_iter().collect()),
        });
        return Condition::All(parts);
    }
    // Minutes may have passed: with its present primary gone, this copy may be the only one. One
    // that serves nothing may be made a replica by this very plan. Who has handed over follows the
    // new owner of its slots.
    let handed = terms.diff.pairing.successor_of(node);
    let owner = if handed.is_some() { Some(node) } else { from };
    let owner = owner.and_then(|owner| terms.views.get(&owner));
    let served = from.zip(owner.map(|owner| {
        let by_then = roles::slots_by_then(terms, owner);
        match handed {
            Some(_) => by_then,
            // It leaves before anything moves: what its primary gets later is not there yet.
            None => by_then.intersection(owner.own_slots()),
        }
    }));
    if let Some((old, slots)) = served.filter(|(_, slots)| !slots.is_empty()) {
        parts.push(Condition::KnowsPrimary { node, primary: old });
        parts.push(Condition::Owns { node: old, slots });
    }
    Condition::All(parts)
}

/// Steps that attach, by when they come.
#[derive(Default)]
pub(super) struct Attachments {
    /// Before anything moves.
    pub(super) early: Vec<Step>,
    /// Those that are to take over then.
    pub(super) after_moves: Vec<Step>,
    /// Once others have taken over.
    pub(super) late: Vec<Step>,
}

/// Blank ones first, then those that leave another shard, so that a shard has its new copy
/// before an old one goes. Apart from these, those that copy what moves away first.
pub(super) fn attach(terms: &Terms<'_>) -> Attachments {
    let mut found = Attachments::default();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::NotReplicating {
            node: name,
            id,
            shard,
            primary,
            now,
        } = difference
        else {
            continue;
        };
        // What a successor holds it has from who is primary now.
        let pairing = &terms.diff.pairing;
        let source = pairing.primaries.get(shard).unwrap_or(primary);
        let copying = terms.views.get(source).map_or(Duration::ZERO, time_to_copy);
        let from = match now.serves {
            true => pairing.successor_of(*id),
            false => now.primary.filter(|_| now.role == Role::Replica),
        };
        let wiped = match from.filter(|_| now.keys > 0) {
            Some(_) => Risk::Resync { keys: now.keys },
            None => Risk::None,
        };
        let step = terms.step(Action::Attach {
            node: *id,
            name: name.clone(),
            shard: shard.clone(),
            primary: *primary,
            from,
        });
        // A copy of what moves away stays until that has gone.
        let old = now.primary.and_then(|old| terms.views.get(&old));
        let drained = old.is_some_and(|old| terms.diff.drains(old));
        let takes_over = pairing.successors.get(shard) == Some(id);
        let into = match (now.serves, drained) {
            (false, false) => &mut found.early,
            (false, true) if takes_over => &mut found.after_moves,
            (false, true) | (true, _) => &mut found.late,
        };
        into.push(Step {
            because: vec![index],
            sends: vec![Send {
                node: *id,
                command: Command::replicate(*primary),
            }],
            ready_when: Condition::KnowsPrimary {
                node: *id,
                primary: *primary,
            },
            guard: guard(terms, *id, from),
            done_when: Condition::Replicates {
                node: *id,
                primary: *primary,
            },
            deadline: step.deadline.max(Duration::from_secs(30)) + copying,
            risk: wiped,
            ..step
        });
    }
    let leaves = |step: &Step| matches!(&step.action, Action::Attach { from: Some(_), .. });
    found.early.sort_by_key(leaves);
    found
}
