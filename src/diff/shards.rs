//! Which live shard is which declared one: by its declared primary, if that serves some of the
//! slots, then by most slots in common, then most members in common, then the live primary. A renamed shard is found by its nodes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, ShardName, Slot, SlotSet};
use crate::desired::{Shard, SlotShare};
use crate::observed::LiveMember;

use super::{Blocked, Diff, Look, Scope, Severity, roles};

/// How well a live shard fits a declared one; the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// The live primary is the declared one, and serves some of the slots already. A shard that is
    /// split keeps its name, though the newcomer is to have most of its slots.
    stays: bool,
    slots: u16,
    /// The live primary is one of the declared shard's nodes. Without this, stray replicas of
    /// one shard could outvote the primary of another.
    own: bool,
    members: usize,
    primary: bool,
}

/// Fills in the shards' live primaries. First those that serve slots; then, where the declared
/// primary is empty, that one. Groups of nodes that serve nothing come last: a stray replica of
/// an empty node makes no shard, but one that failed over before it got slots is one.
pub(super) fn pair(look: &Look<'_>, diff: &mut Diff) {
    let serves = |id: &NodeId| {
        let member = look.cluster.members.get(id);
        member.is_some_and(|member| !member.slots.is_empty())
    };
    let (serving, idle): (Live, Live) = live_shards(look, diff)
        .into_iter()
        .partition(|(primary, _)| serves(primary));
    let mut paired: BTreeMap<usize, NodeId> = BTreeMap::new();
    pair_best(look, diff, &serving, &mut paired);
    for (index, shard) in look.desired.shards.iter().enumerate() {
        if !paired.contains_key(&index)
            && let Some(primary) = to_be_primary(look, diff, shard, paired.values().copied())
        {
            paired.insert(index, primary);
        }
    }
    pair_best(look, diff, &idle, &mut paired);
    for (index, shard) in look.desired.shards.iter().enumerate() {
        if !paired.contains_key(&index)
            && let Ok(id) = roles::detachable(look, diff, shard)
        {
            diff.pairing.detached.insert(id);
            paired.insert(index, id);
        }
    }
    for (index, primary) in paired {
        let name = look.desired.shards[index].name.clone();
        diff.pairing.primaries.insert(name, primary);
    }
}

/// The same without a verdict, for a state in which nothing is compared.
pub(super) fn likely(look: &Look<'_>, diff: &Diff) -> BTreeMap<ShardName, NodeId> {
    let mut scratch = Diff {
        pairing: diff.pairing.clone(),
        ..Diff::default()
    };
    if scratch.pairing.joinable.is_empty()
        && let Some(main) = look.cluster.main()
    {
        scratch.pairing.joinable.clone_from(&main.answered);
    }
    pair(look, &mut scratch);
    scratch.pairing.primaries
}

/// Live primaries, each with the nodes of its shard.
type Live = BTreeMap<NodeId, BTreeSet<NodeId>>;

/// Pairs the shards that have no primary yet with live ones that belong to none, best fits first.
fn pair_best(look: &Look<'_>, diff: &mut Diff, live: &Live, paired: &mut BTreeMap<usize, NodeId>) {
    let mut fits: Vec<(Reverse<Fit>, usize, NodeId)> = Vec::new();
    let candidates = Candidates::new(look, live);
    for (index, shard) in look.desired.shards.iter().enumerate() {
        for primary in candidates.of(diff, shard) {
            let fit = live
                .get(&primary)
                .and_then(|nodes| fit(look, diff, shard, primary, nodes));
            fits.extend(fit.map(|fit| (Reverse(fit), index, primary)));
        }
    }
    fits.sort();
    fits.retain(|(_, shard, node)| {
        !paired.contains_key(shard) && !paired.values().any(|taken| taken == node)
    });
    while let Some(&(score, index, primary)) = fits.first() {
        let rivals: Vec<(usize, NodeId)> = fits
            .iter()
            .take_while(|(other, ..)| *other == score)
            .filter(|(_, shard, node)| (*shard == index) != (*node == primary))
            .map(|(_, shard, node)| (*shard, *node))
            .collect();
        if !rivals.is_empty() {
            tie(look, diff, (index, primary), &rivals);
        }
        paired.insert(index, primary);
        fits.retain(|(_, shard, node)| *shard != index && *node != primary);
    }
}

/// Where to look for what may fit: with a thousand nodes most pairs have nothing in common.
struct Candidates {
    /// Whose shard a node belongs to.
    leaders: BTreeMap<NodeId, NodeId>,
    /// More than one where nodes disagree.
    owners: BTreeMap<Slot, Vec<NodeId>>,
}

impl Candidates {
    fn new(look: &Look<'_>, live: &Live) -> Self {
        let nodes = live
            .iter()
            .flat_map(|(primary, nodes)| nodes.iter().map(|node| (*node, *primary)));
        let mut owners: BTreeMap<Slot, Vec<NodeId>> = BTreeMap::new();
        let mut shards = look.desired.shards.iter();
        if shards.any(|shard| matches!(shard.slots, SlotShare::Explicit(_))) {
            let members = live
                .keys()
                .filter_map(|primary| Some((primary, look.cluster.members.get(primary)?)));
            for (primary, member) in members {
                for slot in member.slots.iter() {
                    owners.entry(slot).or_default().push(*primary);
                }
            }
        }
        Self {
            leaders: nodes.collect(),
            owners,
        }
    }

    /// The live primaries that have a node or a slot in common with a declared shard.
    fn of(&self, diff: &Diff, shard: &Shard) -> BTreeSet<NodeId> {
        let ids = shard.nodes().filter_map(|name| diff.pairing.ids.get(name));
        let mut found: BTreeSet<NodeId> =
            ids.filter_map(|id| self.leaders.get(id)).copied().collect();
        if let SlotShare::Explicit(wanted) = &shard.slots {
            let owners = wanted.iter().filter_map(|slot| self.owners.get(&slot));
            found.extend(owners.flatten());
        }
        found
    }
}

/// Live primaries with the nodes of their shards. A blank or empty primary with a declared
/// name is no shard yet: it may be a replica to be.
fn live_shards(look: &Look<'_>, diff: &Diff) -> Live {
    let members = &look.cluster.members;
    let relevant =
        |id: &NodeId, member: &LiveMember| !member.answered || diff.pairing.joinable.contains(id);
    let mut live = Live::new();
    for (id, member) in members.iter().filter(|(id, member)| relevant(id, member)) {
        match (member.role, member.primary) {
            (Role::Replica, Some(primary)) => {
                live.entry(primary).or_default().insert(*id);
            }
            (Role::Replica, None) => {}
            (Role::Primary, _) if !member.slots.is_empty() => {
                live.entry(*id).or_default().insert(*id);
            }
            (Role::Primary, _) => {}
        }
    }
    // A primary that lost all its slots but kept its replicas is still the shard's primary.
    for (primary, nodes) in &mut live {
        nodes.insert(*primary);
    }
    live.retain(|primary, _| {
        members
            .get(primary)
            .is_some_and(|member| member.role == Role::Primary)
    });
    live
}

fn fit(
    look: &Look<'_>,
    diff: &Diff,
    shard: &Shard,
    primary: NodeId,
    nodes: &BTreeSet<NodeId>,
) -> Option<Fit> {
    let none = SlotSet::new();
    let owned = look
        .cluster
        .members
        .get(&primary)
        .map_or(&none, |member| &member.slots);
    let slots = match &shard.slots {
        SlotShare::Explicit(wanted) => wanted.intersection(owned).count(),
        SlotShare::Auto { .. } | SlotShare::None => 0,
    };
    let ids = || shard.nodes().filter_map(|name| diff.pairing.ids.get(name));
    let members = ids().filter(|id| nodes.contains(id)).count();
    let declared = diff.pairing.ids.get(&shard.primary) == Some(&primary);
    (slots > 0 || members > 0).then_some(Fit {
        stays: slots > 0 && declared,
        slots,
        own: ids().any(|id| *id == primary),
        members,
        primary: declared,
    })
}

/// A shard that no live one fits starts with its declared primary, if that is an empty
/// primary; as a replica it would have to leave its shard first.
pub(super) fn to_be_primary(
    look: &Look<'_>,
    diff: &Diff,
    shard: &Shard,
    mut paired: impl Iterator<Item = NodeId>,
) -> Option<NodeId> {
    let id = *diff.pairing.ids.get(&shard.primary)?;
    let view = look.observed.views.get(&id)?;
    let free = view.role() == Role::Primary && view.own_slots().is_empty();
    let taken = paired.any(|other| other == id);
    (free && !taken && diff.pairing.joinable.contains(&id)).then_some(id)
}

/// Two pairings fit equally well. Slots would move or a node be wiped by the wrong choice,
/// so neither shard is touched.
fn tie(look: &Look<'_>, diff: &mut Diff, first: (usize, NodeId), rivals: &[(usize, NodeId)]) {
    let mut indices: BTreeSet<usize> = rivals.iter().map(|(index, _)| *index).collect();
    indices.insert(first.0);
    let mut primaries: BTreeSet<NodeId> = rivals.iter().map(|(_, node)| *node).collect();
    primaries.insert(first.1);
    let shards: Vec<&ShardName> = indices
        .iter()
        .map(|index| &look.desired.shards[*index].name)
        .collect();
    let explicit = indices.iter().all(|index| {
        let share = &look.desired.shards[*index].slots;
        matches!(share, SlotShare::Explicit(_))
    });
    for name in &shards {
        if diff.is_shard_blocked(name) {
            continue;
        }
        let live = diff.pairing.label_all(&primaries);
        diff.blocked.push(Blocked {
            code: "ambiguous-shard",
            severity: Severity::Blocked,
            subject: format!("shard {name}"),
            why: format!(
                "it can't be told which live shard is shard {name}: more than one fits as well"
            ),
            evidence: vec![format!("live primaries that fit equally: {live}")],
            way_out: match explicit {
                true => "Name the present nodes of these shards in the file.".to_owned(),
                false => {
                    "Give the shards explicit `slots`, or name their present nodes in the file."
                        .to_owned()
                }
            },
            scope: Scope::Shard((*name).clone()),
        });
    }
}
