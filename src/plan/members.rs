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
/// then a failover is unsafe, and after the first MEET the server refuses the command. Replicas
/// get the lower ones: a peer on Valkey 8.1 or Redis 8.2 may take the word of a node that has become the replica of
/// one with a lower epoch than its own for an old message, and have it for a primary for good.
pub(super) fn epochs(terms: &Terms<'_>) -> Vec<Step> {
    if !terms.diff.pairing.forming {
        return Vec::new();
    }
    let nodes = terms.in_order();
    let shards = terms.desired.shards.iter();
    let ids = &terms.diff.pairing.ids;
    let primaries = shards.filter(|shard| {
        let id = ids.get(&shard.primary);
        id.is_some_and(|id| terms.views.contains_key(id))
    });
    let (count, primaries) = (nodes.len(), primaries.count());
    let blank = nodes
        .into_iter()
        .enumerate()
        .filter(|(_, (_, node))| terms.views.get(node).is_some_and(|view| view.my_epoch == 0));
    blank
        .map(|(place, (name, node))| {
            // Primaries come first in the order, and last in the count.
            let place = (place + count - primaries) % count;
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
    let mut newcomers = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        if let Difference::NotJoined {
            node,
            id,
            unknown_to,
        } = difference
        {
            newcomers.push((index, node, *id, unknown_to));
        }
    }
    let ids: Vec<NodeId> = newcomers.iter().map(|(_, _, id, _)| *id).collect();
    let everyone = Arc::new(terms.diff.pairing.joinable.clone());
    let known = Arc::new(everyone.union(&terms.absent).copied().collect());
    let mut introducers: Vec<Vec<NodeId>> = newcomers
        .iter()
        .enumerate()
        .map(
            |(place, (.., unknown_to))| match terms.diff.pairing.forming {
                true => ring(&ids, place),
                false => hosts(terms, unknown_to),
            },
        )
        .collect();
    for deaf in deaf(terms, &ids) {
        let met = introducers.iter().any(|met| met.contains(&deaf));
        let place = newcomers
            .iter()
            .position(|(.., unknown_to)| unknown_to.contains(&deaf));
        if let Some(place) = place.filter(|_| !met) {
            introducers[place].push(deaf);
        }
    }
    let mut steps = Vec::new();
    for ((index, name, node, _), introducers) in newcomers.into_iter().zip(introducers) {
        // Both ends of every introduction: whichever is another cluster's by now, they merge.
        let met = introducers.iter().chain([&node]);
        let guards = met.filter_map(|met| unchanged(terms, *met, &known));
        steps.push(Step {
            because: vec![index],
            sends: introductions(terms, node, &introducers),
            guard: Condition::All(guards.collect()),
            done_when: Condition::Joined {
                node,
                peers: Arc::clone(&everyone),
            },
            ..terms.step(Action::Join {
                node,
                name: name.clone(),
                introducers: introducers.into_iter().collect(),
            })
        });
    }
    steps
}

/// What brings a node that has forgotten everybody back to the members it had, whose id it keeps.
pub(super) fn meet_again(terms: &Terms<'_>, node: NodeId) -> Vec<Send> {
    let members = terms.main.iter().filter(|id| **id != node);
    introductions(terms, node, &hosts(terms, &members.copied().collect()))
}

/// Members that others list and that list nobody, and so hear no gossip: they learn only whom
/// they meet themselves. Newcomers have introducers of their own.
fn deaf(terms: &Terms<'_>, newcomers: &[NodeId]) -> Vec<NodeId> {
    let members = terms.main.iter().filter(|id| !newcomers.contains(id));
    let deaf = members.filter(|id| {
        let view = terms.views.get(id);
        view.is_some_and(|view| view.peers().next().is_none())
    });
    deaf.copied().collect()
}

/// The newcomer meets its introducers; in a living cluster the first of them meets it too, so
/// that one open direction on the bus is enough.
fn introductions(terms: &Terms<'_>, node: NodeId, introducers: &[NodeId]) -> Vec<Send> {
    let meet = |node: NodeId, peer: BusAddress| Send {
        node,
        command: Command::meet(peer),
    };
    let mut sends: Vec<Send> = introducers
        .iter()
        .filter_map(|peer| meeting_address(terms, *peer))
        .map(|peer| meet(node, peer))
        .collect();
    let host = introducers.first().filter(|_| !terms.diff.pairing.forming);
    if let (Some(host), Some(own)) = (host, meeting_address(terms, node)) {
        sends.push(meet(*host, own));
    }
    sends
}

/// Members may own and hold what they like; a newcomer must still be what it was.
fn unchanged(terms: &Terms<'_>, node: NodeId, known: &Arc<BTreeSet<NodeId>>) -> Option<Condition> {
    let member = terms.main.contains(&node);
    let slots = match member {
        true => SlotSet::full(),
        false => terms
            .views
            .get(&node)?
            .own_slots()
            .union(&terms.given_to(node)),
    };
    Some(Condition::Accounted {
        node,
        peers: Arc::clone(known),
        slots,
        member,
    })
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
        // By name next, so that plans read alike whatever ids the nodes have.
        let name = terms.diff.pairing.names.get(id);
        // Whom peers reach elsewhere than rcl does is the last to be met there.
        let elsewhere = name.is_some_and(|name| terms.diff.is_node_blocked(name));
        (elsewhere, !serves, name.is_none(), name, *id)
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
