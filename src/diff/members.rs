//! Who belongs to the cluster: declared nodes that still have to join.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName};
use crate::observed::groups;

use super::{Diff, Difference, Look};

/// Declared nodes that answer and are not members everywhere.
pub(super) fn joins(look: &Look<'_>, diff: &mut Diff) {
    let strangers = strangers(look, &diff.pairing.joinable);
    let mut found: Vec<(NodeName, NodeId, BTreeSet<NodeId>)> = strangers
        .into_iter()
        .filter_map(|(id, unknown_to)| Some((diff.pairing.names.get(&id)?.clone(), id, unknown_to)))
        .collect();
    // Members miss a newcomer as much as it misses them; only the newcomer is out of place.
    if let Some(main) = look.cluster.main().filter(|_| !diff.pairing.forming) {
        for (_, id, unknown_to) in &mut found {
            if main.answered.contains(id) {
                unknown_to.retain(|peer| main.answered.contains(peer));
            }
        }
        found.retain(|(.., unknown_to)| !unknown_to.is_empty());
    }
    found.sort_by_key(|(name, ..)| position(look, name));
    if !diff.pairing.forming {
        keep_out_of_place(&mut found);
    }
    diff.differences
        .extend(
            found
                .into_iter()
                .map(|(node, id, unknown_to)| Difference::NotJoined {
                    node,
                    id,
                    unknown_to,
                }),
        );
}

/// Two members that don't know each other need one introduction. It is counted for the one that
/// misses more of the others, between equals for the later one in the file: a member that was
/// reset is to join, not everybody who remembers it.
fn keep_out_of_place(found: &mut Vec<(NodeName, NodeId, BTreeSet<NodeId>)>) {
    let mut left = found.clone();
    let mut kept: BTreeSet<NodeId> = BTreeSet::new();
    while let Some((_, id, unknown_to)) =
        left.iter().max_by_key(|(_, _, peers)| peers.len()).cloned()
        && !unknown_to.is_empty()
    {
        kept.insert(id);
        left.retain(|(_, other, _)| *other != id);
        for (.., peers) in &mut left {
            peers.remove(&id);
        }
    }
    found.retain(|(_, id, _)| kept.contains(id));
}

/// For each node, those that don't know it or that it doesn't know.
fn strangers(look: &Look<'_>, joinable: &BTreeSet<NodeId>) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
    let mut strangers: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for group in groups(joinable.iter().filter_map(|id| look.observed.views.get(id))) {
        let knows = |id: &NodeId| {
            group
                .table
                .get(id)
                .is_some_and(|member| !member.flags.handshake && !member.flags.noaddr)
        };
        for missing in joinable.iter().filter(|id| !knows(id)) {
            for viewer in group.viewers.iter().filter(|viewer| *viewer != missing) {
                strangers.entry(*missing).or_default().insert(*viewer);
                strangers.entry(*viewer).or_default().insert(*missing);
            }
        }
    }
    strangers
}

/// Where a node stands in the file: primaries first, as plans list them.
pub(super) fn position(look: &Look<'_>, name: &NodeName) -> (usize, usize) {
    let shards = &look.desired.shards;
    let found = shards.iter().enumerate().find_map(|(shard, declared)| {
        declared
            .nodes()
            .position(|node| node == name)
            .map(|place| (place, shard))
    });
    found.unwrap_or((usize::MAX, usize::MAX))
}
