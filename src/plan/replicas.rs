//! Steps that make nodes replicate.

use std::time::Duration;

use crate::base::{Command, NodeId, Role};
use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Risk, Send, Step};

/// What a first copy of the data may take on top of the usual deadline: a slow network and a
/// busy disk carry this many bytes a second.
const SLOWEST_COPY: u64 = 10 * 1024 * 1024;

/// What must still be so when a node is made a replica.
fn guard(terms: &Terms<'_>, node: NodeId, from: Option<NodeId>) -> Condition {
    let mut parts = vec![Condition::Replaceable { node, keys: 0 }];
    // Minutes may have passed: with its present primary gone, this copy may be the only one. One
    // that serves nothing may be made a replica by this very plan.
    let served = from.and_then(|old| Some((old, terms.views.get(&old)?.own_slots().clone())));
    if let Some((old, slots)) = served.filter(|(_, slots)| !slots.is_empty()) {
        parts.push(Condition::KnowsPrimary { node, primary: old });
        parts.push(Condition::Owns { node: old, slots });
    }
    Condition::All(parts)
}

/// Blank ones first, then those that leave another shard, so that a shard has its new copy
/// before an old one goes.
pub(super) fn attach(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
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
        let bytes = terms.views.get(primary).map_or(0, |view| view.used_memory);
        let wiped = match now.role {
            Role::Replica if now.keys > 0 => Risk::Resync { keys: now.keys },
            Role::Replica | Role::Primary => Risk::None,
        };
        let step = terms.step(Action::Attach {
            node: *id,
            name: name.clone(),
            shard: shard.clone(),
            primary: *primary,
            from: now.primary.filter(|_| now.role == Role::Replica),
        });
        steps.push(Step {
            because: vec![index],
            sends: vec![Send {
                node: *id,
                command: Command::replicate(*primary),
            }],
            ready_when: Condition::KnowsPrimary {
                node: *id,
                primary: *primary,
            },
            guard: guard(
                terms,
                *id,
                now.primary.filter(|_| now.role == Role::Replica),
            ),
            done_when: Condition::Replicates {
                node: *id,
                primary: *primary,
            },
            deadline: step.deadline.max(Duration::from_secs(30))
                + Duration::from_secs(bytes / SLOWEST_COPY),
            risk: wiped,
            ..step
        });
    }
    steps.sort_by_key(|step| matches!(&step.action, Action::Attach { from: Some(_), .. }));
    steps
}
