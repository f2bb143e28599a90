//! A primary that came back with another id while its old one still owns the slots: the shard's
//! data is in danger, or gone. Some servers let the shard's replicas copy the newcomer's
//! emptiness, and never fail the old id over.

use crate::base::{Address, NodeId, Role, counted, named};
use crate::desired::SlotShare;
use crate::observed::{LiveMember, NodeView, Replication};

use super::announce::wanted;
use super::verdict::has_quorum;
use super::{Blocked, Diff, Look, Scope, Severity};

/// The verdict on an owner of slots that doesn't answer, when a declared node answers in its place.
pub(super) fn verdict(
    look: &Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Option<Blocked> {
    if let Some(successor) = successor(look, diff, owner, member) {
        return Some(shard_lost(look, diff, owner, member, successor));
    }
    // Peers lose the address of an owner only to another node that answers there. A blank that
    // nobody lists may be that one, whatever shard the file has it in.
    let mut fresh = successors(look, diff, owner, member)
        .into_iter()
        .filter(|view| !is_listed(look, view));
    fresh.next().filter(|_| member.noaddr)?;
    Some(shard_lost_to_somebody(look, diff, owner, member))
}

/// The verdict on a node that stands alone and is not blank, when it is what came back of an owner.
pub(super) fn verdict_on_stranger(look: &Look<'_>, diff: &Diff, node: NodeId) -> Option<Blocked> {
    let silent = look
        .cluster
        .members
        .iter()
        .filter(|(_, member)| !member.answered);
    let mut owners = silent.filter(|(_, member)| !member.slots.is_empty());
    owners.find_map(|(owner, member)| {
        let successor = successor(look, diff, *owner, member)?;
        (successor.id == node).then(|| shard_lost(look, diff, *owner, member, successor))
    })
}

fn successor<'a>(
    look: &'a Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Option<&'a NodeView> {
    in_its_place(look, diff, owner, member).or_else(|| {
        // Peers drop the address of an id that no longer answers where it was.
        member
            .noaddr
            .then(|| best_guess(look, diff, owner, member))?
    })
}

/// Declared nodes that the owner may have become. A server that finds keys and no nodes.conf
/// takes the slots of these keys for its own.
fn successors<'a>(
    look: &'a Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Vec<&'a NodeView> {
    let fresh = |view: &&NodeView| {
        view.role() == Role::Primary && view.own_slots().difference(&member.slots).is_empty()
    };
    let declared = |view: &&NodeView| diff.pairing.names.contains_key(&view.id);
    let views = look.observed.views.values().filter(fresh);
    views
        .filter(declared)
        .filter(|view| view.id != owner)
        .collect()
}

/// The one that answers where peers still have the owner.
fn in_its_place<'a>(
    look: &'a Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Option<&'a NodeView> {
    successors(look, diff, owner, member)
        .into_iter()
        .find(|view| {
            let name = diff.pairing.names.get(&view.id);
            let announced = name
                .and_then(|name| look.desired.nodes.get(name))
                .map(|node| wanted(node, view).client);
            let sightings = member.sightings.iter();
            let mut places = sightings
                .filter_map(|sighting| sighting.address)
                .chain(dialled_by_its_replicas(look, owner));
            places.any(|address| address == view.dialled || Some(address) == announced)
        })
}

/// Peers drop the address of an id that no longer answers where it was; its replicas go on dialling it.
fn dialled_by_its_replicas(look: &Look<'_>, owner: NodeId) -> impl Iterator<Item = Address> {
    replicas(look, owner).filter_map(|view| match &view.replication {
        Replication::Replica { host, port, .. } => Some(Address::new(host.parse().ok()?, *port)),
        Replication::Primary { .. } => None,
    })
}

/// One that nobody lists, of the shard that the owner's replicas belong to; without replicas,
/// of the shard that is to serve the owner's slots.
fn best_guess<'a>(
    look: &'a Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Option<&'a NodeView> {
    let shard_of = |view: &NodeView| {
        let name = diff.pairing.names.get(&view.id)?;
        look.desired.shard_of(name)
    };
    let of_its_replicas: Vec<_> = replicas(look, owner).filter_map(shard_of).collect();
    let fits = |view: &&NodeView| {
        shard_of(view).is_some_and(|shard| match &shard.slots {
            _ if !of_its_replicas.is_empty() => {
                of_its_replicas.iter().any(|other| other.name == shard.name)
            }
            SlotShare::Explicit(slots) => !slots.intersection(&member.slots).is_empty(),
            SlotShare::Auto { .. } => true,
            SlotShare::None => false,
        })
    };
    let mut found = successors(look, diff, owner, member)
        .into_iter()
        .filter(|view| !is_listed(look, view))
        .filter(fits);
    found.next()
}

fn is_listed(look: &Look<'_>, view: &NodeView) -> bool {
    let member = look.cluster.members.get(&view.id);
    member.is_some_and(LiveMember::is_listed)
}

fn replicas<'a>(look: &'a Look<'_>, owner: NodeId) -> impl Iterator<Item = &'a NodeView> {
    let views = look.observed.views.values();
    views.filter(move |view| view.primary() == Some(owner))
}

fn shard_lost(
    look: &Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
    successor: &NodeView,
) -> Blocked {
    let name = diff.pairing.label(successor.id);
    let count = counted(member.slots.count(), "slot");
    let held = match successor.keys {
        0 => "is blank".to_owned(),
        keys => format!("holds {}", counted(keys, "key")),
    };
    let mut evidence = vec![format!(
        "{} still belong to node {}, but {name} answers as {} and {held}",
        named(&member.slots),
        owner.short(),
        successor.id.short()
    )];
    evidence.extend(copies(look, diff, owner));
    let by_force = by_force(look);
    let (why, way_out) = match successor.keys {
        0 => (
            format!(
                "{name} came back blank while its old id still owns {count}; its replicas may be copying its emptiness"
            ),
            format!(
                "Stop {name} now, so that no replica syncs from it. If a replica still holds the keys, save them there, or make it the primary (CLUSTER FAILOVER {by_force} on it); else restore {name} from its backup, with its old nodes.conf."
            ),
        ),
        _ => (
            format!("{name} came back with a new id while its old one still owns {count}"),
            format!(
                "Stop {name}, put its old nodes.conf back and start it again: then it is the same node. Don't empty it before you know where its keys are."
            ),
        ),
    };
    Blocked {
        code: "shard-lost",
        severity: Severity::Blocked,
        subject: name,
        why,
        evidence,
        way_out,
        scope: Scope::Everything,
    }
}

/// How a replica becomes the primary without its own: the others are asked only where there are enough of them.
fn by_force(look: &Look<'_>) -> &'static str {
    match has_quorum(look) {
        true => "FORCE",
        false => "TAKEOVER",
    }
}

/// What the owner's replicas hold.
fn copies(look: &Look<'_>, diff: &Diff, owner: NodeId) -> Vec<String> {
    let mut copies: Vec<String> = replicas(look, owner)
        .map(|view| {
            let label = diff.pairing.label(view.id);
            format!("its replica {label} holds {}", counted(view.keys, "key"))
        })
        .collect();
    copies.sort();
    copies
}

/// The same when it can't be told which node came back in the owner's place.
fn shard_lost_to_somebody(
    look: &Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Blocked {
    let label = diff.pairing.label(owner);
    let mut evidence = vec![format!(
        "{} still belong to node {label}, for which its peers have no address any more",
        named(&member.slots)
    )];
    evidence.extend(copies(look, diff, owner));
    Blocked {
        code: "shard-lost",
        severity: Severity::Blocked,
        why: format!(
            "the owner of {} is gone, and its peers have no address for it any more; if another node answers where it was, its replicas may be copying from that one",
            counted(member.slots.count(), "slot")
        ),
        evidence,
        way_out: format!(
            "Stop the node at its old address, if it still runs, so that no replica syncs from it. If a replica still holds the keys, save them there, or make it the primary (CLUSTER FAILOVER {} on it); else restore the node from its backup, with its old nodes.conf.",
            by_force(look)
        ),
        subject: label,
        scope: Scope::Everything,
    }
}
