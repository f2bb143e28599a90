//! Steps that make a cluster of nodes: epochs, and introductions.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{BusAddress, Command, NodeId, SlotSet};
use crate::diff::{Difference, wanted_address};

use super::order::Terms;
use super::{Action, Condition, Send, Step};

/// To how many others a node is introduced; gossip does the rest. One is enough in time;
/// with four, nobody waits for a second hop of gossip.
const INTRODUCERS: usize = 4;

/// Distinct epochs for the nodes of a new cluster. Equal ones sort themselves out, but until
/// then a failover is unsafe, and after the first MEET the server refuses the command.
pub(super) fn epochs(terms: &Terms<'_>) -> Vec<Step> {
    if !terms.diff.pairing.forming {
        return Vec::new();
    }
    let blank = terms
        .in_order()
        .into_iter()
        .enumerate()
        .filter(|(_, (_, node))| terms.views.get(node).is_some_and(|view| view.my_epoch == 0));
    blank
        .map(|(place, (name, node))| {
            let epoch = u64::try_from(place).unwrap_or(0) + 1;
            Step {
                sends: vec![Send {
                    node,
                    command: Command::set_config_epoch(epoch),
                }],
                done_when: Condition::HasEpoch { node },
                required: false,
                ..terms.step(Action::SetEpoch { node, name, epoch })
            }
        })
        .collect()
}

/// A step for each node that somebody doesn't know.
pub(super) fn joins(terms: &Terms<'_>) -> Vec<Step> {
    let everyone = Arc::new(terms.diff.pairing.joinable.clone());
    let known: Arc<BTreeSet<NodeId>> = Arc::new(everyone.union(&terms.absent).copied().collect());
    let newcomers: Vec<(usize, &Difference)> = terms
        .diff
        .differences
        .iter()
        .enumerate()
        .filter(|(_, difference)| matches!(difference, Difference::NotJoined { .. }))
        .collect();
    let ids: Vec<NodeId> = newcomers
        .iter()
        .filter_map(|(_, difference)| newcomer(difference))
        .collect();
    let mut steps = Vec::new();
    for (place, (index, difference)) in newcomers.iter().enumerate() {
        let Difference::NotJoined {
            node: name,
            id,
            unknown_to,
        } = difference
        else {
            continue;
        };
        let Some(view) = terms.views.get(id) else {
            continue;
        };
        let introducers = match terms.diff.pairing.forming {
            true => ring(&ids, place),
            false => hosts(terms, unknown_to),
        };
        let Some(own) = meeting_address(terms, *id) else {
            continue;
        };
        let mut sends: Vec<Send> = introducers
            .iter()
            .filter_map(|peer| meeting_address(terms, *peer))
            .map(|peer| Send {
                node: *id,
                command: Command::meet(peer),
            })
            .collect();
        if !terms.diff.pairing.forming
            && let Some(host) = introducers.first()
        {
            sends.push(Send {
                node: *host,
                command: Command::meet(own),
            });
        }
        // Members may own and hold what they like; a newcomer must still be what it was.
        let member = terms.main.contains(id);
        let slots = if member {
            SlotSet::full()
        } else {
            view.own_slots().union(&terms.given_to(*id))
        };
        let guard = Condition::Accounted {
            node: *id,
            peers: Arc::clone(&known),
            slots,
            member,
        };
        steps.push(Step {
            because: vec![*index],
            sends,
            guard,
            done_when: Condition::Joined {
                node: *id,
                peers: Arc::clone(&everyone),
            },
            ..terms.step(Action::Join {
                node: *id,
                name: name.clone(),
                introducers: introducers.into_iter().collect(),
            })
        });
    }
    steps
}

fn newcomer(difference: &Difference) -> Option<NodeId> {
    match difference {
        Difference::NotJoined { id, .. } => Some(*id),
        Difference::Down { .. }
        | Difference::Announced { .. }
        | Difference::Option { .. }
        | Difference::Unassigned { .. }
        | Difference::NotReplicating { .. }
        | Difference::LinkDown { .. } => None,
    }
}

/// Whom the node at `place` is introduced to in a new cluster: the next ones in a ring, with
/// gaps that widen, so that the farthest is few hops away. Up to nine nodes everyone meets
/// everyone once.
fn ring(ids: &[NodeId], place: usize) -> Vec<NodeId> {
    let count = ids.len();
    let half = count / 2;
    let gaps: BTreeSet<usize> = match half <= INTRODUCERS {
        true => (1..=half).collect(),
        false => BTreeSet::from([1, 1 + half / 8, 1 + half / 3, half]),
    };
    gaps.into_iter()
        // Two nodes half a ring apart would meet twice.
        .filter(|gap| count == 2 || gap * 2 != count || place < half)
        .filter_map(|gap| ids.get((place + gap) % count).copied())
        .collect()
}

/// Whom a newcomer to a living cluster is introduced to: first those that serve slots.
fn hosts(terms: &Terms<'_>, unknown_to: &BTreeSet<NodeId>) -> Vec<NodeId> {
    let candidates = || unknown_to.iter().filter(|id| terms.views.contains_key(id));
    let mut members: Vec<NodeId> = candidates()
        .filter(|id| terms.main.contains(id))
        .copied()
        .collect();
    if members.is_empty() {
        members = candidates().copied().collect();
    }
    members.sort_by_key(|id| {
        let serves = terms
            .views
            .get(id)
            .is_some_and(|view| !view.own_slots().is_empty());
        (!serves, *id)
    });
    members.truncate(INTRODUCERS);
    members
}

/// Where others reach a node on the bus.
fn meeting_address(terms: &Terms<'_>, id: NodeId) -> Option<BusAddress> {
    let view = terms.views.get(&id)?;
    let declared = terms
        .diff
        .pairing
        .names
        .get(&id)
        .and_then(|name| terms.desired.nodes.get(name));
    match declared {
        Some(node) => Some(wanted_address(node, view)),
        None => {
            let bus_port = view.myself().map(|member| member.link_address.bus_port)?;
            Some(BusAddress {
                client: view.dialled,
                bus_port,
            })
        }
    }
}
