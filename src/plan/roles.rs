//! Steps that give the primary role to another node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Command, NodeId, Role, Server, SlotSet};
use crate::diff::{Difference, Elsewhere, HandOver};
use crate::observed::NodeView;

use super::order::Terms;
use super::replicas::time_to_copy;
use super::{Action, Calm, Condition, Risk, Send, Step, members};

/// A failover that was won with an old epoch makes a primary for about a second.
const LASTS: Duration = Duration::from_secs(2);

/// One step a shard that hands over, in the order of the file.
pub(super) fn fail_over(terms: &Terms<'_>) -> Vec<Step> {
    let members = || terms.diff.pairing.joinable.iter().copied();
    let everyone: Arc<BTreeSet<NodeId>> = Arc::new(members().collect());
    let voters: Arc<BTreeSet<NodeId>> =
        Arc::new(members().filter(|id| votes(terms, *id)).collect());
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::HandOver(HandOver {
            shard, from, to, ..
        }) = difference
        else {
            continue;
        };
        let (Some(leader), Some(replica)) = (terms.views.get(from), terms.views.get(to)) else {
            continue;
        };
        let slots = slots_by_then(terms, leader);
        // Servers elect nobody in the place of a primary without slots.
        let Some(name) = terms
            .diff
            .pairing
            .names
            .get(to)
            .filter(|_| !slots.is_empty())
        else {
            continue;
        };
        let step = terms.step(Action::FailOver {
            node: *to,
            name: name.clone(),
            shard: shard.clone(),
            from: *from,
        });
        let copying = match replica.is_syncing() {
            true => time_to_copy(leader),
            false => Duration::ZERO,
        };
        steps.push(Step {
            because: vec![index],
            sends: vec![Send {
                node: *to,
                command: Command::fail_over(),
            }],
            ready_when: in_sync(*to, *from, &voters),
            guard: serves(*from, &slots, *to),
            calm: Some(Calm {
                node: *from,
                lasting: peace(terms),
            }),
            done_when: Condition::Leads {
                node: *to,
                slots,
                since: leader.my_epoch,
                by: Arc::clone(&everyone),
            },
            holds_for: LASTS,
            deadline: step.deadline + copying,
            ..step
        });
    }
    steps
}

fn in_sync(node: NodeId, primary: NodeId, voters: &Arc<BTreeSet<NodeId>>) -> Condition {
    Condition::All(vec![
        Condition::CaughtUp { node, primary },
        Condition::SeenFollowing {
            node,
            primary,
            by: Arc::clone(voters),
        },
    ])
}

/// The primary owns the slots, and its replica holds it for well: with its primary gone, a replica
/// that drops its copy may drop the only one, and one that is to take over is elected by itself.
pub(super) fn serves(primary: NodeId, slots: &SlotSet, replica: NodeId) -> Condition {
    Condition::All(vec![
        Condition::Owns {
            node: primary,
            slots: slots.clone(),
        },
        Condition::KnowsPrimary {
            node: replica,
            primary,
        },
    ])
}

/// Those who are asked for their vote when the time comes: owners of slots, and who is to be one.
fn votes(terms: &Terms<'_>, id: NodeId) -> bool {
    let serves = terms
        .views
        .get(&id)
        .is_some_and(|view| view.role() == Role::Primary && !view.own_slots().is_empty());
    serves
        || terms
            .diff
            .pairing
            .primaries
            .values()
            .any(|primary| *primary == id)
}

/// How long a shard must have been in peace before it fails over.
fn peace(terms: &Terms<'_>) -> Duration {
    let mut servers = terms.views.values().map(|view| view.server);
    match servers.all(Server::fails_over_again_at_once) {
        true => Duration::ZERO,
        false => terms.gossip,
    }
}

/// What a primary owns once everything that moves has moved.
pub(super) fn slots_by_then(terms: &Terms<'_>, primary: &NodeView) -> SlotSet {
    let owned = primary.own_slots().union(&terms.given_to(primary.id));
    let moves = terms
        .diff
        .differences
        .iter()
        .filter_map(Difference::misplaced);
    moves.fold(owned, |owned, moved| {
        if moved.source == primary.id {
            owned.difference(&moved.slots)
        } else if moved.target == primary.id {
            owned.union(&moved.slots)
        } else {
            owned
        }
    })
}

/// One step for each replica that is to be the primary of a shard nobody serves.
pub(super) fn detach(terms: &Terms<'_>) -> Vec<Step> {
    let peers = Arc::new(terms.diff.pairing.joinable.clone());
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::LeaderElsewhere(Elsewhere {
            node: name,
            id,
            shard,
            primary,
            keys,
        }) = difference
        else {
            continue;
        };
        let (Some(view), Some(leader)) = (terms.views.get(id), terms.views.get(primary)) else {
            continue;
        };
        let to = |command| Send { node: *id, command };
        let sends = match view.server.supports_replicate_no_one() {
            true => vec![to(Command::replicate_no_one())],
            false => {
                let mut sends = vec![to(Command::reset_soft())];
                sends.extend(members::meet_again(terms, *id));
                sends
            }
        };
        steps.push(Step {
            because: vec![index],
            sends,
            guard: serves(*primary, leader.own_slots(), *id),
            done_when: Condition::All(vec![
                Condition::Detached { node: *id },
                Condition::Joined {
                    node: *id,
                    peers: Arc::clone(&peers),
                },
            ]),
            risk: match keys {
                0 => Risk::None,
                keys => Risk::Resync { keys: *keys },
            },
            ..terms.step(Action::Detach {
                node: *id,
                name: name.clone(),
                shard: shard.clone(),
                from: *primary,
            })
        });
    }
    steps
}
