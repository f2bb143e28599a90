//! Islands of nodes that know each other: which may grow together into the cluster, and which are
//! other clusters, to be left alone.

use std::collections::BTreeSet;

use crate::base::{NodeId, NodeName, SlotSet, counted, named};
use crate::desired::SlotShare;
use crate::observed::{Island, LiveMember, NodeView};

use super::{Blocked, Diff, Difference, Look, Scope, Severity, lost};

/// Sorts the islands into what the file accounts for and what it doesn't, and tells whether
/// there is a cluster at all.
pub(super) fn sort(look: &Look<'_>, diff: &mut Diff) {
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
            lonely_main(look, diff, island)
        } else {
            strange(look, diff, island, &owned)
        };
        if reasons.is_empty() {
            owned = owned.union(&island.assigned());
            diff.pairing.joinable.extend(&island.answered);
        } else {
            let alone = island.answered.first().filter(|_| size(island) == 1);
            let blocked = alone
                .and_then(|node| lost::verdict_on_stranger(look, diff, *node))
                .map_or_else(
                    || block_island(look, diff, island, &reasons),
                    |lost| vec![lost],
                );
            diff.blocked.extend(blocked);
        }
    }
    diff.blocked.extend(another_cluster(look, diff));
}

fn incomplete_formation(diff: &Diff) -> Blocked {
    let down = diff
        .differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Down { node, failure, .. } => Some(format!("{node}: {failure}")),
            Difference::NotJoined { .. }
            | Difference::Announced { .. }
            | Difference::Option { .. }
            | Difference::Unassigned { .. }
            | Difference::Misplaced { .. }
            | Difference::LeaderElsewhere(_)
            | Difference::HandOver(_)
            | Difference::LacksLibraries { .. }
            | Difference::GivenUp { .. }
            | Difference::Unclaimed { .. }
            | Difference::Stray(_)
            | Difference::LeftOpen { .. }
            | Difference::Untold(_)
            | Difference::NotReplicating { .. }
            | Difference::LinkDown { .. }
            | Difference::Undeclared { .. }
            | Difference::Ghost { .. } => None,
        });
    Blocked {
        code: "incomplete-formation",
        severity: Severity::Blocked,
        subject: "new cluster".to_owned(),
        why: "a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost"
            .to_owned(),
        evidence: down.collect(),
        way_out: "Start these nodes, or take them out of the file.".to_owned(),
        scope: Scope::Everything,
    }
}

/// A single node can be the main island and still be no cluster: it holds keys and no slot, or
/// owns none but slots that the file gives to others.
fn lonely_main(look: &Look<'_>, diff: &Diff, island: &Island) -> Vec<String> {
    let alone = island.answered.len() == 1 && island.silent.is_empty();
    let views = island
        .answered
        .iter()
        .filter(|_| alone)
        .filter_map(|id| look.observed.views.get(id));
    views
        .filter_map(|view| {
            let slots = view.own_slots();
            let accounted = accounted_slots(look, diff, view.id);
            if slots.is_empty() {
                // As of any other island: which one comes first hangs on ids.
                let name = diff.pairing.label(view.id);
                (view.keys > 0).then(|| format!("{name} holds {}", counted(view.keys, "key")))
            } else {
                slots
                    .intersection(&accounted)
                    .is_empty()
                    .then(|| format!("it owns {}, which the file doesn't give it", named(slots)))
            }
        })
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
            "it owns {}, which the cluster's members own too",
            named(&twice)
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
            .difference(&accounted_slots(look, diff, view.id))
            .difference(&twice);
        if !unaccounted.is_empty() {
            reasons.push(format!(
                "{name} owns {}, which the file doesn't give to its shard",
                named(&unaccounted)
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

/// One state for all nodes of the island where it puts in question which cluster the file means:
/// where it owns slots, or where nobody does, since then there is no cluster yet to stand by.
fn block_island(look: &Look<'_>, diff: &Diff, island: &Island, reasons: &[String]) -> Vec<Blocked> {
    let mut names: Vec<NodeName> = island
        .answered
        .iter()
        .filter_map(|id| diff.pairing.names.get(id))
        .cloned()
        .collect();
    names.sort();
    let nobody_serves = look
        .cluster
        .islands
        .iter()
        .all(|island| island.owners.is_empty());
    let blocked = |subject: String, scope| Blocked {
        code: "foreign-node",
        severity: Severity::Blocked,
        why: foreign(look, diff, island, &subject),
        evidence: reasons.to_vec(),
        way_out: way_out_of(island, &subject),
        subject,
        scope,
    };
    if !island.owners.is_empty() || nobody_serves || look.cluster.islands.len() == 1 {
        let names: Vec<&str> = names.iter().map(NodeName::as_str).collect();
        return vec![blocked(names.join(", "), Scope::Everything)];
    }
    let each = names
        .into_iter()
        .map(|name| blocked(name.to_string(), Scope::Node(name)));
    each.collect()
}

fn size(island: &Island) -> usize {
    island.answered.len() + island.silent.len()
}

fn foreign(look: &Look<'_>, diff: &Diff, island: &Island, who: &str) -> String {
    let slots: u32 = island
        .owners
        .values()
        .map(|slots| u32::from(slots.count()))
        .sum();
    if size(island) > 1 {
        let main = look.cluster.main().map(|main| {
            let declared = main
                .answered
                .iter()
                .filter(|id| diff.pairing.names.contains_key(id));
            diff.pairing.label_all(declared)
        });
        format!(
            "{who} {} in another cluster ({}, {}) than {}, and rcl never merges clusters",
            if who.contains(',') { "are" } else { "is" },
            counted(size(island), "node"),
            counted(slots, "slot"),
            main.unwrap_or_default()
        )
    } else if slots > 0 {
        format!(
            "{who} is no member and owns slots all the same: it may be a cluster of its own, and rcl never merges clusters"
        )
    } else {
        format!("{who} is not blank, and the file doesn't account for what it holds")
    }
}

/// Emptying is named only for a node that serves nothing: elsewhere it would be a disaster. The
/// server itself refuses to reset a primary that holds keys.
fn way_out_of(island: &Island, who: &str) -> String {
    if size(island) > 1 {
        format!(
            "Check the address of {who} in the file. A node that is to come over has to leave its own cluster first."
        )
    } else if !island.owners.is_empty() {
        format!(
            "Check the address of {who} in the file. If it holds nothing, CLUSTER RESET HARD on it makes it a blank node; then plan again."
        )
    } else {
        format!(
            "Check the address of {who} in the file. If what it holds may go, empty it yourself (FLUSHALL and CLUSTER RESET HARD, on that node only) and plan again."
        )
    }
}

/// A wrong address can lead into somebody else's cluster. It then looks like this one with most
/// of its nodes still to join, and they would all be introduced to strangers.
fn another_cluster(look: &Look<'_>, diff: &Diff) -> Option<Blocked> {
    let main = look.cluster.main()?;
    let in_main = |id: &NodeId| main.answered.contains(id) || main.silent.contains(id);
    let (members, missing): (Vec<&NodeName>, Vec<&NodeName>) = look
        .desired
        .nodes
        .keys()
        .partition(|name| diff.pairing.ids.get(name).is_some_and(in_main));
    let strangers: Vec<(NodeId, &LiveMember)> = look
        .cluster
        .members
        .iter()
        .map(|(id, member)| (*id, member))
        .filter(|(id, member)| {
            in_main(id) && !diff.pairing.names.contains_key(id) && !is_gone(member)
        })
        .collect();
    let theirs: SlotSet = strangers.iter().map(|(_, member)| &member.slots).collect();
    let ours = main.assigned().difference(&theirs);
    let outnumbered = members.len() <= missing.len();
    let suspicious = if theirs.is_empty() {
        ours.is_empty() && strangers.len() >= members.len()
    } else {
        outnumbered || theirs.count() >= ours.count()
    };
    if missing.is_empty() || strangers.is_empty() || !suspicious {
        return None;
    }
    let who: Vec<&str> = members.iter().map(|name| name.as_str()).collect();
    let who = who.join(", ");
    let evidence = strangers.iter().map(|(id, member)| {
        let label = diff.pairing.label(*id);
        match member.slots.count() {
            0 => format!("{label} is a member of it, and not in the file"),
            count => format!(
                "{label} owns {} of it, and is not in the file",
                counted(count, "slot")
            ),
        }
    });
    let mut evidence: Vec<String> = evidence.collect();
    evidence.sort();
    Some(Blocked {
        code: "another-cluster",
        severity: Severity::Blocked,
        why: format!(
            "the cluster of {who} may be another one than the file means: {} of the {} in the file are no members of it, and it has members that the file doesn't name",
            missing.len(),
            counted(missing.len() + members.len(), "node")
        ),
        evidence,
        way_out: format!(
            "Check the address of {who} in the file. If it is the right cluster, name these members in the file too, and plan again."
        ),
        subject: who,
        scope: Scope::Everything,
    })
}

/// Whether nothing can answer for the member any more: its peers have found another node at its
/// address. That rcl finds another one there is no proof, since 127.0.0.1 is another machine for
/// each; and one that they hold for failed may live on the other side of a cut.
fn is_gone(member: &LiveMember) -> bool {
    !member.answered && member.noaddr
}
