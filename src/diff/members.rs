//! Who belongs to the cluster: islands that may grow together, and nodes that still have to join.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName, SlotSet, counted};
use crate::desired::SlotShare;
use crate::observed::{Island, NodeView, groups};

use super::{Blocked, Diff, Difference, Look, Scope, Severity};

/// Sorts the islands into what the file accounts for and what it doesn't, and tells whether
/// there is a cluster at all.
pub(super) fn islands(look: &Look<'_>, diff: &mut Diff) {
    let blank = |id: &NodeId| look.observed.views.get(id).is_some_and(NodeView::is_blank);
    let answered: Vec<NodeId> = look.observed.views.keys().copied().collect();
    diff.pairing.forming = answered.iter().all(blank);
    if diff.pairing.forming {
        diff.pairing.joinable = answered.into_iter().collect();
        if diff
            .differences
            .iter()
            .any(|difference| matches!(difference, Difference::Down { .. }))
        {
            diff.blocked.push(incomplete_formation(diff));
        }
        return;
    }
    let mut owned = SlotSet::new();
    for (index, island) in look.cluster.islands.iter().enumerate() {
        let reasons = if index == 0 {
            lonely_main(look, island)
        } else {
            strange(look, diff, island, &owned)
        };
        if reasons.is_empty() {
            owned = owned.union(&island.assigned());
            diff.pairing.joinable.extend(&island.answered);
        } else {
            block_island(look, diff, island, reasons);
        }
    }
}

fn incomplete_formation(diff: &Diff) -> Blocked {
    let evidence = diff
        .differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Down { node, failure, .. } => Some(format!("{node}: {failure}")),
            Difference::NotJoined { .. }
            | Difference::Announced { .. }
            | Difference::Option { .. }
            | Difference::Unassigned { .. }
            | Difference::NotReplicating { .. }
            | Difference::LinkDown { .. } => None,
        })
        .collect();
    Blocked {
        code: "incomplete-formation",
        severity: Severity::Blocked,
        subject: "new cluster".to_owned(),
        why: "a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost"
            .to_owned(),
        evidence,
        way_out: "Start these nodes, or take them out of the file.".to_owned(),
        scope: Scope::Everything,
    }
}

/// A single node can be the main island and still be no cluster: keys without slots.
fn lonely_main(look: &Look<'_>, island: &Island) -> Vec<String> {
    island
        .answered
        .iter()
        .filter(|_| island.answered.len() == 1 && island.silent.is_empty())
        .filter_map(|id| look.observed.views.get(id))
        .filter(|view| view.own_slots().is_empty() && view.keys > 0)
        .map(|view| format!("it holds {} and owns no slot", counted(view.keys, "key")))
        .collect()
}

/// Why an island may not be joined to the cluster; empty when the file accounts for all of it.
fn strange(look: &Look<'_>, diff: &Diff, island: &Island, owned: &SlotSet) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut strangers: BTreeSet<NodeId> = island
        .answered
        .iter()
        .filter(|id| !diff.pairing.names.contains_key(id))
        .copied()
        .collect();
    strangers.extend(
        island
            .silent
            .iter()
            .filter(|id| !diff.pairing.names.contains_key(id)),
    );
    if !strangers.is_empty() {
        let who = diff.pairing.label_all(&strangers);
        reasons.push(format!(
            "it knows {} that the file doesn't name: {who}",
            counted(strangers.len(), "node")
        ));
    }
    let assigned = island.assigned();
    let twice = assigned.intersection(owned);
    if !twice.is_empty() {
        reasons.push(format!(
            "it owns slots {twice}, which the cluster's members own too"
        ));
    }
    for view in island
        .answered
        .iter()
        .filter_map(|id| look.observed.views.get(id))
    {
        let name = diff.pairing.label(view.id);
        let unaccounted = view
            .own_slots()
            .difference(&accounted_slots(look, diff, view.id));
        if !unaccounted.is_empty() {
            reasons.push(format!(
                "{name} owns slots {unaccounted}, which the file doesn't give to its shard"
            ));
        }
        if view.keys > 0 {
            reasons.push(format!("{name} holds {}", counted(view.keys, "key")));
        }
        if !view.open.is_empty() {
            reasons.push(format!(
                "{name} has {}",
                counted(view.open.len(), "open slot")
            ));
        }
    }
    reasons
}

/// The slots that a lone node may own already: its shard's explicit ones, or any that no
/// shard has explicitly.
fn accounted_slots(look: &Look<'_>, diff: &Diff, id: NodeId) -> SlotSet {
    let shard = diff
        .pairing
        .names
        .get(&id)
        .and_then(|name| look.desired.shard_of(name));
    match shard.map(|shard| &shard.slots) {
        Some(SlotShare::Explicit(slots)) => slots.clone(),
        Some(SlotShare::Auto { .. }) => {
            look.desired
                .shards
                .iter()
                .fold(SlotSet::full(), |rest, other| match &other.slots {
                    SlotShare::Explicit(slots) => rest.difference(slots),
                    SlotShare::Auto { .. } | SlotShare::None => rest,
                })
        }
        Some(SlotShare::None) | None => SlotSet::new(),
    }
}

fn block_island(look: &Look<'_>, diff: &mut Diff, island: &Island, reasons: Vec<String>) {
    let names: Vec<NodeName> = island
        .answered
        .iter()
        .filter_map(|id| diff.pairing.names.get(id))
        .cloned()
        .collect();
    let size = island.answered.len() + island.silent.len();
    let owns_slots = !island.owners.is_empty();
    for name in names {
        let why = if size > 1 || owns_slots {
            let slots: u32 = island
                .owners
                .values()
                .map(|slots| u32::from(slots.count()))
                .sum();
            format!(
                "{name} belongs to another cluster ({}, {}), and rcl never merges clusters",
                counted(size, "node"),
                counted(slots, "slot")
            )
        } else {
            format!("{name} is not blank, and the file doesn't account for what it holds")
        };
        diff.blocked.push(Blocked {
            code: "foreign-node",
            severity: Severity::Blocked,
            subject: name.to_string(),
            why,
            evidence: reasons.clone(),
            way_out: format!(
                "Check the address of {name} in the file. If what it holds may go, empty it yourself (FLUSHALL, CLUSTER RESET HARD on that node) and plan again."
            ),
            // A node with slots puts in question which cluster the file means.
            scope: if owns_slots || look.cluster.islands.len() == 1 { Scope::Everything } else { Scope::Node(name) },
        });
    }
}

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
