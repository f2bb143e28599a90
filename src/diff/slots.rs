//! Which slots each shard is to serve, and which of them nobody serves yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Command, NodeId, SLOT_COUNT, ShardName, SlotSet, counted, named};
use crate::desired::{Desired, SlotShare};
use crate::observed::{Answer, Cluster, Failure, NodeView};

use super::removal::Removals;
use super::{
    Blocked, Diff, Difference, Look, Pairing, Scope, Severity, given_up, moves, newcomers,
};

/// A shard's share: what it holds now and what it is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub shard: ShardName,
    pub held: SlotSet,
    pub target: SlotSet,
}

/// The share of every shard, given what each holds and what nobody holds.
///
/// Explicit ranges are taken as they are. The rest is shared by weight: each `auto` shard gets
/// the floor or the ceiling of its quota. A shard that already holds the ceiling keeps it, so
/// that any even state is satisfied and the fewest slots change hands. Slots without owner are
/// given out before any that has one, in one run as long as there is one.
#[must_use]
pub fn shares(
    desired: &Desired,
    held: &BTreeMap<ShardName, SlotSet>,
    unassigned: &SlotSet,
) -> Vec<Share> {
    let none = SlotSet::new();
    let mut shares: Vec<Share> = desired
        .shards
        .iter()
        .map(|shard| Share {
            shard: shard.name.clone(),
            held: held.get(&shard.name).unwrap_or(&none).clone(),
            target: match &shard.slots {
                SlotShare::Explicit(slots) => slots.clone(),
                SlotShare::Auto { .. } | SlotShare::None => SlotSet::new(),
            },
        })
        .collect();
    let explicit: SlotSet = shares.iter().map(|share| &share.target).collect();
    let pool = SlotSet::full().difference(&explicit);
    let sizes = auto_sizes(desired, &shares, &pool);
    let mut free = pool.intersection(unassigned);
    for (index, size) in &sizes {
        let mut kept = shares[*index].held.intersection(&pool);
        shares[*index].target = kept.take_lowest(*size);
    }
    for (index, size) in &sizes {
        let missing = size - shares[*index].target.count();
        shares[*index].target = shares[*index].target.union(&free.take_lowest(missing));
    }
    // What is still missing has an owner who has to give: it moves.
    let targets: SlotSet = shares.iter().map(|share| &share.target).collect();
    let mut surplus = pool.difference(&targets);
    for (index, size) in &sizes {
        let missing = size - shares[*index].target.count();
        shares[*index].target = shares[*index].target.union(&surplus.take_lowest(missing));
    }
    shares
}

/// How many slots of the pool each `auto` shard is to hold, by its index.
fn auto_sizes(desired: &Desired, shares: &[Share], pool: &SlotSet) -> Vec<(usize, u16)> {
    let weights: Vec<(usize, u64)> = desired
        .shards
        .iter()
        .enumerate()
        .filter_map(|(index, shard)| match shard.slots {
            SlotShare::Auto { weight } => Some((index, u64::from(weight))),
            SlotShare::Explicit(_) | SlotShare::None => None,
        })
        .collect();
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let slots = u64::from(pool.count());
    let floor = |weight: u64| u16::try_from(slots * weight / total.max(1)).unwrap_or(SLOT_COUNT);
    let mut sizes: Vec<(usize, u16)> = weights
        .iter()
        .map(|(index, weight)| (*index, floor(*weight)))
        .collect();
    let spare = pool.count() - sizes.iter().map(|(_, size)| size).sum::<u16>();
    // A whole quota has no ceiling above its floor; among the others those that hold more than
    // the floor keep a spare slot, then those get one that get slots anyway, then the order of
    // the file decides.
    let mut order: Vec<usize> = (0..weights.len())
        .filter(|place| !(slots * weights[*place].1).is_multiple_of(total.max(1)))
        .collect();
    order.sort_by_key(|place| {
        let (index, size) = sizes[*place];
        let held = shares[index].held.intersection(pool).count();
        (held <= size, held == size, *place)
    });
    for place in order.into_iter().take(usize::from(spare)) {
        sizes[place].1 += 1;
    }
    sizes
}

/// Who owns which slots among the nodes that may grow together, and what that leaves to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    pub owners: BTreeMap<NodeId, SlotSet>,
    pub unassigned: SlotSet,
    /// In the order of the file.
    pub shares: Vec<Share>,
}

/// The present owners, and the share of every shard.
#[must_use]
pub fn ownership(desired: &Desired, cluster: &Cluster, pairing: &Pairing) -> Ownership {
    let owners: BTreeMap<NodeId, SlotSet> = cluster
        .islands_of(&pairing.joinable)
        .flat_map(|island| island.owners.clone())
        .collect();
    let assigned: SlotSet = owners.values().collect();
    let unassigned = SlotSet::full().difference(&assigned);
    let held: BTreeMap<ShardName, SlotSet> = pairing
        .primaries
        .iter()
        .filter_map(|(shard, primary)| Some((shard.clone(), owners.get(primary)?.clone())))
        .collect();
    Ownership {
        shares: shares(desired, &held, &unassigned),
        owners,
        unassigned,
    }
}

/// Finds unassigned slots, and slots that have to move.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff, removals: &Removals) {
    let mut ownership = ownership(look.desired, look.cluster, &diff.pairing);
    newcomers::compare(look, diff, &mut ownership);
    given_up::compare(look, diff, &ownership);
    moves::compare(look, diff, &ownership, removals);
    let Ownership {
        owners: _,
        unassigned,
        shares,
    } = ownership;
    if unassigned.is_empty() {
        return;
    }
    let held = unsafe_to_assign(look, diff, &unassigned);
    for share in shares {
        let slots = share.target.intersection(&unassigned).difference(&held);
        if slots.is_empty() || diff.is_shard_blocked(&share.shard) {
            continue;
        }
        match diff.pairing.primaries.get(&share.shard).copied() {
            Some(primary) if look.observed.views.contains_key(&primary) => {
                diff.differences.push(Difference::Unassigned {
                    shard: share.shard,
                    primary,
                    slots,
                });
            }
            Some(_) | None => diff.blocked.push(Blocked {
                code: "no-primary",
                severity: Severity::Blocked,
                subject: named(&slots),
                why: format!(
                    "nobody owns {}, and shard {} has no primary that could take them",
                    named(&slots),
                    share.shard
                ),
                evidence: Vec::new(),
                way_out: format!("Start the declared primary of shard {}.", share.shard),
                scope: Scope::Alone,
            }),
        }
    }
}

/// Giving a slot to a primary makes every other node delete what it holds of it, so nobody
/// may hold a key there, and everyone must have said so. Those slots of which this is not known.
fn unsafe_to_assign(look: &Look<'_>, diff: &mut Diff, unassigned: &SlotSet) -> SlotSet {
    let mut evidence = Vec::new();
    let mut no_answer =
        |who: String, failure: &Failure| evidence.push(format!("{who} did not answer: {failure}"));
    for (name, answer) in &look.observed.declared {
        if let Answer::Failed(failure) = answer {
            no_answer(name.to_string(), failure);
        }
    }
    for (id, failure) in &look.observed.silent_members {
        // A member without an address was reset or came back as another node: nothing can
        // answer for it any more.
        let gone = look
            .cluster
            .members
            .get(id)
            .is_some_and(|member| member.noaddr);
        if !gone && !diff.pairing.names.contains_key(id) {
            no_answer(diff.pairing.label(*id), failure);
        }
    }
    let missing = !evidence.is_empty();
    let mut views = look.observed.views.values();
    let untold = missing || views.any(|view| view.keys_elsewhere > 0);
    let holders = holders(look, unassigned);
    let filled = filled(&holders, unassigned);
    // Whoever is to give these back needs whole ranges where there are many, and where nobody owns anything.
    let islands = look.cluster.islands_of(&diff.pairing.joinable);
    let mut owners = islands.flat_map(|island| island.owners.values());
    let scattered = filled.ranges().len() > SCATTERED || owners.all(SlotSet::is_empty);
    let held = match untold || (scattered && !filled.is_empty()) {
        true => unassigned.clone(),
        false => filled,
    };
    if held.is_empty() {
        return held;
    }
    evidence.extend(held_in(look, diff, unassigned));
    let slots = named(&held);
    let mut way_out = Vec::new();
    if missing {
        way_out.push("Start the nodes that did not answer.".to_owned());
    }
    way_out.extend(way_out_of_keys(look, diff, &holders, unassigned));
    diff.blocked.push(Blocked {
        code: "unassigned-slots",
        severity: Severity::Blocked,
        why: format!(
            "nobody owns {slots}; that is mended once every node has said that it holds no key there"
        ),
        subject: slots,
        evidence,
        way_out: way_out.join(" "),
        scope: Scope::Alone,
    });
    held
}

/// Ranges of slots with keys among those without owner, beside which the others are given out.
const SCATTERED: usize = 32;

/// Those of these slots of which somebody holds keys.
fn filled(holders: &[&NodeView], slots: &SlotSet) -> SlotSet {
    let held = |all: SlotSet, view: &&NodeView| all.union(&view.filled_in(slots));
    holders.iter().fold(SlotSet::new(), held)
}

pub(super) fn holders<'a>(look: &'a Look<'_>, slots: &SlotSet) -> Vec<&'a NodeView> {
    let views = look.observed.views.values();
    views.filter(|view| view.count_in(slots) > 0).collect()
}

/// Who holds how many keys of slots that they don't own, a line each.
pub(super) fn held_in(look: &Look<'_>, diff: &Diff, slots: &SlotSet) -> Vec<String> {
    let mut held: Vec<String> = holders(look, slots)
        .into_iter()
        .map(|view| {
            let label = diff.pairing.label(view.id);
            format!(
                "{label} holds {} in {}",
                counted(view.count_in(slots), "key"),
                named(&view.filled_in(slots))
            )
        })
        .collect();
    let elsewhere = look.observed.views.values();
    let elsewhere = elsewhere.filter(|view| view.keys_elsewhere > 0);
    held.extend(elsewhere.map(|view| {
        format!(
            "{} holds {} in databases other than 0, whose slots can't be told",
            diff.pairing.label(view.id),
            counted(view.keys_elsewhere, "key")
        )
    }));
    held.sort();
    held
}

/// The primaries in whose shards these are.
pub(super) fn primaries_of(nodes: &[&NodeView]) -> BTreeSet<NodeId> {
    let nodes = nodes.iter();
    nodes
        .map(|view| view.primary().unwrap_or(view.id))
        .collect()
}

/// What gives a node these slots, for a person to send.
pub(super) fn given_back(look: &Look<'_>, owner: NodeId, slots: &SlotSet) -> String {
    let view = look.observed.views.get(&owner);
    let by_range = view.is_some_and(|view| view.server.supports_addslotsrange());
    match by_range && slots.ranges().len() <= SCATTERED {
        true => Command::add_slots_range(slots).to_string(),
        false => "CLUSTER ADDSLOTS with each of them".to_owned(),
    }
}

/// Where the keys are at one primary and its replicas, that one should have the slots back.
fn way_out_of_keys(
    look: &Look<'_>,
    diff: &Diff,
    holders: &[&NodeView],
    slots: &SlotSet,
) -> Option<String> {
    let holding: BTreeSet<NodeId> = holders.iter().map(|view| view.id).collect();
    let main = look.cluster.main();
    let strangers: BTreeSet<NodeId> = main
        .map(|main| &holding - &main.answered)
        .unwrap_or_default();
    if !strangers.is_empty() {
        let strangers = diff.pairing.label_all(&strangers);
        return Some(format!(
            "{strangers} can't be given slots before it is a member: save the keys that it holds, or remove them, and plan again."
        ));
    }
    let mut elsewhere = look.observed.views.values();
    match primaries_of(holders).into_iter().collect::<Vec<_>>().as_slice() {
        [] => elsewhere.any(|view| view.keys_elsewhere > 0).then(|| {
            "Nothing tells whether keys of other databases belong to these slots: save or remove them there, and plan again.".to_owned()
        }),
        [primary] if !holding.contains(primary) => {
            let replicas = diff.pairing.label_all(&holding);
            let primary = diff.pairing.label(*primary);
            Some(format!(
                "Only a replica holds these keys, and loses them when it copies {primary} again. To keep them, make {replicas} the primary by hand first (CLUSTER FAILOVER TAKEOVER on it), and plan again."
            ))
        }
        [primary] => {
            let back = given_back(look, *primary, &filled(holders, slots));
            let primary = diff.pairing.label(*primary);
            Some(format!(
                "To keep the keys, give their slots back to {primary} by hand ({back} on it) and plan again. Only then can keys be removed one by one: servers refuse commands for slots that nobody owns."
            ))
        }
        [_, _, ..] => Some(
            "Compare what these nodes hold, and give each slot to the one whose keys are right by hand (CLUSTER ADDSLOTS on it): the others may delete what they hold of it then."
                .to_owned(),
        ),
    }
}
