//! What is wrong with a cluster by its nodes' own words, whatever a file may say.

use std::collections::BTreeMap;

use crate::base::{NodeId, Role, SlotSet, counted, named};
use crate::observed::{Cluster, Direction, NodeView, Observed};
use crate::view::difference::unassigned;
use crate::view::topology::Topology;
use crate::view::wording::list;

/// One thing that is wrong, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// A stable word for scripts.
    pub(super) code: &'static str,
    pub(super) what: String,
    pub(super) evidence: Vec<String>,
}

/// The code of nodes that don't all know each other.
pub(super) const HALF_KNOWN: &str = "half-known";

/// Everything that is wrong. `label` says what to call a node.
pub(super) fn wrong(
    observed: &Observed,
    cluster: &Cluster,
    topology: &Topology,
    label: impl Fn(NodeId) -> String,
) -> Vec<Wrong> {
    let mut found = disagreements(cluster, &label);
    let islands = cluster.islands.iter();
    let disputed: SlotSet = islands
        .flat_map(|island| &island.disagreements)
        .map(|disagreement| &disagreement.slots)
        .collect();
    let missing = topology.unassigned.difference(&disputed);
    if !missing.is_empty() && !topology.shards.is_empty() {
        found.push(Wrong {
            code: "unassigned-slots",
            what: unassigned(&missing),
            evidence: holders(observed, &missing, &label),
        });
    }
    found.extend(half_known(cluster, &label));
    found.extend(strays(observed, cluster, &label));
    found.extend(open_slots(observed, &label));
    found.extend(doubles(observed, &label));
    found.extend(links(observed, &label));
    let answered = cluster.main().map(|main| &main.answered);
    let mut not_ok: Vec<String> = answered
        .into_iter()
        .flatten()
        .filter_map(|id| observed.views.get(id))
        .filter(|view| !view.state_ok && !view.is_blank())
        .map(|view| label(view.id))
        .collect();
    not_ok.sort();
    if !not_ok.is_empty() {
        found.push(Wrong {
            code: "not-ok",
            what: format!("cluster_state is not ok on {}", list(&not_ok, 5)),
            evidence: Vec::new(),
        });
    }
    found
}

/// Nobody that was asked is a member of any.
pub(super) fn no_cluster() -> Wrong {
    Wrong {
        code: "no-cluster",
        what: "it is in no cluster: ask another node, if it should be".to_owned(),
        evidence: Vec::new(),
    }
}

fn disagreements(cluster: &Cluster, label: &impl Fn(NodeId) -> String) -> Vec<Wrong> {
    let islands = cluster.islands.iter();
    let all = islands.flat_map(|island| &island.disagreements);
    all.map(|disagreement| Wrong {
        code: "views-disagree",
        what: format!(
            "the nodes don't agree who owns {}",
            named(&disagreement.slots)
        ),
        evidence: disagreement
            .claims
            .iter()
            .map(|claim| {
                let mut who: Vec<String> = claim.said_by.iter().map(|id| label(*id)).collect();
                who.sort();
                let owner = match claim.owner {
                    Some(owner) => format!("{} at epoch {}", label(owner), claim.epoch),
                    None => "nobody".to_owned(),
                };
                format!("{owner}, by {}", list(&who, 5))
            })
            .collect(),
    })
    .collect()
}

fn open_slots(observed: &Observed, label: &impl Fn(NodeId) -> String) -> Option<Wrong> {
    let mut marks: BTreeMap<String, SlotSet> = BTreeMap::new();
    let mut all = SlotSet::new();
    for view in observed.views.values() {
        for open in &view.open {
            let verb = match open.direction {
                Direction::Migrating => "is giving to",
                Direction::Importing => "is taking from",
            };
            let one: SlotSet = [open.slot].into_iter().collect();
            all = all.union(&one);
            let mark = format!("{} {verb} {}", label(view.id), label(open.peer));
            let slots = marks.entry(mark).or_default();
            *slots = slots.union(&one);
        }
    }
    (!all.is_empty()).then(|| Wrong {
        code: "open-slots",
        what: format!(
            "{} open: a move was begun and not finished",
            match all.count() {
                1 => "1 slot is".to_owned(),
                number => format!("{number} slots are"),
            }
        ),
        evidence: marks
            .into_iter()
            .map(|(mark, slots)| format!("{mark}: {slots}"))
            .collect(),
    })
}

fn doubles(observed: &Observed, label: &impl Fn(NodeId) -> String) -> Option<Wrong> {
    let doubles = &observed.doubles;
    let keys: usize = doubles.iter().map(|one| one.keys.len()).sum();
    (keys > 0).then(|| Wrong {
        code: "key-on-both-sides",
        what: format!("both sides of a begun move hold {}", counted(keys, "key")),
        evidence: doubles
            .iter()
            .map(|one| {
                let (source, target) = (label(one.source), label(one.target));
                format!("{source} and {target}, {one}")
            })
            .collect(),
    })
}

/// `holds 2 keys of slots 5-6`.
fn held(view: &NodeView, slots: &SlotSet) -> Option<String> {
    let keys = view.count_in(slots);
    let held = named(&view.filled_in(slots));
    (keys > 0).then(|| format!("holds {} of {held}", counted(keys, "key")))
}

/// Who holds keys of these slots, a line each.
fn holders(observed: &Observed, slots: &SlotSet, label: &impl Fn(NodeId) -> String) -> Vec<String> {
    let views = observed.views.values();
    let lines =
        views.filter_map(|view| held(view, slots).map(|held| format!("{} {held}", label(view.id))));
    lines.collect()
}

/// Nodes that some of those who answered don't know, as after a FORGET that not all have carried out.
fn half_known(cluster: &Cluster, label: &impl Fn(NodeId) -> String) -> Option<Wrong> {
    let mut evidence = Vec::new();
    for island in &cluster.islands {
        let others = island.answered.len().saturating_sub(1);
        for id in &island.answered {
            let sightings = cluster.members.get(id).map(|member| &member.sightings);
            let by = sightings
                .into_iter()
                .flatten()
                .flat_map(|sighting| &sighting.by);
            let known = by.filter(|by| island.answered.contains(by)).count();
            if known < others {
                let unknown = others - known;
                evidence.push(format!(
                    "{} is unknown to {unknown} of {others} others",
                    label(*id)
                ));
            }
        }
    }
    (!evidence.is_empty()).then(|| Wrong {
        code: HALF_KNOWN,
        what: "not all nodes know each other".to_owned(),
        evidence,
    })
}

/// Keys at a primary that doesn't own their slots, and takes part in no move of them.
fn strays(
    observed: &Observed,
    cluster: &Cluster,
    label: &impl Fn(NodeId) -> String,
) -> Option<Wrong> {
    let views = || observed.views.values();
    let open: SlotSet = views()
        .flat_map(|view| &view.open)
        .map(|open| open.slot)
        .collect();
    let mut evidence = Vec::new();
    for island in &cluster.islands {
        let members = views().filter(|view| island.answered.contains(&view.id));
        for view in members.filter(|view| view.role() == Role::Primary) {
            let others = island.owners.iter().filter(|(owner, _)| **owner != view.id);
            evidence.extend(others.filter_map(|(owner, owned)| {
                let held = held(view, &owned.difference(&open))?;
                Some(format!(
                    "{} {held}, which {} owns",
                    label(view.id),
                    label(*owner)
                ))
            }));
        }
    }
    (!evidence.is_empty()).then(|| Wrong {
        code: "stray-keys",
        what: "keys lie where no client finds them".to_owned(),
        evidence,
    })
}

fn links(observed: &Observed, label: &impl Fn(NodeId) -> String) -> Option<Wrong> {
    let down: Vec<String> = observed
        .views
        .values()
        .filter_map(|view| Some((view, view.primary()?)))
        // A copy under way takes its time; to a file it is a note.
        .filter(|(view, primary)| !view.replicates(*primary) && !view.is_syncing())
        .map(|(view, primary)| format!("{} to {}", label(view.id), label(primary)))
        .collect();
    (!down.is_empty()).then(|| Wrong {
        code: "link-down",
        what: match down.len() {
            1 => "1 replication link is down".to_owned(),
            number => format!("{number} replication links are down"),
        },
        evidence: down,
    })
}
