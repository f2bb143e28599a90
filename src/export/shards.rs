//! Who serves which slots, and who replicates whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName, Role, ShardName, SlotRange, SlotSet, named};
use crate::desired::{Apart, Node, Shard, SlotShare, numbered};
use crate::observed::{Cluster, Island};

use super::Remark;
use super::members::Seat;

/// A shard before it has a name.
struct Found {
    primary: NodeId,
    slots: SlotSet,
}

/// The shards in the order of their slots, called a, b, c, …
pub(super) fn shards(
    seats: &BTreeMap<NodeId, Seat<'_>>,
    names: &BTreeMap<NodeId, NodeName>,
    cluster: &Cluster,
    main: &Island,
    remarks: &mut Vec<Remark>,
) -> Vec<Shard> {
    let mut found = owners(main);
    found.extend(without_slots(seats, &found));
    let mut replicas = replicas(seats, cluster, &found, names, remarks);
    let mut shards: Vec<(Shard, SlotSet)> = Vec::new();
    for Found { primary, slots } in found {
        let mut own = replicas.remove(&primary).unwrap_or_default();
        let placed = match seats.get(&primary) {
            Some(_) => primary,
            None if own.is_empty() => {
                remarks.push(Remark::ill(format!(
                    "{} have an owner that is nowhere to be found ({}), and it has no replica.",
                    named(&slots),
                    primary.short()
                )));
                continue;
            }
            None => {
                let stand_in = own.remove(0);
                let node = names.get(&stand_in).map_or("", NodeName::as_str);
                remarks.push(Remark::ill(format!(
                    "{node} is written as the primary of {}, but it is a replica: their owner ({}) is nowhere to be found.",
                    named(&slots),
                    primary.short()
                )));
                stand_in
            }
        };
        let Some(primary) = names.get(&placed).cloned() else {
            continue;
        };
        let shard = Shard {
            name: ShardName::new(numbered(shards.len())),
            primary,
            replicas: own.iter().filter_map(|id| names.get(id).cloned()).collect(),
            slots: SlotShare::None,
        };
        shards.push((shard, slots));
    }
    give_out(shards, remarks)
}

/// The owners of slots, by their lowest slot. A slot that two claim is the first one's.
fn owners(main: &Island) -> Vec<Found> {
    let mut owners: Vec<(&NodeId, &SlotSet)> = main
        .owners
        .iter()
        .filter(|(_, slots)| !slots.is_empty())
        .collect();
    owners.sort_by_key(|(id, slots)| (slots.ranges().first().copied(), **id));
    let mut taken = SlotSet::new();
    let mut found = Vec::new();
    for (id, slots) in owners {
        let own = slots.difference(&taken);
        taken = taken.union(&own);
        found.push(Found {
            primary: *id,
            slots: own,
        });
    }
    found
}

/// Primaries that own no slot yet, or no more.
fn without_slots(seats: &BTreeMap<NodeId, Seat<'_>>, found: &[Found]) -> Vec<Found> {
    let owners: BTreeSet<NodeId> = found.iter().map(|shard| shard.primary).collect();
    let mut empty: Vec<&Seat<'_>> = seats
        .values()
        .filter(|seat| seat.member.role == Role::Primary && !owners.contains(&seat.id))
        .collect();
    empty.sort_by_key(|seat| (seat.at, seat.id));
    let shard = |seat: &Seat<'_>| Found {
        primary: seat.id,
        slots: SlotSet::new(),
    };
    empty.into_iter().map(shard).collect()
}

/// The replicas of each shard in the order of their addresses. The replica of a replica belongs to
/// the shard of the primary at the end of the chain.
fn replicas(
    seats: &BTreeMap<NodeId, Seat<'_>>,
    cluster: &Cluster,
    found: &[Found],
    names: &BTreeMap<NodeId, NodeName>,
    remarks: &mut Vec<Remark>,
) -> BTreeMap<NodeId, Vec<NodeId>> {
    let shards: BTreeSet<NodeId> = found.iter().map(|shard| shard.primary).collect();
    let mut sorted: Vec<&Seat<'_>> = seats.values().collect();
    sorted.sort_by_key(|seat| (seat.at, seat.id));
    let mut replicas: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for seat in sorted.into_iter().filter(|seat| !shards.contains(&seat.id)) {
        let name = names.get(&seat.id).map_or("", NodeName::as_str);
        match chain(cluster, &shards, seat.id) {
            Some((root, 1)) => replicas.entry(root).or_default().push(seat.id),
            Some((root, _)) => {
                remarks.push(Remark::ill(format!(
                    "{name} replicates a replica; it is written as a replica of the shard's primary."
                )));
                replicas.entry(root).or_default().push(seat.id);
            }
            None => remarks.push(Remark::ill(format!(
                "{name} is left out: it replicates nobody who is known."
            ))),
        }
    }
    replicas
}

/// The shard's primary that a node replicates in the end, and how many steps away it is.
fn chain(cluster: &Cluster, shards: &BTreeSet<NodeId>, node: NodeId) -> Option<(NodeId, usize)> {
    let mut at = node;
    // A ring of replicas ends nowhere.
    for steps in 1..=cluster.members.len() {
        at = cluster.members.get(&at)?.primary?;
        if shards.contains(&at) {
            return Some((at, steps));
        }
    }
    None
}

/// Explicit ranges: they say exactly what is. Slots that nobody owns go to the shard before them,
/// since a file has to give out all of them.
fn give_out(shards: Vec<(Shard, SlotSet)>, remarks: &mut Vec<Remark>) -> Vec<Shard> {
    let assigned: SlotSet = shards.iter().map(|(_, slots)| slots).collect();
    if assigned.is_empty() {
        remarks.push(Remark::ill(
            "No slot has an owner: the shards are written with even shares.".to_owned(),
        ));
        let even = shards.into_iter().map(|(shard, _)| Shard {
            slots: SlotShare::Auto { weight: 1 },
            ..shard
        });
        return even.collect();
    }
    let mut shards = shards;
    for gap in SlotSet::full().difference(&assigned).ranges() {
        let neighbour = gap.first.checked_sub(1).unwrap_or(gap.last + 1);
        if let Some((shard, slots)) = shards
            .iter_mut()
            .find(|(_, slots)| slots.contains(neighbour))
        {
            slots.insert(*gap);
            remarks.push(unowned(*gap, shard));
        }
    }
    let explicit = shards.into_iter().map(|(shard, slots)| Shard {
        slots: match slots.is_empty() {
            true => SlotShare::None,
            false => SlotShare::Explicit(slots),
        },
        ..shard
    });
    explicit.collect()
}

fn unowned(gap: SlotRange, shard: &Shard) -> Remark {
    let gap: SlotSet = [gap].into_iter().collect();
    let (have, them) = match gap.count() {
        1 => ("has", "it"),
        _ => ("have", "them"),
    };
    Remark::ill(format!(
        "{} {have} no owner; the file gives {them} to shard {}.",
        named(&gap),
        shard.name
    ))
}

/// What the live layout keeps apart: a file that asks for more would be at odds with itself.
pub(super) fn apart(
    shards: &[Shard],
    nodes: &BTreeMap<NodeName, Node>,
    remarks: &mut Vec<Remark>,
) -> Apart {
    let host = |name: &NodeName| nodes.get(name).map(|node| &node.host);
    let beside: Vec<&NodeName> = shards
        .iter()
        .flat_map(|shard| {
            let primary = host(&shard.primary);
            let replicas = shard.replicas.iter();
            replicas.filter(move |replica| host(replica) == primary)
        })
        .collect();
    let Some(first) = beside.first() else {
        return Apart::Host;
    };
    let others = match beside.len() {
        1 => String::new(),
        number => format!(" (and {} more)", number - 1),
    };
    remarks.push(Remark::fine(format!(
        "{first} is on the host of its primary{others}, so `replicas_apart` is off."
    )));
    Apart::Off
}
